# SPDX-License-Identifier: Apache-2.0
"""What went to whom: so that nothing is sent twice, threads hang together, and outside mail is counted."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from gateway.store import schema
from gateway.store.rows import insert_new, record, records, upsert, values


@dataclass(frozen=True, slots=True)
class Sent:
    """One message to one recipient, sent by us (`gateway`) or by the person's own program (`client`)."""

    account_id: str
    fingerprint: str
    uid: str
    recurrence_id: str
    recipient: str
    method: str
    sequence: int
    dtstamp: datetime
    by: str
    sent_at: datetime
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address that gets no more mail of a kind (`all` or `alarm`), and why."""

    address: str
    kind: str
    reason: str
    since: datetime
    until: datetime | None = None


class SentMails:
    """The memory of the way out."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._ours: dict[str, bool] = {}

    def remember(self, sent: Sent) -> bool:
        """Record a message; False where the same was recorded before."""
        self._ours.clear()
        return insert_new(self._connection, schema.sent, values(sent))

    def forget(self, account_id: str, message_id: str) -> None:
        """Take back a message that never left, so that nothing is built on it."""
        self._ours.clear()
        table = schema.sent
        self._connection.execute(
            sa.delete(table).where(table.c.account_id == account_id, table.c.message_id == message_id)
        )

    def find(self, account_id: str, fingerprint: str) -> Sent | None:
        table = schema.sent
        query = sa.select(table).where(table.c.account_id == account_id, table.c.fingerprint == fingerprint)
        return record(Sent, self._connection.execute(query).first())

    def thread(self, account_id: str, uid: str, recipient: str) -> tuple[Sent, ...]:
        """Return what went to one recipient about one UID, oldest first: References, last SEQUENCE, last DTSTAMP."""
        table = schema.sent
        query = sa.select(table).where(
            table.c.account_id == account_id, table.c.uid == uid, table.c.recipient == recipient
        )
        return records(Sent, self._connection.execute(query.order_by(table.c.sent_at, table.c.sequence)))

    def last_sent(self, account_id: str, uid: str) -> dict[str, datetime]:
        """Return when each recipient was last written to about one UID."""
        table = schema.sent
        query = sa.select(table.c.recipient, sa.func.max(table.c.sent_at).label("at"))
        query = query.where(table.c.account_id == account_id, table.c.uid == uid).group_by(table.c.recipient)
        return {row.recipient: row.at for row in self._connection.execute(query)}

    def by_message_id(self, account_id: str, message_id: str) -> Sent | None:
        """Return which message of an account carried a Message-ID: only its recipient knows that."""
        words = {"account_id": account_id, **_either(message_id)}
        return record(Sent, self._connection.execute(_BY_MESSAGE_ID, words).first())

    def is_ours(self, message_id: str) -> bool:
        """Whether the gateway itself sent a message with this Message-ID, for whomever."""
        if message_id not in self._ours:
            found = self._connection.execute(_IS_OURS, _either(message_id)).first()
            self._ours[message_id] = found is not None
        return self._ours[message_id]

    def last_dtstamp(self, account_id: str, uid: str) -> datetime | None:
        """Return the newest DTSTAMP sent about a UID to anyone."""
        table = schema.sent
        query = sa.select(sa.func.max(table.c.dtstamp)).where(table.c.account_id == account_id, table.c.uid == uid)
        found: datetime | None = self._connection.execute(query).scalar()
        return found

    def last_sequence(self, account_id: str, uid: str) -> int | None:
        """Return the highest SEQUENCE that went out as the organizer's word about a UID; None where nothing did."""
        table = schema.sent.c
        mine = (table.account_id == account_id, table.uid == uid, table.method.in_(("REQUEST", "CANCEL", "ADD")))
        found: int | None = self._connection.execute(sa.select(sa.func.max(table.sequence)).where(*mine)).scalar()
        return found

    # limits

    def count_last_hour(self, account_id: str, now: datetime) -> int:
        """Return how many messages of its own the gateway queued for an account within the last hour."""
        table = schema.messages
        since = now - timedelta(hours=1)
        ours = (table.c.account_id == account_id, table.c.created_at >= since, table.c.method != "OWN")
        query = sa.select(sa.func.count()).where(*ours)
        return int(self._connection.execute(query.select_from(table)).scalar_one())

    def outside_today(self, account_id: str, day: str) -> frozenset[str]:
        table = schema.outside_recipients
        query = sa.select(table.c.address).where(table.c.account_id == account_id, table.c.day == day)
        return frozenset(self._connection.execute(query).scalars())

    def add_outside(self, account_id: str, day: str, address: str) -> None:
        row = {"account_id": account_id, "day": day, "address": address}
        insert_new(self._connection, schema.outside_recipients, row)

    # suppressions

    def suppress(self, suppression: Suppression) -> None:
        """Stop mail to an address, anew where it was stopped before."""
        upsert(self._connection, schema.suppressions, values(suppression))

    def suppressed(self, address: str, kind: str, now: datetime) -> Suppression | None:
        """Return why an address gets no mail of a kind now, or None."""
        table = schema.suppressions
        query = sa.select(table).where(
            table.c.address == address,
            table.c.kind.in_(["all", kind]),
            sa.or_(table.c.until.is_(None), table.c.until > now),
        )
        return record(Suppression, self._connection.execute(query).first())

    def suppressions(self, now: datetime) -> tuple[Suppression, ...]:
        """Return the addresses that get no mail now."""
        table = schema.suppressions
        query = sa.select(table).where(sa.or_(table.c.until.is_(None), table.c.until > now)).order_by(table.c.address)
        return records(Suppression, self._connection.execute(query))

    def unsuppress(self, address: str) -> int:
        return self._connection.execute(
            sa.delete(schema.suppressions).where(schema.suppressions.c.address == address)
        ).rowcount


def _either(message_id: str) -> dict[str, str]:
    """A Message-ID as it may be written: bare, and in its brackets."""
    bare = message_id.strip().strip("<>")
    return {"bare": bare, "bracketed": f"<{bare}>"}


_NAMED = schema.sent.c.message_id.in_([sa.bindparam("bare"), sa.bindparam("bracketed")])
_BY_MESSAGE_ID = sa.select(schema.sent).where(schema.sent.c.account_id == sa.bindparam("account_id"), _NAMED)
_IS_OURS = sa.select(schema.sent.c.uid).where(_NAMED, schema.sent.c.by == "gateway")


def fingerprint(uid: str, recurrence_id: str, method: str, sequence: int, recipient: str, mark: str = "") -> str:
    """Return the name of a message's meaning: same words, same message. `mark` tells answers apart (PARTSTAT)."""
    words = "\x1f".join((uid, recurrence_id, method, str(sequence), recipient, mark))
    return hashlib.sha256(words.encode("utf-8", "surrogateescape")).hexdigest()
