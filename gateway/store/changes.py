# SPDX-License-Identifier: Apache-2.0
"""What JMAP `/changes` (RFC 8620 §5.2) and WebDAV `sync-collection` (RFC 6578) answer from.

Each account counts its changes (`modseq`); each thing remembers at which count it was created, last
updated, and destroyed. A state string is such a count, so it survives restarts and needs no log.
Whoever shares another's calendar has a count of their own there (`log_key`), of what they may see alone.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from gateway.store import schema
from gateway.store.rows import Later, upsert_later


class Kind(StrEnum):
    """The JMAP types whose changes are counted."""

    CALENDAR = "Calendar"
    EVENT = "CalendarEvent"
    NOTIFICATION = "CalendarEventNotification"
    IDENTITY = "ParticipantIdentity"
    HELD = "HeldChange"
    PERSON = "Principal"  # counted in `gateway.store.directory`


def log_key(owner_id: str, viewer_id: str) -> str:
    """Return under which key the changes of an account are counted for one who sees (a part of) it."""
    return owner_id if owner_id == viewer_id else f"{owner_id}/{viewer_id}"


@dataclass(frozen=True, slots=True)
class Since:
    """What happened since a state: ids in order of change, and the state they lead to.

    All that one transaction did is one count; where only some of it was asked for, `last_id` says how far it goes.
    """

    created: tuple[str, ...]
    updated: tuple[str, ...]
    destroyed: tuple[str, ...]
    new_state: int
    has_more: bool
    last_id: str = ""


class Changes:
    """The change counters of accounts."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._new = upsert_later(connection, schema.changes, _COLUMNS)
        self._updated = Later(connection, _UPDATED)
        self._modseq = Later(connection, _SET_COUNT)
        self._counts: dict[str, int] = {}  # all that one transaction does to an account is one count
        self._earlier: dict[str, int] = {}  # counts of the jobs before this one, which alone has the database

    def next_job(self) -> None:
        """What follows in the same transaction is a change of its own."""
        self._earlier |= self._counts
        self._counts.clear()

    def flush(self) -> None:
        self._modseq.write()
        self._new.write()
        self._updated.write()

    def state(self, account_id: str, kind: Kind) -> int:
        """Return the count at which anything of this kind last changed."""
        self.flush()
        table = schema.changes.c
        newest = sa.select(sa.func.max(table.updated)).where(table.account_id == account_id, table.type == kind.value)
        return int(self._connection.execute(newest).scalar() or 0)

    def states(self, account_id: str) -> dict[Kind, int]:
        """Return the count of each kind that ever changed."""
        self.flush()
        table = schema.changes.c
        query = sa.select(table.type, sa.func.max(table.updated)).where(table.account_id == account_id)
        return {Kind(row[0]): row[1] for row in self._connection.execute(query.group_by(table.type))}

    def created(
        self, account_id: str, kind: Kind, item_id: str, *, parent: str | None = None, name: str | None = None
    ) -> None:
        count = self._next(account_id)
        if (account_id, kind, item_id) in self._updated:
            self.flush()
        row: dict[str, Any] = {
            "account_id": account_id,
            "type": kind.value,
            "id": item_id,
            "parent": parent,
            "name": name,
        }
        row |= {"created": count, "updated": count, "destroyed": None}
        self._new.add(row, (account_id, kind, item_id))

    def updated(self, account_id: str, kind: Kind, item_id: str) -> None:
        count = self._next(account_id)
        row = {"of": account_id, "kind": kind.value, "item": item_id, "count": count}
        self._updated.add(row, (account_id, kind, item_id))

    def destroyed(self, account_id: str, kind: Kind, item_id: str) -> None:
        count = self._next(account_id)
        self.flush()
        row = {"of": account_id, "kind": kind.value, "item": item_id, "count": count}
        self._connection.execute(_DESTROYED, row)

    def since(self, account_id: str, kind: Kind, state: int, limit: int, *, last_id: str = "") -> Since:
        """Return what happened after `state`, oldest first, at most `limit` ids (RFC 8620 §5.2)."""
        self.flush()
        return read_since(self._connection, (account_id,), kind, state, limit, last_id)

    def _next(self, account_id: str) -> int:
        """Count one more change; what a sharee sees (`owner/sharee`) is counted with the owner's changes."""
        owner = account_id.partition("/")[0]
        if owner not in self._counts:
            if owner in self._earlier:
                self._counts[owner] = self._earlier[owner] + 1
                self._modseq.add({"owner": owner, "count": self._counts[owner]}, owner)
            else:
                self._counts[owner] = int(self._connection.execute(_COUNT, {"owner": owner}).scalar_one())
        return self._counts[owner]


def read_since(
    connection: sa.Connection, keys: tuple[str, ...], kind: Kind, state: int, limit: int, last_id: str
) -> Since:
    """Return what was counted after a state under any of these keys; `new_state` is that of the last change."""
    table = schema.changes.c
    later = table.updated > state
    if last_id:
        later = sa.or_(later, sa.and_(table.updated == state, table.id > last_id))
    query = (
        sa.select(table.id, table.created, table.updated, table.destroyed)
        .where(table.account_id.in_(keys), table.type == kind.value, later)
        .order_by(table.updated, table.id)
        .limit(limit + 1)
    )
    rows = connection.execute(query).all()
    has_more = len(rows) > limit
    rows = rows[:limit]
    newest = {row.id: row for row in rows}
    new = {row.id for row in rows if (row.created, row.id if last_id else "") > (state, last_id)}
    return Since(
        created=tuple(i for i, row in newest.items() if i in new and row.destroyed is None),
        updated=tuple(i for i, row in newest.items() if i not in new and row.destroyed is None),
        destroyed=tuple(i for i, row in newest.items() if i not in new and row.destroyed is not None),
        new_state=rows[-1].updated if rows else state,
        has_more=has_more,
        last_id=rows[-1].id if has_more else "",
    )


_COLUMNS = ("account_id", "type", "id", "parent", "name", "created", "updated", "destroyed")
_COUNT = (
    sa.update(schema.accounts)
    .where(schema.accounts.c.id == sa.bindparam("owner"))
    .values(modseq=schema.accounts.c.modseq + 1)
    .returning(schema.accounts.c.modseq)
)
_SET_COUNT = (
    sa.update(schema.accounts).where(schema.accounts.c.id == sa.bindparam("owner")).values(modseq=sa.bindparam("count"))
)
_MARK = sa.update(schema.changes).where(
    schema.changes.c.account_id == sa.bindparam("of"),
    schema.changes.c.type == sa.bindparam("kind"),
    schema.changes.c.id == sa.bindparam("item"),
)
_UPDATED = _MARK.values(updated=sa.bindparam("count"))
_DESTROYED = _MARK.values(updated=sa.bindparam("count"), destroyed=sa.bindparam("count"))
