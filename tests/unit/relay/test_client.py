# SPDX-License-Identifier: Apache-2.0
"""The SMTP and LMTP client against a next hop that is not ours: exact octets, one result per recipient, no loss."""

import asyncio
import ssl
from pathlib import Path

import pytest

from gateway.imip.mail import Envelope, Rcpt
from gateway.relay.client import SmtpRelay
from gateway.relay.hop import Stage, XForward, decode_xtext
from gateway.relay.octets import Stuffer
from gateway.relay.url import parse_relay_url
from gateway.relay.wire import Deadlines
from tests.support.nexthop import DROP, HANG, NextHop

MAIL = b"Subject: x\r\n\r\nline\r\n.dot\r\n..two\r\n"


def relay_to(hop: NextHop, **options: float) -> SmtpRelay:
    return SmtpRelay(parse_relay_url(hop.url), hostname="gw.test", deadlines=Deadlines(**options))


def envelope(*rcpts: str, mail_from: str = "a@test", parameters: tuple[str, ...] = ()) -> Envelope:
    return Envelope(mail_from, tuple(Rcpt(address) for address in rcpts), parameters)


async def test_octets_arrive_exactly() -> None:
    bodies = [
        MAIL,
        b"",
        b".",
        b".\r\n",
        b"no line end",
        b"\r\n.\r\n",
        b"bare\rcr and\nlf\r\n",
        b"x" * 300_000 + b"\r\n.\r\n",
    ]
    async with NextHop() as hop:
        relay = relay_to(hop)
        for body in bodies:
            assert (await relay.deliver(envelope("b@test"), body))[0].ok
        await relay.close()
    ended = [body if body.endswith(b"\r\n") or not body else body + b"\r\n" for body in bodies]
    assert [taken.data for taken in hop.taken] == ended


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_stuffing_does_not_depend_on_how_the_message_is_cut(size: int) -> None:
    message = b".a\r\n..b\r\nc.\r\n.\r\n\r\n.\n.\r.d\r\n"
    whole = message.replace(b"\r\n.", b"\r\n..").replace(b".a", b"..a", 1)
    stuff = Stuffer()
    cut = [stuff(message[at : at + size]) for at in range(0, len(message), size)]
    assert b"".join(cut) == whole


async def test_each_recipient_has_its_own_result() -> None:
    async with NextHop(fixed={"rcpt:no@test": "550 5.1.1 Unknown", "rcpt:later@test": "450 4.2.0 Greylisted"}) as hop:
        results = await relay_to(hop).deliver(envelope("b@test", "no@test", "later@test", "c@test"), MAIL)
    assert [(r.address, r.code, r.enhanced, r.stage) for r in results] == [
        ("b@test", 250, "2.0.0", Stage.DOT),
        ("no@test", 550, "5.1.1", Stage.RCPT),
        ("later@test", 450, "4.2.0", Stage.RCPT),
        ("c@test", 250, "2.0.0", Stage.DOT),
    ]
    assert hop.taken[0].rcpts == ["<b@test>", "<c@test>"]


async def test_lmtp_answers_for_each_recipient_after_the_dot(tmp_path: Path) -> None:
    async with NextHop(lmtp=True, path=tmp_path / "s", fixed={"dot:full@test": "452 4.2.2 Over quota"}) as hop:
        results = await relay_to(hop).deliver(envelope("b@test", "full@test"), MAIL)
    assert [(r.address, r.code) for r in results] == [("b@test", 250), ("full@test", 452)]


async def test_lmtp_lost_between_two_answers_keeps_the_first() -> None:
    async with NextHop(lmtp=True, fixed={"dot:b@test": DROP}) as hop:
        results = await relay_to(hop).deliver(envelope("a@test", "b@test"), MAIL)
    assert [r.code for r in results] == [250, 451]


async def test_one_connection_carries_many_mails() -> None:
    async with NextHop() as hop:
        relay = relay_to(hop)
        for _ in range(3):
            await relay.deliver(envelope("b@test"), MAIL)
        await relay.close()
    assert (len(hop.taken), hop.connections) == (3, 1)


async def test_a_stale_connection_is_replaced_without_a_word() -> None:
    async with NextHop() as hop:
        relay = relay_to(hop)
        await relay.deliver(envelope("b@test"), MAIL)
        hop.plan["mail"] = [DROP]
        assert (await relay.deliver(envelope("b@test"), MAIL))[0].ok
        hop.plan["mail"] = ["421 4.3.2 Going down"]
        assert (await relay.deliver(envelope("b@test"), MAIL))[0].ok
        hop.plan["data"] = [DROP]
        assert (await relay.deliver(envelope("b@test"), MAIL))[0].ok
    assert len(hop.taken) == 4


