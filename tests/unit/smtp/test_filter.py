# SPDX-License-Identifier: Apache-2.0
"""The content filter as Postfix sees it: nothing lost, nothing doubled, nothing altered, nothing claimed too early."""

import asyncio
import socket
import struct

import pytest

from gateway.errors import Deferred, Refused
from gateway.imip.mail import Disposition, Mail
from tests.support.doors import Peer, opened
from tests.support.nexthop import DROP, NextHop

PLAIN = b"Subject: hello\r\n\r\n.dots\r\nand\ttabs \r\n\r\n"
WIRE = PLAIN.replace(b"\r\n.", b"\r\n..")
INVITATION = b"From: o@test\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"
RECEIVED = (
    b"Received: from peer.test ([127.0.0.1])\r\n\tby gw.test (imip-gateway) with ESMTP id m000001\r\n"
    b"\tfor <b@test>;\r\n\tMon, 01 Jun 2026 08:00:00 +0000\r\n"
)


async def test_plain_mail_passes_octet_for_octet_and_meets_no_flow() -> None:
    async with opened() as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        assert await peer.mail(WIRE) == "250 2.0.0 Ok: queued as 1"
    assert house.hop.taken[0].data == RECEIVED + PLAIN
    assert house.examined == []


async def test_a_calendar_is_examined_before_the_next_hop_gets_it() -> None:
    async def flow(mail: Mail) -> Disposition:
        assert house.hop.taken == []
        return Disposition(headers=b"X-iMIP-Gateway: outcome=applied\r\n", drop=((0, 14),))

    async with opened(flow=flow) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        assert (await peer.mail(INVITATION)).startswith("250 ")
    (mail,) = house.examined
    assert (mail.data, mail.envelope.mail_from, mail.envelope.recipients) == (INVITATION, "a@test", ("b@test",))
    assert house.hop.taken[0].data == RECEIVED + b"X-iMIP-Gateway: outcome=applied\r\n" + INVITATION[14:]


async def test_xforward_tells_the_flow_and_the_next_hop_who_it_was() -> None:
    async with opened() as house:
        peer = await Peer.call(house.port)
        assert "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE" in await peer.hello()
        for _ in range(2):  # Postfix repeats them for each mail of a connection
            assert (await peer.say("XFORWARD NAME=mx.example ADDR=IPV6:2001:db8::1 PORT=[UNAVAILABLE]")).startswith(
                "250"
            )
            assert (await peer.say("XFORWARD PROTO=ESMTP HELO=mx+2Bx IDENT=4gZ2 SOURCE=REMOTE")).startswith("250")
            await peer.mail(INVITATION)
        await peer.mail(INVITATION)
    origin = house.examined[0].origin
    assert (origin.queue_id, origin.client_name, origin.helo) == ("4gZ2", "mx.example", "mx+x")
    assert house.examined[2].origin.queue_id is None  # it holds for one mail
    words = "NAME=mx.example ADDR=IPV6:2001:db8::1 PORT=[UNAVAILABLE] PROTO=ESMTP HELO=mx+2Bx IDENT=4gZ2 SOURCE=REMOTE"
    assert [" ".join(taken.xforward) for taken in house.hop.taken] == [words, words, ""]


async def test_each_recipient_gets_the_next_hops_own_answer() -> None:
    fixed = {"rcpt:no@test": "550-5.1.1 No such\n550 5.1.1 user", "rcpt:later@test": "450 4.2.0 Greylisted"}
    async with opened(NextHop(fixed=fixed)) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        await peer.say("MAIL FROM:<>")
        assert await peer.say("RCPT TO:<no@test>") == "550-5.1.1 No such\n550 5.1.1 user"
        assert await peer.say("RCPT TO:<later@test>") == "450 4.2.0 Greylisted"
        assert (await peer.say("DATA")).startswith("554 5.5.1")
        assert (await peer.say("RCPT TO:<b@test>")).startswith("250 2.1.5")
        assert (await peer.say("DATA")).startswith("354")
        assert (await peer.say(".")).startswith("250")
    assert house.hop.taken[0].mail == "<>"
    assert house.hop.taken[0].rcpts == ["<b@test>"]


async def test_parameters_pass_through_as_they_came() -> None:
    async with opened() as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        await peer.say('MAIL FROM:<"a b"@Test> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=QQ+3Dx SMTPUTF8')
        await peer.say("RCPT TO:<B+x@Test> NOTIFY=SUCCESS,delay ORCPT=rfc822;B+2Bx@Test")
        await peer.say("DATA")
        await peer.say(".")
    (taken,) = house.hop.taken
    assert taken.mail == '<"a b"@Test> SIZE=1124 BODY=8BITMIME RET=HDRS ENVID=QQ+3Dx SMTPUTF8'
    assert taken.rcpts == ["<B+x@Test> NOTIFY=SUCCESS,delay ORCPT=rfc822;B+2Bx@Test"]


