# SPDX-License-Identifier: Apache-2.0
"""Blobs that clients uploaded: bytes by account and id."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from gateway.store import schema
from gateway.store.rows import record, upsert, values


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that an account uploaded; the id is made of account and content."""

    id: str
    account_id: str
    type: str
    data: bytes
    created_at: datetime


class StoredBlobs:
    """All blobs."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def put(self, blob: Blob) -> None:
        """Keep a blob; one that was there already is kept longer."""
        upsert(self._connection, schema.blobs, values(blob))

    def get(self, account_id: str, blob_id: str) -> Blob | None:
        table = schema.blobs
        query = sa.select(table).where(table.c.id == blob_id, table.c.account_id == account_id)
        return record(Blob, self._connection.execute(query).first())

    def forget_before(self, at: datetime) -> int:
        """Delete blobs uploaded before an instant; what an event needs of one is in the event."""
        return self._connection.execute(sa.delete(schema.blobs).where(schema.blobs.c.created_at < at)).rowcount
