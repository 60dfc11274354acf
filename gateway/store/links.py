# SPDX-License-Identifier: Apache-2.0
"""Capabilities we mail: a random token, kept only as a hash, scoped to one person and one thing."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.store import schema
from gateway.store.rows import insert, record, records


@dataclass(frozen=True, slots=True)
class Link:
    """What the bearer of a token may do. `purpose` is rsvp, organizer, unsubscribe or confirm."""

    token_hash: str
    purpose: str
    account_id: str
    uid: str
    attendee: str
    issued_at: datetime
    expires_at: datetime
    object_id: str | None = None
    recurrence_id: str = ""
    sequence: int = 0
    revoked_at: datetime | None = None
    used_at: datetime | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class Links:
    """All links by the hash of their token."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, link: Link) -> None:
        insert(self._connection, schema.links, link)

    def by_token(self, token: str) -> Link | None:
        return self.by_hash(hash_token(token))

    def by_hash(self, token_hash: str) -> Link | None:
        query = sa.select(schema.links).where(schema.links.c.token_hash == token_hash)
        return record(Link, self._connection.execute(query).first())

    def of_object(self, object_id: str) -> tuple[Link, ...]:
        query = sa.select(schema.links).where(schema.links.c.object_id == object_id)
        return records(Link, self._connection.execute(query.order_by(schema.links.c.issued_at)))

    def prolong(self, token_hash: str, expires_at: datetime) -> None:
        table = schema.links
        self._connection.execute(sa.update(table).where(table.c.token_hash == token_hash).values(expires_at=expires_at))

    def mark_used(self, token_hash: str, at: datetime) -> None:
        table = schema.links
        self._connection.execute(sa.update(table).where(table.c.token_hash == token_hash).values(used_at=at))

    def revoke(self, at: datetime, object_id: str, attendee: str | None = None) -> int:
        """Revoke an object's links, or those of one attendee; the number revoked."""
        table = schema.links
        query = sa.update(table).where(table.c.object_id == object_id, table.c.revoked_at.is_(None))
        if attendee is not None:
            query = query.where(table.c.attendee == attendee)
        return self._connection.execute(query.values(revoked_at=at)).rowcount

    def forget_before(self, at: datetime) -> int:
        return self._connection.execute(sa.delete(schema.links).where(schema.links.c.expires_at < at)).rowcount


def hash_token(token: str) -> str:
    """Return what is stored of a token. It has at least 128 random bits, so a fast hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()
