# SPDX-License-Identifier: Apache-2.0
"""VTIMEZONE read as bounded rules, and minimal ones written (RFC 5545 §3.6.5).

This is the one place that reads a stranger's time zone rules. What it will not follow (observances that are not yearly,
thousands of RDATEs) is refused before any value is computed, and no zone read here is remembered for the next mail.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import islice

from gateway.errors import Refused
from gateway.itip.recurrence import Budget, walk
from gateway.itip.rrule import Freq, Rule, parse_rule
from gateway.itip.tree import Component, Prop
from gateway.itip.values import build_offset, parse_moment_text, parse_moments, parse_offset

MAX_OBSERVANCES = 400
MAX_RULES = 60
MAX_DATES = 1_000


@dataclass(frozen=True, slots=True)
class Onset:
    """From `wall` (clock time before it) on, the offset goes from `before` to `after`."""

    wall: datetime
    before: timedelta
    after: timedelta

    @property
    def in_force(self) -> datetime:
        """The wall time from which the new offset is read: times in the gap keep the old one (RFC 5545 §3.3.5)."""
        return self.wall + max(timedelta(0), self.after - self.before)

    @property
    def at(self) -> datetime:
        return self.wall - self.before


@dataclass(frozen=True, slots=True)
class Observance:
    """One STANDARD or DAYLIGHT: its dates, and the yearly rule that continues them."""

    dates: tuple[datetime, ...]
    before: timedelta
    after: timedelta
    rule: Rule | None
    until_at: datetime | None


class RuleZone(tzinfo):
    """A time zone as its VTIMEZONE says. Nonexistent times take the offset before the gap, ambiguous the first."""

    def __init__(self, tzid: str, observances: tuple[Observance, ...]) -> None:
        self.tzid = tzid
        self._observances = observances
        self._fixed = sorted(
            (Onset(date, each.before, each.after) for each in observances for date in each.dates), key=lambda o: o.wall
        )
        self._walls = [onset.in_force for onset in self._fixed]
        self._years: dict[int, tuple[Onset, ...]] = {}

    def utcoffset(self, dt: datetime | None) -> timedelta:
        """Return the offset at a wall time."""
        if dt is None:
            return self._fixed[0].after
        wall = dt.replace(tzinfo=None)
        last: Onset | None = None
        at = bisect_right(self._walls, wall)
        if at:
            last = self._fixed[at - 1]
        for onset in self._rule_onsets(wall.year):
            if onset.in_force <= wall and (last is None or onset.wall >= last.wall):
                last = onset
        return self._fixed[0].before if last is None else last.after

    def dst(self, dt: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, dt: datetime | None) -> str:
        return self.tzid

    def fromutc(self, dt: datetime) -> datetime:
        """Return the wall time of a UTC instant that carries this zone (as `astimezone` calls it)."""
        at = dt.replace(tzinfo=None)
        last: Onset | None = None
        for onset in (*self._fixed, *self._rule_onsets(at.year)):
            if onset.at <= at and (last is None or onset.at >= last.at):
                last = onset
        offset = self._fixed[0].before if last is None else last.after
        return (at + offset).replace(tzinfo=self)

    def _rule_onsets(self, year: int) -> tuple[Onset, ...]:
        """Onsets that the yearly rules give in this year and the two beside it."""
        if year not in self._years:
            if len(self._years) > 400:
                self._years.clear()
            self._years[year] = tuple(sorted(self._compute(year), key=lambda onset: onset.wall))
        return self._years[year]

    def _compute(self, year: int) -> Iterator[Onset]:
        for each in self._observances:
            if each.rule is None or not 2 <= year <= 9997:
                continue
            first, last = datetime(year - 1, 1, 1), datetime(year + 1, 12, 31, 23, 59)  # noqa: DTZ001 - wall time
            for wall in islice(walk(each.rule, each.dates[0], after=first, before=last, budget=Budget(3_000)), 12):
                if each.until_at is None or wall - each.before <= each.until_at:
                    yield Onset(wall, each.before, each.after)


def parse_vtimezone(component: Component) -> RuleZone:
    """Read a VTIMEZONE.

    Raises:
        Refused: `bad-timezone`, as `parse_observances`.
    """
    return RuleZone(component.text("TZID") or "", parse_observances(component))


def parse_observances(component: Component) -> tuple[Observance, ...]:
    """Read what a VTIMEZONE is made of: all that is needed to know whether it is sane.

    Raises:
        Refused: `bad-timezone`: no usable observance, one that is not yearly, or far too many dates.
    """
    children = component.children("STANDARD", "DAYLIGHT")
    if not children or len(children) > MAX_OBSERVANCES:
        raise Refused("bad-timezone", "The time zone has no observances, or far too many")
    if sum(prop.value.count(",") + 1 for child in children for prop in child.all("RDATE")) > MAX_DATES:
        raise Refused("bad-timezone", "The time zone lists far too many dates or rules")
    try:
        observances = tuple(_observance(child) for child in children)
    except Refused as error:
        raise Refused("bad-timezone", f"The time zone cannot be read: {error.public}") from None
    if sum(1 for each in observances if each.rule) > MAX_RULES:
        raise Refused("bad-timezone", "The time zone lists far too many dates or rules")
    return observances


def _observance(component: Component) -> Observance:
    start, rule = component.value("DTSTART") or "", component.value("RRULE") or ""
    before, after = component.value("TZOFFSETFROM") or "", component.value("TZOFFSETTO") or ""
    rdates = component.all("RDATE")
    if rdates or len(start) + len(rule) + len(before) + len(after) > 200:
        return _read_observance(start, before, after, rule, rdates)
    return _known_observance(start, before, after, rule)


@lru_cache(maxsize=512)
def _known_observance(start: str, before: str, after: str, rule: str) -> Observance:
    """Nearly every calendar brings along the same few."""
    return _read_observance(start, before, after, rule, ())


def _read_observance(starts: str, before_it: str, after_it: str, text: str, rdates: tuple[Prop, ...]) -> Observance:
    start = parse_moment_text(starts).wall
    before = parse_offset(before_it or after_it)
    after = parse_offset(after_it)
    dates = (start, *(moment.wall for prop in rdates for moment in parse_moments(prop)))
    if not text:
        return Observance(tuple(sorted(set(dates))), before, after, None, None)
    rule = parse_rule(text)
    odd = rule.by_hour or rule.by_minute or rule.by_second or rule.by_year_day or rule.by_week_no or rule.count
    if rule.freq is not Freq.YEARLY or odd or len(rule.by_month) > 1 or len(rule.by_day) > bool(rule.by_month):
        raise Refused("bad-timezone", "an observance does not recur on one day a year")
    until_at = None if rule.until is None else rule.until.wall
    return Observance(tuple(sorted(set(dates))), before, after, rule, until_at)


def build_vtimezone(tzid: str, zone: tzinfo, first_year: int, last_year: int) -> Component:
    """Write a minimal VTIMEZONE for a span of years: one STANDARD, one DAYLIGHT with an RRULE where the years agree.

    Where they do not agree (a zone that changes its mind, Ramadan rules) each onset of the span is written with its
    own observance; Exchange before 2016 CU12 reads no VTIMEZONE that mixes RDATE and RRULE, so we write no RDATE.
    """
    first_year, last_year = max(first_year, 1901), min(max(last_year, first_year), max(first_year, 1901) + 60, 2200)
    onsets = list(_onsets(zone, first_year - 1, last_year + 1))
    children: list[Component]
    if not onsets:
        offset = _offset_at(zone, datetime(first_year, 1, 1))  # noqa: DTZ001 - wall time
        children = [_written(Onset(datetime(1970, 1, 1), offset, offset), zone, None)]  # noqa: DTZ001 - wall time
    else:
        rules = _yearly(onsets, first_year - 1)
        if rules:
            children = [_written(onset, zone, rule) for onset, rule in rules]
        else:
            children = [_written(onset, zone, None) for onset in onsets]
    return Component("VTIMEZONE", [Prop("TZID", _tzid_text(tzid)), *children])


def _tzid_text(tzid: str) -> str:
    return "".join(char for char in tzid if char.isprintable())


def _onsets(zone: tzinfo, first_year: int, last_year: int) -> Iterator[Onset]:
    """Find the changes of offset in a span of years: two looks a month, then halving."""
    at = datetime(first_year, 1, 1)  # noqa: DTZ001 - UTC without its label, for speed
    end = datetime(last_year, 12, 31)  # noqa: DTZ001
    step = timedelta(days=14)
    before = _offset_at(zone, at)
    while at < end:
        after = _offset_at(zone, at + step)
        if after != before:
            low, high = at, at + step
            while high - low > timedelta(minutes=1):
                middle = low + (high - low) / 2
                if _offset_at(zone, middle) == before:
                    low = middle
                else:
                    high = middle
            instant = high.replace(second=0, microsecond=0)
            yield Onset(instant + before, before, after)
        at, before = at + step, after


def _offset_at(zone: tzinfo, utc: datetime) -> timedelta:
    return utc.replace(tzinfo=UTC).astimezone(zone).utcoffset() or timedelta(0)


def _yearly(onsets: list[Onset], first_year: int) -> list[tuple[Onset, str]]:
    """The two rules that all onsets follow, or nothing."""
    found: list[tuple[Onset, str]] = []
    for onset in onsets[:2]:
        same = [each for each in onsets if each.before == onset.before and each.after == onset.after]
        rule = _shared_rule(same)
        if rule is None or same[0].wall.year != first_year or len(same) != onsets[-1].wall.year - first_year + 1:
            return []
        found.append((same[0], rule))
    covered = {(onset.before, onset.after) for onset, _ in found}
    return found if len(covered) == 2 and all((each.before, each.after) in covered for each in onsets) else []


def _shared_rule(onsets: list[Onset]) -> str | None:
    """`BYMONTH;BYDAY` that hits every onset: the nth weekday, or the last."""
    walls = [onset.wall for onset in onsets]
    first = walls[0]
    if any((w.month, w.weekday(), w.time()) != (first.month, first.weekday(), first.time()) for w in walls):
        return None
    day = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")[first.weekday()]
    nth = {(wall.day - 1) // 7 + 1 for wall in walls}
    if all((wall + timedelta(days=7)).month != wall.month for wall in walls):
        return f"FREQ=YEARLY;BYMONTH={first.month};BYDAY=-1{day}"
    if len(nth) == 1:
        return f"FREQ=YEARLY;BYMONTH={first.month};BYDAY={nth.pop()}{day}"
    return None


def _written(onset: Onset, zone: tzinfo, rule: str | None) -> Component:
    name = onset.at.replace(tzinfo=UTC).astimezone(zone).tzname() or ""
    daylight = onset.after > onset.before
    lines = [
        Prop("DTSTART", onset.wall.strftime("%Y%m%dT%H%M%S")),
        Prop("TZOFFSETFROM", build_offset(onset.before)),
        Prop("TZOFFSETTO", build_offset(onset.after)),
    ]
    if rule:
        lines.append(Prop("RRULE", rule))
    if name.isalnum():
        lines.append(Prop("TZNAME", name))
    return Component("DAYLIGHT" if daylight else "STANDARD", lines)
