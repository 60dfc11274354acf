# SPDX-License-Identifier: Apache-2.0
"""How an event repeats, as a sentence: RRULE, EXDATE and RDATE in a person's words (RFC 5545 §3.3.10).

The shapes that people and programs make get a sentence of their own. What has none (BYWEEKNO, BYYEARDAY, BYHOUR, odd
BYSETPOS) is named as a special schedule: a wrong sentence would be worse than none.
"""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date

from babel.dates import format_skeleton

from gateway.errors import Refused
from gateway.imip.dates import render_short_day
from gateway.imip.facts import EventFacts, Span
from gateway.imip.words import Words, mark
from gateway.itip.values import Kind, parse_moment_text

_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_WORKING_DAYS = frozenset(_WEEKDAYS[:5])
_KNOWN = {"FREQ", "INTERVAL", "UNTIL", "COUNT", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST"}
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
_SHOWN_DATES = 6


@dataclass(frozen=True, slots=True)
class Rule:
    """The parts of an RRULE that are put in words. `is_simple` is False where another part is there too."""

    freq: str
    interval: int
    until: Span | None
    count: int
    weekdays: tuple[tuple[int, int], ...]  # (ordinal or 0, weekday)
    month_days: tuple[int, ...]
    months: tuple[int, ...]
    positions: tuple[int, ...]
    is_simple: bool


def render_recurrence(words: Words, facts: EventFacts) -> str:
    """Return how the event repeats and until when, or "" where it does not."""
    if not facts.rule:
        return ""
    rule = _parse_rule(facts.rule, facts.span)
    sentence = (_sentence(words, rule, facts.span) if rule and rule.is_simple else "") or words.say(
        "on a special schedule (see the calendar file)"
    )
    if rule is not None and rule.until is not None:
        sentence = words.say("{rule}, until {date}", rule=sentence, date=render_short_day(words, rule.until))
    elif rule is not None and rule.count:
        sentence = words.count("{rule}, {number} time", "{rule}, {number} times", rule.count, rule=sentence)
    return sentence[:1].upper() + sentence[1:]


def render_dates(words: Words, spans: Sequence[Span]) -> str:
    """Return dates as a list, the later ones counted only: the exceptions and the additions of a series."""
    shown = [render_short_day(words, span) for span in spans[:_SHOWN_DATES]]
    rest = len(spans) - len(shown)
    if rest:
        shown.append(words.count("{number} more", "{number} more", rest))
    return "; ".join(shown)


def _parse_rule(text: str, start: Span | None) -> Rule | None:
    parts = {
        key.strip().upper(): value.strip().upper() for key, _, value in (p.partition("=") for p in text.split(";"))
    }
    try:
        return Rule(
            parts.get("FREQ", ""),
            max(1, int(parts.get("INTERVAL", "1"))),
            _until(parts.get("UNTIL", ""), start),
            int(parts.get("COUNT", "0")),
            tuple(_weekday(day) for day in _listed(parts, "BYDAY")),
            tuple(int(day) for day in _listed(parts, "BYMONTHDAY")),
            tuple(int(month) for month in _listed(parts, "BYMONTH")),
            tuple(int(position) for position in _listed(parts, "BYSETPOS")),
            is_simple=not {key for key in parts if key} - _KNOWN and len(text) < 500,
        )
    except (ValueError, Refused):
        return None


def _listed(parts: dict[str, str], name: str) -> list[str]:
    return [item for item in parts.get(name, "").split(",") if item]


def _weekday(text: str) -> tuple[int, int]:
    return int(text[:-2] or "0"), _WEEKDAYS.index(text[-2:])


def _until(text: str, start: Span | None) -> Span | None:
    if not text:
        return None
    moment = parse_moment_text(text)
    until = moment.wall
    if moment.kind is Kind.UTC and start is not None and start.start.tzinfo is not None:
        until = until.replace(tzinfo=UTC).astimezone(start.start.tzinfo)  # the day as the series' zone has it
    return Span(until, None, moment.is_date)


def _sentence(words: Words, rule: Rule, start: Span | None) -> str:
    n = rule.interval
    if rule.freq == "YEARLY":
        return _yearly(words, rule, start)
    if rule.freq == "MONTHLY":
        return _only_in(words, rule, _monthly(words, rule, start))
    if rule.positions or rule.month_days:
        return ""
    if rule.freq == "WEEKLY":
        return _only_in(words, rule, _weekly(words, rule, start))
    if rule.freq == "DAILY" and rule.weekdays:
        return _only_in(words, rule, _weekly(words, rule, start)) if n == 1 else ""
    if rule.freq == "DAILY":
        return _only_in(words, rule, words.count("every day", "every {number} days", n))
    if rule.weekdays or rule.months:
        return ""
    if rule.freq == "HOURLY":
        return words.count("every hour", "every {number} hours", n)
    if rule.freq == "MINUTELY":
        return words.count("every minute", "every {number} minutes", n)
    return ""


def _weekly(words: Words, rule: Rule, start: Span | None) -> str:
    if any(ordinal for ordinal, _ in rule.weekdays):
        return ""
    days = sorted({day for _, day in rule.weekdays}) or ([start.start.weekday()] if start else [])
    if not days:
        return ""
    if rule.interval == 1 and {_WEEKDAYS[day] for day in days} == _WORKING_DAYS:
        return words.say("every weekday (Monday to Friday)")
    if rule.interval == 1 and len(days) == 7:
        return words.count("every day", "every {number} days", 1)
    names = words.list([_weekday_name(words, day) for day in days])
    return words.count("every week on {days}", "every {number} weeks on {days}", rule.interval, days=names)


def _monthly(words: Words, rule: Rule, start: Span | None) -> str:
    days = _days_of_month(words, rule, start)
    if not days:
        return ""
    return words.count("every month on {days}", "every {number} months on {days}", rule.interval, days=days)


def _yearly(words: Words, rule: Rule, start: Span | None) -> str:
    if start is None:
        return ""
    months = rule.months or ((start.start.month,) if not rule.weekdays else ())
    if not rule.weekdays and not rule.positions:
        numbers = rule.month_days or (start.start.day,)
        if min(numbers) < 1 or max(numbers) > 31 or not all(1 <= month <= 12 for month in months):
            return ""
        dates = words.list([_day_and_month(words, month, day) for month in months for day in numbers][:12])
    else:
        days = _days_of_month(words, rule, start)
        if not days or not months:
            return ""
        dates = words.say("{days} in {months}", days=days, months=_month_names(words, months))
    return words.count("every year on {dates}", "every {number} years on {dates}", rule.interval, dates=dates)


def _only_in(words: Words, rule: Rule, sentence: str) -> str:
    if not rule.months or not sentence:
        return sentence
    return words.say("{rule}, only in {months}", rule=sentence, months=_month_names(words, rule.months))


def _days_of_month(words: Words, rule: Rule, start: Span | None) -> str:
    """Return the days of a month that a rule names, as a list, or "" where they have no simple name."""
    weekdays = rule.weekdays
    if rule.month_days and weekdays:
        return ""
    if weekdays and rule.positions:
        if len(rule.positions) != 1 or any(ordinal for ordinal, _ in weekdays):
            return ""
        position = rule.positions[0]
        if len({day for _, day in weekdays}) == 1:
            weekdays = ((position, weekdays[0][1]),)
        elif {_WEEKDAYS[day] for _, day in weekdays} == _WORKING_DAYS and position in (1, -1):
            return words.say("the first working day") if position == 1 else words.say("the last working day")
        elif len({day for _, day in weekdays}) == 7:
            return _month_day(words, position)
        else:
            return ""
    elif rule.positions:
        return ""
    if weekdays:
        if not all(ordinal in _ORDINALS for ordinal, _ in weekdays):
            return ""
        return words.list([_nth_weekday(words, ordinal, day) for ordinal, day in weekdays])
    numbers = rule.month_days or ((start.start.day,) if start else ())
    return words.list([_month_day(words, number) for number in numbers]) if numbers else ""


def _nth_weekday(words: Words, ordinal: int, day: int) -> str:
    genders = words.context("genders of Monday to Sunday: 0 masculine, 1 feminine, 2 neuter", "0000000")
    gender = int(genders[day]) if len(genders) == 7 and genders.isdigit() else 0
    return words.choose(_ORDINALS[ordinal], gender, weekday=_weekday_name(words, day))


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
