# SPDX-License-Identifier: Apache-2.0
"""What delivery reports do: the guest's status, one mail to the organizer, and no more mail to the dead."""

from datetime import timedelta

from gateway.flows.incoming_mail import examine
from gateway.flows.suppressions import suppressed, unsuppress
from gateway.imip.mail import Direction, Door, Envelope, Mail, Origin, Rcpt
from tests.support.world import World, event
from tests.support.zone import Zone

GUEST, OTHER = "guest@partner.example", "other@partner.example"
ANN = "ann@example.org"

QMAIL = b"""From: MAILER-DAEMON@partner.example
To: x
Subject: failure notice

Hi. This is the qmail-send program at partner.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<guest@partner.example>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Return-Path: <x>
"""
EXIM = b"""X-Failed-Recipients: guest@partner.example
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@partner.example>
To: x
Subject: Mail delivery failed: returning message to sender

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  guest@partner.example
    mailbox is full: retry timeout exceeded 5.2.2

------ This is a copy of the message, including all the headers. ------
"""
VACATION = b"""From: guest@partner.example
To: x
Subject: Out of office
Auto-Submitted: auto-replied

Hi. I am away until Monday; mail to other@partner.example instead.
"""


def standard(status: str, *, action: str = "failed", final: str = GUEST) -> bytes:
    return (
        'From: MAILER-DAEMON@p.example\nMIME-Version: 1.0\nContent-Type: multipart/report; boundary="b"\n\n'
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; p.example\n\n"
        f"Final-Recipient: rfc822; {final}\nAction: {action}\nStatus: {status}\n\n--b--\n"
    ).encode()


async def report(world: World, data: bytes, *, mail_from: str = "", to: str = GUEST) -> str:
    """Let a report about the last mail to somebody come back; the outcome's rule."""
    taken = [mail for mail in world.hop.taken if any(to in rcpt for rcpt in mail.rcpts)][-1]
    back = taken.mail.partition("<")[2].partition(">")[0]
    mail = Mail(
        id=world.context.ids.row("m"),
        data=data.replace(b"\n", b"\r\n"),
        envelope=Envelope(mail_from, (Rcpt(back),)),
        origin=Origin(Door.FILTER, Direction.INBOUND),
    )
    disposition = await examine(world.context, Zone(), mail)
    return disposition.outcomes[0].rule


async def invite(world: World, *guests: str) -> None:
    await world.change(event(*(guests or (GUEST,))))
    await world.work()
    await world.work()


async def code(world: World, address: str = GUEST) -> str | None:
    return (await world.status(address)).schedule_status


async def test_a_dead_address_gets_no_more_mail_until_somebody_knows_better(world: World) -> None:
    await invite(world)
    assert await report(world, standard("5.1.1")) == "bounce.failed"
    assert await code(world) == "5.2"
    result = await world.change(event(GUEST, start="20260607T150000"))
    assert (result.messages, result.rule) == (0, "recipient.suppressed")
    await world.work()
    assert len(world.sent(GUEST)) == 1
    assert await code(world) == "5.2"
    (stopped,) = await suppressed(world.context)
    assert stopped.address == GUEST
    await unsuppress(world.context, "Guest@Partner.example")
    await world.change(event(GUEST, start="20260607T160000"))
    await world.work()
    assert len(world.sent(GUEST)) == 2


async def test_an_address_that_dies_again_is_left_alone_again(world: World) -> None:
    await invite(world)
    await report(world, standard("5.1.1"))
    world.advance(days=91)
    assert await suppressed(world.context) == ()
    await report(world, standard("5.1.2"))
    (stopped,) = await suppressed(world.context)
    assert stopped.until is not None
    assert stopped.until > world.clock.now() + timedelta(days=80)


async def test_a_full_mailbox_is_no_dead_address(world: World) -> None:
    await invite(world)
    await report(world, standard("5.2.2"))
    await world.change(event(GUEST, start="20260607T150000"))
    await world.work()
    assert len(world.sent(GUEST)) == 2


async def test_the_organizer_hears_of_all_guests_that_one_mail_did_not_reach(world: World) -> None:
    await invite(world, GUEST, OTHER)
    await report(world, standard("5.1.1"))
    await report(world, standard("5.2.2", final=OTHER), to=OTHER)
    await world.work()
    (notice,) = world.sent(ANN)
    text = notice.replace(b"=\r\n", b"").decode()
    assert "could not be delivered to guest@partner.example and other@partner.example." in text
    assert "The mail system reports: guest@partner.example: 5.1.1" in text
    assert "The mail system reports: other@partner.example: 5.2.2" in text


async def test_the_notice_names_the_event_that_is_gone(world: World) -> None:
    """The cancellation bounces, and by then there is nothing left here but that mail."""
    await invite(world)
    await world.change(None)
    await world.work()
    assert world.methods(GUEST) == ["REQUEST", "CANCEL"]
    await report(world, standard("5.2.2"))
    await world.work()
    (notice,) = world.sent(ANN)
    assert b"Subject: Not delivered: Plan" in notice


async def test_reports_from_before_rfc_3464_are_believed_as_others_are(world: World) -> None:
    await invite(world)
    assert await report(world, QMAIL) == "bounce.failed"
    assert await code(world) == "5.2"
    assert [each.address for each in await suppressed(world.context)] == [GUEST]


async def test_exim_names_its_failures_in_a_header(world: World) -> None:
    await invite(world)
    assert await report(world, EXIM) == "bounce.failed"
    assert "mailbox is full" in ((await world.status(GUEST)).status_text or "")
    assert await suppressed(world.context) == ()


async def test_what_a_person_or_their_absence_assistant_writes_changes_nothing(world: World) -> None:
    await invite(world)
    assert await report(world, VACATION) == "bounce.not-a-report"
    assert await report(world, QMAIL, mail_from="guest@partner.example") == "bounce.not-a-report"
    assert await code(world) == "1.1"
    assert world.sent(ANN) == []
