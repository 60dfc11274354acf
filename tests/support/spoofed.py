# SPDX-License-Identifier: Apache-2.0
"""The world of the spoofs behind the real flow: real store, real policies, one door."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

from gateway.clock import SettableClock
from gateway.config import AuthnOptions, Config
from gateway.flows.accounts import NewAccount, add_account
from gateway.flows.context import Context
from gateway.flows.events import find_event, import_calendar
from gateway.flows.incoming_mail import examine
from gateway.ids import CountingIds
from gateway.imip.mail import Direction, Disposition, Door, Envelope, Mail, Origin, Rcpt
from gateway.store.engine import Store, open_store
from gateway.store.tasks import Task
from tests.support import spoofs
from tests.support.databases import lay_out
from tests.support.spoofs import BOB, CAROL, NOW

OPTIONS = AuthnOptions(trusted_authserv_ids=(spoofs.BORDER_ID,))


class World:
    """Carol's and Erin's accounts, their two events, and the door that mails come in at."""

    def __init__(self, store: Store) -> None:
        self.clock = SettableClock(NOW)
        self.context = Context(store, self.clock, CountingIds(), replace(Config(), authn=OPTIONS), b"secret")
        self.dns = spoofs.dns()
        self.count = 0

    async def open(self) -> "World":
        for address in (CAROL, spoofs.ERIN):
            account = await add_account(self.context, NewAccount(address))
            for text in (spoofs.TEA, spoofs.TALK) if address == CAROL else ():
                await import_calendar(self.context, account, text, send=False)
        return self

    async def receive(self, data: bytes, to: str = CAROL, mail_from: str = BOB) -> Disposition:
        self.count += 1
        origin = Origin(Door.FILTER, Direction.INBOUND)
        envelope = Envelope(mail_from, (Rcpt(to),))
        return await examine(self.context, self.dns, Mail(f"m{self.count}", envelope, origin, data))

    async def events(self) -> dict[str, str]:
        """Everything stored for everybody: whose, which, and its text."""

        def fn(unit):  # type: ignore[no-untyped-def]  # one line of look-up
            accounts = [unit.accounts.by_address(address) for address in (CAROL, spoofs.ERIN)]
            return {f"{a.address} {o.uid}": o.ical for a in accounts for o in unit.objects.of_account(a.id)}

        found: dict[str, str] = await self.context.store.read(fn)
        return found

    async def partstat(self, uid: str, attendee: str) -> str:
        account = await self.context.store.read(lambda unit: unit.accounts.by_address(CAROL))
        assert account is not None
        text = (await find_event(self.context, account, uid)).ical.replace("\r\n ", "")
        [line] = [line for line in text.split("\r\n") if line.startswith("ATTENDEE") and line.endswith(attendee)]
        return line.partition("PARTSTAT=")[2].partition(";")[0].partition(":")[0]

    async def know(self, address: str) -> None:
        """Carol and this person have written to each other before."""

        def fn(unit):  # type: ignore[no-untyped-def]  # one line of look-up
            unit.accounts.know(unit.accounts.by_address(CAROL).id, address, since=NOW, reason="test")

        await self.context.store.write(fn)

    async def owed(self) -> tuple[Task, ...]:
        """The messages that are owed now."""
        tasks: tuple[Task, ...] = await self.context.store.read(lambda unit: unit.tasks.all())
        return tuple(task for task in tasks if task.kind == "CalendarItipMessage")


#: A database with the world in it, made once in this process and copied for each test.
_template: list[Path] = []


@asynccontextmanager
async def open_world(path: Path) -> AsyncIterator[World]:
    """The world with its accounts and events, in a database of its own."""
    if not _template:
        folder = Path(mkdtemp(prefix="spoofed-"))
        store = open_store(await lay_out(folder))
        await World(store).open()
        await store.close()
        _template.append(folder / "gateway.db")
    shutil.copy(_template[0], path / "gateway.db")
    store = open_store(f"sqlite+aiosqlite:///{path}/gateway.db")
    yield World(store)
    await store.close()
