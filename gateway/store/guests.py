# SPDX-License-Identifier: Apache-2.0
"""What is known of each guest of an object: the answer, how far our message to them has come, what they propose.

What is put is owed (`Later`) where it is known here: of several answers in one commit the last row is the one written.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.itip.identity import without_tag
from gateway.store import schema
from gateway.store.rows import insert, like, records, upsert_later, values


@dataclass(frozen=True, slots=True)
class AttendeeStatus:
    """What is known of one guest for the series ("") or one instance."""

    object_id: str
    address: str
    recurrence_id: str
    partstat: str
    updated_at: datetime
    sequence: int | None = None
    dtstamp: datetime | None = None
    comment: str | None = None
    answered_at: datetime | None = None
    via: str | None = None
    schedule_status: str | None = None
    status_text: str | None = None


@dataclass(frozen=True, slots=True)
class StoredProposal:
    """A COUNTER that waits for the organizer."""

    id: str
    object_id: str
    account_id: str
    address: str
    recurrence_id: str
    changes: list[dict[str, Any]]
    comment: str | None
    ical: str
    state: str
    created_at: datetime


_Statuses = dict[tuple[str, str], AttendeeStatus]


class Guests:
    """The rows of all guests. Within one transaction the same question is asked of the database once."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._statuses: dict[str, _Statuses] = {}
        self._of_person: dict[tuple[str, str], _Statuses] = {}
        self._rows = upsert_later(connection, schema.attendees, AttendeeStatus.__slots__)

    def flush(self) -> None:
        self._rows.write()

    def forget(self) -> None:
        """Ask the database again, which must know what is owed to it."""
        self.flush()
        self._statuses.clear()
        self._of_person.clear()

    def statuses(self, object_id: str) -> tuple[AttendeeStatus, ...]:
        """Return what is known of every guest, by address and instance."""
        if object_id not in self._statuses:
            self._rows.write()
            rows = self._connection.execute(_STATUSES, {"object_id": object_id})
            self._statuses[object_id] = {(s.address, s.recurrence_id): s for s in records(AttendeeStatus, rows)}
        return tuple(self._statuses[object_id].values())

    def statuses_of(self, object_id: str, address: str) -> tuple[AttendeeStatus, ...]:
        """Return what is known of one person, whatever +tag the address has."""
        person = without_tag(address)
        if object_id in self._statuses:
            return tuple(s for s in self._statuses[object_id].values() if without_tag(s.address) == person)
        return tuple(self._person(object_id, person).values())

    def status(self, object_id: str, address: str, recurrence_id: str = "") -> AttendeeStatus | None:
        if object_id in self._statuses:
            return self._statuses[object_id].get((address, recurrence_id))
        return self._person(object_id, without_tag(address)).get((address, recurrence_id))

    def _person(self, object_id: str, person: str) -> _Statuses:
        if (object_id, person) not in self._of_person:
            local, _, domain = person.rpartition("@")
            tagged = f"{like(local)}+%@{like(domain)}"
            words = {"object_id": object_id, "person": person, "tagged": tagged}
            if self._connection.dialect.name == "sqlite":
                rows = self._connection.execute(_PERSON_NEAR, {**words, "first": f"{local}+"})
            else:
                rows = self._connection.execute(_PERSON, words)
            found = {(s.address, s.recurrence_id): s for s in records(AttendeeStatus, rows)}
            self._of_person[object_id, person] = found
        return self._of_person[object_id, person]

    def put_status(self, status: AttendeeStatus) -> None:
        self._rows.add(values(status), (status.object_id, status.address, status.recurrence_id))
        person = (status.object_id, without_tag(status.address))
        found = [
            each for each in (self._statuses.get(status.object_id), self._of_person.get(person)) if each is not None
        ]
        for known in found:
            known[status.address, status.recurrence_id] = status
        if not found:
            self._rows.write()

    def set_schedule_status(
        self, object_id: str, address: str, code: str, text: str | None, *, at: datetime
    ) -> AttendeeStatus:
        """Record how far our message to a guest has come (RFC 6638 §3.2.9)."""
        known = self.status(object_id, address)
        status = known or AttendeeStatus(object_id, address, "", "NEEDS-ACTION", at)
        status = replace(status, schedule_status=code, status_text=text, updated_at=at)
        self.put_status(status)
        return status

    def add_proposal(self, proposal: StoredProposal) -> None:
        insert(self._connection, schema.proposals, proposal)

    def proposals(self, object_id: str) -> tuple[StoredProposal, ...]:
        table = schema.proposals
        query = sa.select(table).where(table.c.object_id == object_id).order_by(table.c.created_at, table.c.id)
        return records(StoredProposal, self._connection.execute(query))

    def set_proposal_state(self, proposal_id: str, state: str) -> None:
        table = schema.proposals
        self._connection.execute(sa.update(table).where(table.c.id == proposal_id).values(state=state))


_STATUSES = (
    sa.select(schema.attendees)
    .where(schema.attendees.c.object_id == sa.bindparam("object_id"))
    .order_by(schema.attendees.c.address, schema.attendees.c.recurrence_id)
)
_PERSON = (
    sa.select(schema.attendees)
    .where(
        schema.attendees.c.object_id == sa.bindparam("object_id"),
        sa.or_(
            schema.attendees.c.address == sa.bindparam("person"),
            schema.attendees.c.address.like(sa.bindparam("tagged"), escape="\\"),
        ),
    )
    .order_by(schema.attendees.c.address, schema.attendees.c.recurrence_id)
)
#: The same where text is ordered by its octets, in which `+` stands before `@`: an index leads there, past all others.
_PERSON_NEAR = _PERSON.where(schema.attendees.c.address.between(sa.bindparam("first"), sa.bindparam("person")))
