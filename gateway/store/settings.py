# SPDX-License-Identifier: Apache-2.0
"""Settings that an administrator changed at run time; they win over the file."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.store import schema
from gateway.store.rows import upsert


class RuntimeSettings:
    """Dotted names as in the file (`policy.alarms.enable`) and their JSON values."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._all: dict[str, Any] | None = None

    def all(self) -> dict[str, Any]:
        """Return every setting; within one transaction the database is asked once."""
        if self._all is None:
            self._all = {row.name: row.value for row in self._connection.execute(_ALL)}
        return self._all

    def policy_overrides(self) -> dict[str, Any]:
        """Return what was changed of the policies, by their names below `policy.`."""
        return {n.removeprefix("policy."): value for n, value in self.all().items() if n.startswith("policy.")}

    def changes(self) -> dict[str, tuple[str, datetime]]:
        """Return by whom and when each was changed."""
        rows = self._connection.execute(_ALL)
        return {row.name: (row.changed_by, row.changed_at) for row in rows}

    def put(self, name: str, value: Any, *, by: str, at: datetime) -> None:
        self._all = None
        row = {"name": name, "value": value, "changed_by": by, "changed_at": at}
        upsert(self._connection, schema.runtime_settings, row)

    def remove(self, name: str) -> None:
        self._all = None
        table = schema.runtime_settings
        self._connection.execute(sa.delete(table).where(table.c.name == name))


_ALL = sa.select(schema.runtime_settings)
