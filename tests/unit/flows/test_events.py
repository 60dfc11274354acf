# SPDX-License-Identifier: Apache-2.0
"""A calendar that is imported again, as by a cron job from a calendar server that never hears of answers."""

from gateway.flows.events import import_calendar
from tests.support.world import World, event

GUEST = "guest@partner.example"


async def test_an_import_takes_no_answer_back(world: World) -> None:
    await import_calendar(world.context, world.ann, event(GUEST), send=True)
    await world.work()
    await world.change(event(GUEST).replace("ATTENDEE;RSVP=TRUE", "ATTENDEE;PARTSTAT=ACCEPTED"), send=False)
    await import_calendar(world.context, world.ann, event(GUEST, summary="Another plan"), send=True)
    await world.work()
    assert (await world.status(GUEST)).partstat == "ACCEPTED"
    assert world.methods(GUEST) == ["REQUEST", "REQUEST"]


async def test_an_import_that_says_nothing_new_sends_nothing(world: World) -> None:
    await import_calendar(world.context, world.ann, event(GUEST), send=True)
    await world.work()
    (result,) = await import_calendar(world.context, world.ann, event(GUEST), send=True)
    assert (result.messages, result.nothing) == (0, f"Nothing changed that {GUEST} needs to be told of")
