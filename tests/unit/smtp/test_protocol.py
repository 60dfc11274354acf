# SPDX-License-Identifier: Apache-2.0
"""What aiosmtpd lacks or does otherwise, mended; each mend is seen from outside."""

import asyncio
import logging
import ssl
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP

from bench.load import Relay
from gateway.imip.mail import PASS, Disposition, Mail, Rcpt
from gateway.imip.mail import Door as Kind
from gateway.relay.hop import XForward
from gateway.smtp.door import Client, Limits
from gateway.smtp.listener import ServerTls
from gateway.smtp.message import Message
from gateway.smtp.protocol import Session
from tests.support.doors import Peer, opened
from tests.support.nexthop import NextHop

INVITATION = b"Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\n"


def limits(**options: float) -> Limits:
    return Limits(**{"login_delay": 0.0, "command_seconds": 30.0, **options})  # type: ignore[arg-type]


async def until_gone(house: object) -> None:
    async with asyncio.timeout(10):
        while house.listener.sessions:  # type: ignore[attr-defined]
            await asyncio.sleep(0)


def test_no_attribute_of_ours_shadows_one_of_aiosmtpd() -> None:
    """A flag of ours once had the name of asyncio's write-flow flag: a megabyte later every session hung."""
    loop = asyncio.new_event_loop()

    async def attributes() -> tuple[set[str], set[str]]:
        session = Session(None, Limits(), "gw.test", None)  # type: ignore[arg-type]
        return set(vars(session)), set(vars(SMTP(None, hostname="x", loop=loop)))

    ours, theirs = loop.run_until_complete(attributes())
    loop.close()
    added = {name for name in ours - theirs if not name.startswith("__")}
    assert added.isdisjoint(dir(SMTP))
    assert {"_paused", "_reader", "_writer", "transport"} <= theirs | set(dir(SMTP)) | {"_reader", "_writer"}


async def test_a_line_over_a_thousand_octets_is_no_bounce() -> None:
    async with opened() as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        assert (await peer.mail(b"Subject: x\r\n\r\n" + b"x" * 200_000 + b"\r\n")).startswith("250")
    assert house.hop.taken[0].data.endswith(b"x" * 200_000 + b"\r\n")


async def test_the_size_limit_holds_while_reading() -> None:
    async with opened(limits=limits(message_size=1000)) as house:
        peer = await Peer.call(house.port)
        assert "SIZE 1000" in await peer.hello()
        assert (await peer.mail(b"x" * 998 + b"\r\n")).startswith("250")
        assert (await peer.mail(b"x" * 999 + b"\r\n")).startswith("552 5.3.4")
        assert (await peer.mail(b"still here\r\n")).startswith("250")
        assert (await peer.say("MAIL FROM:<a@test> SIZE=1001")).startswith("552 5.3.4")
    assert len(house.hop.taken) == 2


async def test_a_message_without_end_is_cut() -> None:
    async with opened(limits=limits(message_size=1000)) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        for line in ("MAIL FROM:<a@test>", "RCPT TO:<b@test>", "DATA"):
            await peer.say(line)
        for _ in range(10):
            peer.write(b"x" * 998 + b"\r\n")
        assert await peer.reply() == ""


async def test_a_command_line_without_end_is_cut() -> None:
    async with opened() as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        peer.write(b"MAIL FROM:<" + b"a" * 5000)
        assert (await peer.reply()).startswith("500 5.5.2 Line too long")
        assert await peer.reply() == ""


async def test_long_parameters_fit_however_many_greetings_there_were() -> None:
    """aiosmtpd's line limits are one dict for all connections: an EHLO raised them, a connection cleared them."""
    async with opened() as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        for _ in range(5):
            await peer.say("EHLO peer.test")
        other = await Peer.call(house.port)
        await other.hello()
        await peer.say("MAIL FROM:<a@test> ENVID=" + "x" * 100)
        assert (await peer.say("RCPT TO:<" + "b" * 400 + "@test> ORCPT=rfc822;" + "b" * 500)).startswith("250")
    assert Session.command_size_limits == {}


async def test_a_bug_is_temporary_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        accepted = 1

        async def rcpt(self, rcpt: Rcpt) -> bytes:
            return b"250 Ok"

        async def data(self, message: Message) -> list[bytes]:
            raise KeyError("inner secret")

        async def abandon(self) -> None:
            pass

    async with opened() as house:
        house.listener._door.begin = lambda client, path: Broken()  # type: ignore[method-assign, assignment, return-value]
        peer = await Peer.call(house.port)
        await peer.hello()
        assert await peer.mail(b"x\r\n") == "451 4.3.0 Internal trouble; try again later"
        assert (await peer.say("NOOP")).startswith("250")
    assert "inner secret" in caplog.text


