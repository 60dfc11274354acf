# SPDX-License-Identifier: Apache-2.0
"""CalendarEvent/participantReply: record or send the answer of one participant by address, as Cyrus has it.

In the account of the participant it is their answer and goes to the organizer; in the organizer's account it is an
answer that came another way (by telephone), which the organizer writes down.
"""

from gateway.flows.context import Context
from gateway.http.jmap.arguments import Arguments
from gateway.http.jmap.core import Answer, Call, MethodEntry
from gateway.http.jmap.errors import MethodError, SetError
from gateway.http.jmap.event_changes import update_event
from gateway.http.jmap.event_view import show_event
from gateway.http.jmap.methods.event_set import find_event, with_occurrence
from gateway.http.jmap.session import CALENDARS, SCHEDULING
from gateway.http.jmap.standard import attempt
from gateway.http.jmap.view import View, open_view
from gateway.itip.address import normal_address
from gateway.jscalendar.patch import apply_patch, join_pointer
from gateway.jscalendar.values import InvalidProperty, Json
from gateway.store.unit import Unit

_ANSWERS = ("accepted", "declined", "tentative")


def methods(context: Context) -> dict[str, MethodEntry]:
    """Return the method."""

    async def reply(call: Call) -> Answer:
        arguments = Arguments(call)
        account_id, event_id = arguments.account_id(), arguments.text("eventId")
        address = arguments.text("participantEmail")
        updates = arguments.mapping("updates") or {}
        arguments.done()
        answer = updates.get("participationStatus")
        if answer not in _ANSWERS or len(updates) > 1:
            words = f"updates has participationStatus: {', '.join(_ANSWERS)}"
            raise MethodError("invalidArguments", words, arguments=["updates"])

        def fn(unit: Unit) -> Json:
            view = open_view(unit, call.login, account_id)
            made = attempt(unit, lambda: _reply(unit, context, view, event_id, address, str(answer)))
            if isinstance(made, SetError):
                raise MethodError(made.kind, made.description)
            return {
                "accountId": account_id,
                **(made if SCHEDULING in call.using else {"scheduleStatus": made["scheduleStatus"]}),
            }

        said = await context.store.write(fn)
        context.wake()
        return said

    return {"CalendarEvent/participantReply": MethodEntry(reply, CALENDARS, writes=True)}


def _reply(unit: Unit, context: Context, view: View, event_id: str, address: str, answer: str) -> Json:
    """Return the schedule status: 1.1 for an answer on its way, 2.0 where nothing had to be sent."""
    record, key = find_event(unit, view, event_id)
    event = show_event(record, view, whole=True)
    people = event.get("participants") or {}
    wanted = normal_address(address)
    found = next((k for k, p in people.items() if normal_address(p.get("calendarAddress") or "") == wanted), None)
    if found is None:
        raise MethodError("notFound", "The event has no such participant")
    patch = {join_pointer(("participants", found, "participationStatus")): answer}
    after = apply_patch(event, patch) if key is None else with_occurrence(record, view, key, patch)
    if isinstance(after, InvalidProperty):
        raise MethodError("invalidArguments", after.reason)
    _, result = update_event(unit, context, view, record, after, send=True)
    outcome = {"messages": result.messages, "rule": result.rule, "nothing": result.nothing}
    return {"scheduleStatus": "1.1" if result.messages else "2.0", "schedulingOutcome": outcome}
