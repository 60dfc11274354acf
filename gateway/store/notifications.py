# SPDX-License-Identifier: Apache-2.0
"""JMAP CalendarEventNotifications: what others did to a person's events."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.store import schema
from gateway.store.changes import Changes, Kind
from gateway.store.rows import insert_later, record, records, values


@dataclass(frozen=True, slots=True)
class Notification:
    """One change made by somebody else. `type` is created, updated or destroyed.

    An answer is kept as the calendar's text before and after: there are many of them, and few are ever looked at.
    """

    id: str
    account_id: str
    type: str
    object_id: str
    changed_by: Mapping[str, Any]
    created_at: datetime
    comment: str | None = None
    is_draft: bool = False
    event: Mapping[str, Any] | None = None
    event_patch: Mapping[str, Any] | None = None
    ical_before: str | None = None
    ical_after: str | None = None


class Notifications:
    """Notifications by account; dismissed ones are gone."""

    def __init__(self, connection: sa.Connection, changes: Changes) -> None:
        self._connection = connection
        self._changes = changes
        self._new = insert_later(connection, schema.notifications)

    def flush(self) -> None:
        self._new.write()

    def add(self, notification: Notification) -> None:
        self._new.add(values(notification))
        self._changes.created(notification.account_id, Kind.NOTIFICATION, notification.id)

    def get(self, notification_id: str) -> Notification | None:
        self.flush()
        query = sa.select(schema.notifications).where(schema.notifications.c.id == notification_id)
        return record(Notification, self._connection.execute(query).first())

    def of(self, account_id: str) -> tuple[Notification, ...]:
        """Return an account's notifications, oldest first."""
        self.flush()
        table = schema.notifications
        query = sa.select(table).where(table.c.account_id == account_id).order_by(table.c.created_at, table.c.id)
        return records(Notification, self._connection.execute(query))

    def remove(self, notification: Notification) -> None:
        self.flush()
        table = schema.notifications
        self._connection.execute(sa.delete(table).where(table.c.id == notification.id))
        self._changes.destroyed(notification.account_id, Kind.NOTIFICATION, notification.id)

    def older_than(self, at: datetime, limit: int) -> tuple[Notification, ...]:
        self.flush()
        table = schema.notifications
        query = sa.select(table).where(table.c.created_at < at).order_by(table.c.created_at).limit(limit)
        return records(Notification, self._connection.execute(query))
