# SPDX-License-Identifier: Apache-2.0
"""A small world for flow tests: two accounts at home, a clock that stands still, real SQLite, and a next hop."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from gateway.clock import SettableClock
from gateway.config import parse_config
from gateway.flows.accounts import NewAccount, add_account
from gateway.flows.build_mails import build_due
from gateway.flows.calendar_change import ChangeRequest, ChangeResult, change_object
from gateway.flows.context import Context
from gateway.flows.delivery import deliver_due
from gateway.flows.queue import Row, listing
from gateway.ids import RandomIds
from gateway.itip.tree import parse_tree
from gateway.relay.hop import Relay
from gateway.relay.opening import open_relay
from gateway.store.accounts import Account
from gateway.store.engine import Store
from gateway.store.guests import AttendeeStatus
from gateway.store.objects import StoredObject
from tests.support.nexthop import NextHop

UID = "plan-1"


def event(
    *guests: str,
    summary: str = "Plan",
    start: str = "20260607T120000",
    sequence: int = 0,
    organizer: str | None = "ann@example.org",
    extra: tuple[str, ...] = (),
) -> str:
    """A meeting of Ann's, in Berlin, six days ahead of the clock."""
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "BEGIN:VEVENT", f"UID:{UID}", f"SEQUENCE:{sequence}",
        "DTSTAMP:20260601T080000Z", f"DTSTART;TZID=Europe/Berlin:{start}", "DURATION:PT1H", f"SUMMARY:{summary}",
        *([f"ORGANIZER;CN=Ann:mailto:{organizer}"] if organizer else []),
        *(f"ATTENDEE;RSVP=TRUE:{guest if ':' in guest else 'mailto:' + guest}" for guest in guests), *extra,
        "END:VEVENT", "END:VCALENDAR", "",
    ]  # fmt: skip
    return "\r\n".join(lines)


@dataclass
class World:
    """Everything a flow test needs."""

    context: Context
    clock: SettableClock
    ann: Account
    bob: Account
    hop: NextHop
    relay: Relay

    async def change(
        self, ical: str | None, *, send: bool = True, account: Account | None = None, **rest: object
    ) -> ChangeResult:  # type: ignore[no-untyped-def]
        """Store or delete the meeting as JMAP would."""
        owner = account or self.ann

        def fn(unit):  # type: ignore[no-untyped-def]
            item = next(iter(unit.objects.by_uid(owner.id, UID)), None)
            tree = parse_tree(ical) if ical is not None else None
            request = ChangeRequest(account=owner, ical=tree, item=item, send=send, **rest)
            return change_object(unit, self.context, request)

        return await self.context.store.write(fn)

    async def work(self) -> int:
        """Let the worker build and deliver everything that is due."""
        done = await build_due(self.context, worker="test")
        return done + await deliver_due(self.context, self.relay, worker="test", chance=lambda: 0.5)

    async def item(self, account: Account | None = None) -> StoredObject | None:
        owner = account or self.ann
        found = await self.context.store.read(lambda unit: unit.objects.by_uid(owner.id, UID))
        return found[0] if found else None

    async def status(self, address: str) -> AttendeeStatus:
        item = await self.item()
        assert item is not None
        found = await self.context.store.read(lambda unit: unit.guests.status(item.id, address))
        assert found is not None
        return found

    async def queue(self, *, finished: bool = False) -> tuple[Row, ...]:
        return await listing(self.context, finished=finished)

    async def reasons(self) -> list[tuple[str, str]]:
        """Rule and sentence of every journal entry of the meeting."""
        entries = await self.context.store.read(lambda unit: unit.journal.recent(50))
        return [(entry.rule, entry.reason) for entry in entries]

    def sent(self, to: str) -> list[bytes]:
        return [mail.data for mail in self.hop.taken if any(to in rcpt for rcpt in mail.rcpts)]

    def methods(self, to: str) -> list[str]:
        """The iTIP methods that reached somebody, in order."""
        found = (
            re.search(rb"text/calendar;[^\r]*(?:\r\n[ \t][^\r]*)*?method=([A-Z]+)\b", data) for data in self.sent(to)
        )
        return [match[1].decode() for match in found if match]

    def advance(self, **duration: float) -> None:
        self.clock.advance(timedelta(**duration))


@asynccontextmanager
async def small_world(store: Store, clock: SettableClock, folder: Path, config: str = "") -> AsyncIterator[World]:
    """Ann and Bob at example.org, and a next hop that takes everything."""
    text = f'[gateway]\nhostname = "mail.example.org"\ndata_dir = "{folder}"\n[mail]\ncoalesce_delay = "0s"\n{config}'
    context = Context(store, clock, RandomIds(), parse_config(text), b"k" * 32, "http://calendar.example.org")
    ann = await add_account(context, NewAccount("ann@example.org", "Ann", aliases=("a.alias@example.org",)))
    bob = await add_account(context, NewAccount("bob@example.org", "Bob"))
    async with NextHop() as hop:
        relay = open_relay(f"smtp://127.0.0.1:{hop.port}", hostname="mail.example.org")
        try:
            yield World(context, clock, ann, bob, hop, relay)
        finally:
            await relay.close()
