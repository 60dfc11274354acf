# SPDX-License-Identifier: Apache-2.0
"""Scheduling objects, where they lie, and what each user keeps about them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gateway.store import schema
from gateway.store.changes import Changes, Kind, log_key
from gateway.store.guests import Guests
from gateway.store.rows import Later, insert, record, records, upsert, values


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One scheduling object: its iCalendar text is the truth, the other fields are searched."""

    id: str
    account_id: str
    uid: str
    kind: str
    ical: str
    summary: str
    etag: str
    created_at: datetime
    updated_at: datetime
    instance: str = ""
    sequence: int = 0
    dtstamp: datetime | None = None
    organizer: str | None = None
    is_origin: bool = True
    is_draft: bool = False
    hide_attendees: bool = False
    is_recurring: bool = False
    status: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    schedule_tag: int = 0
    properties: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    alone: Sequence[str] = ()  # keys of occurrences that are here without their series
    privacy: str | None = None
    searched: str | None = None

    @property
    def event_ids(self) -> tuple[str, ...]:
        """The ids of its CalendarEvents: its own, or one for each occurrence that is here without its series."""
        return event_ids(self.id, self.alone) if self.kind == "VEVENT" else ()


def event_ids(object_id: str, alone: Sequence[str]) -> tuple[str, ...]:
    """Return the ids of an object's CalendarEvents (JMAP Calendars §5.1)."""
    return tuple(f"{object_id}-{key}" for key in alone) or (object_id,)


@dataclass(frozen=True, slots=True)
class Place:
    """In which calendar, under which resource name."""

    object_id: str
    calendar_id: str
    href: str


@dataclass(frozen=True, slots=True)
class _Shown:
    """The ids of an object's events, and from whom they are kept."""

    event_ids: tuple[str, ...]
    privacy: str | None

    @classmethod
    def of(cls, item: StoredObject) -> "_Shown":
        return cls(item.event_ids, item.privacy)

    def seen(self, account_id: str, key: str) -> tuple[str, ...]:
        """Return the ids that somebody sees: what is secret, the owner alone (JMAP Calendars §5.4)."""
        return () if self.privacy == "secret" and key != account_id else self.event_ids


