# SPDX-License-Identifier: Apache-2.0
"""The SMTP and LMTP client: pipelined, pooled, one result for each recipient (RFC 5321, 2033, 2920, 3461).

An extension is used only if offered. What a mail cannot do without and the hop does not offer is a result
with `Stage.KEYWORD`, never a silent conversion: quoted-printable instead of 8-bit would break its signature.
"""

import ssl
from collections.abc import Sequence

from gateway.errors import Deferred, Misconfigured
from gateway.imip.mail import Envelope, Rcpt
from gateway.relay.greeting import open_connection, tls_context
from gateway.relay.hop import Body, Handover, HopReply, RcptResult, Stage, XForward
from gateway.relay.pool import Pool
from gateway.relay.url import RelayUrl, Scheme
from gateway.relay.wire import Deadlines, HopConnection, HopLost

_MAIL_KEYWORDS = {
    "SIZE": "SIZE",
    "BODY": "8BITMIME",
    "SMTPUTF8": "SMTPUTF8",
    "RET": "DSN",
    "ENVID": "DSN",
    "AUTH": "AUTH",
}
_RCPT_KEYWORDS = {"NOTIFY": "DSN", "ORCPT": "DSN"}
_NO_UTF8 = HopReply(550, "5.6.7", "next hop does not offer SMTPUTF8, which this mail needs")
_NO_8BIT = HopReply(554, "5.6.3", "next hop does not offer 8BITMIME, which this mail needs")
_XFORWARD_LINE = 480  # Postfix splits its own at 512 octets


class SmtpRelay:
    """A next hop that speaks SMTP or LMTP."""

    def __init__(self, url: RelayUrl, *, hostname: str, deadlines: Deadlines | None = None, idle: float = 8.0) -> None:
        self.url = url
        self.hostname = hostname
        self.lmtp = url.scheme is Scheme.LMTP
        self.deadlines = deadlines or Deadlines()
        try:
            self._tls: ssl.SSLContext | None = tls_context(url)
        except OSError as error:
            raise Misconfigured("relay-url", f"relay {url}: cannot read {url.ca_file}", (str(error),)) from error
        self.pool = Pool(self._connect, limit=url.connections, idle=idle, slot=self.deadlines.slot)

    async def _connect(self) -> HopConnection:
        return await open_connection(self.url, self.hostname, self._tls, self.deadlines)

    async def deliver(
        self, envelope: Envelope, data: bytes, *, xforward: XForward | None = None
    ) -> tuple[RcptResult, ...]:
        """Hand over a whole mail; one result for each recipient, in order."""
        handover = SmtpHandover(self, envelope.mail_from, _own_parameters(envelope, data), xforward)
        try:
            offered = await handover.rcpts(envelope.rcpt_to)
            accepted = iter(await handover.data((data,)) if any(result.ok for result in offered) else ())
            return tuple(next(accepted) if result.ok else result for result in offered)
        finally:
            await handover.abandon()

    def begin(self, mail_from: str, parameters: tuple[str, ...] = (), *, xforward: XForward | None = None) -> Handover:
        """Begin a transaction that follows somebody else's dialog; the hop is called at the first recipient."""
        return SmtpHandover(self, mail_from, parameters, xforward)

    async def probe(self) -> HopReply:
        """Greet the hop and say good-bye."""
        try:
            connection = await self.pool.take(fresh=True)
        except Deferred as trouble:
            return HopReply(451, "4.4.1", trouble.public)
        connection.quit()
        self.pool.give_back(connection)
        return HopReply(250, "2.0.0", " ".join(sorted(connection.keywords)))

    async def close(self) -> None:
        """Say good-bye on idle connections."""
        self.pool.close()