@pytest.mark.parametrize(("trouble", "answer"), [("451 4.7.1 Later", "451"), ("554 5.7.1 Spam", "554"), (DROP, "451")])
async def test_the_last_word_is_the_next_hops(trouble: str, answer: str) -> None:
    async with opened(NextHop(plan={"dot": [trouble]})) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        assert (await peer.mail(WIRE)).startswith(answer)
        assert (await peer.mail(WIRE)).startswith("250")
    assert len(house.hop.taken) == 1


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot"])
async def test_a_next_hop_that_dies_at_any_step_loses_nothing(stage: str) -> None:
    """It dies twice: the silent second attempt, which is made where nothing of the message was sent, fails too."""
    async with opened(NextHop(plan={stage: [DROP, DROP]})) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        await peer.say("MAIL FROM:<a@test>")
        last = await peer.say("RCPT TO:<b@test>")
        if last.startswith("250"):
            await peer.say("DATA")
            last = await peer.say(".")
        assert last.startswith("451 4.4.2")
        house.hop.plan.clear()
        await peer.say("RSET")
        assert (await peer.mail(WIRE)).startswith("250")
    assert len(house.hop.taken) == 1


async def test_one_line_tells_what_became_of_a_mail(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="gateway.mail"):
        async with opened(NextHop(plan={"dot": ["250 2.0.0 Ok: queued as X1", "451 4.7.1 Later"]})) as house:
            peer = await Peer.call(house.port)
            await peer.hello()
            await peer.mail(WIRE)
            await peer.mail(INVITATION, "b@test", "c@test")
    lines = [(record.getMessage(), record.__dict__["facts"]) for record in caplog.records]
    assert [(verb, facts["rule"], facts["recipients"], facts["reply"]) for verb, facts in lines] == [
        ("relayed", "door.plain", 1, "250 2.0.0 Ok: queued as X1"),
        ("deferred", "door.examined", 2, "451 4.7.1 Later"),
    ]
    assert lines[0][1]["size"] == len(PLAIN)


async def test_no_next_hop_is_temporary_for_every_recipient() -> None:
    async with opened() as house:
        await house.hop.stop()
        peer = await Peer.call(house.port)
        await peer.hello()
        await peer.say("MAIL FROM:<a@test>")
        assert (await peer.say("RCPT TO:<b@test>")).startswith("451 4.4.1")
        assert (await peer.say("RCPT TO:<c@test>")).startswith("451 4.4.1")


async def test_what_the_next_hop_cannot_do_is_temporary_not_a_bounce() -> None:
    async with opened(NextHop(keywords=("PIPELINING",))) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        await peer.say("MAIL FROM:<a@test> SMTPUTF8")
        assert (await peer.say("RCPT TO:<ü@test>")).startswith("451 4.6.7")
        await peer.say("RSET")
        assert (await peer.mail("Subject: ü\r\n\r\n".encode())).startswith("451 4.6.3")
        assert (await peer.mail(WIRE)).startswith("250")


@pytest.mark.parametrize(
    "error", [Deferred("store-busy", "Try later"), Refused("no", "never"), ValueError("secret word")]
)
async def test_trouble_of_ours_is_temporary_and_tells_nothing(error: Exception) -> None:
    async def flow(mail: Mail) -> Disposition:
        raise error

    async with opened(flow=flow) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        answer = await peer.mail(INVITATION)
        assert answer.startswith("451 4.3.0 ")
        assert "secret" not in answer
        house.flow = None
        assert (await peer.mail(INVITATION)).startswith("250")
    assert len(house.hop.taken) == 1


async def test_our_own_addresses_are_not_asked_of_the_next_hop() -> None:
    async def flow(mail: Mail) -> Disposition:
        return Disposition(consumed=frozenset({"token+1@test"}))

    async with opened(NextHop(fixed={"rcpt:token+1@test": "550 5.1.1 Unknown"}), flow=flow) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        assert await peer.mail(WIRE, "token+1@test") == "250 2.0.0 Ok: done as m000001"
        assert (await peer.mail(WIRE, "token+1@test", "b@test")).startswith("250 2.0.0 Ok: queued")
    assert [taken.rcpts for taken in house.hop.taken] == [["<b@test>"]]
    assert len(house.examined) == 2


