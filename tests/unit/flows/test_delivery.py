# SPDX-License-Identifier: Apache-2.0
"""The way out loses nothing and lies about nothing: every reply of the next hop, and a worker killed at each step."""

from datetime import timedelta

import pytest

from gateway.flows import queue
from gateway.flows.build_mails import build_due
from gateway.flows.delivery import deliver_due, xtext
from tests.support.nexthop import DROP
from tests.support.world import UID, World, event

GUEST = "guest@partner.example"


async def built(world: World) -> str:
    """One invitation in the outbox; its message row's id."""
    await world.change(event(GUEST))
    await build_due(world.context, worker="test")
    (row,) = await world.queue()
    return row.id


async def deliver(world: World, worker: str = "test") -> int:
    return await deliver_due(world.context, world.relay, worker=worker, chance=lambda: 0.5)


async def test_a_temporary_refusal_is_tried_again_and_arrives_once(world: World) -> None:
    await built(world)
    world.hop.plan["rcpt"] = ["450 4.2.0 mailbox busy"]
    await deliver(world)
    assert (await world.status(GUEST)).schedule_status == "1.0"
    assert await deliver(world) == 0, "not before its time"
    world.advance(minutes=2)
    await deliver(world)
    assert len(world.sent(GUEST)) == 1
    assert (await world.status(GUEST)).schedule_status == "1.1"


async def test_a_permanent_refusal_marks_the_guest_and_is_told_to_the_organizer_once(world: World) -> None:
    await built(world)
    world.hop.fixed[f"rcpt:{GUEST}"] = "550 5.1.1 no such user"
    await deliver(world)
    status = await world.status(GUEST)
    assert status.schedule_status.startswith("5.")  # type: ignore[union-attr]
    assert "no such user" in (status.status_text or "")
    await world.work()
    (notice,) = world.sent("ann@example.org")
    assert b"guest@partner.example" in notice
    assert b"Auto-Submitted: auto-generated" in notice
    for _ in range(3):
        world.advance(hours=5)
        await world.work()
    assert len(world.sent("ann@example.org")) == 1


async def test_a_dead_next_hop_is_given_up_after_the_set_time_and_not_before(world: World) -> None:
    await built(world)
    world.hop.plan["connect"] = ["421 4.3.2 closed"] * 500
    started = world.clock.now()
    states = []
    while world.clock.now() - started < timedelta(days=4):
        await deliver(world)
        states += [row.state for row in await world.queue(finished=True) if row.recipient == GUEST]
        world.advance(hours=4)
    assert states[0] == "retry"
    assert states[-1] == "failed"
    assert states.index("failed") >= 17, "three days of tries"


async def test_a_worker_that_dies_after_building_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between building and queueing: the task is still there, and the mail that leaves in the end is one."""
    await world.change(event(GUEST))
    original, calls = world.context.store.write, 0

    async def dying(fn):  # type: ignore[no-untyped-def]
        nonlocal calls
        calls += 1
        if calls == 2:  # the first claims, the second queues
            raise RuntimeError("killed")
        return await original(fn)

    monkeypatch.setattr(world.context.store, "write", dying)
    with pytest.raises(RuntimeError):
        await build_due(world.context, worker="dead")
    monkeypatch.undo()
    assert await build_due(world.context, worker="other") == 0, "the lease still holds"
    world.advance(minutes=6)
    await world.work()
    assert len(world.sent(GUEST)) == 1


async def test_a_worker_that_dies_after_handing_over_sends_the_same_message_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 5321 §6.1: the second copy has the same Message-ID and the same octets."""
    await built(world)
    original, calls = world.context.store.write, 0

    async def dying(fn):  # type: ignore[no-untyped-def]
        nonlocal calls
        calls += 1
        if calls == 2:  # the first claims, the second settles
            raise RuntimeError("killed")
        return await original(fn)

    monkeypatch.setattr(world.context.store, "write", dying)
    with pytest.raises(RuntimeError):
        await deliver(world, "dead")
    monkeypatch.undo()
    world.advance(minutes=6)
    await deliver(world, "other")
    first, second = world.sent(GUEST)
    assert first == second
    assert (await world.status(GUEST)).schedule_status == "1.1"


async def test_two_workers_do_not_take_the_same_mail(world: World) -> None:
    await built(world)
    import asyncio

    counts = await asyncio.gather(*(deliver(world, f"w{n}") for n in range(5)))
    assert sum(counts) == 1
    assert len(world.sent(GUEST)) == 1


