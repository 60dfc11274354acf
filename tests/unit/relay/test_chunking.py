# SPDX-License-Identifier: Apache-2.0
"""BDAT (RFC 3030): the same octets in fewer steps, and nothing is said twice that may have been taken."""

import asyncio
from pathlib import Path

import pytest

from gateway.imip.mail import Envelope, Rcpt
from gateway.relay.client import SmtpRelay
from gateway.relay.hop import RcptResult, Stage
from gateway.relay.url import parse_relay_url
from gateway.relay.wire import Deadlines
from tests.support.nexthop import CHUNKING, DROP, HANG, NextHop

MAIL = b"Subject: x\r\n\r\nline\r\n.dot\r\n..two\r\n"


def relay_to(hop: NextHop, **options: float) -> SmtpRelay:
    return SmtpRelay(parse_relay_url(hop.url), hostname="gw.test", deadlines=Deadlines(**options))


async def deliver(relay: SmtpRelay, *rcpts: str, data: bytes = MAIL) -> tuple[RcptResult, ...]:
    return await relay.deliver(Envelope("a@test", tuple(map(Rcpt, rcpts or ("b@test",)))), data)


def seen(results: tuple[RcptResult, ...]) -> list[tuple[str, int, Stage]]:
    return [(result.address, result.code, result.stage) for result in results]


async def test_octets_arrive_exactly() -> None:
    bodies = [MAIL, b"", b".", b"no line end", b"\r\n.\r\n", b"bare\rcr and\nlf\r\n", "ä\r\n".encode()]
    bodies.append(b"x" * 300_000 + b"\r\n.\r\n")
    async with NextHop(keywords=CHUNKING) as hop:
        relay = relay_to(hop)
        for body in bodies:
            assert (await deliver(relay, data=body))[0].ok
        await relay.close()
    ended = [body if body.endswith(b"\r\n") or not body else body + b"\r\n" for body in bodies]
    assert [taken.data for taken in hop.taken] == ended
    assert "DATA" not in hop.commands
    assert hop.connections == 1


