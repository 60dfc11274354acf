# SPDX-License-Identifier: Apache-2.0
"""TZID to one identity: IANA names and aliases, Windows and display names, vendors' prefixes, custom rules.

A name that the zone database knows wins over the VTIMEZONE beside it; rules are read only for names nobody knows, and
are compared with real zones before they are taken as they stand. Every calendar has its own `Zones`: the rules of one
mail are never seen by the next (Outlook's "Customized Time Zone" of one person must not move another's meeting).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from gateway.errors import Refused
from gateway.itip.tree import Component
from gateway.itip.values import Duration, Kind, Moment
from gateway.itip.vtimezone import build_vtimezone, parse_observances, parse_vtimezone
from gateway.itip.zone_names import fixed_zone, iana_name, matching_zone

_YEAR = re.compile(r"(\d{4})\d{4}")
_DEFAULT_YEAR = 2026
_MAX_OWN_ZONES = 6  # that no name explains and whose rules are read; a calendar has one or two


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone that a calendar names. `iana` is None where it is nobody's but the calendar's own.

    A `complaint` says that nobody knows it, and that its times are read as UTC.
    """

    tzid: str
    tzinfo: tzinfo
    iana: str | None = None
    complaint: str | None = None


class Zones:
    """The time zones of one calendar. `floating` is the zone in which DATE and floating times are compared."""

    __slots__ = ("_calendar", "_components", "_known", "_left_to_match", "floating")

    def __init__(self, calendar: Component | None = None, *, floating: tzinfo = UTC) -> None:
        self.floating = floating
        self._known: dict[str, Zone] = {}
        self._left_to_match = _MAX_OWN_ZONES
        self._components: dict[str, Component] = {}
        self._calendar = calendar
        if calendar is not None:
            for component in calendar.children("VTIMEZONE"):
                self._components.setdefault(plain_tzid(component.value("TZID") or ""), component)

    def zone(self, tzid: str) -> Zone:
        """Return the zone of a TZID. Unknown ones are UTC and carry a complaint (interop Q80)."""
        found = self._known.get(tzid)
        if found is None:
            found = self._known[tzid] = self._resolve(plain_tzid(tzid))
        return found

    def component(self, tzid: str) -> Component | None:
        """Return the calendar's own VTIMEZONE of this name, if it has a sane one."""
        component = self._components.get(plain_tzid(tzid))
        return component if component is not None and component.derived(_is_sane) else None

    def has_rules_of(self, other: "Zones") -> bool:
        """Whether the other calendar brings the same rules along, so that equal lines are equal times."""
        return self is other or (self.floating is other.floating and self._components == other._components)

    def utc(self, moment: Moment) -> datetime:
        """Return the instant of a moment: in a gap by the offset before it, of two the first (RFC 5545 §3.3.5)."""
        if moment.kind is Kind.UTC:
            return moment.wall.replace(tzinfo=UTC)
        where = self.zone(moment.tzid).tzinfo if moment.kind is Kind.ZONED else self.floating
        return instant(moment.wall, where)

    def wall(self, at: datetime, like: Moment) -> datetime:
        """Return the naive clock time of an instant in the zone of `like`."""
        if like.kind is Kind.UTC:
            return at.astimezone(UTC).replace(tzinfo=None)
        where = self.zone(like.tzid).tzinfo if like.kind is Kind.ZONED else self.floating
        return wall_time(at, where)

    def shifted(self, moment: Moment, duration: Duration) -> Moment:
        """Return `moment` + `duration`: days by the calendar, seconds by elapsed time (RFC 5545 §3.3.6)."""
        try:
            wall = moment.wall + timedelta(days=duration.days)
            if not duration.seconds:
                return Moment(wall, moment.kind, moment.tzid)
            if moment.kind is not Kind.ZONED:
                return Moment(wall + timedelta(seconds=duration.seconds), moment.kind, moment.tzid)
            at = self.utc(Moment(wall, moment.kind, moment.tzid)) + timedelta(seconds=duration.seconds)
            return Moment(self.wall(at, moment), moment.kind, moment.tzid)
        except OverflowError:
            return moment

    def _resolve(self, tzid: str) -> Zone:
        iana = iana_name(tzid)
        if iana is not None:
            return Zone(tzid, UTC if iana == "Etc/UTC" else ZoneInfo(iana), iana)
        component = self._components.get(tzid) if self._left_to_match > 0 else None
        why = "is not known"
        if component is not None:
            self._left_to_match -= 1
            try:
                rules = parse_vtimezone(component)
            except Refused as error:
                why = f"cannot be used ({error.public})"
            else:
                matched = matching_zone(rules, year_of(self._calendar))
                return Zone(tzid, rules if matched is None else ZoneInfo(matched), matched)
        fixed = fixed_zone(tzid)
        if fixed is not None:
            return Zone(tzid, fixed)
        return Zone(tzid, UTC, None, f"The time zone {tzid[:60]!r} {why}; its times were read as UTC")


