# SPDX-License-Identifier: Apache-2.0
"""What a query looks at before it reads any event: the searched columns alone, narrowed as far as SQL can."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from gateway.store import schema
from gateway.store.rows import like, records

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Outline:
    """The searched columns of an object."""

    id: str
    uid: str
    instance: str
    kind: str
    is_recurring: bool
    starts_at: datetime | None
    ends_at: datetime | None
    created_at: datetime
    updated_at: datetime
    alone: Sequence[str]
    privacy: str | None
    hide_attendees: bool
    searched: str | None  # only where the narrowing asks for it


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What every result must have. `words` (in lower case) must all stand somewhere in the searched text."""

    calendar_ids: tuple[str, ...]
    after_at: datetime | None = None
    before_at: datetime | None = None
    uid: str | None = None
    words: tuple[str, ...] = ()
    with_text: bool = False


class Outlines:
    """The index side of the objects."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def find(self, account_id: str, narrowing: Narrowing) -> tuple[Outline, ...]:
        """Return the outlines of events that may match, by start; those of one UID in any order."""
        table = schema.objects.c
        place = schema.object_calendars.c
        inside = sa.exists().where(place.object_id == table.id, place.calendar_id.in_(narrowing.calendar_ids))
        names = [name for name in Outline.__slots__ if name != "searched"]
        text = table.searched if narrowing.with_text else sa.null().label("searched")
        query = sa.select(*(schema.objects.c[name] for name in names), text)
        query = query.where(table.account_id == account_id, table.kind == "VEVENT", inside)
        if narrowing.after_at is not None:
            query = query.where(sa.or_(table.ends_at.is_(None), table.ends_at >= narrowing.after_at))
        if narrowing.before_at is not None:
            query = query.where(sa.or_(table.starts_at.is_(None), table.starts_at < narrowing.before_at))
        if narrowing.uid is not None:
            query = query.where(table.uid == narrowing.uid)
        for word in narrowing.words:
            holds = table.searched.like(f"%{like(word)}%", escape="\\")
            query = query.where(sa.or_(table.searched.is_(None), holds))
        if narrowing.uid is None:  # the few of a UID need no order, and for one SQLite would walk all the starts
            query = query.order_by(table.starts_at, table.uid, table.id)
        return records(Outline, self._connection.execute(query))

    def kept_by(self, account_id: str) -> frozenset[str]:
        """Return the objects of which an account keeps something for itself."""
        query = sa.select(schema.overlays.c.object_id).where(schema.overlays.c.account_id == account_id)
        return frozenset(self._connection.execute(query).scalars())

    def calendars_of(self, object_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return in which calendars objects are."""
        table = schema.object_calendars.c
        found: dict[str, tuple[str, ...]] = {}
        for chunk in _chunks(object_ids):
            query = sa.select(table.object_id, table.calendar_id).where(table.object_id.in_(chunk))
            for object_id, calendar_id in self._connection.execute(query.order_by(table.calendar_id)):
                found[object_id] = (*found.get(object_id, ()), calendar_id)
        return found


def _chunks(items: Sequence[str]) -> Iterable[list[str]]:
    return (list(items[at : at + _CHUNK]) for at in range(0, len(items), _CHUNK))