async def test_a_small_mail_waits_for_no_answer_until_it_is_sent() -> None:
    """This hop says nothing before it has the message, as a server may: who waits in between waits for ever."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hop\r\n")
        await reader.readuntil(b"\r\n")
        writer.write(b"250-hop\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
        while not heard or not heard[-1].startswith(b"BDAT"):
            heard.append(await reader.readuntil(b"\r\n"))
        heard.append(await reader.readexactly(len(MAIL)))
        writer.write(b"250 2.0.0 Ok\r\n" * (len(heard) - 1))
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        relay = SmtpRelay(parse_relay_url(f"smtp://127.0.0.1:{port}"), hostname="gw.test", deadlines=Deadlines(dot=5))
        assert [result.code for result in await deliver(relay, "b@test", "c@test")] == [250, 250]
        await relay.close()
    assert [line.partition(b" ")[0].strip() for line in heard[:-1]] == [b"MAIL", b"RCPT", b"RCPT", b"BDAT"]
    assert heard[-1] == MAIL


async def test_a_dialog_that_is_followed_ends_with_a_chunk() -> None:
    async with NextHop(keywords=CHUNKING) as hop:
        handover = relay_to(hop).begin("a@test")
        assert (await handover.rcpt(Rcpt("b@test"))).ok
        assert seen(await handover.data((MAIL[:9], MAIL[9:]))) == [("b@test", 250, Stage.DOT)]
    assert hop.taken[0].data == MAIL
    assert hop.commands[-1] == f"BDAT {len(MAIL)} LAST"


async def test_each_recipient_has_its_own_result() -> None:
    fixed = {"rcpt:no@test": "550 5.1.1 Unknown", "rcpt:later@test": "450 4.2.0 Greylisted"}
    async with NextHop(keywords=CHUNKING, fixed=fixed) as hop:
        relay = relay_to(hop)
        assert seen(await deliver(relay, "no@test", "b@test", "later@test", "c@test")) == [
            ("no@test", 550, Stage.RCPT),
            ("b@test", 250, Stage.DOT),
            ("later@test", 450, Stage.RCPT),
            ("c@test", 250, Stage.DOT),
        ]
        assert seen(await deliver(relay, "no@test")) == [("no@test", 550, Stage.RCPT)]
        assert (await deliver(relay))[0].ok
    assert [taken.rcpts for taken in hop.taken] == [["<b@test>", "<c@test>"], ["<b@test>"]]
    assert hop.connections == 1


async def test_lmtp_has_an_answer_for_each(tmp_path: Path) -> None:
    fixed = {"rcpt:no@test": "550 5.1.1 Unknown", "dot:full@test": "452 4.2.2 Over quota"}
    async with NextHop(lmtp=True, path=tmp_path / "s", keywords=CHUNKING, fixed=fixed) as hop:
        relay = relay_to(hop)
        codes = [code for _, code, _ in seen(await deliver(relay, "b@test", "no@test", "full@test", "c@test"))]
        assert codes == [250, 550, 452, 250]
        assert seen(await deliver(relay, "no@test")) == [("no@test", 550, Stage.RCPT)]
        assert (await deliver(relay))[0].ok
    assert hop.connections == 1


async def test_a_mail_for_nobody_goes_nowhere() -> None:
    async with NextHop(keywords=CHUNKING) as hop:
        assert await relay_to(hop).deliver(Envelope("a@test", ()), MAIL) == ()
    assert hop.taken == []


async def test_lost_between_two_answers_keeps_the_first() -> None:
    async with NextHop(lmtp=True, keywords=CHUNKING, fixed={"dot:b@test": DROP}) as hop:
        assert [code for _, code, _ in seen(await deliver(relay_to(hop), "a@test", "b@test"))] == [250, 451]


async def test_a_refused_sender_is_everyones_answer_and_the_connection_lives() -> None:
    async with NextHop(keywords=CHUNKING, plan={"mail": ["552 5.3.4 Too big"]}) as hop:
        relay = relay_to(hop)
        assert seen(await deliver(relay, "b@test", "c@test")) == [
            ("b@test", 552, Stage.MAIL),
            ("c@test", 552, Stage.MAIL),
        ]
        assert (await deliver(relay))[0].ok
    assert hop.connections == 1


async def test_a_refused_message_is_everyones_answer_and_the_next_begins_afresh() -> None:
    async with NextHop(keywords=CHUNKING, plan={"dot": ["554 5.7.1 Content refused"]}) as hop:
        relay = relay_to(hop)
        assert [code for _, code, _ in seen(await deliver(relay, "b@test", "c@test"))] == [554, 554]
        assert (await deliver(relay))[0].ok
    assert "RSET" in hop.commands
    assert (len(hop.taken), hop.connections) == (1, 1)


@pytest.mark.parametrize("last_words", [DROP, "421 4.3.2 Going down"])
async def test_a_hop_that_left_while_idle_is_called_again(last_words: str) -> None:
    async with NextHop(keywords=CHUNKING) as hop:
        relay = relay_to(hop)
        await deliver(relay)
        hop.plan["mail"] = [last_words]
        assert (await deliver(relay))[0].ok
    assert [taken.connection for taken in hop.taken] == [1, 2]


@pytest.mark.parametrize("stage", ["mail", "rcpt", "dot"])
async def test_what_may_have_been_taken_is_not_sent_again(stage: str) -> None:
    """A fresh connection that breaks, or one that breaks after its first answer: the queue tries again, not we."""
    async with NextHop(keywords=CHUNKING, plan={stage: [DROP]}) as hop:
        assert seen(await deliver(relay_to(hop))) == [("b@test", 451, Stage.DOT)]
        assert hop.connections == 1
    async with NextHop(keywords=CHUNKING) as hop:
        relay = relay_to(hop)
        await deliver(relay)
        hop.plan["dot"] = [DROP]
        assert seen(await deliver(relay)) == [("b@test", 451, Stage.DOT)]
    assert (len(hop.taken), hop.connections) == (1, 1)


async def test_a_silent_hop_is_left_after_the_deadline() -> None:
    async with NextHop(keywords=CHUNKING, plan={"dot": [HANG]}) as hop:
        (result,) = await deliver(relay_to(hop, dot=0.05))
    assert result.temporary
    assert "in time" in result.text
    assert hop.connections == 1


async def test_a_mail_that_needs_what_is_not_offered_is_told_so_before_it_is_sent() -> None:
    async with NextHop(keywords=("PIPELINING", "CHUNKING")) as hop:
        assert seen(await deliver(relay_to(hop), "ü@test")) == [("ü@test", 550, Stage.KEYWORD)]
        assert seen(await deliver(relay_to(hop), data="ä\r\n".encode())) == [("b@test", 554, Stage.KEYWORD)]
    assert hop.taken == []


async def test_chunks_without_pipelining_are_sent_step_by_step() -> None:
    async with NextHop(keywords=("CHUNKING", "8BITMIME")) as hop:
        assert (await deliver(relay_to(hop)))[0].ok
    assert hop.taken[0].data == MAIL
