# SPDX-License-Identifier: Apache-2.0
"""What asks for an answer by itself gets one, and automatic mail, lists and tired mail get none."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.flows.accounts import find_account
from gateway.flows.events import import_calendar
from tests.support.calendars import calendar, component
from tests.support.spoofed import World, open_world
from tests.support.spoofs import ALICE, BOB, CAROL, TEA, mail, reply, signed

ASKED = calendar(component(f"ORGANIZER:mailto:{CAROL}", f"ATTENDEE:mailto:{BOB}", uid="tea"), method="REFRESH")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


async def test_a_guest_who_asks_gets_the_current_state(world: World) -> None:
    [outcome] = (await world.receive(signed(mail(BOB, ASKED)))).outcomes
    assert (outcome.outcome, len(await world.owed())) == ("applied", 1)


async def test_the_organizer_is_asked_about_an_occurrence_that_is_not_here(world: World) -> None:
    lines = (f"ORGANIZER:mailto:{ALICE}", f"ATTENDEE:mailto:{CAROL}", "SEQUENCE:5", "DTSTART:20270101T150000Z")
    unknown = calendar(component(*lines, "RECURRENCE-ID:20270101T150000Z", uid="talk"), method="REQUEST")
    [outcome] = (await world.receive(signed(mail(ALICE, unknown)))).outcomes
    assert (outcome.outcome, outcome.rule) == ("refused", "request.no-such-instance")
    assert len(await world.owed()) == 1


@pytest.mark.parametrize(
    "headers",
    [("Precedence: bulk",), ("Received: x",) * 26, ("List-Id: <l.example.org>",)],
    ids=["bulk", "hops", "list"],
)
async def test_mail_that_may_loop_gets_no_answer(world: World, headers: tuple[str, ...]) -> None:
    await world.receive(signed(mail(BOB, ASKED, *headers)))
    assert not await world.owed()


async def test_the_journal_says_why_there_was_no_answer(world: World) -> None:
    await world.receive(signed(mail(BOB, ASKED, "Precedence: bulk")))
    [entry] = await world.context.store.read(lambda unit: unit.journal.recent(1))
    assert (entry.outcome, entry.rule) == ("ignored", "loops.list")


async def test_a_guest_who_asks_and_asks_is_answered_so_many_times_an_hour(world: World) -> None:
    """The limit is each guest's own, refusals are recorded and do not count, and the hour passes."""

    async def asked(number: int, who: str = BOB) -> tuple[str, str]:
        text = ASKED.replace(BOB, who).replace("UID:tea", f"UID:tea\r\nCOMMENT:{number}")
        [outcome] = (await world.receive(signed(mail(who, text)), mail_from=who)).outcomes
        return outcome.outcome, outcome.rule

    for number in range(6):
        assert await asked(number) == ("applied", "refresh.answered")
    for number in range(6, 9):
        assert await asked(number) == ("ignored", "loops.refreshes")
    world.clock.advance(timedelta(minutes=61))
    assert await asked(10) == ("applied", "refresh.answered")


@pytest.mark.parametrize(
    ("method", "rule"), [("REPLY", "reply.stale-sequence"), ("COUNTER", "counter.stale")], ids=["answer", "proposal"]
)
async def test_who_answers_an_old_time_is_sent_the_new_one_so_many_times_an_hour(
    world: World, method: str, rule: str
) -> None:
    """A yes to the time before is put right, and a robot that says it again and again is not talked to for ever."""
    carol = await find_account(world.context, CAROL)
    await import_calendar(world.context, carol, TEA.replace("20261201", "20261202"), send=False)
    told = []
    for number in range(8):
        old = reply(BOB, dtstamp=f"20261123T1100{number:02}Z").replace("METHOD:REPLY", f"METHOD:{method}")
        [outcome] = (await world.receive(signed(mail(BOB, old)))).outcomes
        assert (outcome.outcome, outcome.rule) == ("ignored", rule)
        owed = await world.owed()
        await world.context.store.write(lambda unit, owed=owed: [unit.tasks.finish(task.id) for task in owed])  # type: ignore[misc]  # bound at once
        told.append(len(owed))
    assert told == [1, 1, 1, 1, 1, 1, 0, 0]
    [entry] = await world.context.store.read(lambda unit: unit.journal.recent(1))
    assert "loops.refreshes" in entry.facts["not_answered"]
