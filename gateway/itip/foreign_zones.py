# SPDX-License-Identifier: Apache-2.0
"""The zones of a message beside those of the stored object: one name for two zones, and names that nobody knows.

Outlook calls every zone of its own "Customized Time Zone". Where a message means another zone by a name than the stored
object does, what is stored must not move with it: the message's zone gets a name of its own (interop Q41).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from gateway.itip.objects import KINDS
from gateway.itip.parse import SchedulingMessage
from gateway.itip.timezones import Zones, plain_tzid, used_tzids, year_of
from gateway.itip.tree import Component, Prop, escape_text
from gateway.itip.zone_names import iana_name, zone_identity

_TIMES = ("DTSTART", "DTEND", "DUE")


def with_zones_told_apart(message: SchedulingMessage, stored: Component) -> SchedulingMessage:
    """Return the message with new names for zones that what stays of the stored object knows under the old ones."""
    theirs = message.calendar.children("VTIMEZONE")
    if not theirs or set(theirs) <= set(stored.children("VTIMEZONE")):
        return message
    names = dict(_clashes(message, stored))
    if not names:
        return message
    calendar = message.calendar.with_items(
        _renamed(item, names) if isinstance(item, Component) else item for item in message.calendar.items
    )
    return replace(message, calendar=calendar, components=calendar.children(message.kind))


def unknown_zones(message: SchedulingMessage, zones: Zones, stored: Component | None) -> Iterator[str]:
    """Yield a sentence for each zone that a message names and neither it, nor the stored object, nor anybody knows."""
    named = dict.fromkeys(tzid for each in message.components for tzid in used_tzids(each))
    complaints = {tzid: said for tzid in named if (said := zones.zone(tzid).complaint) is not None}
    if not complaints:
        return
    ours = Zones(stored)
    times = {line.param("TZID") for each in message.components for line in each.all(*_TIMES)}
    for tzid, complaint in complaints.items():
        if ours.zone(tzid).complaint is None:
            continue
        yield complaint if tzid in times else f"The time zone {tzid[:60]!r} is not known; that of the event was taken"


def _clashes(message: SchedulingMessage, stored: Component) -> Iterator[tuple[str, str]]:
    """The names that a message defines otherwise than the stored object, which goes on using its own; and new names."""
    whole = any(part.first("RECURRENCE-ID") is None for part in message.components)
    staying = [part for part in stored.children(*KINDS) if not whole or part.first("RECURRENCE-ID") is not None]
    used = {plain_tzid(tzid) for part in staying for tzid in used_tzids(part)}
    theirs, ours, year = Zones(message.calendar), Zones(stored), year_of(message.calendar)
    for tzid in sorted(tzid for tzid in used if iana_name(tzid) is None):
        if ours.component(tzid) is None or theirs.component(tzid) is None:
            continue
        identity = zone_identity(theirs.zone(tzid).tzinfo, year)
        names = (tzid, *(f"{tzid} ({number})" for number in range(2, 100)))
        free = (
            name for name in names if _is_free(name, ours) or zone_identity(ours.zone(name).tzinfo, year) == identity
        )
        if (name := next(free, tzid)) != tzid:
            yield tzid, name


def _is_free(tzid: str, zones: Zones) -> bool:
    return zones.component(tzid) is None


def _renamed(component: Component, names: Mapping[str, str]) -> Component:
    if component.name == "VTIMEZONE":
        name = names.get(plain_tzid(component.value("TZID") or ""))
        return component if name is None else component.with_prop(Prop("TZID", escape_text(name)))

    def line(each: Prop) -> Prop:
        name = names.get(plain_tzid(each.param("TZID") or "")) if each.may_have_param("TZID") else None
        return each if name is None else each.with_param("TZID", name)

    return component.map_props(line)
