# SPDX-License-Identifier: Apache-2.0
"""How the database finds what a query looks at: an index for each way to ask."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.store.engine import open_store
from gateway.store.migrate import migrate
from gateway.store.outlines import Narrowing
from gateway.store.unit import Unit


@pytest.mark.parametrize(
    ("narrowing", "index"),
    [
        (Narrowing(("cal",), uid="u"), "uid"),
        (Narrowing(("cal",)), "ix_objects_window"),
    ],
)
async def test_one_uid_is_gone_to_and_not_looked_for(tmp_path: Path, narrowing: Narrowing, index: str) -> None:
    """Asked for an order as well, SQLite walked all starts of the account to find one event."""
    url = f"sqlite+aiosqlite:///{tmp_path}/test.db"
    await migrate(url)
    store = open_store(url)
    asked: list[tuple[str, Any]] = []

    def explained(unit: Unit) -> str:
        def listen(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            asked.append((statement, parameters))

        sa.event.listen(unit.connection, "before_cursor_execute", listen)
        unit.outlines.find("acc", narrowing)
        ((statement, parameters),) = [each for each in asked if each[0].startswith("SELECT")]
        plan = unit.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return "; ".join(row[3] for row in plan)

    plan = await store.read(explained)
    await store.close()
    assert ("uid=?" in plan) == (index == "uid"), plan
    assert ("ix_objects_window" in plan) == (index == "ix_objects_window"), plan
