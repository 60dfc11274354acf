# SPDX-License-Identifier: Apache-2.0
"""What a TZID means by its name alone, and which known zone keeps the same time as a calendar's own rules.

IANA names in any case, Windows names (CLDR, territory 001), display names with a city, vendors' path prefixes, fixed
offsets. Everything remembered here comes from the zone database of this machine, nothing from a mail.
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from gateway.errors import Refused
from gateway.itip.values import parse_offset
from gateway.itip.vtimezone import RuleZone

_NAME = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,2}")
_UTC_NAMES = frozenset(
    {"z", "utc", "gmt", "etc/utc", "tzone://microsoft/utc", "universal", "zulu", "coordinated universal time"}
)
_DISPLAY = re.compile(r"\((?:UTC|GMT)\s*([+-]\d\d?:?\d\d)?\)\s*(.*)", re.IGNORECASE)
_FIXED = re.compile(r"(?:UTC|GMT|Etc/GMT)?\s*([+-])(\d\d?)(?::?(\d\d))?", re.IGNORECASE)
_WINDOWS = {name.casefold(): iana for name, iana in WINDOWS_TO_OLSON.items()}
_DEFAULT_YEAR = 2026
_HOUR = timedelta(hours=1)
#: Windows display names that hold no city.
_NOT_CITIES = {
    "eastern time (us & canada)": "America/New_York",
    "central time (us & canada)": "America/Chicago",
    "mountain time (us & canada)": "America/Denver",
    "pacific time (us & canada)": "America/Los_Angeles",
    "atlantic time (canada)": "America/Halifax",
    "alaska": "America/Anchorage",
    "hawaii": "Pacific/Honolulu",
}
#: Of zones that keep the same time, the ones that people expect to read.
_EXPECTED = ("Europe/Berlin", "Europe/London", "America/New_York", "America/Chicago", "America/Denver", "Asia/Tokyo")


@lru_cache(maxsize=2048)
def iana_name(tzid: str) -> str | None:
    """Return the IANA name of a TZID that needs no rules to be understood, or None.

    >>> iana_name("W. Europe Standard Time"), iana_name("/mozilla.org/20050126_1/Europe/Berlin")
    ('Europe/Berlin', 'Europe/Berlin')
    """
    name = tzid.strip()
    if name.casefold() in _UTC_NAMES:
        return "Etc/UTC"
    found = _database_name(name) or _WINDOWS.get(name.casefold())
    if found is not None:
        return found
    pieces = name.split("/")
    if name.startswith("/") or "://" in name:
        for count in (3, 2, 1):  # vendors put their own path before the name
            found = _database_name("/".join(pieces[-count:])) if len(pieces) > count else None
            if found is not None:
                return found
    display = _DISPLAY.fullmatch(name)
    return _by_display(display[1], display[2]) if display is not None else None


def _database_name(name: str) -> str | None:
    if len(name) > 60 or _NAME.fullmatch(name) is None:
        return None
    return _database().get(name.casefold())


@lru_cache(maxsize=1)
def _database() -> dict[str, str]:
    names = {name.casefold(): name for name in sorted(available_timezones()) if not name.startswith(("posix", "right"))}
    names.pop("localtime", None)
    names.pop("factory", None)
    return names


@lru_cache(maxsize=1)
def _cities() -> dict[str, str]:
    """City -> zone, the zones of the Windows table first: their cities are the ones in display names."""
    cities: dict[str, str] = {}
    for name in (*WINDOWS_TO_OLSON.values(), *sorted(_database().values())):
        if "/" in name and not name.startswith(("Etc/", "SystemV/")):
            cities.setdefault(name.rpartition("/")[2].replace("_", " ").casefold(), name)
    return cities | _NOT_CITIES


def _by_display(offset: str | None, cities: str) -> str | None:
    """Read "(UTC+01:00) Amsterdam, Berlin, Bern": the first city that stands in a zone of that offset."""
    if not cities and not offset:
        return "Etc/UTC"
    if "coordinated universal time" in cities.casefold():
        return "Etc/UTC"
    expected = _display_offset(offset)
    if expected is None:
        return None
    solstices = datetime(_DEFAULT_YEAR, 1, 15, tzinfo=UTC), datetime(_DEFAULT_YEAR, 7, 15, tzinfo=UTC)
    for city in cities.split(","):
        name = _cities().get(city.strip().casefold())
        if name is not None and any(at.astimezone(ZoneInfo(name)).utcoffset() == expected for at in solstices):
            return name
    return None


def _display_offset(text: str | None) -> timedelta | None:
    if not text:
        return timedelta(0)
    try:
        return parse_offset(text if len(text.replace(":", "")) == 5 else text[0] + "0" + text[1:])
    except Refused:
        return None


def fixed_zone(tzid: str) -> tzinfo | None:
    """Return the zone of "GMT+01:00" and its like, or None."""
    display = _DISPLAY.fullmatch(tzid)
    text = display[1] if display is not None and display[1] else tzid
    found = _FIXED.fullmatch(text.strip())
    if found is None or int(found[2]) > 14:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return timezone(-offset if found[1] == "-" else offset)


@lru_cache(maxsize=16)
def _samples(year: int) -> tuple[datetime, ...]:
    return tuple(datetime(year, month, day, 12) for month in range(1, 13) for day in (1, 15))  # noqa: DTZ001 - wall


@lru_cache(maxsize=16)
def _offsets(year: int) -> dict[tuple[timedelta | None, ...], tuple[str, ...]]:
    """Offsets over a year -> the zones that keep them, of those that Windows has a name for."""
    found: dict[tuple[timedelta | None, ...], tuple[str, ...]] = {}
    for name in dict.fromkeys((*_EXPECTED, *WINDOWS_TO_OLSON.values())):
        if name in available_names():
            key = tuple(map(ZoneInfo(name).utcoffset, _samples(year)))
            found[key] = (*found.get(key, ()), name)
    return found


def available_names() -> frozenset[str]:
    """Return the IANA names of this machine's zone database."""
    return frozenset(_database().values())