class SmtpHandover:
    """One mail transaction. Losing the connection before the message was begun is mended once, silently."""

    def __init__(
        self, relay: SmtpRelay, mail_from: str, parameters: tuple[str, ...], xforward: XForward | None
    ) -> None:
        self._relay = relay
        self._mail_from = mail_from
        self._parameters = parameters
        self._xforward = xforward
        self._connection: HopConnection | None = None
        self._accepted: list[Rcpt] = []
        self._failure: tuple[HopReply, Stage] | None = None  # holds for every recipient from now on
        self._may_retry = True
        self._in_step = False  # commands are out whose replies are not in
        self._in_message = False

    async def rcpt(self, rcpt: Rcpt) -> RcptResult:
        """Offer one recipient."""
        return (await self.rcpts((rcpt,)))[0]

    async def rcpts(self, rcpts: Sequence[Rcpt]) -> tuple[RcptResult, ...]:
        """Offer several recipients, pipelined where the hop permits."""
        while self._failure is None:
            try:
                replies = await self._offer(rcpts)
            except Deferred as trouble:
                if not await self._mended(trouble, Stage.RCPT):
                    break
                continue
            if replies is None:
                break
            self._accepted += [rcpt for rcpt, reply in zip(rcpts, replies, strict=True) if reply.ok]
            return tuple(
                _result(rcpt, reply, Stage.KEYWORD if reply is _NO_UTF8 else Stage.RCPT)
                for rcpt, reply in zip(rcpts, replies, strict=True)
            )
        return self._all_failed(rcpts)

    async def data(self, body: Body) -> tuple[RcptResult, ...]:
        """Send the message to the accepted recipients."""
        accepted = tuple(self._accepted)
        if not accepted:
            return ()
        while self._failure is None:
            try:
                return await self._send(body, accepted)
            except Deferred as trouble:
                if self._in_message or not await self._mended(trouble, Stage.DATA):
                    self._fail(trouble, Stage.DOT if self._in_message else Stage.DATA)
        return self._all_failed(accepted)

    async def abandon(self) -> None:
        """Give up what is not finished; the connection is kept if it is in a known state."""
        self._release(broken=self._in_step or self._in_message)

    # --- inside ---------------------------------------------------------------------------------------------

    async def _offer(self, rcpts: Sequence[Rcpt]) -> list[HopReply] | None:
        """Return the answers to RCPT, None where the whole transaction was refused (`_failure` says why)."""
        commands: list[bytes] = []
        opening = self._connection is None
        connection = self._connection or await self._take()
        if opening and (missing := self._missing_keyword(connection)) is not None:
            self._failure = missing, Stage.KEYWORD
            return None
        if opening:
            commands = self._opening(connection)
        mail_at = len(commands) - 1
        lines = [self._rcpt_line(connection, rcpt) for rcpt in rcpts]
        replies = await self._exchange(connection, [*commands, *(line for line in lines if line is not None)])
        for at, reply in enumerate(replies):
            if reply.code == 421:  # it is leaving; the others would be lies
                raise HopLost(f"421 {reply.text}")
            if opening and at == mail_at and not reply.ok:
                self._failure = reply, Stage.MAIL
                return None
        answers = iter(replies[len(commands) :])
        return [next(answers) if line is not None else _NO_UTF8 for line in lines]

    async def _take(self) -> HopConnection:
        self._connection = await self._relay.pool.take(fresh=not self._may_retry)
        return self._connection

    def _opening(self, connection: HopConnection) -> list[bytes]:
        commands = [b"RSET\r\n"] if connection.needs_reset else []
        connection.needs_reset = True  # until the end of data was answered
        if self._xforward is not None:
            commands += xforward_lines(self._xforward, connection.keywords.get("XFORWARD", ""))
        words = [f"MAIL FROM:<{self._mail_from}>", *_permitted(self._parameters, _MAIL_KEYWORDS, connection)]
        return [*commands, _line(words)]

    def _missing_keyword(self, connection: HopConnection) -> HopReply | None:
        if connection.offers("SMTPUTF8"):
            return None
        needed = "SMTPUTF8" in map(str.upper, self._parameters) or not self._mail_from.isascii()
        return _NO_UTF8 if needed else None

    def _rcpt_line(self, connection: HopConnection, rcpt: Rcpt) -> bytes | None:
        if not rcpt.address.isascii() and not connection.offers("SMTPUTF8"):
            return None
        return _line([f"RCPT TO:<{rcpt.address}>", *_permitted(rcpt.parameters, _RCPT_KEYWORDS, connection)])

    async def _exchange(self, connection: HopConnection, commands: Sequence[bytes]) -> list[HopReply]:
        seconds = self._relay.deadlines.command
        pipelining = connection.offers("PIPELINING")
        self._in_step = True
        if pipelining:
            connection.send(b"".join(commands))
        replies = []
        for command in commands:
            if not pipelining:
                connection.send(command)
            replies.append(await connection.reply(seconds, _verb(command)))
        self._in_step = False
        return replies

    async def _send(self, body: Body, accepted: tuple[Rcpt, ...]) -> tuple[RcptResult, ...]:
        connection = self._connection
        assert connection is not None, "data without an accepted recipient"
        eight_bit = connection.offers("8BITMIME")
        if not eight_bit and isinstance(body, Sequence) and not all(piece.isascii() for piece in body):
            self._failure = _NO_8BIT, Stage.KEYWORD
            return self._all_failed(accepted)
        (reply,) = await self._exchange(connection, (b"DATA\r\n",))
        if reply.code == 421:
            raise HopLost(f"421 {reply.text}")
        if reply.code != 354:
            self._failure = (reply if not reply.ok else HopReply(451, "4.5.0", reply.text)), Stage.DATA
            return self._all_failed(accepted)
        self._in_message = True
        replies = await self._message(connection, body, accepted, eight_bit=eight_bit)
        self._in_message = connection.needs_reset = False
        self._release(broken=False)
        return tuple(_result(rcpt, reply, Stage.DOT) for rcpt, reply in zip(accepted, replies, strict=True))

    async def _message(
        self, connection: HopConnection, body: Body, accepted: tuple[Rcpt, ...], *, eight_bit: bool
    ) -> list[HopReply]:
        deadlines = self._relay.deadlines
        try:
            await connection.send_message(body, deadlines.block, eight_bit=eight_bit)
        except HopLost:
            words = connection.last_words()
            if words is None or words.ok:
                raise
            connection.abort()
            return [words] * len(accepted)
        if not self._relay.lmtp:
            return [await connection.reply(deadlines.dot, "end of data")] * len(accepted)
        replies: list[HopReply] = []
        try:
            for _ in accepted:  # RFC 2033 §4.2: one reply for each accepted recipient
                replies.append(await connection.reply(deadlines.dot, "end of data"))
        except HopLost as trouble:
            if not replies:
                raise
            replies += [HopReply(451, "4.4.2", trouble.public)] * (len(accepted) - len(replies))
        return replies

    async def _mended(self, trouble: Deferred, stage: Stage) -> bool:
        """After a loss, begin again on a fresh connection if nothing of the message was sent; once."""
        used_before = self._connection is not None
        late = isinstance(trouble, HopLost) and trouble.late
        self._release(broken=True)
        if not self._may_retry or not used_before or late:
            self._fail(trouble, stage if used_before else Stage.CONNECT)
            return False
        self._may_retry = False
        again, self._accepted = self._accepted, []
        if again and not all(result.ok for result in await self.rcpts(again)):
            self._fail(trouble, stage)
            return False
        return self._failure is None

    def _release(self, *, broken: bool) -> None:
        connection, self._connection = self._connection, None
        self._in_step = False
        if connection is None:
            return
        if broken:
            connection.abort()
        self._relay.pool.give_back(connection)

    def _fail(self, trouble: Deferred, stage: Stage) -> None:
        if self._failure is None:
            enhanced = "4.4.1" if stage is Stage.CONNECT else "4.4.2"
            self._failure = HopReply(451, enhanced, trouble.public), stage

    def _all_failed(self, rcpts: Sequence[Rcpt]) -> tuple[RcptResult, ...]:
        reply, stage = self._failure or (HopReply(451, "4.4.2", "next hop: no answer"), Stage.CONNECT)
        self._release(broken=self._in_step or self._in_message)
        return tuple(_result(rcpt, reply, stage) for rcpt in rcpts)


