# SPDX-License-Identifier: Apache-2.0
"""A series as a set of occurrences: when each takes place, which component describes it (RFC 5545 §3.8.4.4, §3.8.5).

What instances there are and how they are named is in `starts`; here overrides move them and RDATE periods and
THISANDFUTURE change their length.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from heapq import merge

from gateway.errors import Refused
from gateway.itip.recurrence import Budget, walk
from gateway.itip.rrule import Freq
from gateway.itip.spans import Span, moved_by, moved_span, read_span, wall_difference
from gateway.itip.starts import MASTER, MAX_DATES, InstanceKey, Starts, moved_instant
from gateway.itip.tree import Component, Prop
from gateway.itip.values import Kind, Moment, moment_prop, parse_period

__all__ = ["MASTER", "InstanceKey", "Occurrence", "Series"]

_NONE = timedelta(0)
_DAY = timedelta(days=1)
_CLOCK_CHANGE = timedelta(hours=3)  # how far the order of wall times may be from that of instants


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One occurrence as it takes place: overrides have moved it, `component` is what describes it."""

    key: InstanceKey
    span: Span
    start_at: datetime
    end_at: datetime
    component: Component


def _with_end(component: Component) -> Component:
    """A component that says its end as a time, whatever that time is."""
    name = "DUE" if component.name == "VTODO" else "DTEND"
    component = component.without("DURATION")
    return component if component.first(name) is not None else component.with_prop(Prop(name, ""))