def _is_sane(vtimezone: Component, basis: Component | None, before: bool | None) -> bool:
    """Whether a VTIMEZONE can be read; asked once of each, and the same few come with nearly every calendar."""
    try:
        parse_observances(vtimezone)
    except Refused:
        return False
    return True


def instant(wall: datetime, where: tzinfo) -> datetime:
    """Return the instant of a wall time; in a gap the offset before it, of two the first (RFC 5545 §3.3.5)."""
    if where is UTC:
        return wall.replace(tzinfo=UTC)
    return _known_instant(wall, where) if isinstance(where, ZoneInfo) else _instant(wall, where)


@lru_cache(maxsize=4096)
def _known_instant(wall: datetime, where: ZoneInfo) -> datetime:
    """A decision asks for the same few instants again and again; only real zones are remembered."""
    return _instant(wall, where)


def _instant(wall: datetime, where: tzinfo) -> datetime:
    try:  # fold=0 means exactly that for zoneinfo (PEP 495)
        return (wall - (where.utcoffset(wall.replace(tzinfo=where)) or timedelta(0))).replace(tzinfo=UTC)
    except OverflowError:
        return wall.replace(tzinfo=UTC)


def wall_time(at: datetime, where: tzinfo) -> datetime:
    """Return the naive clock time of an instant somewhere."""
    try:
        return at.astimezone(where).replace(tzinfo=None)
    except OverflowError:
        return at.replace(tzinfo=None)


def year_of(calendar: Component | None) -> int:
    """The year that the calendar's first event speaks of."""
    for component in calendar.children("VEVENT", "VTODO", "VJOURNAL") if calendar is not None else ():
        for name in ("DTSTART", "DUE", "RECURRENCE-ID"):
            found = _YEAR.match(component.value(name) or "")
            if found is not None:
                return int(found[1])
    return _DEFAULT_YEAR


def plain_tzid(tzid: str) -> str:
    """Return a TZID as it is compared: Outlook escapes commas in the property and quotes them in the parameter."""
    return tzid.replace("\\,", ",").replace("\\;", ";").strip().strip('"') if tzid else tzid


def used_tzids(component: Component) -> tuple[str, ...]:
    """Return the TZIDs that the properties of a component and of its parts name, in order."""
    found: dict[str, None] = {}
    for item in component.items:
        if isinstance(item, Component):
            if item.name != "VTIMEZONE":
                found.update(dict.fromkeys(used_tzids(item)))
        elif item.name != "ATTENDEE" and item.may_have_param("TZID") and item.value[-1:] != "Z":
            found.update(dict.fromkeys(item.param_values("TZID")[:1]))
    return tuple(found)


def needed_vtimezones(
    components: tuple[Component, ...], zones: Zones, first_year: int, last_year: int
) -> tuple[Component, ...]:
    """Return a VTIMEZONE for each TZID in use: the calendar's own where it is sane, else a minimal one.

    RFC 5546 §3.1.2 asks for one per TZID. An unknown zone gets none: inventing rules would move the meeting.
    """
    needed: list[Component] = []
    for tzid in dict.fromkeys(tzid for component in components for tzid in used_tzids(component)):
        own = zones.component(tzid)
        if own is not None:
            needed.append(own)
            continue
        zone = zones.zone(tzid)
        if zone.iana is not None or zone.complaint is None:
            needed.append(_built(tzid, zone, first_year, last_year))
    return tuple(needed)


@lru_cache(maxsize=512)
def _built(tzid: str, zone: Zone, first_year: int, last_year: int) -> Component:
    return build_vtimezone(tzid, zone.tzinfo, first_year, last_year)
