# SPDX-License-Identifier: Apache-2.0
"""LMTP: each recipient has a fate of its own."""

import pytest

from gateway.errors import Deferred
from gateway.imip.mail import Disposition, Mail
from gateway.imip.mail import Door as Kind
from gateway.smtp.door import Limits
from tests.support.doors import Peer, opened
from tests.support.nexthop import DROP, NextHop

INVITATION = b"Content-Type: text/calendar; method=REPLY\r\n\r\nBEGIN:VCALENDAR\r\n"


async def replies(peer: Peer, data: bytes, *rcpts: str) -> list[str]:
    await peer.say("MAIL FROM:<a@test>")
    for rcpt in rcpts:
        assert (await peer.say(f"RCPT TO:<{rcpt}>")).startswith("250")
    await peer.say("DATA")
    peer.write(data + b".\r\n")
    return [(await peer.reply())[:9] for _ in rcpts]


async def test_partial_failure_is_told_recipient_by_recipient() -> None:
    fixed = {"dot:full@test": "452 4.2.2 Over quota", "dot:gone@test": "550 5.1.1 Gone"}
    async with opened(NextHop(lmtp=True, fixed=fixed), kind=Kind.LMTP) as house:
        peer = await Peer.call(house.port)
        await peer.hello("LHLO")
        answer = await replies(peer, b"x\r\n", "b@test", "full@test", "gone@test", "c@test")
    assert answer == ["250 2.0.0", "452 4.2.2", "550 5.1.1", "250 2.0.0"]


async def test_who_ends_with_us_does_not_share_the_fate_of_those_that_go_on() -> None:
    async def flow(mail: Mail) -> Disposition:
        return Disposition(consumed=frozenset({"token+1@test"}))

    async with opened(NextHop(plan={"dot": ["451 4.7.1 Later"]}), kind=Kind.LMTP, flow=flow) as house:
        peer = await Peer.call(house.port)
        await peer.hello("LHLO")
        assert await replies(peer, INVITATION, "b@test", "token+1@test", "c@test") == [
            "451 4.7.1",
            "250 2.0.0",
            "451 4.7.1",
        ]


async def test_a_refused_content_of_an_smtp_hop_is_everyones() -> None:
    async with opened(NextHop(plan={"dot": ["554 5.7.1 No"]}), kind=Kind.LMTP) as house:
        peer = await Peer.call(house.port)
        await peer.hello("LHLO")
        assert await replies(peer, b"x\r\n", "b@test", "c@test") == ["554 5.7.1"] * 2


@pytest.mark.parametrize("trouble", ["store", "bug", "hop", "size", "smuggling"])
async def test_every_failure_has_as_many_replies_as_recipients(trouble: str) -> None:
    """A client that waits for the missing ones waits until its timeout; aiosmtpd sends one."""

    async def flow(mail: Mail) -> Disposition:
        raise Deferred("store-busy", "Later") if trouble == "store" else KeyError(trouble)

    plan = {"dot": [DROP]} if trouble == "hop" else {}
    data = {"size": b"x" * 2000 + b"\r\n", "smuggling": b"x\n.\n\r\n", "hop": b"x\r\n"}.get(trouble, INVITATION)
    async with opened(NextHop(plan=plan), kind=Kind.LMTP, flow=flow, limits=Limits(message_size=1000)) as house:
        peer = await Peer.call(house.port)
        await peer.hello("LHLO")
        answer = await replies(peer, data, "b@test", "c@test", "d@test")
        assert len(set(answer)) == 1
        assert answer[0][0] == ("5" if trouble in ("size", "smuggling") else "4")
        assert (await peer.say("NOOP")).startswith("250")
    assert house.hop.taken == []
