# SPDX-License-Identifier: Apache-2.0
"""A guest's proposal (COUNTER) is decided: taken up, an edit that tells everybody, or declined, which tells one."""

from gateway.errors import Refused
from gateway.flows.calendar_change import ChangeRequest, change_object
from gateway.flows.context import Context
from gateway.flows.enqueue import send_messages
from gateway.itip.draft import Draft
from gateway.itip.model import PartstatReset
from gateway.itip.objects import read_object
from gateway.itip.outbound import build_decline_counter
from gateway.itip.tree import Component, parse_tree
from gateway.store.accounts import Account
from gateway.store.guests import StoredProposal
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit

_TAKEN_UP = ("DTSTART", "DTEND", "DUE", "DURATION", "LOCATION", "SUMMARY", "DESCRIPTION", "RRULE", "RDATE", "EXDATE")


def open_proposal(unit: Unit, item: StoredObject, author: str) -> StoredProposal | None:
    """Return what this guest proposes now, if anything."""
    waiting = (each for each in unit.guests.proposals(item.id) if each.state == "open" and each.address == author)
    return next(waiting, None)


def decide(
    unit: Unit, context: Context, account: Account, item: StoredObject, proposal: StoredProposal, *, accept: bool
) -> None:
    """Take a proposal up or decline it; whatever else waits of it is decided with it.

    Raises:
        Refused: `bad-calendar` where the proposal fits the event no more.
    """
    calendar = read_object(parse_tree(item.ical)).calendar
    if accept:
        _take_up(unit, context, account, item, calendar, proposal)
    else:
        counter, now = parse_tree(proposal.ical), context.clock.now()
        message = build_decline_counter(calendar, counter, proposer=proposal.address, now=now)
        send_messages(unit, context, account, item, (message,) if message else (), "proposal.decided")
    unit.guests.set_proposal_state(proposal.id, "accepted" if accept else "declined")
    for held in unit.held.waiting(account.id):  # the same proposal, as the arrival kept it
        if held.method == "COUNTER" and held.uid == item.uid and held.from_address == proposal.address:
            unit.held.decide(held.id, "released" if accept else "rejected", context.clock.now())


def _take_up(
    unit: Unit, context: Context, account: Account, item: StoredObject, calendar: Component, proposal: StoredProposal
) -> None:
    """Put the proposed values into the event; SEQUENCE and messages are the engine's business."""
    draft = Draft(calendar)
    proposed = parse_tree(proposal.ical)
    subject = read_object(proposed)
    theirs = next(iter(subject.components), None)
    key = draft.key_of(theirs, subject.zones) if theirs is not None else None
    part = None if key is None else draft.component(key) or draft.implied(key)
    if theirs is None or key is None or part is None:
        raise Refused("bad-calendar", "The proposal fits the event no more")
    draft.take_zones(proposed)
    draft.put(key, _with_values(part, theirs))
    request = ChangeRequest(
        account=account, ical=draft.build(), item=item, send=True,
        source="link", partstat_reset=PartstatReset.SERVER, refuse_unreachable=False,
    )  # fmt: skip
    change_object(unit, context, request)


def _with_values(part: Component, theirs: Component) -> Component:
    proposed = [name for name in _TAKEN_UP if theirs.first(name) is not None]
    gone = {*proposed, *(("DTEND", "DURATION", "DUE") if "DTSTART" in proposed else ())}
    return part.without(*gone).adding(*theirs.all(*proposed))
