# SPDX-License-Identifier: Apache-2.0
"""CalendarEvent/query and /queryChanges: every filter and sort, and occurrences one by one (JMAP Calendars §5.11).

The searched columns narrow first, and texts are looked for beside the events; an event is only read where its columns
cannot tell. Following a rule is paid from a budget, so a hostile one is answered with `cannotCalculateOccurrences`, not
with silence or an hour of work.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from typing import Any

from gateway.errors import Refused
from gateway.flows.context import Context
from gateway.http.jmap.arguments import Arguments
from gateway.http.jmap.core import Answer, Call, MethodEntry
from gateway.http.jmap.errors import MethodError
from gateway.http.jmap.event_candidates import Candidates
from gateway.http.jmap.event_match import (
    CALENDAR_CONDITIONS,
    TEXT_CONDITIONS,
    Candidate,
    InstanceTexts,
    edge_of,
    event_condition,
)
from gateway.http.jmap.event_view import occurrence_id
from gateway.http.jmap.filters import compile_filter
from gateway.http.jmap.methods.events import read_zone
from gateway.http.jmap.queries import changes_of_query, paged, read_paging, read_sort
from gateway.http.jmap.session import CALENDARS
from gateway.http.jmap.standard import parse_state, state_of
from gateway.http.jmap.view import View, open_view
from gateway.itip.recurrence import Budget
from gateway.jscalendar.occurrences import read_occurrences
from gateway.jscalendar.values import Json
from gateway.store.changes import Kind
from gateway.store.outlines import Narrowing, Outline
from gateway.store.unit import Unit

MAX_EXPANDED = timedelta(days=366 * 5)
#: Floating times may be read up to a day off the columns, which hold them in UTC.
_SLACK = timedelta(days=1)
_SORTS = ("start", "uid", "recurrenceId", "created", "updated")
_STEPS_EACH = 50
_MOST_IDS = 50_000
_EPOCH = datetime(1, 1, 1, tzinfo=UTC)


def methods(context: Context) -> dict[str, MethodEntry]:
    """Return the querying methods of CalendarEvent."""

    async def query(call: Call) -> Answer:
        return await _query(context, call)

    async def changes(call: Call) -> Answer:
        return await _query_changes(context, call)

    return {
        "CalendarEvent/query": MethodEntry(query, CALENDARS),
        "CalendarEvent/queryChanges": MethodEntry(changes, CALENDARS),
    }


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for."""

    filter: Json | None
    sort: tuple[tuple[str, bool], ...]
    expand: bool
    zone: tzinfo

    @property
    def after_at(self) -> datetime | None:
        return self._edge("after")

    @property
    def before_at(self) -> datetime | None:
        return self._edge("before")

    def _edge(self, name: str) -> datetime | None:
        """An edge of the window that every result must meet: a top-level condition, or one of a top-level AND."""
        edges = [edge_of(node.get(name), self.zone) for node in _needed(self.filter)]
        known = [edge for edge in edges if edge is not None]
        if not known:
            return None
        return max(known) if name == "after" else min(known)


def _needed(node: Json | None) -> Iterator[Json]:
    if node is None:
        return
    if "operator" not in node:
        yield node
    elif node.get("operator") == "AND" and isinstance(node.get("conditions"), list):
        for each in node["conditions"]:
            if isinstance(each, dict):
                yield from _needed(each)


def read_query(arguments: Arguments) -> Query:
    """Read filter, sort, expandRecurrences and timeZone.

    Raises:
        MethodError: `unsupportedSort`, `invalidArguments` or `expandDurationTooLarge`.
    """
    sort = read_sort(arguments, _SORTS)
    query = Query(arguments.mapping("filter"), sort, arguments.flag("expandRecurrences"), read_zone(arguments))
    if query.expand:
        _require_window(query)
    return query


def _require_window(query: Query) -> None:
    after, before = query.after_at, query.before_at
    if after is None or before is None or "operator" in (query.filter or {}):
        words = "expandRecurrences needs a filter without operators that has after and before"
        raise MethodError("invalidArguments", words, arguments=["expandRecurrences", "filter"])
    if before - after > MAX_EXPANDED:
        raise MethodError("expandDurationTooLarge", "Ask for at most five years", maxExpandedQueryDuration="P5Y")


async def _query(context: Context, call: Call) -> Json:
    arguments = Arguments(call)
    account_id, paging, query = arguments.account_id(), read_paging(arguments), read_query(arguments)
    arguments.done()

    def fn(unit: Unit) -> Json:
        view = open_view(unit, call.login, account_id)
        ids = find_ids(unit, view, query, context.config.http.max_expanded_instances)
        return {
            "accountId": account_id,
            "queryState": state_of(unit, view, Kind.EVENT),
            "canCalculateChanges": not query.expand,
            **paged(ids, paging, _MOST_IDS),
        }

    return await context.store.read(fn)


