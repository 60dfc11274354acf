# SPDX-License-Identifier: Apache-2.0
"""Principal/get, /query, /changes, /set and /getAvailability: people here, and when they are busy (RFC 9670).

The directory shows the people of one's own mail domain. When somebody is busy is told only to those with whom they
share a calendar for that (`mayReadFreeBusy`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.flows.context import Context
from gateway.http.jmap.arguments import Arguments
from gateway.http.jmap.availability import BusyPeriod, merged_periods, read_busy_periods
from gateway.http.jmap.core import Answer, Call, MethodEntry
from gateway.http.jmap.errors import MethodError, SetFailure
from gateway.http.jmap.filters import Predicate, bad_value, compile_filter
from gateway.http.jmap.queries import changes_of_query, paged, read_paging, read_sort
from gateway.http.jmap.session import AVAILABILITY, CALENDARS, PRINCIPALS
from gateway.http.jmap.standard import Setting, get_changes, only, parse_state, set_objects, state_of, wanted_properties
from gateway.http.jmap.view import View, open_view
from gateway.itip.address import build_mailto, normal_address
from gateway.jscalendar.values import Json, utc_text
from gateway.store.accounts import Account
from gateway.store.changes import Kind
from gateway.store.unit import Unit

_PROPERTIES = frozenset({"id", "type", "name", "description", "email", "timeZone", "capabilities", "accounts"})
_CONDITIONS = frozenset({"accountIds", "email", "calendarAddress", "name", "text", "type", "timeZone"})
_SORTS: dict[str, Callable[[Account], str]] = {
    "name": lambda each: (each.name or each.address).casefold(),
    "email": lambda each: each.address,
}
_MAX_WINDOW = timedelta(days=366)


def methods(context: Context) -> dict[str, MethodEntry]:
    """Return the methods of Principal."""

    async def get(call: Call) -> Answer:
        return await _get(context, call)

    async def query(call: Call) -> Answer:
        return await _query(context, call)

    async def changes(call: Call) -> Answer:
        return await get_changes(context, call, Kind.PERSON)

    async def query_changes(call: Call) -> Answer:
        return await _query_changes(context, call)

    async def set_(call: Call) -> Answer:
        return await set_objects(context, call, Arguments(call), _REFUSING)

    async def availability(call: Call) -> Answer:
        return await _availability(context, call)

    return {
        "Principal/get": MethodEntry(get, PRINCIPALS),
        "Principal/query": MethodEntry(query, PRINCIPALS),
        "Principal/queryChanges": MethodEntry(query_changes, PRINCIPALS),
        "Principal/changes": MethodEntry(changes, PRINCIPALS),
        "Principal/set": MethodEntry(set_, PRINCIPALS, writes=True),
        "Principal/getAvailability": MethodEntry(availability, AVAILABILITY),
    }


def visible_people(unit: Unit, view: View) -> dict[str, Account]:
    """Return everybody whom the caller may find: their own domain, and who shares with them."""
    domain = view.caller.address.rpartition("@")[2]
    sharers = {calendar.account_id for calendar, _ in unit.calendars.shared_with(view.caller.id)}
    return {
        account.id: account
        for account in unit.accounts.all()
        if not account.disabled and (account.address.rpartition("@")[2] == domain or account.id in sharers)
    }


def _json(unit: Unit, view: View, account: Account) -> Json:
    own = account.id == view.caller.id
    readable = own or bool(_busy_calendars(unit, view.caller, account.id))
    shared = own or any(c.account_id == account.id for c, _ in unit.calendars.shared_with(view.caller.id))
    calendars = {
        "accountId": account.id if shared else None,
        "mayGetAvailability": readable,
        "mayShareWith": not own,
        "calendarAddress": build_mailto(account.address),
    }
    return {
        "id": account.id,
        "type": "individual",
        "name": account.name or account.address,
        "description": None,
        "email": account.address,
        "timeZone": account.time_zone,
        "capabilities": {CALENDARS: calendars, AVAILABILITY: {}},
        "accounts": {account.id: {"name": account.address, "isPersonal": own, "isReadOnly": False}} if shared else None,
    }


async def _get(context: Context, call: Call) -> Json:
    arguments = Arguments(call)
    account_id, ids, properties = arguments.account_id(), arguments.ids("ids"), arguments.texts("properties")
    arguments.done()
    names = wanted_properties(properties, _PROPERTIES)
    if len(ids or ()) > context.config.http.max_objects_in_get:
        raise MethodError("requestTooLarge")

    def fn(unit: Unit) -> Json:
        view = open_view(unit, call.login, account_id)
        people = visible_people(unit, view)
        order = list(people) if ids is None else [item_id for item_id in ids if item_id in people]
        if len(order) > context.config.http.max_objects_in_get:
            raise MethodError("requestTooLarge")
        return {
            "accountId": account_id,
            "state": state_of(unit, view, Kind.PERSON),
            "list": [only(_json(unit, view, people[item_id]), names) for item_id in order],
            "notFound": [item_id for item_id in ids or () if item_id not in people],
        }

    return await context.store.read(fn)


def _condition(name: str, value: Any) -> Any:
    match name, value:
        case "accountIds", list():
            return lambda each: each.id in value
        case "email", str():
            return lambda each: value.casefold() in each.address
        case "calendarAddress", str():
            return lambda each: normal_address(value) == each.address
        case "name", str():
            return lambda each: value.casefold() in each.name.casefold()
        case "text", str():
            return lambda each: value.casefold() in f"{each.name} {each.address}".casefold()
        case "type", str():
            return lambda _: value == "individual"
        case "timeZone", str():
            return lambda each: each.time_zone == value
    return bad_value(name, _CONDITIONS)


@dataclass(frozen=True, slots=True)
class _Query:
    """Who is asked for, and in which order."""

    keeps: Predicate
    sort: tuple[tuple[str, bool], ...]

    def ids(self, unit: Unit, view: View) -> list[str]:
        people = sorted(visible_people(unit, view).values(), key=_SORTS["email"])
        for name, ascending in reversed(self.sort):
            people.sort(key=_SORTS[name], reverse=not ascending)
        return [person.id for person in people if self.keeps(person)]


def _read_query(arguments: Arguments) -> _Query:
    keeps = compile_filter(arguments.mapping("filter"), _condition)
    return _Query(keeps, read_sort(arguments, _SORTS) or (("name", True),))


async def _query(context: Context, call: Call) -> Json:
    arguments = Arguments(call)
    account_id, paging, query = arguments.account_id(), read_paging(arguments), _read_query(arguments)
    arguments.done()

    def fn(unit: Unit) -> Json:
        view = open_view(unit, call.login, account_id)
        state = state_of(unit, view, Kind.PERSON)
        page = paged(query.ids(unit, view), paging, context.config.http.max_objects_in_get)
        return {"accountId": account_id, "queryState": state, "canCalculateChanges": True, **page}

    return await context.store.read(fn)


async def _query_changes(context: Context, call: Call) -> Json:
    arguments = Arguments(call)
    account_id, since = arguments.account_id(), parse_state(arguments.text("sinceQueryState"))
    query = _read_query(arguments)
    most, total = arguments.number("maxChanges", least=1), arguments.flag("calculateTotal")
    arguments.text_or_none("upToId")
    arguments.done()

    def fn(unit: Unit) -> Json:
        view = open_view(unit, call.login, account_id)
        return changes_of_query(unit, view, Kind.PERSON, since, query.ids(unit, view), most, total=total)

    return await context.store.read(fn)


def _refuse_create(unit: Unit, view: View, item: Json) -> tuple[str, Json]:
    raise SetFailure("forbidden", "People are managed by the administrator")


def _refuse_update(unit: Unit, view: View, item_id: str, patch: Json) -> Json | None:
    _refuse_destroy(unit, view, item_id)
    return None


def _refuse_destroy(unit: Unit, view: View, item_id: str) -> None:
    if item_id not in visible_people(unit, view):
        raise SetFailure("notFound")
    raise SetFailure("forbidden", "People are managed by the administrator")


_REFUSING = Setting(Kind.PERSON, _refuse_create, _refuse_update, _refuse_destroy)


async def _availability(context: Context, call: Call) -> Json:
    arguments = Arguments(call)
    account_id, principal_id = arguments.account_id(), arguments.text("id")
    start, end = arguments.utc_time("utcStart"), arguments.utc_time("utcEnd")
    details, names = arguments.flag("showDetails"), arguments.texts("eventProperties")
    arguments.done()
    _require_window(start, end)

    def fn(unit: Unit) -> Json:
        view = open_view(unit, call.login, account_id)
        person = visible_people(unit, view).get(principal_id)
        if person is None:
            raise MethodError("notFound")
        calendars = _busy_calendars(unit, view.caller, person.id)
        if not calendars:
            raise MethodError("forbidden", "This person does not tell you when they are busy")
        seen = open_view(unit, call.login, person.id)
        found = read_busy_periods(
            unit, seen, calendars, (start, end), context.config.http.max_expanded_instances, details=details
        )
        shown = frozenset(names) if names is not None else None
        return {"list": [_period(each, person.id, shown) for each in merged_periods(found)]}

    return await context.store.read(fn)


def _require_window(start: datetime | None, end: datetime | None) -> None:
    if start is None or end is None or end <= start:
        raise MethodError("invalidArguments", "utcStart must be before utcEnd", arguments=["utcStart", "utcEnd"])
    if end - start > _MAX_WINDOW:
        raise MethodError("tooLarge", "Ask for at most a year")


def _busy_calendars(unit: Unit, caller: Account, person_id: str) -> Sequence[str]:
    """Return the calendars of a person that a caller may know the busy times of."""
    if person_id == caller.id:
        return [calendar.id for calendar in unit.calendars.of(person_id)]
    shared = unit.calendars.shared_with(caller.id)
    return [c.id for c, share in shared if c.account_id == person_id and share.rights.get("mayReadFreeBusy")]


def _period(each: BusyPeriod, account_id: str, names: frozenset[str] | None) -> Json:
    period: Json = {
        "utcStart": utc_text(each.start_at),
        "utcEnd": utc_text(each.end_at),
        "busyStatus": each.status,
        "event": None if each.event is None else only(dict(each.event), names),
    }
    return {**period, "accountId": account_id} if each.event is not None else period
