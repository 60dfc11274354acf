# SPDX-License-Identifier: Apache-2.0
"""Tasks: what a change owes, until its mails are built (`CalendarItipMessage`, `CalendarAlarmEmail`, `Notice`).

Claimed with a lease, so that any worker may die at any time; kept in order inside a lane (account, UID).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gateway.store import schema
from gateway.store.rows import insert, record, records
from gateway.store.serials import next_serial

#: States in which a task still has to run.
OPEN = ("pending", "retry")


@dataclass(frozen=True, slots=True)
class Task:
    """A unit of owed work. `state` is pending, retry, failed or held; a finished task is gone."""

    id: str
    kind: str
    account_id: str
    uid: str
    lane: str
    payload: Mapping[str, Any]
    due_at: datetime
    created_at: datetime
    object_id: str | None = None
    state: str = "pending"
    attempts: int = 0
    failure: str | None = None
    failed_at: datetime | None = None
    leased_until: datetime | None = None
    leased_by: str | None = None
    serial: int = 0


class Tasks:
    """The first half of the outbox."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._owed: dict[str, int] = {}  # by account, while nothing but more is owed

    def enqueue(self, task: Task) -> Task:
        if task.account_id in self._owed:
            self._owed[task.account_id] += len(task.payload.get("owed", ()))
        task = replace(task, serial=next_serial(self._connection, "tasks"))
        insert(self._connection, schema.tasks, task)
        return task

    def claim(self, *, now: datetime, lease: timedelta, by: str, limit: int) -> tuple[Task, ...]:
        """Lease due tasks, oldest first; none whose lane has an older one that still has to run."""
        table, older = schema.tasks, schema.tasks.alias("older")
        waits = sa.exists().where(
            older.c.lane == table.c.lane, older.c.serial < table.c.serial, older.c.state.in_((*OPEN, "held"))
        )
        query = (
            sa.select(table)
            .where(table.c.state.in_(OPEN), table.c.due_at <= now, _free(table, now), ~waits)
            .order_by(table.c.serial)
            .limit(limit)
            .with_for_update(skip_locked=True, of=table)
        )
        found = records(Task, self._connection.execute(query))
        leased = {"leased_until": now + lease, "leased_by": by}
        ids = [task.id for task in found]
        self._connection.execute(sa.update(table).where(table.c.id.in_(ids)).values(**leased))
        return tuple(replace(task, leased_until=now + lease, leased_by=by) for task in found)

    def owns(self, task: Task) -> bool:
        """Whether the lease under which `task` was claimed is still ours: ask inside the settling transaction."""
        now = self.get(task.id)
        return now is not None and (now.leased_by, now.leased_until) == (task.leased_by, task.leased_until)

    def owed(self, account_id: str) -> int:
        """Return how many messages an account owes that are not built yet."""
        if account_id not in self._owed:
            table = schema.tasks
            length = sa.func.json_array_length(table.c.payload["owed"])
            query = sa.select(sa.func.coalesce(sa.func.sum(length), 0)).where(table.c.account_id == account_id)
            self._owed[account_id] = int(self._connection.execute(query).scalar_one())
        return self._owed[account_id]

    def finish(self, task_id: str) -> None:
        self._owed.clear()
        self._connection.execute(sa.delete(schema.tasks).where(schema.tasks.c.id == task_id))

    def retry(self, task_id: str, *, due_at: datetime, failure: str) -> None:
        again = {"state": "retry", "due_at": due_at, "failure": failure, "leased_until": None, "leased_by": None}
        self.update(task_id, **again, attempts=schema.tasks.c.attempts + 1)

    def fail(self, task_id: str, *, at: datetime, failure: str) -> None:
        over = {"state": "failed", "failed_at": at, "failure": failure, "leased_until": None, "leased_by": None}
        self.update(task_id, **over, attempts=schema.tasks.c.attempts + 1)

    def update(self, task_id: str, **changed: object) -> None:
        self._owed.clear()
        self._connection.execute(sa.update(schema.tasks).where(schema.tasks.c.id == task_id).values(**changed))

    def get(self, task_id: str) -> Task | None:
        return record(
            Task, self._connection.execute(sa.select(schema.tasks).where(schema.tasks.c.id == task_id)).first()
        )

    def unstarted(self, lane: str, now: datetime) -> tuple[Task, ...]:
        """Return what a lane owes that no worker has begun: it may still be replaced (coalescing)."""
        table = schema.tasks
        query = sa.select(table).where(table.c.lane == lane, table.c.state == "pending", _free(table, now))
        return records(Task, self._connection.execute(query.order_by(table.c.serial).with_for_update()))

    def in_lane(self, lane: str) -> tuple[Task, ...]:
        """Return all that a lane still owes, begun, held or failed as it may be."""
        query = sa.select(schema.tasks).where(schema.tasks.c.lane == lane).order_by(schema.tasks.c.serial)
        return records(Task, self._connection.execute(query))

    def all(self, *, account_id: str | None = None, kind: str | None = None, limit: int = 1000) -> tuple[Task, ...]:
        table = schema.tasks
        query = sa.select(table).order_by(table.c.serial).limit(limit)
        if account_id is not None:
            query = query.where(table.c.account_id == account_id)
        if kind is not None:
            query = query.where(table.c.kind == kind)
        return records(Task, self._connection.execute(query))

    def next_due(self) -> datetime | None:
        """Return when the next task wants to run."""
        table = schema.tasks
        found: datetime | None = self._connection.execute(
            sa.select(sa.func.min(table.c.due_at)).where(table.c.state.in_(OPEN))
        ).scalar()
        return found


def _free(table: sa.Table, now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(table.c.leased_until.is_(None), table.c.leased_until <= now)
