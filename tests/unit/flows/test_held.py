# SPDX-License-Identifier: Apache-2.0
"""What waits for a person: once, whatever brings it; they are told, with a link; a release does what was asked."""

import email
import email.policy
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.clock import SettableClock
from gateway.flows.held import reject, release, waiting
from gateway.flows.incoming_mail import examine
from gateway.imip.mail import Direction, Door, Envelope, Mail, Origin, PartOutcome, Rcpt
from gateway.store.engine import Store
from tests.support.world import UID, World, event, small_world
from tests.support.zone import Zone

ANN, BOB = "ann@example.org", "bob@example.org"
GUEST, CRASHER = "guest@partner.example", "crasher@partner.example"
PROOF = "Authentication-Results: mx.example.org; dmarc=pass header.from=partner.example\r\n"
LATER = ("DTSTART:20260608T100000Z", "DTEND:20260608T110000Z", "SUMMARY:Plan")


@pytest.fixture
async def world(store: Store, clock: SettableClock, tmp_path: Path) -> AsyncIterator[World]:
    trusted = '[authn]\ntrusted_authserv_ids = ["mx.example.org"]\n'
    async with small_world(store, clock, tmp_path, trusted) as world:
        await world.change(event(GUEST), send=False)
        yield world


def said(author: str, *lines: str, method: str = "REPLY", number: int = 1, proof: str = PROOF) -> bytes:
    head = (
        f"{proof}From: {author}", f"To: {ANN}", f"Message-ID: <{number}@partner.example>", "MIME-Version: 1.0",
        f"Content-Type: text/calendar; method={method}", "",
    )  # fmt: skip
    body = (
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", f"METHOD:{method}", "BEGIN:VEVENT", f"UID:{UID}",
        f"DTSTAMP:20260601T08000{number}Z", f"ORGANIZER:mailto:{ANN}", f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{author}",
        *lines, "END:VEVENT", "END:VCALENDAR", "",
    )  # fmt: skip
    return "\r\n".join((*head, *body)).encode()


async def receive(world: World, data: bytes, *rcpts: str, door: Door = Door.FILTER) -> PartOutcome:
    envelope = Envelope(GUEST, tuple(map(Rcpt, rcpts or (ANN,))))
    disposition = await examine(world.context, Zone(), Mail("m1", envelope, Origin(door, Direction.INBOUND), data))
    return disposition.outcomes[0]


async def told(world: World) -> list[tuple[str, str]]:
    """Subject and text of every mail that Ann got from us."""
    await world.work()
    mails = [email.message_from_bytes(data, policy=email.policy.default) for data in world.sent(ANN)]
    bodies = [mail.get_body(("plain",)) for mail in mails]
    return [(str(m["subject"]), b.get_content() if b else "") for m, b in zip(mails, bodies, strict=True)]


async def test_the_same_message_waits_once_whatever_brings_it(world: World) -> None:
    """At the milter with everybody, then after the queue for one recipient, and again for the other."""
    unproven = said(GUEST, proof="")
    assert (await receive(world, unproven, ANN, BOB, door=Door.MILTER)).rule == "incoming.unproven"
    assert (await receive(world, unproven, ANN)).rule == "incoming.unproven"
    await receive(world, unproven, BOB, "x@example.org", ANN)
    [held] = await waiting(world.context)
    await reject(world.context, held.id, by="test")
    await receive(world, unproven, "x@example.org", ANN)
    assert not await waiting(world.context)
    assert len(await told(world)) == 1


async def test_the_organizer_is_told_with_a_link(world: World) -> None:
    await receive(world, said(GUEST, "COMMENT:Gladly", proof=""))
    await receive(world, said(GUEST, number=2, proof=""))  # while the first waits, nothing more is said
    [(subject, text)] = await told(world)
    assert subject.startswith("Please decide: Plan")
    assert "could not be verified" in text
    assert "Gladly" in text
    assert "http://calendar.example.org/organizer/" in text
    assert len(await waiting(world.context)) == 2


async def test_an_answer_of_somebody_who_was_not_invited_is_called_that(world: World) -> None:
    assert (await receive(world, said(CRASHER))).rule == "reply.uninvited"
    [(subject, text)] = await told(world)
    assert subject.startswith("Please decide: Plan")
    assert f"{CRASHER} answers, but is not on the guest list." in text


async def test_nothing_is_said_of_an_invitation_which_is_a_mail_itself(world: World) -> None:
    invitation = said(ANN, *LATER, method="REQUEST").replace(UID.encode(), b"new").replace(b"From: ann", b"From: guest")
    invitation = invitation.replace(b"@example.org\r\nTo", b"@partner.example\r\nTo")
    await receive(world, invitation.replace(f"ORGANIZER:mailto:{ANN}".encode(), f"ORGANIZER:mailto:{GUEST}".encode()))
    assert len(await waiting(world.context)) == 1
    assert not await told(world)


@pytest.mark.parametrize("accept", [True, False])
async def test_a_proposal_is_taken_up_or_declined_by_a_release_as_on_the_page(world: World, accept: bool) -> None:
    assert (await receive(world, said(GUEST, *LATER, method="COUNTER"))).rule == "counter.proposed"
    [(subject, _)] = await told(world)
    assert subject.startswith("Change proposed: Plan")
    [held] = await waiting(world.context)
    if accept:
        assert (await release(world.context, held.id, by="test")).outcome == "applied"
    else:
        await reject(world.context, held.id, by="test")
    item = await world.item()
    assert item is not None
    assert ("20260608T100000Z" in item.ical) == accept
    assert not [p for p in await world.context.store.read(lambda u: u.guests.proposals(item.id)) if p.state == "open"]
    await world.work()
    assert world.methods(GUEST) == (["REQUEST"] if accept else ["DECLINECOUNTER"])


async def test_what_is_in_effect_already_asks_nobody(world: World) -> None:
    """A mail that comes by again with its proof out of sight, as through a second door, is known already."""
    assert (await receive(world, said(GUEST))).outcome == "applied"
    again = await receive(
        world, said(GUEST, proof="Received: by gw.example.org; Mon, 1 Jun 2026 08:00:00 +0000\r\n" + PROOF)
    )
    assert (again.outcome, again.rule) == ("ignored", "reply.duplicate")
    assert not await waiting(world.context)
    assert not await told(world)


async def test_an_unproven_answer_to_the_contrary_waits(world: World) -> None:
    """However old it says that it is: it is not what came before."""
    await receive(world, said(GUEST))
    contrary = said(GUEST, proof="").replace(b"PARTSTAT=ACCEPTED", b"PARTSTAT=DECLINED")
    assert (await receive(world, contrary)).rule == "incoming.unproven"
