# SPDX-License-Identifier: Apache-2.0
"""A site with a real Postfix before the gateway, wired by our own command, and a mailbox behind both.

The gateway runs in the test's own process, where its clock and its DNS can be set; see `served` for one to be killed.
"""

import asyncio
import smtplib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gateway.app import Running, serving
from gateway.authn.resolver import Resolver
from gateway.cli.main import main
from gateway.clock import OffsetClock
from gateway.config import Config, parse_config
from gateway.flows.accounts import NewAccount, add_account
from gateway.flows.events import describe, find_event, import_calendar
from gateway.store.accounts import Account
from tests.conftest import missing
from tests.support.nexthop import NextHop
from tests.support.postfix import Postfix, free_port, installed, private_postfix
from tests.support.world import UID, event
from tests.support.zone import Zone

GUEST, ANN, ALIAS = "guest@partner.example", "ann@example.org", "a.alias@example.org"
JUNE = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)


@dataclass
class Site:
    """Postfix and the gateway. The gateway may be stopped and started."""

    postfix: Postfix
    config: Config
    resolver: Resolver = field(default_factory=Zone)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    running: Running | None = None
    ann: Account | None = None

    async def start(self) -> None:
        serve = serving(self.config, clock=OffsetClock(JUNE), resolver=self.resolver)
        self.running = await self.stack.enter_async_context(serve)
        if self.ann is None:
            self.ann = await add_account(self.running.context, NewAccount(ANN, "Ann", aliases=(ALIAS,)))

    async def stop(self) -> None:
        await self.stack.aclose()
        self.stack, self.running = AsyncExitStack(), None

    async def send(self, data: bytes, mail_from: str = GUEST, *rcpt_to: str) -> None:
        await asyncio.to_thread(submit, self.postfix.port, data, mail_from, rcpt_to or (ANN,))

    async def until(self, what: Callable[[], bool], seconds: float = 30) -> None:
        await until(what, self.postfix, seconds)

    async def invite(self, *, send: bool = False) -> None:
        """Ann stores a meeting with the guest."""
        assert self.running is not None
        assert self.ann is not None
        await import_calendar(self.running.context, self.ann, event(GUEST), send=send)

    async def partstat(self) -> str:
        assert self.running is not None
        assert self.ann is not None
        described = await describe(self.running.context, await find_event(self.running.context, self.ann, UID))
        return str(described["participants"][0]["partstat"])


def submit(port: int, data: bytes, mail_from: str, rcpt_to: tuple[str, ...]) -> None:
    """Bring a mail to Postfix as another server does."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as smtp:
        smtp.sendmail(mail_from, list(rcpt_to), data, ["BODY=8BITMIME"])


async def until(what: Callable[[], bool], postfix: Postfix, seconds: float = 30) -> None:
    """Wait for what can be seen; Postfix's log is told where it never is."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, postfix.log[-4000:]
        await asyncio.sleep(0.05)


def config_text(mode: str, folder: Path, door: str, back: str, more: str = "") -> str:
    """The gateway's configuration behind a Postfix that takes mail back at `back`; `more` ends it."""
    kind = "filter" if mode == "proxy" else mode
    url = f"smtp:{back}" if back.startswith("unix:") else f"smtp://{back}"
    return (
        f'[gateway]\nhostname = "gw.example.org"\ndata_dir = "{folder}/data"\ndrain_timeout = "5s"\n'
        f'[relay]\nurl = "{url}"\n[authn]\n'
        'trusted_authserv_ids = ["mx.example.org"]\nreceived_above_authres = 1\n'
        f'[mail]\ncoalesce_delay = "0s"\n[workers]\npoll_interval = "100ms"\n'
        f'[[listener]]\nkind = "{kind}"\nlisten = "{door}"\nsocket_mode = "0666"\n{more}'
    )


def wire(mode: str, instance: Postfix, file: Path, back: str) -> None:
    """Connect Postfix with our own command, twice: doing it again must change nothing."""
    words = ["--config", str(file), "postfix", "apply", "--mode", mode, "--config-dir", str(instance.config_dir)]
    words += ["--back", back, "--service", f"127.0.0.1:{instance.port}/inet", "--no-reload"]
    assert main(words) == 0
    once = files(instance)
    assert main(words) == 0
    assert files(instance) == once


def files(instance: Postfix) -> tuple[str, str]:
    return (instance.config_dir / "main.cf").read_text(), (instance.config_dir / "master.cf").read_text()


@asynccontextmanager
async def site(
    mode: str, folder: Path, final: str, *, more: str = "", resolver: Resolver | None = None, sockets: bool = False
) -> AsyncIterator[Site]:
    """The gateway behind a private Postfix that delivers to the transport `final`; `sockets` instead of ports."""
    if not installed():
        missing("Postfix (as root)")
    port, file = free_port(), folder / "gateway.toml"

    def prepare(instance: Postfix) -> None:
        door, back = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        if sockets:
            door, back = f"unix:{instance.folder}/door", f"unix:{instance.folder}/spool/public/back"
        if mode == "milter":
            back = f"127.0.0.1:{port}"  # with the milter nothing goes round
        file.write_text(config_text(mode, folder, door, back, more))
        wire(mode, instance, file, back)

    manager = private_postfix(final, prepare, port=port)
    instance = await asyncio.to_thread(manager.__enter__)
    try:
        here = Site(instance, parse_config(file.read_text()), resolver or Zone())
        await here.start()
        yield here
        await here.stop()
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


@asynccontextmanager
async def with_sink(mode: str, folder: Path, *, sockets: bool = False) -> AsyncIterator[tuple[Site, NextHop]]:
    """A site whose mailbox is a next hop of the tests."""
    final = "smtp:[127.0.0.1]:{}"
    async with NextHop() as mailbox, site(mode, folder, final.format(mailbox.port), sockets=sockets) as here:
        yield here, mailbox


def reply(
    partstat: str, *, dmarc: str = "pass", number: int = 1, stamp: str = "20260601T090000Z", uid: str = UID,
    attendee: str = GUEST,
) -> bytes:  # fmt: skip
    """An answer as it comes from the border, which wrote down what it found."""
    lines = (
        f"Authentication-Results: mx.example.org; dmarc={dmarc} header.from=partner.example",
        "Received: from mail.partner.example by mx.example.org; Mon, 1 Jun 2026 08:59:00 +0000",
        f"From: {attendee}", f"To: {ANN}", f"Subject: {partstat}", f"Message-ID: <{number}@partner.example>",
        "Date: Mon, 1 Jun 2026 08:59:00 +0000", "MIME-Version: 1.0",
        "Content-Type: text/calendar; charset=utf-8; method=REPLY", "Content-Transfer-Encoding: 8bit", "",
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//guest//EN", "METHOD:REPLY", "BEGIN:VEVENT", f"UID:{uid}",
        f"DTSTAMP:{stamp}", "SEQUENCE:0", f"ORGANIZER:mailto:{ANN}", f"ATTENDEE;PARTSTAT={partstat}:mailto:{attendee}",
        "COMMENT:Grüße", "END:VEVENT", "END:VCALENDAR", "",
    )  # fmt: skip
    return "\r\n".join(lines).encode()


PLAIN = (
    b"From: guest@partner.example\r\nTo: ann@example.org\r\nSubject: plain\r\nMessage-ID: <p@partner.example>\r\n"
    b"Date: Mon, 1 Jun 2026 08:59:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n\r\n"
    + "Grüße, ein Punkt:\r\n.\r\n..\r\n".encode()
    + b"x" * 1500
    + b"\r\ntrailing  \r\n"
)
