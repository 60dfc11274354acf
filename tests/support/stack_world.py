# SPDX-License-Identifier: Apache-2.0
"""The world of a story made of whole gateways, one for each person, who write to each other over SMTP.

What a person stores goes through the flow of a calendar's door, its mails through the workers to a next hop; what
arrives comes through the content filter, from a border that found DMARC in order, and says what became of it in its
`X-iMIP-Gateway` field. Each gateway is stopped and started anew for every step: nothing may live in memory alone.
"""

import asyncio
import email
import re
import smtplib
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from email.message import Message
from pathlib import Path

from gateway.app import Running, serving, store_url
from gateway.clock import SettableClock
from gateway.config import Config, parse_config
from gateway.errors import Refused
from gateway.flows.accounts import NewAccount, add_account, find_account
from gateway.flows.calendar_change import ChangeRequest, change_object
from gateway.flows.context import Context
from gateway.flows.queue import listing
from gateway.itip.model import PartstatReset
from gateway.itip.tree import parse_tree
from gateway.store.engine import open_store
from gateway.store.unit import Unit
from tests.support.databases import lay_out
from tests.support.nexthop import NextHop
from tests.support.scenario import START, Account, Letter, Result
from tests.support.zone import Zone

_OUTCOME = re.compile(r"outcome=(\S+); rule=(\S+); id=")
_NAMES = {"REQUEST": "ORGANIZER", "CANCEL": "ORGANIZER", "PUBLISH": "ORGANIZER", "DECLINECOUNTER": "ORGANIZER"}


class StackWorld:
    """Gateways that run only while they have something to do. `close` when the story is told."""

    has_policies = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clock = SettableClock(START)
        self._runner = asyncio.Runner()
        self._hop = self._runner.run(NextHop().__aenter__())

    def close(self) -> None:
        """Leave nothing running."""
        self._runner.run(self._hop.stop())
        self._runner.close()

    # --- World ------------------------------------------------------------------------------------------------

    def account(self, account: Account) -> None:
        self._runner.run(self._move_in(account))

    def put(self, account: Account, calendar: str, now: datetime) -> Result:
        return self._runner.run(self._change(account, calendar, now))

    def delete(self, account: Account, uid: str, now: datetime) -> Result:
        return self._runner.run(self._change(account, None, now, uid))

    def mail(self, bearer: str, account: Account, calendar: str, now: datetime) -> Result:
        return self._runner.run(self._arrive(bearer, account, calendar, now))

    def rsvp(self, organizer: Account, guest: str, calendar: str, now: datetime) -> Result:
        return self.mail(guest, organizer, calendar, now)

    def stored(self, account: Account, uid: str) -> str | None:
        return self._runner.run(self._look(account, uid))

    # --- inside -----------------------------------------------------------------------------------------------

    def _gateway(self, account: Account, now: datetime | None = None) -> AbstractAsyncContextManager[Running]:
        self._clock.set(now or self._clock.now())
        return serving(self._config(account), clock=self._clock, resolver=Zone())

    def _config(self, account: Account) -> Config:
        host = f"mail.{account.name}.example"
        return parse_config(
            f'[gateway]\nhostname = "{host}"\ndata_dir = "{self._folder}/{account.name}"\n'
            f'[relay]\nurl = "{self._hop.url}"\n[authn]\ntrusted_authserv_ids = ["{host}"]\n'
            '[mail]\ncoalesce_delay = "0s"\nsign_dkim = false\n[workers]\npoll_interval = "100ms"\n'
            '[[listener]]\nkind = "filter"\nlisten = "127.0.0.1:0"\n'
            '[policy.scheduling]\nauto_add_invitations = "always"\n'
        )

    async def _move_in(self, account: Account) -> None:
        first, *aliases = account.addresses
        folder = self._config(account).gateway.data_dir
        folder.mkdir()
        await lay_out(folder)
        async with self._gateway(account) as running:
            await add_account(running.context, NewAccount(first, account.name, aliases=tuple(aliases)))

    async def _change(self, account: Account, calendar: str | None, now: datetime, uid: str = "") -> Result:
        ical = None if calendar is None else parse_tree(calendar)
        uid = uid or next(part.text("UID") or "" for part in ical.components if part.name != "VTIMEZONE")
        async with self._gateway(account, now) as running:
            context = running.context
            owner = await find_account(context, account.addresses[0])

            def fn(unit: Unit):  # type: ignore[no-untyped-def]
                item = next(iter(unit.objects.by_uid(owner.id, uid)), None)
                request = ChangeRequest(
                    owner, ical, item, send=True, asked=False, source="caldav", refuse_unreachable=False,
                    partstat_reset=PartstatReset.SERVER,
                )  # fmt: skip
                return change_object(unit, context, request)

            try:
                result = await context.store.write(fn)
            except Refused as refused:
                return Result("error", str(refused.context.get("rule", "")), refused.public)
            letters = await self._letters(running)
        return Result("" if result.nothing is None else "nothing", result.rule, result.nothing or "", letters)

    async def _arrive(self, bearer: str, account: Account, calendar: str, now: datetime) -> Result:
        async with self._gateway(account, now) as running:
            host, port = running.address("filter").rsplit(":", 1)
            data = _mail(bearer, account, calendar)
            await asyncio.to_thread(_bring, host, int(port), bearer, account.addresses[0], data)
            letters = await self._letters(running, arrived=True)
        return Result(*self._told, letters)

    async def _letters(self, running: Running, *, arrived: bool = False) -> tuple[Letter, ...]:
        """What the gateway mailed for this step; the mail that arrived is passed on too, and says what it did."""
        running.workers.wake()
        while await self._is_waiting(running.context):
            await asyncio.sleep(0.005)
        taken, self._hop.taken[:] = list(self._hop.taken), []
        self._told = ("", "", "")
        letters = []
        for each in taken:
            mail = email.message_from_bytes(each.data)
            told = mail["X-iMIP-Gateway"]
            if told is not None:
                outcome, rule = _OUTCOME.match(told).groups()  # type: ignore[union-attr]
                self._told = (outcome, rule, told)
            elif mail["Auto-Submitted"] is None:  # else a word of ours to a person here, such as that something waits
                letters.append(_letter(mail, each.rcpts[0]))
        assert bool(self._told[0]) == arrived
        return tuple(letters)

    async def _is_waiting(self, context: Context) -> bool:
        return bool(await listing(context))

    async def _look(self, account: Account, uid: str) -> str | None:
        store = open_store(store_url(self._config(account)))

        def fn(unit: Unit) -> str | None:
            owner = unit.accounts.by_address(account.addresses[0])
            return next((item.ical for item in unit.objects.by_uid(owner.id, uid)), None) if owner else None

        try:
            return await store.read(fn)
        finally:
            await store.close()


