# SPDX-License-Identifier: Apache-2.0
"""Typed values, made only where a decision needs them: moments, durations, periods, offsets (RFC 5545 §3.3).

Reading is lenient about spelling (dashes, missing seconds, a `Z` beside a TZID) and strict about meaning: what is not a
moment raises `Refused`, and nothing else leaves these functions. Zones are only named here; `timezones` resolves them.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from gateway.errors import Refused
from gateway.itip.tree import Prop

_MOMENT = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?:[Tt ](\d\d):?(\d\d)(?::?(\d\d)(?:\.\d+)?)?\s*([Zz]|[+-]\d\d:?\d\d)?)?")
_DURATION = re.compile(
    r"([+-])?P(?:(\d{1,7})W)?(?:(\d{1,7})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:\.\d+)?S)?)?",
    re.IGNORECASE,
)
_OFFSET = re.compile(r"([+-]?)(\d\d):?(\d\d)(?::?(\d\d))?")
_SEQUENCE = re.compile(r"\s*\+?(\d{1,16})\s*")
MAX_LIST = 2_000
_MAX_SEQUENCE = 2**53 - 1
_MAX_DURATION = timedelta(days=366 * 1000)


class Kind(StrEnum):
    """What a moment is tied to."""

    DATE = "date"
    UTC = "utc"
    ZONED = "zoned"
    FLOATING = "floating"


@dataclass(frozen=True, slots=True)
class Moment:
    """A DATE or DATE-TIME as written: `wall` is its naive clock time (midnight for a DATE), in UTC for kind UTC."""

    wall: datetime
    kind: Kind
    tzid: str = ""

    @property
    def is_date(self) -> bool:
        return self.kind is Kind.DATE


@dataclass(frozen=True, slots=True)
class Duration:
    """Nominal days and exact seconds, both with the sign: a day may last 23 hours (RFC 5545 §3.3.6)."""

    days: int = 0
    seconds: int = 0

    @property
    def exact(self) -> timedelta:
        """The duration where every day has 24 hours."""
        return timedelta(days=self.days, seconds=self.seconds)


@dataclass(frozen=True, slots=True)
class Period:
    """A PERIOD: its start, and either an end or a duration (RFC 5545 §3.3.9)."""

    start: Moment
    end: Moment | None = None
    duration: Duration | None = None


def parse_moment(prop: Prop) -> Moment:
    """Read a property that holds one DATE or DATE-TIME.

    Raises:
        Refused: `bad-value`.
    """
    return parse_moment_text(prop.value, prop.param("TZID") or "")


def parse_moments(prop: Prop) -> tuple[Moment, ...]:
    """Read a list property (EXDATE, RDATE); of a PERIOD its start.

    Raises:
        Refused: `bad-value`.
    """
    if prop.value.count(",") >= MAX_LIST:
        raise Refused("bad-value", f"{prop.name} lists more than {MAX_LIST} dates")
    tzid = prop.param("TZID") or ""
    return tuple(parse_moment_text(text.partition("/")[0], tzid) for text in prop.value.split(",") if text.strip())


def parse_moment_text(text: str, tzid: str = "") -> Moment:
    """Read a DATE or DATE-TIME. A `Z` or an offset wins over a TZID, as Outlook and ics.py mean it.

    >>> parse_moment_text("20261103T100000", "Europe/Rome").kind
    <Kind.ZONED: 'zoned'>

    Raises:
        Refused: `bad-value`.
    """
    if len(text) > 40:
        raise Refused("bad-value", f"{text[:40]!r} is not a date or time")
    return _known_moment(text, tzid)


@lru_cache(maxsize=4096)
def _known_moment(text: str, tzid: str) -> Moment:
    """A decision reads the same few moments again and again."""
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        raise Refused("bad-value", f"{text!r} is not a date or time")
    year, month, day, hour, minute, second, zone = found.groups()
    try:
        if hour is None:
            return Moment(datetime(int(year), int(month), int(day)), Kind.DATE)  # noqa: DTZ001 - wall time
        wall = datetime(  # noqa: DTZ001 - wall time; a leap second counts as the one before (RFC 5545 §3.3.12)
            int(year), int(month), int(day), int(hour), int(minute), min(int(second or 0), 59)
        )
        if zone is None:
            return Moment(wall, Kind.ZONED, tzid) if tzid else Moment(wall, Kind.FLOATING)
        return Moment(wall if zone in "Zz" else wall - parse_offset(zone), Kind.UTC)
    except (ValueError, OverflowError):
        raise Refused("bad-value", f"{text!r} is not a date or time") from None


def build_moment(moment: Moment) -> str:
    """Write a moment's value; its TZID and VALUE=DATE belong to the line (see `moment_prop`)."""
    written = moment.wall.isoformat(timespec="seconds").replace("-", "").replace(":", "")
    if moment.kind is Kind.DATE:
        return written[:8]
    return f"{written}Z" if moment.kind is Kind.UTC else written


