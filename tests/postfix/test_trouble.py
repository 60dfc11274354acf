# SPDX-License-Identifier: Apache-2.0
"""Trouble behind a real Postfix: whatever is wrong with us, mail waits, comes later, and has its effect once."""

import asyncio
import signal
import sqlite3
from pathlib import Path

import pytest

from gateway.flows.accounts import NewAccount, add_account, find_account
from gateway.flows.context import Context
from gateway.flows.events import describe, find_event, import_calendar
from gateway.flows.explain import trace_mail
from tests.support.nexthop import NextHop
from tests.support.served import House, context_of, house
from tests.support.site import ANN, GUEST, PLAIN, reply
from tests.support.world import UID, event

pytestmark = [pytest.mark.postfix, pytest.mark.xdist_group("postfix")]
LARGE = PLAIN + (b"y" * 900 + b"\r\n") * 5000


async def planned(context: Context) -> None:
    """Ann has a meeting with the guest."""
    await import_calendar(context, await add_account(context, NewAccount(ANN)), event(GUEST), send=False)


async def settled(here: House, *mails: bytes) -> None:
    """What waited arrives, each mail once and as it was sent, and the answer counted once."""
    await asyncio.to_thread(here.postfix.flush)
    await here.until(lambda: len(here.mailbox.taken) >= len(mails))
    await here.until(lambda: not here.postfix.queue())
    arrived = [mail.data for mail in here.mailbox.taken]
    assert len(arrived) == len(mails)
    assert all(sum(each.endswith(mail) for each in arrived) == 1 for mail in mails)
    assert "bounced" not in here.postfix.statuses()
    async with context_of(here.gateway.file) as context:
        ann = await find_account(context, ANN)
        shown = await describe(context, await find_event(context, ann, UID))
        assert [person["partstat"] for person in shown["participants"]] == ["ACCEPTED"]
        traced = await trace_mail(context, "<1@partner.example>")
        assert [entry.outcome for entry in traced if entry.stage == "incoming"] == ["applied"]


async def test_stopped_and_killed(tmp_path: Path) -> None:
    async with house(tmp_path, "filter", planned) as here:
        assert here.gateway.stop() == 0
        await here.send(PLAIN)
        await here.deferred()
        await asyncio.to_thread(here.gateway.start)
        here.gateway.stop(signal.SIGKILL)
        await here.send(reply("ACCEPTED"))
        await here.deferred(2)
        await asyncio.to_thread(here.gateway.start)
        await settled(here, PLAIN, reply("ACCEPTED"))


async def test_killed_while_it_hands_a_mail_on(tmp_path: Path) -> None:
    """The next hop has the mail and has not said so; Postfix brings it again and the answer counts once."""

    def hop(mailbox: NextHop) -> str:
        return f'next_hop = "smtp://127.0.0.1:{mailbox.port}"\n'

    async with house(tmp_path, "lmtp", planned, hop) as here:
        here.mailbox.plan["dot"] = ["hang"]
        await here.send(reply("ACCEPTED"))
        await here.until(lambda: not here.mailbox.plan["dot"])  # it has all of the mail, and hangs
        here.gateway.stop(signal.SIGKILL)
        here.mailbox.drop_all()
        await here.deferred()
        await asyncio.to_thread(here.gateway.start)
        await settled(here, reply("ACCEPTED"))


async def test_slow_beyond_patience(tmp_path: Path) -> None:
    """The gateway stands still until Postfix hangs up; then it wakes, and what it had begun has no second effect."""
    async with house(tmp_path, "lmtp", planned) as here:
        for name in ("lmtp_lhlo_timeout", "lmtp_mail_timeout", "lmtp_data_done_timeout", "lmtp_data_init_timeout"):
            here.postfix.postconf("-P", f"imip-gateway/unix/{name}=2s")
        await asyncio.to_thread(here.postfix.run, "reload")
        here.gateway.pause()
        await here.send(reply("ACCEPTED"))
        await here.deferred()
        here.gateway.resume()
        await settled(here, reply("ACCEPTED"))


async def test_out_of_disk(tmp_path: Path) -> None:
    """Neither the database nor a large mail's spool file can grow: put off, also the mail without a calendar."""
    async with house(tmp_path, "lmtp", planned) as here:
        here.gateway.fill_disk()
        for mail in (reply("ACCEPTED"), LARGE):
            await here.send(mail)
        await here.deferred(2)
        here.gateway.free_disk()
        await settled(here, reply("ACCEPTED"), LARGE)


async def test_a_locked_database(tmp_path: Path) -> None:
    async with house(tmp_path, "lmtp", planned) as here:
        other = sqlite3.connect(tmp_path / "data" / "gateway.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN EXCLUSIVE")
        await here.send(reply("ACCEPTED"))
        await here.deferred()
        other.execute("ROLLBACK")
        other.close()
        await settled(here, reply("ACCEPTED"))
