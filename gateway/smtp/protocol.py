# SPDX-License-Identifier: Apache-2.0
"""The SMTP and LMTP dialog, command by command: the adapter on aiosmtpd in which what it lacks is mended.

Here, each with its test: paths and parameters (`paths`), DATA in bulk (`message`), XFORWARD, LMTP's replies per
recipient, AUTH with an awaited authenticator, a count of errors, and 451 without inner details for every bug.
What lies beneath the commands is `connection`; what a mail means is behind `door`.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence

from gateway.authn.login import Login
from gateway.errors import GatewayError
from gateway.imip.mail import Rcpt
from gateway.metrics import Counter
from gateway.relay.hop import XForward
from gateway.replies import REPLIES
from gateway.smtp import answers
from gateway.smtp.connection import Connection
from gateway.smtp.door import Client, Transaction
from gateway.smtp.message import DataReader, Message
from gateway.smtp.paths import BadPath, parse_mail, parse_rcpt
from gateway.smtp.sasl import MECHANISMS, read_credentials

_log = logging.getLogger(__name__)
_logins = Counter("smtp_logins_total", "AUTH attempts, by result.")
_bugs = Counter("smtp_bugs_total", "Unexpected exceptions in SMTP and LMTP dialogs, answered 451.")

_AUTH_LINE = 12_288  # RFC 4954 §4
_RUNAWAY = 4  # times the size limit, read and thrown away, before we hang up
_XFORWARD = re.compile(r"(NAME|ADDR|PORT|PROTO|HELO|IDENT|SOURCE)=([!-~]{1,255})\Z", re.IGNORECASE)
_FOREIGN = frozenset(("GET", "POST", "PUT", "CONNECT", "HOST:", "USER-AGENT:"))  # a browser made to talk to us


class Session(Connection):
    """One dialog."""

    _helo = ""
    _extended = False
    _xforward: XForward | None = None
    _login: Login | None = None
    _errors = 0
    _failed_logins = 0

    async def _answer(self, line: bytes) -> None:
        """Answer one command; a bug of ours is temporary trouble to the peer, and its details are ours alone."""
        word, _, rest = line.partition(b" ")
        name = word.upper().decode("ascii", "replace")
        argument = rest.strip(b" \t").decode("utf-8", "surrogateescape") or None
        method = _COMMANDS.get(name)
        try:
            if method is not None:
                await method(self, argument)
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

    def _refuse(self, reply: bytes) -> None:
        """Say that something was wrong with the dialog itself; too much of that ends it."""
        self._errors += 1
        self._say(reply)
        if self._errors > self._limits.errors:
            self._end(answers.TOO_MANY_ERRORS)

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
        self._xforward = None
        await super()._end_transaction()

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


_COMMANDS: dict[str, Callable[[Session, str | None], Awaitable[None]]] = {
    name.removeprefix("smtp_"): method for name, method in vars(Session).items() if name.startswith("smtp_")
}
