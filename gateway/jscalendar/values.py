# SPDX-License-Identifier: Apache-2.0
"""The small values of JSCalendar: ids, durations, local and UTC times (RFC 8984 §1.4).

JSON objects stay JSON here (`Json`): they are the wire's own shape. What is wrong with one is an
`InvalidProperty`, which names the member by its JSON pointer so that a SetError can repeat it.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import quote

from gateway.errors import Refused
from gateway.itip.tree import Prop
from gateway.itip.values import Duration, Moment, parse_duration, parse_moment

Json = dict[str, Any]
JsonMap = Mapping[str, Any]

#: The namespace of the conversion draft: the same address always becomes the same map key.
NAMESPACE = uuid.UUID("7f1e1965-ae73-4454-b088-232c90730ce2")

_URI_SAFE = "!#$%&'()*+,-./:;=?@[]_~^`{|}"
_URI_CHARS = re.compile(r"[^\s<>\"\x00-\x20\x7f\ud800-\udfff]*\Z")
_ID = re.compile(r"[A-Za-z0-9_-]{1,255}\Z")
_LOCAL = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\Z", re.ASCII)
_UTC = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?Z\Z", re.ASCII)
#: RFC 8984 §1.4.6 without fractions (JSCalendar 2.0 has none), and strictly in order.
_DURATION = re.compile(
    r"[+-]?P(?=[\dT])(?:\d{1,6}W)?(?:\d{1,6}D)?(?:T(?=\d)(?:\d{1,8}H)?(?:\d{1,9}M)?(?:\d{1,9}S)?)?\Z",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class InvalidProperty:
    """One fault of a JSON object: the member's pointer (without leading slash) and a sentence."""

    path: str
    reason: str


def parse_json_duration(text: object) -> Duration | None:
    """Read a Duration or SignedDuration of JSCalendar (RFC 8984 §1.4.6), or None."""
    if not isinstance(text, str) or _DURATION.match(text) is None:
        return None
    try:
        return parse_duration(text)
    except Refused:
        return None


def is_id(text: object) -> bool:
    """Tell whether this may be a map key (RFC 8620 §1.2: 1 to 255 of the base64url alphabet)."""
    return isinstance(text, str) and _ID.match(text) is not None


def safe_uri(text: str) -> str:
    """Return a URI in which nothing stands that a URI may not hold: sloppy programs write spaces and more."""
    text = text.strip()
    return text if _URI_CHARS.match(text) else quote(text, safe=_URI_SAFE)


def derived_id(text: str) -> str:
    """Return the key that this text always gets where iCalendar carries none (UUIDv5)."""
    return str(uuid.uuid5(NAMESPACE, text))


def parse_local(text: object) -> datetime | None:
    """Read a LocalDateTime (RFC 8984 §1.4.4), or None."""
    match = _LOCAL.match(text) if isinstance(text, str) else None
    try:
        if match is None:
            return None
        year, month, day, hour, minute, second = map(int, match.groups())
        return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 (local by definition)
    except ValueError:
        return None


def local_text(moment: datetime) -> str:
    """Write a LocalDateTime."""
    return moment.replace(tzinfo=None, microsecond=0).isoformat()


def parse_utc(text: object) -> datetime | None:
    """Read a UTCDateTime (RFC 8984 §1.4.3), fractions dropped, or None."""
    match = _UTC.match(text) if isinstance(text, str) else None
    local = parse_local(match[1]) if match else None
    return None if local is None else local.replace(tzinfo=UTC)


def utc_text(moment: datetime) -> str:
    """Write a UTCDateTime."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment.year >= 1000 else "1000-01-01T00:00:00Z"


def parse_wall(prop: Prop) -> Moment | None:
    """Read a property that holds one moment, or None where it holds none."""
    try:
        return parse_moment(prop)
    except Refused:
        return None


def add_duration(start: datetime, duration: Duration, zone: tzinfo | None) -> datetime:
    """Return the wall time `duration` after `start` in `zone`: days by the calendar, the rest by the clock.

    Raises:
        OverflowError: the end lies outside the calendar.
    """
    wall = start + timedelta(days=duration.days)
    exact = timedelta(seconds=duration.seconds)
    if zone is None or not exact:
        return wall + exact
    return (wall.replace(tzinfo=zone).astimezone(UTC) + exact).astimezone(zone).replace(tzinfo=None)


def duration_between(start: datetime, end: datetime, zone: tzinfo | None) -> Duration:
    """Return whole calendar days, then exact seconds, between two wall times of one zone; never negative."""
    if end <= start:
        return Duration()
    days = (end - start).days
    while days and add_duration(start, Duration(days), zone) > end:
        days -= 1
    middle = start + timedelta(days=days)
    if zone is None:
        return Duration(days, int((end - middle).total_seconds()))
    exact = end.replace(tzinfo=zone).astimezone(UTC) - middle.replace(tzinfo=zone).astimezone(UTC)
    return Duration(days, max(0, int(exact.total_seconds())))
