# SPDX-License-Identifier: Apache-2.0
"""Mails seen once (the same mail again gets the same answer), and changes that wait for a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.store import schema
from gateway.store.changes import Changes, Kind
from gateway.store.rows import insert, record, records, upsert_later


@dataclass(frozen=True, slots=True)
class Held:
    """An incoming change that policy kept from being applied until somebody looks."""

    id: str
    account_id: str
    mail_id: str
    recipient: str
    method: str
    uid: str
    from_address: str
    ical: str
    evidence: Mapping[str, Any]
    rule: str
    reason: str
    state: str
    created_at: datetime
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SeenMail:
    """A mail that came before: when first, and the disposition it was given ({} while it is put off)."""

    mail_id: str
    disposition: Mapping[str, Any]
    at: datetime


class HeldMails:
    """What was seen, and what waits."""

    def __init__(self, connection: sa.Connection, changes: Changes) -> None:
        self._connection = connection
        self._changes = changes
        self._seen = upsert_later(connection, schema.received, _SEEN_COLUMNS, keep=("at", "mail_id"))

    def flush(self) -> None:
        self._seen.write()

    def seen(self, fingerprint: str) -> SeenMail | None:
        """Return what was recorded of a mail that came before, or None."""
        if fingerprint in self._seen:
            self.flush()
        return record(SeenMail, self._connection.execute(_SEEN, {"fingerprint": fingerprint}).first())

    def remember(self, fingerprint: str, mail_id: str, disposition: Mapping[str, Any], at: datetime) -> None:
        """Record a mail, or what became of one that was put off; when it first came stays."""
        if fingerprint in self._seen:
            self.flush()
        row = {"fingerprint": fingerprint, "mail_id": mail_id, "disposition": dict(disposition), "at": at}
        self._seen.add(row, fingerprint)

    def forget(self, fingerprint: str) -> None:
        """Forget that a mail came."""
        self.flush()
        self._connection.execute(sa.delete(schema.received).where(schema.received.c.fingerprint == fingerprint))

    def forget_seen_before(self, at: datetime) -> int:
        self.flush()
        return self._connection.execute(sa.delete(schema.received).where(schema.received.c.at < at)).rowcount

    def hold(self, held: Held) -> None:
        insert(self._connection, schema.held, held)
        if held.state == "held":
            self._changes.created(held.account_id, Kind.HELD, held.id)

    def of_author(self, account_id: str, uid: str, from_address: str) -> tuple[Held, ...]:
        """Return what was ever kept of what one author said to an account about one event."""
        table = schema.held
        query = sa.select(table).where(table.c.account_id == account_id, table.c.uid == uid)
        return records(Held, self._connection.execute(query.where(table.c.from_address == from_address)))

    def get(self, held_id: str) -> Held | None:
        return record(Held, self._connection.execute(sa.select(schema.held).where(schema.held.c.id == held_id)).first())

    def waiting(self, account_id: str | None = None) -> tuple[Held, ...]:
        """Return what waits, oldest first, for one account or all."""
        table = schema.held
        query = sa.select(table).where(table.c.state == "held")
        if account_id is not None:
            query = query.where(table.c.account_id == account_id)
        return records(Held, self._connection.execute(query.order_by(table.c.created_at, table.c.id)))

    def decide(self, held_id: str, state: str, at: datetime) -> bool:
        """Mark as released or rejected; False where it was decided already."""
        table = schema.held
        open_one = (table.c.id == held_id, table.c.state == "held")
        statement = sa.update(table).where(*open_one).values(state=state, decided_at=at)
        decided = self._connection.execute(statement.returning(table.c.account_id)).scalars().all()
        for account_id in decided:
            self._changes.destroyed(account_id, Kind.HELD, held_id)
        return bool(decided)

    def early(self, account_id: str, uid: str | None = None) -> tuple[Held, ...]:
        """Return the cancellations that came before what they cancel, oldest first, of one UID or all."""
        table = schema.held
        query = sa.select(table).where(table.c.account_id == account_id, table.c.state == "early")
        if uid is not None:
            query = query.where(table.c.uid == uid)
        return records(Held, self._connection.execute(query.order_by(table.c.created_at, table.c.id)))

    def settle_early(self, account_id: str, uid: str, at: datetime) -> None:
        """Mark the early cancellations of a UID as used."""
        table = schema.held
        mine = (table.c.account_id == account_id, table.c.uid == uid, table.c.state == "early")
        self._connection.execute(sa.update(table).where(*mine).values(state="released", decided_at=at))

    def reject_before(self, at: datetime) -> int:
        """Reject what nobody decided in time."""
        table = schema.held
        late = self._connection.execute(sa.select(table).where(table.c.state == "held", table.c.created_at < at))
        decided = sum(self.decide(held.id, "rejected", at) for held in records(Held, late))
        early = (table.c.state == "early", table.c.created_at < at)
        dropped = self._connection.execute(sa.update(table).where(*early).values(state="rejected", decided_at=at))
        return decided + dropped.rowcount


_SEEN_COLUMNS = ("fingerprint", "mail_id", "disposition", "at")
_SEEN = sa.select(schema.received).where(schema.received.c.fingerprint == sa.bindparam("fingerprint"))