async def _query_changes(context: Context, call: Call) -> Json:
    arguments = Arguments(call)
    account_id, since = arguments.account_id(), parse_state(arguments.text("sinceQueryState"))
    query = read_query(arguments)
    most, total = arguments.number("maxChanges", least=1), arguments.flag("calculateTotal")
    arguments.text_or_none("upToId")
    arguments.done()
    if query.expand:
        raise MethodError("cannotCalculateChanges", "Changes of occurrences are not counted")

    def fn(unit: Unit) -> Json:
        view = open_view(unit, call.login, account_id)
        ids = find_ids(unit, view, query, context.config.http.max_expanded_instances)
        return changes_of_query(unit, view, Kind.EVENT, since, ids, most, total=total)

    return await context.store.read(fn)


@dataclass(frozen=True, slots=True)
class Found:
    """One result: an event or an occurrence, with what it is sorted by."""

    id: str
    outline: Outline
    key: str
    start_at: datetime | None


def find_ids(unit: Unit, view: View, query: Query, most: int) -> list[str]:
    """Return the ids of what matches, in order.

    Raises:
        MethodError: `unsupportedFilter` or `cannotCalculateOccurrences`.
    """
    keeps = compile_filter(query.filter, event_condition(view, query.zone))
    outlines = _narrowed(unit, view, query)
    budget = Budget(most * 10 + _STEPS_EACH * len(outlines))
    found: list[Found] = []
    asked = {"by_text": _asks(query.filter, TEXT_CONDITIONS), "by_calendar": _asks(query.filter, CALENDAR_CONDITIONS)}
    for candidate in Candidates(unit, view, outlines, budget, **asked):
        if not keeps(candidate):
            continue
        if not query.expand:
            outline = candidate.outline
            found.append(Found(outline.id, outline, "", outline.starts_at))
            continue
        found += islice(_occurrences(candidate, query, budget), most + 1 - len(found))
        if len(found) > most:
            raise MethodError("cannotCalculateOccurrences", f"There are more than {most} occurrences")
    return [each.id for each in _sorted(found, query.sort)]


def _narrowed(unit: Unit, view: View, query: Query) -> tuple[Outline, ...]:
    readable = [calendar_id for calendar_id in view.calendars if view.may("mayReadItems", calendar_id)]
    words: list[str] = []
    uid = None
    for node in _needed(query.filter):
        if isinstance(node.get("inCalendar"), str):
            readable = [calendar_id for calendar_id in readable if calendar_id == node["inCalendar"]]
        if isinstance(node.get("uid"), str):
            uid = node["uid"]
        for name in TEXT_CONDITIONS if view.is_own else ():  # others see less than is searched
            words += [node[name].casefold()] if isinstance(node.get(name), str) else []
    after, before = query.after_at, query.before_at
    narrowing = Narrowing(
        tuple(readable),
        None if after is None else after - _SLACK,
        None if before is None else before + _SLACK,
        uid,
        tuple(words[:8]),
        with_text=_asks(query.filter, TEXT_CONDITIONS),
    )
    return unit.outlines.find(view.account.id, narrowing)


def _asks(filter_: Any, names: frozenset[str]) -> bool:
    """Tell whether any of these conditions stands anywhere in a filter."""
    if not isinstance(filter_, dict):
        return False
    if "operator" in filter_:
        return any(_asks(each, names) for each in filter_.get("conditions") or ())
    return not names.isdisjoint(filter_)


def _occurrences(candidate: Candidate, query: Query, budget: Budget) -> Iterator[Found]:
    """Yield the instances that meet every condition by themselves."""
    after, before, outline = query.after_at, query.before_at, candidate.outline
    if after is None or before is None or query.filter is None:
        return
    texts = InstanceTexts(query.filter, candidate.event()) if _asks(query.filter, TEXT_CONDITIONS) else None
    try:
        for each in read_occurrences(candidate.calendar(), after, before, query.zone, budget):
            inside = each.start_at < before and (each.end_at > after or each.start_at >= after)
            if inside and (texts is None or texts.holds(each.key)):
                yield Found(occurrence_id(outline.id, each.key), outline, each.key, each.start_at)
    except Refused as error:
        raise MethodError("cannotCalculateOccurrences", error.public) from None


def _sorted(found: list[Found], sort: Sequence[tuple[str, bool]]) -> list[Found]:
    keys: dict[str, Callable[[Found], Any]] = {
        "start": lambda each: each.start_at or _EPOCH,
        "uid": lambda each: each.outline.uid,
        "recurrenceId": lambda each: each.key or each.outline.instance,
        "created": lambda each: each.outline.created_at,
        "updated": lambda each: each.outline.updated_at,
    }
    found.sort(key=lambda each: (keys["start"](each), each.id))  # a stable order where nothing else decides
    for name, ascending in reversed(sort):
        found.sort(key=keys[name], reverse=not ascending)
    return found
