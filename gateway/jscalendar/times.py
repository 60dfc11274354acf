# SPDX-License-Identifier: Apache-2.0
"""When an event is: `start`, `duration`, zones and `showWithoutTime`, and DTSTART, DTEND, DURATION.

All-day is a type in iCalendar and a flag in JSCalendar: DATE is written only where flag, zone and length agree, so that
DTSTART, RECURRENCE-ID, EXDATE and UNTIL always switch form together (`Form`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo
from zoneinfo import ZoneInfo

from gateway.itip.timezones import Zones, wall_time
from gateway.itip.tree import Component, Prop
from gateway.itip.values import Duration, Kind, Moment, build_duration, moment_prop
from gateway.jscalendar.values import (
    Json,
    JsonMap,
    add_duration,
    duration_between,
    local_text,
    parse_json_duration,
    parse_local,
    parse_wall,
)

_UTC_NAMES = frozenset({"Etc/UTC", "UTC"})
_ZERO = Duration()


@dataclass(frozen=True, slots=True)
class Form:
    """How the times of one series are written: DATE, in UTC, floating, or with this TZID."""

    kind: Kind
    zone: tzinfo | None = None  # of the wall times in JSCalendar; None where there is none
    tzid: str = ""

    def moment(self, wall: datetime) -> Moment:
        """Return a wall time of the event as iCalendar writes it."""
        return Moment(wall, self.kind, self.tzid)

    def wall(self, moment: Moment, zones: Zones) -> datetime:
        """Return a moment, in whatever zone it was written, as a wall time of the event."""
        if self.kind is Kind.DATE:
            return datetime.combine(moment.wall, time())
        if self.zone is None or moment.kind in (Kind.DATE, Kind.FLOATING):
            return moment.wall
        if moment.kind is Kind.ZONED and zones.zone(moment.tzid).tzinfo == self.zone:
            return moment.wall
        return wall_time(zones.utc(moment), self.zone)


def is_all_day(event: JsonMap) -> bool:
    """Tell whether the event is written with DATE values: no zone, midnight, whole days."""
    start, length = parse_local(event.get("start")), parse_json_duration(event.get("duration") or "PT0S")
    return (
        event.get("showWithoutTime") is True
        and event.get("timeZone") is None
        and start is not None
        and start.time() == time()
        and length is not None
        and length.seconds == 0
    )


def form_of(event: JsonMap, zones: Zones, old: Component | None = None) -> Form:
    """Return how this event's times are written; an old TZID that names the same zone is kept."""
    name = event.get("timeZone")
    if name is None:
        return Form(Kind.DATE if is_all_day(event) else Kind.FLOATING)
    if name in _UTC_NAMES:
        return Form(Kind.UTC, UTC)
    zone = ZoneInfo(name)
    used = old.first("DTSTART") if old is not None else None
    tzid = used.param("TZID") if used is not None else None
    return Form(Kind.ZONED, zone, tzid if tzid and zones.zone(tzid).tzinfo == zone else name)


def read_times(component: Component, zones: Zones) -> Json:
    """Read when a component is; `{}` where it has no readable start."""
    prop = component.first("DTSTART")
    start = parse_wall(prop) if prop is not None else None
    if start is None:
        return {}
    name, zone = _where(start, zones)
    wall = _wall_in(start, zone, zones)
    event: Json = {"start": local_text(wall)}
    if start.is_date or (component.value("SHOW-WITHOUT-TIME") or "").upper() == "TRUE":
        event["showWithoutTime"] = True
    if name is not None:
        event["timeZone"] = name
    event.update(_read_end(component, Moment(wall, start.kind, start.tzid), zone, zones))
    return event


def write_times(event: JsonMap, old: Component, zones: Zones) -> Iterator[Prop]:
    """Write when an event is, in the manner of the old component: DTEND or DURATION, its TZID, its parameters."""
    start = parse_local(event.get("start"))
    if start is None:
        return
    form = form_of(event, zones, old)
    yield _keeping(moment_prop("DTSTART", form.moment(start)), old.first("DTSTART"))
    length = parse_json_duration(event.get("duration") or "PT0S") or _ZERO
    yield from _written_end(event, start, length, form, old)
    if event.get("showWithoutTime") is True and form.kind is not Kind.DATE:
        yield Prop("SHOW-WITHOUT-TIME", "TRUE")


def _where(moment: Moment, zones: Zones) -> tuple[str | None, tzinfo | None]:
    """Return the zone that JSCalendar shows a moment in: a zone that is the calendar's own is shown in UTC."""
    if moment.kind is Kind.UTC:
        return "Etc/UTC", UTC
    if moment.kind is not Kind.ZONED:
        return None, None
    zone = zones.zone(moment.tzid)
    return ("Etc/UTC", UTC) if zone.iana is None else (zone.iana, zone.tzinfo)


def _wall_in(moment: Moment, zone: tzinfo | None, zones: Zones) -> datetime:
    """Return a moment by the clock of a zone; as it is written there, even where the clock skips that time."""
    if zone is None or (moment.kind is Kind.ZONED and zones.zone(moment.tzid).tzinfo == zone):
        return moment.wall
    return wall_time(zones.utc(moment), zone)


def _read_end(component: Component, start: Moment, zone: tzinfo | None, zones: Zones) -> Json:
    written = parse_json_duration((component.value("DURATION") or "").strip())
    prop = component.first("DTEND")
    end = parse_wall(prop) if prop is not None else None
    if end is None:
        length = written or Duration(1 if start.is_date else 0)  # RFC 5545 §3.6.1: a DATE alone is that day
        return {} if length == _ZERO or min(length.days, length.seconds) < 0 else {"duration": build_duration(length)}
    event: Json = {}
    end_name, end_zone = _where(end, zones)
    wall = end.wall
    if end_zone is not None and zone is not None:
        wall = _wall_in(end, zone, zones)
        if end_zone != zone:
            event["endTimeZone"] = end_name
    length = duration_between(start.wall, wall, zone)
    if start.is_date and length.days < 1:
        length = Duration(1)  # Outlook and others write an end equal to the start
    return event if length == _ZERO else {**event, "duration": build_duration(length)}


def _written_end(event: JsonMap, start: datetime, length: Duration, form: Form, old: Component) -> Iterator[Prop]:
    if length == _ZERO:
        return
    by_length = old.first("DURATION")
    end = add_duration(start, length, form.zone)
    end_name = event.get("endTimeZone")
    if end_name is not None and form.zone is not None:
        wall = end.replace(tzinfo=form.zone).astimezone(ZoneInfo(end_name)).replace(tzinfo=None)
        kind = Kind.UTC if end_name in _UTC_NAMES else Kind.ZONED
        yield _keeping(
            moment_prop("DTEND", Moment(wall, kind, "" if kind is Kind.UTC else end_name)), old.first("DTEND")
        )
    elif by_length is not None or duration_between(start, end, form.zone) != length:
        yield _keeping(Prop("DURATION", build_duration(length)), by_length)
    else:
        yield _keeping(moment_prop("DTEND", form.moment(end)), old.first("DTEND"))


def _keeping(new: Prop, old: Prop | None) -> Prop:
    """Return `new` with the parameters of the old line that it does not decide; the old line itself if it says that."""
    if old is None:
        return new
    decided = ("VALUE", "TZID")
    params = (*new.params, *((name, values) for name, values in old.params if name not in decided))
    made = Prop(new.name, new.value, params)
    return old if made == old else made
