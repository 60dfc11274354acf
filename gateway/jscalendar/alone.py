# SPDX-License-Identifier: Apache-2.0
"""Occurrences that are here without their series: somebody was invited to these alone (JMAP Calendars §5.1).

Each is an Event of its own, known by its `recurrenceId`; iCalendar keeps them in one object because they share a UID.
"""

from gateway.itip.timezones import Zones
from gateway.itip.tree import Component
from gateway.jscalendar.convert import instance_moment, read_alone
from gateway.jscalendar.values import JsonMap


def alone_key(event: JsonMap) -> str | None:
    """Return under which key an Event stands for an occurrence without its series; None for any other.

    >>> alone_key({"recurrenceId": "2026-06-14T12:00:00"}), alone_key({"start": "2026-06-14T12:00:00"})
    ('20260614T120000', None)
    """
    recurrence_id = event.get("recurrenceId")
    return None if recurrence_id is None else str(recurrence_id).replace("-", "").replace(":", "")


def alone_parts(calendar: Component) -> dict[str, Component]:
    """Return the occurrences of a calendar that lacks their series, by key; nothing where the series is there."""
    events = calendar.children("VEVENT")
    if not events or any(instance_moment(event) is None for event in events):
        return {}
    zones = Zones(calendar)
    parts: dict[str, Component] = {}
    for part in events:
        key = alone_key(read_alone(part, zones))
        if key is not None:
            parts.setdefault(key, part)
    return parts


def only_part(calendar: Component, key: str) -> Component:
    """Return a calendar with one of its occurrences alone."""
    mine = alone_parts(calendar).get(key)
    return calendar.with_items(item for item in calendar.items if item.name != "VEVENT" or item is mine)


def without_part(calendar: Component, key: str) -> Component | None:
    """Return a calendar without one of its occurrences; None where it was the last."""
    mine = alone_parts(calendar).get(key)
    left = calendar.with_items(item for item in calendar.items if item is not mine)
    return left if left.children("VEVENT") else None
