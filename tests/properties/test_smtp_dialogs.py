# SPDX-License-Identifier: Apache-2.0
"""Whatever a peer sends, the door answers or hangs up, never breaks, and gives no mail on that was not ended."""

import asyncio
import contextlib
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.smtp.door import Limits
from tests.support.doors import House, Peer
from tests.support.nexthop import NextHop

GOOD = [
    b"EHLO x\r\n", b"HELO x\r\n", b"MAIL FROM:<a@test>\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<b@test>\r\n", b"DATA\r\n",
    b"RSET\r\n", b"NOOP\r\n", b".\r\n", b"Subject: x\r\n", b"\r\n", b"XFORWARD NAME=x\r\n", b"VRFY x\r\n", b"\n.\n",
    b"AUTH PLAIN\r\n", b"STARTTLS\r\n", b"LHLO x\r\n", b"QUIT\r\n", b"..\r\n", b"BDAT 3 LAST\r\nabc", b"\r", b"\n",
    b"Content-Type: text/calendar\r\n\r\n", b"MAIL FROM:<a@test> SIZE=9 BODY=8BITMIME\r\n", b"x" * 5000,
]  # fmt: skip
pieces = st.lists(st.one_of(st.sampled_from(GOOD), st.binary(max_size=30)), max_size=25)
REPLIES = re.compile(rb"(?:[2-5]\d\d[- ][^\r\n]*\r\n)*")


async def converse(said: list[bytes], *, at_once: bool) -> tuple[bytes, int]:
    async with NextHop() as hop:
        house = House(hop, limits=Limits(command_seconds=5.0, message_size=2000, login_delay=0.0))
        await house.start()
        peer = await Peer.call(house.port)
        answer = b""
        for octets in [b"".join(said)] if at_once else said:
            peer.write(octets)
            await asyncio.sleep(0)
        with contextlib.suppress(OSError):  # it hung up already: its right
            peer.writer.write_eof()
        async with asyncio.timeout(20):
            while octets := await peer.reader.read(65536):
                answer += octets
            while house.listener.sessions:
                await asyncio.sleep(0)
        await house.listener.drain(1)
        assert house.relay is not None
        await house.relay.close()
        return answer, len(hop.taken)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pieces, st.booleans())
def test_any_octets_are_answered_in_form(said: list[bytes], at_once: bool) -> None:
    try:
        answer, taken = asyncio.run(converse([b"EHLO x\r\n", *said], at_once=at_once))
    except ConnectionError:
        return  # a reset: it hung up while we were still talking
    assert REPLIES.fullmatch(answer), answer
    assert answer.startswith(b"220 ")
    assert b"451 4.3.0" not in answer  # no bug was met
    assert taken == answer.count(b"250 2.0.0 Ok: queued as")
