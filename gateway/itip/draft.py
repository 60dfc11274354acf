# SPDX-License-Identifier: Apache-2.0
"""A stored object while a message is worked into it: its components by instance, then the calendar they make.

Components that nothing touches stay where and as they are, octet for octet. What is taken from a message brings the
VTIMEZONEs it needs along.
"""

from gateway.errors import Refused
from gateway.itip.instances import MASTER, InstanceKey, Series
from gateway.itip.objects import SchedulingObject, read_object
from gateway.itip.timezones import Zones, used_tzids
from gateway.itip.tree import Component, Prop
from gateway.itip.values import Kind, Moment, parse_moment, utc_moment

PRODID = "-//imip-gateway//imip-gateway//EN"


class Draft:
    """The object as it is now; `put` and `drop` change it, `build` writes it."""

    def __init__(self, calendar: Component) -> None:
        self._object = read_object(calendar)
        self._parts = dict(self._object.instances())
        self._zones = self._object.zones
        self._series = self._object.series
        self._their_zones: dict[str, Component] = {}
        self._implied: dict[InstanceKey, Component | None] = {}
        self._readmitted: set[InstanceKey] = set()

    @property
    def object(self) -> SchedulingObject:
        """The object as it was stored."""
        return self._object

    @property
    def zones(self) -> Zones:
        return self._zones

    @property
    def series(self) -> Series:
        """The series with the present master; its overrides are to be looked up here, not there."""
        return self._series

    @property
    def master(self) -> Component | None:
        return self._parts.get(MASTER)

    @property
    def overrides(self) -> dict[InstanceKey, Component]:
        """A copy: overrides by key, as they are now."""
        return {key: part for key, part in self._parts.items() if key != MASTER}

    @property
    def parts(self) -> tuple[tuple[InstanceKey, Component], ...]:
        """Master and overrides with their keys, as they are now."""
        return tuple(self._parts.items())

    def component(self, key: InstanceKey) -> Component | None:
        """Return the master ("") or an override as it is now."""
        return self._parts.get(key)

    def implied(self, key: InstanceKey) -> Component | None:
        """Return the instance as the present master means it, None where there is no such instance."""
        if key not in self._implied:
            self._implied[key] = self._find_implied(key)
        return self._implied[key]

    def _find_implied(self, key: InstanceKey) -> Component | None:
        if key in self._readmitted:
            return self.excluded(key)
        if self.master is None or not self._series.exists(key):
            return None
        try:
            return self._series.implied(key)
        except Refused:
            return None

    def excluded(self, key: InstanceKey) -> Component | None:
        """Return an instance that EXDATE takes out as the master would mean it, None where that is not so."""
        if self.master is None or key not in self._series.excluded:
            return None
        series = Series(self.master.without("EXDATE"), (), self._zones)
        try:
            return series.implied(key) if series.exists(key) else None
        except Refused:
            return None

    def key_of(self, component: Component, zones: Zones) -> InstanceKey | None:
        """Return which instance of this object a component of a message means; None where it means none.

        The message's own zones say what its RECURRENCE-ID means; ours only where it names a zone without defining it.
        """
        line = component.first("RECURRENCE-ID")
        if line is None:
            return MASTER
        try:
            return self._series.key_of(self._in_our_terms(parse_moment(line), zones))
        except Refused:
            return None

    def _in_our_terms(self, moment: Moment, zones: Zones) -> Moment:
        start = self._series.start
        if moment.kind is not Kind.ZONED or (start is not None and start.kind in (Kind.DATE, Kind.FLOATING)):
            return moment
        return moment if zones.zone(moment.tzid).complaint is not None else utc_moment(zones.utc(moment))

    def put(self, key: InstanceKey, component: Component) -> None:
        """Set the master or an override."""
        self._parts[key] = component
        if key == MASTER or _is_ranged(component):
            self._renew()

    def drop(self, key: InstanceKey) -> None:
        """Remove an override."""
        self._parts.pop(key, None)

    def readmit(self, key: InstanceKey) -> None:
        """Take an instance out of EXDATE when the calendar is written: it takes place again."""
        if self.master is not None and key in self._series.excluded:
            self._readmitted.add(key)
            self._implied.pop(key, None)

    def _without_readmitted(self) -> None:
        master = self.master
        if master is None or not self._readmitted:
            return
        left = sorted(self._series.excluded - self._readmitted)
        try:
            lines = [self._series.line_for("EXDATE", each) for each in left]
        except Refused:
            return
        self._parts[MASTER] = master.without("EXDATE").adding(*lines)

    def take_zones(self, calendar: Component) -> None:
        """Let the VTIMEZONEs of a message stand beside ours; of two that bear one name theirs counts, if it is sane."""
        ours, theirs = self._object.calendar.children("VTIMEZONE"), calendar.children("VTIMEZONE")
        if set(theirs) <= set(ours):
            return
        names, read = {zone.text("TZID") or "" for zone in ours}, Zones(calendar)
        for zone in theirs:
            tzid = zone.text("TZID") or ""
            if tzid not in names or read.component(tzid) is not None:
                self._their_zones.setdefault(tzid, zone)
        self._renew()

    def _renew(self) -> None:
        if self._their_zones:
            ours = (zone for zone in self._object.calendar.children("VTIMEZONE") if not self._is_replaced(zone))
            self._zones = Zones(Component("VCALENDAR", (*self._their_zones.values(), *ours, *self._parts.values())))
        parts = list(self.overrides.values())
        if self.master is not None:
            parts = [part for part in parts if _is_ranged(part)]  # others say nothing of the series
        self._series = Series(self.master, parts, self._zones)
        self._implied = {}

    def _is_replaced(self, zone: Component) -> bool:
        return (zone.text("TZID") or "") in self._their_zones

    def build(self) -> Component:
        """Return the calendar as it is to be kept: without METHOD, with the zones it uses."""
        self._without_readmitted()
        keys = {id(part): key for key, part in self._object.instances()}
        left, superseded = dict(self._parts), set(map(id, self._object.superseded))
        items: list[Prop | Component] = []
        for item in self._object.calendar.items:
            key = keys.get(id(item))
            if key is not None:
                now = left.pop(key, None)
                items += [] if now is None else [now]
            elif item.name != "METHOD" and not (
                id(item) in superseded or (self._their_zones and item.name == "VTIMEZONE")
            ):
                items.append(item)
        items += left.values()
        if self._their_zones:
            at = next((i for i, item in enumerate(items) if isinstance(item, Component)), len(items))
            items[at:at] = self._used_zones(items)
        return self._object.calendar.with_items(items)

    def _used_zones(self, items: list[Prop | Component]) -> list[Component]:
        used = {tzid for part in items if isinstance(part, Component) for tzid in used_tzids(part)}
        ours = self._object.calendar.children("VTIMEZONE")
        zones = [*self._their_zones.values(), *(zone for zone in ours if not self._is_replaced(zone))]
        return [zone for zone in zones if (zone.text("TZID") or "") in used]


def _is_ranged(component: Component) -> bool:
    line = component.first("RECURRENCE-ID")
    return line is not None and line.param("RANGE") is not None


def empty_calendar(like: Component) -> Component:
    """Return a calendar without events for an object that is new here: the sender's head, made complete."""
    head = [item for item in like.items if isinstance(item, Prop) and item.name not in ("METHOD", "VERSION", "PRODID")]
    version = like.first("VERSION") or Prop("VERSION", "2.0")
    return Component("VCALENDAR", (version, like.first("PRODID") or Prop("PRODID", PRODID), *head))
