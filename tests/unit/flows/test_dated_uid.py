# SPDX-License-Identifier: Apache-2.0
"""Exchange writes the day of an occurrence into its UID: by mail, too, it belongs to its series (interop Q44)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.calendars import calendar
from tests.support.spoofed import World, open_world
from tests.support.spoofs import ALICE, BOB, CAROL, event, mail, signed

PLAIN, DATED = (f"040000008200E00074C5B7101A82E008{day}11223344AABB" for day in ("00000000", "07EA0C08"))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        await world.know(ALICE)
        yield world


def sent(method: str, uid: str, *lines: str, sequence: int = 1) -> bytes:
    return signed(mail(ALICE, calendar(event(uid, ALICE, (CAROL, BOB), *lines, sequence=sequence), method=method)))


async def test_a_cancelled_occurrence_is_found_in_the_series(world: World) -> None:
    await world.receive(sent("REQUEST", PLAIN, "RRULE:FREQ=WEEKLY;COUNT=3"))
    off = sent("CANCEL", DATED, "RECURRENCE-ID:20261208T150000Z", "STATUS:CANCELLED", sequence=2)
    [outcome] = (await world.receive(off)).outcomes
    assert (outcome.outcome, outcome.rule, outcome.uid) == ("applied", "cancel.applied", PLAIN)
    assert (await world.events())[f"{CAROL} {PLAIN}"].count("STATUS:CANCELLED") == 1
