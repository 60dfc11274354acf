# SPDX-License-Identifier: Apache-2.0
"""How an event repeats, as a sentence: RRULE, EXDATE and RDATE in a person's words (RFC 5545 §3.3.10).

The shapes that people and programs make get a sentence of their own. What has none (BYWEEKNO, BYYEARDAY, BYHOUR, odd
BYSETPOS) is named as a special schedule: a wrong sentence would be worse than none.
"""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from babel.dates import format_skeleton

from gateway.errors import Refused
from gateway.imip.dates import render_short_day, render_short_span
from gateway.imip.facts import EventFacts, Span
from gateway.imip.words import Words, mark, mark_plural
from gateway.itip.recurrence import Budget, walk
from gateway.itip.rrule import Freq, Rule, parse_rule
from gateway.itip.values import Kind, Moment

_WORKING_DAYS = frozenset(range(5))
#: Forms of "[masculine|feminine|neuter]": see the catalogue's notes.
_ORDINALS = {
    1: mark("the first {weekday}"),
    2: mark("the second {weekday}"),
    3: mark("the third {weekday}"),
    4: mark("the fourth {weekday}"),
    5: mark("the fifth {weekday}"),
    -1: mark("the last {weekday}"),
    -2: mark("the second to last {weekday}"),
}
_EVERY: dict[Freq, tuple[str, tuple[str, str]]] = {
    Freq.YEARLY: (
        mark("every year on {dates}"),
        mark_plural("every {number} year on {dates}", "every {number} years on {dates}"),
    ),
    Freq.MONTHLY: (
        mark("every month on {days}"),
        mark_plural("every {number} month on {days}", "every {number} months on {days}"),
    ),
    Freq.WEEKLY: (
        mark("every week on {days}"),
        mark_plural("every {number} week on {days}", "every {number} weeks on {days}"),
    ),
    Freq.DAILY: (mark("every day"), mark_plural("every {number} day", "every {number} days")),
    Freq.HOURLY: (mark("every hour"), mark_plural("every {number} hour", "every {number} hours")),
    Freq.MINUTELY: (mark("every minute"), mark_plural("every {number} minute", "every {number} minutes")),
}
_SHOWN_DATES = 6


def render_recurrence(words: Words, facts: EventFacts) -> str:
    """Return how the event repeats and until when, or "" where it does not."""
    if not facts.rule:
        return ""
    try:
        rule: Rule | None = parse_rule(facts.rule)
    except Refused:
        rule = None
    sentence = _sentence(words, rule, facts.span) if rule is not None else ""
    sentence = sentence or words.say("on a special schedule (see the calendar file)")
    if rule is not None and rule.until is not None:
        until = render_short_day(words, _until(rule.until, facts.span))
        sentence = words.say("{rule}, until {date}", rule=sentence, date=until)
    elif rule is not None and rule.count:
        sentence = words.count("{rule}, {number} time", "{rule}, {number} times", rule.count, rule=sentence)
    return sentence[:1].upper() + sentence[1:]


def render_next_dates(words: Words, facts: EventFacts) -> str:
    """Return the first dates of a series whose rule has no words of its own, "" where it has."""
    try:
        rule = parse_rule(facts.rule) if facts.rule else None
        if rule is None or facts.span is None or _sentence(words, rule, facts.span):
            return ""
        start = facts.span.start.replace(tzinfo=None)
        walls = list(islice(walk(rule, start, before=_last(rule, facts.span), budget=Budget()), _SHOWN_DATES + 1))
    except (Refused, OverflowError):
        return ""
    days = [render_short_day(words, Span(wall, None, facts.span.all_day)) for wall in walls[:_SHOWN_DATES]]
    return "; ".join([*days, *(["…"] if len(walls) > _SHOWN_DATES else [])])


def render_dates(words: Words, spans: Sequence[Span], series: Span | None = None) -> str:
    """Return dates as a list, the later ones counted only: the exceptions and the additions of a series.

    What is not at the time of the series is shown with its own.
    """
    shown = [
        render_short_day(words, span) if _at_the_usual_time(span, series) else render_short_span(words, span)
        for span in spans[:_SHOWN_DATES]
    ]
    rest = len(spans) - len(shown)
    if rest:
        shown.append(words.count("{number} more", "{number} more", rest))
    return "; ".join(shown)


def _at_the_usual_time(span: Span, series: Span | None) -> bool:
    if series is None or series.all_day or span.all_day:
        return True
    return span.start.time() == series.start.time()


def _last(rule: Rule, series: Span) -> datetime | None:
    if rule.until is None:
        return None
    until = _until(rule.until, series).start.replace(tzinfo=None)
    return until + timedelta(days=1) if rule.until.is_date else until


def _until(moment: Moment, start: Span | None) -> Span:
    until = moment.wall
    if moment.kind is Kind.UTC and start is not None and start.start.tzinfo is not None:
        until = until.replace(tzinfo=UTC).astimezone(start.start.tzinfo)  # the day as the series' zone has it
    return Span(until, None, moment.is_date)


