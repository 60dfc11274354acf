# SPDX-License-Identifier: Apache-2.0
"""The organizer's object as it must be kept after a change: SEQUENCE, DTSTAMP, answers, parameters of the server.

One counter serves the whole object, so that a new SEQUENCE is higher than anything sent for any instance (RFC 5546
§2.1.4). What nothing touches stays octet for octet as the client wrote it.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime

from gateway.errors import Refused
from gateway.itip.delta import Delta
from gateway.itip.instances import MASTER, InstanceKey
from gateway.itip.model import DiffSettings, Partstat, PartstatReset
from gateway.itip.objects import SchedulingObject, read_party
from gateway.itip.rrule import Rule, parse_rule
from gateway.itip.significance import RESCHEDULING, normal_rule
from gateway.itip.staleness import DTSTAMP_PARAM, RESCHEDULED, SEQUENCE_PARAM
from gateway.itip.tree import Component, Prop
from gateway.itip.values import build_utc, parse_sequence
from gateway.itip.view import SENT

#: What this server keeps on an ATTENDEE and a client may forget to send back.
_SERVER_PARAMS = ("SCHEDULE-STATUS", SEQUENCE_PARAM, DTSTAMP_PARAM)
_FORCE = "SCHEDULE-FORCE-SEND"
_PEOPLE = frozenset({"ATTENDEE", "ORGANIZER"})
_MOVES = frozenset({"DTSTART", "DTEND", "DUE"})
_STAMPS = {"ATTENDEE", "ORGANIZER", "CREATED", "DTSTAMP", "LAST-MODIFIED", "SEQUENCE", "UID"}


class Revision:
    """What becomes of the new version when it is stored and sent."""

    def __init__(
        self,
        delta: Delta,
        settings: DiffSettings,
        mine: frozenset[str],
        *,
        is_first: bool = False,
        tells: bool = False,
        cancelled: Collection[InstanceKey] = (),
    ) -> None:
        """`tells`: somebody learns of something new; `cancelled`: the instances that are called off for somebody."""
        self._delta, self._settings, self._mine = delta, settings, mine
        old, new = delta.old, delta.new
        highest = max(old.sequence if old else 0, new.sequence if new else 0)
        raised = old is None or (new is not None and new.sequence > old.sequence)
        #: The SEQUENCE of what changes now; where the client has raised it, its own (JMAP Calendars §5.9).
        self.next = highest if raised else highest + 1
        self._components: dict[InstanceKey, Component] = {}
        self._touched = frozenset() if is_first else frozenset(self._find_touched(tells, cancelled))

    def sequence(self, key: InstanceKey) -> int:
        """Return the SEQUENCE of the master or of an instance from now on; it never goes down."""
        old, new = self._delta.old, self._delta.new
        if new is None or key in self._touched or MASTER in self._touched:
            return self.next
        return max(new.sequence_of(key), old.sequence_of(key) if old is not None else 0)

    def component(self, key: InstanceKey) -> Component:
        """Return a component of the new version as it is kept, but for DTSTAMP.

        Raises:
            Refused: `no-instance` where the new version has none.
        """
        if key not in self._components:
            component = None if self._delta.new is None else self._delta.new.component(key)
            if component is None:
                raise Refused("no-instance", "There is no such component")
            self._components[key] = self._revised(key, component)
        return self._components[key]

    def _revised(self, key: InstanceKey, component: Component) -> Component:
        moved = self._delta.old is not None and self._is_moved(key)
        sequence, lines = self.sequence(key), []
        if sequence != parse_sequence(component.value("SEQUENCE")):
            lines.append(Prop("SEQUENCE", str(sequence)))
        rescheduled = self._rescheduled(key, component, sequence, moved=moved)
        if rescheduled is not None:
            lines.append(rescheduled)
        component = self._with_people(key, component, ask_again=moved)
        return component.with_prop(*lines) if lines else component

    def calendar(self, dtstamp: datetime | None) -> Component | None:
        """Return the whole calendar as it is kept, without METHOD; `dtstamp` is that of the last message, if any."""
        new = self._delta.new
        if new is None:
            return None
        kept = {id(component): self._stamped(key, dtstamp) for key, component in new.instances()}
        items = (kept.get(id(item), item) if isinstance(item, Component) else item for item in new.calendar.items)
        return Component(new.calendar.name, (item for item in items if item.name != "METHOD"))

    def _stamped(self, key: InstanceKey, dtstamp: datetime | None) -> Component:
        component = self.component(key)
        if dtstamp is None:
            return component
        sequence = component.first("SEQUENCE") or Prop("SEQUENCE", "0")
        return component.with_prop(sequence, Prop("DTSTAMP", build_utc(dtstamp)))

    def _find_touched(self, tells: bool, cancelled: Collection[InstanceKey]) -> Iterator[InstanceKey]:
        """The components whose SEQUENCE must rise; the master stands for all of them."""
        new = self._delta.new
        if new is None or self._delta.old is None:
            return
        for key in (MASTER, *self._delta.keys):
            names = {each.name for each in self._delta.all_changes(key)}
            if key in cancelled or not names.isdisjoint(RESCHEDULING) or (names and self._settings.bump_every_change):
                yield key if key in new.overrides and not self._settings.bump_every_change else MASTER
        if self._settings.bump_every_change and (tells or self._shared(new) != self._shared(self._delta.old)):
            yield MASTER

    def _shared(self, version: SchedulingObject) -> list[tuple[str, str]]:
        """What is shared of an event but not compared in canonical form."""
        if version.master is None:
            return []
        names = SENT - self._delta.names - _STAMPS
        return sorted((line.name, line.value) for line in version.master.properties if line.name in names)

    def _rescheduled(self, key: InstanceKey, component: Component, sequence: int, *, moved: bool) -> Prop | None:
        """The line with the SEQUENCE of the last reschedule, which clients need not send back; None where it is so."""
        old = self._delta.old
        if old is None:
            return None
        if sequence > old.sequence_of(key):
            return Prop(RESCHEDULED, str(sequence if moved else self._rescheduled_before(old, key)))
        before = old.component(key) or old.master
        kept = None if before is None else before.first(RESCHEDULED)
        return None if kept is None or component.first(RESCHEDULED) == kept else kept

    def _rescheduled_before(self, old: SchedulingObject, key: InstanceKey) -> int:
        """Where nobody kept it, every SEQUENCE so far counts as a reschedule."""
        component = old.component(key) or old.master
        kept = None if component is None else component.value(RESCHEDULED)
        return old.sequence_of(key) if kept is None else min(parse_sequence(kept), old.sequence_of(key))

    def _is_moved(self, key: InstanceKey) -> bool:
        """Whether earlier answers are to another time (RFC 6638 §3.2.8)."""
        names = {each.name for each in self._delta.all_changes(key)}
        if names & _MOVES:
            return True
        if key != MASTER:
            return False
        if "RRULE" in names and not self._is_only_shorter():
            return True
        return ("RDATE" in names and bool(self._delta.added_extra)) or (
            "EXDATE" in names and bool(self._delta.returned)
        )

    def _is_only_shorter(self) -> bool:
        """Whether the rule merely ends earlier: no instance is new or moved."""
        before, after = _one_rule(self._delta.old), _one_rule(self._delta.new)
        if before is None or after is None:
            return after is None  # no rule any more
        if replace(before, until=None, count=None) != replace(after, until=None, count=None):
            return False
        if after.count is not None:
            return before.until is None and (before.count is None or before.count >= after.count)
        if after.until is None or before.count is not None:
            return False
        return before.until is None or before.until.wall >= after.until.wall

    def _with_people(self, key: InstanceKey, component: Component, *, ask_again: bool) -> Component:
        """The component with its people as they are kept: server's parameters back, FORCE-SEND gone, answers reset."""
        ask_again = ask_again and self._settings.partstat_reset is PartstatReset.SERVER
        old = self._delta.old
        before = None if old is None else old.component(key) or old.master
        remembered = before is not None and _is_marked(before)
        if not ask_again and not remembered and not _is_marked(component):
            return component
        known = old.attendees(key) if old is not None and remembered else {}

        def kept(line: Prop) -> Prop:
            if line.name not in _PEOPLE:
                return line
            line = line.without_params(_FORCE)  # RFC 6638 §7.2: it is no part of the object
            person = read_party(line)
            if line.name == "ATTENDEE" and person.address in known:
                line = _with_memory(line, known[person.address].prop)
            if ask_again and line.name == "ATTENDEE" and self._answers_again(person.address, line):
                line = line.with_param("PARTSTAT", Partstat.NEEDS_ACTION).with_param("RSVP", "TRUE")
            return line

        return component.map_props(kept)

    def _answers_again(self, address: str, line: Prop) -> bool:
        person = read_party(line)
        return address not in self._mine and person.schedule_agent == "SERVER" and person.partstat != Partstat.DELEGATED


def _is_marked(component: Component) -> bool:
    """Whether somebody may carry a parameter of a server's; mostly nobody does, and there may be thousands."""
    for item in component.items:
        if item.name in _PEOPLE and isinstance(item, Prop) and item.may_have_param("SCHEDULE-", "X-IMIP-GATEWAY-"):
            return True
    return False


def _with_memory(line: Prop, stored: Prop) -> Prop:
    for name in _SERVER_PARAMS:
        value = stored.param(name)
        if value is not None and line.param(name) is None:
            line = line.with_param(name, value)
    return line


def _one_rule(version: SchedulingObject | None) -> Rule | None:
    lines = () if version is None or version.master is None else version.master.all("RRULE")
    if version is None or len(lines) != 1:
        return None
    try:
        return normal_rule(parse_rule(lines[0].value), version.series)
    except Refused:
        return None
