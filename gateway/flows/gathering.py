# SPDX-License-Identifier: Apache-2.0
"""The organizer's page of one event: who answered what, and what waits for a decision of theirs.

The link came in the organizer's own mail and speaks for their account, for this one event only.
"""

from dataclasses import dataclass
from datetime import timedelta

from gateway.errors import Refused
from gateway.flows.context import Context
from gateway.flows.enqueue import send_messages
from gateway.flows.held import reject_in, release_in
from gateway.flows.invitation import find_link, no_such_link
from gateway.flows.proposals import decide
from gateway.flows.stored import guests_of
from gateway.itip.model import ItipMessage
from gateway.itip.objects import SchedulingObject, read_object
from gateway.itip.outbound import build_requests
from gateway.itip.tree import parse_tree
from gateway.store.accounts import Account
from gateway.store.held import Held
from gateway.store.journal import Entry
from gateway.store.objects import AttendeeStatus, StoredObject, StoredProposal
from gateway.store.unit import Unit

#: The same guest is not reminded twice within this time, whoever presses the button.
REMIND_AGAIN = timedelta(hours=1)


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
    decide(unit, context, gathering.account, gathering.item, proposal, accept=accept)
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
    count = send_messages(unit, context, account, item, messages, "change.asked-again")
    outcome = "sent" if count else "nothing"
    _journal(unit, context, gathering, outcome, "change.asked-again", "The organizer asked the silent once more")
    return count


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
