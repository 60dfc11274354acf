# SPDX-License-Identifier: Apache-2.0
"""The SMTP and LMTP dialog: one adapter on aiosmtpd, in which everything that it lacks or does otherwise is mended.

From aiosmtpd come the connection and its session. Ours are, each with its test: the command loop (the replies to a
pipelined burst leave in one write, lines end with CR LF and have their own limits), paths and parameters (`paths`),
DATA in bulk (`message`), XFORWARD, LMTP's replies per recipient, AUTH with an awaited authenticator, STARTTLS
through the loop's public call, 451 without inner details for every bug, a deadline per step, and an end between two
mails when we drain. A peer that leaves never cancels a mail that is being committed: the dialog's task is never
cancelled by the connection, it ends by itself at its next read.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import Sequence
from typing import ClassVar, cast

from aiosmtpd.smtp import SMTP

from gateway.authn.login import Login
from gateway.errors import GatewayError
from gateway.imip.mail import Rcpt
from gateway.metrics import Counter
from gateway.relay.hop import XForward
from gateway.replies import REPLIES
from gateway.smtp import answers
from gateway.smtp.door import Client, Door, Limits, Roster, Transaction
from gateway.smtp.inbox import Inbox
from gateway.smtp.message import DataReader, Message
from gateway.smtp.paths import BadPath, parse_mail, parse_rcpt
from gateway.smtp.sasl import MECHANISMS, read_credentials

_log = logging.getLogger(__name__)
_logins = Counter("smtp_logins_total", "AUTH attempts, by result.")
_bugs = Counter("smtp_bugs_total", "Unexpected exceptions in SMTP and LMTP dialogs, answered 451.")

_COMMAND_LINE, _AUTH_LINE = 4096, 12_288  # RFC 4954 §4
_UNREAD = 512 * 1024  # octets we hold before the peer is told to wait
_RUNAWAY = 4  # times the size limit, read and thrown away, before we hang up
_XFORWARD = re.compile(r"(NAME|ADDR|PORT|PROTO|HELO|IDENT|SOURCE)=([!-~]{1,255})\Z", re.IGNORECASE)
_FOREIGN = frozenset(("GET", "POST", "PUT", "CONNECT", "HOST:", "USER-AGENT:"))  # a browser made to talk to us


class _NoHooks:
    """aiosmtpd's handler: it finds no hooks here, and need not search for them."""

    def __dir__(self) -> list[str]:
        return []