def moment_prop(name: str, *moments: Moment) -> Prop:
    """Write a line that holds moments of one kind, with VALUE=DATE or TZID as needed."""
    value = ",".join(map(build_moment, moments))
    first = moments[0]
    if first.kind is Kind.DATE:
        return Prop(name, value, (("VALUE", ("DATE",)),))
    return Prop(name, value, (("TZID", (first.tzid,)),) if first.kind is Kind.ZONED else ())


def utc_moment(at: datetime) -> Moment:
    """Return an aware datetime as a moment in UTC, cut to whole seconds."""
    return Moment(at.astimezone(UTC).replace(tzinfo=None, microsecond=0), Kind.UTC)


def build_utc(at: datetime) -> str:
    """Write an aware datetime as UTC DATE-TIME: DTSTAMP and the like."""
    return build_moment(utc_moment(at))


def parse_utc(text: str) -> datetime:
    """Read DTSTAMP and its like as an aware UTC datetime; without a zone it is taken as UTC (ics.py writes it so).

    Raises:
        Refused: `bad-value`.
    """
    return parse_moment_text(text).wall.replace(tzinfo=UTC)


def parse_duration(text: str) -> Duration:
    """Read a DURATION; weeks beside days are accepted.

    >>> parse_duration("-P1DT2H")
    Duration(days=-1, seconds=-7200)

    Raises:
        Refused: `bad-value`.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None or not any(found.groups()[1:]):
        if found is not None and text.strip()[-1:] in "Tt":  # "PT" is written for nothing at all
            return Duration()
        raise Refused("bad-value", f"{text[:40]!r} is not a duration")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[1:])
    sign = -1 if found[1] == "-" else 1
    duration = Duration(sign * (weeks * 7 + days), sign * (hours * 3600 + minutes * 60 + seconds))
    if abs(duration.days) > _MAX_DURATION.days or abs(duration.seconds) > _MAX_DURATION.total_seconds():
        raise Refused("bad-value", f"{text[:40]!r} is longer than a thousand years")
    return duration


def build_duration(duration: Duration) -> str:
    """Write a DURATION (RFC 5545 §3.3.6: weeks stand alone, so days are written).

    >>> build_duration(Duration(1, 5400))
    'P1DT1H30M'
    """
    sign = "-" if duration.days < 0 or duration.seconds < 0 else ""
    days, rest = abs(duration.days), abs(duration.seconds)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    time = "".join(f"{amount}{unit}" for amount, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if amount)
    if not days and not time:
        return "PT0S"
    return f"{sign}P{f'{days}D' if days else ''}{f'T{time}' if time else ''}"


def parse_period(text: str, tzid: str = "") -> Period:
    """Read a PERIOD in either of its forms.

    Raises:
        Refused: `bad-value`.
    """
    start, slash, rest = text.strip().partition("/")
    if not slash:
        raise Refused("bad-value", f"{text[:40]!r} is not a period")
    if rest.lstrip("+-")[:1] in ("P", "p"):
        return Period(parse_moment_text(start, tzid), duration=parse_duration(rest))
    return Period(parse_moment_text(start, tzid), end=parse_moment_text(rest, tzid))


def parse_offset(text: str) -> timedelta:
    """Read a UTC-OFFSET; `0000` without a sign is tolerated.

    Raises:
        Refused: `bad-value`.
    """
    found = _OFFSET.fullmatch(text.strip())
    if found is None or int(found[2]) > 23 or int(found[3]) > 59:
        raise Refused("bad-value", f"{text[:40]!r} is not a UTC offset")
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]), seconds=min(int(found[4] or 0), 59))
    return -offset if found[1] == "-" else offset


def build_offset(offset: timedelta) -> str:
    """Write a UTC-OFFSET, never `0000` without its sign.

    >>> build_offset(timedelta(0)), build_offset(timedelta(hours=-4, minutes=-30))
    ('+0000', '-0430')
    """
    seconds = int(offset.total_seconds())
    sign = "-" if seconds < 0 else "+"
    hours, rest = divmod(abs(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{sign}{hours:02d}{minutes:02d}" + (f"{seconds:02d}" if seconds else "")


def parse_sequence(text: str | None) -> int:
    """Read SEQUENCE; absent, malformed or absurd (beyond 2^53) counts as 0."""
    found = _SEQUENCE.fullmatch(text) if text else None
    if found is None:
        return 0
    sequence = int(found[1])
    return sequence if sequence <= _MAX_SEQUENCE else 0
