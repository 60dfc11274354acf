# SPDX-License-Identifier: Apache-2.0
"""Guests whose calendar has no buttons can answer an invitation that the organizer's own program wrote."""

import re
from email import message_from_bytes, policy

import pytest

from gateway.imip.mail import Direction, Door
from tests.support.submitted import GUEST, OTHER, letter, submit
from tests.support.world import World, event

BOTH = event(GUEST, OTHER)
_LINK = re.compile(rb"http://calendar\.example\.org/rsvp/([A-Za-z0-9_-]+)/(accept|tentative|decline)")


def tokens(data: bytes) -> set[bytes]:
    text = data.replace(b"=\r\n", b"")
    return {found[1] for found in _LINK.finditer(text)}


async def test_each_guest_gets_a_link_of_their_own(world: World) -> None:
    data = letter(BOTH, "REQUEST", html="<html><body><p>Please come.</p></body></html>")
    disposition = await submit(world, data, GUEST, OTHER, "third@partner.example")
    assert disposition.consumed == {GUEST, OTHER}, "who is no guest gets what the program wrote"
    await world.work()
    (first,), (second,) = world.sent(GUEST), world.sent(OTHER)
    assert len(tokens(first)) == len(tokens(second)) == 1
    assert tokens(first) != tokens(second)
    message = message_from_bytes(first, policy=policy.default)
    plain, html, calendar, file = (leaf.get_content() for leaf in message.walk() if not leaf.is_multipart())
    assert plain.startswith("Please come.")
    for words in (plain, html):
        assert all(f"/{choice}" in words for choice in ("accept", "tentative", "decline"))
    assert calendar.encode() in data.replace(b"\r\n", b"\n") or calendar.encode() in data
    assert file


async def test_the_history_of_the_mail_says_what_was_done(world: World) -> None:
    data = letter(BOTH, "REQUEST")
    await submit(world, data, GUEST)
    message_id = message_from_bytes(data)["Message-ID"]
    traced = await world.context.store.read(lambda unit: unit.journal.trace(message_id))
    assert {(entry.recipient, entry.rule) for entry in traced} == {
        ("ann@example.org", "outgoing.kept"),
        (GUEST, "outgoing.linked"),
    }


async def test_all_but_the_question_is_as_the_program_wrote_it(world: World) -> None:
    data = letter(BOTH, "REQUEST")
    await submit(world, data, GUEST)
    await world.work()
    (copy,) = world.sent(GUEST)
    lines = iter(copy.split(b"\r\n"))
    assert all(any(line == mine for mine in lines) for line in data.rstrip().split(b"\r\n")), "in their order"


async def test_what_became_of_it_is_seen_on_the_guest(world: World) -> None:
    world.hop.plan["rcpt"] = ["450 4.2.0 busy"]
    await submit(world, letter(BOTH, "REQUEST"), GUEST)
    await world.work()
    assert (await world.status(GUEST)).schedule_status == "1.0"
    world.advance(minutes=5)
    await world.work()
    assert (await world.status(GUEST)).schedule_status == "1.1"
    assert len(world.sent(GUEST)) == 1


async def test_a_guest_who_cannot_be_reached_is_told_to_the_organizer(world: World) -> None:
    world.hop.fixed[f"rcpt:{GUEST}"] = "550 5.1.1 no such user"
    await submit(world, letter(BOTH, "REQUEST"), GUEST)
    await world.work()
    await world.work()
    assert ((await world.status(GUEST)).schedule_status or "").startswith("5.")
    (notice,) = world.sent("ann@example.org")
    assert GUEST.encode() in notice


async def test_the_link_answers(world: World) -> None:
    await submit(world, letter(BOTH, "REQUEST"), GUEST)
    await world.work()
    (token,) = tokens(world.sent(GUEST)[0])
    item = await world.item()
    assert item is not None
    (link,) = await world.context.store.read(lambda unit: unit.links.of_object(item.id))
    assert (link.attendee, link.purpose, link.revoked_at) == (GUEST, "rsvp", None)
    assert len(token) >= 22, "128 bits"


async def test_a_program_that_hands_in_the_same_mail_again_changes_nothing(world: World) -> None:
    data = letter(BOTH, "REQUEST")
    first = await submit(world, data, GUEST)
    assert (await submit(world, data, GUEST)).consumed == first.consumed == {GUEST}
    await world.work()
    assert len(world.sent(GUEST)) == 1


@pytest.mark.parametrize(
    "data",
    [
        letter(BOTH, "REQUEST", header="DKIM-Signature: v=1; d=example.org; b=abc\r\n"),
        letter(BOTH, "REQUEST").replace(b"multipart/mixed;", b"multipart/signed; protocol=x;", 1),
        letter(BOTH, "REQUEST", plain="-----BEGIN PGP SIGNED MESSAGE-----\r\n"),
        letter(event("bob@example.org"), "REQUEST", to="bob@example.org"),
        letter(event(OTHER), "REQUEST"),
        letter(BOTH, "CANCEL"),
        letter(BOTH, "REQUEST", plain="long\r\n" * 200_000),
        b"To: x@partner.example\r\nFrom: ann@example.org\r\n\r\nPlain words.\r\n",
    ],
    ids=["dkim", "s-mime", "pgp", "a calendar here", "no guest", "cancel", "too large", "no calendar"],
)
async def test_other_mail_is_passed_on_as_it_is(world: World, data: bytes) -> None:
    disposition = await submit(world, data, *(["bob@example.org"] if b"To: bob@" in data else [GUEST]))
    assert not disposition.consumed
    assert not await world.queue()


@pytest.mark.parametrize(
    ("setting", "value", "door", "linked"),
    [
        ("rsvp.links_in_own_mail", "never", Door.SUBMISSION, False),
        ("rsvp.links_in_own_mail", "submitted", Door.FILTER, False),
        ("rsvp.links_in_own_mail", "always", Door.FILTER, True),
        ("rsvp.links_in_own_mail", "always", Door.MILTER, True),
        ("scheduling.http_rsvp_enable", False, Door.SUBMISSION, False),
        ("external_recipients.invitations", "deny", Door.SUBMISSION, False),
    ],
)
async def test_policy_says_where(world: World, setting: str, value: object, door: Door, *, linked: bool) -> None:
    now = world.clock.now()
    await world.context.store.write(lambda unit: unit.settings.put(f"policy.{setting}", value, by="test", at=now))
    disposition = await submit(world, letter(BOTH, "REQUEST"), GUEST, direction=Direction.OUTBOUND, door=door)
    assert disposition.consumed == ({GUEST} if linked else set())


async def test_the_guests_language_and_the_charset_of_the_mail(world: World) -> None:
    japanese = event(GUEST).replace("ATTENDEE;RSVP", "ATTENDEE;LANGUAGE=ja;RSVP")
    await submit(world, letter(japanese, "REQUEST"), GUEST)
    ascii_only = letter(japanese, "REQUEST").replace(
        b"charset=utf-8\r\nContent-Transfer-Encoding: 8bit", b"charset=us-ascii"
    )
    await submit(world, ascii_only, GUEST)
    await world.work()
    await world.work()
    first, second = world.sent(GUEST)
    assert "出席".encode() in first or "参加".encode() in first
    assert b"Will you attend?" in second


async def test_more_guests_than_one_change_may_write_to_get_the_mail_as_it_is(world: World) -> None:
    many = tuple(f"guest{number}@partner.example" for number in range(101))
    assert not (await submit(world, letter(event(*many), "REQUEST"), *many)).consumed
    some = many[:100]
    assert (await submit(world, letter(event(*some, sequence=1), "REQUEST"), *some)).consumed == set(some)
