# SPDX-License-Identifier: Apache-2.0
"""What is remembered of guests' answers, a row for each guest and instance: read before a message is applied, written
after it (RFC 5546 §2.1.5).
"""

from dataclasses import replace

from gateway.flows.context import Context
from gateway.flows.stored import answered_lines, guests_of
from gateway.itip.address import normal_address
from gateway.itip.identity import without_tag
from gateway.itip.model import History, Outcome, Seen
from gateway.itip.objects import read_party
from gateway.itip.tree import Component
from gateway.store.guests import AttendeeStatus
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit


def remembered_answers(unit: Unit, item: StoredObject | None, message: Component, from_address: str) -> History:
    """Return what is remembered of the answers of those whom the message names or comes from."""
    if item is None:
        return History()
    lines = (line for part in message.components for line in part.all("ATTENDEE"))
    people = {without_tag(read_party(line).address) for line in lines} | {without_tag(from_address)}
    if len(people) > 20:
        unit.guests.statuses(item.id)  # all in one go
    return History(
        tuple(
            Seen(status.address, status.recurrence_id, status.sequence, status.dtstamp)
            for person in sorted(people)
            for status in unit.guests.statuses_of(item.id, person)
            if status.sequence is not None and status.dtstamp is not None
        )
    )


def note_answers(
    unit: Unit, context: Context, old: StoredObject | None, item: StoredObject, outcome: Outcome, *, via: str
) -> None:
    """Keep each guest's row: newest SEQUENCE and DTSTAMP per instance (RFC 5546 §2.1.5), comment, and the way."""
    now = context.clock.now()
    rows = _moved_rows(unit, context, old, item)
    for answer in outcome.answers:
        address = normal_address(answer.address)
        status = rows.get((address, answer.recurrence_id)) or unit.guests.status(item.id, address, answer.recurrence_id)
        fresh = status or AttendeeStatus(item.id, address, answer.recurrence_id, answer.partstat, now)
        rows[address, answer.recurrence_id] = replace(
            fresh,
            partstat=answer.partstat,
            sequence=answer.sequence,
            dtstamp=answer.dtstamp,
            comment=answer.comment,
            answered_at=now,
            via=via,
            schedule_status=answer.request_status or "2.0",
            updated_at=now,
        )
    for row in rows.values():
        unit.guests.put_status(row)


def _moved_rows(
    unit: Unit, context: Context, old: StoredObject | None, item: StoredObject
) -> dict[tuple[str, str], AttendeeStatus]:
    """The rows of guests whose answer is another one now, or who have none yet; after an answer only of those named."""
    now, tree = context.clock.now(), context.trees.read(item.ical)
    lines = answered_lines(context.trees.read(old.ical), tree) if old is not None else None
    people = None if lines is None else {read_party(line).address for _, line in lines}
    if people is None:
        unit.guests.statuses(item.id)  # all in one go
    rows = {}
    for guest in guests_of(tree, people):
        status = unit.guests.status(item.id, guest.address, guest.recurrence_id)
        if status is None or status.partstat != guest.partstat:
            fresh = status or AttendeeStatus(item.id, guest.address, guest.recurrence_id, guest.partstat, now)
            rows[guest.address, guest.recurrence_id] = replace(fresh, partstat=guest.partstat, updated_at=now)
    return rows
