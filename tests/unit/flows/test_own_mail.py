# SPDX-License-Identifier: Apache-2.0
"""What a person's own program sends is kept, and nobody gets it a second time from us, whichever came first."""

from datetime import timedelta

import pytest

from gateway.flows.build_mails import Ready, build_due, queue
from gateway.flows.drafts import gather
from tests.support.submitted import GUEST, OTHER, answer, letter, submit
from tests.support.world import World, event

MEETING = event(GUEST)
LATER = event(GUEST, start="20260607T150000", sequence=1)
ASKED = answer("NEEDS-ACTION")
BOSS = "boss@partner.example"
FILE = "--m\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment\r\n\r\n%PDF\r\n"


def ours(world: World, to: str = GUEST) -> list[str]:
    """The methods of what reached somebody in the gateway's own words; Ann's program marks its mails."""
    told = zip(world.sent(to), world.methods(to), strict=True)
    return [method for mail, method in told if b"\r\nMessage-ID: <own-" not in mail]


async def test_mailed_then_stored(world: World) -> None:
    await submit(world, letter(MEETING, "REQUEST"))
    await world.change(MEETING)
    await world.work()
    assert ours(world) == []


async def test_stored_then_mailed_before_a_worker_looked(world: World) -> None:
    await world.change(MEETING)
    await submit(world, letter(MEETING, "REQUEST"))
    await world.work()
    assert ours(world) == []


async def test_stored_and_built_then_mailed(world: World) -> None:
    await world.change(MEETING)
    await build_due(world.context, worker="test")
    await submit(world, letter(MEETING, "REQUEST"))
    await world.work()
    assert ours(world) == []


async def test_only_who_was_mailed_is_left_out(world: World) -> None:
    both = event(GUEST, OTHER)
    await world.change(both)
    await submit(world, letter(both, "REQUEST"), GUEST)
    await world.work()
    assert (ours(world), world.methods(OTHER)) == ([], ["REQUEST"])


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
    assert ours(world) == []


async def test_an_update_mailed_then_stored(world: World) -> None:
    await world.change(MEETING)
    await world.work()
    await submit(world, letter(LATER, "REQUEST"))
    await world.change(LATER)
    await world.work()
    await world.work()
    assert ours(world) == ["REQUEST"]


async def test_an_update_stored_then_mailed(world: World) -> None:
    await world.change(MEETING)
    await world.work()
    await world.change(LATER)
    await submit(world, letter(LATER, "REQUEST"))
    await world.work()
    assert ours(world) == ["REQUEST"]


async def test_a_cancellation_mailed_then_deleted(world: World) -> None:
    await submit(world, letter(MEETING, "REQUEST"))
    await submit(world, letter(event(GUEST, sequence=1, extra=("STATUS:CANCELLED",)), "CANCEL"))
    await world.change(None)
    await world.work()
    assert ours(world) == []


async def test_deleted_then_a_cancellation_mailed(world: World) -> None:
    await submit(world, letter(MEETING, "REQUEST"))
    await world.change(None)
    await submit(world, letter(event(GUEST, sequence=1, extra=("STATUS:CANCELLED",)), "CANCEL"))
    await world.work()
    assert ours(world) == []


async def test_an_answer_mailed_then_stored(world: World) -> None:
    await submit(world, letter(answer("ACCEPTED"), "REPLY"), BOSS)
    await world.change(answer("ACCEPTED"))
    await world.work()
    assert ours(world, BOSS) == []


async def test_an_answer_stored_then_mailed(world: World) -> None:
    await world.change(ASKED, send=False)
    await world.change(answer("ACCEPTED"))
    await submit(world, letter(answer("ACCEPTED"), "REPLY"), BOSS)
    await world.work()
    assert ours(world, BOSS) == []