async def test_a_server_that_closed_while_idle_is_called_again() -> None:
    async with NextHop() as hop:
        relay = relay_to(hop)
        await relay.deliver(envelope("b@test"), MAIL)
        hop.drop_all()
        assert (await relay.deliver(envelope("b@test"), MAIL))[0].ok
    assert [taken.connection for taken in hop.taken] == [1, 2]


async def test_idle_connections_are_closed_in_time() -> None:
    async with NextHop() as hop:
        relay = SmtpRelay(parse_relay_url(hop.url), hostname="gw.test", idle=0.01)
        await relay.deliver(envelope("b@test"), MAIL)
        async with asyncio.timeout(5):
            while hop.open_now:
                await asyncio.sleep(0)
    assert hop.commands[-1] == "QUIT"


async def test_nothing_is_sent_twice_after_the_message_began() -> None:
    async with NextHop(plan={"dot": [DROP]}) as hop:
        (result,) = await relay_to(hop).deliver(envelope("b@test"), MAIL)
        assert (result.code, result.enhanced, result.stage) == (451, "4.4.2", Stage.DOT)
    assert hop.connections == 1


@pytest.mark.parametrize("stage", ["connect", "hello", "mail", "rcpt", "data", "dot"])
async def test_a_silent_hop_is_left_after_the_deadline(stage: str) -> None:
    brief = dict.fromkeys(("greeting", "hello", "command", "data", "dot"), 0.05)
    async with NextHop(plan={stage: [HANG]}) as hop:
        (result,) = await relay_to(hop, **brief).deliver(envelope("b@test"), MAIL)
    assert result.temporary
    assert "in time" in result.text
    assert hop.connections == 1  # a slow hop is not called twice


@pytest.mark.parametrize("stage", ["connect", "hello", "mail", "rcpt", "data", "dot"])
async def test_a_hop_that_always_drops_is_a_temporary_failure(stage: str) -> None:
    async with NextHop(fixed={stage: DROP, f"{stage}:b@test": DROP}) as hop:
        (result,) = await relay_to(hop).deliver(envelope("b@test"), MAIL)
    assert result.temporary


async def test_nobody_there_is_a_temporary_failure() -> None:
    async with NextHop() as hop:
        pass
    results = await relay_to(hop).deliver(envelope("b@test", "c@test"), MAIL)
    assert [(r.code, r.enhanced, r.stage) for r in results] == [(451, "4.4.1", Stage.CONNECT)] * 2


@pytest.mark.parametrize("greeting", ["554 5.7.1 Go away", "421 4.3.2 Busy", "HTTP/1.1 400 Bad Request"])
async def test_a_hop_that_does_not_want_us_never_bounces_mail(greeting: str) -> None:
    async with NextHop(fixed={"connect": greeting}) as hop:
        (result,) = await relay_to(hop).deliver(envelope("b@test"), MAIL)
    assert (result.code, result.stage) == (451, Stage.CONNECT)


async def test_a_refused_mail_from_is_everyones_answer() -> None:
    async with NextHop(plan={"mail": ["552 5.3.4 Too big"]}) as hop:
        relay = relay_to(hop)
        results = await relay.deliver(envelope("b@test", "c@test"), MAIL)
        assert [(r.code, r.stage) for r in results] == [(552, Stage.MAIL)] * 2
        assert (await relay.deliver(envelope("b@test"), MAIL))[0].ok  # and the connection is still good
    assert hop.connections == 1


@pytest.mark.parametrize("stage", ["data", "dot"])
async def test_a_refused_message_is_everyones_answer_and_the_connection_lives(stage: str) -> None:
    async with NextHop(plan={stage: ["550 5.7.1 Content refused"]}) as hop:
        relay = relay_to(hop)
        results = await relay.deliver(envelope("b@test", "c@test"), MAIL)
        assert [r.code for r in results] == [550, 550]
        assert (await relay.deliver(envelope("b@test"), MAIL))[0].ok
    assert (len(hop.taken), hop.connections) == (1, 1)


