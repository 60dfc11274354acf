# SPDX-License-Identifier: Apache-2.0
"""What a transaction on SQLite costs through our store, against SQLAlchemy over aiosqlite in the same run."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import process_time

from sqlalchemy.ext.asyncio import create_async_engine

from bench.measure import Line, ratio_of
from gateway.store.engine import open_store
from gateway.store.journal import Entry
from gateway.store.migrate import migrate
from gateway.store.sqlite import Transaction
from gateway.store.unit import Unit

ROUNDS, TIMES = 5, 100
_ENTRY = Entry(at=datetime(2026, 11, 23, tzinfo=UTC), stage="bench", outcome="none", rule="bench", reason="A row")


def run() -> list[Line]:
    """Measure a read of few and of many statements, and twenty writes at once."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'bench.db'}"
        return asyncio.run(_measured(url))


def _lookups(count: int) -> Transaction[None]:
    def fn(unit: Unit) -> None:
        for number in range(count):
            unit.objects.by_uid("nobody", f"uid-{number}")

    return fn


def _entry(unit: Unit) -> None:
    unit.journal.write(_ENTRY)
    unit.flush()


async def _measured(url: str) -> list[Line]:
    await migrate(url)
    ours, theirs = open_store(url), create_async_engine(url)
    alone = asyncio.Lock()  # SQLite has one writer, and the baseline no queue for it

    async def their_read(fn: Transaction[None]) -> None:
        async with theirs.connect() as connection:
            await connection.run_sync(lambda sync: fn(Unit(sync)))

    async def their_writes() -> None:
        await asyncio.gather(*(their_write() for _ in range(20)))

    async def their_write() -> None:
        async with alone, theirs.begin() as connection:
            await connection.run_sync(lambda sync: _entry(Unit(sync)))

    async def our_writes() -> None:
        await asyncio.gather(*(ours.write(_entry) for _ in range(20)))

    try:
        lines = []
        for count in (2, 20):
            fn = _lookups(count)
            lines.append(
                await _line(f"read of {count} statements", partial(ours.read, fn), partial(their_read, fn), TIMES)
            )
        return [*lines, await _line("20 writes at once", our_writes, their_writes, TIMES // 10)]
    finally:
        await theirs.dispose()
        await ours.close()


async def _line(
    what: str, ours: Callable[[], Awaitable[object]], theirs: Callable[[], Awaitable[object]], times: int
) -> Line:
    """Compare by processor time, in rounds that ran both."""
    spent: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(ROUNDS):
        for is_ours, work in ((True, ours), (False, theirs)):
            began = process_time()
            for _ in range(times):
                await work()
            spent[is_ours].append((process_time() - began) / times)
    note = f"ours {min(spent[True]) * 1e3:.2f} ms, theirs {min(spent[False]) * 1e3:.2f} ms"
    return Line(f"{what}: processor time", ratio_of(spent[False], spent[True]), "x less", 1.0, note=note)
