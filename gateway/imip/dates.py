# SPDX-License-Identifier: Apache-2.0
"""When, in a person's words: days, times, zones by name and offset, how long until. CLDR's forms through Babel."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time, format_timedelta, get_timezone_gmt, get_timezone_name

from gateway.imip.facts import Span
from gateway.imip.words import COMMAS, Words

#: CLDR's thin spaces are missing in the fonts of some mail programs.
_THIN_SPACES = str.maketrans({"\u202f": "\xa0", "\u2009": " "})
Form = Callable[[Locale, datetime], str]


def render_span(words: Words, span: Span) -> str:
    """Return day, start and end in full, with the zone's name and offset: what stands under "When"."""
    return _cached(words, span, _identity(span), full=True)


def render_short_span(words: Words, span: Span) -> str:
    """Return the same in few characters, for a subject."""
    return _cached(words, span, _identity(span), full=False)


def render_day(words: Words, span: Span) -> str:
    """Return the day of one occurrence, in full."""
    return _full_date(words.locale, span.start)


def render_short_day(words: Words, span: Span) -> str:
    """Return a day as lists of dates show it."""
    return _short_date(words.locale, span.start)


def render_until(words: Words, until: timedelta) -> str:
    """Return `in 15 minutes` or `2 hours ago`, as an adverb."""
    return str(format_timedelta(until, add_direction=True, threshold=1.1, locale=words.locale))


def render_for_reader(words: Words, span: Span, zone_name: str | None) -> str:
    """Return the span in the reader's own zone, or "" where that says nothing new."""
    zone = _zone(zone_name) if zone_name else None
    if zone is None or span.all_day or span.is_floating:
        return ""
    own = Span(span.start.astimezone(zone), span.end.astimezone(zone) if span.end else None)
    same = own.start.utcoffset() == span.start.utcoffset() and (
        own.end is None or span.end is None or own.end.utcoffset() == span.end.utcoffset()
    )
    return "" if same else render_span(words, own)


def read_tile(words: Words, span: Span) -> tuple[str, str, str]:
    """Return month, day and weekday for the small calendar leaf beside the title."""
    month = words.locale.months["stand-alone"]["abbreviated"][span.start.month].rstrip(".")
    weekday = words.locale.days["stand-alone"]["abbreviated"][span.start.weekday()].rstrip(".")
    return month, str(span.start.day), weekday


def _identity(span: Span) -> tuple[object, ...]:
    """Return what equality of instants leaves out: 10:00 in Rome equals 09:00 UTC, but is not written like it."""
    ends = (span.start, span.end or span.start)
    return tuple((_key(at.tzinfo), at.utcoffset()) for at in ends)


@lru_cache(maxsize=4096)
def _cached(words: Words, span: Span, identity: tuple[object, ...], *, full: bool) -> str:
    if full:
        return _rendered(words, span, _full_date, zone=_zone_in_full).translate(_THIN_SPACES)
    return _rendered(words, span, _short_date, zone=_zone_in_short).translate(_THIN_SPACES)


def _rendered(words: Words, span: Span, date: Form, *, zone: Form) -> str:
    locale, start, end = words.locale, span.start, span.end
    between: str = locale.interval_formats[None]
    if span.all_day:
        last = end - timedelta(days=1) if end else start
        days = date(locale, start) if last <= start else _joined(between, date(locale, start), date(locale, last))
        return words.label("{date} (all day)", date=days)
    join = locale.datetime_formats["medium"]
    if end is not None and start.tzinfo is not None and end.tzinfo is not None and _differs(start, end):
        first = f"{_joined(join, _time(locale, start), date(locale, start))} ({zone(locale, start)})"
        return _joined(between, first, f"{_joined(join, _time(locale, end), date(locale, end))} ({zone(locale, end)})")
    if end is None:
        shown = _joined(join, _time(locale, start), date(locale, start))
    elif end.date() == start.date():
        shown = _joined(join, _joined(between, _time(locale, start), _time(locale, end)), date(locale, start))
    else:
        shown = _joined(between, *(_joined(join, _time(locale, at), date(locale, at)) for at in (start, end)))
    return f"{shown} ({zone(locale, start) if start.tzinfo else words.label('local time')})"


def _differs(start: datetime, end: datetime) -> bool:
    """Tell whether start and end lie in zones a reader must tell apart (a flight; not a change of the clocks)."""
    return _key(start.tzinfo) != _key(end.tzinfo) and start.utcoffset() != end.utcoffset()


def _joined(pattern: str, first: str, second: str) -> str:
    return pattern.replace("{0}", "\x00").replace("{1}", second).replace("\x00", first)


def _full_date(locale: Locale, at: datetime) -> str:
    return str(format_date(at.date(), "full", locale=locale))


def _short_date(locale: Locale, at: datetime) -> str:
    return str(format_skeleton("yMMMEd", at.replace(tzinfo=None), locale=locale))


def _time(locale: Locale, at: datetime) -> str:
    return str(format_time(at.time(), "short", locale=locale))


def _zone_in_full(locale: Locale, at: datetime) -> str:
    if _key(at.tzinfo) in ("UTC", "Etc/UTC", ""):
        return "UTC" if not at.utcoffset() else _offset(locale, at)
    name, offset = str(get_timezone_name(at, locale=locale)), _offset(locale, at)
    return (
        offset if name == offset or name[-6:] == offset[-6:] else COMMAS.get(locale.language, ", ").join((name, offset))
    )


def _zone_in_short(locale: Locale, at: datetime) -> str:
    if _key(at.tzinfo) in ("UTC", "Etc/UTC", ""):
        return "UTC" if not at.utcoffset() else _offset(locale, at)
    short = str(get_timezone_name(at, width="short", locale=locale))
    return _offset(locale, at) if short[:1] in "+-" else short


def _offset(locale: Locale, at: datetime) -> str:
    text = str(get_timezone_gmt(at, locale=locale))
    return text if text[-1:] not in ("\u200e", "\u200f") else text[:-1]


def _key(zone: tzinfo | None) -> str:
    if zone is UTC:
        return "UTC"
    return str(getattr(zone, "key", ""))


@lru_cache(maxsize=512)
def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
