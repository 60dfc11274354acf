# SPDX-License-Identifier: Apache-2.0
"""A door on loopback with a next hop behind it, and a flow that does what a test says."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gateway.authn.login import Authenticator, Login
from gateway.clock import SettableClock
from gateway.config.listeners import Address
from gateway.ids import CountingIds
from gateway.imip.mail import PASS, Direction, Disposition, Mail
from gateway.imip.mail import Door as Kind
from gateway.imip.scan import may_hold_calendar
from gateway.relay.client import SmtpRelay
from gateway.relay.hop import Relay
from gateway.relay.url import parse_relay_url
from gateway.relay.wire import Deadlines
from gateway.smtp.door import Door, Limits
from gateway.smtp.filter import FilterDoor
from gateway.smtp.listener import Binding, ServerTls, SmtpListener
from gateway.smtp.lmtp import LmtpDoor
from gateway.smtp.passage import Passage
from gateway.smtp.submission import SubmissionDoor
from tests.support.nexthop import NextHop

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
LOGINS = {"ann@t.example": Login("ann@t.example", frozenset({"ann@t.example", "ann.alias@t.example"}))}


class Passwords:
    """Everybody's password is `secret`."""

    async def authenticate(self, login: str, password: str) -> Login | None:
        return LOGINS.get(login) if password == "secret" else None


@dataclass
class House:
    """A door, what it saw, and the hop behind it."""

    hop: NextHop
    kind: Kind = Kind.FILTER
    limits: Limits = field(default_factory=lambda: Limits(login_delay=0.0, command_seconds=30.0))
    examined: list[Mail] = field(default_factory=list)
    flow: Callable[[Mail], Awaitable[Disposition]] | None = None
    ours: str = "token+"  # local parts that begin so are ours
    authenticator: Authenticator = field(default_factory=Passwords)
    tls_before_auth: bool = False
    deadlines: Deadlines = field(default_factory=Deadlines)
    binding: Binding | None = None
    tls: ServerTls | None = None
    relay: Relay | None = None

    async def examine(self, mail: Mail) -> Disposition:
        self.examined.append(mail)
        return PASS if self.flow is None else await self.flow(mail)

    def door(self) -> Door:
        relay = self.relay or SmtpRelay(parse_relay_url(self.hop.url), hostname="gw.test", deadlines=self.deadlines)
        self.relay = relay
        passage = Passage(
            kind=self.kind,
            direction=Direction.INBOUND,
            hostname="gw.test",
            relay=relay,
            examine=self.examine,
            may_hold_calendar=may_hold_calendar,
            is_ours=lambda address: address.startswith(self.ours),
            ids=CountingIds(),
            clock=SettableClock(NOW),
            may_refuse=self.kind is Kind.SUBMISSION,
        )
        match self.kind:
            case Kind.LMTP:
                return LmtpDoor(passage)
            case Kind.SUBMISSION:
                return SubmissionDoor(passage, self.authenticator, tls_before_auth=self.tls_before_auth)
            case _:
                return FilterDoor(passage)

    async def start(self) -> SmtpListener:
        binding = self.binding or Binding(Address(host="127.0.0.1"), tls=self.tls)
        self.listener = SmtpListener(binding, self.door(), self.limits, hostname="gw.test")
        await self.listener.start()
        return self.listener

    @property
    def port(self) -> int:
        return int(self.listener.address.rpartition(":")[2])


@asynccontextmanager
async def opened(hop: NextHop | None = None, **options: object) -> AsyncIterator[House]:
    """Open a house; both ends are closed afterwards."""
    hop = hop or NextHop(path=None)
    unseen: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: unseen.append(context))
    async with hop:
        house = House(hop, **options)  # type: ignore[arg-type]
        await house.start()
        try:
            yield house
        finally:
            await house.listener.drain(0.1)
            if house.relay is not None:
                await house.relay.close()
    gc.collect()  # a task that failed unseen is told of when it is collected
    assert not unseen, unseen


class Peer:
    """The other side of a dialog: says lines, reads replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def call(cls, port: int = 0, path: str | Path | None = None) -> "Peer":
        if path is not None:
            return cls(*await asyncio.open_unix_connection(str(path)))
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def reply(self) -> str:
        """Return one whole reply, lines joined by a line feed; "" at the end of the connection."""
        lines = []
        while True:
            async with asyncio.timeout(20):
                line = (await self.reader.readline()).decode().rstrip("\r\n")
            lines.append(line)
            if line[3:4] != "-":
                return "\n".join(lines)

    def write(self, octets: bytes | str) -> None:
        self.writer.write(octets.encode() if isinstance(octets, str) else octets)

    async def say(self, line: str) -> str:
        self.write(line + "\r\n")
        return await self.reply()

    async def mail(self, data: bytes, *rcpts: str, mail_from: str = "a@test") -> str:
        """Send a mail in an open session and return the last reply."""
        await self.say(f"MAIL FROM:<{mail_from}>")
        for rcpt in rcpts or ("b@test",):
            await self.say(f"RCPT TO:<{rcpt}>")
        go_on = await self.say("DATA")
        assert go_on.startswith("354"), go_on
        self.write(data + b".\r\n")
        return await self.reply()

    async def hello(self, verb: str = "EHLO") -> str:
        await self.reply()
        return await self.say(f"{verb} peer.test")

    async def close(self) -> None:
        self.writer.close()
