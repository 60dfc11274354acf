# SPDX-License-Identifier: Apache-2.0
"""CalendarEventNotification/get, /changes, /query, /queryChanges, /set: what others did (JMAP Calendars §7).

Clients only read and dismiss them.
"""

from collections.abc import Sequence
from typing import Any

from gateway.flows.context import Context
from gateway.flows.notifying import told
from gateway.http.jmap.arguments import Arguments
from gateway.http.jmap.core import Answer, Call, MethodEntry
from gateway.http.jmap.errors import SetFailure
from gateway.http.jmap.filters import bad_value, compile_filter
from gateway.http.jmap.queries import changes_of_query, paged, read_paging, read_sort
from gateway.http.jmap.session import CALENDARS
from gateway.http.jmap.standard import Getting, Setting, get_changes, get_objects, parse_state, set_objects, state_of
from gateway.http.jmap.view import View, open_view
from gateway.jscalendar.personal import PERSONAL, with_personal
from gateway.jscalendar.values import Json, JsonMap, parse_utc, utc_text
from gateway.store.changes import Kind
from gateway.store.notifications import Notification
from gateway.store.unit import Unit

_PROPERTIES = frozenset(
    {"id", "created", "changedBy", "comment", "type", "calendarEventId", "isDraft", "event", "eventPatch"}
)


def methods(context: Context) -> dict[str, MethodEntry]:
    """Return the methods of CalendarEventNotification."""

    async def get(call: Call) -> Answer:
        return await get_objects(context, call, Getting(Kind.NOTIFICATION, _PROPERTIES, load_notifications))

    async def changes(call: Call) -> Answer:
        return await get_changes(context, call, Kind.NOTIFICATION)

    async def set_(call: Call) -> Answer:
        setting = Setting(Kind.NOTIFICATION, _refuse_create, _refuse_update, _dismiss)
        return await set_objects(context, call, Arguments(call), setting)

    async def query(call: Call) -> Answer:
        return await _query(context, call)

    async def changed(call: Call) -> Answer:
        return await _query_changes(context, call)

    name = "CalendarEventNotification/"
    return {
        name + "get": MethodEntry(get, CALENDARS),
        name + "changes": MethodEntry(changes, CALENDARS),
        name + "set": MethodEntry(set_, CALENDARS, writes=True),
        name + "query": MethodEntry(query, CALENDARS),
        name + "queryChanges": MethodEntry(changed, CALENDARS),
    }


def load_notifications(unit: Unit, view: View, ids: Sequence[str] | None) -> dict[str, Json]:
    """Return notifications, oldest first; what happens in a shared account is told to its owner."""
    if not view.is_own:
        return {}
    if ids is None:
        found: Sequence[Notification] = unit.notifications.of(view.account.id)
    else:
        asked = (unit.notifications.get(item_id) for item_id in ids)
        found = [each for each in asked if each is not None and each.account_id == view.account.id]
    return {each.id: _json(each) for each in found}


def _json(each: Notification) -> Json:
    event, patch = _shared(*told(each))
    shown: Json = {
        "id": each.id,
        "created": utc_text(each.created_at),
        "changedBy": dict(each.changed_by),
        "comment": each.comment,
        "type": each.type,
        "calendarEventId": each.object_id,
        "event": event,
    }
    if each.type != "destroyed":
        shown["isDraft"] = each.is_draft
    if each.type == "updated":
        shown["eventPatch"] = patch
    return shown


def _shared(event: JsonMap | None, patch: JsonMap | None) -> tuple[Json | None, Json | None]:
    """Leave out what each user keeps for themself: no notification is about that (JMAP Calendars §7)."""
    plain = None if event is None else with_personal(event, {})
    if patch is None:
        return plain, None
    return plain, {pointer: value for pointer, value in patch.items() if pointer.partition("/")[0] not in PERSONAL}


def _refuse_create(unit: Unit, view: View, item: Json) -> tuple[str, Json]:
    raise SetFailure("forbidden", "The server makes notifications")


def _refuse_update(unit: Unit, view: View, item_id: str, patch: Json) -> Json | None:
    if item_id not in load_notifications(unit, view, [item_id]):
        raise SetFailure("notFound")
    raise SetFailure("forbidden", "A notification can only be destroyed")


def _dismiss(unit: Unit, view: View, item_id: str) -> None:
    found = unit.notifications.get(item_id)
    if found is None or not view.is_own or found.account_id != view.account.id:
        raise SetFailure("notFound")
    unit.notifications.remove(found)


def _condition(name: str, value: Any) -> Any:
    match name, value:
        case "after", str() if parse_utc(value):
            return lambda each: utc_text(each.created_at) >= value
        case "before", str() if parse_utc(value):
            return lambda each: utc_text(each.created_at) < value
        case "type", str():
            return lambda each: each.type == value
        case "calendarEventIds", list() if all(isinstance(item, str) for item in value):
            return lambda each: each.object_id in value
    return bad_value(name, frozenset({"after", "before", "type", "calendarEventIds"}))


def _matching(unit: Unit, view: View, filter_: Json | None, sort: Sequence[tuple[str, bool]]) -> list[str]:
    keeps = compile_filter(filter_, _condition)
    found = [each.id for each in (unit.notifications.of(view.account.id) if view.is_own else ()) if keeps(each)]
    _, oldest_first = sort[0] if sort else ("created", True)
    return found if oldest_first else found[::-1]


async def _query(context: Context, call: Call) -> Json:
    arguments = Arguments(call)
    account_id, paging = arguments.account_id(), read_paging(arguments)
    filter_, sort = arguments.mapping("filter"), read_sort(arguments, ("created",))
    arguments.done()

    def fn(unit: Unit) -> Json:
        view = open_view(unit, call.login, account_id)
        ids = _matching(unit, view, filter_, sort)
        state = state_of(unit, view, Kind.NOTIFICATION)
        page = paged(ids, paging, context.config.http.max_objects_in_get)
        return {"accountId": account_id, "queryState": state, "canCalculateChanges": True, **page}

    return await context.store.read(fn)


async def _query_changes(context: Context, call: Call) -> Json:
    arguments = Arguments(call)
    account_id, since = arguments.account_id(), parse_state(arguments.text("sinceQueryState"))
    filter_, sort = arguments.mapping("filter"), read_sort(arguments, ("created",))
    most, total = arguments.number("maxChanges", least=1), arguments.flag("calculateTotal")
    arguments.text_or_none("upToId")
    arguments.done()

    def fn(unit: Unit) -> Json:
        view = open_view(unit, call.login, account_id)
        return changes_of_query(
            unit, view, Kind.NOTIFICATION, since, _matching(unit, view, filter_, sort), most, total=total
        )

    return await context.store.read(fn)
