# SPDX-License-Identifier: Apache-2.0
"""One way in: `read(fn)` and `write(fn)`, where `fn(unit)` is a plain function doing one transaction.

On SQLite all writes of a process run in one thread that commits whatever has gathered in one go (group
commit; nobody meets "database is locked"), reads in a few others (`sqlite.py`). On PostgreSQL both go through
asyncpg. A transaction function may run again after a conflict, so it must do nothing but talk to the
database. See docs/decisions/0003-store.md.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway.errors import Deferred, Misconfigured
from gateway.store.sqlite import Sqlite, Transaction
from gateway.store.unit import Unit

T = TypeVar("T")

BUSY_TIMEOUT = timedelta(seconds=10)
CONFLICT_RETRIES = 5
_CONFLICTS = {"40001", "40P01"}  # serialization_failure, deadlock_detected


class Store:
    """The database behind its two doors. Made by `open_store`, closed with `close`."""

    def __init__(self, database: "Sqlite | AsyncEngine") -> None:
        self._database = database

    @property
    def is_sqlite(self) -> bool:
        return isinstance(self._database, Sqlite)

    async def read(self, fn: Transaction[T]) -> T:
        """Run `fn` in a read transaction and return its result.

        Raises:
            Deferred: `store-busy` or `store-gone`; whatever `fn` raises passes through.
        """
        with _trouble_of_ours():
            if isinstance(self._database, Sqlite):
                return await self._database.read(fn)
            async with self._database.connect() as connection:
                return await connection.run_sync(lambda sync: fn(Unit(sync)))

    async def write(self, fn: Transaction[T]) -> T:
        """Run `fn` in a write transaction; when this returns, its effects are durable.

        Cancelling the caller does not undo a transaction that has begun.

        Raises:
            Deferred: `store-busy` or `store-gone`; whatever `fn` raises passes through, with nothing written.
        """
        if isinstance(self._database, Sqlite):
            with _trouble_of_ours():
                return await self._database.write(fn)
        return await asyncio.shield(_write_pooled(self._database, fn))

    async def close(self) -> None:
        """Finish what was submitted and let the database go."""
        if isinstance(self._database, Sqlite):
            await asyncio.to_thread(self._database.close)
        else:
            await self._database.dispose()


async def _write_pooled(engine: AsyncEngine, fn: Transaction[T]) -> T:
    """Write, and again where somebody else wrote the same at the same time."""
    for _ in range(CONFLICT_RETRIES - 1):
        try:
            with _trouble_of_ours():
                async with engine.begin() as connection:
                    return await connection.run_sync(_transacted, fn)
        except Deferred as error:
            if not isinstance(error.__cause__, DBAPIError) or _sqlstate(error.__cause__) not in _CONFLICTS:
                raise
    with _trouble_of_ours():
        async with engine.begin() as connection:
            return await connection.run_sync(_transacted, fn)


def _transacted(connection: sa.Connection, fn: Transaction[T]) -> T:
    unit = Unit(connection, locks=True)
    result = fn(unit)
    unit.flush()
    return result


def open_store(url: str, *, pool_size: int = 10, busy_timeout: timedelta = BUSY_TIMEOUT) -> Store:
    """Open the database at `url`; the schema is `gateway.store.migrate`'s business.

    `busy_timeout` is the longest wait for a lock of SQLite, or for a free connection to PostgreSQL.

    Raises:
        Misconfigured: for a URL that is neither `sqlite+aiosqlite:` nor `postgresql+asyncpg:`.
    """
    parsed = database_url(url)
    if parsed.get_backend_name() == "sqlite":
        return Store(Sqlite(parsed, busy_timeout))
    return Store(
        create_async_engine(
            parsed,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            pool_timeout=busy_timeout.total_seconds(),
        )
    )


def database_url(url: str) -> URL:
    """Parse a store URL.

    Raises:
        Misconfigured: `store-url`, with the two forms that are understood.
    """
    with contextlib.suppress(sa.exc.ArgumentError):
        parsed = make_url(url)
        if parsed.drivername in ("sqlite+aiosqlite", "postgresql+asyncpg"):
            return parsed
    raise Misconfigured("store-url", "store.url must begin with sqlite+aiosqlite:/// or postgresql+asyncpg://")


@contextlib.contextmanager
def _trouble_of_ours() -> Iterator[None]:
    """Say what a database's trouble is to whoever called."""
    try:
        yield
    except DBAPIError as error:
        raise _trouble(error) from error
    except PoolTimeout as error:
        raise Deferred("store-busy", "No connection to the database is free", cause=str(error)) from error
    except OSError as error:
        raise Deferred("store-gone", "The database cannot be reached", cause=str(error)) from error


def _sqlstate(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", "") or "")


def _trouble(error: DBAPIError) -> BaseException:
    """A database that is locked, full, gone or restarting is trouble of ours; anything else is a bug."""
    words = str(error.orig).lower()
    if "locked" in words or "busy" in words or _sqlstate(error) in _CONFLICTS:
        return Deferred("store-busy", "The database is busy", cause=words)
    gone = isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
    if gone and "no such table" not in words and "syntax error" not in words:
        return Deferred("store-gone", "The database is not available", cause=words)
    return error
