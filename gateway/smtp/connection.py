# SPDX-License-Identifier: Apache-2.0
"""One SMTP connection beneath its commands: octets in and out, line ends, deadlines, TLS, and how it ends.

What is mended here of aiosmtpd, each with its test: the replies to a pipelined burst leave in one write; lines end with
CR LF and have limits of their own; one timer for each connection, and a deadline for each step; STARTTLS through
the loop's public call, with what was said in clear before it forgotten; a session ends between two mails when we drain.
A peer that leaves never cancels a mail that is being committed: the dialog's task is never cancelled by the connection,
it ends by itself at its next read.
"""

import asyncio
import ssl
from typing import ClassVar, cast

from aiosmtpd.smtp import SMTP

from gateway.replies import REPLIES
from gateway.smtp import answers
from gateway.smtp.door import Door, Limits, Roster, Transaction
from gateway.smtp.inbox import Inbox

_COMMAND_LINE = 4096
_UNREAD = 512 * 1024  # octets we hold before the peer is told to wait


class _NoHooks:
    """aiosmtpd's handler: it finds no hooks here, and need not search for them."""

    def __dir__(self) -> list[str]:
        return []


class Connection(SMTP):
    """A connection that reads lines and lets a subclass answer them."""

    #: aiosmtpd shares one dict between all connections and clears it with each new one; ours stays empty and unused.
    command_size_limits: dict[str, int] = {}  # noqa: RUF012 (declared so by aiosmtpd, and never filled)
    _hooks: ClassVar[_NoHooks] = _NoHooks()

    def __init__(
        self,
        door: Door,
        limits: Limits,
        hostname: str,
        roster: Roster,
        *,
        tls: ssl.SSLContext | None = None,  # for STARTTLS
        encrypted: bool = False,  # from the first octet
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(self._hooks, hostname=hostname, timeout=limits.command_seconds, loop=loop)
        self._door, self._limits, self._roster = door, limits, roster
        self._tls, self._encrypted = tls, encrypted
        self._inbox = Inbox(loop)
        self._out: list[bytes] = []
        self._deadline = 0.0
        self._transaction: Transaction | None = None
        self._address: str | None = None
        self._busy = False  # we work; the peer waits, and no timeout strikes
        self._quitting = False  # the last word is said
        self._leaving = False  # we drain
        self._lost = False
        self._reading_paused = False

    def __dir__(self) -> list[str]:
        return []  # aiosmtpd looks through all attributes of every new session, twice; our commands are a table

    # --- the connection -----------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._inbox.feed(data)
        if len(self._inbox) > _UNREAD and not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._inbox.end()
        return not self._encrypted  # half-closed: whoever has nothing more to say may still wait for our answer

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self._inbox.end()
        self.transport = None

    def _reset_timeout(self, duration: float | None = None) -> None:
        self._deadline = self.loop.time() + (duration or self._timeout_duration)
        if self._timeout_handle is not None and self._timeout_handle.when() > self._deadline:
            self._timeout_handle.cancel()
            self._timeout_handle = None
        if self._timeout_handle is None:
            self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)

    def _timeout_cb(self) -> None:
        """Look at the deadline; one timer for each connection instead of a new one for each command."""
        now = self.loop.time()
        if self._busy:
            self._deadline = max(self._deadline, now + 1.0)
        if now < self._deadline:
            self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)
        elif self.transport is not None:
            self._writer.write(answers.TIMEOUT + b"\r\n")
            self.transport.close()

    def leave(self) -> None:
        """End after the mail that is being taken; at once where there is none (421, RFC 5321 §3.8)."""
        self._leaving = True
        if self._transaction is None and not self._busy:
            self._inbox.end()

    def abort(self) -> None:
        """Cut the connection."""
        if self.transport is not None:
            cast(asyncio.Transport, self.transport).abort()  # uvloop's is one in all but its bases

    # --- lines in, replies out ---------------------------------------------------------------------------------

    async def _handle_client(self) -> None:
        peer = self.session.peer if self.session is not None else None
        self._address = peer[0] if isinstance(peer, tuple) else None
        unwelcome = self._roster.enter(self, self._address)
        try:
            self._say(unwelcome or f"220 {self.hostname} {'LMTP' if self._door.lmtp else 'ESMTP'}".encode())
            while unwelcome is None and not self._quitting and (line := await self._line()) is not None:
                await self._answer(line)
            if self._leaving and not self._quitting:
                self._say(answers.render_error(REPLIES["shutting-down"]))
            await self._flush()
        except ConnectionError:
            pass  # nobody is there to be told; the transaction is given up below
        finally:
            self._roster.depart(self)
            await self._end_transaction()
            if self.transport is not None:
                self.transport.close()

    async def _answer(self, line: bytes) -> None:
        raise NotImplementedError

    async def _end_transaction(self) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            await transaction.abandon()

    async def _line(self, limit: int = _COMMAND_LINE) -> bytes | None:
        """Return the next line without its end, None where there is no next; first let out what we have to say."""
        while True:
            if self._leaving and self._transaction is None:
                return None
            line = self._inbox.take_line()
            if line is None and len(self._inbox) <= limit:
                if self._inbox.ended:
                    return None
                await self._more()
                continue
            if line is not None and len(line) <= limit and line.endswith(b"\r\n"):
                return line[:-2]
            self._end(answers.BARE_LF_LINE if line is not None and len(line) <= limit else answers.LINE_TOO_LONG)
            return None

    async def _more(self, seconds: float | None = None) -> None:
        """Let out what we have to say, or wait for octets: one of them, because while we speak some may arrive."""
        self._reset_timeout(seconds)
        if self._out:
            await self._flush()
            return
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()
        await self._inbox.more()

    def _say(self, reply: bytes) -> None:
        self._out.append(reply)

    def _end(self, reply: bytes) -> None:
        self._say(reply)
        self._quitting = True

    async def _flush(self) -> None:
        if self._out:
            if self.transport is None or self.transport.is_closing():
                raise ConnectionResetError("nobody is there to be told")
            self._out.append(b"")
            octets, self._out = b"\r\n".join(self._out), []
            self._writer.write(octets)
            await self._writer.drain()

    async def push(self, status: str | bytes) -> None:
        """Say a line; for the commands that aiosmtpd answers by itself."""
        self._say(status.encode() if isinstance(status, str) else status)

    async def _start_tls(self, context: ssl.SSLContext) -> None:
        try:
            clear = cast(asyncio.Transport, self.transport)
            transport = await self.loop.start_tls(clear, self, context, server_side=True)
        except (OSError, ssl.SSLError) as error:
            self.abort()
            raise ConnectionAbortedError(f"TLS: {error}") from error
        if transport is None:
            raise ConnectionAbortedError("TLS: connection lost")
        self.transport = self._transport = transport
        self._encrypted = self._over_ssl = True
        self._writer = asyncio.StreamWriter(transport, self, self._reader, self.loop)
