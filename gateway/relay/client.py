# SPDX-License-Identifier: Apache-2.0
"""The SMTP and LMTP client: pipelined, pooled, one result for each recipient (RFC 5321, 2033, 2920, 3030, 3461)."""

import ssl

from gateway.errors import Deferred, Misconfigured
from gateway.imip.mail import Envelope
from gateway.relay.greeting import open_connection, tls_context
from gateway.relay.handover import SmtpHandover
from gateway.relay.hop import Handover, HopReply, RcptResult, XForward
from gateway.relay.pool import Pool
from gateway.relay.url import RelayUrl, Scheme
from gateway.relay.wire import Deadlines, HopConnection


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
        handover = self._handover(envelope.mail_from, _own_parameters(envelope, data), xforward)
        try:
            return await handover.whole(envelope.rcpt_to, (data,))
        finally:
            await handover.abandon()

    def begin(self, mail_from: str, parameters: tuple[str, ...] = (), *, xforward: XForward | None = None) -> Handover:
        """Begin a transaction that follows somebody else's dialog; the hop is called at the first recipient."""
        return self._handover(mail_from, parameters, xforward)

    def _handover(self, mail_from: str, parameters: tuple[str, ...], xforward: XForward | None) -> SmtpHandover:
        return SmtpHandover(self.pool, self.deadlines, mail_from, parameters, xforward, lmtp=self.lmtp)

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