class Series(Starts):
    """A master and its overrides as a set of occurrences. Without a master only the overrides are known."""

    def span_of(self, key: InstanceKey) -> Span:
        """Return when an instance takes place, its override considered.

        Raises:
            Refused: `no-start` or `bad-value`.
        """
        return self.occurrence_of(key).span

    def occurrence_of(self, key: InstanceKey) -> Occurrence:
        """Return an instance as it takes place, its override considered.

        Raises:
            Refused: `no-start` or `bad-value`.
        """
        return self._occurrence(key, self.overrides.get(key), self.moment_of(key))

    def implied(self, key: InstanceKey) -> Component:
        """Return the instance as the rule means it: the master with this start, RECURRENCE-ID, and no recurrence.

        After a THISANDFUTURE override it is that override which speaks for the instance (RFC 5545 §3.2.13).

        Raises:
            Refused: `no-start` or `bad-value`; `no-instance` without a master.
        """
        if self.master is None:
            raise Refused("no-instance", "There is no series to take the instance from")
        ruler = self._ranged(key)
        if ruler is not None and ruler[0].first("DTSTART") is not None:
            source, ranged, shift = ruler
            span = moved_span(ranged, moved_by(self.moment_of(key), shift), self.zones)
        else:
            source, period = self.master, self._periods.get(key)
            span = period or moved_span(read_span(source, self.zones), self.moment_of(key), self.zones)
            source = source if period is None else _with_end(source)
        items: list[Prop | Component] = []
        mark: list[Prop] = [self.line_for("RECURRENCE-ID", key)]  # before the first time; a task may have no start
        for item in source.items:
            if item.name in ("DTSTART", "DTEND", "DUE") and isinstance(item, Prop):
                items += [*mark, moment_prop(item.name, span.start if item.name == "DTSTART" else span.end)]
                mark = []
            elif item.name not in ("RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID"):
                items.append(item)
        return Component(self.master.name, items)

    def occurrences(
        self, after_at: datetime, before_at: datetime | None = None, *, budget: Budget | None = None
    ) -> Iterator[Occurrence]:
        """Yield the occurrences that end after `after_at` (or start at it) and start before `before_at`, in order.

        Raises:
            Refused: `recurrence-budget`, `no-start` or `bad-value`.
        """
        slack = self._longest() + (_CLOCK_CHANGE if self.start is not None and self.start.kind is Kind.ZONED else _NONE)
        moved = sorted(self._moved(), key=lambda each: each.start_at)
        latest = None if before_at is None else moved_instant(before_at, slack)
        plain = self._plain(moved_instant(after_at, -slack), latest, budget or Budget())
        for each in merge(moved, plain, key=lambda each: each.start_at):
            if latest is not None and each.start_at >= latest:
                return
            if (each.end_at > after_at or each.start_at >= after_at) and (
                before_at is None or each.start_at < before_at
            ):
                yield each

    def ends_after(self, now: datetime) -> bool:
        """Whether anything of the series is still going on or to come; what cannot be followed counts as to come."""
        if self.lines and any(rule.count is None and rule.until is None for rule in self.rules):
            return True
        try:
            if not self.is_recurring and not self.overrides and self.master_span is not None:
                span = self.master_span
                return self.zones.utc(span.end) > now or self.zones.utc(span.start) >= now
            return next(self.occurrences(now), None) is not None
        except Refused:
            return True

    def last_end(self) -> datetime | None:
        """Return when the last occurrence ends; None for endless series and those too costly to follow."""
        if any(rule.count is None and rule.until is None for rule in self.rules):
            return None
        try:
            if self.start is None or not self.rules:
                last = max((each.end_at for each in self._all()), default=None)
            else:
                tail = max(self._last_walls(), default=self.start.wall)
                occurrence = self._occurrence(self._wall_key(tail), None, self._at_wall(tail))
                others = [each.end_at for each in self._moved()]
                others += [self._occurrence(key, None, self.moment_of(key)).end_at for key in self.extra]
                last = max([occurrence.end_at, *others])
        except Refused:
            return None
        return last

    def _all(self) -> Iterator[Occurrence]:
        yield from self._moved()
        if self.start is not None:
            yield from self._plain(moved_instant(self.zones.utc(self.start), -2 * _DAY), None, Budget())

    def _last_walls(self) -> Iterator[datetime]:
        """The last wall time of each rule, looked for from its end backwards."""
        if self.start is None:
            return
        for rule in self.rules:
            until, reach = self.until_wall(rule), 40 * _DAY * rule.interval * (12 if rule.freq is Freq.YEARLY else 1)
            budget, start = Budget(), self.start.wall
            while True:
                after = start if until is None or rule.count is not None else max(start, until - reach)
                found = None
                for found in walk(rule, start, after=after, before=until, budget=budget):  # noqa: B007 - the last one
                    pass
                if found is not None:
                    yield found
                if found is not None or after == start:
                    break
                reach *= 8

    def _moved(self) -> Iterator[Occurrence]:
        for key, override in self.overrides.items():
            yield self._occurrence(key, override, self.moment_of(key))

    def _plain(self, after_at: datetime, before_at: datetime | None, budget: Budget) -> Iterator[Occurrence]:
        """Occurrences without an override of their own; a THISANDFUTURE override speaks for all after it."""
        if self.start is None:
            return
        after = self.zones.wall(after_at, self.start)
        before = None if before_at is None else self.zones.wall(before_at, self.start)
        for wall in self._walls(after, before, budget):
            key = self._wall_key(wall)
            if key not in self.excluded and key not in self.overrides:
                yield self._occurrence(key, None, self._at_wall(wall))

    def _occurrence(self, key: InstanceKey, override: Component | None, original: Moment) -> Occurrence:
        component, span = self.master, None
        if override is not None:
            component, span = override, read_span(override, self.zones, start=original)
            if override.first("DTSTART") is None and self.master_span is not None:
                span = moved_span(self.master_span, original, self.zones)
        elif (ruler := self._ranged(key)) is not None:
            component, ranged, shift = ruler
            span = moved_span(ranged, moved_by(original, shift), self.zones)
        elif self.master_span is not None:
            period = self._periods.get(key)
            span = period or moved_span(self.master_span, original, self.zones)
        if component is None or span is None:
            raise Refused("no-start", "The event does not say when it starts")
        return Occurrence(key, span, self.zones.utc(span.start), self.zones.utc(span.end), component)

    @cached_property
    def master_span(self) -> Span | None:
        """When the master takes place, None without one.

        Raises:
            Refused: `no-start` or `bad-value`.
        """
        return None if self.master is None else read_span(self.master, self.zones)

    @cached_property
    def _periods(self) -> dict[InstanceKey, Span]:
        """RDATEs that are periods bring their own end."""
        found: dict[InstanceKey, Span] = {}
        for line in self.lines.get("RDATE", ()):
            for text in line.value.split(",")[:MAX_DATES] if "/" in line.value else ():
                try:
                    period = parse_period(text, line.param("TZID") or "")
                except Refused:
                    continue
                end = period.end or (self.zones.shifted(period.start, period.duration) if period.duration else None)
                key = self.key_of(period.start)
                if end is not None and key is not None:
                    found[key] = Span(period.start, end)
        return found

    @cached_property
    def _ranges(self) -> tuple[tuple[InstanceKey, Component, Span, timedelta], ...]:
        """THISANDFUTURE overrides with how far they move the rest (RFC 5545 §3.2.13)."""
        found = []
        for key, override in sorted(self.overrides.items()):
            line = override.first("RECURRENCE-ID")
            if line is not None and (line.param("RANGE") or "").upper() == "THISANDFUTURE":
                original = self.moment_of(key)
                span = read_span(override, self.zones, start=original)
                found.append((key, override, span, wall_difference(span.start, original, self.zones)))
        return tuple(found)

    def _ranged(self, key: InstanceKey) -> tuple[Component, Span, timedelta] | None:
        for first, override, span, shift in reversed(self._ranges):
            if first <= key:
                return override, span, shift
        return None

    def _longest(self) -> timedelta:
        """How far an occurrence may reach from its original start, as far as windows are concerned."""
        longest = timedelta(0)
        for span in (self.master_span, *self._periods.values(), *(span for _, _, span, _ in self._ranges)):
            if span is not None:
                longest = max(longest, self.zones.utc(span.end) - self.zones.utc(span.start))
        return longest + max((abs(shift) for _, _, _, shift in self._ranges), default=timedelta(0))
