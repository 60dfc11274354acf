# SPDX-License-Identifier: Apache-2.0
"""When one component takes place: its start and its end, whichever properties say so (RFC 5545 §3.6.1, §3.6.2)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.errors import Refused
from gateway.itip.timezones import Zones
from gateway.itip.tree import Component
from gateway.itip.values import Duration, Moment, parse_duration, parse_moment


@dataclass(frozen=True, slots=True)
class Span:
    """Start and end as moments. `nominal` is a DURATION as written, None where the end was written."""

    start: Moment
    end: Moment
    nominal: Duration | None = None


def read_span(component: Component, zones: Zones, *, start: Moment | None = None) -> Span:
    """Return when a component takes place. `start` stands in where an override carries no DTSTART of its own.

    No DTEND and no DURATION: a DATE lasts its day, a DATE-TIME no time at all. An end before the start counts as
    none. A VTODO without DTSTART is due at its only moment, and a DUE of a DATE is the beginning of that day.

    Raises:
        Refused: `no-start` or `bad-value`.
    """
    dtstart = component.first("DTSTART")
    end_prop = component.first("DTEND") or component.first("DUE")
    if dtstart is not None:
        start = parse_moment(dtstart)
    elif start is None:
        if end_prop is None:
            raise Refused("no-start", "The event does not say when it starts")
        start = parse_moment(end_prop)
    if end_prop is not None:
        end = parse_moment(end_prop)
        least = zones.shifted(start, Duration(1)) if start.is_date and end_prop.name == "DTEND" else start
        return Span(start, end if zones.utc(end) >= zones.utc(least) else least)
    duration = component.value("DURATION")
    if duration is not None:
        nominal = parse_duration(duration)
        if nominal.days >= 0 and nominal.seconds >= 0:
            return Span(start, zones.shifted(start, nominal), nominal)
        return Span(start, start)
    return Span(start, zones.shifted(start, Duration(1)) if start.is_date else start)


def moved_span(span: Span, start: Moment, zones: Zones) -> Span:
    """Return the span as it is at another start: a DURATION again, an exact length otherwise (RFC 5545 §3.8.5.3)."""
    if span.nominal is not None:
        return Span(start, zones.shifted(start, span.nominal), span.nominal)
    if start.is_date:
        return Span(start, zones.shifted(start, Duration((span.end.wall - span.start.wall).days)))
    length = zones.utc(span.end) - zones.utc(span.start)
    return Span(start, zones.shifted(start, Duration(0, int(length.total_seconds()))))


def moved_by(moment: Moment, difference: timedelta) -> Moment:
    """Return the moment with its clock moved, zone and kind kept."""
    try:
        return Moment(moment.wall + difference, moment.kind, moment.tzid)
    except OverflowError:
        return moment


def wall_difference(later: Moment, earlier: Moment, zones: Zones) -> timedelta:
    """Return how far clocks must be moved from `earlier` to `later`, as read in the zone of `earlier`."""
    wall: datetime = zones.wall(zones.utc(later), earlier) if later.kind is not earlier.kind else later.wall
    return wall - earlier.wall
