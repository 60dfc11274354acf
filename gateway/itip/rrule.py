# SPDX-License-Identifier: Apache-2.0
"""RRULE and EXRULE as values, read strictly: a part that is not understood changes all others (RFC 5545 §3.3.10).

What the rules give is reckoned in `recurrence`.
"""

import re
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from gateway.errors import Refused
from gateway.itip.values import Moment, parse_moment_text

_WEEKDAYS = {"MO": 0, "TU": 1, "WE": 2, "TH": 3, "FR": 4, "SA": 5, "SU": 6}
_BY_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_MAX_INTERVAL = 100_000


class Freq(IntEnum):
    """Frequencies, the longest first."""

    YEARLY = 0
    MONTHLY = 1
    WEEKLY = 2
    DAILY = 3
    HOURLY = 4
    MINUTELY = 5
    SECONDLY = 6


@dataclass(frozen=True, slots=True)
class Rule:
    """An RRULE as read. `by_day` holds (n, weekday), n = 0 for every one; weekdays count from Monday = 0."""

    freq: Freq
    interval: int = 1
    count: int | None = None
    until: Moment | None = None
    by_second: tuple[int, ...] = ()
    by_minute: tuple[int, ...] = ()
    by_hour: tuple[int, ...] = ()
    by_day: tuple[tuple[int, int], ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_year_day: tuple[int, ...] = ()
    by_week_no: tuple[int, ...] = ()
    by_month: tuple[int, ...] = ()
    by_set_pos: tuple[int, ...] = ()
    wkst: int = 0

    @property
    def is_plain(self) -> bool:
        """No BY part at all: every period holds exactly one instance (months and years may hold none)."""
        return not (self.by_second or self.by_minute or self.by_hour or self.by_day or self.by_month_day) and not (
            self.by_year_day or self.by_week_no or self.by_month or self.by_set_pos
        )


#: part -> (field, lowest, highest, whether negative numbers count from the end)
_LISTS: dict[str, tuple[str, int, int, bool]] = {
    "BYSECOND": ("by_second", 0, 60, False),
    "BYMINUTE": ("by_minute", 0, 59, False),
    "BYHOUR": ("by_hour", 0, 23, False),
    "BYMONTHDAY": ("by_month_day", 1, 31, True),
    "BYYEARDAY": ("by_year_day", 1, 366, True),
    "BYWEEKNO": ("by_week_no", 1, 53, True),
    "BYMONTH": ("by_month", 1, 12, False),
    "BYSETPOS": ("by_set_pos", 1, 366, True),
}


@lru_cache(maxsize=1024)
def parse_rule(text: str) -> Rule:
    """Read an RRULE value; unknown parts are refused, since they would change what the rule means.

    >>> parse_rule("FREQ=WEEKLY;BYDAY=TU,MO").by_day
    ((0, 0), (0, 1))

    Raises:
        Refused: `bad-rule`.
    """
    if len(text) > 4000:
        raise Refused("bad-rule", "The recurrence rule is too long")
    parts: dict[str, str] = {}
    for piece in text.strip().upper().split(";"):
        name, _, value = piece.partition("=")
        if name.strip():
            parts.setdefault(name.strip(), value.strip())
    try:
        rule = _rule(parts)
    except (KeyError, ValueError):
        raise Refused("bad-rule", f"{text[:80]!r} is not a recurrence rule") from None
    if rule.interval < 1 or rule.interval > _MAX_INTERVAL or (rule.count is not None and rule.count < 1):
        raise Refused("bad-rule", f"{text[:80]!r} has a COUNT or INTERVAL that makes no sense")
    return rule


def _rule(parts: dict[str, str]) -> Rule:
    fields: dict[str, object] = {}
    for name, value in parts.items():
        if name in _LISTS:
            field, low, high, signed = _LISTS[name]
            fields[field] = _numbers(value, low, high, signed=signed)
        elif name == "BYDAY":
            fields["by_day"] = _by_day(value)
        elif name == "UNTIL":
            fields["until"] = parse_moment_text(value)
        elif name in ("COUNT", "INTERVAL"):
            fields[name.lower()] = int(value)
        elif name == "WKST":
            fields["wkst"] = _WEEKDAYS[value]
        elif name == "FREQ":
            fields["freq"] = Freq[value]
        elif name == "RSCALE" and value == "GREGORIAN":
            continue
        else:
            raise ValueError(name)
    if "freq" not in fields:
        raise ValueError("FREQ")
    return Rule(**fields)  # type: ignore[arg-type]  # each field was read by its own reader above


def _numbers(text: str, low: int, high: int, *, signed: bool) -> tuple[int, ...]:
    numbers = {int(piece) for piece in text.split(",") if piece.strip()}
    for number in numbers:
        if not low <= (abs(number) if signed else number) <= high:
            raise ValueError(text)
    return tuple(sorted(numbers))


def _by_day(text: str) -> tuple[tuple[int, int], ...]:
    days = set()
    for piece in text.split(","):
        found = _BY_DAY.fullmatch(piece.strip())
        if found is None:
            raise ValueError(text)
        days.add((int(found[1] or 0), _WEEKDAYS[found[2]]))
    return tuple(sorted(days))
