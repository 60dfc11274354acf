# SPDX-License-Identifier: Apache-2.0
"""Bring a database to the present schema with Alembic: forward only, numbered steps in `migrations/versions`."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import URL

from gateway.errors import Deferred
from gateway.store.engine import database_url

_HERE = Path(__file__).parent / "migrations"


async def migrate(url: str) -> None:
    """Apply every step that the database does not have; safe when several processes start at once.

    Raises:
        Misconfigured: for a URL we cannot use.
        Deferred: `store-gone` when the database cannot be reached.
    """
    parsed = database_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    try:
        if parsed.get_backend_name() == "sqlite":
            _upgrade_sqlite(parsed)
        else:
            await _upgrade_postgresql(parsed)
    except (sa.exc.DBAPIError, OSError) as error:
        raise Deferred(
            "store-gone", "The database cannot be brought to the present schema", cause=str(error)
        ) from error


def head() -> str:
    """Return the newest step's number."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def upgrade(connection: sa.Connection) -> None:
    """Run the missing steps on an open connection, inside its transaction."""
    if MigrationContext.configure(connection).get_current_revision() == head():
        return
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _upgrade_sqlite(url: URL) -> None:
    engine = sa.create_engine(url.set(drivername="sqlite+pysqlite"), poolclass=sa.pool.NullPool)
    sa.event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as connection:  # the write lock makes a second starter wait, then find nothing to do
        upgrade(connection)


async def _upgrade_postgresql(url: URL) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(url, poolclass=sa.pool.NullPool)
    try:
        async with engine.begin() as connection:
            await connection.execute(sa.text("SELECT pg_advisory_xact_lock(7250123)"))
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()


def _config() -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(_HERE))
    return config
