# SPDX-License-Identifier: Apache-2.0
"""Alarm rows: one per next firing of one alarm for one user."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from gateway.store import schema
from gateway.store.rows import records, values


@dataclass(frozen=True, slots=True)
class PlannedAlarm:
    """The next firing of an alarm."""

    id: str
    account_id: str
    object_id: str
    alarm_key: str
    recurrence_id: str
    fire_at: datetime
    repetition: int = 0
    leased_until: datetime | None = None
    leased_by: str | None = None


class Alarms:
    """What will fire."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def replace(self, object_id: str, account_id: str, planned: Iterable[PlannedAlarm]) -> None:
        """Make these the only planned firings of an object for a user: no stale row survives an edit."""
        table = schema.alarms
        own = (table.c.object_id == object_id, table.c.account_id == account_id)
        self._connection.execute(sa.delete(table).where(*own))
        for alarm in planned:
            self._connection.execute(sa.insert(table).values(**values(alarm)))

    def of_account(self, account_id: str, limit: int = 100) -> tuple[PlannedAlarm, ...]:
        table = schema.alarms
        query = sa.select(table).where(table.c.account_id == account_id).order_by(table.c.fire_at).limit(limit)
        return records(PlannedAlarm, self._connection.execute(query))
