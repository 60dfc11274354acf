# SPDX-License-Identifier: Apache-2.0
"""A real Postfix before every door, wired by `postfix apply`: mail through, answers applied, octets intact, no loss."""

import asyncio
import smtplib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.app import Running, serving
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

pytestmark = [pytest.mark.postfix, pytest.mark.xdist_group("postfix")]
GUEST, ANN = "guest@partner.example", "ann@example.org"
JUNE = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)


@dataclass
class Site:
    """Postfix, the gateway and the mailbox behind them. The gateway may be stopped and started."""

    postfix: Postfix
    mailbox: NextHop
    config: Config
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    running: Running | None = None
    ann: Account | None = None

    async def start(self) -> None:
        self.running = await self.stack.enter_async_context(serving(self.config, clock=OffsetClock(JUNE)))
        if self.ann is None:
            self.ann = await add_account(self.running.context, NewAccount(ANN, "Ann"))

    async def stop(self) -> None:
        await self.stack.aclose()
        self.stack, self.running = AsyncExitStack(), None

    async def send(self, data: bytes, mail_from: str = GUEST, *rcpt_to: str) -> None:
        def hand_over() -> None:
            with smtplib.SMTP("127.0.0.1", self.postfix.port, timeout=20) as smtp:
                smtp.sendmail(mail_from, list(rcpt_to) or [ANN], data, ["BODY=8BITMIME"])

        await asyncio.to_thread(hand_over)

    async def arrived(self, count: int = 1) -> list[bytes]:
        await self.until(lambda: len(self.mailbox.taken) >= count)
        return [mail.data for mail in self.mailbox.taken]

    async def until(self, what: Callable[[], bool], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, self.postfix.log[-4000:]
            await asyncio.sleep(0.05)

    async def invite(self) -> None:
        """Ann stores a meeting with the guest; no mail goes out of it here."""
        assert self.running is not None
        assert self.ann is not None
        await import_calendar(self.running.context, self.ann, event(GUEST), send=False)

    async def partstat(self) -> str:
        assert self.running is not None
        assert self.ann is not None
        described = await describe(self.running.context, await find_event(self.running.context, self.ann, UID))
        return str(described["participants"][0]["partstat"])


def config_text(mode: str, folder: Path, door: str, back: int) -> str:
    kind = "filter" if mode == "proxy" else mode
    return (
        f'[gateway]\nhostname = "gw.example.org"\ndata_dir = "{folder}/data"\ndrain_timeout = "5s"\n'
        f'[relay]\nurl = "smtp://127.0.0.1:{back}"\n[authn]\n'
        'trusted_authserv_ids = ["mx.example.org"]\nreceived_above_authres = 1\n'
        f'[workers]\npoll_interval = "100ms"\n[[listener]]\nkind = "{kind}"\nlisten = "{door}"\n'
    )


def wire(mode: str, instance: Postfix, file: Path, back: int) -> None:
    """Connect Postfix with our own command, twice: doing it again must change nothing."""
    words = ["--config", str(file), "postfix", "apply", "--mode", mode, "--config-dir", str(instance.config_dir)]
    words += ["--back", f"127.0.0.1:{back}", "--service", f"127.0.0.1:{instance.port}/inet", "--no-reload"]
    assert main(words) == 0
    once = files(instance)
    assert main(words) == 0
    assert files(instance) == once
    instance.run("reload")
    time.sleep(0.7)  # the master takes up new services without telling anyone


def files(instance: Postfix) -> tuple[str, str]:
    return (instance.config_dir / "main.cf").read_text(), (instance.config_dir / "master.cf").read_text()


@asynccontextmanager
async def site(mode: str, folder: Path) -> AsyncIterator[Site]:
    """The gateway behind a private Postfix."""
    if not installed():
        missing("Postfix (as root)")
    async with NextHop() as mailbox:
        manager = private_postfix(f"smtp:[127.0.0.1]:{mailbox.port}")
        instance = await asyncio.to_thread(manager.__enter__)
        try:
            back, file = free_port(), folder / "gateway.toml"
            text = config_text(mode, folder, f"127.0.0.1:{free_port()}", back)
            file.write_text(text)
            await asyncio.to_thread(wire, mode, instance, file, back)
            here = Site(instance, mailbox, parse_config(text))
            await here.start()
            yield here
            await here.stop()
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)