async def test_parameters_go_on_only_where_they_are_understood() -> None:
    mail = Envelope(
        "a@test",
        (Rcpt("b@test", ("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;B+2Bx@Test")),),
        ("RET=HDRS", "ENVID=QQ+3Dx", "SIZE=1", "AUTH=<>"),
    )
    async with NextHop() as hop:
        await relay_to(hop).deliver(mail, MAIL)
    async with NextHop(keywords=("PIPELINING",)) as bare:
        await relay_to(bare).deliver(mail, MAIL)
    assert hop.taken[0].mail == f"<a@test> RET=HDRS ENVID=QQ+3Dx SIZE={len(MAIL)}"
    assert hop.taken[0].rcpts == ["<b@test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;B+2Bx@Test"]
    assert (bare.taken[0].mail, bare.taken[0].rcpts) == ("<a@test>", ["<b@test>"])


async def test_a_hop_without_pipelining_is_spoken_to_step_by_step() -> None:
    async with NextHop(keywords=()) as hop:
        assert (await relay_to(hop).deliver(envelope("b@test", "c@test"), MAIL))[1].ok
    async with NextHop(plan={"hello": ["502 5.5.1 What?"]}) as ancient:
        assert (await relay_to(ancient).deliver(envelope("b@test"), MAIL))[0].ok


async def test_smtputf8_is_used_when_needed_and_missed_aloud() -> None:
    async with NextHop() as hop:
        assert (await relay_to(hop).deliver(envelope("ü@test"), MAIL))[0].ok
    assert hop.taken[0].mail == f"<a@test> SMTPUTF8 SIZE={len(MAIL)}"
    async with NextHop(keywords=("PIPELINING",)) as bare:
        results = await relay_to(bare).deliver(envelope("ü@test", "b@test"), MAIL)
    assert {(r.code, r.enhanced, r.stage) for r in results} == {(550, "5.6.7", Stage.KEYWORD)}


async def test_eight_bit_mail_is_never_converted() -> None:
    mail = "Subject: x\r\n\r\nä\r\n".encode()
    async with NextHop() as hop:
        await relay_to(hop).deliver(envelope("b@test"), mail)
    assert hop.taken[0].mail == f"<a@test> BODY=8BITMIME SIZE={len(mail)}"
    async with NextHop(keywords=("PIPELINING",)) as bare:
        relay = relay_to(bare)
        (result,) = await relay.deliver(envelope("b@test"), mail)
        assert (result.enhanced, result.stage) == ("5.6.3", Stage.KEYWORD)
        assert (await relay.deliver(envelope("b@test"), MAIL))[0].ok
    assert len(bare.taken) == 1


async def test_xforward_is_handed_on_per_transaction() -> None:
    client = XForward(
        (("NAME", "mx.example"), ("ADDR", "192.0.2.1"), ("IDENT", "4Q+3D"), ("SOURCE", "REMOTE"), ("X", "y"))
    )
    async with NextHop() as hop:
        relay = relay_to(hop)
        for _ in range(2):
            await relay.deliver(envelope("b@test"), MAIL, xforward=client)
    assert [taken.xforward for taken in hop.taken] == [["NAME=mx.example ADDR=192.0.2.1 IDENT=4Q+3D SOURCE=REMOTE"]] * 2
    assert client.value("IDENT") == "4Q="
    assert decode_xtext("a+zz+2Bb") == "a+zz+b"


async def test_a_dialog_is_followed_word_for_word() -> None:
    refusal = "550-5.7.1 First line\n550 5.7.1 second line"
    async with NextHop(fixed={"rcpt:no@test": refusal}) as hop:
        handover = relay_to(hop).begin("a@test", ("BODY=8BITMIME",))
        assert (await handover.rcpt(Rcpt("b@test"))).ok
        no = await handover.rcpt(Rcpt("no@test"))
        assert (no.code, no.enhanced, no.text) == (550, "5.7.1", "First line\nsecond line")
        results = await handover.data((MAIL[:5], MAIL[5:]))
    assert [(r.address, r.code) for r in results] == [("b@test", 250)]
    assert hop.taken[0].data == MAIL


async def test_an_abandoned_transaction_leaves_a_clean_connection() -> None:
    async with NextHop() as hop:
        relay = relay_to(hop)
        handover = relay.begin("a@test")
        await handover.rcpt(Rcpt("secret@test"))
        await handover.abandon()
        await relay.deliver(envelope("b@test"), MAIL)
    assert (hop.taken[0].rcpts, hop.connections) == (["<b@test>"], 1)


