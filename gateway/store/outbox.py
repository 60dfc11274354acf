# SPDX-License-Identifier: Apache-2.0
"""Built mails and their recipients, until the next hop took each of them or we gave up.

One row per recipient carries the truth: state, attempts, the next hop's last words, SCHEDULE-STATUS.
Order is kept inside a lane (account, UID, recipient): message 2 never overtakes message 1 in a retry.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from gateway.store import schema
from gateway.store.rows import insert, record, records, values
from gateway.store.serials import next_serial

OPEN = ("pending", "retry")
BLOCKING = (*OPEN, "held")
ARRIVED = ("sent", "delivered")
LISTED = ("queued", "held", "failed")


@dataclass(frozen=True, slots=True)
class Message:
    """A built mail. `state`: queued, done, failed, held, dropped.

    `method` is the iTIP method, or ALARM, NOTICE, or OWN where a person's own program wrote the mail.
    """

    id: str
    account_id: str
    task_id: str
    uid: str
    method: str
    mail_from: str
    message_id: str
    data: bytes
    created_at: datetime
    recurrence_id: str = ""
    sequence: int = 0
    object_id: str | None = None
    state: str = "queued"
    finished_at: datetime | None = None
    serial: int = 0


@dataclass(frozen=True, slots=True)
class Recipient:
    """One envelope recipient of a built mail. `attendee` is whose status depends on it, if anyone's."""

    id: str
    message_id: str
    address: str
    lane: str
    bounce_token: str
    due_at: datetime
    attendee: str | None = None
    state: str = "pending"  # pending | retry | sent | delivered | failed | held | dropped
    attempts: int = 0
    reply: str | None = None
    schedule_status: str = "1.0"
    leased_until: datetime | None = None
    leased_by: str | None = None
    warned_at: datetime | None = None
    finished_at: datetime | None = None
    serial: int = 0
    may_have_left: bool = False


