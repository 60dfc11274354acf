# SPDX-License-Identifier: Apache-2.0
"""Which instances a series has, by their original starts, and how each is named (RFC 5545 §3.8.4.4).

The same occurrence is named in UTC by Google, in the attendee's zone by others, as a DATE by some. Its `InstanceKey` is
one for all: the original start in UTC (`20261103T090000Z`), a plain wall time for floating series, a date for all-day
ones, and "" for the master. Everything that follows a rule is bounded in count and time (see `recurrence`).
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import cached_property
from heapq import merge
from itertools import islice

from gateway.errors import Refused
from gateway.itip.recurrence import Budget, end_of_day, walk
from gateway.itip.rrule import Rule, parse_rule
from gateway.itip.spans import moved_by
from gateway.itip.staleness import newest
from gateway.itip.timezones import Zones
from gateway.itip.tree import Component, Prop
from gateway.itip.values import (
    Kind,
    Moment,
    build_moment,
    moment_prop,
    parse_moment,
    parse_moment_text,
    parse_moments,
    utc_moment,
)

#: How an instance is named: see the head of this module.
InstanceKey = str
#: The key of the master component: the whole series.
MASTER: InstanceKey = ""

MAX_DATES = 2_000
_RECURRENCE = frozenset({"RRULE", "RDATE", "EXDATE", "EXRULE"})
_DAY = timedelta(days=1)
_EASTERNMOST_MIDNIGHT = 10  # o'clock in UTC, the day before


def moment_key(moment: Moment, zones: Zones) -> InstanceKey:
    """Return the key of an instance by its own value alone, where no series is at hand."""
    if moment.kind is Kind.ZONED:
        return build_moment(utc_moment(zones.utc(moment)))
    return build_moment(moment)


def moved_instant(at: datetime, by: timedelta) -> datetime:
    """An instant moved, held within the years there are."""
    try:
        return at + by
    except OverflowError:
        return datetime.max.replace(tzinfo=at.tzinfo) if by > timedelta(0) else datetime.min.replace(tzinfo=at.tzinfo)


def _recurrence_lines(master: Component | None) -> dict[str, list[Prop]]:
    lines: dict[str, list[Prop]] = {}
    if master is None or not any(master.first(name) for name in _RECURRENCE):
        return lines
    for item in master.items:
        if item.name in _RECURRENCE and isinstance(item, Prop):
            lines.setdefault(item.name, []).append(item)
    return lines


class Starts:
    """The original starts of a master, and its overrides by them. Without a master only the overrides are known."""

    def __init__(self, master: Component | None, overrides: Iterable[Component], zones: Zones) -> None:
        self.master = master
        self.zones = zones
        self.complaints: list[str] = []
        self._patience = Budget(10_000)  # for all questions about single instances together
        #: The lines of the master that make it recur, by name.
        self.lines = _recurrence_lines(master)
        self.start = self._start(master)
        #: Overrides by key; of two for one instance the newer counts.
        self.overrides: dict[InstanceKey, Component] = {}
        for override in overrides:
            key = self.component_key(override)
            if key is None:
                self.complaints.append("An override names no instance of the series")
            elif key in self.overrides:
                self.complaints.append(f"Two overrides are for the instance {key}; the newer counts")
                self.overrides[key] = newest((self.overrides[key], override)) or override
            else:
                self.overrides[key] = override

    def component_key(self, component: Component) -> InstanceKey | None:
        """Return the key of a component: "" without RECURRENCE-ID, None where that cannot be read or matched."""
        line = component.first("RECURRENCE-ID")
        if line is None:
            return MASTER
        try:
            return self.key_of(parse_moment(line))
        except Refused:
            return None

    def key_of(self, moment: Moment) -> InstanceKey | None:
        """Return the key of the instance that a moment means in this series, in whatever zone or type it is written.

        A DATE against a timed series is the one instance of that day (Google writes so), None if there is not one. In a
        zone that nobody knows it is read by the clock of the series (interop Q80).
        """
        if self.start is None or moment.kind is self.start.kind is not Kind.ZONED:
            return moment_key(moment, self.zones)
        if self.start.kind is Kind.DATE:
            return self._day_key(moment)
        if moment.kind is Kind.DATE:
            day = self._walls_of_day(moment)
            return self._wall_key(day[0]) if len(day) == 1 else None
        if self.start.kind is Kind.FLOATING or moment.kind is Kind.FLOATING or self._is_nowhere(moment):
            return self._wall_key(moment.wall)
        return moment_key(moment, self.zones)

    def _is_nowhere(self, moment: Moment) -> bool:
        return moment.kind is Kind.ZONED and self.zones.zone(moment.tzid).complaint is not None

    def is_ambiguous(self, component: Component) -> bool:
        """Whether a component means a day, and the series takes place more than once on it."""
        line = component.first("RECURRENCE-ID")
        try:
            moment = None if line is None else parse_moment(line)
        except Refused:
            return False
        timed = self.start is not None and not self.start.is_date
        return moment is not None and moment.is_date and timed and len(self._walls_of_day(moment)) > 1

    def _walls_of_day(self, day: Moment) -> list[datetime]:
        """When the series starts on a day, told as far as one, or more than one."""
        return list(islice(self._bounded_walls(day.wall, day.wall + (_DAY - timedelta(seconds=1))), 2))

    def _day_key(self, moment: Moment) -> InstanceKey:
        """A day of an all-day series; its midnight may be written in UTC, which east of Greenwich is the day before."""
        day = Moment(moment.wall.replace(hour=0, minute=0, second=0), Kind.DATE)
        if moment.kind is not Kind.UTC or moment.wall.hour < _EASTERNMOST_MIDNIGHT or self._is_known(day):
            return build_moment(day)
        next_day = moved_by(day, _DAY)
        return build_moment(next_day if self._is_known(next_day) else day)

    def _is_known(self, day: Moment) -> bool:
        """Whether a day is one of the series by its rule or an override; RDATE and EXDATE are read with this answer."""
        try:
            return build_moment(day) in self.overrides or self._starts_at(day.wall)
        except Refused:
            return True

    def moment_of(self, key: InstanceKey) -> Moment:
        """Return an instance's original start as the master would write it: same type, same zone (R02).

        Raises:
            Refused: `bad-value` where the key is none.
        """
        if self.start is None:  # only overrides are known: as they write it
            line = self.overrides[key].first("RECURRENCE-ID") if key in self.overrides else None
            return parse_moment_text(key) if line is None else parse_moment(line)
        moment = parse_moment_text(key)
        if self.start.kind is moment.kind:
            return moment
        return Moment(self.zones.wall(self.zones.utc(moment), self.start), self.start.kind, self.start.tzid)

    def line_for(self, name: str, *keys: InstanceKey) -> Prop:
        """Write RECURRENCE-ID, EXDATE or RDATE for instances, in the master's form."""
        return moment_prop(name, *map(self.moment_of, keys))

    @property
    def is_recurring(self) -> bool:
        """Whether there is more than the one start: a rule or an RDATE."""
        return "RRULE" in self.lines or "RDATE" in self.lines

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The rules that can be read; one that cannot be read is left out with a complaint."""
        return self._rules("RRULE")

    @cached_property
    def excluded(self) -> frozenset[InstanceKey]:
        """The instances that EXDATE takes out."""
        keys = (self.key_of(moment) for moment in self._dates("EXDATE"))
        return frozenset(key for key in keys if key is not None)

    @cached_property
    def extra(self) -> frozenset[InstanceKey]:
        """The instances that RDATE adds."""
        keys = set()
        for moment in self._dates("RDATE"):
            if moment.is_date and self.start is not None and not self.start.is_date:
                keys.add(self._wall_key(datetime.combine(moment.wall, self.start.wall.time())))
            else:
                keys.add(self.key_of(moment) or MASTER)
        return frozenset(keys - {MASTER})

    def exists(self, key: InstanceKey) -> bool:
        """Whether the series itself has this instance: by DTSTART, rule or RDATE, and not excluded.

        A rule too costly to follow is believed: refusing a real answer hurts more than keeping a strange one.
        """
        if self.start is None or key == MASTER or key in self.excluded:
            return False
        if key in self.extra:
            return True
        try:
            return any(self._starts_at(wall) for wall in self._original_walls(key))
        except Refused as error:
            return error.code == "recurrence-budget"
        except OverflowError:  # beside the first or the last day there is
            return False

    def _walls(self, after: datetime, before: datetime | None, budget: Budget) -> Iterator[datetime]:
        """Original starts of the series as wall times, in order, each once, EXRULE taken out."""
        if self.start is None:
            return
        start = self.start.wall
        exrules = self._rules("EXRULE")
        dates = sorted({start, *(self.moment_of(key).wall for key in self.extra)})
        sources: list[Iterable[datetime]] = [
            [wall for wall in dates if wall >= after and not (before and wall > before)]
        ]
        sources += [self._rule_walls(rule, after, before, budget) for rule in self.rules]
        last = None
        for wall in merge(*sources):
            if wall != last and not any(wall in self._rule_walls(rule, wall, wall, budget) for rule in exrules):
                yield wall
            last = wall

    def _bounded_walls(self, after: datetime, before: datetime) -> Iterator[datetime]:
        try:
            yield from self._walls(after, before, self._patience)
        except Refused:
            return

    def _starts_at(self, wall: datetime) -> bool:
        """Whether the series has an instance at exactly this wall time, by DTSTART or rule and not by EXRULE."""
        by_start = self.start is not None and wall == self.start.wall
        return (by_start or self._is_met(self.rules, wall)) and not self._is_met(self._rules("EXRULE"), wall)

    def _is_met(self, rules: Iterable[Rule], wall: datetime) -> bool:
        return any(wall in self._rule_walls(rule, wall, wall, self._patience) for rule in rules)

    def _original_walls(self, key: InstanceKey) -> set[datetime]:
        """The wall times that an instance may have been meant at: a skipped one comes back from UTC as a later one."""
        moment = self.moment_of(key)
        if moment.kind is not Kind.ZONED:
            return {moment.wall}
        at = self.zones.utc(moment)
        eve = moved_instant(at, -_DAY)
        by_the_offset_before = self.zones.wall(eve, moment) + (at - eve)
        return {wall for wall in {moment.wall, by_the_offset_before} if self._wall_key(wall) == key}

    def _rule_walls(self, rule: Rule, after: datetime, before: datetime | None, budget: Budget) -> Iterator[datetime]:
        if self.start is None:
            return iter(())
        ends = [end for end in (self.until_wall(rule), before) if end is not None]
        return walk(rule, self.start.wall, after=after, before=min(ends, default=None), budget=budget)

    def until_wall(self, rule: Rule) -> datetime | None:
        """Return UNTIL as wall time of the series (RFC 5545 §3.3.10)."""
        if rule.until is None or self.start is None:
            return None
        if rule.until.kind is Kind.UTC and self.start.kind is Kind.ZONED:
            return self.zones.wall(self.zones.utc(rule.until), self.start)
        return end_of_day(rule.until)

    def _at_wall(self, wall: datetime) -> Moment:
        start = self.start or Moment(wall, Kind.FLOATING)
        return Moment(wall, start.kind, start.tzid)

    def _wall_key(self, wall: datetime) -> InstanceKey:
        return moment_key(self._at_wall(wall), self.zones)

    def _start(self, master: Component | None) -> Moment | None:
        if master is None:
            return None
        line = master.first("DTSTART") or master.first("DUE")
        try:
            return None if line is None else parse_moment(line)
        except Refused as error:
            self.complaints.append(error.public)
            return None

    def _rules(self, name: str) -> tuple[Rule, ...]:
        rules = []
        for line in self.lines.get(name, ()):
            try:
                rules.append(parse_rule(line.value))
            except Refused as error:
                self.complaints.append(error.public)
        return tuple(rules[:8])

    def _dates(self, name: str) -> list[Moment]:
        dates: list[Moment] = []
        for line in self.lines.get(name, ()):
            try:
                dates += parse_moments(line) if len(dates) < MAX_DATES else ()
            except Refused as error:
                self.complaints.append(error.public)
        return dates