class Session(SMTP):
    """One connection."""

    #: aiosmtpd shares one dict between all connections and clears it with each new one; ours stays empty and unused.
    command_size_limits: dict[str, int] = {}  # noqa: RUF012 (declared so by aiosmtpd, and never filled)
    _hooks: ClassVar[_NoHooks] = _NoHooks()
    _names: ClassVar[list[str]] = []

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
        self._helo = ""
        self._extended = False
        self._xforward: XForward | None = None
        self._login: Login | None = None
        self._errors = self._failed_logins = 0
        self._busy = False  # we work; the peer waits, and no timeout strikes
        self._quitting = False  # the last word is said
        self._leaving = False  # we drain
        self._lost = False
        self._reading_paused = False

    def __dir__(self) -> list[str]:
        return self._names  # aiosmtpd walks through all attributes of every new session, twice

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

    # --- the dialog ---------------------------------------------------------------------------------------------

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
        """Answer one command; a bug of ours is temporary trouble to the peer, and its details are ours alone."""
        word, _, rest = line.partition(b" ")
        name = word.upper().decode("ascii", "replace")
        argument = rest.strip(b" \t").decode("utf-8", "surrogateescape") or None
        method = self._smtp_methods.get(name)
        try:
            if method is not None:
                await method(argument)
            elif name in _FOREIGN:
                self._end(answers.NOT_SMTP)
            else:
                self._refuse(answers.UNKNOWN_COMMAND if word else answers.BAD_SYNTAX)
        except BadPath as bad:
            self._refuse(bad.answer)
        except ConnectionError:
            raise
        except Exception:
            _bugs.add()
            _log.exception("a bug in the dialog", extra={"facts": {"command": name, "peer": self._address}})
            await self._end_transaction()
            self._say(answers.TROUBLE)
        self._busy = False

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

    def _refuse(self, reply: bytes) -> None:
        """Say that something was wrong with the dialog itself; too much of that ends it."""
        self._errors += 1
        self._say(reply)
        if self._errors > self._limits.errors:
            self._end(answers.TOO_MANY_ERRORS)

    def _end(self, reply: bytes) -> None:
        self._say(reply)
        self._quitting = True

    async def _flush(self) -> None:
        if self._out:
            self._out.append(b"")
            octets, self._out = b"\r\n".join(self._out), []
            self._writer.write(octets)
            await self._writer.drain()

    async def push(self, status: str | bytes) -> None:
        """Say a line; for the commands that aiosmtpd answers by itself."""
        self._say(status.encode() if isinstance(status, str) else status)

    # --- greetings ----------------------------------------------------------------------------------------------

    async def smtp_HELO(self, hostname: str | None) -> None:
        if self._door.lmtp:
            self._refuse(answers.UNKNOWN_COMMAND)
        elif await self._greeted(hostname, extended=False):
            self._say(b"250 " + self.hostname.encode())

    async def smtp_EHLO(self, hostname: str | None) -> None:
        if self._door.lmtp:
            self._refuse(answers.UNKNOWN_COMMAND)
        else:
            await self._hello(hostname)

    async def smtp_LHLO(self, hostname: str | None) -> None:
        if self._door.lmtp:
            await self._hello(hostname)
        else:
            self._refuse(answers.UNKNOWN_COMMAND)

    async def _hello(self, hostname: str | None) -> None:
        if not await self._greeted(hostname, extended=True):
            return
        words = [self.hostname, "PIPELINING", f"SIZE {self._limits.message_size}"]
        if self._tls is not None and not self._encrypted:
            words.append("STARTTLS")
        if self._door.authenticator is not None and (self._encrypted or not self._door.tls_before_auth):
            words.append("AUTH " + " ".join(MECHANISMS))
        if self._door.authenticator is None:  # peers only, and they were looked at when they came
            words.append("XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE")
        words += ["ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8", "DSN"]
        last = len(words) - 1
        self._say("\r\n".join(f"250{' ' if at == last else '-'}{word}" for at, word in enumerate(words)).encode())

    async def _greeted(self, hostname: str | None, *, extended: bool) -> bool:
        if hostname is None:
            self._refuse(answers.NEED_HOSTNAME)
            return False
        await self._end_transaction()
        self._helo, self._extended = hostname, extended
        return True

    async def smtp_STARTTLS(self, argument: str | None) -> None:
        if argument is not None or self._tls is None:
            self._refuse(answers.NO_ARGUMENTS if argument is not None else answers.NOT_IMPLEMENTED)
            return
        if self._encrypted or self._transaction is not None:
            self._refuse(answers.ALREADY_TLS if self._encrypted else answers.NOT_NOW)
            return
        self._say(answers.START_TLS)
        await self._flush()
        if self._inbox or self.transport is None:  # said in clear after STARTTLS: an injection (CVE-2011-0411)
            self.abort()
            raise ConnectionAbortedError("clear text after STARTTLS")
        await self._start_tls(self._tls)
        self._helo, self._login = "", None  # RFC 3207 §4.2: what was said in clear is forgotten
        self._xforward = None

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

    async def smtp_AUTH(self, argument: str | None) -> None:
        authenticator = self._door.authenticator
        obstacle = (
            answers.NOT_IMPLEMENTED
            if authenticator is None
            else answers.HELLO_FIRST
            if not self._extended or not self._helo
            else answers.ALREADY_AUTHENTICATED
            if self._login is not None
            else answers.NOT_NOW
            if self._transaction is not None
            else answers.ENCRYPTION_NEEDED
            if self._door.tls_before_auth and not self._encrypted
            else None
        )
        if obstacle is not None or authenticator is None:
            self._refuse(obstacle or answers.NOT_IMPLEMENTED)
            return
        mechanism, _, initial = (argument or "").partition(" ")
        claim = await read_credentials(mechanism.upper(), initial or None, self._ask)
        if claim is None:
            return
        if isinstance(claim, bytes):
            self._refuse(claim)
            return
        self._busy = True
        try:
            self._login = await authenticator.authenticate(claim.login, claim.password)
        except GatewayError:
            _log.warning("logins cannot be verified", exc_info=True)
            _logins.add(result="unknown")
            self._say(b"454 4.7.0 Temporary authentication failure")  # RFC 4954 §6
            return
        await self._logged_in(claim.login)

    async def _logged_in(self, name: str) -> None:
        if self._login is not None:
            _logins.add(result="ok")
            self._say(answers.AUTHENTICATED)
            return
        _logins.add(result="failed")
        _log.warning("login failed", extra={"facts": {"login": name, "peer": self._address}})
        self._failed_logins += 1
        await asyncio.sleep(self._limits.login_delay)
        self._say(answers.render_error(REPLIES["unauthenticated"]))
        if self._failed_logins >= self._limits.logins:
            self._end(answers.TOO_MANY_ERRORS)

    async def _ask(self, challenge: bytes) -> bytes | None:
        self._say(challenge)
        return await self._line(_AUTH_LINE)

    async def smtp_XFORWARD(self, argument: str | None) -> None:
        if self._door.authenticator is not None:
            self._refuse(answers.NO_XFORWARD_FOR_YOU)
        elif self._transaction is not None:
            self._refuse(answers.NOT_NOW)
        else:
            matches = [_XFORWARD.match(word) for word in (argument or "").split()]
            given = XForward(tuple((match[1].upper(), match[2]) for match in matches if match is not None))
            if not matches or len(given.attributes) < len(matches):
                self._refuse(answers.XFORWARD_SYNTAX)
                return
            self._xforward = self._xforward.merged(given) if self._xforward is not None else given
            self._say(answers.OK)

    # --- a mail -------------------------------------------------------------------------------------------------

    async def smtp_MAIL(self, argument: str | None) -> None:
        if not self._helo or self._transaction is not None:
            self._refuse(answers.HELLO_FIRST if not self._helo else answers.NESTED_MAIL)
            return
        path = parse_mail(argument, extended=self._extended)
        if int(path.parameter("SIZE") or 0) > self._limits.message_size:
            self._say(answers.render_error(REPLIES["too-large"]))  # RFC 1870 §6.1
            return
        word = "LMTP" if self._door.lmtp else "ESMTP" if self._extended else "SMTP"
        word += "S" * self._encrypted + "A" * (self._login is not None)  # RFC 3848
        client = Client(self._address, self._helo, word, self._xforward, self._login, lambda: self._lost)
        begun = self._door.begin(client, path)
        if isinstance(begun, bytes):
            self._refuse(begun)
            return
        self._transaction = begun
        self._say(answers.SENDER_OK)

    async def smtp_RCPT(self, argument: str | None) -> None:
        if self._transaction is None:
            self._refuse(answers.NEED_MAIL)
            return
        path = parse_rcpt(argument, extended=self._extended)
        if self._transaction.accepted >= self._limits.recipients:
            self._say(answers.TOO_MANY_RECIPIENTS)
            return
        self._busy = True
        self._say(await self._transaction.rcpt(Rcpt(path.address, path.parameters)))

    async def smtp_DATA(self, argument: str | None) -> None:
        if argument is not None or self._transaction is None:
            self._refuse(answers.NO_ARGUMENTS if argument is not None else answers.NEED_MAIL)
            return
        if not self._transaction.accepted:
            self._refuse(answers.NO_RECIPIENTS)
            return
        self._say(answers.GO_ON)
        message = Message(self._limits.spool_above)
        try:
            fault = await self._read_message(message)
            if fault is not None:
                self._out += [fault] * (self._transaction.accepted if self._door.lmtp else 1)
                return
            self._out += await self._settle(self._transaction, message)
        finally:
            message.close()
            await self._end_transaction()

    async def _settle(self, transaction: Transaction, message: Message) -> Sequence[bytes]:
        self._busy = True
        try:
            return await transaction.data(message)
        except Exception:
            _bugs.add()
            _log.exception("a bug at the end of data", extra={"facts": {"peer": self._address}})
            return [answers.TROUBLE] * (transaction.accepted if self._door.lmtp else 1)

    async def _read_message(self, message: Message) -> bytes | None:
        """Read to the end of data; the reply where the message cannot be taken.

        Raises:
            ConnectionError: where the peer leaves before the end.
        """
        reader = DataReader(strict=self._door.strict_line_ends)
        fault, read, limit = None, 0, self._limits.message_size
        until = self.loop.time() + self._limits.data_seconds
        while True:
            if not (chunk := self._inbox.take_all()):
                if self._inbox.ended:
                    raise ConnectionResetError("left in the middle of a message")
                await self._more(min(self._limits.command_seconds, max(0.001, until - self.loop.time())))
                continue
            piece, rest = reader.feed(chunk)
            read += len(piece)
            if fault is None and read > limit:
                fault = answers.render_error(REPLIES["too-large"])
                message.close()
            if fault is None:
                fault = await self._kept(message, piece)
            if rest is not None:
                self._inbox.put_back(rest)
                return fault or reader.fault
            if read > limit * _RUNAWAY:
                raise ConnectionAbortedError("a message without end")

    @staticmethod
    async def _kept(message: Message, piece: bytes) -> bytes | None:
        try:
            await message.add(piece)
        except OSError:
            _log.warning("a message cannot be spooled", exc_info=True)
            return answers.DISK_FULL
        return None

    async def _end_transaction(self) -> None:
        transaction, self._transaction, self._xforward = self._transaction, None, None
        if transaction is not None:
            await transaction.abandon()

    # --- the rest -----------------------------------------------------------------------------------------------

    async def smtp_RSET(self, argument: str | None) -> None:
        await self._end_transaction()
        self._say(answers.OK)

    async def smtp_NOOP(self, argument: str | None) -> None:
        self._say(answers.OK)

    async def smtp_VRFY(self, argument: str | None) -> None:
        self._say(answers.NOT_TELLING)

    async def smtp_HELP(self, argument: str | None) -> None:
        self._say(answers.HELP)

    async def smtp_EXPN(self, argument: str | None) -> None:
        self._refuse(answers.NOT_IMPLEMENTED)

    async def smtp_QUIT(self, argument: str | None) -> None:
        self._end(answers.BYE)


Session._names = sorted(name for name in vars(Session) if name.startswith("smtp_"))