async def test_a_consumed_recipient_is_taken_out_of_the_open_transaction() -> None:
    async def flow(mail: Mail) -> Disposition:
        return Disposition(consumed=frozenset({"b@test"}))

    async with opened(flow=flow) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        assert (await peer.mail(INVITATION, "b@test", "c@test")).startswith("250")
    (taken,) = house.hop.taken
    assert taken.rcpts == ["<c@test>"]
    assert b"for <c@test>" in taken.data


async def test_one_of_ours_that_must_go_on_but_cannot_is_never_lost_in_silence() -> None:
    fixed = {"rcpt:token+1@test": "550 5.1.1 Unknown"}
    async with opened(NextHop(fixed=fixed)) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        assert (await peer.mail(WIRE, "token+1@test")).startswith("550 5.1.1")
        assert (await peer.mail(WIRE, "token+1@test", "b@test")).startswith("451 4.3.0")
    assert house.hop.taken == []


async def test_a_mail_that_loops_is_passed_on_unread() -> None:
    async with opened() as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        mail = INVITATION
        for _ in range(5):
            assert (await peer.mail(mail)).startswith("250")
            mail = house.hop.taken[-1].data
    assert len(house.examined) == 3
    assert house.hop.taken[-1].data.endswith(INVITATION)


async def test_three_mails_on_one_connection_stay_apart() -> None:
    async with opened() as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        for n in range(3):
            await peer.mail(b"Subject: %d\r\n\r\n" % n, f"r{n}@test", mail_from=f"s{n}@test")
        assert (await peer.say("QUIT")).startswith("221")
        assert await peer.reply() == ""
    assert [(t.mail, t.rcpts) for t in house.hop.taken] == [(f"<s{n}@test>", [f"<r{n}@test>"]) for n in range(3)]
    assert house.hop.connections == 1


async def test_a_pipelined_session_gets_all_its_answers_in_order() -> None:
    async with opened() as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        mail = b"MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nRCPT TO:<bad path>\r\nDATA\r\n" + WIRE + b".\r\n"
        peer.write(mail + mail + b"QUIT\r\n")
        answers = [(await peer.reply())[:3] for _ in range(11)]
    assert answers == ["250", "250", "501", "354", "250"] * 2 + ["221"]
    assert [taken.data.partition(b"+0000\r\n")[2] for taken in house.hop.taken] == [PLAIN, PLAIN]


async def test_rset_forgets_everything() -> None:
    async with opened() as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        await peer.say("XFORWARD IDENT=one")
        await peer.say("MAIL FROM:<x@test>")
        await peer.say("RCPT TO:<x@test>")
        assert (await peer.say("RSET")).startswith("250")
        assert (await peer.say("DATA")).startswith("503")
        await peer.mail(WIRE)
    assert [(taken.rcpts, taken.xforward) for taken in house.hop.taken] == [(["<b@test>"], [])]


async def test_whoever_half_closes_after_the_dot_still_gets_the_answer() -> None:
    async with opened() as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        await peer.say("MAIL FROM:<a@test>")
        await peer.say("RCPT TO:<b@test>")
        await peer.say("DATA")
        peer.write(WIRE + b".\r\n")
        peer.writer.write_eof()
        assert (await peer.reply()).startswith("250")
        assert await peer.reply() == ""
    assert len(house.hop.taken) == 1


async def test_leaving_after_the_dot_never_cuts_a_commit_in_half() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    ended: list[str] = []

    async def flow(mail: Mail) -> Disposition:
        begun.set()
        await go_on.wait()
        ended.append(mail.id)
        return Disposition()

    async with opened(flow=flow) as house:
        peer = await Peer.call(house.port)
        await peer.hello()
        for line in ("MAIL FROM:<a@test>", "RCPT TO:<b@test>", "DATA"):
            await peer.say(line)
        peer.write(INVITATION + b".\r\n")
        await begun.wait()
        linger = struct.pack("ii", 1, 0)  # a reset, not a polite half-close
        peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        peer.writer.transport.abort()
        for _ in range(50):
            await asyncio.sleep(0)
        go_on.set()
        async with asyncio.timeout(5):
            while not ended:
                await asyncio.sleep(0)
    assert ended == ["m000001"]
    assert house.hop.taken == []  # whoever left will send it again: the next hop was not told


async def test_leaving_in_the_middle_delivers_nothing() -> None:
    async with opened() as house:
        for cut in (b"", b"half a line", b"line\r\n", b"line\r\n."):
            peer = await Peer.call(house.port)
            await peer.hello()
            for line in ("MAIL FROM:<a@test>", "RCPT TO:<b@test>", "DATA"):
                await peer.say(line)
            peer.write(cut)
            await peer.close()
    assert house.hop.taken == []
