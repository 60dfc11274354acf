# SPDX-License-Identifier: Apache-2.0
"""The conditions of an event filter, each as a test of one candidate (JMAP Calendars §5.11.1)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from gateway.errors import Refused
from gateway.http.jmap.filters import Condition, Predicate
from gateway.http.jmap.view import View
from gateway.itip.recurrence import Budget
from gateway.itip.timezones import instant
from gateway.itip.tree import Component
from gateway.jscalendar.occurrences import read_occurrences
from gateway.jscalendar.values import JsonMap, parse_local, parse_utc
from gateway.store.outlines import Outline

#: Conditions that only the event itself can answer.
EVENT_CONDITIONS = frozenset({"text", "title", "description", "location", "owner", "attendee"})
_FAR = datetime(9990, 1, 1, tzinfo=UTC)
_LONG_AGO = datetime(10, 1, 1, tzinfo=UTC)
_SLACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object that may match. `event` is read where the filter needs it."""

    outline: Outline
    calendar_ids: tuple[str, ...]
    event: JsonMap | None
    calendar: Callable[[], Component]
    budget: Budget | None = None

    def with_budget(self, budget: Budget) -> "Candidate":
        return Candidate(self.outline, self.calendar_ids, self.event, self.calendar, budget)


def event_condition(view: View, zone: tzinfo) -> Condition:
    """Return how one condition becomes a test; times are read in `zone`."""

    def condition(name: str, value: Any) -> Predicate | None:
        if name == "inCalendars" and isinstance(value, list):  # the drafts' older word
            return lambda each: not set(value).isdisjoint(each.calendar_ids)
        if not isinstance(value, str):
            return None
        if name in _IN_TEXT:
            wanted = value.casefold()
            return lambda each: wanted in _IN_TEXT[name](each.event or {}).casefold()
        if name in ("after", "before"):
            edge = edge_of(value, zone)
            return None if edge is None else _time_test(name, edge, zone)
        if name == "inCalendar":
            return lambda each: value in each.calendar_ids
        if name == "uid":
            return lambda each: each.outline.uid == value
        return None

    return condition


def edge_of(value: object, zone: tzinfo) -> datetime | None:
    """Return the instant of a filter's time: local in `zone`, or in UTC as older clients write it."""
    wall = parse_local(value)
    return parse_utc(value) if wall is None else instant(wall, zone)


def _time_test(name: str, edge: datetime, zone: tzinfo) -> Predicate:
    """`after`: some occurrence ends after the edge; `before`: some starts before it."""
    after, before = (edge, _FAR) if name == "after" else (_LONG_AGO, edge)

    def test(each: Candidate) -> bool:
        outline = each.outline
        starts_at, ends_at = outline.starts_at, outline.ends_at
        if starts_at is None:
            return False
        if name == "before" and starts_at + _SLACK < edge:
            return True
        if name == "after" and (ends_at is not None and ends_at - _SLACK > edge):
            return True
        if name == "after" and starts_at - _SLACK > edge:
            return True
        try:
            found = read_occurrences(each.calendar(), after, before, zone, each.budget or Budget())
            return next(found, None) is not None
        except Refused:  # too costly to follow: what may match is shown rather than lost
            return True

    return test


def _with_overrides(event: JsonMap, member: str) -> str:
    """Return a text of the series and of its instances, one after the other."""
    patches = (event.get("recurrenceOverrides") or {}).values()
    texts = [event.get(member), *(patch.get(member) for patch in patches)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _locations(event: JsonMap) -> str:
    places = [*(event.get("locations") or {}).values(), *(event.get("virtualLocations") or {}).values()]
    return "\n".join(str(place.get(name, "")) for place in places for name in ("name", "description", "uri"))


def _people(event: JsonMap, *, owners: bool) -> str:
    return "\n".join(
        f"{person.get('name', '')} {person.get('calendarAddress', '')} {person.get('email', '')}"
        for person in (event.get("participants") or {}).values()
        if not owners or (person.get("roles") or {}).get("owner")
    )


def _owners(event: JsonMap) -> str:
    return f"{_people(event, owners=True)}\n{event.get('organizerCalendarAddress') or ''}"


def _everything(event: JsonMap) -> str:
    parts = (_with_overrides(event, "title"), _with_overrides(event, "description"), _locations(event))
    return "\n".join((*parts, _people(event, owners=False), " ".join(event.get("keywords") or {})))


_IN_TEXT: dict[str, Callable[[JsonMap], str]] = {
    "title": lambda event: _with_overrides(event, "title"),
    "description": lambda event: _with_overrides(event, "description"),
    "location": _locations,
    "owner": _owners,
    "attendee": lambda event: _people(event, owners=False),
    "text": _everything,
}
