# SPDX-License-Identifier: Apache-2.0
"""What the organizer owes, written: each group's own view, the SEQUENCE of the revision, a DTSTAMP that rises.

What is owed to whom is decided in `organizer`; here it becomes messages, and nothing is decided any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.errors import Refused
from gateway.itip.delta import implied, state
from gateway.itip.instances import MASTER, InstanceKey
from gateway.itip.messages import SECOND, Letterhead, Part, view_part, write_message, written_id
from gateway.itip.model import DiffSettings, ItipMessage, Method
from gateway.itip.objects import Party, SchedulingObject, read_object
from gateway.itip.organizer import Group, Owed
from gateway.itip.revision import Revision
from gateway.itip.tree import Component
from gateway.itip.view import cancel_component


@dataclass(frozen=True, slots=True)
class Letters:
    """The messages of one change. What goes out of the new version says what is kept of it from now on."""

    new: SchedulingObject | None
    revision: Revision
    from_address: str
    settings: DiffSettings

    def written(self, owed: Sequence[tuple[Group, list[Owed]]], at: datetime) -> tuple[ItipMessage, ...]:
        """Address, stamp and write; messages to one person follow each other by a second (RFC 5546 §2.1.5)."""
        return tuple(
            self._letter(one, group, people, at + index * SECOND)
            for group, each in owed
            for index, one in enumerate(each)
            for people in self._together(one, group)
        )

    def _together(self, one: Owed, group: Group) -> list[list[Party]]:
        """Who may share a message: nobody where guests are hidden, nor who are merely no longer invited."""
        return [[person] for person in group.people] if self._names_one(one) else [group.people]

    def _names_one(self, one: Owed) -> bool:
        return self.settings.hide_attendees or (one.method is Method.CANCEL and not one.for_everybody)

    def _letter(self, one: Owed, group: Group, people: list[Party], at: datetime) -> ItipMessage:
        only = people[0].address if self._names_one(one) else None
        parts = [self._part(one, group, key, only) for key in one.keys]
        head = Letterhead(one.version.uid, self.from_address, one.version.zones)
        to = [person.spelled for person in people]
        return write_message(one.method, head, to, parts, dtstamp=at, reason=one.reason, changes=one.changes)

    def _part(self, one: Owed, group: Group, key: InstanceKey, only: str | None) -> Part:
        version, sequence = one.version, self.revision.sequence(key)
        component = self._present(version, key)
        if one.method is Method.REQUEST:
            hidden = _hidden(version, group) if key == MASTER else []
            return view_part(version, key, component=component, sequence=sequence, hidden=hidden, only=only)
        if component is None:
            raise Refused("no-instance", "The occurrence that is cancelled cannot be found")
        shown = cancel_component(
            component, version.series, key, master=version.master, only=only, for_everybody=one.for_everybody
        )
        return Part(shown, sequence, written_id(version, key))

    def _present(self, version: SchedulingObject, key: InstanceKey) -> Component | None:
        """A component, its own or as the rule implies it; of the new version as it is kept from now on."""
        if version is not self.new:
            return implied(version, key)
        if version.component(key) is not None:
            return self.revision.component(key)
        if version.master is None or self.revision.component(MASTER).items == version.master.items:
            return implied(version, key)
        calendar = self.revision.calendar(None)
        return None if calendar is None else implied(read_object(calendar, version.zones), key)


def _hidden(version: SchedulingObject, group: Group) -> list[InstanceKey]:
    """Occurrences of the rule that a group is not to see in its series."""
    return [
        key
        for key in version.overrides
        if not state(version, group.new, key).is_on and (version.series.exists(key) or key in version.series.extra)
    ]