async def test_another_answer_is_another_answer(world: World) -> None:
    """An answer has no SEQUENCE of its own: the second thought must go out even though the first was mailed."""
    await submit(world, letter(answer("ACCEPTED"), "REPLY"), BOSS)
    await world.change(answer("ACCEPTED"))
    await world.change(answer("DECLINED"))
    await world.work()
    assert ours(world, BOSS) == ["REPLY"]
    world.advance(minutes=1)
    await submit(world, letter(answer("ACCEPTED"), "REPLY"), BOSS)
    await world.change(answer("ACCEPTED"))
    await world.change(answer("TENTATIVE"))
    await world.work()
    assert ours(world, BOSS) == ["REPLY", "REPLY"]


async def test_a_change_after_the_mail_is_told(world: World) -> None:
    await submit(world, letter(MEETING, "REQUEST"))
    await world.change(LATER)
    await world.work()
    await world.work()
    assert ours(world) == ["REQUEST"]


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
    assert ours(world, BOSS) == []


async def test_what_we_have_just_told_is_not_passed_on_as_well(world: World) -> None:
    """Program and server both write, and the server was faster: the guest has the message already."""
    await world.change(MEETING)
    await world.work()
    disposition = await submit(world, letter(MEETING, "REQUEST"), GUEST, OTHER)
    assert disposition.consumed == {GUEST}, "the other was not told by us"
    assert ("outgoing.repeated", "We have just sent this guest the same message") in await world.reasons()
    await world.work()
    assert ours(world) == ["REQUEST"]
    assert len(world.sent(GUEST)) == 1


@pytest.mark.parametrize(
    ("header", "more", "minutes"),
    [("DKIM-Signature: v=1; b=x\r\n", "", 0), ("", FILE, 0), ("", "", 20)],
    ids=["signed", "with a file", "sent again later"],
)
async def test_what_a_person_may_have_meant_is_passed_on(world: World, header: str, more: str, minutes: int) -> None:
    await world.change(MEETING)
    await world.work()
    world.advance(minutes=minutes)
    data = letter(MEETING, "REQUEST", header=header).replace(b"--m--\r\n", more.encode() + b"--m--\r\n")
    disposition = await submit(world, data)
    await world.work()
    assert GUEST not in disposition.consumed or len(world.sent(GUEST)) == 2


async def test_a_mail_with_news_is_passed_on(world: World) -> None:
    await world.change(MEETING)
    await world.work()
    await submit(world, letter(event(GUEST, summary="Another plan"), "REQUEST"))
    await world.work()
    assert len(world.sent(GUEST)) == 2


async def test_what_could_not_be_delivered_is_passed_on(world: World) -> None:
    world.hop.fixed[f"rcpt:{GUEST}"] = "550 5.1.1 no such user"
    await world.change(MEETING)
    await world.work()
    del world.hop.fixed[f"rcpt:{GUEST}"]
    await submit(world, letter(MEETING, "REQUEST"))
    await world.work()
    assert len(world.sent(GUEST)) == 1


async def test_a_newer_message_of_ours_never_replaces_what_a_person_wrote(world: World) -> None:
    """The program's mail waits in the outbox with its links; the update comes after it, not instead of it."""
    await submit(world, letter(MEETING, "REQUEST"))
    await world.change(LATER)
    await world.work()
    await world.work()
    assert world.methods(GUEST) == ["REQUEST", "REQUEST"]
    assert ours(world) == ["REQUEST"]


async def test_answers_that_the_program_does_not_know_of_stay(world: World) -> None:
    """The guest answered here; the program's copy of the event is older than that."""
    await submit(world, letter(MEETING, "REQUEST"))
    await world.change(MEETING.replace("ATTENDEE;RSVP=TRUE", "ATTENDEE;PARTSTAT=ACCEPTED"), send=False)
    await submit(world, letter(event(GUEST, summary="Another plan", sequence=1), "REQUEST"))
    item = await world.item()
    assert item is not None
    assert ("Another plan" in item.ical, "PARTSTAT=ACCEPTED" in item.ical) == (True, True)
    await submit(world, letter(event(GUEST, start="20260607T150000", sequence=2), "REQUEST"))
    moved = await world.item()
    assert moved is not None
    assert "PARTSTAT=ACCEPTED" not in moved.ical, "a yes to another time is no yes"
