# SPDX-License-Identifier: Apache-2.0
"""When alarms are due: every alarm of every occurrence as an instant, in order, from any point in time on.

Days in a trigger are days of the calendar, hours are elapsed time (RFC 5545 §3.3.6): `-P1D` keeps the clock time over a
change of daylight saving, `-PT24H` does not. Whole days and floating times are read in the zone that is given.
A series is looked at only as far as it is asked for, and how long ago it began costs nothing.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import cached_property

from gateway.errors import Refused
from gateway.itip.alarms import Absolute, Alarm, NoMail, Relative, parse_alarms
from gateway.itip.instances import MASTER, Occurrence, Series
from gateway.itip.spans import Span
from gateway.itip.timezones import Zones
from gateway.itip.tree import Component
from gateway.itip.values import Moment, parse_moment

_DAY = timedelta(days=1)
#: How far the order of triggers may differ from the order of starts: a change of zone rules, once even a whole day.
_DISORDER = timedelta(hours=26)

Quiet = Callable[[Component], NoMail | None]


@dataclass(frozen=True, slots=True)
class Firing:
    """One alarm of one occurrence at one instant; `repetition` 0 is the trigger itself.

    `recurrence_id` is the key of the occurrence (`gateway.itip.instances`), "" where there is only one event and
    for an absolute trigger, which fires once for the whole series (RFC 5545 §3.8.6.3).
    """

    at: datetime
    alarm: Alarm
    repetition: int
    recurrence_id: str
    starts_at: datetime
    ends_at: datetime
    span: Span
    component: Component


class AlarmPlan:
    """The alarms of one scheduling object for one person.

    `zone` is where whole days and floating times are read; `quiet` may name components that alarm nobody.
    """

    def __init__(self, calendar: Component, zone: tzinfo, *, quiet: Quiet = lambda component: None) -> None:
        self._zones = Zones(calendar, floating=zone)
        events = calendar.children("VEVENT", "VTODO")
        self._master = next((event for event in events if event.first("RECURRENCE-ID") is None), None)
        self._overrides = [event for event in events if event.first("RECURRENCE-ID") is not None]
        self.alarms: tuple[tuple[Component, Alarm], ...] = ()
        self.without_mail: tuple[NoMail, ...] = ()
        for event in events if self._master is None else (self._master, *self._overrides):
            self._read(event, quiet)

    def firings(self, after: datetime, until: datetime, keys: frozenset[str] | None = None) -> Iterator[Firing]:
        """Yield what fires after `after` and up to `until`, in order; of the alarms with these keys only."""
        wanted = (pair for pair in self.alarms if keys is None or pair[1].key in keys)
        yield from heapq.merge(*(self._of_alarm(*pair, after, until) for pair in wanted), key=lambda each: each.at)

    def next_firings(self, after: datetime, until: datetime) -> tuple[Firing, ...]:
        """Return the first firing of each alarm after `after` and up to `until`, the soonest first."""
        firsts = (next(self._of_alarm(*pair, after, until), None) for pair in self.alarms)
        return tuple(sorted((first for first in firsts if first is not None), key=lambda each: each.at))

    def may_fire_after(self, until: datetime) -> frozenset[str]:
        """Return the keys of alarms that may still fire after `until`, however far ahead."""
        return frozenset(alarm.key for event, alarm in self.alarms if self._may_fire_after(event, alarm, until))

    @cached_property
    def _series(self) -> Series:
        return Series(self._master, self._overrides, self._zones)

    @cached_property
    def _moved(self) -> dict[int, Occurrence]:
        """The occurrence of each override, by the identity of its component."""
        found = {}
        for key, override in self._series.overrides.items():
            try:
                found[id(override)] = self._series.occurrence_of(key)
            except Refused:
                continue
        return found

    def _read(self, event: Component, quiet: Quiet) -> None:
        silence = quiet(event)
        found: Sequence[Alarm | NoMail] = parse_alarms(event) if event.children("VALARM") else ()
        if silence is not None:
            found = [silence for _ in found[:1]]
        for alarm in found:
            if isinstance(alarm, Alarm) and (fault := _no_anchor(event, alarm)):
                alarm = fault
            if isinstance(alarm, Alarm):
                self.alarms += ((event, alarm),)
            else:
                self.without_mail += (alarm,)

    def _of_alarm(self, event: Component, alarm: Alarm, after: datetime, until: datetime) -> Iterator[Firing]:
        """Everything one alarm owes in a window; what cannot be followed ends there."""
        try:
            if isinstance(alarm.trigger, Absolute):
                yield from self._absolute(event, alarm, alarm.trigger, after, until)
            else:
                yield from self._relative(event, alarm, alarm.trigger, after, until)
        except Refused:  # no start, or a rule too costly to follow: the gateway says so where the event is stored
            return

    def _absolute(
        self, event: Component, alarm: Alarm, trigger: Absolute, after: datetime, until: datetime
    ) -> Iterator[Firing]:
        instants = [(number, self._repeated(trigger.at, alarm, number)) for number in range(alarm.repeat + 1)]
        due = [(number, at) for number, at in instants if after < at <= until and not _acknowledged(alarm, at)]
        if due:
            occurrence = self._nearest(event, due[0][1]) or _without_dates(event, trigger.at, due[0][1])
            for number, at in due:
                yield self._firing(at, alarm, number, occurrence, MASTER)

    def _nearest(self, event: Component, at: datetime) -> Occurrence | None:
        """The occurrence that an absolute trigger is most likely about: the one after it, else the first."""
        own = self._moved.get(id(event))
        if own is not None:
            return own
        if self._series.start is None:
            return None
        ahead = next(self._series.occurrences(at), None)
        if ahead is not None:
            return ahead
        return next(self._series.occurrences(self._zones.utc(self._series.start)), None)

    def _relative(
        self, event: Component, alarm: Alarm, trigger: Relative, after: datetime, until: datetime
    ) -> Iterator[Firing]:
        """Occurrences come in the order of their starts; a heap brings their firings into order."""
        waiting: list[tuple[datetime, int, Firing]] = []
        nominal = trigger.offset.days or alarm.gap.days or trigger.from_end
        disorder, count = _DISORDER if nominal else timedelta(0), 0
        for occurrence in self._occurrences(event, alarm, trigger, after, until):
            anchor = self._end(occurrence) if trigger.from_end else occurrence.span.start
            first = self._shifted(anchor, trigger.offset.days, trigger.offset.seconds)
            while waiting and waiting[0][0] < first - disorder:
                yield heapq.heappop(waiting)[2]
            if first > until + disorder:
                break
            for number in range(alarm.repeat + 1):
                days = trigger.offset.days + number * alarm.gap.days
                at = self._shifted(anchor, days, trigger.offset.seconds + number * alarm.gap.seconds)
                if after < at <= until and not _acknowledged(alarm, at):
                    count += 1
                    firing = self._firing(at, alarm, number, occurrence, self._name(occurrence))
                    heapq.heappush(waiting, (at, count, firing))
        while waiting:
            yield heapq.heappop(waiting)[2]

    def _end(self, occurrence: Occurrence) -> Moment:
        """The end in the zone in which it is written: a flight lands by the clock of its destination."""
        written = occurrence.component.first("DTEND") or occurrence.component.first("DUE")
        end = occurrence.span.end
        like = end if written is None else parse_moment(written)
        if (like.kind, like.tzid) == (end.kind, end.tzid):
            return end  # its clock time as it is, which a change of clocks may have skipped
        return Moment(self._zones.wall(occurrence.end_at, like), like.kind, like.tzid)

    def _occurrences(
        self, event: Component, alarm: Alarm, trigger: Relative, after: datetime, until: datetime
    ) -> Iterator[Occurrence]:
        """The occurrences an alarm may belong to: an override has its one, unless it speaks for those after it."""
        own = self._moved.get(id(event))
        if own is not None and not _is_range(event):
            return iter((own,))
        reach = trigger.offset.exact + alarm.gap.exact * alarm.repeat
        try:
            from_at, before_at = after - reach - 2 * _DAY, until - trigger.offset.exact + 2 * _DAY
        except OverflowError:
            return iter(())
        return (each for each in self._series.occurrences(from_at, before_at) if each.component is event)

    def _may_fire_after(self, event: Component, alarm: Alarm, until: datetime) -> bool:
        if isinstance(alarm.trigger, Absolute):
            return self._repeated(alarm.trigger.at, alarm, alarm.repeat) > until
        if id(event) in self._moved and not _is_range(event):
            return any(self._of_alarm(event, alarm, until, until + 3660 * _DAY))
        try:
            ahead = until - alarm.trigger.offset.exact - alarm.gap.exact * alarm.repeat - 2 * _DAY
        except OverflowError:
            return False
        return self._series.ends_after(ahead)

    def _firing(self, at: datetime, alarm: Alarm, number: int, occurrence: Occurrence, name: str) -> Firing:
        moved = occurrence
        return Firing(at, alarm, number, name, moved.start_at, moved.end_at, moved.span, moved.component)

    def _name(self, occurrence: Occurrence) -> str:
        alone = not self._series.is_recurring and occurrence.component is self._master
        return MASTER if alone else occurrence.key

    def _repeated(self, moment: Moment, alarm: Alarm, number: int) -> datetime:
        return self._shifted(moment, number * alarm.gap.days, number * alarm.gap.seconds)

    def _shifted(self, moment: Moment, days: int, seconds: int) -> datetime:
        """Days first, by the calendar of the moment's own zone; then elapsed time (RFC 5545 §3.3.6)."""
        try:
            wall = moment.wall + timedelta(days=days)
            return self._zones.utc(Moment(wall, moment.kind, moment.tzid)) + timedelta(seconds=seconds)
        except OverflowError:
            raise Refused("bad-value", "The trigger lies outside the calendar") from None


