# SPDX-License-Identifier: Apache-2.0
"""The organizer's page of one event: who answered what, and what waits for a decision of theirs.

The link came in the organizer's own mail and speaks for their account, for this one event only.
"""

from dataclasses import dataclass
from datetime import timedelta

from gateway.errors import Refused
from gateway.flows.accounts import may
from gateway.flows.calendar_change import ChangeRequest, change_object
from gateway.flows.context import Context
from gateway.flows.enqueue import enqueue_messages
from gateway.flows.held import reject_in, release_in
from gateway.flows.invitation import find_link, no_such_link
from gateway.flows.recipients import judge_recipients
from gateway.flows.stored import guests_of
from gateway.itip.draft import Draft
from gateway.itip.model import ItipMessage, PartstatReset
from gateway.itip.objects import SchedulingObject, read_object
from gateway.itip.outbound import build_decline_counter, build_requests
from gateway.itip.tree import Component, parse_tree
from gateway.store.accounts import Account
from gateway.store.held import Held
from gateway.store.journal import Entry
from gateway.store.objects import AttendeeStatus, StoredObject, StoredProposal
from gateway.store.unit import Unit

#: The same guest is not reminded twice within this time, whoever presses the button.
REMIND_AGAIN = timedelta(hours=1)
_TAKEN_UP = ("DTSTART", "DTEND", "DUE", "DURATION", "LOCATION", "SUMMARY", "DESCRIPTION", "RRULE", "RDATE", "EXDATE")


@dataclass(frozen=True, slots=True)
class Gathering:
    """One event as its owner sees it: most often its organizer, else a guest's own copy."""

    account: Account
    item: StoredObject
    subject: SchedulingObject
    statuses: tuple[AttendeeStatus, ...]
    proposals: tuple[StoredProposal, ...]
    held: tuple[Held, ...]
    is_open: bool = True  # neither over nor cancelled
    is_own: bool = True  # nobody else organizes it

    @property
    def silent(self) -> tuple[str, ...]:
        """Guests of the event, or of a part of it, who have not answered and still could."""
        if not (self.is_open and self.is_own):
            return ()
        guests = guests_of(parse_tree(self.item.ical))
        return tuple(dict.fromkeys(guest.address for guest in guests if guest.partstat == "NEEDS-ACTION"))


def look_as_organizer(unit: Unit, context: Context, token: str) -> Gathering:
    """Return what an organizer's link shows.

    Raises:
        Refused: `not-found`, `link-ended`.
    """
    _, account, item = find_link(unit, context, "organizer", token)
    if item is None or item.account_id != account.id:
        raise no_such_link()
    waiting = tuple(h for h in unit.held.waiting(account.id) if h.uid == item.uid and h.method != "COUNTER")
    proposals = tuple(p for p in unit.objects.proposals(item.id) if p.state == "open")
    subject = read_object(parse_tree(item.ical))
    is_over = item.ends_at is not None and item.ends_at < context.clock.now()
    is_open = not is_over and item.status != "CANCELLED"
    organizer = subject.organizer
    is_own = organizer is None or organizer.address in unit.accounts.addresses(account.id)
    return Gathering(account, item, subject, unit.objects.statuses(item.id), proposals, waiting, is_open, is_own)


def decide_held(unit: Unit, context: Context, token: str, held_id: str, *, release: bool) -> None:
    """Release or reject something that waits for the organizer.

    Raises:
        Refused: `not-found`, `link-ended`; `conflict` where it was decided already.
    """
    gathering = look_as_organizer(unit, context, token)
    if held_id not in {held.id for held in gathering.held}:
        raise Refused("conflict", "This was decided already")
    if release:
        release_in(unit, context, held_id, by=gathering.account.address)
    else:
        reject_in(unit, context, held_id, by=gathering.account.address)


