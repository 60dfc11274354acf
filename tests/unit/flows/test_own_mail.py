# SPDX-License-Identifier: Apache-2.0
"""What a person's own program sends is kept, and nobody gets it a second time from us, whichever came first."""

from datetime import timedelta

from gateway.flows.build_mails import Ready, build_due, queue
from gateway.flows.drafts import gather
from tests.support.submitted import GUEST, OTHER, answer, letter, submit
from tests.support.world import World, event

MEETING = event(GUEST)
LATER = event(GUEST, start="20260607T150000", sequence=1)
ASKED = answer("NEEDS-ACTION")
BOSS = "boss@partner.example"


async def test_mailed_then_stored(world: World) -> None:
    await submit(world, letter(MEETING, "REQUEST"))
    await world.change(MEETING)
    await world.work()
    assert world.sent(GUEST) == []


async def test_stored_then_mailed_before_a_worker_looked(world: World) -> None:
    await world.change(MEETING)
    await submit(world, letter(MEETING, "REQUEST"))
    await world.work()
    assert world.sent(GUEST) == []


async def test_stored_and_built_then_mailed(world: World) -> None:
    await world.change(MEETING)
    await build_due(world.context, worker="test")
    await submit(world, letter(MEETING, "REQUEST"))
    await world.work()
    assert world.sent(GUEST) == []


async def test_only_who_was_mailed_is_left_out(world: World) -> None:
    both = event(GUEST, OTHER)
    await world.change(both)
    await submit(world, letter(both, "REQUEST"), GUEST)
    await world.work()
    assert (world.sent(GUEST), world.methods(OTHER)) == ([], ["REQUEST"])


async def test_the_journal_says_who_sent_it(world: World) -> None:
    await world.change(MEETING)
    await submit(world, letter(MEETING, "REQUEST"))
    assert "recipient.sent-by-client" in [rule for rule, _ in await world.reasons()]


async def test_mailed_while_a_worker_builds_the_same(world: World) -> None:
    """The worker has claimed the task and gathered what it needs; the program's mail comes before it queues."""
    await world.change(MEETING)
    now, store = world.clock.now(), world.context.store
    (task,) = await store.write(lambda unit: unit.tasks.claim(now=now, lease=timedelta(minutes=5), by="w", limit=1))
    drafts = await store.read(lambda unit: gather(unit, world.context, task))
    ready = tuple(Ready(draft, draft.message_id, b"") for draft in drafts)
    await submit(world, letter(MEETING, "REQUEST"))
    await store.write(lambda unit: queue(unit, world.context, task, ready))
    await world.work()
    assert world.sent(GUEST) == []


async def test_an_update_mailed_then_stored(world: World) -> None:
    await world.change(MEETING)
    await world.work()
    await submit(world, letter(LATER, "REQUEST"))
    await world.change(LATER)
    await world.work()
    assert world.methods(GUEST) == ["REQUEST"]


async def test_an_update_stored_then_mailed(world: World) -> None:
    await world.change(MEETING)
    await world.work()
    await world.change(LATER)
    await submit(world, letter(LATER, "REQUEST"))
    await world.work()
    assert world.methods(GUEST) == ["REQUEST"]


async def test_a_cancellation_mailed_then_deleted(world: World) -> None:
    await submit(world, letter(MEETING, "REQUEST"))
    await submit(world, letter(event(GUEST, sequence=1, extra=("STATUS:CANCELLED",)), "CANCEL"))
    await world.change(None)
    await world.work()
    assert world.sent(GUEST) == []


async def test_deleted_then_a_cancellation_mailed(world: World) -> None:
    await submit(world, letter(MEETING, "REQUEST"))
    await world.change(None)
    await submit(world, letter(event(GUEST, sequence=1, extra=("STATUS:CANCELLED",)), "CANCEL"))
    await world.work()
    assert world.sent(GUEST) == []


async def test_an_answer_mailed_then_stored(world: World) -> None:
    await submit(world, letter(answer("ACCEPTED"), "REPLY"), BOSS)
    await world.change(answer("ACCEPTED"))
    await world.work()
    assert world.sent(BOSS) == []


async def test_an_answer_stored_then_mailed(world: World) -> None:
    await world.change(ASKED, send=False)
    await world.change(answer("ACCEPTED"))
    await submit(world, letter(answer("ACCEPTED"), "REPLY"), BOSS)
    await world.work()
    assert world.sent(BOSS) == []


async def test_another_answer_is_another_answer(world: World) -> None:
    """An answer has no SEQUENCE of its own: the second thought must go out even though the first was mailed."""
    await submit(world, letter(answer("ACCEPTED"), "REPLY"), BOSS)
    await world.change(answer("ACCEPTED"))
    await world.change(answer("DECLINED"))
    await world.work()
    assert world.methods(BOSS) == ["REPLY"]
    world.advance(minutes=1)
    await submit(world, letter(answer("ACCEPTED"), "REPLY"), BOSS)
    await world.change(answer("ACCEPTED"))
    await world.change(answer("TENTATIVE"))
    await world.work()
    assert world.methods(BOSS) == ["REPLY", "REPLY"]


async def test_a_change_after_the_mail_is_told(world: World) -> None:
    await submit(world, letter(MEETING, "REQUEST"))
    await world.change(LATER)
    await world.work()
    assert world.methods(GUEST) == ["REQUEST"]


async def test_an_answer_to_one_occurrence_is_kept_and_not_mailed_again(world: World) -> None:
    series = answer("ACCEPTED").replace("SUMMARY", "RRULE:FREQ=DAILY;COUNT=5\r\nSUMMARY")
    await world.change(series, send=False)
    once = answer("DECLINED").replace(
        "DTSTART;TZID=Europe/Berlin:20260607T120000",
        "RECURRENCE-ID;TZID=Europe/Berlin:20260609T120000\r\nDTSTART;TZID=Europe/Berlin:20260609T120000",
    )
    disposition = await submit(world, letter(once, "REPLY"), BOSS)
    assert [outcome.rule for outcome in disposition.outcomes] == ["outgoing.kept"]
    item = await world.item()
    assert item is not None
    assert item.ical.count("PARTSTAT=DECLINED") == item.ical.count("RECURRENCE-ID") == 1
    await world.change(item.ical)
    await world.work()
    assert world.sent(BOSS) == []
