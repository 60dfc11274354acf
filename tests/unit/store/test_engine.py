# SPDX-License-Identifier: Apache-2.0
"""The store's doors: durable when they return, nothing half done, trouble is temporary."""

import asyncio
import contextlib
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.errors import Deferred, Misconfigured, Refused
from gateway.store import schema
from gateway.store.accounts import Account, Domain
from gateway.store.changes import Kind
from gateway.store.columns import metadata
from gateway.store.engine import Store, open_store
from gateway.store.journal import Entry
from gateway.store.migrate import migrate
from gateway.store.notifications import Notification
from gateway.store.unit import Unit

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


def domain(name: str) -> Domain:
    return Domain(name, {}, NOW)


async def test_what_was_written_is_read(any_store: Store) -> None:
    await any_store.write(lambda unit: unit.accounts.put_domain(domain("example.org")))
    assert await any_store.read(lambda unit: unit.accounts.domains()) == (domain("example.org"),)


async def test_a_failing_transaction_leaves_nothing(any_store: Store) -> None:
    def half(unit: Unit) -> None:
        unit.accounts.put_domain(domain("example.org"))
        raise Refused("stop", "half way")

    with pytest.raises(Refused):
        await any_store.write(half)
    assert await any_store.read(lambda unit: unit.accounts.domains()) == ()


async def test_concurrent_writers_do_not_hurt_each_other(any_store: Store) -> None:
    def add(number: int) -> None:
        def fn(unit: Unit) -> None:
            unit.accounts.put_domain(domain(f"d{number}.example"))
            if number % 10 == 7:
                raise Refused("stop", str(number))

        return fn  # type: ignore[return-value]

    results = await asyncio.gather(*(any_store.write(add(n)) for n in range(100)), return_exceptions=True)
    assert sum(isinstance(result, Refused) for result in results) == 10
    assert len(await any_store.read(lambda unit: unit.accounts.domains())) == 90


async def test_what_is_committed_together_is_counted_apart(any_store: Store) -> None:
    """Whoever was told the state after the first write must be told of the second."""
    account = Account("a1", "ann@example.org", "", None, None, None, {}, {}, False, False, NOW)
    await any_store.write(lambda unit: unit.accounts.add(account))

    def mark(unit: Unit) -> int:
        unit.changes.created("a1", Kind.EVENT, "e")
        return unit.changes.state("a1", Kind.EVENT)

    states = await asyncio.gather(*(any_store.write(mark) for _ in range(20)))
    assert len(set(states)) == 20


async def test_what_a_savepoint_took_back_is_not_remembered(any_store: Store) -> None:
    account = Account("a1", "ann@example.org", "", None, None, None, {}, {}, False, False, NOW)
    await any_store.write(lambda unit: unit.accounts.add(account))

    def fn(unit: Unit) -> tuple[str, ...]:
        with contextlib.suppress(Refused), unit.savepoint():
            unit.changes.created("a1", Kind.EVENT, "lost")
            unit.accounts.put_domain(domain("lost.example"))
            assert unit.accounts.domains()
            raise Refused("stop", "half way")
        unit.changes.created("a1", Kind.EVENT, "kept")
        return tuple(each.name for each in unit.accounts.domains())

    assert await any_store.write(fn) == ()
    state = await any_store.read(lambda unit: unit.changes.state("a1", Kind.EVENT))
    await any_store.write(lambda unit: unit.changes.created("a1", Kind.EVENT, "next"))
    assert await any_store.read(lambda unit: unit.changes.state("a1", Kind.EVENT)) == state + 1


async def test_what_waits_to_be_written_is_found_by_whoever_looks(any_store: Store) -> None:
    """Within the transaction that said it, and by the next mail of the same commit."""
    account = Account("a1", "ann@example.org", "", None, None, None, {}, {}, False, False, NOW)
    await any_store.write(lambda unit: unit.accounts.add(account))

    def fn(unit: Unit) -> tuple[int, int, bool, tuple[str, ...]]:
        unit.journal.write(Entry(NOW, "incoming", "applied", "r", "why", mail_id="m1"))
        unit.notifications.add(Notification("n1", "a1", "created", "o", {}, NOW))
        unit.held.remember("f1", "m1", {"headers": ""}, NOW)
        unit.held.remember("f1", "m2", {"headers": "x"}, NOW)
        unit.changes.updated("a1", Kind.NOTIFICATION, "n1")
        seen = unit.held.seen("f1")
        since = unit.changes.since("a1", Kind.NOTIFICATION, 0, 10)
        found = (len(unit.journal.trace("m1")), len(unit.notifications.of("a1")))
        return (
            *found,
            seen is not None and (seen.mail_id, seen.disposition) == ("m1", {"headers": "x"}),
            since.created,
        )

    assert await any_store.write(fn) == (1, 1, True, ("n1",))
    assert len(await any_store.read(lambda unit: unit.journal.trace("m1"))) == 1
    assert len(await any_store.read(lambda unit: unit.notifications.of("a1"))) == 1


