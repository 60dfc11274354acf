# SPDX-License-Identifier: Apache-2.0
"""One connection to an SMTP or LMTP server: octets out, replies in, a deadline on every wait.

What may be said, and when, is `handover`'s business; what a message looks like on the wire is `octets`'.
"""

import asyncio
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from gateway.errors import Deferred
from gateway.relay.hop import Body, HopReply
from gateway.relay.octets import Stuffer, pieces_of

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?: |$)")
_MAX_REPLY = 64 * 1024
_SLICE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds we wait for each step; shorter than Postfix's own patience with us (smtp_data_done_timeout 600 s)."""

    connect: float = 10.0
    greeting: float = 30.0
    hello: float = 30.0
    command: float = 60.0  # XFORWARD, MAIL, RCPT, RSET
    data: float = 60.0  # 354
    block: float = 120.0  # one slice of the message
    dot: float = 240.0  # the final reply
    slot: float = 30.0  # for a free connection where all are in use


class HopLost(Deferred):
    """The connection is gone or of no use; whether the mail was taken is for the caller to know."""

    def __init__(self, what: str, *, late: bool = False) -> None:
        super().__init__("next-hop-down", f"next hop: {what}")
        self.late = late  # a deadline passed: the hop is there but slow, trying again at once is no help


class HopConnection(asyncio.Protocol):
    """A connection with its reply parser and flow control."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.keywords: dict[str, str] = {}
        self.needs_reset = False  # a transaction was left half-way: RSET before the next
        self.idle_since = 0.0
        self.alive = False
        self.encrypted = False  # by STARTTLS
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._at = 0  # how far it was read
        self._lines: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._until = 0.0  # when the present wait is over
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False

    def offers(self, keyword: str) -> bool:
        """Did the server announce this extension?"""
        return keyword in self.keywords

    # --- asyncio.Protocol -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its bases
        self.alive = True

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer[self._at :] + data if self._buffer else data
        self._at = 0
        self._wake()

    def eof_received(self) -> None:
        self.alive = False
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.alive = False
        self._paused = False
        if self._timer is not None:
            self._timer.cancel()
        self._wake()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._wake()

    # --- what the client uses -------------------------------------------------------------------------------

    def send(self, octets: bytes) -> None:
        """Write without waiting; for commands."""
        if self._transport is None or not self.alive:
            raise HopLost("connection lost")
        self._transport.write(octets)

    async def reply(self, seconds: float, to: str) -> HopReply:
        """Wait for one reply.

        Raises:
            HopLost: where none comes in time, or what comes is not a reply.
        """
        reply = self._take_reply()
        if reply is not None:
            return reply
        until = self.loop.time() + seconds
        while True:
            if not self.alive:
                raise HopLost(f"connection lost while waiting for the reply to {to}")
            await self._wait(until, f"no reply to {to} in time")
            if (reply := self._take_reply()) is not None:
                return reply

    async def send_message(self, body: Body, seconds: float, *, eight_bit: bool) -> None:
        """Send a message and its final dot, stuffed, in slices, at the speed at which the server takes it.

        Raises:
            HopLost: also where the message turns out to be 8-bit and may not be.
        """
        stuff = Stuffer()
        waiting: list[bytes] = []
        size = 0
        async for piece in pieces_of(body):
            if not eight_bit and not piece.isascii():
                self.abort()
                raise HopLost("message is 8-bit and 8BITMIME is not offered")
            waiting.append(stuff(piece))
            size += len(piece)
            if size > _SLICE:
                await self.send_octets(b"".join(waiting), seconds)
                waiting, size = [], 0
        waiting.append(stuff.end())
        await self.send_octets(b"".join(waiting), seconds)

    async def send_octets(self, octets: bytes, seconds: float) -> None:
        """Send octets in slices, at the speed at which the server takes them.

        Raises:
            HopLost: where it takes no more.
        """
        view = memoryview(octets)
        for start in range(0, len(view), _SLICE):
            if self._transport is None or not self.alive:
                raise HopLost("connection lost while sending the message")
            self._transport.write(view[start : start + _SLICE])
            await self._flow(seconds)

    async def start_tls(self, context: ssl.SSLContext, host: str | None, seconds: float) -> None:
        """Go on under TLS. Clear-text octets that already arrived end the connection (RFC 3207 §6, CVE-2011-0411).

        Raises:
            HopLost: where the handshake fails.
        """
        if self._buffer or self._lines or self._transport is None:
            self.abort()
            raise HopLost("clear text after STARTTLS")
        try:
            transport = await self.loop.start_tls(
                self._transport, self, context, server_hostname=host, ssl_handshake_timeout=seconds
            )
        except (OSError, ssl.SSLError) as error:
            self.abort()
            raise HopLost(f"TLS: {_words(error)}") from error
        if transport is None:
            raise HopLost("TLS: connection lost")
        self._transport = transport
        self.keywords = {}
        self.encrypted = True

    @property
    def reused(self) -> bool:
        """It was idle before: the server may have left without our knowing."""
        return self.idle_since > 0

    @property
    def stale(self) -> bool:
        """Unfit for another mail: gone, or the server spoke out of turn (a 421 while idle)."""
        return not self.alive or bool(self._buffer) or bool(self._lines)

    def last_words(self) -> HopReply | None:
        """Return a reply that arrived before the connection was lost, such as a 552 in the middle of the message."""
        return self._take_reply()

    def quit(self) -> None:
        """Say good-bye and leave; nobody waits for the answer."""
        if self.alive and self._transport is not None:
            self._transport.write(b"QUIT\r\n")
            self._transport.close()
        self.alive = False

    def abort(self) -> None:
        """Leave without a word; a message without its final dot is not delivered (RFC 5321 §4.1.1.4)."""
        if self._transport is not None:
            self._transport.abort()
        self.alive = False

    # --- inside ---------------------------------------------------------------------------------------------

    async def _flow(self, seconds: float) -> None:
        until = self.loop.time() + seconds if self._paused else 0.0
        while self._paused and self.alive:
            await self._wait(until, "message not taken in time")

    async def _wait(self, until: float, complaint: str) -> None:
        self._until = until
        if self._timer is None or self._timer.when() > until:
            self._set_timer(until)
        self._waiter = self.loop.create_future()
        try:
            await self._waiter
        except TimeoutError:
            self.abort()
            raise HopLost(complaint, late=True) from None
        finally:
            self._waiter = None

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(when, self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        """One timer for all waits of a connection, looked at when it fires: setting one for each would cost more."""
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self.loop.time() < self._until:
            self._set_timer(self._until)
        else:
            self._waiter.set_exception(TimeoutError())

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _take_reply(self) -> HopReply | None:
        while (end := self._buffer.find(b"\n", self._at)) >= 0:
            line, self._at = self._buffer[self._at : end].rstrip(b"\r"), end + 1
            if self._at == len(self._buffer):
                self._buffer, self._at = b"", 0
            if not line[:3].isdigit() or line[3:4] not in (b" ", b"-", b""):
                self.abort()
                raise HopLost("what came is not a reply")
            if line[3:4] != b"-":
                if not self._lines:
                    return parse_line(line)
                lines, self._lines = [*self._lines, line], []
                return parse_reply(lines)
            self._lines.append(line)
        if len(self._buffer) - self._at + sum(map(len, self._lines)) > _MAX_REPLY:
            self.abort()
            raise HopLost("reply too long")
        return None


@lru_cache(256)
def parse_line(line: bytes) -> HopReply:
    """Read a reply of one line; nearly all are the same few."""
    return parse_reply((line,))


def parse_reply(lines: Sequence[bytes]) -> HopReply:
    """Read the lines of one reply; the enhanced status (RFC 2034) is the first line's and leaves the text."""
    texts = [line[4:].decode("utf-8", "replace") for line in lines]
    found = _ENHANCED.match(texts[0])
    if found is None:
        return HopReply(int(lines[-1][:3]), "", "\n".join(texts))
    enhanced = found.group(1)
    stripped = (text.removeprefix(enhanced).removeprefix(" ") for text in texts)
    return HopReply(int(lines[-1][:3]), enhanced, "\n".join(stripped))


async def open_socket(
    host: str, port: int, path: str | None, context: ssl.SSLContext | None, seconds: float
) -> HopConnection:
    """Connect; the greeting is not read yet.

    Raises:
        HopLost: where nobody answers.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            if path is not None:
                _, unix = await loop.create_unix_connection(HopConnection, path)
                return unix
            _, tcp = await loop.create_connection(
                HopConnection, host, port, ssl=context, server_hostname=host if context else None
            )
            return tcp
    except (OSError, ssl.SSLError) as error:  # TimeoutError is an OSError
        raise HopLost(f"cannot connect: {_words(error)}") from error


def _words(error: BaseException) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:120]
