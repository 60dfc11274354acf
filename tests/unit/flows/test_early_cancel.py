# SPDX-License-Identifier: Apache-2.0
"""Mail does not keep its order: a cancellation that comes before its invitation is not lost (RFC 5546 §5.2.1)."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.flows.cleaning import clean
from gateway.flows.held import waiting
from tests.support.calendars import calendar
from tests.support.spoofed import World, open_world
from tests.support.spoofs import ALICE, BOB, CAROL, MALLORY, cancel, event, mail, signed

LUNCH = f"{CAROL} lunch"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        await world.know(ALICE)
        yield world


def invitation(sequence: int = 1, *extra: str) -> bytes:
    return signed(
        mail(ALICE, calendar(event("lunch", ALICE, (CAROL, BOB), *extra, sequence=sequence), method="REQUEST"))
    )


async def test_the_invitation_that_comes_late_is_kept_as_cancelled(world: World) -> None:
    [early] = (await world.receive(signed(mail(ALICE, cancel(uid="lunch"))))).outcomes
    assert (early.outcome, early.rule) == ("ignored", "cancel.unknown-uid")
    assert LUNCH not in await world.events()
    assert not await waiting(world.context)  # nobody has to decide anything
    [late] = (await world.receive(invitation())).outcomes
    assert (late.outcome, late.rule) == ("applied", "request.new")
    assert late.reason.endswith("Before that came: alice@example.org cancelled the event")
    assert "STATUS:CANCELLED" in (await world.events())[LUNCH]


async def test_an_invitation_that_is_newer_than_the_cancellation_stands(world: World) -> None:
    await world.receive(signed(mail(ALICE, cancel(uid="lunch"))))
    await world.receive(invitation(10))
    assert "STATUS:CANCELLED" not in (await world.events())[LUNCH]


async def test_one_occurrence_that_was_called_off_early_stays_off(world: World) -> None:
    off = cancel(uid="lunch").replace("STATUS:CANCELLED", "STATUS:CANCELLED\r\nRECURRENCE-ID:20261208T150000Z")
    await world.receive(signed(mail(ALICE, off)))
    await world.receive(invitation(1, "RRULE:FREQ=WEEKLY;COUNT=3"))
    text = (await world.events())[LUNCH]
    assert text.count("STATUS:CANCELLED") == 1
    assert "RECURRENCE-ID:20261208T150000Z" in text


async def test_a_stranger_cancels_nothing_in_advance(world: World) -> None:
    await world.receive(signed(mail(MALLORY, cancel(MALLORY, "lunch")), "evil.example"))
    await world.receive(invitation())
    assert "STATUS:CANCELLED" not in (await world.events())[LUNCH]


async def test_it_does_not_wait_for_ever(world: World) -> None:
    await world.receive(signed(mail(ALICE, cancel(uid="lunch"))))
    world.clock.advance(timedelta(days=400))
    await clean(world.context)
    await world.receive(invitation())
    assert "STATUS:CANCELLED" not in (await world.events())[LUNCH]
