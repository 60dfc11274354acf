# SPDX-License-Identifier: Apache-2.0
"""Order: serial numbers that only rise, and lanes in which order is kept."""

import hashlib

import sqlalchemy as sa

from gateway.store import schema
from gateway.store.rows import insert_new


def next_serial(connection: sa.Connection, name: str, count: int = 1) -> int:
    """Return the first of `count` fresh serial numbers."""
    insert_new(connection, schema.counters, {"name": name, "value": 0})
    table = schema.counters
    statement = sa.update(table).where(table.c.name == name).values(value=table.c.value + count)
    return int(connection.execute(statement.returning(table.c.value)).scalar_one()) - count + 1


def lane(*words: str) -> str:
    """Return the name of a lane: what shares it leaves in the order in which it was enqueued."""
    return hashlib.sha256("\x1f".join(words).encode("utf-8", "surrogateescape")).hexdigest()
