# SPDX-License-Identifier: Apache-2.0
"""Calendars and who may see them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.store import schema
from gateway.store.changes import Changes, Kind, log_key
from gateway.store.directory import PeopleLog, domain_key
from gateway.store.objects import event_ids
from gateway.store.rows import record, records, upsert, values


@dataclass(frozen=True, slots=True)
class Calendar:
    """A calendar of an account. `name` is its path segment at the CalDAV door."""

    id: str
    account_id: str
    name: str
    title: str
    is_default: bool
    created_at: datetime
    color: str | None = None
    time_zone: str | None = None
    is_subscribed: bool = True
    is_visible: bool = True
    sort_order: int = 0
    include_in_availability: str = "all"
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Share:
    """What another account may do with a calendar, and how it shows it."""

    calendar_id: str
    account_id: str
    rights: Mapping[str, bool]
    properties: Mapping[str, Any]


class Calendars:
    """The calendars of all accounts."""

    def __init__(self, connection: sa.Connection, changes: Changes, people: PeopleLog) -> None:
        self._connection = connection
        self._changes = changes
        self._people = people
        self._sharing: dict[str, bool] = {}

    def put(self, calendar: Calendar) -> None:
        """Store a calendar; making it the default takes that from the old one."""
        existed = self.get(calendar.id) is not None
        if calendar.is_default:
            own = (schema.calendars.c.account_id == calendar.account_id, schema.calendars.c.id != calendar.id)
            self._connection.execute(sa.update(schema.calendars).where(*own).values(is_default=False))
        upsert(self._connection, schema.calendars, values(calendar), keep=("created_at",))
        mark = self._changes.updated if existed else self._changes.created
        for key in self._watchers(calendar):
            mark(key, Kind.CALENDAR, calendar.id)

    def remove(self, calendar: Calendar) -> None:
        shares = self.shares(calendar.id)
        for key in self._watchers(calendar):
            self._changes.destroyed(key, Kind.CALENDAR, calendar.id)
        self._connection.execute(sa.delete(schema.calendars).where(schema.calendars.c.id == calendar.id))
        for share in shares:
            self._tell_sharee(calendar, share.account_id)

    def get(self, calendar_id: str) -> Calendar | None:
        return record(Calendar, self._first(schema.calendars.c.id == calendar_id))

    def by_name(self, account_id: str, name: str) -> Calendar | None:
        same = sa.and_(schema.calendars.c.account_id == account_id, schema.calendars.c.name == name)
        return record(Calendar, self._first(same))

    def default(self, account_id: str) -> Calendar | None:
        same = sa.and_(schema.calendars.c.account_id == account_id, schema.calendars.c.is_default)
        return record(Calendar, self._first(same))

    def of(self, account_id: str) -> tuple[Calendar, ...]:
        """Return an account's own calendars in their order."""
        table = schema.calendars
        query = sa.select(table).where(table.c.account_id == account_id)
        return records(
            Calendar, self._connection.execute(query.order_by(table.c.sort_order, table.c.title, table.c.id))
        )

    def shared_with(self, account_id: str) -> tuple[tuple[Calendar, Share], ...]:
        """Return the calendars of others that an account may see."""
        query = sa.select(schema.calendar_shares).where(schema.calendar_shares.c.account_id == account_id)
        shares = records(Share, self._connection.execute(query.order_by(schema.calendar_shares.c.calendar_id)))
        found = ((self.get(share.calendar_id), share) for share in shares)
        return tuple((calendar, share) for calendar, share in found if calendar is not None)

    def shares(self, calendar_id: str) -> tuple[Share, ...]:
        query = sa.select(schema.calendar_shares).where(schema.calendar_shares.c.calendar_id == calendar_id)
        return records(Share, self._connection.execute(query.order_by(schema.calendar_shares.c.account_id)))

    def is_sharing(self, account_id: str) -> bool:
        """Whether an account shares any calendar with anybody."""
        if account_id not in self._sharing:
            found = self._connection.execute(_IS_SHARING, {"account_id": account_id}).scalar()
            self._sharing[account_id] = bool(found)
        return self._sharing[account_id]

    def put_share(self, calendar: Calendar, share: Share) -> None:
        """Share a calendar with an account, or change what that account may do with it."""
        key = log_key(calendar.account_id, share.account_id)
        known = any(old.account_id == share.account_id for old in self.shares(calendar.id))
        self._sharing.clear()
        upsert(self._connection, schema.calendar_shares, values(share))
        self._tell_sharee(calendar, share.account_id)
        if known:
            self._changes.updated(key, Kind.CALENDAR, calendar.id)
            return
        self._changes.created(key, Kind.CALENDAR, calendar.id)
        for event_id in self._events_in(calendar.id):
            self._changes.created(key, Kind.EVENT, event_id)

    def remove_share(self, calendar: Calendar, account_id: str) -> None:
        """Share no longer; what the account does not see elsewhere is gone for it."""
        table = schema.calendar_shares
        same = (table.c.calendar_id == calendar.id, table.c.account_id == account_id)
        if self._connection.execute(sa.delete(table).where(*same)).rowcount == 0:
            return
        self._tell_sharee(calendar, account_id)
        key = log_key(calendar.account_id, account_id)
        self._changes.destroyed(key, Kind.CALENDAR, calendar.id)
        others = [shared.id for shared, _ in self.shared_with(account_id)]
        still = {event_id for other in others for event_id in self._events_in(other)}
        for event_id in self._events_in(calendar.id):
            if event_id not in still:
                self._changes.destroyed(key, Kind.EVENT, event_id)

    def _tell_sharee(self, calendar: Calendar, account_id: str) -> None:
        """Count for a sharee that the owner is to be shown otherwise; one of another domain comes and goes so."""
        table = schema.accounts.c
        pair = sa.select(table.id, table.address).where(table.id.in_((calendar.account_id, account_id)))
        domains = {domain_key(address) for _, address in self._connection.execute(pair)}
        shared = [each for each, _ in self.shared_with(account_id) if each.account_id == calendar.account_id]
        elsewhere = len(domains) > 1
        is_new = elsewhere and len(shared) == 1 and shared[0].id == calendar.id
        self._people.note(account_id, calendar.account_id, is_new=is_new, is_gone=elsewhere and not shared)

    def _watchers(self, calendar: Calendar) -> tuple[str, ...]:
        """Return the keys of the owner's changes and of everyone it is shared with."""
        viewers = (calendar.account_id, *(share.account_id for share in self.shares(calendar.id)))
        return tuple(log_key(calendar.account_id, viewer) for viewer in viewers)

    def _events_in(self, calendar_id: str) -> tuple[str, ...]:
        table, place = schema.objects.c, schema.object_calendars.c
        query = sa.select(table.id, table.alone).join_from(schema.objects, schema.object_calendars)
        rows = self._connection.execute(
            query.where(place.calendar_id == calendar_id, table.kind == "VEVENT").order_by(table.id)
        )
        return tuple(event_id for object_id, alone in rows for event_id in event_ids(object_id, alone))

    def _first(self, condition: sa.ColumnElement[bool]) -> Any:
        return self._connection.execute(sa.select(schema.calendars).where(condition)).first()


_IS_SHARING = sa.select(
    sa.exists()
    .where(schema.calendar_shares.c.calendar_id == schema.calendars.c.id)
    .where(schema.calendars.c.account_id == sa.bindparam("account_id"))
)
