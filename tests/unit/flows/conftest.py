# SPDX-License-Identifier: Apache-2.0
"""The small world of the flow tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.clock import SettableClock
from gateway.store.engine import Store
from tests.support.world import World, small_world


@pytest.fixture
async def world(store: Store, clock: SettableClock, tmp_path: Path) -> AsyncIterator[World]:
    async with small_world(store, clock, tmp_path) as world:
        yield world
