# SPDX-License-Identifier: Apache-2.0
"""A stored change ends in mail, in an error, or in a recorded sentence; never in silence, never in half."""

import email
from pathlib import Path

import pytest

from gateway.clock import SettableClock
from gateway.errors import Refused
from gateway.flows.calendar_change import ChangeRequest, ChangeResult, change_object
from gateway.itip.tree import parse_tree
from gateway.store.engine import Store
from gateway.store.journal import Entry
from gateway.store.unit import Unit
from tests.support.submitted import answer
from tests.support.world import UID, World, event, small_world

GUEST = "guest@partner.example"


async def test_an_invitation_leaves_and_the_colleague_has_it_at_once(world: World) -> None:
    result = await world.change(event("ann@example.org", "bob@example.org", GUEST))
    assert (result.messages, result.nothing) == (2, None)
    (task,) = await world.queue()
    assert task.kind == "CalendarItipMessage"
    assert (await world.status(GUEST)).schedule_status == "1.0"
    copy = await world.item(world.bob)
    assert copy is not None
    assert not copy.is_origin
    notes = await world.context.store.read(lambda unit: unit.notifications.of(world.bob.id))
    assert [note.type for note in notes] == ["created"]
    await world.work()
    assert world.methods("bob@example.org") == world.methods(GUEST) == ["REQUEST"]
    assert world.methods("ann@example.org") == []
    assert (await world.status(GUEST)).schedule_status == "1.1"
    assert await world.queue() == ()


@pytest.mark.parametrize(
    ("case", "rule"),
    [
        ("not asked", "change.not-asked"),
        ("draft", "change.draft"),
        ("nobody to tell", None),
        ("past", None),
        ("permission", "scheduling.not-permitted"),
    ],
)
async def test_no_mail_always_says_why(world: World, case: str, rule: str | None) -> None:
    guests = () if case == "nobody to tell" else (GUEST,)
    start = "20200101T120000" if case == "past" else "20260607T120000"
    account = world.ann
    if case == "permission":
        from dataclasses import replace

        account = replace(world.ann, permissions={"scheduling-send": False})
    result = await world.change(
        event(*guests, start=start), send=case != "not asked", is_draft=case == "draft", account=account
    )
    assert result.messages == 0
    assert result.nothing
    assert rule is None or result.rule == rule
    assert await world.item() is not None, "the change is stored all the same"
    assert (result.rule, result.nothing) in await world.reasons()
    assert await world.work() == 0
    assert world.hop.taken == []


async def test_scheduling_switched_off_is_said(store: Store, clock: SettableClock, tmp_path: Path) -> None:
    async with small_world(store, clock, tmp_path, "[policy.scheduling]\nenable = false\n") as world:
        result = await world.change(event(GUEST))
        assert result.rule == "scheduling.disabled"
        assert await world.queue() == ()


@pytest.mark.parametrize("address", ["urn:uuid:1", "invalid:nomail", "mailto:nobody"])
async def test_a_guest_who_cannot_be_reached_refuses_the_whole_change(world: World, address: str) -> None:
    with pytest.raises(Refused) as caught:
        await world.change(event(GUEST, address))
    assert caught.value.code == "no-supported-schedule-methods"
    assert await world.item() is None
    assert await world.queue() == ()


async def test_outside_guests_may_be_denied_and_each_refusal_is_recorded(
    store: Store, clock: SettableClock, tmp_path: Path
) -> None:
    policy = '[policy.external_recipients]\ninvitations = "deny"\n'
    async with small_world(store, clock, tmp_path, policy) as world:
        result = await world.change(event("bob@example.org", GUEST))
        await world.work()
        assert result.messages == 1
        assert world.sent(GUEST) == []
        assert "recipient.denied" in [rule for rule, _ in await world.reasons()]


async def test_too_many_recipients_refuse_the_change(store: Store, clock: SettableClock, tmp_path: Path) -> None:
    async with small_world(store, clock, tmp_path, "[policy.scheduling]\nmax_recipients = 2\n") as world:
        with pytest.raises(Refused):
            await world.change(event("x@a.example", "y@a.example", "z@a.example"))
        assert await world.item() is None


async def test_messages_of_an_hour_are_counted_whether_built_or_not(
    store: Store, clock: SettableClock, tmp_path: Path
) -> None:
    """A burst of events within the time that mails wait for further edits is no way round the limit."""
    async with small_world(store, clock, tmp_path, "[policy.limits]\nmessages_per_hour = 5\n") as world:

        def invite(unit: Unit, uid: str) -> ChangeResult:
            meeting = parse_tree(event(GUEST, "x@a.example").replace(UID, uid))
            return change_object(unit, world.context, ChangeRequest(account=world.ann, ical=meeting, send=True))

        def two_at_once(unit: Unit) -> None:
            assert invite(unit, "one").messages == invite(unit, "two").messages == 2

        await store.write(two_at_once)
        with pytest.raises(Refused) as caught:
            await store.write(lambda unit: invite(unit, "three"))
        assert caught.value.context["rule"] == "limit.messages-per-hour"
        await world.work()
        with pytest.raises(Refused):
            await store.write(lambda unit: invite(unit, "three"))
        world.advance(minutes=61)
        await store.write(lambda unit: invite(unit, "three"))


