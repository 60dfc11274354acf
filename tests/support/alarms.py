# SPDX-License-Identifier: Apache-2.0
"""A small world for alarms: a store with accounts, a clock that is put where a test wants it, events in short hand."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gateway.clock import SettableClock
from gateway.config import Config
from gateway.flows.alarm_plans import plan_alarms
from gateway.flows.context import Context
from gateway.flows.due_alarms import AlarmOutcome, run_until, settle_due
from gateway.ids import CountingIds
from gateway.itip.tree import parse_tree
from gateway.store.accounts import Account
from gateway.store.calendars import Calendar
from gateway.store.engine import Store
from gateway.store.objects import StoredObject
from gateway.store.tasks import Task
from gateway.store.unit import Unit


def utc(text: str) -> datetime:
    """Read `2026-06-01 09:00`, or with seconds."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ical(*events: str, uid: str = "u", kind: str = "VEVENT") -> str:
    """A calendar of events written as lines between bars; each `!` begins an EMAIL alarm, `?` a DISPLAY alarm."""
    body = ""
    for event in events:
        lines, *alarms = event.replace("?", "!ACTION:DISPLAY|").split("!")
        body += f"BEGIN:{kind}|UID:{uid}|{lines}|"
        for alarm in alarms:
            action = "" if alarm.startswith("ACTION:") else "ACTION:EMAIL|"
            body += f"BEGIN:VALARM|{action}{alarm}|END:VALARM|"
        body += f"END:{kind}|"
    return f"BEGIN:VCALENDAR|VERSION:2.0|{body}END:VCALENDAR|".replace("||", "|").replace("|", "\r\n")


class AlarmWorld:
    """Accounts `ann` and `bob` at example.org; the clock stands at 2026-06-01 08:00 UTC."""

    def __init__(self, store: Store, start: str = "2026-06-01 08:00") -> None:
        self.store = store
        self.clock = SettableClock(utc(start))
        self.context = Context(store, self.clock, CountingIds(), Config(), b"secret", "https://cal.example.org")

    async def open(self, *, time_zone: str | None = None) -> "AlarmWorld":
        """Make the accounts and their calendars."""

        def fn(unit: Unit) -> None:
            for name in ("ann", "bob"):
                account = Account(
                    name,
                    f"{name}@example.org",
                    name.title(),
                    None,
                    None,
                    time_zone,
                    {},
                    {},
                    False,
                    False,
                    self.clock.now(),
                )
                unit.accounts.add(account, (f"{name}.alias@example.org",))
                unit.calendars.put(Calendar(f"cal-{name}", name, "default", name, True, self.clock.now()))

        await self.store.write(fn)
        return self

    async def put(
        self, *events: str, uid: str = "u", account: str = "ann", kind: str = "VEVENT", **changed: Any
    ) -> StoredObject:
        """Store an event, new or edited, and plan its alarms, as every flow does."""

        def fn(unit: Unit) -> StoredObject:
            now = self.clock.now()
            old = next(iter(unit.objects.by_uid(account, uid)), None)
            item = old or StoredObject(f"o-{account}-{uid}", account, uid, "VEVENT", "", "Title", "", now, now)
            item = replace(item, ical=ical(*events, uid=uid, kind=kind), updated_at=now, **changed)
            if old is None:
                unit.objects.add(item, [(f"cal-{account}", f"{uid}.ics")])
            else:
                unit.objects.update(item)
            owner = unit.accounts.get(account)
            assert owner is not None
            plan_alarms(unit, self.context, item, owner)
            return item

        return await self.store.write(fn)

    async def delete(self, uid: str = "u", account: str = "ann") -> None:
        def fn(unit: Unit) -> None:
            for item in unit.objects.by_uid(account, uid):
                unit.objects.remove(item)

        await self.store.write(fn)

    async def set(self, name: str, value: Any) -> None:
        """Change a policy at run time, as an administrator would."""
        now = self.clock.now()
        await self.store.write(lambda unit: unit.settings.put(f"policy.{name}", value, by="admin", at=now))

    async def at(self, text: str) -> list[str]:
        """Put the clock somewhere and let the worker look once; what it did, as short lines."""
        self.clock.set(utc(text))
        return shown(await settle_due(self.context, self.clock.now()))

    async def until(self, text: str) -> list[str]:
        """Run the worker up to a time, each alarm at its own."""
        return shown(await run_until(self.context, utc(text)))

    async def tasks(self) -> tuple[Task, ...]:
        return await self.store.read(lambda unit: unit.tasks.all())

    async def mails(self) -> list[tuple[str, list[str]]]:
        """Every mail owed so far: to whom, and the times of the alarms it tells of."""
        found = [task.payload for task in await self.tasks() if task.kind == "CalendarAlarmEmail"]
        return [(mail["to"], [alarm["fire_at"][:16].replace("T", " ") for alarm in mail["alarms"]]) for mail in found]

    async def planned(self, account: str = "ann") -> list[str]:
        rows = await self.store.read(lambda unit: unit.alarms.of_account(account))
        return [f"{row.fire_at:%Y-%m-%d %H:%M}" for row in rows]


def shown(outcomes: tuple[AlarmOutcome, ...]) -> list[str]:
    """`09:45 sent alarm.due ann@example.org` for each outcome, with the day where it is not 2026-06-01."""
    return [
        f"{outcome.fire_at:%Y-%m-%d %H:%M} {outcome.outcome} {outcome.rule} {outcome.recipient}".strip().removeprefix(
            "2026-06-01 "
        )
        for outcome in outcomes
    ]


def alarms_of(text: str) -> int:
    """How many VALARMs a calendar holds."""
    return sum(len(event.children("VALARM")) for event in parse_tree(text).components)
