# SPDX-License-Identifier: Apache-2.0
"""A read that many ask for at once."""

import asyncio
from pathlib import Path

from gateway.store.engine import open_store
from gateway.store.shared import SharedRead
from gateway.store.unit import Unit


async def test_who_asks_meanwhile_shares_the_next_and_is_never_told_what_was_before(tmp_path: Path) -> None:
    store = open_store(f"sqlite+aiosqlite:///{tmp_path}/test.db")
    said = ["old"]
    reads: list[str] = []

    def read(_unit: Unit) -> str:
        reads.append(said[-1])
        return said[-1]

    shared = SharedRead(store, read)
    first = [asyncio.ensure_future(shared()) for _ in range(10)]
    assert await asyncio.gather(*first) == ["old"] * 10
    assert reads == ["old"]
    said.append("new")
    assert await asyncio.gather(*(shared() for _ in range(10))) == ["new"] * 10
    await store.close()


async def test_a_caller_that_goes_away_costs_the_others_nothing(tmp_path: Path) -> None:
    store = open_store(f"sqlite+aiosqlite:///{tmp_path}/test.db")
    shared = SharedRead(store, lambda _unit: "said")
    first, second = asyncio.ensure_future(shared()), asyncio.ensure_future(shared())
    await asyncio.sleep(0)
    first.cancel()
    assert await second == "said"
    assert await shared() == "said"
    await store.close()
