# SPDX-License-Identifier: Apache-2.0
"""Recurrence rules followed on wall clock time, bounded by construction (RFC 5545 §3.3.10).

dateutil walks every rule from DTSTART and runs to the year 9999 when nothing matches; one hostile mail would hold a
process for seconds. Here a walk starts at the period that is asked for, whatever the shape of the rule, and every day
looked at is paid from a `Budget`. Only COUNT forces a walk from the start, and for plain rules that too is arithmetic.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import product

from gateway.errors import Refused
from gateway.itip.rrule import Freq, Rule
from gateway.itip.values import Kind, Moment

_DAY = timedelta(days=1)


_UNIT = {
    Freq.WEEKLY: timedelta(weeks=1),
    Freq.DAILY: _DAY,
    Freq.HOURLY: timedelta(hours=1),
    Freq.MINUTELY: timedelta(minutes=1),
    Freq.SECONDLY: timedelta(seconds=1),
}


class Budget:
    """How many days or instants may still be looked at; shared by everything one question asks."""

    __slots__ = ("left",)

    def __init__(self, steps: int = 8_000) -> None:
        self.left = steps

    def spend(self, steps: int = 1) -> None:
        """Pay for a step.

        Raises:
            Refused: `recurrence-budget` when nothing is left.
        """
        self.left -= steps
        if self.left < 0:
            raise Refused("recurrence-budget", "The recurrence is too costly to follow")


def walk(
    rule: Rule,
    start: datetime,
    *,
    after: datetime | None = None,
    before: datetime | None = None,
    budget: Budget,
) -> Iterator[datetime]:
    """Yield the wall times of a rule in order, from `after` to `before`, both included.

    `start` (DTSTART) is an instance whether the rule hits it or not, and COUNT counts it (RFC 5545 §3.8.5.3).
    UNTIL is the caller's: it knows the zone, and gives it as `before`.

    Raises:
        Refused: `recurrence-budget`.
    """
    rule, last = _prepared(rule, start)
    before = last if before is None or (last is not None and last < before) else before
    if before is not None and start > before:
        return
    if after is None or start >= after:
        yield start
    emitted = 1
    floor = start if after is None or rule.count is not None else max(start, after)
    for batch in _batches(rule, start, floor, before, budget):
        for wall in _positions(batch, rule.by_set_pos):
            if wall <= start:
                continue
            emitted += 1
            if (rule.count is not None and emitted > rule.count) or (before is not None and wall > before):
                return
            if after is None or wall >= after:
                yield wall


@lru_cache(maxsize=1024)
def _prepared(rule: Rule, start: datetime) -> tuple[Rule, datetime | None]:
    """The rule with what DTSTART says, and its end where COUNT tells it: steps of one length, weekdays."""
    filled = _filled(rule, start)
    try:
        last = _last_of_count(rule, start)
    except OverflowError:
        return replace(filled, count=None), None
    return (filled, None) if last is None else (replace(filled, count=None), last)


def _last_of_count(rule: Rule, start: datetime) -> datetime | None:
    if rule.count is None or rule.freq not in _UNIT:
        return None
    if rule.is_plain:
        return start + _UNIT[rule.freq] * (rule.interval * (rule.count - 1))
    if rule.freq is not Freq.WEEKLY or not replace(rule, by_day=()).is_plain:
        return None
    offsets = sorted({(weekday - rule.wkst) % 7 for _, weekday in rule.by_day})
    first = (start.weekday() - rule.wkst) % 7
    left = rule.count - 1  # DTSTART is the first, whatever day it is
    same_week = [offset for offset in offsets if offset > first]
    if left <= len(same_week):
        return start if not left else start + timedelta(days=same_week[left - 1] - first)
    weeks, place = divmod(left - len(same_week) - 1, len(offsets))
    return start + timedelta(days=offsets[place] - first, weeks=(weeks + 1) * rule.interval)


def _filled(rule: Rule, start: datetime) -> Rule:
    """What DTSTART says where the rule is silent (RFC 5545 §3.3.10)."""
    if not (rule.by_week_no or rule.by_year_day or rule.by_month_day or rule.by_day):
        if rule.freq is Freq.YEARLY:
            rule = replace(rule, by_month=rule.by_month or (start.month,), by_month_day=(start.day,))
        elif rule.freq is Freq.MONTHLY:
            rule = replace(rule, by_month_day=(start.day,))
        elif rule.freq is Freq.WEEKLY:
            rule = replace(rule, by_day=((0, start.weekday()),))
    return replace(
        rule,
        by_hour=rule.by_hour or ((start.hour,) if rule.freq < Freq.HOURLY else ()),
        by_minute=rule.by_minute or ((start.minute,) if rule.freq < Freq.MINUTELY else ()),
        by_second=rule.by_second or ((start.second,) if rule.freq < Freq.SECONDLY else ()),
    )


def _positions(batch: list[datetime], positions: tuple[int, ...]) -> Iterable[datetime]:
    if not positions:
        return batch
    size = len(batch)
    chosen = {at - 1 if at > 0 else size + at for at in positions}
    return [batch[at] for at in sorted(chosen) if 0 <= at < size]


def _batches(
    rule: Rule, start: datetime, floor: datetime, before: datetime | None, budget: Budget
) -> Iterator[list[datetime]]:
    """The sorted instants of each period in turn, from the period that holds `floor`."""
    try:
        if rule.freq > Freq.DAILY:
            yield from _short_periods(rule, start, floor, before, budget)
            return
        times = _times(rule, budget)
        for first, days in _day_periods(rule, start.date(), floor.date(), budget):
            if before is not None and first > before.date():
                return
            budget.spend(1 + (len(days) * len(times)) // 4)
            yield [datetime(day.year, day.month, day.day) + time for day in days for time in times]  # noqa: DTZ001 - wall
    except (OverflowError, ValueError):  # the end of the calendar
        return


def _times(rule: Rule, budget: Budget) -> list[timedelta]:
    budget.spend(len(rule.by_hour) * len(rule.by_minute) * len(rule.by_second) // 4)
    return [
        timedelta(hours=hour, minutes=minute, seconds=min(second, 59))
        for hour, minute, second in product(rule.by_hour, rule.by_minute, rule.by_second)
    ]


def _day_periods(rule: Rule, start: date, floor: date, budget: Budget) -> Iterator[tuple[date, list[date]]]:
    """First day and matching days of each year, month, week or day; interval steps are counted from `start`."""
    step = rule.interval
    if rule.freq is Freq.YEARLY:
        for year in range(start.year + (floor.year - start.year) // step * step, 10_000, step):
            first = date(year, 1, 1)
            yield first, _days_of_year(rule, year, budget)
    elif rule.freq is Freq.MONTHLY:
        origin = start.year * 12 + start.month - 1
        reached = floor.year * 12 + floor.month - 1
        for month in range(origin + (reached - origin) // step * step, 120_000, step):
            first = date(month // 12, month % 12 + 1, 1)
            yield first, _days_of_month(rule, first, budget)
    else:
        first = start if rule.freq is Freq.DAILY else start - timedelta(days=(start.weekday() - rule.wkst) % 7)
        length = 1 if rule.freq is Freq.DAILY else 7
        stride = timedelta(days=length * step)
        first += (floor - first) // stride * stride
        while True:
            budget.spend()
            yield first, _days_of_span(rule, first, length)
            first += stride


def _days_of_span(rule: Rule, first: date, length: int) -> list[date]:
    if length == 1:
        return [first] if _matches(rule, first) else []
    days = (first + timedelta(days=ahead) for ahead in range(length))
    return [day for day in days if _matches(rule, day)]


def _days_of_month(rule: Rule, first: date, budget: Budget) -> list[date]:
    if rule.by_month and first.month not in rule.by_month:
        budget.spend()
        return []
    length = _month_length(first)
    if rule.by_month_day:
        numbers = sorted({n if n > 0 else length + n + 1 for n in rule.by_month_day})
        candidates = [first.replace(day=n) for n in numbers if 1 <= n <= length]
    else:
        candidates = [first + timedelta(days=ahead) for ahead in range(length)]
    budget.spend(1 + len(candidates))
    return [day for day in candidates if _matches(rule, day)]


def _days_of_year(rule: Rule, year: int, budget: Budget) -> list[date]:
    days: list[date] = []
    for month in rule.by_month or range(1, 13):
        days += _days_of_month(rule, date(year, month, 1), budget)
    return days


def _matches(rule: Rule, day: date) -> bool:
    """Whether a day passes every BY part that speaks of days."""
    if rule.by_month and day.month not in rule.by_month:
        return False
    if (
        rule.by_month_day
        and day.day not in rule.by_month_day
        and day.day - _month_length(day) - 1 not in rule.by_month_day
    ):
        return False
    if rule.by_year_day:
        length = 366 if _is_leap(day.year) else 365
        number = day.timetuple().tm_yday
        if number not in rule.by_year_day and number - length - 1 not in rule.by_year_day:
            return False
    if rule.by_week_no and not _in_weeks(day, rule.by_week_no, rule.wkst):
        return False
    return not rule.by_day or any(
        weekday == day.weekday() and (not nth or _is_nth(rule, day, nth)) for nth, weekday in rule.by_day
    )


def _is_nth(rule: Rule, day: date, nth: int) -> bool:
    """Whether a weekday is the nth (or nth from the end) of its month or year; elsewhere n has no meaning."""
    if rule.freq is Freq.MONTHLY or (rule.freq is Freq.YEARLY and rule.by_month):
        number, length = day.day, _month_length(day)
    elif rule.freq is Freq.YEARLY:
        number, length = day.timetuple().tm_yday, 366 if _is_leap(day.year) else 365
    else:
        return True
    return nth == ((number - 1) // 7 + 1 if nth > 0 else -((length - number) // 7 + 1))


def _in_weeks(day: date, weeks: tuple[int, ...], wkst: int) -> bool:
    """Whether a day lies in one of the weeks of its own week-year; a week belongs where it has four days."""
    week_start = day - timedelta(days=(day.weekday() - wkst) % 7)
    year = (week_start + timedelta(days=3)).year
    number = (week_start - _first_week(year, wkst)).days // 7 + 1
    total = (_first_week(year + 1, wkst) - _first_week(year, wkst)).days // 7
    return number in weeks or number - total - 1 in weeks


def _first_week(year: int, wkst: int) -> date:
    fourth = date(year, 1, 4)
    return fourth - timedelta(days=(fourth.weekday() - wkst) % 7)


def _short_periods(
    rule: Rule, start: datetime, floor: datetime, before: datetime | None, budget: Budget
) -> Iterator[list[datetime]]:
    """Periods of an hour, a minute or a second; days and hours that cannot match are jumped over."""
    unit = _UNIT[rule.freq]
    origin = start.replace(
        minute=0 if rule.freq is Freq.HOURLY else start.minute, second=0 if rule.freq < Freq.SECONDLY else start.second
    )
    step = unit * rule.interval
    at = origin + (floor - origin) // step * step
    while before is None or at <= before:
        budget.spend()
        midnight = at.replace(hour=0, minute=0, second=0)
        if not _matches(rule, at.date()):
            at = _next_at(origin, step, midnight + _DAY)
        elif rule.by_hour and at.hour not in rule.by_hour:
            at = _next_at(origin, step, at.replace(minute=0, second=0) + _UNIT[Freq.HOURLY])
        else:
            batch = _instants(rule, at)
            budget.spend(len(batch) // 4)
            yield batch
            at += step


def _next_at(origin: datetime, step: timedelta, bound: datetime) -> datetime:
    """The first step at or after `bound`."""
    return origin + -((origin - bound) // step) * step


def _instants(rule: Rule, at: datetime) -> list[datetime]:
    if rule.freq is Freq.HOURLY:
        times = product(rule.by_minute, rule.by_second)
        return [at.replace(minute=minute, second=min(second, 59)) for minute, second in times]
    if rule.by_minute and at.minute not in rule.by_minute:
        return []
    if rule.freq is Freq.MINUTELY:
        return [at.replace(second=min(second, 59)) for second in rule.by_second]
    return [at] if not rule.by_second or at.second in rule.by_second else []


def _month_length(day: date) -> int:
    if day.month == 2:
        return 29 if _is_leap(day.year) else 28
    return 30 if day.month in (4, 6, 9, 11) else 31


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def end_of_day(moment: Moment) -> datetime:
    """Return the last wall time that an UNTIL allows: a DATE allows its whole day."""
    return moment.wall + _DAY - timedelta(seconds=1) if moment.kind is Kind.DATE else moment.wall