async def test_order_is_kept_through_retries(world: World) -> None:
    """The update waits for the invitation that may have arrived: message 2 never overtakes message 1."""
    await built(world)
    world.hop.plan["dot"] = [DROP]
    await deliver(world)
    await world.change(event(GUEST, start="20260607T150000"))
    await build_due(world.context, worker="test")
    assert await deliver(world) == 0
    world.advance(minutes=2)
    await deliver(world)
    await deliver(world)
    subjects = [data.partition(b"Subject: ")[2][:7] for data in world.sent(GUEST)]
    assert subjects == [b"Invitat", b"Updated"]


@pytest.mark.parametrize(
    ("stage", "words"), [("rcpt", "450 4.2.0 busy"), ("connect", "421 4.3.2 closed"), ("rcpt", DROP), ("data", DROP)]
)
@pytest.mark.parametrize("end", [False, True])
async def test_what_the_next_hop_never_took_has_not_left(world: World, stage: str, words: str, *, end: bool) -> None:
    """While the hop is away, edits are one invitation, and an event that is gone again is none."""
    await built(world)
    world.hop.plan[stage] = [words] * 2  # a lost connection is mended once at once
    await deliver(world)
    assert (await world.queue())[0].state == "retry"
    await world.change(None if end else event(GUEST, start="20260607T150000"))
    world.hop.plan.clear()
    world.advance(minutes=5)
    for _ in range(2):
        await world.work()
    subjects = [data.partition(b"Subject: ")[2][:14] for data in world.sent(GUEST)]
    assert subjects == ([] if end else [b"Invitation: Pl"])


async def test_what_a_dead_worker_had_in_hand_may_have_left(world: World) -> None:
    """It was handed over, or not: so the end of the event is told, even though no reply was ever written down."""
    await built(world)
    lease = timedelta(minutes=5)
    await world.context.store.write(
        lambda unit: unit.outbox.claim(now=world.clock.now(), lease=lease, by="dead", limit=9)
    )
    world.advance(minutes=6)
    await world.change(None)
    for _ in range(3):
        await world.work()
    assert world.methods(GUEST) == ["REQUEST", "CANCEL"]


async def test_a_built_invitation_that_never_left_is_replaced(world: World) -> None:
    await built(world)
    await world.change(event(GUEST, start="20260607T150000"))
    await world.work()
    assert len(world.sent(GUEST)) == 1
    assert b"150000" in __import__("base64").b64decode(
        world.sent(GUEST)[0].partition(b"component=VEVENT")[2].partition(b"\r\n\r\n")[2].partition(b"--=_")[0]
    )


async def test_an_invitation_that_was_changed_before_it_left_is_an_invitation(world: World) -> None:
    """Its guest has not seen the mail before, so nothing "has changed", and there is nothing to answer to."""
    await built(world)
    await world.change(event(GUEST, start="20260607T150000"))
    await world.change(event(GUEST, start="20260607T160000"))
    await world.work()
    (mail,) = world.sent(GUEST)
    assert b"Subject: Invitation: Plan" in mail
    assert b"has changed" not in mail
    assert b"In-Reply-To" not in mail


async def test_a_built_invitation_that_never_left_is_not_cancelled_but_dropped(world: World) -> None:
    await built(world)
    await world.change(None)
    await world.work()
    await world.work()
    assert world.sent(GUEST) == []
    assert "outbox.annihilated" in [rule for rule, _ in await world.reasons()]
    assert await world.queue() == ()


async def test_a_guest_to_whom_it_may_have_gone_is_told_that_it_is_off(world: World) -> None:
    """A worker has the invitation in hand, or had it and died: an update is merged away, the end of it is not."""
    await world.change(event(GUEST))
    claimed = await world.context.store.write(
        lambda unit: unit.tasks.claim(now=world.clock.now(), lease=timedelta(minutes=5), by="dead", limit=9)
    )
    assert len(claimed) == 1
    await world.change(event(GUEST, start="20260607T150000"))
    await world.change(None)
    world.advance(minutes=6)
    for _ in range(3):
        await world.work()
    assert world.methods(GUEST) == ["REQUEST", "CANCEL"]