class Objects:
    """All stored events and tasks. Within one transaction the same question is asked of the database once.

    What is written over something known here is owed (`Later`): of several answers to an event in one commit the
    last text is the one written. It is paid before anybody looks past what is known.
    """

    def __init__(
        self,
        connection: sa.Connection,
        changes: Changes,
        guests: Guests,
        is_sharing: Callable[[str], bool],
        *,
        locks: bool = False,
    ) -> None:
        self._connection = connection
        self._changes = changes
        self._guests = guests
        self._is_sharing = is_sharing
        self._locks = locks
        self._by_uid: dict[tuple[str, str], tuple[StoredObject, ...]] = {}
        self._by_id: dict[str, StoredObject] = {}
        self._texts = Later(connection, _UPDATE)

    def flush(self) -> None:
        self._texts.write()

    # the object itself

    def add(self, item: StoredObject, places: Iterable[tuple[str, str]]) -> None:
        """Store a new object in calendars: pairs of calendar id and resource name."""
        self._forget()
        insert(self._connection, schema.objects, item)
        self.set_places(item, places, new=True)

    def update(self, item: StoredObject) -> None:
        before = self._before(item)
        known = self._remember(item)
        changed = {name: value for name, value in values(item).items() if name in _CHANGING}
        self._texts.add({**changed, "object_id": item.id}, item.id)
        if known is None or known.alone != item.alone:  # others read which occurrences are alone (`Calendars`)
            self._texts.write()
        for key in self._watchers(item):
            self._count(key, before.seen(item.account_id, key), _Shown.of(item).seen(item.account_id, key))

    def remove(self, item: StoredObject) -> None:
        self._forget()
        for key in self._watchers(item):
            self._count(key, _Shown.of(item).seen(item.account_id, key), ())
        self._connection.execute(sa.delete(schema.objects).where(schema.objects.c.id == item.id))

    def get(self, object_id: str) -> StoredObject | None:
        found = self._by_id.get(object_id)
        if found is None:
            query = _BY_ID_HELD if self._locks else _BY_ID
            found = record(StoredObject, self._connection.execute(query, {"object_id": object_id}).first())
        if found is not None:
            self._by_id[object_id] = found
        return found

    def get_many(self, object_ids: Iterable[str]) -> dict[str, StoredObject]:
        self.flush()
        table = schema.objects
        query = self._held(sa.select(table).where(table.c.id.in_(list(object_ids))).order_by(table.c.id))
        return {item.id: item for item in records(StoredObject, self._connection.execute(query))}

    def by_uid(self, account_id: str, uid: str) -> tuple[StoredObject, ...]:
        """Return what an account has of a UID: one object, or stand-alone instances (draft-ietf-jmap-calendars §4)."""
        if (account_id, uid) not in self._by_uid:
            query, words = _BY_UID_HELD if self._locks else _BY_UID, {"account_id": account_id, "uid": uid}
            found = records(StoredObject, self._connection.execute(query, words))
            self._by_uid[account_id, uid] = found
            self._by_id.update((item.id, item) for item in found)
        return self._by_uid[account_id, uid]

    def of_account(self, account_id: str) -> tuple[StoredObject, ...]:
        self.flush()
        table = schema.objects
        query = sa.select(table).where(table.c.account_id == account_id).order_by(table.c.starts_at, table.c.id)
        return records(StoredObject, self._connection.execute(query))

    def in_window(
        self, account_id: str, calendar_ids: Iterable[str] | None, after: datetime | None, before: datetime | None
    ) -> tuple[StoredObject, ...]:
        """Return objects that may have an occurrence in [after, before); exact expansion is the caller's."""
        self.flush()
        table = schema.objects.c
        query = sa.select(schema.objects).where(table.account_id == account_id)
        if calendar_ids is not None:
            inside = sa.select(schema.object_calendars.c.object_id).where(
                schema.object_calendars.c.calendar_id.in_(list(calendar_ids))
            )
            query = query.where(table.id.in_(inside))
        if after is not None:
            query = query.where(sa.or_(table.ends_at.is_(None), table.ends_at > after))
        if before is not None:
            query = query.where(sa.or_(table.starts_at.is_(None), table.starts_at < before))
        return records(StoredObject, self._connection.execute(query.order_by(table.starts_at, table.id)))

    def count_last_minute(self, account_id: str, now: datetime) -> int:
        """Return how many objects of an account were written within the last minute."""
        self.flush()
        table = schema.objects
        since = now - timedelta(minutes=1)
        query = sa.select(sa.func.count()).where(table.c.account_id == account_id, table.c.updated_at >= since)
        return int(self._connection.execute(query.select_from(table)).scalar_one())

    # places

    def set_places(self, item: StoredObject, places: Iterable[tuple[str, str]], *, new: bool = False) -> None:
        """Put an object in exactly these calendars."""
        before = () if new else self._watchers(item)
        table = schema.object_calendars
        self._connection.execute(sa.delete(table).where(table.c.object_id == item.id))
        for calendar_id, href in places:
            self._connection.execute(sa.insert(table).values(object_id=item.id, calendar_id=calendar_id, href=href))
        first = next(iter(self.places(item.id)), None)
        where = {"parent": first.calendar_id, "name": first.href} if first else {}
        after = self._watchers(item)
        for key in after:
            seen = _Shown.of(item).seen(item.account_id, key)
            self._count(key, seen if key in before else (), seen, **where)
        for key in before:
            if key not in after:  # moved out of what was shared with them
                self._count(key, _Shown.of(item).seen(item.account_id, key), ())

    def places(self, object_id: str) -> tuple[Place, ...]:
        table = schema.object_calendars
        query = sa.select(table).where(table.c.object_id == object_id).order_by(table.c.calendar_id)
        return records(Place, self._connection.execute(query))

    def places_of(self, object_ids: Iterable[str]) -> dict[str, tuple[Place, ...]]:
        table = schema.object_calendars
        query = sa.select(table).where(table.c.object_id.in_(list(object_ids))).order_by(table.c.calendar_id)
        found: dict[str, tuple[Place, ...]] = {}
        for place in records(Place, self._connection.execute(query)):
            found[place.object_id] = (*found.get(place.object_id, ()), place)
        return found

    def at(self, calendar_id: str, href: str) -> StoredObject | None:
        table = schema.object_calendars
        query = sa.select(table.c.object_id).where(table.c.calendar_id == calendar_id, table.c.href == href)
        found = self._connection.execute(query).scalar()
        return None if found is None else self.get(found)

    def in_calendar(self, calendar_id: str) -> tuple[tuple[str, StoredObject], ...]:
        """Return resource name and object of everything in a calendar."""
        table = schema.object_calendars
        places = records(Place, self._connection.execute(sa.select(table).where(table.c.calendar_id == calendar_id)))
        items = self.get_many(place.object_id for place in places)
        return tuple((place.href, items[place.object_id]) for place in sorted(places, key=lambda p: p.href))

    # overlays

    def overlay(self, object_id: str, account_id: str) -> Mapping[str, Any]:
        """Return what one user keeps for themself about an object; empty where nothing."""
        table = schema.overlays
        query = sa.select(table.c.data).where(table.c.object_id == object_id, table.c.account_id == account_id)
        found: Mapping[str, Any] = self._connection.execute(query).scalar() or {}
        return found

    def overlays(self, object_id: str) -> dict[str, Mapping[str, Any]]:
        table = schema.overlays
        rows = self._connection.execute(sa.select(table).where(table.c.object_id == object_id))
        return {row.account_id: row.data for row in rows}

    def put_overlay(self, item: StoredObject, account_id: str, data: Mapping[str, Any], *, at: datetime) -> None:
        row = {"object_id": item.id, "account_id": account_id, "data": dict(data), "updated_at": at}
        upsert(self._connection, schema.overlays, row)
        self._count(log_key(item.account_id, account_id), item.event_ids, item.event_ids)

    def _watchers(self, item: StoredObject) -> tuple[str, ...]:
        """Return the keys of the owner's changes and of everyone a calendar of it is shared with."""
        if not self._is_sharing(item.account_id):
            return (item.account_id,)
        others = self._connection.execute(_SHARED_WITH, {"object_id": item.id}).scalars().all()
        return (item.account_id, *(log_key(item.account_id, other) for other in others if other != item.account_id))

    def _remember(self, item: StoredObject) -> StoredObject | None:
        """What was just written need not be read again; return what was known of it until now."""
        key = (item.account_id, item.uid)
        known = self._by_uid.get(key, ())
        old = next((each for each in known if each.id == item.id and each.instance == item.instance), None)
        if old is None:
            self._forget()
        else:
            self._by_uid[key] = tuple(item if each.id == item.id else each for each in known)
        self._by_id[item.id] = item
        return old

    def _forget(self) -> None:
        """Ask the database again, which must know what is owed to it."""
        self.flush()
        self._by_uid.clear()
        self._by_id.clear()
        self._guests.forget()

    def _before(self, item: StoredObject) -> "_Shown":
        """What an object is shown as before it is written."""
        known = next((o for o in self._by_uid.get((item.account_id, item.uid), ()) if o.id == item.id), None)
        if known is not None:
            return _Shown.of(known)
        self._texts.write()
        row = self._connection.execute(_SHOWN, {"object_id": item.id}).first()
        return _Shown.of(item) if row is None else _Shown(replace(item, alone=row.alone).event_ids, row.privacy)

    def _count(self, key: str, before: Sequence[str], after: Sequence[str], **where: str) -> None:
        """Count what became of an object's events for one who sees them."""
        for event_id in before:
            if event_id not in after:
                self._changes.destroyed(key, Kind.EVENT, event_id)
        for event_id in after:
            if event_id in before:
                self._changes.updated(key, Kind.EVENT, event_id)
            else:
                self._changes.created(key, Kind.EVENT, event_id, **where)

    def _held(self, query: sa.Select[Any]) -> sa.Select[Any]:
        return _hold(query) if self._locks else query


