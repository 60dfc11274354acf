# SPDX-License-Identifier: Apache-2.0
"""What Principal/changes answers from: who came, went, or is to be shown otherwise.

Everybody sees the people of their own mail domain, so these are counted once for a domain; what somebody shares changes
how one person sees them, and is counted for that person. One counter serves all, so the two can be read together.
"""

import sqlalchemy as sa

from gateway.store import schema
from gateway.store.changes import Kind, Since, read_since
from gateway.store.rows import upsert
from gateway.store.serials import next_serial


def domain_key(address: str) -> str:
    """Return under which key the people of an address' domain are counted."""
    return f"@{address.rpartition('@')[2]}"[:64]


class PeopleLog:
    """The changes of people, for those who see them."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def note(self, key: str, person_id: str, *, is_new: bool = False, is_gone: bool = False) -> None:
        """Count a change of a person under a key: a domain's, or the id of the one account that sees it."""
        count = next_serial(self._connection, "people")
        row: dict[str, object] = {"account_id": key, "type": Kind.PERSON.value, "id": person_id}
        row |= {"parent": None, "name": None, "created": count if is_new else 0}
        row |= {"updated": count, "destroyed": count if is_gone else None}
        upsert(self._connection, schema.changes, row, keep=() if is_new else ("created",))

    def state(self, keys: tuple[str, ...]) -> int:
        table = schema.changes.c
        newest = sa.select(sa.func.max(table.updated)).where(table.account_id.in_(keys), table.type == Kind.PERSON)
        return int(self._connection.execute(newest).scalar() or 0)

    def since(self, keys: tuple[str, ...], state: int, limit: int, *, last_id: str = "") -> Since:
        """Return what happened after `state`, oldest first, at most `limit` ids (RFC 8620 §5.2)."""
        return read_since(self._connection, keys, Kind.PERSON, state, limit, last_id)
