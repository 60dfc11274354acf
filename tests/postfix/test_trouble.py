# SPDX-License-Identifier: Apache-2.0
"""Trouble behind a real Postfix: whatever is wrong with us, mail waits, comes later, and has its effect once."""

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.app import open_context
from gateway.config import load_config
from gateway.flows.accounts import NewAccount, add_account, find_account
from gateway.flows.context import Context
from gateway.flows.events import describe, find_event, import_calendar
from gateway.flows.explain import trace_mail
from tests.conftest import missing
from tests.support.nexthop import NextHop
from tests.support.postfix import Postfix, free_port, installed, private_postfix
from tests.support.site import ANN, GUEST, PLAIN, Served, config_text, reply, submit, until, wire
from tests.support.world import UID, event

pytestmark = [pytest.mark.postfix, pytest.mark.xdist_group("postfix")]
LARGE = PLAIN + (b"y" * 900 + b"\r\n") * 5000


@dataclass
class House:
    """A Postfix, a gateway that is a process of its own, and the mailbox behind both."""

    postfix: Postfix
    gateway: Served
    mailbox: NextHop

    async def send(self, data: bytes) -> None:
        await asyncio.to_thread(submit, self.postfix.port, data, GUEST, (ANN,))

    async def until(self, what: Callable[[], bool], seconds: float = 60) -> None:
        await until(what, self.postfix, seconds)

    async def deferred(self, count: int = 1) -> None:
        """Wait until Postfix put mail off; nothing of it may have arrived."""
        await self.until(lambda: self.postfix.statuses().count("deferred") >= count)
        assert self.mailbox.taken == []

    async def settled(self, *mails: bytes) -> None:
        """What waited arrives, each mail once and as it was sent, and the answer counted once."""
        await asyncio.to_thread(self.postfix.flush)
        await self.until(lambda: len(self.mailbox.taken) >= len(mails))
        await self.until(lambda: not self.postfix.queue())
        arrived = [mail.data for mail in self.mailbox.taken]
        assert len(arrived) == len(mails)
        assert all(sum(each.endswith(mail) for each in arrived) == 1 for mail in mails)
        assert "bounced" not in self.postfix.statuses()
        async with context_of(self.gateway.file) as context:
            ann = await find_account(context, ANN)
            shown = await describe(context, await find_event(context, ann, UID))
            assert [person["partstat"] for person in shown["participants"]] == ["ACCEPTED"]
            traced = await trace_mail(context, "<1@partner.example>")
            assert [entry.outcome for entry in traced if entry.stage == "incoming"] == ["applied"]


@asynccontextmanager
async def context_of(file: Path) -> AsyncIterator[Context]:
    """Look into the gateway's store from beside it, as the command line does."""
    context = await open_context(load_config(file, {}))
    try:
        yield context
    finally:
        await context.store.close()


@asynccontextmanager
async def house(folder: Path, mode: str = "lmtp") -> AsyncIterator[House]:
    if not installed():
        missing("Postfix (as root)")
    back, file = free_port(), folder / "gateway.toml"
    file.write_text(config_text(mode, folder, f"127.0.0.1:{free_port()}", back))
    async with context_of(file) as context:
        await import_calendar(context, await add_account(context, NewAccount(ANN)), event(GUEST), send=False)
    gateway = Served(file)
    async with NextHop() as mailbox:
        final = f"smtp:[127.0.0.1]:{mailbox.port}"
        manager = private_postfix(final, lambda instance: wire(mode, instance, file, back))
        instance = await asyncio.to_thread(manager.__enter__)
        try:
            await asyncio.to_thread(gateway.start)
            yield House(instance, gateway, mailbox)
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)
            if gateway.process is not None and gateway.process.poll() is None:
                gateway.process.kill()


async def test_stopped_and_killed(tmp_path: Path) -> None:
    async with house(tmp_path, "filter") as here:
        assert here.gateway.stop() == 0
        await here.send(PLAIN)
        await here.deferred()
        await asyncio.to_thread(here.gateway.start)
        here.gateway.stop(signal.SIGKILL)
        await here.send(reply("ACCEPTED"))
        await here.deferred(2)
        await asyncio.to_thread(here.gateway.start)
        await here.settled(PLAIN, reply("ACCEPTED"))


async def test_killed_while_it_hands_a_mail_on(tmp_path: Path) -> None:
    """The next hop has the mail and has not said so; Postfix brings it again and the answer counts once."""
    async with house(tmp_path) as here:
        here.mailbox.plan["dot"] = ["hang"]
        here.postfix.postconf("-e", "smtp_data_done_timeout=600s")
        await here.send(reply("ACCEPTED"))
        await here.until(lambda: "DATA" in here.mailbox.commands)
        here.gateway.stop(signal.SIGKILL)
        here.mailbox.drop_all()
        await here.deferred()
        await asyncio.to_thread(here.gateway.start)
        await here.settled(reply("ACCEPTED"))


async def test_slow_beyond_patience(tmp_path: Path) -> None:
    """The gateway stands still until Postfix hangs up; then it wakes, and what it had begun has no second effect."""
    async with house(tmp_path) as here:
        for name in ("lmtp_lhlo_timeout", "lmtp_mail_timeout", "lmtp_data_done_timeout", "lmtp_data_init_timeout"):
            here.postfix.postconf("-P", f"imip-gateway/unix/{name}=2s")
        await asyncio.to_thread(here.postfix.run, "reload")
        here.gateway.pause()
        await here.send(reply("ACCEPTED"))
        await here.deferred()
        here.gateway.resume()
        await here.settled(reply("ACCEPTED"))


async def test_out_of_disk(tmp_path: Path) -> None:
    """Neither the database nor a large mail's spool file can grow: put off, also the mail without a calendar."""
    async with house(tmp_path) as here:
        here.gateway.fill_disk()
        for mail in (reply("ACCEPTED"), LARGE):
            await here.send(mail)
        await here.deferred(2)
        here.gateway.free_disk()
        await here.settled(reply("ACCEPTED"), LARGE)


async def test_a_locked_database(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        other = sqlite3.connect(tmp_path / "data" / "gateway.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN EXCLUSIVE")
        await here.send(reply("ACCEPTED"))
        await here.deferred()
        other.execute("ROLLBACK")
        other.close()
        await here.settled(reply("ACCEPTED"))
