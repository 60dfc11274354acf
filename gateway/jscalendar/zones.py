# SPDX-License-Identifier: Apache-2.0
"""TZID to a zone of the IANA database: JSCalendar 2.0 knows no other zones (the conversion draft §2.1.5)."""

from zoneinfo import ZoneInfo

from gateway.jscalendar.schema import is_zone


def iana_zone(tzid: str) -> ZoneInfo | None:
    """Return the zone that a TZID means, or None where the database has none."""
    name = tzid.strip().strip('"')
    return ZoneInfo(name) if is_zone(name) else None