def _hold(query: sa.Select[Any]) -> sa.Select[Any]:
    """In a write, hold what is read until its end: an object is read, worked on and written back as one text.

    Without it, of two answers that arrive at once one would be lost (`FOR NO KEY UPDATE` on PostgreSQL).
    """
    return query.with_for_update(key_share=True)


_OBJECT = schema.objects.c
_BY_ID = sa.select(schema.objects).where(_OBJECT.id == sa.bindparam("object_id"))
_BY_ID_HELD = _hold(_BY_ID)
_BY_UID = (
    sa.select(schema.objects)
    .where(_OBJECT.account_id == sa.bindparam("account_id"), _OBJECT.uid == sa.bindparam("uid"))
    .order_by(_OBJECT.instance)
)
_BY_UID_HELD = _hold(_BY_UID)
_CHANGING = frozenset(StoredObject.__slots__) - {"id", "created_at"}
_UPDATE = sa.update(schema.objects).where(_OBJECT.id == sa.bindparam("object_id"))
_SHOWN = sa.select(_OBJECT.alone, _OBJECT.privacy).where(_OBJECT.id == sa.bindparam("object_id"))
_SHARED_WITH = (
    sa.select(schema.calendar_shares.c.account_id)
    .join(
        schema.object_calendars,
        schema.object_calendars.c.calendar_id == schema.calendar_shares.c.calendar_id,
    )
    .where(schema.object_calendars.c.object_id == sa.bindparam("object_id"))
    .distinct()
)
