# SPDX-License-Identifier: Apache-2.0
"""One VEVENT and one Event object, recurrence aside: the table of what maps to what.

An edit compares the Event that the component says now with the wanted one and rewrites only the groups that differ, so
what JSCalendar does not speak of (unknown properties, parameters, order, folding) stays as it is.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from gateway.itip.timezones import Zones
from gateway.itip.tree import Component, Prop
from gateway.jscalendar import alerts, people, places, texts, times
from gateway.jscalendar.carry import NAME as JSPROP
from gateway.jscalendar.carry import apply_carried, is_of_rule, written_carried
from gateway.jscalendar.patch import same_json
from gateway.jscalendar.schema import EVENT
from gateway.jscalendar.values import Json, JsonMap


@dataclass(frozen=True, slots=True)
class Group:
    """Members of an Event and the iCalendar names that say the same."""

    members: tuple[str, ...]
    names: tuple[str, ...]
    read: Callable[[Component], Json]
    write: Callable[[JsonMap, Component], Iterable[Prop | Component]]


def _pair(members: tuple[str, ...], name: str, pair: tuple[texts.Read, texts.Write]) -> Group:
    return Group(members, (name,), *pair)


_SURROGATE = re.compile("[\ud800-\udfff]")
_STATUS = {"CONFIRMED": "confirmed", "TENTATIVE": "tentative", "CANCELLED": "cancelled"}
_TIME_MEMBERS = ("start", "duration", "timeZone", "endTimeZone", "showWithoutTime")
_TIME_NAMES = ("DTSTART", "DTEND", "DURATION", "SHOW-WITHOUT-TIME")
_STYLED = ("DESCRIPTION", "STYLED-DESCRIPTION", "X-ALT-DESC")

#: In the order in which a new event is written. Times stand apart: they need the calendar's
#: zones. What stands in no group is carried (`carry.py`).
GROUPS: tuple[Group, ...] = (
    _pair(("uid",), "UID", texts.text_pair("uid", "UID")),
    _pair(("updated",), "DTSTAMP", texts.stamp_pair("updated", "DTSTAMP")),  # not LAST-MODIFIED: messages go by DTSTAMP
    _pair(("created",), "CREATED", texts.stamp_pair("created", "CREATED")),
    _pair(("sequence",), "SEQUENCE", texts.number_pair("sequence", "SEQUENCE")),
    _pair(("title",), "SUMMARY", texts.text_pair("title", "SUMMARY")),
    Group(("description", "descriptionContentType"), _STYLED, texts.read_description, texts.write_description),
    Group(
        ("locations", "mainLocationId"), ("LOCATION", "GEO", "VLOCATION"), places.read_locations, places.write_locations
    ),
    Group(("virtualLocations",), ("CONFERENCE",), places.read_virtual, places.write_virtual),
    _pair(("status",), "STATUS", texts.word_pair("status", "STATUS", _STATUS, default="confirmed")),
    Group(("freeBusyStatus",), ("TRANSP", "X-MICROSOFT-CDO-BUSYSTATUS"), texts.read_busy, texts.write_busy),
    Group(("privacy",), ("CLASS",), texts.read_privacy, texts.write_privacy),
    _pair(("priority",), "PRIORITY", texts.number_pair("priority", "PRIORITY")),
    _pair(("color",), "COLOR", texts.text_pair("color", "COLOR")),
    Group(("keywords",), ("CATEGORIES",), texts.read_keywords, texts.write_keywords),
    Group(("categories",), ("CONCEPT",), texts.read_categories, texts.write_categories),
    Group(("relatedTo",), ("RELATED-TO",), texts.read_relations, texts.write_relations),
    Group(("links",), ("ATTACH", "URL", "IMAGE", "LINK"), places.read_links, places.write_links),
    Group(("requestStatus",), ("REQUEST-STATUS",), texts.read_request_status, texts.write_request_status),
    Group(
        ("organizerCalendarAddress", "participants"), ("ORGANIZER", "ATTENDEE"), people.read_people, people.write_people
    ),
    Group(("alerts",), ("VALARM",), alerts.read_alerts, alerts.write_alerts),
)


def read_event(component: Component, zones: Zones) -> Json:
    """Return what a VEVENT says as an Event object, its recurrence members left out."""
    return _believable(apply_carried(component, {"@type": "Event", **_expressed(component, zones)}))


def write_event(component: Component, wanted: JsonMap, zones: Zones) -> Component:
    """Return the component changed to say `wanted` (a validated Event, recurrence members left out)."""
    now = _expressed(component, zones)
    if any(not same_json(now.get(member), wanted.get(member)) for member in _TIME_MEMBERS):
        component = _with_group(component, _TIME_NAMES, tuple(times.write_times(wanted, component, zones)))
    for group in GROUPS:
        if any(not same_json(now.get(member), wanted.get(member)) for member in group.members):
            component = _with_group(component, group.names, tuple(group.write(wanted, component)))
    of_rule = [line for line in component.all(JSPROP) if is_of_rule(line)] if component.first("RRULE") else ()
    carried = (*written_carried({"@type": "Event", **_expressed(component, zones)}, wanted), *of_rule)
    return component if set(component.all(JSPROP)) == set(carried) else _with_group(component, (JSPROP,), carried)


def _expressed(component: Component, zones: Zones) -> Json:
    event = times.read_times(component, zones)
    for group in GROUPS:
        event.update(group.read(component))
    return _believable({name: _sendable(member) for name, member in event.items()})


def _believable(event: Json) -> Json:
    """Return the event without what no Event may say: what is read is always fit to be sent back.

    The calendar keeps such things; they are only not shown.
    """
    shown: Json = {}
    for name, value in event.items():
        rule = EVENT.get(name)
        if rule is None or not any(rule(value, name)):
            shown[name] = value
        elif isinstance(value, dict):
            kept = {key: member for key, member in value.items() if not any(rule({key: member}, name))}
            if kept:
                shown[name] = kept
    return shown


def _with_group(component: Component, names: tuple[str, ...], new: tuple[Prop | Component, ...]) -> Component:
    """Put each new item where the old one of its name and value stood, else of its name; the rest after them."""
    left = list(new)
    slots: dict[int, Prop | Component] = {}
    old = [(at, item) for at, item in enumerate(component.items) if item.name in names]
    for same in (_says_same, _is_namesake):
        for at, item in old:
            match = next((candidate for candidate in left if at not in slots and same(item, candidate)), None)
            if match is not None:
                slots[at] = match
                left = [candidate for candidate in left if candidate is not match]
    items = [slots.get(at, item) for at, item in enumerate(component.items) if at in slots or item.name not in names]
    return component.with_items(items).adding(*left) if left else component.with_items(items)


def _says_same(old: Prop | Component, new: Prop | Component) -> bool:
    if isinstance(old, Prop) and isinstance(new, Prop):
        return old.name == new.name and old.value == new.value
    if isinstance(old, Component) and isinstance(new, Component):
        return old.name == new.name and old.value("UID") == new.value("UID")
    return False


def _is_namesake(old: Prop | Component, new: Prop | Component) -> bool:
    return type(old) is type(new) and old.name == new.name


def _sendable(value: Any) -> Any:
    """Return JSON without lone surrogates: bytes that were no UTF-8 show as a replacement character."""
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_sendable(name): _sendable(member) for name, member in value.items()}
    return [_sendable(member) for member in value] if isinstance(value, list) else value