def xforward_lines(xforward: XForward, offered: str) -> list[bytes]:
    """Write XFORWARD commands for the attributes that the hop knows, each line short enough."""
    known = set(offered.upper().split())
    lines: list[list[str]] = []
    length = _XFORWARD_LINE + 1
    for name, raw in xforward.attributes:
        if name not in known:
            continue
        word = f"{name}={raw}"
        if length + len(word) > _XFORWARD_LINE:
            lines.append(["XFORWARD"])
            length = 0
        lines[-1].append(word)
        length += len(word) + 1
    return [_line(words) for words in lines]


def _own_parameters(envelope: Envelope, data: bytes) -> tuple[str, ...]:
    """MAIL parameters for a whole mail: SIZE as it is, BODY and SMTPUTF8 where the mail needs them."""
    given = [word for word in envelope.parameters if word.partition("=")[0].upper() not in ("SIZE", "BODY")]
    if not all(map(str.isascii, (envelope.mail_from, *envelope.recipients))) and "SMTPUTF8" not in map(
        str.upper, given
    ):
        given.append("SMTPUTF8")
    if not data.isascii():
        given.append("BODY=8BITMIME")
    return (*given, f"SIZE={len(data)}")


def _permitted(parameters: Sequence[str], table: dict[str, str], connection: HopConnection) -> list[str]:
    """Leave out parameters whose extension is not offered (those that matter were judged before)."""
    return [word for word in parameters if connection.offers(table.get(word.partition("=")[0].upper(), ""))]


def _line(words: Sequence[str]) -> bytes:
    line = " ".join(words)
    if "\r" in line or "\n" in line:
        raise ValueError("a line break in an SMTP command")  # a bug of the caller: parsers never let one in
    return line.encode("utf-8", "surrogateescape") + b"\r\n"


def _verb(command: bytes) -> str:
    return command.split(None, 1)[0].decode("ascii")


def _result(rcpt: Rcpt, reply: HopReply, stage: Stage) -> RcptResult:
    return RcptResult(rcpt.address, reply.code, reply.enhanced, reply.text, stage)
