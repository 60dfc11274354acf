# SPDX-License-Identifier: Apache-2.0
"""Fixtures everybody may use: a store on both databases, a clock that stands still, ids that count."""

import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.clock import SettableClock
from gateway.ids import CountingIds
from gateway.store.engine import Store, open_store
from gateway.store.migrate import migrate
from tests.support.databases import lay_out
from tests.support.postgres import private_postgres, programs

_databases = count(1)


def missing(what: str) -> None:
    """Skip for want of a real server; in CI that is a failure, never a skip."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is not installed, and in CI it must be")
    pytest.skip(f"{what} is not installed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--regen", action="store_true", help="write golden files anew; read the difference before you commit"
    )


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(datetime(2026, 6, 1, 8, 0, tzinfo=UTC))


@pytest.fixture
def ids() -> CountingIds:
    return CountingIds()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A private PostgreSQL, one per test process; the URL has a `{database}` to fill in."""
    if programs() is None:
        missing("PostgreSQL")
    with private_postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A URL of a database that does not have a schema yet, on each kind of server."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/gateway.db"
    return str(request.getfixturevalue("postgres")).format(database=f"test_{os.getpid()}_{next(_databases)}")


async def create_database(url: str) -> None:
    parsed = sa.engine.make_url(url)
    if parsed.get_backend_name() != "postgresql":
        return
    engine = create_async_engine(parsed.set(database="postgres"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(sa.text(f'CREATE DATABASE "{parsed.database}"'))
    await engine.dispose()


@pytest.fixture
async def any_store(store_url: str) -> AsyncIterator[Store]:
    """A migrated store, once on SQLite and once on PostgreSQL."""
    await create_database(store_url)
    await migrate(store_url)
    store = open_store(store_url)
    yield store
    await store.close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A migrated store on SQLite."""
    store = open_store(await lay_out(tmp_path))
    yield store
    await store.close()