async def test_a_loss_between_recipients_is_mended_with_all_of_them() -> None:
    async with NextHop() as hop:
        handover = relay_to(hop).begin("a@test")
        await handover.rcpt(Rcpt("b@test"))
        hop.drop_all()
        assert (await handover.rcpt(Rcpt("c@test"))).ok
        assert [r.code for r in await handover.data((MAIL,))] == [250, 250]
    assert hop.taken[0].rcpts == ["<b@test>", "<c@test>"]


async def test_connections_are_bounded() -> None:
    async with NextHop(plan={"dot": [HANG]}) as hop:
        url = parse_relay_url(hop.url + "?connections=1")
        relay = SmtpRelay(url, hostname="gw.test", deadlines=Deadlines(slot=0.05, dot=1.0))
        slow = asyncio.create_task(relay.deliver(envelope("b@test"), MAIL))
        while not hop.commands or hop.commands[-1] != "DATA":
            await asyncio.sleep(0)
        (result,) = await relay.deliver(envelope("c@test"), MAIL)
        assert (result.code, result.stage) == (451, Stage.CONNECT)
        slow.cancel()
    assert hop.connections == 1


async def test_a_cancelled_delivery_does_not_poison_the_pool() -> None:
    async with NextHop(plan={"rcpt": [HANG]}) as hop:
        relay = relay_to(hop)
        stuck = asyncio.create_task(relay.deliver(envelope("b@test"), MAIL))
        while not hop.commands or not hop.commands[-1].startswith("RCPT"):
            await asyncio.sleep(0)
        stuck.cancel()
        await asyncio.gather(stuck, return_exceptions=True)
        assert (await relay.deliver(envelope("c@test"), MAIL))[0].ok
    assert (hop.taken[0].rcpts, hop.taken[0].connection) == (["<c@test>"], 2)


async def test_login_where_one_is_configured() -> None:
    for mechanisms in ("PLAIN", "LOGIN"):
        async with NextHop(logins={"u@x": "p w"}) as hop:
            hop.fixed["hello"] = f"250-sink\n250 AUTH {mechanisms}"
            relay = SmtpRelay(parse_relay_url(f"smtp://u%40x:p%20w@127.0.0.1:{hop.port}"), hostname="gw.test")
            assert (await relay.deliver(envelope("b@test"), MAIL))[0].ok
    async with NextHop(logins={"u@x": "p w"}) as hop:
        relay = SmtpRelay(parse_relay_url(f"smtp://u%40x:wrong@127.0.0.1:{hop.port}"), hostname="gw.test")
        assert (await relay.deliver(envelope("b@test"), MAIL))[0].temporary


async def test_tls_policies(tls_server: ssl.SSLContext, tls_ca: Path) -> None:
    async def result(policy: str, offered: bool = True) -> tuple[bool, list[str]]:
        async with NextHop(ssl_context=tls_server if offered else None) as hop:
            url = f"smtp://localhost:{hop.port}?tls={policy}&ca={tls_ca}"
            relay = SmtpRelay(parse_relay_url(url), hostname="gw.test")
            (result,) = await relay.deliver(envelope("b@test"), MAIL)
            return result.ok, hop.commands

    good, commands = await result("verify")
    assert good
    assert commands[:3] == ["EHLO gw.test", "STARTTLS", "EHLO gw.test"]
    assert (await result("may"))[0]
    assert (await result("may", offered=False))[0]
    assert (await result("encrypt"))[0]
    assert not (await result("encrypt", offered=False))[0]
    assert not (await result("verify", offered=False))[0]


async def test_a_certificate_of_another_name_is_no_good_for_verify(tls_server: ssl.SSLContext, tls_ca: Path) -> None:
    async with NextHop(ssl_context=tls_server) as hop:
        for url, good in (("tls=verify", False), ("tls=encrypt", True)):
            relay = SmtpRelay(parse_relay_url(f"{hop.url}?{url}&ca={tls_ca}"), hostname="gw.test")
            assert (await relay.deliver(envelope("b@test"), MAIL))[0].ok is good


async def test_clear_text_after_starttls_is_not_believed(tls_server: ssl.SSLContext) -> None:
    async with NextHop(ssl_context=tls_server, plan={"starttls": ["220 Go\n250 injected"]}) as hop:
        relay = SmtpRelay(parse_relay_url(f"{hop.url}?tls=encrypt"), hostname="gw.test")
        (result,) = await relay.deliver(envelope("b@test"), MAIL)
    assert result.temporary


async def test_probe_says_whether_the_hop_is_there() -> None:
    async with NextHop() as hop:
        found = await relay_to(hop).probe()
        assert found.ok
        assert "PIPELINING" in found.text
    assert not (await relay_to(hop).probe()).ok
