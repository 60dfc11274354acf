# SPDX-License-Identifier: Apache-2.0
"""The append-only record of every verdict and every change, with the rule and the sentence why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.store import schema
from gateway.store.rows import insert_later, records, values


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision. `stage` is incoming, change, link, alarm, delivery, bounce or settings."""

    at: datetime
    stage: str
    outcome: str
    rule: str
    reason: str
    mail_id: str | None = None
    message_id: str | None = None
    queue_id: str | None = None
    account_id: str | None = None
    recipient: str | None = None
    uid: str | None = None
    recurrence_id: str | None = None
    method: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


_LENGTHS = {
    column.name: column.type.length or 10_000 for column in schema.journal.c if isinstance(column.type, sa.String)
}


def _fitted(text: str, most: int) -> str:
    """What every database takes as text of so many characters."""
    if len(text) <= most and text.isascii() and "\0" not in text:
        return text
    return text[:most].replace("\0", "").encode("utf-8", "replace").decode()


class Journal:
    """Write at the end, read by whatever name the reader has."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._new = insert_later(connection, schema.journal)

    def flush(self) -> None:
        self._new.write()

    def write(self, entry: Entry) -> None:
        """Write an entry; strangers' words are made to fit, for what came must be recorded whatever it was."""
        said = {name: getattr(entry, name) for name in _LENGTHS}
        fitted: dict[str, Any] = {
            name: fit for name, text in said.items() if text and (fit := _fitted(text, _LENGTHS[name])) != text
        }
        self._new.add(values(entry) | fitted)

    def trace(self, name: str) -> tuple[Entry, ...]:
        """Return everything about one mail: by our mail id, its Message-ID or Postfix's queue id."""
        self.flush()
        table = schema.journal
        bare = name.strip("<>")
        longest = _LENGTHS["message_id"]
        named = sa.or_(
            table.c.mail_id == name,
            table.c.message_id.in_([bare[:longest], f"<{bare}>"[:longest]]),
            table.c.queue_id == name,
        )
        return records(Entry, self._connection.execute(sa.select(table).where(named).order_by(table.c.serial)))

    def of_uid(self, account_id: str, uid: str, limit: int = 200) -> tuple[Entry, ...]:
        self.flush()
        table = schema.journal
        query = sa.select(table).where(table.c.account_id == account_id, table.c.uid == uid)
        newest = records(Entry, self._connection.execute(query.order_by(table.c.serial.desc()).limit(limit)))
        return newest[::-1]

    def answerable(self, account_id: str, uid: str) -> str | None:
        """Return the Message-ID of the last invitation to an event that an account took, if it had one."""
        self.flush()
        table = schema.journal
        query = sa.select(table.c.message_id).where(
            table.c.account_id == account_id,
            table.c.uid == uid,
            table.c.stage == "incoming",
            table.c.method == "REQUEST",
            table.c.outcome == "applied",
            table.c.message_id.is_not(None),
        )
        found: str | None = self._connection.execute(query.order_by(table.c.serial.desc()).limit(1)).scalar()
        return found

    def count_by_author(self, account_id: str, rule: str, author: str, since: datetime) -> int:
        """Return how often one rule decided about mails of one author to an account since then."""
        self.flush()
        table = schema.journal
        query = sa.select(table.c.facts).where(
            table.c.account_id == account_id, table.c.rule == rule, table.c.at >= since
        )
        return sum(facts.get("author") == author for facts in self._connection.execute(query).scalars())

    def recent(self, limit: int = 100, *, stage: str | None = None) -> tuple[Entry, ...]:
        """Return the newest entries, newest first."""
        self.flush()
        table = schema.journal
        query = sa.select(table) if stage is None else sa.select(table).where(table.c.stage == stage)
        return records(Entry, self._connection.execute(query.order_by(table.c.serial.desc()).limit(limit)))

    def forget_before(self, at: datetime) -> int:
        self.flush()
        return self._connection.execute(sa.delete(schema.journal).where(schema.journal.c.at < at)).rowcount