def reply(partstat: str, *, dmarc: str = "pass", number: int = 1, stamp: str = "20260601T090000Z") -> bytes:
    """An answer as it comes from the border, which wrote down what it found."""
    lines = (
        f"Authentication-Results: mx.example.org; dmarc={dmarc} header.from=partner.example",
        "Received: from mail.partner.example by mx.example.org; Mon, 1 Jun 2026 08:59:00 +0000",
        f"From: {GUEST}", f"To: {ANN}", f"Subject: {partstat}", f"Message-ID: <{number}@partner.example>",
        "Date: Mon, 1 Jun 2026 08:59:00 +0000", "MIME-Version: 1.0",
        "Content-Type: text/calendar; charset=utf-8; method=REPLY", "Content-Transfer-Encoding: 8bit", "",
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//guest//EN", "METHOD:REPLY", "BEGIN:VEVENT", f"UID:{UID}",
        f"DTSTAMP:{stamp}", "SEQUENCE:0", f"ORGANIZER:mailto:{ANN}", f"ATTENDEE;PARTSTAT={partstat}:mailto:{GUEST}",
        "COMMENT:Gr\u00fc\u00dfe", "END:VEVENT", "END:VCALENDAR", "",
    )  # fmt: skip
    return "\r\n".join(lines).encode()


PLAIN = (
    b"From: guest@partner.example\r\nTo: ann@example.org\r\nSubject: plain\r\nMessage-ID: <p@partner.example>\r\n"
    b"Date: Mon, 1 Jun 2026 08:59:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: 8bit\r\nDKIM-Signature: v=1; a=rsa-sha256; b=abc\r\n\r\n"
    + "Grüße, ein Punkt:\r\n.\r\n..\r\n".encode()
    + b"x" * 1500
    + b"\r\ntrailing  \r\n"
)


@pytest.mark.parametrize("mode", ["filter", "lmtp", "proxy", "milter"])
async def test_through_postfix(mode: str, tmp_path: Path) -> None:
    """Plain mail byte for byte, a proven answer applied, a refuted one not, both delivered; then undone."""
    async with site(mode, tmp_path) as here:
        await here.invite()
        await here.send(PLAIN)
        (plain,) = await here.arrived(1)
        assert plain.endswith(PLAIN), "below our trace lines every octet is as it was sent"
        await here.send(reply("DECLINED", dmarc="fail", number=2))
        await here.arrived(2)
        assert await here.partstat() == "NEEDS-ACTION"
        await here.send(reply("ACCEPTED", number=3))
        *_, refuted, applied = await here.arrived(3)
        assert await here.partstat() == "ACCEPTED"
        assert b"X-iMIP-Gateway: outcome=refused; rule=incoming.refuted" in refuted
        assert b"X-iMIP-Gateway: outcome=applied; rule=reply." in applied
        assert applied.endswith(reply("ACCEPTED", number=3))
        await here.until(lambda: not here.postfix.queue())
        assert set(here.postfix.statuses()) == {"sent"}
        assert here.running is not None
        traced = await here.running.context.store.read(lambda unit: unit.journal.trace("<3@partner.example>"))
        if mode != "proxy":  # before the queue there is no queue id yet
            assert traced[0].queue_id, "our journal names Postfix's queue id"
        before = files(here.postfix)
        assert main(["postfix", "undo", "--config-dir", str(here.postfix.config_dir), "--no-reload"]) == 0
        assert files(here.postfix) != before
        assert "content_filter" not in files(here.postfix)[0]


async def test_while_the_gateway_is_down_mail_waits_and_nothing_is_lost(tmp_path: Path) -> None:
    async with site("filter", tmp_path) as here:
        await here.invite()
        await here.stop()
        for number in range(5):
            await here.send(reply("ACCEPTED", number=number, stamp=f"2026060109000{number}Z"))
        await here.until(lambda: "deferred" in here.postfix.statuses())
        assert here.mailbox.taken == []
        await here.start()
        await asyncio.to_thread(here.postfix.flush)
        await here.arrived(5)
        await here.until(lambda: not here.postfix.queue())
        assert len(here.mailbox.taken) == 5
        assert "bounced" not in here.postfix.statuses()
        assert await here.partstat() == "ACCEPTED"


async def test_a_locked_database_defers_and_the_answer_counts_later(tmp_path: Path) -> None:
    import sqlite3

    async with site("lmtp", tmp_path) as here:
        await here.invite()
        other = sqlite3.connect(tmp_path / "data" / "gateway.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN EXCLUSIVE")
        await here.send(reply("ACCEPTED"))
        await here.until(lambda: "deferred" in here.postfix.statuses(), 60)
        assert here.mailbox.taken == []
        other.execute("ROLLBACK")
        other.close()
        await asyncio.to_thread(here.postfix.flush)
        await here.arrived(1)
        assert await here.partstat() == "ACCEPTED"
        assert "bounced" not in here.postfix.statuses()


async def test_several_recipients_each_have_their_own_fate(tmp_path: Path) -> None:
    async with site("filter", tmp_path) as here:
        here.mailbox.fixed["rcpt:nobody@example.org"] = "550 5.1.1 no such user"
        await here.send(PLAIN, GUEST, ANN, "other@example.org")
        await here.arrived(1)
        rcpts = {word for mail in here.mailbox.taken for word in mail.rcpts}
        assert any(ANN in rcpt for rcpt in rcpts)
        assert any("other@example.org" in rcpt for rcpt in rcpts)
