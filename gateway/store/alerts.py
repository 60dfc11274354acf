# SPDX-License-Identifier: Apache-2.0
"""When to look at a person's alerts in an object again, for those who listen at the JMAP door.

A row is a promise that nothing is due before its instant, and no more: it is written as "now" with the event, which
costs no look at any rule, and put off by whoever listens. Nobody takes it away, so any number of processes may listen.
"""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from gateway.store import schema
from gateway.store.rows import upsert

Look = tuple[str, datetime]
_TABLE = schema.alert_looks.c


class AlertLooks:
    """The rows of all accounts."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def look(self, object_id: str, account_id: str, at: datetime) -> None:
        """Have an object looked at from this instant on."""
        row = {"object_id": object_id, "account_id": account_id, "look_at": at}
        upsert(self._connection, schema.alert_looks, row)

    def due(self, account_id: str, now: datetime, *, after: str = "", limit: int = 200) -> Sequence[Look]:
        """Return the objects to be looked at now and since when, in the order of their ids, from one id on."""
        query = sa.select(_TABLE.object_id, _TABLE.look_at).where(
            _TABLE.account_id == account_id, _TABLE.look_at <= now, _TABLE.object_id > after
        )
        return [
            (row.object_id, row.look_at)
            for row in self._connection.execute(query.order_by(_TABLE.object_id).limit(limit))
        ]

    def look_at(self, object_id: str, account_id: str) -> datetime | None:
        query = sa.select(_TABLE.look_at).where(_TABLE.object_id == object_id, _TABLE.account_id == account_id)
        found: datetime | None = self._connection.execute(query).scalar()
        return found

    def forget(self, object_id: str, account_id: str) -> None:
        """No alert is left to look for."""
        same = (_TABLE.object_id == object_id, _TABLE.account_id == account_id)
        self._connection.execute(sa.delete(schema.alert_looks).where(*same))
