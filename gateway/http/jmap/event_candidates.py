# SPDX-License-Identifier: Apache-2.0
"""The events that a query looks at, each read only as far as it must be.

What the columns say is enough for the owner. Somebody else's view may hide a text, and occurrences without their series
share one row: those are read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC
from functools import partial

from gateway.http.jmap.event_match import Candidate
from gateway.http.jmap.event_view import EventRecord, load_records, show_event, start_of
from gateway.http.jmap.view import View
from gateway.itip.recurrence import Budget
from gateway.itip.tree import Component, parse_tree
from gateway.jscalendar.alone import only_part
from gateway.jscalendar.searched import searched_text, without_keywords
from gateway.jscalendar.values import Json
from gateway.store.objects import event_ids
from gateway.store.outlines import Outline
from gateway.store.unit import Unit

_AT_ONCE = 500


class Candidates:
    """The events of some outlines as one caller sees them."""

    def __init__(
        self, unit: Unit, view: View, outlines: Sequence[Outline], budget: Budget, *, by_text: bool, by_calendar: bool
    ) -> None:
        self._unit = unit
        self._view = view
        self._outlines = outlines
        self._budget = budget
        self._by_text = by_text
        self._by_calendar = by_calendar
        self._kept = frozenset() if view.is_own or not by_text else unit.outlines.kept_by(view.caller.id)

    def __iter__(self) -> Iterator[Candidate]:
        for at in range(0, len(self._outlines), _AT_ONCE):
            outlines = self._outlines[at : at + _AT_ONCE]
            wanted = [i for o in outlines if self._must_read(o) for i in event_ids(o.id, o.alone)]
            records = load_records(self._unit, self._view, wanted)
            places = self._unit.outlines.calendars_of([o.id for o in outlines]) if self._by_calendar else {}
            for outline in outlines:
                if not self._must_read(outline):
                    yield self._plain(outline, places.get(outline.id, ()))
                    continue
                for event_id in event_ids(outline.id, outline.alone):
                    if event_id in records:  # else the caller may not see it
                        yield self._read(outline, records[event_id])

    def _must_read(self, outline: Outline) -> bool:
        if outline.alone:
            return True
        if self._view.is_own:
            return self._by_text and outline.searched is None
        unsearched = self._by_text and outline.searched is None
        return outline.privacy != "public" or outline.hide_attendees or unsearched or outline.id in self._kept

    def _plain(self, outline: Outline, calendar_ids: tuple[str, ...]) -> Candidate:
        seen = tuple(calendar_id for calendar_id in calendar_ids if calendar_id in self._view.calendars)
        searched = outline.searched or ""
        searched = searched if self._view.is_own or not searched else without_keywords(searched)
        calendar, event = partial(self._calendar, outline.id), partial(self._event, outline.id)
        return Candidate(outline, seen, searched, calendar, event, self._budget)

    def _calendar(self, object_id: str) -> Component:
        item = self._unit.objects.get(object_id)
        return parse_tree(item.ical if item is not None else "")

    def _event(self, object_id: str) -> Json:
        record = load_records(self._unit, self._view, [object_id]).get(object_id)
        return {} if record is None else show_event(record, self._view)

    def _read(self, outline: Outline, record: EventRecord) -> Candidate:
        event = show_event(record, self._view)
        calendar = parse_tree(record.item.ical)
        if record.alone is not None:
            calendar = only_part(calendar, record.alone)
            start_at = start_of(event, UTC)
            outline = replace(outline, id=record.id, instance=record.alone, starts_at=start_at, ends_at=None)
        searched = searched_text([event])
        return Candidate(outline, record.calendar_ids, searched, lambda: calendar, lambda: event, self._budget)