async def test_replies_of_a_pipelined_burst_leave_together() -> None:
    async with opened() as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        peer.write(b"NOOP\r\n" * 50)
        answer = b""
        while len(answer) < 50 * 14:
            packet = await peer.reader.read(2**16)
            assert packet.endswith(b"\r\n")
            answer += packet
        assert answer == b"250 2.0.0 Ok\r\n" * 50


async def test_a_flood_of_commands_is_answered_and_bounded() -> None:
    async with opened() as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        peer.write(b"NOOP\r\n" * 20_000 + b"QUIT\r\n")
        for _ in range(20_000):
            assert await peer.reply() == "250 2.0.0 Ok"
        assert (await peer.reply()).startswith("221")


async def test_too_many_errors_end_the_session() -> None:
    async with opened(limits=limits(errors=3)) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        for _ in range(3):
            assert (await peer.say("WHAT")).startswith("500")
        peer.write("WHAT\r\n")
        assert (await peer.reply()).startswith("500")
        assert (await peer.reply()).startswith("421 4.7.0")
        assert await peer.reply() == ""


async def test_refusals_of_the_next_hop_are_no_errors_of_the_peer() -> None:
    async with opened(NextHop(fixed={"rcpt:no@test": "550 5.1.1 Unknown"}), limits=limits(errors=3)) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        await peer.say("MAIL FROM:<a@test>")
        for _ in range(10):
            assert (await peer.say("RCPT TO:<no@test>")).startswith("550")
        assert (await peer.say("RCPT TO:<b@test>")).startswith("250")


async def test_recipients_are_bounded() -> None:
    async with opened(limits=limits(recipients=2)) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        await peer.say("MAIL FROM:<a@test>")
        answers = [(await peer.say(f"RCPT TO:<r{n}@test>"))[:9] for n in range(3)]
    assert answers == ["250 2.1.5", "250 2.1.5", "452 4.5.3"]


@pytest.mark.parametrize("step", [0, 1, 2, 3, 4])
async def test_whoever_falls_silent_is_left(step: int) -> None:
    lines = ["EHLO x", "MAIL FROM:<a@test>", "RCPT TO:<b@test>", "DATA"]
    async with opened(limits=limits(command_seconds=0.05)) as house:
        peer = await Peer.call(house.port)
        await peer.reply()
        for line in lines[:step]:
            await peer.say(line)
        assert (await peer.reply()).startswith("421 4.4.2")
        assert await peer.reply() == ""
        await until_gone(house)
    assert house.hop.taken == []


async def test_our_own_work_is_no_silence_of_the_peer() -> None:
    async def slow(mail: Mail) -> Disposition:
        await asyncio.sleep(0.3)
        return PASS

    async with opened(limits=limits(command_seconds=0.1), flow=slow) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        assert (await peer.mail(INVITATION)).startswith("250")


async def test_a_trickle_does_not_hold_a_session_for_ever() -> None:
    async with opened(limits=limits(data_seconds=0.2)) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        for line in ("MAIL FROM:<a@test>", "RCPT TO:<b@test>", "DATA"):
            await peer.say(line)
        gone = asyncio.create_task(peer.reply())
        while not gone.done():
            peer.write(b"x")
            await asyncio.sleep(0.01)
        assert gone.result().startswith("421 4.4.2")


async def test_thirty_idle_probes_cost_nobody_a_place() -> None:
    """A peer of ours counts connections at accept and mail at the end: two dozen probes wedge it for good."""
    async with opened(limits=limits(sessions=3)) as house:
        for _ in range(30):
            probe = await Peer.call(house.port)
            await probe.close()
        await until_gone(house)
        held = [await Peer.call(house.port) for _ in range(3)]
        assert all([(await peer.reply()).startswith("220") for peer in held])
        late = await Peer.call(house.port)
        assert (await late.reply()).startswith("421 4.3.2")
        assert await late.reply() == ""
        await held[0].say("QUIT")
        async with asyncio.timeout(5):
            while house.listener.sessions > 2:
                await asyncio.sleep(0)
        assert (await (await Peer.call(house.port)).hello()).startswith("250")


async def test_draining_ends_idle_sessions_and_lets_a_mail_finish() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def flow(mail: Mail) -> Disposition:
        begun.set()
        await go_on.wait()
        return PASS

    async with opened(flow=flow) as house:
        idle, busy, half = [await Peer.call(house.port) for _ in range(3)]
        for peer in (idle, busy, half):
            await peer.hello()
        await half.say("MAIL FROM:<a@test>")
        answer = asyncio.create_task(busy.mail(INVITATION))
        await begun.wait()
        drained = asyncio.create_task(house.listener.drain(10))
        assert (await idle.reply()).startswith("421 4.3.2")
        with pytest.raises(ConnectionError):
            await Peer.call(house.port)
        await half.say("RCPT TO:<c@test>")  # a mail that was begun may end
        await half.say("DATA")
        assert (await half.say(".")).startswith("250")
        assert (await half.reply()).startswith("421 4.3.2")
        go_on.set()
        assert (await answer).startswith("250")
        assert (await busy.reply()).startswith("421 4.3.2")
        await drained
    assert len(house.hop.taken) == 2


