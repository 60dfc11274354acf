# SPDX-License-Identifier: Apache-2.0
"""A gateway whose organizer invites people, and a browser without a window: what a guest sees and posts."""

import email
import email.policy
import html
import re
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import sqlalchemy as sa
from starlette.applications import Starlette

from gateway.clock import SettableClock
from gateway.config import Config
from gateway.config.options import MailOptions
from gateway.flows.accounts import NewAccount, add_account
from gateway.flows.build_mails import build_due
from gateway.flows.calendar_change import ChangeRequest, ChangeResult, change_object
from gateway.flows.context import Context
from gateway.flows.delivery import deliver_due
from gateway.flows.links import mint_account_link
from gateway.http.server import build_app
from gateway.ids import RandomIds
from gateway.itip.tree import parse_tree
from gateway.relay.opening import open_relay
from gateway.store.accounts import Account
from gateway.store.engine import Store
from gateway.store.objects import StoredObject
from gateway.store.schema import messages, metadata
from tests.support.calendars import calendar, component

PUBLIC = "https://calendar.example.org"
DANA, BOB, LEE, SAM = "dana@example.org", "bob@example.org", "lee@partner.example", "sam@other.example"
MEETING = (
    "DTSTART;TZID=Europe/Berlin:20260615T100000",
    "DTEND;TZID=Europe/Berlin:20260615T113000",
    "SUMMARY:Summer plans",
    "LOCATION:Blue room",
)
_LINK = re.compile(r"https://calendar\.example\.org(/(?:rsvp|organizer|unsubscribe|confirm)/[\w-]+)(?:/\w+)?")


def event(
    *lines: str, guests: tuple[str, ...] = (LEE, SAM, BOB), uid: str = "u1", overrides: tuple[str, ...] = ()
) -> str:
    """An event of Dana's; `overrides` are whole components."""
    people = [f"ORGANIZER;CN=Dana Weber:mailto:{DANA}"]
    people += [f"ATTENDEE;CN={name.partition('@')[0].capitalize()};RSVP=TRUE:mailto:{name}" for name in guests]
    return calendar(component(*lines, *people, uid=uid), *overrides)


@dataclass
class Answer:
    """A page as it came, and its form."""

    response: httpx.Response

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def text(self) -> str:
        """What a person reads: no tags, no style, no invisible marks."""
        body = re.sub(r"<style.*?</style>|<head>.*?</head>", "", self.response.text, flags=re.DOTALL)
        plain = html.unescape(re.sub(r"<[^>]+>", " ", body))
        return " ".join(re.sub("[\u2066-\u2069]", "", plain).split())

    def hidden(self, form: int = 0) -> dict[str, str]:
        """The hidden fields of a form."""
        forms = re.findall(r"<form method=\"post\".*?</form>", self.response.text, re.DOTALL)
        pairs = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', forms[form])
        return {name: html.unescape(value) for name, value in pairs}


@dataclass
class RsvpWorld:
    """Dana organizes here, Bob has a calendar here, Lee and Sam are outside."""

    store: Store
    clock: SettableClock
    config: Config = field(default_factory=lambda: Config(mail=MailOptions(coalesce_delay=timedelta())))
    accounts: dict[str, Account] = field(default_factory=dict)

    async def open(self) -> "RsvpWorld":
        self.context = Context(
            store=self.store, clock=self.clock, ids=RandomIds(), config=self.config, secret=b"s" * 32, public_url=PUBLIC
        )
        for address, name in ((DANA, "Dana Weber"), (BOB, "Bob")):
            account = await add_account(self.context, NewAccount(address, name, time_zone="Europe/Berlin"))
            self.accounts[address] = account
        self.app: Starlette = build_app(self.context)
        self.browser = self.client()
        return self

    def client(self, where: str = "192.0.2.7", **headers: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.app, client=(where, 4242))
        return httpx.AsyncClient(transport=transport, base_url=PUBLIC, headers=headers)

    async def put(self, text: str | None, uid: str = "u1", **options: Any) -> ChangeResult:
        """Dana stores an event (None: deletes it), and everybody is told."""
        account = self.accounts[DANA]

        def fn(unit: Any) -> ChangeResult:
            item = next(iter(unit.objects.by_uid(account.id, uid)), None)
            tree = parse_tree(text) if text else None
            return change_object(unit, self.context, ChangeRequest(account, tree, item, send=True, **options))

        return await self.store.write(fn)

    async def set(self, **overrides: object) -> None:
        """Change policies at run time, by their names with `__` for the dot."""

        def fn(unit: Any) -> None:
            for name, value in overrides.items():
                unit.settings.put("policy." + name.replace("__", "."), value, at=self.clock.now(), by="test")

        await self.store.write(fn)

    async def mails(self) -> list[email.message.EmailMessage]:
        """Build what is owed, let it leave, and return everything that was ever queued, oldest first."""
        await build_due(self.context, worker="test")
        with tempfile.TemporaryDirectory() as folder:
            relay = open_relay(f"maildir:{folder}", hostname="mail.example.org")
            await deliver_due(self.context, relay, worker="test", chance=lambda: 0.5)

        def fn(unit: Any) -> list[bytes]:
            table = messages
            return list(unit.connection.execute(sa.select(table.c.data).order_by(table.c.serial)).scalars())

        return [email.message_from_bytes(data, policy=email.policy.default) for data in await self.store.read(fn)]

    async def link(self, address: str, purpose: str = "rsvp") -> str:
        """The path of the link in the newest mail to an address."""
        found = ""
        for mail in await self.mails():
            body = mail.get_body(("plain",))
            text = body.get_content() if body else ""
            here = [path for path in _LINK.findall(text) if path.startswith(f"/{purpose}/")]
            if address in str(mail["To"]) and here:
                found = here[0]
        assert found, f"no {purpose} link went to {address}"
        return found

    async def way_out(self, address: str, purpose: str) -> str:
        """The path on which somebody stops Dana's alarm mails (`unsubscribe`) or agrees to them (`confirm`)."""
        account, token = self.accounts[DANA], f"{purpose}-token-of-many-random-characters"
        expires_at = self.clock.now() + timedelta(days=400)
        await self.store.write(
            lambda unit: mint_account_link(
                unit, self.context, purpose, account.id, address, expires_at=expires_at, token=token
            )
        )
        return f"/{purpose}/{token}"

    async def get(self, path: str, **headers: str) -> Answer:
        return Answer(await self.browser.get(path, headers=headers))

    async def post(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> Answer:
        return Answer(await self.browser.post(path, data=fields, headers=headers))

    async def answer(self, path: str, status: str, **fields: str) -> Answer:
        """Open the page, choose, send: what a person does."""
        page = await self.get(path)
        return await self.post(path, status=status, **{**page.hidden(), **fields})

    async def item(self, address: str = DANA, uid: str = "u1") -> StoredObject:
        account = self.accounts[address]
        found = await self.store.read(lambda unit: unit.objects.by_uid(account.id, uid))
        return found[0]

    async def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table: what must not change when somebody only looks."""

        def fn(unit: Any) -> dict[str, list[tuple[Any, ...]]]:
            return {
                table.name: sorted(map(tuple, unit.connection.execute(table.select())), key=repr)
                for table in metadata.sorted_tables
            }

        return await self.store.read(fn)
