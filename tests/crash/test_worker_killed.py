# SPDX-License-Identifier: Apache-2.0
"""The sending process killed (SIGKILL, a real process) at each step of the way out: no mail lost, none under a new id.

What was handed over and not yet written down goes out once more after the restart; it is the same octets under the
same Message-ID, so it is the same message (RFC 5321 §6.1).
"""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from email import message_from_bytes
from pathlib import Path

import pytest

from gateway.app import open_context
from gateway.config import load_config
from gateway.flows.accounts import NewAccount, add_account
from gateway.flows.context import Context
from gateway.flows.events import describe, find_event, import_calendar
from tests.support.nexthop import HANG, NextHop
from tests.support.world import UID, event

GUESTS = tuple(f"guest{number:02d}@partner.example" for number in range(12))
#: An event far ahead of whenever this runs.
MEETING = event(*GUESTS, start="20990607T120000")


class Worker:
    """`serve` as its own process, with nothing to do but to send."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        words = [sys.executable, "-m", "gateway", "--config", str(self.file), "serve", "--json"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(30)
            self.process = None

    def let_lease_run_out(self) -> None:
        """Five minutes pass: what the dead process had claimed is free again."""
        with closing(sqlite3.connect(self.file.parent / "data" / "gateway.db", timeout=30)) as database, database:
            for table in ("tasks", "recipients"):
                database.execute(f"UPDATE {table} SET leased_until = NULL, leased_by = NULL")


@asynccontextmanager
async def owing(folder: Path) -> AsyncIterator[tuple[Context, NextHop, Worker]]:
    """An invitation to all guests is owed; nobody has begun to send it."""
    async with NextHop() as hop:
        file = folder / "gateway.toml"
        file.write_text(
            f'[gateway]\nhostname = "gw.example.org"\ndata_dir = "{folder}/data"\n[relay]\nurl = "{hop.url}"\n'
            '[mail]\ncoalesce_delay = "0s"\n[workers]\npoll_interval = "100ms"\n'
            '[[listener]]\nkind = "filter"\nlisten = "127.0.0.1:0"\n'
        )
        context = await open_context(load_config(file, {}))
        worker = Worker(file)
        try:
            ann = await add_account(context, NewAccount("ann@example.org", "Ann"))
            await import_calendar(context, ann, MEETING, send=True)
            yield context, hop, worker
        finally:
            worker.kill()
            await context.store.close()


async def until(what: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def all_settled(context: Context) -> None:
    """Wait until every guest's status says that the mail went out."""
    account = await context.store.read(lambda unit: unit.accounts.by_address("ann@example.org"))
    assert account is not None
    end = time.monotonic() + 90
    while True:
        shown = await describe(context, await find_event(context, account, UID))
        if {each["schedule_status"] for each in shown["participants"]} == {"1.1"}:
            return
        assert time.monotonic() < end, shown["participants"]
        await asyncio.sleep(0.1)


def assert_one_message_each(hop: NextHop) -> None:
    for guest in GUESTS:
        copies = [mail.data for mail in hop.taken if f"<{guest}>" in mail.rcpts[0]]
        assert copies, f"{guest} got nothing"
        assert len({message_from_bytes(data)["Message-ID"] for data in copies}) == 1
        assert len(set(copies)) == 1, "the second copy is the first one, octet for octet"


@pytest.mark.parametrize("step", ["connect", "rcpt", "data", "dot"])
async def test_killed_in_the_middle_of_the_dialog(tmp_path: Path, step: str) -> None:
    async with owing(tmp_path) as (context, hop, worker):
        hop.plan[step] = [HANG] * 8
        worker.start()
        await until(lambda: len(hop.plan[step]) < 8)  # the hop hangs at this step
        worker.kill()
        worker.let_lease_run_out()
        hop.plan.clear()
        hop.drop_all()
        worker.start()
        await all_settled(context)
        assert_one_message_each(hop)


async def test_killed_again_and_again(tmp_path: Path) -> None:
    """At whatever it is: while it starts, claims, builds, queues, hands over, settles."""
    async with owing(tmp_path) as (context, hop, worker):
        for mails in (0, 1, 4, 9):
            worker.start()
            if mails:
                await until(lambda mails=mails: len(hop.taken) >= mails)  # type: ignore[misc]  # bound at once
            else:
                assert worker.process is not None
                assert worker.process.stdout is not None
                await asyncio.to_thread(worker.process.stdout.readline)  # ready: the worker wakes up now
            worker.kill()
            worker.let_lease_run_out()
            hop.drop_all()
        worker.start()
        await all_settled(context)
        assert_one_message_each(hop)