def matching_zone(rules: RuleZone, year: int) -> str | None:
    """Return a zone of the database that keeps the same time all year round, day by day."""
    year = min(max(year, 1990), 2037)
    for name in _offsets(year).get(tuple(map(rules.utcoffset, _samples(year))), ()):
        if _keep_the_same_time(ZoneInfo(name), rules, year):
            return name
    return None


def _keep_the_same_time(zone: ZoneInfo, rules: RuleZone, year: int) -> bool:
    """Compare day by day, and hour by hour where a day changes the offset."""
    noon = datetime(year, 1, 1, 12)  # noqa: DTZ001 - wall time
    before = zone.utcoffset(noon)
    for _ in range(365):
        noon += timedelta(days=1)
        after = zone.utcoffset(noon)
        hours = range(24) if after != before else (0,)
        if any(zone.utcoffset(noon - _HOUR * hour) != rules.utcoffset(noon - _HOUR * hour) for hour in hours):
            return False
        before = after
    return True


def zone_identity(zone: tzinfo, year: int) -> tuple[timedelta | None, ...]:
    """Return what makes two zones one for a meeting that goes on: the offsets they keep in a year and the next."""
    year = min(max(year, 1), 9998)
    return _identity(zone, year) if isinstance(zone, RuleZone) else _known_identity(zone, year)


@lru_cache(maxsize=256)
def _known_identity(zone: tzinfo, year: int) -> tuple[timedelta | None, ...]:
    return _identity(zone, year)


def _identity(zone: tzinfo, year: int) -> tuple[timedelta | None, ...]:
    return tuple(zone.utcoffset(wall.replace(tzinfo=zone)) for wall in (*_samples(year), *_samples(year + 1)))
