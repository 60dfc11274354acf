# SPDX-License-Identifier: Apache-2.0
"""A calendar read as one scheduling object: UID, kind, master and overrides, organizer and attendees (RFC 6638 §3.1).

Reading never raises and never changes anything: what is wrong is kept as faults, and the caller decides which of them
matter. A calendar may hold only overrides (an attendee invited to single occurrences).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from gateway.itip.address import is_mailable, normal_address, plain_address
from gateway.itip.instances import MASTER, InstanceKey, Series
from gateway.itip.model import Fault, Partstat
from gateway.itip.staleness import newest
from gateway.itip.timezones import Zones
from gateway.itip.tree import Component, Prop
from gateway.itip.values import parse_sequence

#: Components that can be scheduled (RFC 5546 §1.4).
KINDS = ("VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY")
_PARTSTATS = frozenset(Partstat)
MAX_OVERRIDES = 2_000
MAX_ATTENDEES = 20_000


@dataclass(frozen=True, slots=True)
class Party:
    """An ORGANIZER or ATTENDEE line as a person: `address` is the normal form, for comparing only."""

    prop: Prop
    address: str

    @property
    def spelled(self) -> str:
        """The address without `mailto:`, spelled as the calendar spells it."""
        return _usable(self.prop)

    @property
    def name(self) -> str:
        return self.prop.param("CN") or ""

    @property
    def partstat(self) -> str:
        """PARTSTAT in capitals; absent or a word that nobody knows means NEEDS-ACTION (RFC 5545 §3.2.12)."""
        partstat = (self.prop.param("PARTSTAT") or "").upper()
        return partstat if partstat in _PARTSTATS else Partstat.NEEDS_ACTION

    @property
    def wants_reply(self) -> bool:
        return (self.prop.param("RSVP") or "").upper() == "TRUE"

    @property
    def is_marked(self) -> bool:
        """Whether a SCHEDULE- parameter may stand here; mostly none does, and there may be thousands of people."""
        return self.prop.may_have_param("SCHEDULE-")

    @property
    def schedule_agent(self) -> str:
        """SERVER, CLIENT or NONE; what nobody knows is treated as NONE (RFC 6638 §7.1)."""
        if not self.is_marked:
            return "SERVER"
        agent = (self.prop.param("SCHEDULE-AGENT") or "SERVER").upper()
        return agent if agent in ("SERVER", "CLIENT") else "NONE"

    @property
    def force_send(self) -> str:
        """REQUEST, REPLY or "" (RFC 6638 §7.2)."""
        return (self.prop.param("SCHEDULE-FORCE-SEND") or "").upper()

    @property
    def is_mailable(self) -> bool:
        return is_mailable(self.prop.value) or is_mailable(self.spelled)

    @property
    def delegated_to(self) -> tuple[str, ...]:
        return self.prop.param_values("DELEGATED-TO")

    @property
    def delegated_from(self) -> tuple[str, ...]:
        return self.prop.param_values("DELEGATED-FROM")


def read_party(prop: Prop) -> Party:
    """Read an ORGANIZER or ATTENDEE line. EMAIL counts only where the calendar address is useless (RFC 7986 §6.2)."""
    plainly = prop.value[:7].lower() == "mailto:"
    return Party(prop, normal_address(prop.value if plainly else _usable(prop)))


def _retold(attendees: dict[str, Party], old: Prop | Component, new: Prop | Component) -> bool:
    """Put a line in the place of an older one of the same person; False where it is not as simple as that."""
    if old.name != "ATTENDEE" and new.name != "ATTENDEE":
        return True
    if not isinstance(old, Prop) or not isinstance(new, Prop) or old.name != new.name:
        return False
    party = read_party(new)
    known = attendees.get(party.address)
    if known is None or known.prop is not old:
        return False
    attendees[party.address] = party
    return True


def _usable(prop: Prop) -> str:
    if prop.value[:7].lower() != "mailto:" and not is_mailable(prop.value):
        email = prop.param("EMAIL")
        if email and is_mailable(email):
            return plain_address(email)
    return plain_address(prop.value)


def read_organizer(component: Component) -> Party | None:
    """Return the organizer of a component, or None."""
    line = component.first("ORGANIZER")
    return None if line is None or not line.value.strip() else read_party(line)


def read_attendees(component: Component) -> dict[str, Party]:
    """Return the attendees of a component by normal address; of two lines for one person the first counts."""
    return component.derived(_attendees)


def find_attendee(component: Component, address: str) -> Prop | None:
    """Return the line of one attendee by normal address; where nobody has read them all, the plain spelling first."""
    if not component.is_derived(_attendees):
        plain = f"mailto:{address}"
        for item in component.items:
            if item.name == "ATTENDEE" and isinstance(item, Prop) and item.value == plain:
                return item
    party = read_attendees(component).get(address)
    return None if party is None else party.prop


def _attendees(component: Component, basis: Component | None, before: dict[str, Party] | None) -> dict[str, Party]:
    """Read the attendees; where a known component was edited, only the lines that are other ones."""
    if basis is not None and before is not None:
        known = dict(before)
        lines = zip(basis.items, component.items, strict=True)
        if all(_retold(known, old, new) for old, new in lines if old is not new):
            return known
    attendees: dict[str, Party] = {}
    for item in component.items:
        if item.name == "ATTENDEE" and isinstance(item, Prop):
            party = read_party(item)
            if party.address:
                attendees.setdefault(party.address, party)
    return attendees


class SchedulingObject:
    """One UID: its master, its overrides by key, who is on what. Of two versions of a component the newer counts."""

    def __init__(self, calendar: Component, zones: Zones | None = None) -> None:
        self.calendar = calendar
        self.components = tuple(item for item in calendar.components if item.name in KINDS)
        self.kind = self.components[0].name if self.components else ""
        self.uid = next((uid for each in self.components if (uid := (each.text("UID") or "").strip())), "")
        self.zones = zones or Zones(calendar)
        masters = [each for each in self.components if each.first("RECURRENCE-ID") is None]
        self.master = newest(masters)
        overrides = [each for each in self.components if each.first("RECURRENCE-ID") is not None]
        self.series = Series(self.master, overrides[:MAX_OVERRIDES], self.zones)
        self._masters, self._override_count = len(masters), len(overrides)
        self._attendees: dict[InstanceKey, dict[str, Party]] = {}

    @property
    def superseded(self) -> Iterator[Component]:
        """Older versions of the master or of an override that stand beside the one which counts."""
        counting = {id(component) for _, component in self.instances()}
        for component in self.components:
            if id(component) in counting:
                continue
            key = self.series.component_key(component)
            if key is not None and self.component(key) is not None:
                yield component

    @property
    def overrides(self) -> dict[InstanceKey, Component]:
        return self.series.overrides

    def instances(self) -> Iterator[tuple[InstanceKey, Component]]:
        """Yield the master (key "") and the overrides, each with its key."""
        if self.master is not None:
            yield MASTER, self.master
        yield from self.overrides.items()

    def component(self, key: InstanceKey) -> Component | None:
        """Return the master ("") or an override, None where there is none of its own."""
        return self.master if key == MASTER else self.overrides.get(key)

    def attendees(self, key: InstanceKey) -> dict[str, Party]:
        """Return who is on the master or on an instance; an instance without override has the master's people."""
        found = self._attendees.get(key)
        if found is None:
            component = self.component(key)
            if component is None:
                return self.attendees(MASTER) if key != MASTER else {}
            found = self._attendees[key] = read_attendees(component)
        return found

    @cached_property
    def everyone(self) -> dict[str, Party]:
        """Everybody who is on anything, by normal address, in order of appearance."""
        everyone: dict[str, Party] = {}
        for key, _ in self.instances():
            people = self.attendees(key)
            if not everyone:
                everyone = dict(people)
                continue
            for address, party in people.items():
                everyone.setdefault(address, party)
        return everyone

    @cached_property
    def organizer(self) -> Party | None:
        """The organizer: the master's, else the first that a component names."""
        return next((found for each in self.components if (found := read_organizer(each)) is not None), None)

    @cached_property
    def sequence(self) -> int:
        """The highest SEQUENCE of any component."""
        return max((parse_sequence(each.value("SEQUENCE")) for each in self.components), default=0)

    def sequence_of(self, key: InstanceKey) -> int:
        """Return the SEQUENCE of the master or of an instance; an instance of the rule has the master's."""
        component = self.component(key) or self.master
        return 0 if component is None else parse_sequence(component.value("SEQUENCE"))

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """Everything that keeps this from being one sound scheduling object."""
        return tuple(self._faults())

    def _faults(self) -> Iterable[Fault]:
        if not self.components:
            yield Fault("object.no-component", "The calendar holds no event or task")
            return
        if not self.uid:
            yield Fault("object.no-uid", "The event has no UID")
        if len(self.components) > 1:
            yield from self._disagreements()
        if sum(len(each.items) for each in self.components) > MAX_ATTENDEES < self._count("ATTENDEE"):
            yield Fault("object.too-many-attendees", f"The event names more than {MAX_ATTENDEES} attendees")

    def _disagreements(self) -> Iterable[Fault]:
        uids = {(each.text("UID") or "").strip() for each in self.components}
        if len(uids - {""}) > 1:
            yield Fault("object.several-uids", "The calendar holds events with different UIDs")
        if len({each.name for each in self.components}) > 1:
            yield Fault("object.mixed-kinds", "The calendar mixes events with other components")
        if self._masters > 1:
            yield Fault("object.several-masters", "The calendar holds the same event twice")
        if self._override_count > MAX_OVERRIDES:
            yield Fault("object.too-many-instances", f"The event has more than {MAX_OVERRIDES} changed occurrences")
        organizers = {found.address for each in self.components if (found := read_organizer(each)) is not None}
        if len(organizers) > 1:
            yield Fault("object.several-organizers", "The occurrences of the event name different organizers")

    def _count(self, name: str) -> int:
        return sum(len(each.all(name)) for each in self.components)


def read_object(calendar: Component, zones: Zones | None = None) -> SchedulingObject:
    """Read a VCALENDAR as a scheduling object; look at its `faults` before using it.

    `zones` are those of an earlier reading of the same calendar, where there was one.
    """
    return SchedulingObject(calendar, zones)
