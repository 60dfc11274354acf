# SPDX-License-Identifier: Apache-2.0
"""One mail transaction with an SMTP or LMTP server, step by step or, where BDAT permits it, in one flight.

An extension is used only if offered. What a mail cannot do without and the hop does not offer is a result
with `Stage.KEYWORD`, never a silent conversion: quoted-printable instead of 8-bit would break its signature.
"""

from collections.abc import Coroutine, Sequence

from gateway.errors import Deferred
from gateway.imip.mail import Rcpt
from gateway.relay.commands import mail_line, rcpt_line, xforward_lines
from gateway.relay.hop import Body, HopReply, RcptResult, Stage, XForward
from gateway.relay.octets import as_chunk
from gateway.relay.pool import Pool
from gateway.relay.wire import Deadlines, HopConnection, HopLost

_NO_UTF8 = HopReply(550, "5.6.7", "next hop does not offer SMTPUTF8, which this mail needs")
_NO_8BIT = HopReply(554, "5.6.3", "next hop does not offer 8BITMIME, which this mail needs")
_FLIGHT = 64 * 1024  # octets of a message that is sent before anybody was asked whether it is wanted


class SmtpHandover:
    """One mail transaction. Losing the connection before the message was begun is mended once, silently."""

    def __init__(
        self,
        pool: Pool,
        deadlines: Deadlines,
        mail_from: str,
        parameters: tuple[str, ...],
        xforward: XForward | None,
        *,
        lmtp: bool,
    ) -> None:
        self._pool, self._deadlines, self._lmtp = pool, deadlines, lmtp
        self._mail_from = mail_from
        self._parameters = parameters
        self._xforward = xforward
        self._connection: HopConnection | None = None
        self._accepted: list[Rcpt] = []
        self._failure: tuple[HopReply, Stage] | None = None  # holds for every recipient from now on
        self._may_retry = True
        self._begun = False  # MAIL was said on this connection
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

    async def whole(self, rcpts: Sequence[Rcpt], body: Body) -> tuple[RcptResult, ...]:
        """Offer recipients and send the message; one result for each, in order."""
        if rcpts and isinstance(body, Sequence) and sum(map(len, body)) <= _FLIGHT:
            results = await self._in_one_flight(rcpts, body)
            if results is not None:
                return results
        offered = await self.rcpts(rcpts)
        accepted = iter(await self.data(body) if any(result.ok for result in offered) else ())
        return tuple(next(accepted) if result.ok else result for result in offered)

    async def abandon(self) -> None:
        """Give up what is not finished; the connection is kept if it is in a known state."""
        self._release(broken=self._in_step or self._in_message)

    # --- inside ---------------------------------------------------------------------------------------------

    async def _offer(self, rcpts: Sequence[Rcpt]) -> list[HopReply] | None:
        """Return the answers to RCPT, None where the whole transaction was refused (`_failure` says why)."""
        commands: list[bytes] = []
        connection = self._connection or await self._take()
        opening = not self._begun
        if opening and (missing := self._missing_keyword(connection)) is not None:
            self._failure = missing, Stage.KEYWORD
            return None
        if opening:
            commands = self._opening(connection)
        mail_at = len(commands) - 1
        lines = [rcpt_line(rcpt, connection.keywords) for rcpt in rcpts]
        replies = await self._exchange(connection, [*commands, *(line for line in lines if line is not None)])
        for at, reply in enumerate(replies):
            if reply.code == 421:  # it is leaving; the others would be lies
                raise HopLost(f"421 {reply.text}")
            if opening and at == mail_at and not reply.ok:
                self._failure = reply, Stage.MAIL
                return None
        answers = iter(replies[len(commands) :])
        return [next(answers) if line is not None else _NO_UTF8 for line in lines]

    async def _in_one_flight(self, rcpts: Sequence[Rcpt], body: Sequence[bytes]) -> tuple[RcptResult, ...] | None:
        """Send everything at once; None where this hop, or this mail on it, asks for single steps."""
        while self._failure is None:
            try:
                return await self._fly(rcpts, body)
            except Deferred as trouble:
                if self._in_message or not await self._mended(trouble, Stage.MAIL):
                    self._fail(trouble, Stage.DOT)
        return self._all_failed(rcpts)

    async def _fly(self, rcpts: Sequence[Rcpt], body: Sequence[bytes]) -> tuple[RcptResult, ...] | None:
        """Say MAIL, RCPT, BDAT and the message in one breath (RFC 3030 §2, RFC 2920 §3.1), then listen.

        A server that closed while idle answers nothing: then, and only then, everything is said again to another.
        """
        connection = self._connection or await self._take()
        lines = [rcpt_line(rcpt, connection.keywords) for rcpt in rcpts]
        if not self._may_fly(connection, body) or None in lines:
            return None
        commands = [*self._opening(connection), *(line for line in lines if line is not None)]
        self._in_step, self._in_message = True, not connection.reused
        connection.send(b"".join((*commands, as_chunk(body))))
        replies = []
        for command in commands:
            replies.append(await self._heard(connection, _verb(command)))
            self._in_message = True
        mail, offered = replies[-len(rcpts) - 1], replies[-len(rcpts) :]
        accepted = sum(reply.ok for reply in offered)
        final = await self._final(connection, accepted)
        self._landed(connection, final)
        if not mail.ok:
            self._failure = mail, Stage.MAIL
            return self._all_failed(rcpts)
        outcome = iter(final)
        return tuple(
            _result(rcpt, next(outcome), Stage.DOT) if reply.ok else _result(rcpt, reply, Stage.RCPT)
            for rcpt, reply in zip(rcpts, offered, strict=True)
        )

    def _may_fly(self, connection: HopConnection, body: Sequence[bytes]) -> bool:
        return (
            connection.offers("CHUNKING")
            and connection.offers("PIPELINING")
            and self._missing_keyword(connection) is None
            and (connection.offers("8BITMIME") or all(piece.isascii() for piece in body))
        )

    async def _heard(self, connection: HopConnection, to: str) -> HopReply:
        """Wait for a reply within a flight: the server may keep all of them until it has the message."""
        reply = await connection.reply(self._deadlines.dot, to)
        if reply.code == 421:  # it is leaving; the others would be lies
            raise HopLost(f"421 {reply.text}")
        return reply

    async def _take(self) -> HopConnection:
        self._connection = await self._pool.take(fresh=not self._may_retry)
        return self._connection

    def _opening(self, connection: HopConnection) -> list[bytes]:
        commands = [b"RSET\r\n"] if connection.needs_reset else []
        connection.needs_reset = True  # until the end of data was answered
        self._begun = True
        if self._xforward is not None:
            commands += xforward_lines(self._xforward, connection.keywords.get("XFORWARD", ""))
        return [*commands, mail_line(self._mail_from, self._parameters, connection.keywords)]

    def _missing_keyword(self, connection: HopConnection) -> HopReply | None:
        if connection.offers("SMTPUTF8"):
            return None
        needed = "SMTPUTF8" in map(str.upper, self._parameters) or not self._mail_from.isascii()
        return _NO_UTF8 if needed else None

    async def _exchange(self, connection: HopConnection, commands: Sequence[bytes]) -> list[HopReply]:
        seconds = self._deadlines.command
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
        if connection.offers("CHUNKING") and isinstance(body, Sequence):
            if not connection.alive:
                raise HopLost("connection lost before the message")
            self._in_message = True
            sending = connection.send_octets(as_chunk(body), self._deadlines.block)
        else:
            (reply,) = await self._exchange(connection, (b"DATA\r\n",))
            if reply.code == 421:
                raise HopLost(f"421 {reply.text}")
            if reply.code != 354:
                self._failure = (reply if not reply.ok else HopReply(451, "4.5.0", reply.text)), Stage.DATA
                return self._all_failed(accepted)
            self._in_message = True
            sending = connection.send_message(body, self._deadlines.block, eight_bit=eight_bit)
        replies = await self._message(connection, sending, len(accepted))
        self._landed(connection, replies)
        return tuple(_result(rcpt, reply, Stage.DOT) for rcpt, reply in zip(accepted, replies, strict=True))

    async def _message(
        self, connection: HopConnection, sending: Coroutine[None, None, None], accepted: int
    ) -> list[HopReply]:
        """Send the message and wait for the last word on it, one for each accepted recipient."""
        try:
            await sending
        except HopLost:
            words = connection.last_words()
            if words is None or words.ok:
                raise
            connection.abort()
            return [words] * accepted
        return await self._final(connection, accepted)

    async def _final(self, connection: HopConnection, accepted: int) -> list[HopReply]:
        """Wait for the answer to the end of the message; LMTP has one for each accepted recipient (RFC 2033 §4.2)."""
        if not self._lmtp or not accepted:
            return [await connection.reply(self._deadlines.dot, "end of data")] * accepted
        replies: list[HopReply] = []
        try:
            for _ in range(accepted):
                replies.append(await connection.reply(self._deadlines.dot, "end of data"))
        except HopLost as trouble:
            if not replies:
                raise
            replies += [HopReply(451, "4.4.2", trouble.public)] * (accepted - len(replies))
        return replies

    def _landed(self, connection: HopConnection, replies: list[HopReply]) -> None:
        """The last word was said; a chunk that was refused leaves the transaction open (RFC 3030 §2)."""
        self._in_message = False
        connection.needs_reset = not replies or not all(reply.ok for reply in replies)
        self._release(broken=False)

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
        self._begun = self._in_step = False
        if connection is None:
            return
        if broken:
            connection.abort()
        self._pool.give_back(connection)

    def _fail(self, trouble: Deferred, stage: Stage) -> None:
        if self._failure is None:
            enhanced = "4.4.1" if stage is Stage.CONNECT else "4.4.2"
            self._failure = HopReply(451, enhanced, trouble.public), stage

    def _all_failed(self, rcpts: Sequence[Rcpt]) -> tuple[RcptResult, ...]:
        reply, stage = self._failure or (HopReply(451, "4.4.2", "next hop: no answer"), Stage.CONNECT)
        self._release(broken=self._in_step or self._in_message)
        return tuple(_result(rcpt, reply, stage) for rcpt in rcpts)


def _verb(command: bytes) -> str:
    return command.split(None, 1)[0].decode("ascii")


def _result(rcpt: Rcpt, reply: HopReply, stage: Stage) -> RcptResult:
    return RcptResult(rcpt.address, reply.code, reply.enhanced, reply.text, stage)
