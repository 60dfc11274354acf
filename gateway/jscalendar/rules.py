# SPDX-License-Identifier: Apache-2.0
"""RecurrenceRule objects and RRULE values (RFC 8984 §4.3.3, RFC 5545 §3.3.10).

`until` is a wall time in the event's zone and UNTIL is in UTC (or a DATE): the one conversion lives here.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, tzinfo
from typing import Any

from gateway.errors import Refused
from gateway.itip.values import Kind, Moment, build_moment, build_utc, parse_moment_text
from gateway.jscalendar.values import Json, JsonMap, local_text, parse_local

DAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")
_NUMBERS = {
    "BYMONTHDAY": "byMonthDay",
    "BYYEARDAY": "byYearDay",
    "BYWEEKNO": "byWeekNo",
    "BYHOUR": "byHour",
    "BYMINUTE": "byMinute",
    "BYSECOND": "bySecond",
    "BYSETPOS": "bySetPosition",
}
_WORDS = {"FREQ": "frequency", "RSCALE": "rscale", "SKIP": "skip", "WKST": "firstDayOfWeek"}
#: What RRULE means where a part is absent; JSCalendar says the same, so these are not written.
_DEFAULTS: Json = {"interval": 1, "rscale": "gregorian", "skip": "omit", "firstDayOfWeek": "mo"}


def parse_rrule(value: str, zone: tzinfo | None) -> Json | None:
    """Read a RECUR value as a RecurrenceRule with `until` in `zone`; None where it is not one."""
    rule: Json = {"@type": "RecurrenceRule"}
    for part in value.strip().split(";"):
        name, _, text = part.partition("=")
        try:
            rule.update(_read_part(name.strip().upper(), text.strip(), zone))
        except (ValueError, Refused):
            return None
    return plain_rule(rule) if "frequency" in rule else None


def build_rrule(rule: JsonMap, zone: tzinfo | None, *, all_day: bool) -> str:
    """Write a (valid) RecurrenceRule as a RECUR value."""
    return ";".join(f"{name}={text}" for name, text in _written(rule, zone, all_day))


def plain_rule(rule: JsonMap) -> Json:
    """Return the rule without members that say what their absence says."""
    kept = {name: value for name, value in rule.items() if value is not None and _DEFAULTS.get(name) != value}
    if "byDay" in kept:
        kept["byDay"] = [{"@type": "NDay", **day} for day in kept["byDay"]]
    return {"@type": "RecurrenceRule", **kept}


def _read_part(name: str, text: str, zone: tzinfo | None) -> Json:
    if name in _WORDS:
        return {_WORDS[name]: text.lower()}
    if name in ("INTERVAL", "COUNT"):
        return {name.lower(): int(text)}
    if name in _NUMBERS:
        return {_NUMBERS[name]: [int(number) for number in text.split(",")]}
    if name == "BYMONTH":
        return {"byMonth": [month.strip().upper().lstrip("0") for month in text.split(",")]}
    if name == "BYDAY":
        return {"byDay": [_read_day(day.strip().lower()) for day in text.split(",")]}
    if name == "UNTIL":
        return {"until": _read_until(text, zone)}
    return {}


def _read_day(text: str) -> Json:
    day, nth = text[-2:], text[:-2]
    if day not in DAYS:
        raise ValueError(text)
    return {"@type": "NDay", "day": day, **({"nthOfPeriod": int(nth)} if nth else {})}


def _read_until(text: str, zone: tzinfo | None) -> str:
    moment = parse_moment_text(text)
    wall = moment.wall
    if moment.kind is Kind.UTC and zone is not None:
        wall = wall.replace(tzinfo=UTC).astimezone(zone)
    elif moment.is_date and zone is not None:  # a date after a timed start means that whole day
        wall = datetime.combine(wall, time(23, 59, 59))
    return local_text(wall)


def _written(rule: JsonMap, zone: tzinfo | None, all_day: bool) -> Iterator[tuple[str, str]]:
    for name in ("RSCALE", "FREQ"):
        if rule.get(_WORDS[name]):
            yield name, str(rule[_WORDS[name]]).upper()
    if rule.get("until"):
        yield "UNTIL", _written_until(parse_local(rule["until"]), zone, all_day)
    for name in ("COUNT", "INTERVAL"):
        if rule.get(name.lower()) is not None:
            yield name, str(rule[name.lower()])
    for name, member in (("SKIP", "skip"), ("WKST", "firstDayOfWeek")):
        if rule.get(member):
            yield name, str(rule[member]).upper()
    for name, member, write in _LISTS:
        if rule.get(member):
            yield name, ",".join(write(item) for item in rule[member])


def _written_until(until: datetime | None, zone: tzinfo | None, all_day: bool) -> str:
    if until is None:
        raise ValueError("until was not validated")
    if all_day or zone is None:
        return build_moment(Moment(until, Kind.DATE if all_day else Kind.FLOATING))
    return build_utc(until.replace(tzinfo=zone))


def _written_day(day: Any) -> str:
    return f"{day.get('nthOfPeriod') or ''}{day['day'].upper()}"


_LISTS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("BYMONTH", "byMonth", str),
    *((name, member, str) for name, member in list(_NUMBERS.items())[:3]),
    ("BYDAY", "byDay", _written_day),
    *((name, member, str) for name, member in list(_NUMBERS.items())[3:]),
)