def _sentence(words: Words, rule: Rule, start: Span | None) -> str:
    if rule.by_second or rule.by_minute or rule.by_hour or rule.by_year_day or rule.by_week_no:
        return ""
    if rule.freq is Freq.YEARLY:
        return _yearly(words, rule, start)
    if rule.freq is Freq.MONTHLY:
        return _only_in(words, rule, _monthly(words, rule, start))
    if rule.by_set_pos or rule.by_month_day:
        return ""
    if rule.freq is Freq.DAILY and rule.by_day and rule.interval == 1:
        rule = replace(rule, freq=Freq.WEEKLY)  # the same days, said as people say it
    if rule.freq is Freq.WEEKLY:
        return _only_in(words, rule, _weekly(words, rule, start))
    if rule.by_day:
        return ""
    if rule.freq is Freq.DAILY:
        return _only_in(words, rule, _every(words, rule))
    if rule.by_month or rule.freq is Freq.SECONDLY:
        return ""
    return _every(words, rule)


def _every(words: Words, rule: Rule, **values: str) -> str:
    once, (one, many) = _EVERY[rule.freq]
    if rule.interval == 1:  # a sentence of its own: many languages have a word for it, and 21 may count like 1
        return words.say(once, **values)
    return words.count(one, many, rule.interval, **values)


def _weekly(words: Words, rule: Rule, start: Span | None) -> str:
    if any(ordinal for ordinal, _ in rule.by_day):
        return ""
    days = sorted({day for _, day in rule.by_day}) or ([start.start.weekday()] if start else [])
    if not days:
        return ""
    if rule.interval == 1 and set(days) == _WORKING_DAYS:
        return words.say("every weekday (Monday to Friday)")
    if rule.interval == 1 and len(days) == 7:
        return words.say("every day")
    names = words.list([_each_weekday(words, day) for day in days])
    return _every(words, rule, days=names)


def _monthly(words: Words, rule: Rule, start: Span | None) -> str:
    days = _days_of_month(words, rule, start)
    if not days:
        return ""
    return _every(words, rule, days=days)


def _yearly(words: Words, rule: Rule, start: Span | None) -> str:
    if start is None:
        return ""
    months = rule.by_month or ((start.start.month,) if not rule.by_day else ())
    if not rule.by_day and not rule.by_set_pos:
        numbers = rule.by_month_day or (start.start.day,)
        if min(numbers) < 1 or max(numbers) > 31 or not all(1 <= month <= 12 for month in months):
            return ""
        dates = words.list([_day_and_month(words, month, day) for month in months for day in numbers][:12])
    else:
        days = _days_of_month(words, rule, start)
        if not days or not months:
            return ""
        dates = words.say("{days} in {months}", days=days, months=_month_names(words, months))
    return _every(words, rule, dates=dates)


def _only_in(words: Words, rule: Rule, sentence: str) -> str:
    if not rule.by_month or not sentence:
        return sentence
    return words.say("{rule}, only in {months}", rule=sentence, months=_month_names(words, rule.by_month))


def _days_of_month(words: Words, rule: Rule, start: Span | None) -> str:
    """Return the days of a month that a rule names, as a list, or "" where they have no simple name."""
    weekdays = rule.by_day
    if rule.by_month_day and weekdays:
        return ""
    if weekdays and rule.by_set_pos:
        if len(rule.by_set_pos) != 1 or any(ordinal for ordinal, _ in weekdays):
            return ""
        position = rule.by_set_pos[0]
        if len({day for _, day in weekdays}) == 1:
            weekdays = ((position, weekdays[0][1]),)
        elif {day for _, day in weekdays} == _WORKING_DAYS and position in (1, -1):
            return words.say("the first working day") if position == 1 else words.say("the last working day")
        elif len({day for _, day in weekdays}) == 7:
            return _month_day(words, position)
        else:
            return ""
    elif rule.by_set_pos:
        return ""
    if weekdays:
        if not all(ordinal in _ORDINALS for ordinal, _ in weekdays):
            return ""
        return words.list([_nth_weekday(words, ordinal, day) for ordinal, day in sorted(weekdays, key=_in_month)])
    numbers = rule.by_month_day or ((start.start.day,) if start else ())
    return words.list([_month_day(words, number) for number in sorted(numbers, key=lambda n: (n < 0, n))])


def _in_month(weekday: tuple[int, int]) -> tuple[bool, int, int]:
    """Sort from the beginning of the month to its end: what counts from the end comes last."""
    ordinal, day = weekday
    return ordinal < 0, ordinal, day


def _nth_weekday(words: Words, ordinal: int, day: int) -> str:
    return words.choose(_ORDINALS[ordinal], _gender(words, day), weekday=_weekday_name(words, day))


def _each_weekday(words: Words, day: int) -> str:
    name = _weekday_name(words, day)
    return words.choose("{weekday}", _gender(words, day), context="one of the days in: every week on", weekday=name)


def _gender(words: Words, day: int) -> int:
    genders = words.context("genders of Monday to Sunday: 0 masculine, 1 feminine, 2 neuter", "0000000")
    return int(genders[day]) if len(genders) == 7 and genders.isdigit() else 0


def _month_day(words: Words, number: int) -> str:
    if number == -1:
        return words.say("the last day")
    if number < 0:
        return words.say("day {number} from the end", number=-number)
    return words.say("day {number}", number=number)


def _weekday_name(words: Words, day: int) -> str:
    return str(words.locale.days["stand-alone"]["wide"][day])


def _month_names(words: Words, months: Sequence[int]) -> str:
    return words.list([str(words.locale.months["stand-alone"]["wide"][m]) for m in months if 1 <= m <= 12])


def _day_and_month(words: Words, month: int, day: int) -> str:
    last = monthrange(2024, month)[1]  # a leap year, for 29 February
    return str(format_skeleton("MMMMd", date(2024, month, min(day, last)), locale=words.locale))
