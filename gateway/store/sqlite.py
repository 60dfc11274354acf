# SPDX-License-Identifier: Apache-2.0
"""SQLite behind the store: one writer thread that commits what has gathered in one go, and a few reader threads.

A transaction is one hop to a thread and one back, however many statements it has. The jobs of one commit share a
`Unit`, so what one of them has read (accounts, settings, the event that all answer) the next need not read again.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL

from gateway.errors import Deferred
from gateway.store.unit import Unit

T = TypeVar("T")
Transaction = Callable[[Unit], T]

MAX_BATCH = 64
READERS = 4


@dataclass(slots=True)
class _Job:
    fn: Transaction[Any]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"
    result: Any = None
    error: BaseException | None = None

    def deliver(self) -> None:
        if self.future.done():  # whoever waited has gone; what was done stays done
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Sqlite:
    """The threads of one process and their connections."""

    def __init__(self, url: URL, busy_timeout: timedelta) -> None:
        sync_url = url.set(drivername="sqlite+pysqlite")
        self._writing = sa.create_engine(sync_url, poolclass=sa.pool.StaticPool)
        self._reading = sa.create_engine(sync_url, poolclass=sa.pool.QueuePool, pool_size=READERS)
        for engine, begin in ((self._writing, "BEGIN IMMEDIATE"), (self._reading, "BEGIN")):
            sa.event.listen(engine, "connect", _tuned(busy_timeout))
            sa.event.listen(engine, "begin", _begins_with(begin))
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def read(self, fn: Transaction[T]) -> T:
        """Run `fn` on one snapshot of the database."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, fn)

    def _read(self, fn: Transaction[T]) -> T:
        with self._reading.connect() as connection:
            return fn(Unit(connection))

    async def write(self, fn: Transaction[T]) -> T:
        """Run `fn` in the writer thread; when this returns, its effects are durable."""
        if self._closed:
            raise Deferred("shutting-down", "The store is closing")
        loop = asyncio.get_running_loop()
        job = _Job(fn, loop, loop.create_future())
        self._jobs.put(job)
        result: T = await job.future
        return result

    def close(self) -> None:
        self._closed = True
        self._jobs.put(None)
        self._thread.join()
        self._readers.shutdown()
        self._writing.dispose()
        self._reading.dispose()

    def _run(self) -> None:
        while (batch := self._gather()) is not None:
            if len(batch) == 1 or not self._together(batch):
                for job in batch:
                    self._alone(job)
            _deliver(batch)

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
            with self._writing.begin() as connection:
                unit = Unit(connection)
                for job in batch:
                    job.result = job.fn(unit)
                    unit.next_job()
                unit.flush()
        except BaseException:  # not swallowed: each job runs alone next and meets its own failure
            return False
        return True

    def _alone(self, job: _Job) -> None:
        try:
            with self._writing.begin() as connection:
                unit = Unit(connection)
                job.result = job.fn(unit)
                unit.flush()
        except BaseException as error:  # carried to the caller's await
            job.error = error


def _deliver(batch: list[_Job]) -> None:
    """Hand all results of a commit back: each event loop is woken once."""
    for loop in {job.loop for job in batch}:
        mine = [job for job in batch if job.loop is loop]
        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            loop.call_soon_threadsafe(_deliver_here, mine)


def _deliver_here(jobs: list[_Job]) -> None:
    for job in jobs:
        job.deliver()


def _begins_with(statement: str) -> Callable[[sa.Connection], None]:
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(statement)

    return begin


def _tuned(busy_timeout: timedelta) -> Callable[[Any, object], None]:
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
