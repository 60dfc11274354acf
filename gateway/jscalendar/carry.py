# SPDX-License-Identifier: Apache-2.0
"""What iCalendar has no word for: JSPROP lines, so that a JMAP round trip loses nothing (the conversion draft §4).

`JSPROP;JSPTR="participants/p1/x":"json"` adds one member where iCalendar left a gap. It never overrides what the rest
of the component says, so an edit through another door cannot be undone by a stale line; one whose parent is gone is
ignored. These lines are ours alone: they do not leave with messages and are not believed from strangers' mail.
"""

import json
from collections.abc import Iterator

from gateway.itip.tree import Component, Prop, escape_text
from gateway.jscalendar.patch import diff_objects, split_pointer
from gateway.jscalendar.values import InvalidProperty, Json, JsonMap

NAME = "JSPROP"
MAX_BYTES = 64 * 1024

#: Members of JMAP, not of the event: never written here and never believed from here (JMAP Calendars §5.1).
FOREIGN = frozenset(
    {"id", "baseEventId", "calendarIds", "isDraft", "isOrigin", "utcStart", "utcEnd", "method", "useDefaultAlerts"}
)


def apply_carried(component: Component, event: Json) -> Json:
    """Return the event with the carried members in their gaps."""
    for prop in component.all(NAME):
        parts = split_pointer(prop.param("JSPTR") or "")
        try:
            value = json.loads(prop.text)
        except (ValueError, RecursionError):
            continue
        if parts[0] and parts[0] not in FOREIGN and value is not None:
            _fill_gap(event, parts, value)
    return event


def written_carried(expressed: JsonMap, wanted: JsonMap) -> Iterator[Prop]:
    """Write the members of `wanted` that reading the component back (`expressed`) does not give."""
    for pointer, value in diff_objects(expressed, wanted).items():
        parts = split_pointer(pointer)
        if value is not None and parts[0] not in FOREIGN and _is_gap(expressed, parts):
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            yield Prop(NAME, escape_text(text), (("JSPTR", (pointer,)),))


def is_of_rule(line: Prop) -> bool:
    """Tell whether a carried member stands in the recurrenceRule, which is read and written apart from the rest."""
    return (line.param("JSPTR") or "").startswith("recurrenceRule/")


def size_fault(lines: tuple[Prop, ...]) -> InvalidProperty | None:
    """Return the fault of more unknown data than an event may carry."""
    size = sum(len(line.value.encode("utf-8", "replace")) for line in lines)
    if size <= MAX_BYTES:
        return None
    largest = max(lines, key=lambda line: len(line.value)).param("JSPTR") or ""
    return InvalidProperty(largest, f"an event may carry {MAX_BYTES} bytes of members unknown to iCalendar")


def _fill_gap(event: Json, parts: tuple[str, ...], value: object) -> None:
    place: object = event
    for part in parts[:-1]:
        place = place.get(part) if isinstance(place, dict) else None
    if isinstance(place, dict):
        place.setdefault(parts[-1], value)


def _is_gap(expressed: JsonMap, parts: tuple[str, ...]) -> bool:
    place: object = expressed
    for part in parts:
        if not isinstance(place, dict) or part not in place:
            return True
        place = place[part]
    return False
