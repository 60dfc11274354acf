# SPDX-License-Identifier: Apache-2.0
"""The organizer's page of one event: who answered what, and what waits for a decision of theirs.

The link came in the organizer's own mail and speaks for their account, for this one event only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

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
from gateway.store.accounts import Account
from gateway.store.guests import AttendeeStatus, StoredProposal
from gateway.store.held import Held
from gateway.store.journal import Entry
from gateway.store.objects import StoredObject
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
        guests = guests_of(self.subject.calendar)
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
    proposals = tuple(p for p in unit.guests.proposals(item.id) if p.state == "open")
    subject = read_object(context.trees.read(item.ical))
    is_over = item.ends_at is not None and item.ends_at < context.clock.now()
    is_open = not is_over and item.status != "CANCELLED"
    organizer = subject.organizer
    is_own = organizer is None or organizer.address in unit.accounts.addresses(account.id)
    return Gathering(account, item, subject, unit.guests.statuses(item.id), proposals, waiting, is_open, is_own)


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
    """Ask the silent once more with the present state; the number asked.

    Nobody twice within an hour, and no more at once than one change may write to: who is left is asked next time.

    Raises:
        Refused: `not-found`, `link-ended`.
    """
    gathering = look_as_organizer(unit, context, token)
    account, item, now = gathering.account, gathering.item, context.clock.now()
    told = unit.sent.last_sent(account.id, item.uid)
    waiting = [who for who in gathering.silent if who not in told or told[who] <= now - REMIND_AGAIN]
    asked = waiting[: context.policy(unit).scheduling.max_recipients]
    messages = _asking_again(gathering, asked, now, unit.sent.last_dtstamp(account.id, item.uid))
    sent = send_messages(unit, context, account, item, messages, "change.asked-again")
    outcome = "sent" if sent else "nothing"
    _journal(unit, context, gathering, outcome, "change.asked-again", "The organizer asked the silent once more")
    return min(sent, len(asked))


def _asking_again(
    gathering: Gathering, asked: Sequence[str], now: datetime, last_dtstamp: datetime | None
) -> list[ItipMessage]:
    """Build the messages, one for all guests who are shown the same."""
    subject, hides = gathering.subject, gathering.item.hide_attendees
    alike: dict[object, list[str]] = {}
    for address in asked:
        parts = tuple(key for key, _ in subject.instances() if address in subject.attendees(key))
        alike.setdefault(address if hides else parts, []).append(address)
    return [
        replace(message, to=tuple(subject.everyone[address].spelled for address in people))
        for people in alike.values()
        for message in build_requests(
            subject.calendar,
            people[0],
            now=now,
            last_dtstamp=last_dtstamp,
            hide_attendees=hides,
            reason="The organizer asks again for an answer",
        )
    ]


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