class Outbox:
    """The second half of the outbox."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def enqueue(self, message: Message, recipients: Iterable[Recipient]) -> None:
        serial = next_serial(self._connection, "messages")
        insert(self._connection, schema.messages, replace(message, serial=serial))
        for recipient in recipients:
            row = values(replace(recipient, serial=serial))
            self._connection.execute(sa.insert(schema.recipients).values(**row))

    def claim(self, *, now: datetime, lease: timedelta, by: str, limit: int) -> tuple[tuple[Recipient, Message], ...]:
        """Lease due recipients with their mails, oldest first; none whose lane still waits for an older one."""
        table, older = schema.recipients, schema.recipients.alias("older")
        waits = sa.exists().where(
            older.c.lane == table.c.lane, older.c.serial < table.c.serial, older.c.state.in_(BLOCKING)
        )
        free = sa.or_(table.c.leased_until.is_(None), table.c.leased_until <= now)
        query = (
            sa.select(table)
            .where(table.c.state.in_(OPEN), table.c.due_at <= now, free, ~waits)
            .order_by(table.c.serial)
            .limit(limit)
            .with_for_update(skip_locked=True, of=table)
        )
        found = records(Recipient, self._connection.execute(query))
        leased: dict[str, object] = {"leased_until": now + lease, "leased_by": by}
        ids = [recipient.id for recipient in found]
        died = table.c.leased_until.is_not(None)  # whoever had it may have handed it over
        leased["may_have_left"] = sa.or_(table.c.may_have_left, died)
        self._connection.execute(sa.update(table).where(table.c.id.in_(ids)).values(**leased))
        mails = {message.id: message for message in self._messages(recipient.message_id for recipient in found)}
        return tuple(
            (
                replace(
                    each,
                    leased_until=now + lease,
                    leased_by=by,
                    may_have_left=each.may_have_left or each.leased_until is not None,
                ),
                mails[each.message_id],
            )
            for each in found
        )

    def owns(self, recipient: Recipient) -> bool:
        """Whether the lease under which `recipient` was claimed is still ours."""
        now = self.recipient(recipient.id)
        return now is not None and (now.leased_by, now.leased_until) == (recipient.leased_by, recipient.leased_until)

    def settle(self, recipient_id: str, **changed: object) -> None:
        """Write what became of a recipient and let the lease go; close the mail when all its recipients are."""
        free = {"leased_until": None, "leased_by": None}
        table = schema.recipients
        self._connection.execute(sa.update(table).where(table.c.id == recipient_id).values(**{**free, **changed}))
        recipient = self.recipient(recipient_id)
        if recipient is not None:
            self._close(recipient.message_id, recipient.finished_at)

    def mark_warned(self, recipient_id: str, at: datetime) -> None:
        """Remember that the organizer was told of a delay: once is enough."""
        table = schema.recipients
        self._connection.execute(sa.update(table).where(table.c.id == recipient_id).values(warned_at=at))

    def _close(self, message_id: str, at: datetime | None) -> None:
        states = {recipient.state for recipient in self.recipients(message_id)}
        if states & set(BLOCKING):
            return
        state = "failed" if "failed" in states else "dropped" if states == {"dropped"} else "done"
        self.update_message(message_id, state=state, finished_at=at)

    def update_message(self, message_id: str, **changed: object) -> None:
        table = schema.messages
        self._connection.execute(sa.update(table).where(table.c.id == message_id).values(**changed))

    def message(self, message_id: str) -> Message | None:
        query = sa.select(schema.messages).where(schema.messages.c.id == message_id)
        return record(Message, self._connection.execute(query).first())

    def recipients(self, message_id: str) -> tuple[Recipient, ...]:
        table = schema.recipients
        query = sa.select(table).where(table.c.message_id == message_id).order_by(table.c.id)
        return records(Recipient, self._connection.execute(query))

    def recipient(self, recipient_id: str) -> Recipient | None:
        query = sa.select(schema.recipients).where(schema.recipients.c.id == recipient_id)
        return record(Recipient, self._connection.execute(query).first())

    def by_bounce_token(self, token: str) -> tuple[Recipient, Message] | None:
        query = sa.select(schema.recipients).where(schema.recipients.c.bounce_token == token)
        recipient = record(Recipient, self._connection.execute(query).first())
        message = self.message(recipient.message_id) if recipient else None
        return (recipient, message) if recipient and message else None

    def queued(
        self,
        *,
        account_id: str | None = None,
        states: tuple[str, ...] = ("queued", "held", "failed"),
        limit: int = 1000,
    ) -> tuple[Message, ...]:
        """Return mails by state, oldest first."""
        table = schema.messages
        query = sa.select(table).where(table.c.state.in_(states)).order_by(table.c.serial).limit(limit)
        if account_id is not None:
            query = query.where(table.c.account_id == account_id)
        return records(Message, self._connection.execute(query))

    def unsent(self, lane: str, *, lock: bool = True) -> tuple[tuple[Recipient, Message], ...]:
        """Return built mails of a lane that certainly never left, tried or not: they may still be replaced."""
        table = schema.recipients
        query = sa.select(table).where(
            table.c.lane == lane,
            table.c.state.in_(OPEN),
            table.c.leased_until.is_(None),
            table.c.may_have_left.is_(False),
        )
        query = query.order_by(table.c.serial)
        found = records(Recipient, self._connection.execute(query.with_for_update() if lock else query))
        mails = {message.id: message for message in self._messages(r.message_id for r in found)}
        return tuple((recipient, mails[recipient.message_id]) for recipient in found)

    def is_on_its_way(self, lane: str, message_id: str) -> bool:
        """Whether a mail of a lane was taken by the next hop, or still may be."""
        table, mails = schema.recipients, schema.messages
        query = sa.select(table.c.id).join(mails, mails.c.id == table.c.message_id)
        query = query.where(table.c.lane == lane, mails.c.message_id == message_id)
        return self._connection.execute(query.where(table.c.state.in_((*OPEN, *ARRIVED)))).first() is not None

    def next_due(self) -> datetime | None:
        table = schema.recipients
        query = sa.select(sa.func.min(table.c.due_at)).where(table.c.state.in_(OPEN))
        found: datetime | None = self._connection.execute(query).scalar()
        return found

    def forget_finished_before(self, at: datetime) -> int:
        """Delete mails that were finished long ago (their `sent` rows stay)."""
        table = schema.messages
        query = sa.delete(table).where(table.c.finished_at < at, table.c.state.in_(["done", "dropped", "failed"]))
        return self._connection.execute(query).rowcount

    def _messages(self, ids: Iterable[str]) -> tuple[Message, ...]:
        table = schema.messages
        return records(Message, self._connection.execute(sa.select(table).where(table.c.id.in_(list(set(ids))))))