def _mail(bearer: str, account: Account, calendar: str) -> bytes:
    method = re.search(r"^METHOD:(\S+)", calendar, re.MULTILINE)
    domain = bearer.rpartition("@")[2].lower()
    head = (
        f"Authentication-Results: mail.{account.name}.example; dmarc=pass header.from={domain}", f"From: {bearer}",
        f"To: {account.addresses[0]}", "Subject: story", "MIME-Version: 1.0",
        f"Content-Type: text/calendar; charset=utf-8{'; method=' + method[1] if method else ''}",
        "Content-Transfer-Encoding: 8bit", "",
    )  # fmt: skip
    return "\r\n".join((*head, calendar)).encode()


def _bring(host: str, port: int, mail_from: str, rcpt_to: str, data: bytes) -> None:
    with smtplib.SMTP(host, port, timeout=20) as smtp:
        smtp.sendmail(mail_from, [rcpt_to], data, ["BODY=8BITMIME"])


def _letter(mail: Message, rcpt: str) -> Letter:
    """The iTIP message in a mail, as any program would read it."""
    part = next(part for part in mail.walk() if part.get_content_type() == "text/calendar")
    calendar = part.get_payload(decode=True).decode()  # type: ignore[union-attr]
    lines = list(_lines(calendar))
    method = str(part.get_param("method"))
    person = _NAMES.get(method, "ATTENDEE")
    spoken = next(line for line in lines if re.match(person + "[;:]", line))
    sequences = [int(line.partition(":")[2]) for line in lines if line.startswith("SEQUENCE:")]
    return Letter(
        method,
        re.split("mailto:", spoken, flags=re.IGNORECASE)[-1],
        rcpt[1 : rcpt.index(">")],
        max(sequences, default=0),
        tuple(line.rpartition(":")[2] for line in lines if line.startswith("RECURRENCE-ID")),
        calendar,
    )


def _lines(calendar: str) -> Iterator[str]:
    yield from re.sub(r"\r?\n[ \t]", "", calendar).splitlines()
