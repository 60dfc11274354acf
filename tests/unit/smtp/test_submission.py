# SPDX-License-Identifier: Apache-2.0
"""Submission: a proven login, an author who is that login, and only then the world. The dialog itself is a script."""

import pytest

from gateway.authn.login import Login
from gateway.errors import Deferred, Refused
from gateway.imip.mail import Disposition, Mail
from gateway.imip.mail import Door as Kind
from gateway.smtp.door import Limits
from tests.support.doors import Peer, opened

AUTH = "AUTH PLAIN AGFubkB0LmV4YW1wbGUAc2VjcmV0"
INVITATION = (
    b"From: =?utf-8?q?Ann?= <ann@t.example>\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\n"
)


async def logged_in(port: int) -> Peer:
    peer = await Peer.call(port)
    await peer.hello()
    assert (await peer.say(AUTH)).startswith("235")
    return peer


async def test_the_flow_learns_who_it_was() -> None:
    async with opened(kind=Kind.SUBMISSION) as house:
        peer = await logged_in(house.port)
        assert (await peer.mail(INVITATION, mail_from="ann@t.example")).startswith("250")
    (mail,) = house.examined
    assert (mail.origin.door, mail.origin.login) == (Kind.SUBMISSION, "ann@t.example")
    assert mail.origin.login_addresses == {"ann@t.example", "ann.alias@t.example"}
    assert b"with ESMTPA id" in house.hop.taken[0].data


async def test_a_refusal_of_the_flow_is_told_to_the_author() -> None:
    async def flow(mail: Mail) -> Disposition:
        raise Refused("not-permitted", "No invitations to outside")

    async with opened(kind=Kind.SUBMISSION, flow=flow) as house:
        peer = await logged_in(house.port)
        answer = await peer.mail(INVITATION, mail_from="ann@t.example")
    assert answer == "550 5.7.1 No invitations to outside"
    assert house.hop.taken == []


@pytest.mark.parametrize(
    "header",
    [
        b"From: boss@t.example",
        b"From: ann@t.example, boss@t.example",
        b"From: ann@t.example\r\nFROM: boss@t.example",
        b'From: "ann@t.example" <boss@t.example>',
        b"From: boss@t.example (ann@t.example)",
        b"From:\r\n boss@t.example",
        b"From : boss@t.example",
        b"From: <>",
        b"X: y\r\n\r\nFrom: ann@t.example",
        b"Resent-From: ann@t.example",
        b"From: team: ann@t.example;",
    ],
)
async def test_nobody_writes_as_somebody_else(header: bytes) -> None:
    async with opened(kind=Kind.SUBMISSION) as house:
        peer = await logged_in(house.port)
        assert (await peer.mail(header + b"\r\n\r\n", mail_from="ann@t.example")).startswith("550 5.")
    assert house.hop.taken == []


async def test_receipts_have_no_sender_but_an_author() -> None:
    async with opened(kind=Kind.SUBMISSION) as house:
        peer = await logged_in(house.port)
        assert (await peer.mail(b"From: Ann <ANN@T.Example>\r\n\r\n", mail_from="")).startswith("250")
    assert house.hop.taken[0].mail == "<>"


async def test_guessing_is_slow_and_ends() -> None:
    async with opened(kind=Kind.SUBMISSION, limits=Limits(logins=2, login_delay=0.0)) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        assert (await peer.say("AUTH PLAIN AGEAYg==")).startswith("535 5.7.8")
        assert (await peer.say("AUTH PLAIN AGEAYg==")).startswith("535 5.7.8")
        assert (await peer.reply()).startswith("421")
        assert await peer.reply() == ""


async def test_trouble_with_passwords_is_not_a_wrong_password() -> None:
    class Down:
        async def authenticate(self, login: str, password: str) -> Login | None:
            raise Deferred("auth-unavailable", "Dovecot is away")

    async with opened(kind=Kind.SUBMISSION, authenticator=Down()) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        assert (await peer.say(AUTH)).startswith("454 4.7.0")


@pytest.mark.parametrize("line", ["AUTH", "AUTH PLAIN =", "AUTH PLAIN YQBiAGM=", "AUTH PLAIN /w==", "AUTH LOGIN *"])
async def test_garbled_logins_are_refused(line: str) -> None:
    async with opened(kind=Kind.SUBMISSION) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        assert (await peer.say(line))[:3] in ("501", "504")
        assert (await peer.say(AUTH)).startswith("235")


async def test_a_long_initial_response_fits() -> None:
    async with opened(kind=Kind.SUBMISSION) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        await peer.say("AUTH LOGIN")
        assert (await peer.say("QUFB" * 2500)).startswith("334")
        assert (await peer.say("c2VjcmV0")).startswith("535")


async def test_a_mail_gets_what_its_program_left_out_and_no_second_of_what_it_had() -> None:
    async with opened(kind=Kind.SUBMISSION) as house:
        peer = await logged_in(house.port)
        await peer.mail(b"From: ann@t.example\r\n\r\n", mail_from="ann@t.example")
        own = b"Message-ID: <x@y>\r\nDate: Mon, 01 Jun 2026 07:00:00 +0000\r\n"
        await peer.mail(own + b"From: ann@t.example\r\n\r\n", mail_from="ann@t.example")
    bare, complete = [taken.data.partition(b"+0000\r\n")[2] for taken in house.hop.taken]
    assert bare.startswith(b"Message-ID: <m000001@gw.test>\r\nDate: Mon, 01 Jun 2026 08:00:00 +0000\r\nFrom:")
    assert complete.startswith(own)


async def test_a_large_mail_is_judged_by_its_header_alone() -> None:
    big = b"From: ann@t.example\r\n\r\n" + (b"x" * 70 + b"\r\n") * 2000
    async with opened(kind=Kind.SUBMISSION, limits=Limits(spool_above=10_000)) as house:
        peer = await logged_in(house.port)
        assert (await peer.mail(big, mail_from="ann@t.example")).startswith("250")
    assert house.hop.taken[0].data.endswith(big)
