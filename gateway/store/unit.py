# SPDX-License-Identifier: Apache-2.0
"""The unit of work: one transaction with the repositories on it. Synchronous; lives inside `Store.read` or `write`."""

import contextlib
from collections.abc import Iterator
from functools import cached_property

import sqlalchemy as sa

from gateway.store.accounts import Accounts
from gateway.store.alarms import Alarms
from gateway.store.alerts import AlertLooks
from gateway.store.blobs import StoredBlobs
from gateway.store.calendars import Calendars
from gateway.store.changes import Changes
from gateway.store.directory import PeopleLog
from gateway.store.guests import Guests
from gateway.store.held import HeldMails
from gateway.store.journal import Journal
from gateway.store.links import Links
from gateway.store.notifications import Notifications
from gateway.store.objects import Objects
from gateway.store.outbox import Outbox
from gateway.store.outlines import Outlines
from gateway.store.sent import SentMails
from gateway.store.settings import RuntimeSettings
from gateway.store.tasks import Tasks


class Unit:
    """One transaction. Repositories share its connection and vanish with it."""

    def __init__(self, connection: sa.Connection, *, locks: bool = False) -> None:
        self.connection = connection
        self._locks = locks  # whoever reads an object here is about to write it; SQLite has one writer anyway

    def next_job(self) -> None:
        """Another job goes on in the same transaction: what was read stays known, its changes are its own."""
        self.changes.next_job()

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """Do what follows whole or not at all; where it fails, nothing of it is remembered either."""
        kept = False
        self.flush()
        try:
            with self.connection.begin_nested():
                yield
                self.flush()
            kept = True
        finally:
            if not kept:
                self._forget()

    def flush(self) -> None:
        """Write what still waits to be written: before the commit."""
        for name in ("objects", "guests", "changes", "notifications", "held", "journal"):
            repository = vars(self).get(name)
            if repository is not None:
                repository.flush()

    def _forget(self) -> None:
        for name in set(vars(self)) - {"connection", "_locks"}:
            delattr(self, name)

    @cached_property
    def changes(self) -> Changes:
        return Changes(self.connection)

    @cached_property
    def people(self) -> PeopleLog:
        return PeopleLog(self.connection)

    @cached_property
    def accounts(self) -> Accounts:
        return Accounts(self.connection, self.changes, self.people)

    @cached_property
    def calendars(self) -> Calendars:
        return Calendars(self.connection, self.changes, self.people)

    @cached_property
    def objects(self) -> Objects:
        return Objects(self.connection, self.changes, self.guests, self.calendars.is_sharing, locks=self._locks)

    @cached_property
    def guests(self) -> Guests:
        return Guests(self.connection)

    @property
    def outlines(self) -> Outlines:
        """The same objects, looked at in the database itself."""
        self.objects.flush()
        self.guests.flush()
        return Outlines(self.connection)

    @cached_property
    def notifications(self) -> Notifications:
        return Notifications(self.connection, self.changes)

    @cached_property
    def tasks(self) -> Tasks:
        return Tasks(self.connection)

    @cached_property
    def outbox(self) -> Outbox:
        return Outbox(self.connection)

    @cached_property
    def sent(self) -> SentMails:
        return SentMails(self.connection)

    @cached_property
    def blobs(self) -> StoredBlobs:
        return StoredBlobs(self.connection)

    @cached_property
    def links(self) -> Links:
        return Links(self.connection)

    @cached_property
    def alarms(self) -> Alarms:
        return Alarms(self.connection)

    @cached_property
    def alerts(self) -> AlertLooks:
        return AlertLooks(self.connection)

    @cached_property
    def held(self) -> HeldMails:
        return HeldMails(self.connection, self.changes)

    @cached_property
    def journal(self) -> Journal:
        return Journal(self.connection)

    @cached_property
    def settings(self) -> RuntimeSettings:
        return RuntimeSettings(self.connection)
