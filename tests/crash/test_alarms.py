# SPDX-License-Identifier: Apache-2.0
"""Alarms when the process dies: before, within and after every commit, and when several nodes fire at once."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.flows.build_mails import build_due
from gateway.flows.due_alarms import fire_due
from gateway.store.engine import Store, Transaction, open_store
from gateway.store.migrate import migrate
from gateway.store.unit import Unit
from tests.support.alarms import AlarmWorld, utc

EVENTS = {
    "a": "DTSTART:20260601T100000Z|RRULE:FREQ=DAILY;COUNT=3!TRIGGER:-PT15M!TRIGGER:-PT1H",
    "b": "DTSTART:20260601T100000Z!TRIGGER:-PT15M|ATTENDEE:mailto:ann@example.org|ATTENDEE:mailto:eve@outside.example",
    "c": "DTSTART:20260602T100000Z!TRIGGER:-P1D|REPEAT:2|DURATION:PT30M",
}
TIMES = ("2026-06-01 09:00", "2026-06-01 09:45", "2026-06-01 10:00", "2026-06-01 10:30", "2026-06-01 11:00",
         "2026-06-02 09:00", "2026-06-02 09:45", "2026-06-03 09:00", "2026-06-03 09:45")  # fmt: skip


class Died(Exception):
    """The process is gone."""


class MortalStore:
    """A store whose process dies at one of its commits: before it, with the work done but not committed, or after."""

    def __init__(self, store: Store, moment: int, when: str) -> None:
        self._store, self._moment, self._when = store, moment, when
        self.commits = 0

    async def read(self, fn: Transaction[Any]) -> Any:
        return await self._store.read(fn)

    async def write(self, fn: Transaction[Any]) -> Any:
        self.commits += 1
        dies = self.commits == self._moment
        if dies and self._when == "before":
            raise Died
        if dies and self._when == "within":

            def cut(unit: Unit) -> None:
                fn(unit)
                raise Died

            await self._store.write(cut)
        result = await self._store.write(fn)
        if dies:
            raise Died
        return result


async def life(world: AlarmWorld, store: Any) -> None:
    """One process: fire and build at each time, from wherever the last one stopped."""
    context = replace(world.context, store=store)
    for time in TIMES:
        if utc(time) >= world.clock.now():
            world.clock.set(utc(time))
            await fire_due(context)
            while await build_due(context, worker="one"):
                pass


async def told(world: AlarmWorld) -> tuple[list[str], set[str]]:
    """The Message-IDs of the mails that were queued, and what fired."""
    queued = await world.store.read(lambda unit: unit.outbox.queued())
    fired = await world.store.read(lambda unit: unit.alarms.fired("ann", 1000))
    return sorted(mail.message_id for mail in queued), {f"{f.fire_at} {f.outcome} {f.recipient}" for f in fired}


async def prepared(store: Store) -> AlarmWorld:
    world = await AlarmWorld(store).open()
    await world.set("alarms.min_trigger_interval", "0s")
    await world.set("alarms.allow_external_rcpts", True)
    for uid, event in EVENTS.items():
        await world.put(event, uid=uid)
    return world


@pytest.mark.parametrize("when", ["before", "within", "after"])
async def test_whatever_dies_when_each_alarm_is_mailed_once(tmp_path: Path, when: str) -> None:
    async def story(number: int) -> tuple[tuple[list[str], set[str]], int]:
        url = f"sqlite+aiosqlite:///{tmp_path}/{number}.db"
        await migrate(url)
        store = open_store(url)
        world = await prepared(store)
        mortal = MortalStore(store, number, when)
        try:
            await life(world, mortal)
        except Died:
            await life(world, store)  # a new process, at once
            world.clock.advance(world.context.config.workers.lease)  # and what the dead one had leased comes free
            while await build_due(world.context, worker="two"):
                pass
        result = await told(world)
        await store.close()
        return result, mortal.commits

    undisturbed, commits = await story(0)
    assert len(undisturbed[0]) == 11
    assert commits > 20
    for moment in range(1, commits + 1, 3):
        found, _ = await story(moment)
        assert found == undisturbed, f"died {when} commit {moment}"


async def test_many_nodes_fire_each_alarm_once(any_store: Store) -> None:
    world = await prepared(any_store)
    for number in range(6):
        await world.put("DTSTART:20260601T100000Z!TRIGGER:-PT15M", uid=f"n{number}", account="bob")
    for time in TIMES:
        world.clock.set(utc(time))
        await asyncio.gather(*(fire_due(world.context) for _ in range(4)))
    tasks = await world.tasks()
    told = [
        (task.payload["to"], alarm["object"], alarm["recurrence_id"], alarm["fire_at"])
        for task in tasks
        for alarm in task.payload["alarms"]
    ]
    assert len(told) == len(set(told)) == 11 + 6
