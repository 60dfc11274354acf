# SPDX-License-Identifier: Apache-2.0
"""A real Postfix behind us: what it cannot deliver comes back as its own report and ends on the guest it is about.

Postfix takes every mail with a 250 and learns the truth later, as it does in the world: one guest's server says no, one
says not now and keeps saying it, one is not there at all. The reports are Postfix's, not ours.
"""

import asyncio
import json
import smtplib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from gateway.app import Running, serving
from gateway.cli.main import main
from gateway.config import parse_config
from gateway.flows.accounts import NewAccount, add_account
from gateway.flows.events import import_calendar
from gateway.store.accounts import Account
from tests.conftest import missing
from tests.support.jmap import PASSWORD, USING
from tests.support.nexthop import NextHop
from tests.support.postfix import Postfix, free_port, installed, private_postfix
from tests.support.world import UID, event

pytestmark = [pytest.mark.postfix, pytest.mark.xdist_group("postfix")]
ANN = "ann@example.org"
WELL, GONE, BUSY, DEAD = "well@partner.example", "gone@partner.example", "busy@partner.example", "any@dead.example"


@dataclass
class Site:
    """The gateway, the Postfix behind it, and the server that everybody's mailbox is on."""

    running: Running
    ann: Account
    postfix: Postfix
    world: NextHop
    config: Path

    async def until(self, what: Callable[[], bool], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, self.postfix.log[-4000:]
            await asyncio.sleep(0.1)

    def mails(self, to: str) -> list[bytes]:
        return [mail.data for mail in self.world.taken if any(to in rcpt for rcpt in mail.rcpts)]

    async def command(self, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
        """What a command of ours prints."""
        capsys.readouterr()
        assert await asyncio.to_thread(main, ["--config", str(self.config), "--json", *words]) == 0
        found: dict[str, object] = json.loads(capsys.readouterr().out)
        return found

    async def settled(self, capsys: pytest.CaptureFixture[str], wanted: dict[str, str]) -> dict[str, str]:
        """The statuses, once those asked for begin as they should."""
        end = time.monotonic() + 60
        while True:
            found = await self.statuses(capsys)
            if all(found[address].startswith(code) for address, code in wanted.items()):
                return found
            assert time.monotonic() < end, (found, self.postfix.log[-4000:])
            await asyncio.sleep(0.3)

    async def statuses(self, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
        shown = await self.command(capsys, "event", "show", ANN, UID)
        return {each["address"]: each["schedule_status"] for each in shown["participants"]}  # type: ignore[attr-defined]


def config_text(folder: Path, *, postfix: int, lmtp: int, http: int) -> str:
    return (
        f'[gateway]\nhostname = "gw.example.org"\ndata_dir = "{folder}/data"\ndrain_timeout = "5s"\n'
        f'[relay]\nurl = "smtp://127.0.0.1:{postfix}"\n[mail]\ncoalesce_delay = "0s"\nsign_dkim = false\n'
        f'[workers]\npoll_interval = "100ms"\n'
        f'[[listener]]\nkind = "lmtp"\nlisten = "127.0.0.1:{lmtp}"\n'
        f'[[listener]]\nkind = "http"\nlisten = "127.0.0.1:{http}"\npublic_url = "http://127.0.0.1:{http}"\n'
    )


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    """Postfix gives up after a few seconds and warns before; what is for our bounce address comes to us."""
    if not installed():
        missing("Postfix (as root)")
    lmtp, http = free_port(), free_port()
    async with NextHop() as world:
        world.fixed[f"rcpt:{GONE}"] = "550 5.1.1 <gone@partner.example>: no such person"
        world.fixed[f"rcpt:{BUSY}"] = "450 4.2.2 mailbox full"
        routes = {
            "calendar-bounce@example.org": f"lmtp:[127.0.0.1]:{lmtp}",
            "dead.example": f"smtp:[127.0.0.1]:{free_port()}",
        }
        manager = private_postfix(
            f"smtp:[127.0.0.1]:{world.port}",
            transport_maps="inline:{" + ", ".join(f"{{ {name} = {to} }}" for name, to in routes.items()) + "}",
            relay_transport=f"smtp:[127.0.0.1]:{world.port}",
            recipient_delimiter="+",
            hopcount_limit="8",  # mail to an address that only looks like ours goes in circles here
            delay_warning_time="2s",
            maximal_queue_lifetime="12s",
            bounce_queue_lifetime="12s",
        )
        postfix = await asyncio.to_thread(manager.__enter__)
        try:
            text = config_text(folder, postfix=postfix.port, lmtp=lmtp, http=http)
            (folder / "gateway.toml").write_text(text)
            async with serving(parse_config(text)) as running:
                ann = await add_account(running.context, NewAccount(ANN, "Ann", password=PASSWORD))
                yield Site(running, ann, postfix, world, folder / "gateway.toml")
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)


async def jmap_statuses(here: Site) -> dict[str, list[str]]:
    """SCHEDULE-STATUS as a JMAP client sees it."""
    base = str(parse_config(here.config.read_text()).listeners[1].public_url)
    async with httpx.AsyncClient(base_url=base, auth=(ANN, PASSWORD)) as http:
        session = (await http.get("/.well-known/jmap", follow_redirects=True)).json()
        account = session["primaryAccounts"]["urn:ietf:params:jmap:calendars"]
        calls = [["CalendarEvent/get", {"accountId": account, "properties": ["uid", "participants"]}, "c"]]
        body = (await http.post("/jmap/", json={"using": USING, "methodCalls": calls})).json()
    (shown,) = body["methodResponses"][0][1]["list"]
    return {
        each.get("calendarAddress", "").removeprefix("mailto:"): each.get("scheduleStatus", [])
        for each in shown["participants"].values()
    }


async def test_each_guests_fate_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with site(tmp_path) as here:
        soon = f"{datetime.now(UTC) + timedelta(days=5):%Y%m%dT120000}"
        meeting = event(WELL, GONE, BUSY, DEAD, start=soon)
        await import_calendar(here.running.context, here.ann, meeting, send=True)

        first = await here.settled(capsys, {WELL: "1.1", GONE: "5.2"})
        assert {first[BUSY], first[DEAD]} == {"1.1"}, "Postfix took them and does not know yet"
        await here.until(lambda: sum(b"gone@partner.example" in mail for mail in here.mails(ANN)) == 1)

        await here.until(lambda: here.postfix.log.count("status=expired") >= 2)
        await here.until(lambda: not here.postfix.queue())
        last = await here.settled(capsys, {BUSY: "5", DEAD: "5"})
        assert last[WELL] == "1.1"
        assert {last[address][:1] for address in (GONE, BUSY, DEAD)} == {"5"}, last
        shown = await jmap_statuses(here)
        assert {address: codes[0].split(";")[0] for address, codes in shown.items() if codes} == {
            address: last[address] for address in (WELL, GONE, BUSY, DEAD)
        }
        assert [len(here.mails(WELL)), len(here.mails(GONE)), len(here.mails(BUSY))] == [1, 0, 0]


async def test_a_report_that_only_looks_like_one_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The address carries a key: whoever guesses at it reaches nobody."""
    async with site(tmp_path) as here:
        soon = f"{datetime.now(UTC) + timedelta(days=5):%Y%m%dT120000}"
        await import_calendar(here.running.context, here.ann, event(WELL, start=soon), send=True)
        await here.until(lambda: len(here.mails(WELL)) == 1)
        (taken,) = [mail for mail in here.world.taken if any(WELL in rcpt for rcpt in mail.rcpts)]
        true = taken.mail.partition("<")[2].partition(">")[0]
        local, _, domain = true.rpartition("@")
        forged = f"{local[:-1]}{'a' if local[-1] != 'a' else 'b'}@{domain}"
        report = (
            "From: MAILER-DAEMON@partner.example\r\nTo: x\r\nSubject: failed\r\nMIME-Version: 1.0\r\n"
            'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
            "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; partner.example\r\n\r\n"
            f"Final-Recipient: rfc822; {WELL}\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n"
        ).encode()

        async def hand_in(to: str) -> None:
            with smtplib.SMTP("127.0.0.1", here.postfix.port, timeout=20) as smtp:
                await asyncio.to_thread(smtp.sendmail, "", [to], report)

        await hand_in(forged)
        await here.until(lambda: not here.postfix.queue())
        assert (await here.statuses(capsys))[WELL] == "1.1"
        await hand_in(true)
        await here.settled(capsys, {WELL: "5.2"})