def _is_range(event: Component) -> bool:
    line = event.first("RECURRENCE-ID")
    return line is not None and (line.param("RANGE") or "").upper() == "THISANDFUTURE"


def _without_dates(event: Component, moment: Moment, at: datetime) -> Occurrence:
    """What says nothing about its own time, as a to-do may, is about the moment at which it alarms."""
    return Occurrence(MASTER, Span(moment, moment), at, at, event)


def _acknowledged(alarm: Alarm, at: datetime) -> bool:
    """Each repetition is compared by its own instant, so that the first acknowledgement leaves later ones alone."""
    return alarm.acknowledged_at is not None and at <= alarm.acknowledged_at


def _no_anchor(event: Component, alarm: Alarm) -> NoMail | None:
    """What a trigger counts from may be missing in a to-do; an event has both ends (RFC 5545 §3.8.6.3)."""
    if not isinstance(alarm.trigger, Relative):
        return None
    if not event.all("DTSTART", "DTEND", "DUE", "RECURRENCE-ID"):
        return NoMail("alarm.no-start", "It counts from a start or an end, and there is neither", alarm.recurrence_id)
    if event.name != "VTODO" or not alarm.trigger.from_end or event.all("DUE", "DURATION"):
        return None
    return NoMail("alarm.no-end", "It counts from the end, and the to-do has none", alarm.recurrence_id)