def decide_proposal(unit: Unit, context: Context, token: str, proposal_id: str, *, accept: bool) -> None:
    """Take up a proposal, which is an edit like any other and tells everybody; or decline it, which tells one.

    Raises:
        Refused: as above; `bad-calendar` where the proposal fits the event no more.
    """
    gathering = look_as_organizer(unit, context, token)
    proposal = next((each for each in gathering.proposals if each.id == proposal_id), None)
    if proposal is None:
        raise Refused("conflict", "This was decided already")
    if accept:
        _take_up(unit, context, gathering, proposal)
    else:
        counter, now = parse_tree(proposal.ical), context.clock.now()
        message = build_decline_counter(gathering.subject.calendar, counter, proposer=proposal.address, now=now)
        _send(unit, context, gathering, (message,) if message else (), "proposal.decided")
    unit.objects.set_proposal_state(proposal.id, "accepted" if accept else "declined")
    for held in unit.held.waiting(gathering.account.id):  # the same proposal, as the arrival kept it
        if held.method == "COUNTER" and held.uid == gathering.item.uid and held.from_address == proposal.address:
            unit.held.decide(held.id, "released" if accept else "rejected", context.clock.now())
    outcome, whose = "released" if accept else "rejected", proposal.address
    _journal(unit, context, gathering, outcome, "proposal.decided", "The organizer decided it on their page", whose)


def remind(unit: Unit, context: Context, token: str) -> int:
    """Ask the silent once more with the present state; the number asked. Nobody twice within an hour.

    Raises:
        Refused: `not-found`, `link-ended`.
    """
    gathering = look_as_organizer(unit, context, token)
    account, item, now = gathering.account, gathering.item, context.clock.now()
    messages: list[ItipMessage] = []
    for address in gathering.silent:
        thread = unit.sent.thread(account.id, item.uid, address)
        if thread and thread[-1].sent_at > now - REMIND_AGAIN:
            continue
        messages += build_requests(
            gathering.subject.calendar,
            address,
            now=now,
            last_dtstamp=unit.sent.last_dtstamp(account.id, item.uid),
            hide_attendees=item.hide_attendees,
            reason="The organizer asks again for an answer",
        )
    count = _send(unit, context, gathering, tuple(messages), "change.asked-again")
    outcome = "sent" if count else "nothing"
    _journal(unit, context, gathering, outcome, "change.asked-again", "The organizer asked the silent once more")
    return count


def _take_up(unit: Unit, context: Context, gathering: Gathering, proposal: StoredProposal) -> None:
    """Put the proposed values into the event; SEQUENCE and messages are the engine's business."""
    draft = Draft(gathering.subject.calendar)
    calendar = parse_tree(proposal.ical)
    theirs = next((part for part in read_object(calendar).components), None)
    key = draft.key_of(theirs, read_object(calendar).zones) if theirs is not None else None
    part = None if key is None else draft.component(key) or draft.implied(key)
    if theirs is None or key is None or part is None:
        raise Refused("bad-calendar", "The proposal fits the event no more")
    draft.take_zones(calendar)
    draft.put(key, _with_values(part, theirs))
    request = ChangeRequest(
        account=gathering.account, ical=draft.build(), item=gathering.item, send=True,
        source="link", partstat_reset=PartstatReset.SERVER, refuse_unreachable=False,
    )  # fmt: skip
    change_object(unit, context, request)


def _with_values(part: Component, theirs: Component) -> Component:
    proposed = [name for name in _TAKEN_UP if theirs.first(name) is not None]
    gone = {*proposed, *(("DTEND", "DURATION", "DUE") if "DTSTART" in proposed else ())}
    return part.without(*gone).adding(*theirs.all(*proposed))


def _send(unit: Unit, context: Context, gathering: Gathering, messages: tuple[ItipMessage, ...], rule: str) -> int:
    if not messages or not may(gathering.account, "scheduling-send"):
        return 0
    addressed, _ = judge_recipients(unit, context, gathering.account, gathering.item, messages)
    return enqueue_messages(unit, context, gathering.account, gathering.item, addressed, rule) if addressed else 0


def _journal(
    unit: Unit, context: Context, gathering: Gathering, outcome: str, rule: str, reason: str, recipient: str = ""
) -> None:
    unit.journal.write(
        Entry(
            at=context.clock.now(),
            stage="link",
            outcome=outcome,
            rule=rule,
            reason=reason,
            account_id=gathering.account.id,
            recipient=recipient,
            uid=gathering.item.uid,
        )
    )