async def test_draining_cuts_what_does_not_end() -> None:
    async with opened() as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        await peer.say("MAIL FROM:<a@test>")
        await house.listener.drain(0.05)
        assert await peer.reply() == ""


async def test_starttls_and_what_was_said_before_it(tls_files: tuple[Path, Path]) -> None:
    async with opened(tls=ServerTls(*tls_files), kind=Kind.SUBMISSION, tls_before_auth=True) as house:
        peer = await Peer.call(house.port)
        hello = await peer.hello()
        assert "STARTTLS" in hello
        assert "AUTH" not in hello
        assert (await peer.say("AUTH PLAIN AGEAYg==")).startswith("538")
        assert (await peer.say("STARTTLS")).startswith("220")
        await peer.writer.start_tls(ssl.create_default_context(cafile=str(tls_files[0])), server_hostname="localhost")
        assert (await peer.say("MAIL FROM:<ann@t.example>")).startswith("503")  # the greeting in clear is forgotten
        hello = await peer.say("EHLO peer.test")
        assert "STARTTLS" not in hello
        assert "AUTH PLAIN LOGIN" in hello
        assert (await peer.say("STARTTLS")).startswith("503")
        assert (await peer.say("AUTH PLAIN AGFubkB0LmV4YW1wbGUAc2VjcmV0")).startswith("235")
        assert (await peer.mail(b"From: ann@t.example\r\n\r\n", mail_from="ann@t.example")).startswith("250")
    assert b"with ESMTPSA id" in house.hop.taken[0].data


async def test_clear_text_after_starttls_is_not_believed(tls_files: tuple[Path, Path]) -> None:
    async with opened(tls=ServerTls(*tls_files)) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        peer.write(b"STARTTLS\r\nMAIL FROM:<evil@test>\r\n")
        assert (await peer.reply()).startswith("220")
        with pytest.raises((ConnectionError, AssertionError)):
            assert await peer.reply() != ""


async def test_a_peer_that_speaks_no_tls_costs_nothing(tls_files: tuple[Path, Path]) -> None:
    async with opened(tls=ServerTls(*tls_files)) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        await peer.say("STARTTLS")
        peer.write(b"this is not TLS\r\n")
        await until_gone(house)
        assert (await (await Peer.call(house.port)).hello()).startswith("250")


async def test_xforward_syntax_and_the_attributes_of_a_client() -> None:
    async with opened() as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        for bad in ("", "NAME", "NAME=", "COLOUR=red", "NAME=" + "x" * 256, "NAME=a b"):
            assert (await peer.say(f"XFORWARD {bad}")).startswith("501"), bad
    assert Client(None, "x", "ESMTP", XForward((("NAME", "[UNAVAILABLE]"),))).xforward.value("NAME") is None  # type: ignore[union-attr]


async def test_the_dialog_logs_no_command_and_no_password(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with opened(kind=Kind.SUBMISSION) as house:
            peer = await Peer.call(house.port)
            await peer.hello()
            await peer.say("AUTH PLAIN AGFubkB0LmV4YW1wbGUAd3Jvbmc=")
    own = [record for record in caplog.records if record.name.startswith("gateway")]
    assert "login failed" in [record.getMessage() for record in own]
    assert not any("wrong" in str(record.__dict__) or "d3Jvbmc" in str(record.__dict__) for record in own)


def peak(process: int) -> int:
    """The most memory that a process ever had, in octets."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


async def test_a_mail_of_25_megabytes_costs_a_small_multiple_of_itself() -> None:
    """Stock aiosmtpd was measured at four times, and a blocked loop; the door runs in a process of its own here."""
    mail = b"Subject: big\r\n\r\n" + (b"x" * 76 + b"\r\n") * 336_000
    async with NextHop() as hop:
        relay = await asyncio.to_thread(Relay, "filter", hop.url)
        try:
            peer = await Peer.call(relay.port)
            await peer.hello()
            assert (await peer.mail(b"Subject: warm up\r\n\r\n")).startswith("250")
            before = peak(relay.process.pid)
            for _ in range(2):
                assert (await peer.mail(mail)).startswith("250")
            assert peak(relay.process.pid) - before < 2.5 * len(mail)
            assert hop.taken[2].data.endswith(mail)
        finally:
            await asyncio.to_thread(relay.close)