async def test_what_a_failed_savepoint_said_is_not_written(any_store: Store) -> None:
    def fn(unit: Unit) -> None:
        unit.journal.write(Entry(NOW, "change", "applied", "r", "kept", mail_id="m1"))
        with contextlib.suppress(Refused), unit.savepoint():
            unit.journal.write(Entry(NOW, "change", "applied", "r", "lost", mail_id="m1"))
            raise Refused("stop", "half way")

    await any_store.write(fn)
    assert [entry.reason for entry in await any_store.read(lambda unit: unit.journal.trace("m1"))] == ["kept"]


async def test_a_read_sees_one_moment(store: Store) -> None:
    """What somebody else commits while a read goes on is not seen by it."""
    began, written = threading.Event(), threading.Event()

    def twice(unit: Unit) -> tuple[int, int]:
        before = len(unit.accounts.all())
        began.set()
        written.wait(10)
        return before, len(unit.accounts.all())

    reading = asyncio.ensure_future(store.read(twice))
    await asyncio.to_thread(began.wait, 10)
    account = Account("a1", "ann@example.org", "", None, None, None, {}, {}, False, False, NOW)
    await store.write(lambda unit: unit.accounts.add(account))
    written.set()
    assert await reading == (0, 0)


async def test_a_cancelled_caller_does_not_undo_the_write(store: Store) -> None:
    task = asyncio.ensure_future(store.write(lambda unit: unit.accounts.put_domain(domain("example.org"))))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.write(lambda unit: None)  # everything submitted before has been done
    assert len(await store.read(lambda unit: unit.accounts.domains())) == 1


async def test_a_locked_database_is_temporary(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/gateway.db"
    await migrate(url)
    store = open_store(url, busy_timeout=timedelta(milliseconds=50))
    other = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Deferred) as caught:
        await store.write(lambda unit: unit.accounts.put_domain(domain("example.org")))
    assert caught.value.code == "store-busy"
    other.execute("ROLLBACK")
    await store.write(lambda unit: unit.accounts.put_domain(domain("example.org")))
    await store.close()
    other.close()


async def test_no_free_connection_is_temporary(postgres: str) -> None:
    """A pool of one may grow to two; somebody else holds what both wait for, so the third door finds none."""
    url = postgres.format(database="postgres")
    store = open_store(url, pool_size=1, busy_timeout=timedelta(milliseconds=200))
    lock = sa.text("SELECT pg_advisory_lock(72)")
    holder = create_async_engine(url)
    async with holder.connect() as connection:
        await connection.execute(lock)
        doors = (store.read, store.read, store.write)
        tasks = [asyncio.ensure_future(door(lambda unit: unit.connection.execute(lock).scalar())) for door in doors]
        done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        failures = [task.exception() for task in done]
        assert [isinstance(failure, Deferred) and failure.code for failure in failures] == ["store-busy"]
    for task in waiting:
        task.cancel()
    await store.close()
    await holder.dispose()


async def test_a_database_that_is_gone_is_temporary(tmp_path: Path) -> None:
    store = open_store(f"postgresql+asyncpg://nobody@/none?host={tmp_path}")
    for door in (store.read, store.write):
        with pytest.raises(Deferred) as caught:
            await door(lambda unit: unit.accounts.domains())
        assert caught.value.code == "store-gone"
    await store.close()


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite:///x.db", "nonsense", ""])
def test_other_databases_are_refused_at_start(url: str) -> None:
    with pytest.raises(Misconfigured):
        open_store(url)


async def test_the_steps_lead_to_the_schema(any_store: Store) -> None:
    """The migration steps and schema.py say the same; starting twice changes nothing."""
    difference = await any_store.read(
        lambda unit: compare_metadata(MigrationContext.configure(unit.connection), metadata)
    )
    assert difference == []


async def test_starters_at_the_same_time_migrate_once(store_url: str) -> None:
    from tests.conftest import create_database

    await create_database(store_url)
    await asyncio.gather(*(migrate(store_url) for _ in range(3)))
    store = open_store(store_url)
    assert await store.read(lambda unit: unit.accounts.all()) == ()
    await store.close()


async def test_foreign_keys_hold(any_store: Store) -> None:
    def orphan(unit: Unit) -> None:
        unit.connection.execute(sa.insert(schema.aliases).values(address="a@example.org", account_id="nobody"))

    with pytest.raises(sa.exc.IntegrityError):
        await any_store.write(orphan)


async def test_an_address_belongs_to_one_account(any_store: Store) -> None:
    def account(number: int, address: str) -> Account:
        return Account(f"a{number}", address, "", None, None, None, {}, {}, False, False, NOW)

    await any_store.write(lambda unit: unit.accounts.add(account(1, "ann@example.org"), ("a@example.org",)))
    with pytest.raises(Refused) as caught:
        await any_store.write(lambda unit: unit.accounts.add(account(2, "a@example.org")))
    assert caught.value.code == "address-taken"
    found = await any_store.read(lambda unit: unit.accounts.by_address("ann+list@example.org"))
    assert found is not None
    assert found.id == "a1"
