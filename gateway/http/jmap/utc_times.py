# SPDX-License-Identifier: Apache-2.0
"""`utcStart` and `utcEnd` as a client sets them: views of start, duration and zone (JMAP Calendars §5.1)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.http.jmap.errors import SetFailure
from gateway.itip.timezones import instant, wall_time
from gateway.itip.values import build_duration
from gateway.jscalendar.schema import is_zone
from gateway.jscalendar.values import (
    Json,
    duration_between,
    local_text,
    parse_local,
    parse_utc,
)


def with_utc_times(given: Json, calendar_zones: Sequence[str | None]) -> Json:
    """Return an event whose utcStart and utcEnd have become start, timeZone and duration.

    Raises:
        SetFailure: `invalidProperties` for one that is no UTC time, or together with what it stands for.
    """
    if "utcStart" not in given and "utcEnd" not in given:
        return given
    event = {name: member for name, member in given.items() if name not in ("utcStart", "utcEnd")}
    start, end = _read(given, "utcStart"), _read(given, "utcEnd")
    name = _zone(event, calendar_zones)
    zone = UTC if name == "Etc/UTC" else ZoneInfo(name)
    event["timeZone"] = name
    if start is not None:
        event["start"] = local_text(wall_time(start, zone))
    wall = parse_local(event.get("start"))
    if end is not None and wall is not None:
        if instant(wall, zone) > end:
            raise SetFailure("invalidProperties", "An event ends after it starts", "utcEnd")
        event["duration"] = build_duration(duration_between(wall, wall_time(end, zone), zone))
    return event


def refuse_both(patch: Json) -> None:
    """Refuse a patch that sets a time both ways.

    Raises:
        SetFailure: `invalidProperties`.
    """
    for utc, local in (("utcStart", "start"), ("utcEnd", "duration")):
        if patch.get(utc) is not None and local in patch:
            raise SetFailure("invalidProperties", f"{utc} and {local} exclude each other", utc, local)


def _read(given: Json, name: str) -> datetime | None:
    if given.get(name) is None:
        return None
    at = parse_utc(given[name])
    if at is None or not timedelta(days=400) < at - datetime.min.replace(tzinfo=UTC) < timedelta(days=3_600_000):
        raise SetFailure("invalidProperties", f"{name} must be a UTC date and time", name)
    return at


def _zone(event: Json, calendar_zones: Sequence[str | None]) -> str:
    """The event's zone; else the one all its calendars share; else UTC."""
    name = event.get("timeZone")
    if name is not None:
        if not is_zone(name):
            raise SetFailure("invalidProperties", "must be a time zone of the IANA database", "timeZone")
        return str(name)
    shared = set(calendar_zones)
    only = shared.pop() if len(shared) == 1 else None
    return only or "Etc/UTC"
