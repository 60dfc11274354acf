# SPDX-License-Identifier: Apache-2.0
"""The conditions of an event filter, each as a test of one candidate (JMAP Calendars §5.11.1)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from gateway.errors import Refused
from gateway.http.jmap.filters import Condition, Predicate, bad_value
from gateway.http.jmap.view import View
from gateway.itip.recurrence import Budget
from gateway.itip.timezones import instant
from gateway.itip.tree import Component
from gateway.jscalendar.occurrences import read_occurrences
from gateway.jscalendar.overrides import build_instance, series_part
from gateway.jscalendar.searched import searched_text, text_holds
from gateway.jscalendar.values import InvalidProperty, Json, JsonMap, parse_local, parse_utc
from gateway.store.outlines import Outline

#: Conditions on what the event says.
TEXT_CONDITIONS = frozenset({"text", "title", "description", "location", "owner", "attendee"})
CALENDAR_CONDITIONS = frozenset({"inCalendar", "inCalendars"})
_CONDITIONS = TEXT_CONDITIONS | CALENDAR_CONDITIONS | {"after", "before", "uid"}
_FAR = datetime(9990, 1, 1, tzinfo=UTC)
_LONG_AGO = datetime(10, 1, 1, tzinfo=UTC)
_SLACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An event that may match. `searched` is what text conditions look at; the rest is read where it must be."""

    outline: Outline
    calendar_ids: tuple[str, ...]
    searched: str
    calendar: Callable[[], Component]
    event: Callable[[], Json]  # as the caller sees it
    budget: Budget


def event_condition(view: View, zone: tzinfo) -> Condition:
    """Return how one condition becomes a test; times are read in `zone`."""

    def condition(name: str, value: Any) -> Predicate | None:
        if name == "inCalendars" and isinstance(value, list):  # the drafts' older word
            return lambda each: not set(value).isdisjoint(each.calendar_ids)
        if not isinstance(value, str):
            return bad_value(name, _CONDITIONS)
        if name in TEXT_CONDITIONS:
            wanted = value.casefold()
            return lambda each: text_holds(each.searched, name, wanted)
        if name in ("after", "before"):
            edge = edge_of(value, zone)
            return bad_value(name, _CONDITIONS) if edge is None else _time_test(name, edge, zone)
        if name == "inCalendar":
            return lambda each: value in each.calendar_ids
        if name == "uid":
            return lambda each: each.outline.uid == value
        return None

    return condition


class InstanceTexts:
    """Which instances of a series say by themselves all that a condition asks for (JMAP Calendars §5.11.1)."""

    def __init__(self, filter_: JsonMap, event: JsonMap) -> None:
        self._wanted = [(name, filter_[name].casefold()) for name in TEXT_CONDITIONS if filter_.get(name) is not None]
        self._event = event
        self._overrides: JsonMap = event.get("recurrenceOverrides") or {}
        self._plain = self._said(series_part(event)) if self._wanted else True

    def holds(self, key: str) -> bool:
        """Tell whether the instance at a recurrenceOverrides key does."""
        patch = self._overrides.get(key)
        if not patch or not self._wanted:
            return self._plain
        instance = build_instance(self._event, key, patch)
        return not isinstance(instance, InvalidProperty) and self._said(instance)

    def _said(self, event: JsonMap) -> bool:
        searched = searched_text([event])
        return all(text_holds(searched, name, wanted) for name, wanted in self._wanted)


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
            found = read_occurrences(each.calendar(), after, before, zone, each.budget)
            return next(found, None) is not None
        except Refused:  # too costly to follow: what may match is shown rather than lost
            return True

    return test
