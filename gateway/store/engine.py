# SPDX-License-Identifier: Apache-2.0
"""One way in: `read(fn)` and `write(fn)`, where `fn(unit)` is a plain function doing one transaction.

On SQLite all writes of a process run in one thread that commits whatever has gathered in one go (group
commit; nobody meets "database is locked"), reads go through aiosqlite. On PostgreSQL both go through
asyncpg. A transaction function may run again after a conflict, so it must do nothing but talk to the
database. See docs/decisions/0003-store.md.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway.errors import Deferred, Misconfigured
from gateway.store.unit import Unit

T = TypeVar("T")
Transaction = Callable[[Unit], T]

BUSY_TIMEOUT = timedelta(seconds=10)
MAX_BATCH = 64
CONFLICT_RETRIES = 5
_CONFLICTS = {"40001", "40P01"}  # serialization_failure, deadlock_detected


class Store:
    """The database behind its two doors. Made by `open_store`, closed with `close`."""

    def __init__(self, engine: AsyncEngine, writer: "_SqliteWriter | None") -> None:
        self._engine = engine
        self._writer = writer

    @property
    def is_sqlite(self) -> bool:
        return self._writer is not None

    async def read(self, fn: Transaction[T]) -> T:
        """Run `fn` in a read transaction and return its result.

        Raises:
            Deferred: `store-busy` or `store-gone`; whatever `fn` raises passes through.
        """
        try:
            async with self._engine.connect() as connection:
                return await connection.run_sync(lambda sync: fn(Unit(sync)))
        except DBAPIError as error:
            raise _trouble(error) from error
        except PoolTimeout as error:
            raise Deferred("store-busy", "No connection to the database is free", cause=str(error)) from error
        except OSError as error:
            raise Deferred("store-gone", "The database cannot be reached", cause=str(error)) from error

    async def write(self, fn: Transaction[T]) -> T:
        """Run `fn` in a write transaction; when this returns, its effects are durable.

        Cancelling the caller does not undo a transaction that has begun.

        Raises:
            Deferred: `store-busy` or `store-gone`; whatever `fn` raises passes through, with nothing written.
        """
        if self._writer is not None:
            return await asyncio.shield(asyncio.wrap_future(self._writer.submit(fn)))
        return await asyncio.shield(self._write_pooled(fn))

    async def _write_pooled(self, fn: Transaction[T]) -> T:
        for attempt in range(CONFLICT_RETRIES):
            try:
                async with self._engine.begin() as connection:
                    return await connection.run_sync(lambda sync: fn(Unit(sync, locks=True)))
            except DBAPIError as error:
                if attempt + 1 < CONFLICT_RETRIES and _sqlstate(error) in _CONFLICTS:
                    continue
                raise _trouble(error) from error
            except PoolTimeout as error:
                raise Deferred("store-busy", "No connection to the database is free", cause=str(error)) from error
            except OSError as error:
                raise Deferred("store-gone", "The database cannot be reached", cause=str(error)) from error
        raise Deferred("store-busy", "The database is busy")

    async def close(self) -> None:
        """Finish what was submitted and let the database go."""
        if self._writer is not None:
            await asyncio.to_thread(self._writer.close)
        await self._engine.dispose()


def open_store(url: str, *, pool_size: int = 10, busy_timeout: timedelta = BUSY_TIMEOUT) -> Store:
    """Open the database at `url`; the schema is `gateway.store.migrate`'s business.

    `busy_timeout` is the longest wait for a lock of SQLite, or for a free connection to PostgreSQL.

    Raises:
        Misconfigured: for a URL that is neither `sqlite+aiosqlite:` nor `postgresql+asyncpg:`.
    """
    parsed = database_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_async_engine(parsed, pool_size=4, max_overflow=4)
        sa.event.listen(engine.sync_engine, "connect", _tuned_sqlite(busy_timeout))
        return Store(engine, _SqliteWriter(parsed, busy_timeout))
    engine = create_async_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        pool_timeout=busy_timeout.total_seconds(),
    )
    return Store(engine, None)


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


def _tuned_sqlite(busy_timeout: timedelta) -> Callable[[Any, object], None]:
    """Set on each connection what SQLite forgets: WAL, real durability, foreign keys, patience, and our own BEGIN."""

    def tune(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={busy_timeout // timedelta(milliseconds=1)}",
            "cache_size=-16384",
            "mmap_size=134217728",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return tune


@dataclass(slots=True)
class _Job:
    fn: Transaction[Any]
    future: "Future[Any]"
    result: Any = None


class _SqliteWriter:
    """The one writer thread of a process: gathers transactions and commits them together."""

    def __init__(self, url: URL, busy_timeout: timedelta) -> None:
        sync_url = url.set(drivername="sqlite+pysqlite")
        self._engine = sa.create_engine(sync_url, poolclass=sa.pool.StaticPool)
        sa.event.listen(self._engine, "connect", _tuned_sqlite(busy_timeout))
        sa.event.listen(self._engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, fn: Transaction[T]) -> "Future[T]":
        if self._closed:
            raise Deferred("shutting-down", "The store is closing")
        future: Future[T] = Future()
        self._jobs.put(_Job(fn, future))
        return future

    def close(self) -> None:
        self._closed = True
        self._jobs.put(None)
        self._thread.join()
        self._engine.dispose()

    def _run(self) -> None:
        while (batch := self._gather()) is not None:
            live = [job for job in batch if job.future.set_running_or_notify_cancel()]
            if len(live) > 1 and self._together(live):
                continue
            for job in live:
                self._alone(job)

    def _gather(self) -> list[_Job] | None:
        job = self._jobs.get()
        if job is None:
            return None
        batch = [job]
        while len(batch) < MAX_BATCH:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)  # seen again after this batch
                break
            batch.append(job)
        return batch

    def _together(self, batch: list[_Job]) -> bool:
        """Commit the batch as one; if any of it fails nothing is kept and each must run alone."""
        try:
            with self._engine.begin() as connection:
                for job in batch:
                    job.result = job.fn(Unit(connection))
        except BaseException:  # not swallowed: each job runs alone next and meets its own failure
            return False
        for job in batch:
            job.future.set_result(job.result)
        return True

    def _alone(self, job: _Job) -> None:
        try:
            with self._engine.begin() as connection:
                result = job.fn(Unit(connection))
        except DBAPIError as error:
            job.future.set_exception(_trouble(error))
        except BaseException as error:  # carried to the caller's await
            job.future.set_exception(error)
        else:
            job.future.set_result(result)


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
