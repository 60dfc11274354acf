# SPDX-License-Identifier: Apache-2.0
"""Changes that wait for a person: see them, release them, reject them. Released ones are applied as if proven."""

from gateway.errors import Refused
from gateway.flows.arrival import Arrival, apply_arrival
from gateway.flows.context import Context
from gateway.flows.proposals import decide, open_proposal
from gateway.flows.stored import known_object
from gateway.imip.mail import PartOutcome
from gateway.itip.address import normal_address
from gateway.itip.objects import read_object
from gateway.itip.tree import Component, parse_tree
from gateway.store.guests import StoredProposal
from gateway.store.held import Held
from gateway.store.journal import Entry
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit
from policies.incoming import party_of


async def waiting(context: Context, account_id: str | None = None) -> tuple[Held, ...]:
    """Return what waits, oldest first, for one account or all."""
    return await context.store.read(lambda unit: unit.held.waiting(account_id))


async def release(context: Context, held_id: str, *, by: str) -> PartOutcome:
    """Apply a held change now: a person vouches for it.

    Raises:
        Refused: `not-found`, or it was decided already.
    """
    outcome = await context.store.write(lambda unit: release_in(unit, context, held_id, by=by))
    context.wake()
    return outcome


def release_in(unit: Unit, context: Context, held_id: str, *, by: str) -> PartOutcome:
    """The same inside a transaction of the caller's."""
    held = _decide(unit, context, held_id, "released", by)
    account = unit.accounts.get(held.account_id)
    if account is None:
        raise Refused("not-found", "The account of this change is gone")
    if held.method == "COUNTER" and (proposed := _proposed(unit, held)) is not None:
        decide(unit, context, account, *proposed, accept=True)
        reason = "The proposal is taken up, and everybody is told"
        return PartOutcome(held.recipient, held.method, held.uid, "applied", "proposal.decided", reason)
    message = parse_tree(held.ical)
    arrival = Arrival(
        account=account,
        message=message,
        from_address=_party(message, held),
        via="mail",
        recipient=held.recipient,
        mail_id=held.mail_id,
        vouched_by=by,
    )
    return apply_arrival(unit, context, arrival)


async def reject(context: Context, held_id: str, *, by: str) -> None:
    """Drop a held change.

    Raises:
        Refused: `not-found`, or it was decided already.
    """
    await context.store.write(lambda unit: reject_in(unit, context, held_id, by=by))


def reject_in(unit: Unit, context: Context, held_id: str, *, by: str) -> None:
    """The same inside a transaction of the caller's; a proposal that is rejected is declined."""
    held = _decide(unit, context, held_id, "rejected", by)
    account = unit.accounts.get(held.account_id)
    if account is not None and held.method == "COUNTER" and (proposed := _proposed(unit, held)) is not None:
        decide(unit, context, account, *proposed, accept=False)


def _decide(unit: Unit, context: Context, held_id: str, state: str, by: str) -> Held:
    held = unit.held.get(held_id)
    if held is None:
        raise Refused("not-found", f"Nothing {held_id} waits for a decision")
    if not unit.held.decide(held_id, state, context.clock.now()):
        raise Refused("conflict", f"{held_id} was decided already")
    unit.journal.write(
        Entry(
            at=context.clock.now(),
            stage="incoming",
            outcome=state,
            rule=f"held.{state}",
            reason=f"{by} decided it",
            mail_id=held.mail_id,
            account_id=held.account_id,
            recipient=held.recipient,
            uid=held.uid,
            method=held.method,
        )
    )
    return held


def _proposed(unit: Unit, held: Held) -> tuple[StoredObject, StoredProposal] | None:
    """The event, and what the author of a held COUNTER proposes for it, if it is still open."""
    item = known_object(unit, held.account_id, held.uid)
    proposal = open_proposal(unit, item, held.from_address) if item is not None else None
    return (item, proposal) if item is not None and proposal is not None else None


def _party(message: Component, held: Held) -> str:
    """Whom the person vouches for: the author, where the message speaks for them, else whom it speaks for."""
    subject = read_object(message)
    parties = tuple(subject.everyone) if party_of(held.method) == "attendee" else ()
    organizer = (subject.organizer.address,) if subject.organizer and not parties else ()
    author = normal_address(held.from_address)
    known = (*parties, *organizer)
    return author if author in known or not known else known[0]
