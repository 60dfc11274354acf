# SPDX-License-Identifier: Apache-2.0
"""The copy of a guest whose calendar is here too: it shows what they answered by link."""

from gateway.flows.calendar_change import ChangeRequest, change_object
from gateway.flows.context import Context
from gateway.flows.invitation import Invitation
from gateway.itip.address import normal_address
from gateway.itip.draft import Draft
from gateway.itip.instances import MASTER
from gateway.itip.tree import Component, Prop, parse_tree
from gateway.store.unit import Unit


def follow_answer(unit: Unit, context: Context, invitation: Invitation, partstat: str) -> None:
    """A guest whose calendar is here too finds their answer in it, whichever way they gave it."""
    reader = unit.accounts.by_address(invitation.link.attendee)
    if reader is None or reader.id == invitation.account.id:
        return
    own = next(iter(unit.objects.by_uid(reader.id, invitation.item.uid)), None)
    if own is None or own.is_origin:
        return
    answered = _with_partstat(parse_tree(own.ical), invitation, partstat)
    if answered is not None:
        request = ChangeRequest(account=reader, ical=answered, item=own, send=False, source="link")
        change_object(unit, context, request)


def _with_partstat(calendar: Component, invitation: Invitation, partstat: str) -> Component | None:
    draft, me = Draft(calendar), invitation.link.attendee
    key = invitation.key
    part = draft.component(key) or (draft.implied(key) if key != MASTER else None)
    if part is None:
        return None

    def answered(line: Prop) -> Prop:
        own = line.name == "ATTENDEE" and normal_address(line.value) == me
        return line.with_param("PARTSTAT", partstat).without_params("RSVP") if own else line

    draft.put(key, part.map_props(answered))
    return draft.build()