async def test_an_update_reaches_both_and_a_removed_guest_gets_a_cancel_alone(world: World) -> None:
    await world.change(event("bob@example.org", GUEST))
    await world.work()
    await world.change(event("bob@example.org", GUEST, start="20260607T150000"))
    await world.work()
    await world.change(event("bob@example.org", start="20260607T150000"))
    await world.work()
    assert world.methods(GUEST) == ["REQUEST", "REQUEST", "CANCEL"]
    assert "CANCEL" not in world.methods("bob@example.org")


@pytest.mark.parametrize(
    ("asked_by", "written"),
    [("<ask-1@partner.example>", "<ask-1@partner.example>"), ("ask-1@partner.example", "<ask-1@partner.example>"),
     ("<x>\r\nBcc: eve@x.example", None), ("<a b@x>", None)],
)  # fmt: skip
async def test_an_answer_hangs_on_the_invitation_that_it_answers(
    world: World, asked_by: str, written: str | None
) -> None:
    boss = "boss@partner.example"
    entry = Entry(
        world.clock.now(), "incoming", "applied", "request.new", "", message_id=asked_by, account_id=world.ann.id,
        uid=UID, method="REQUEST",
    )  # fmt: skip
    await world.context.store.write(lambda unit: unit.journal.write(entry))
    await world.change(answer("NEEDS-ACTION"), send=False)
    await world.change(answer("ACCEPTED"))
    await world.work()
    (mail,) = world.sent(boss)
    header = email.message_from_bytes(mail)
    assert (header["In-Reply-To"], header["References"], header["Bcc"]) == (written, written, None)


async def test_message_ids_differ_and_hang_together(world: World) -> None:
    await world.change(event(GUEST))
    await world.work()
    await world.change(event(GUEST, start="20260607T150000"))
    await world.work()
    first, second = world.sent(GUEST)
    message_id = first.partition(b"Message-ID: ")[2].partition(b"\r\n")[0]
    assert message_id not in second.partition(b"Message-ID: ")[2].partition(b"\r\n")[0]
    assert message_id in second.partition(b"In-Reply-To:")[2].partition(b"\r\n")[0]


async def test_deleting_cancels_for_everyone_and_revokes_links(world: World) -> None:
    await world.change(event("bob@example.org", GUEST))
    await world.work()
    item = await world.item()
    assert item is not None
    result = await world.change(None)
    await world.work()
    assert result.messages == 2
    assert world.methods(GUEST)[-1] == "CANCEL"
    copy = await world.item(world.bob)
    assert copy is not None
    assert copy.status == "CANCELLED"
    links = await world.context.store.read(lambda unit: unit.links.of_object(item.id))
    assert all(link.revoked_at for link in links)


async def test_a_guest_removed_before_the_invitation_left_hears_nothing_and_it_is_said(world: World) -> None:
    await world.change(event(GUEST))
    result = await world.change(None)
    assert (result.messages, result.rule) == (0, "outbox.annihilated")
    assert result.nothing
    await world.work()
    assert world.sent(GUEST) == []


async def test_an_attendees_answer_goes_to_the_organizer_and_arrives(world: World) -> None:
    await world.change(event("bob@example.org", GUEST))
    await world.work()
    copy = await world.item(world.bob)
    assert copy is not None
    answered = "\r\n".join(
        line.replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED") if "bob@example.org" in line else line
        for line in copy.ical.replace("\r\n ", "").split("\r\n")
    )
    result = await world.change(answered, account=world.bob)
    await world.work()
    assert result.messages == 1
    assert world.methods("ann@example.org") == ["REPLY"]
    assert (await world.status("bob@example.org")).partstat == "ACCEPTED"


async def test_a_change_and_its_task_stand_or_fall_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction dies after everything was written and before the commit: nothing of it is there."""
    original = world.context.store.write

    async def dying(fn):  # type: ignore[no-untyped-def]
        def and_die(unit):  # type: ignore[no-untyped-def]
            fn(unit)
            raise RuntimeError("power cut")

        return await original(and_die)

    monkeypatch.setattr(world.context.store, "write", dying)
    with pytest.raises(RuntimeError):
        await world.change(event(GUEST))
    monkeypatch.undo()
    assert await world.item() is None
    assert await world.queue() == ()


async def test_what_was_cancelled_and_is_here_again_counts_on(world: World) -> None:
    """RFC 5546 §2.1.4: under its old SEQUENCE the invitation is older than the cancellation, and ignored as such."""
    await world.change(event("ann@example.org", "bob@example.org", GUEST))
    await world.work()
    await world.change(None)
    await world.work()
    cancelled = await world.item(world.bob)
    assert cancelled is not None
    assert cancelled.status == "CANCELLED"
    world.advance(minutes=1)
    again = await world.change(event("ann@example.org", "bob@example.org", GUEST, summary="Once more"))
    assert again.item is not None
    assert again.item.sequence > cancelled.sequence
    copy = await world.item(world.bob)
    assert copy is not None
    assert (copy.summary, copy.status, copy.sequence) == ("Once more", "CONFIRMED", again.item.sequence)
