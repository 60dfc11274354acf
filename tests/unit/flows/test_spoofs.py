# SPDX-License-Identifier: Apache-2.0
"""Every forged, hijacked or replayed mail through the real flow: nothing changes, and what is recorded says why."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support import spoofs
from tests.support.spoofed import World, open_world
from tests.support.spoofs import ALICE, BOB, CAROL, DAVE, SPOOFS, Spoof, bordered, cancel, mail, reply, signed


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


@pytest.mark.parametrize("spoof", SPOOFS, ids=[spoof.name for spoof in SPOOFS])
async def test_a_spoof_changes_nothing_and_says_why(world: World, spoof: Spoof) -> None:
    before = await world.events()
    assert len(before) == 2
    disposition = await world.receive(spoof.data, spoof.to, spoof.mail_from)
    assert await world.events() == before
    assert [outcome.rule for outcome in disposition.outcomes] == ([spoof.said] if spoof.said else [])
    assert all(outcome.reason and outcome.outcome != "applied" for outcome in disposition.outcomes)
    passed_on = disposition.apply_to(spoof.data)
    assert b"X-iMIP-Gateway: outcome=applied" not in passed_on
    if spoof.name.startswith("forged results") and "lookalike" not in spoof.name and "twice" not in spoof.name:
        assert spoof.data.count(b"dmarc") - 1 <= passed_on.count(b"dmarc") < spoof.data.count(b"dmarc")


async def test_the_same_mails_by_the_right_authors_do_apply(world: World) -> None:
    """Else every spoof above might be ignored for another reason."""
    await world.receive(signed(mail(BOB, reply(BOB))))
    assert await world.partstat("tea", BOB) == "DECLINED"
    await world.receive(bordered(mail(DAVE, reply(DAVE)), "dmarc=pass header.from=partner.example"))
    assert await world.partstat("tea", DAVE) == "DECLINED"
    [outcome] = (await world.receive(signed(mail(ALICE, cancel())), mail_from=ALICE)).outcomes
    assert (outcome.outcome, outcome.uid) == ("applied", "talk")


async def test_an_answer_moves_only_its_author(world: World) -> None:
    """Two ATTENDEE lines: the second is somebody whom Bob may not speak for."""
    await world.receive(signed(mail(BOB, reply(DAVE, BOB))))
    assert await world.partstat("tea", DAVE) == "NEEDS-ACTION"


async def test_an_answer_cannot_carry_other_changes(world: World) -> None:
    text = reply(BOB).replace("SEQUENCE:1", "SEQUENCE:1\r\nSUMMARY:Free beer\r\nDTSTART:20270101T000000Z")
    await world.receive(signed(mail(BOB, text)))
    account_event = (await world.events())[f"{CAROL} tea"]
    assert await world.partstat("tea", BOB) == "DECLINED"
    assert "Free beer" not in account_event
    assert "20270101" not in account_event


async def test_an_old_answer_replayed_changes_nothing(world: World) -> None:
    old = signed(mail(BOB, reply(BOB, partstat="ACCEPTED", dtstamp="20261123T100000Z")))
    await world.receive(old)
    await world.receive(signed(mail(BOB, reply(BOB, dtstamp="20261123T110000Z"))))
    await world.receive(old + b"\r\n", mail_from=spoofs.MALLORY)
    assert await world.partstat("tea", BOB) == "DECLINED"


async def test_an_answer_from_the_future_does_not_freeze_the_next(world: World) -> None:
    await world.receive(signed(mail(BOB, reply(BOB, dtstamp="99991231T235959Z"))))
    world.clock.advance(timedelta(hours=1))
    await world.receive(signed(mail(BOB, reply(BOB, partstat="ACCEPTED", dtstamp="20261123T125900Z"))))
    assert await world.partstat("tea", BOB) == "ACCEPTED"


async def test_an_answer_replayed_to_another_account_finds_nothing_there(world: World) -> None:
    before = await world.events()
    [outcome] = (await world.receive(signed(mail(BOB, reply(BOB))), to=spoofs.ERIN)).outcomes
    assert outcome.outcome == "ignored"
    assert await world.events() == before


async def test_a_uid_of_carols_in_erins_mail_touches_only_erin(world: World) -> None:
    before = (await world.events())[f"{CAROL} talk"]
    text = spoofs.request(spoofs.MALLORY).replace(CAROL, spoofs.ERIN)
    await world.receive(signed(mail(spoofs.MALLORY, text), "evil.example"), to=spoofs.ERIN)
    assert (await world.events())[f"{CAROL} talk"] == before


async def test_a_mail_twice_has_one_effect_and_one_answer(world: World) -> None:
    data = signed(mail(BOB, reply(BOB)))
    first, again = await world.receive(data), await world.receive(data)
    assert first.headers.partition(b"id=")[0] == again.headers.partition(b"id=")[0]


@pytest.mark.parametrize(
    "header", ["Auto-Submitted: auto-generated", "Content-Class: urn:x:MeetingForwardNotification"]
)
async def test_a_notice_that_a_guest_forwarded_the_invitation_only_informs(world: World, header: str) -> None:
    """Interop Q50: Exchange writes such mail by itself, and it looks like a REQUEST in our organizer's name."""
    before = await world.events()
    notice = spoofs.request(CAROL, "tea").replace("END:VEVENT", "ATTENDEE:mailto:zoe@example.org\r\nEND:VEVENT")
    [outcome] = (await world.receive(signed(mail(BOB, notice, header)))).outcomes
    assert (outcome.outcome, outcome.rule) == ("ignored", "incoming.forwarded")
    assert await world.events() == before