SERIES = "RRULE:FREQ=WEEKLY;COUNT=5"
MOVED = (
    "END:VEVENT", "BEGIN:VEVENT", f"UID:{UID}", "RECURRENCE-ID;TZID=Europe/Berlin:20260614T120000",
    "DTSTAMP:20260601T080000Z", "DTSTART;TZID=Europe/Berlin:20260614T170000", "DURATION:PT1H", "SUMMARY:Plan",
    "ORGANIZER;CN=Ann:mailto:ann@example.org", f"ATTENDEE;RSVP=TRUE:mailto:{GUEST}",
)  # fmt: skip


async def test_an_exception_that_goes_out_again_with_its_series_is_no_new_invitation(world: World) -> None:
    """Programs drop exceptions when the series changes (interop §2.8); its guest is told just that."""
    await world.change(event(GUEST, extra=(SERIES, *MOVED)))
    for _ in range(2):
        await world.work()
    await world.change(event(GUEST, summary="The plan", extra=(SERIES, *MOVED)))
    for _ in range(2):
        await world.work()
    first, exception, update, again = world.sent(GUEST)
    assert b"Subject: Invitation:" in first
    assert b"invites you to one event of a series" in exception
    assert b"Subject: Updated invitation:" in update
    assert b"Subject: Updated invitation:" in again
    assert b"Ann has changed this series of events." in again
    assert b"This is about one event of a series: Sunday, June 14, 2026." in again


@pytest.mark.parametrize(("acting", "named"), [("bob@example.org", True), ("eve@elsewhere.example", False)])
async def test_who_acts_for_the_organizer_stands_in_sender(world: World, acting: str, named: bool) -> None:
    meeting = event(GUEST).replace("ORGANIZER;CN=Ann", f'ORGANIZER;CN=Ann;SENT-BY="mailto:{acting}"')
    await world.change(meeting)
    await world.work()
    (mail,) = world.sent(GUEST)
    assert b"From: Ann <ann@example.org>\r\n" in mail
    assert (b"Sender: Bob <bob@example.org>\r\n" in mail) is named
    assert (b"\r\nSender:" in mail) is named
    assert b"Ann invites you to this event." in mail


async def test_what_a_colleague_changes_says_who_did_it(world: World) -> None:
    """Bob writes in Ann's calendar: the mail is hers, and says that he has done it."""
    await world.change(event(GUEST))
    await world.work()
    await world.change(event(GUEST, start="20260607T150000"), actor="bob@example.org")
    await world.work()
    await world.change(None, actor="bob@example.org")
    await world.work()
    first, update, cancel = world.sent(GUEST)
    assert b"\r\nSender:" not in first
    for mail, said in ((update, b"Bob has changed this event."), (cancel, b"Bob has canceled this event.")):
        assert b"From: Ann <ann@example.org>\r\nSender: Bob <bob@example.org>\r\n" in mail
        assert said in mail
        assert b"Organizer: Ann <ann@example.org>" in mail


async def test_hold_release_drop(world: World) -> None:
    message_id = await built(world)
    await queue.hold(world.context, message_id)
    assert await deliver(world) == 0
    await queue.release(world.context, message_id)
    assert await deliver(world) == 1
    await world.change(event(GUEST, start="20260607T150000"))
    await build_due(world.context, worker="test")
    (row,) = await world.queue()
    await queue.drop(world.context, row.id)
    assert await deliver(world) == 0
    assert len(world.sent(GUEST)) == 1


async def test_the_envelope_asks_for_reports_that_find_their_way_back(world: World) -> None:
    await built(world)
    await deliver(world)
    (taken,) = world.hop.taken
    assert "calendar-bounce+" in taken.mail
    assert "RET=HDRS" in taken.mail
    assert "ENVID=" in taken.mail
    assert "NOTIFY=FAILURE,DELAY" in taken.rcpts[0]
    assert f"ORCPT=rfc822;{GUEST}" in taken.rcpts[0]


def test_xtext() -> None:
    assert xtext("a+b=c d@x.example") == "a+2Bb+3Dc+20d@x.example"


@pytest.mark.parametrize(
    ("source", "used"), [("<h1>{{ event_title }} at ours</h1>", True), ("{{ event_title.nonsense }} at ours", False)]
)
async def test_an_administrator_s_own_page_for_invitations(world: World, source: str, used: bool) -> None:
    at = world.clock.now()
    await world.context.store.write(
        lambda unit: unit.settings.put("policy.scheduling.email_template", source, by="root", at=at)
    )
    await world.change(event(GUEST))
    await world.work()
    (mail,) = world.sent(GUEST)
    assert (b"<h1>Plan at ours</h1>" in mail) is used
