# SPDX-License-Identifier: Apache-2.0
"""Alarms at scale: finding what is due among a million, saving an event with an alarm, firing, and how age counts."""

import asyncio
import resource
import sqlite3
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.measure import Line, best_of, ratio_of
from gateway.app import open_context
from gateway.clock import SettableClock
from gateway.config import parse_config
from gateway.flows.accounts import NewAccount, add_account
from gateway.flows.context import Context
from gateway.flows.due_alarms import settle_due
from gateway.flows.events import import_calendar
from gateway.itip.firings import AlarmPlan
from gateway.itip.tree import parse_tree
from gateway.store.columns import EPOCH
from gateway.store.unit import Unit

NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
FEW, MANY, DUE = 1_000, 1_000_000, 100
SAVED, ROUNDS = 60, 5
FIRED = 200
_HEAD = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//EN\r\nBEGIN:VEVENT\r\nDTSTAMP:20260601T080000Z\r\n"
_TAIL = "END:VEVENT\r\nEND:VCALENDAR\r\n"
_ALARM = "BEGIN:VALARM\r\nACTION:EMAIL\r\nTRIGGER:-PT15M\r\nDESCRIPTION:Soon\r\nEND:VALARM\r\n"


def event(uid: str, *, alarm: bool, start: str = "20260701T100000", rule: str = "") -> str:
    guests = "".join(f"ATTENDEE;CN=Guest {n}:mailto:g{n}@partner.example\r\n" for n in range(4))
    people = f"ORGANIZER:mailto:ann@example.org\r\n{guests}" if not rule else ""
    lines = f"UID:{uid}\r\nDTSTART;TZID=Europe/Berlin:{start}\r\nDURATION:PT1H\r\nSUMMARY:Bench\r\n{rule}{people}"
    return _HEAD + lines + (_ALARM if alarm else "") + _TAIL


async def opened(folder: str) -> Context:
    config = parse_config(f'[gateway]\ndata_dir = "{folder}"\n[policy.limits]\nmessages_per_hour = 0\n')
    return await open_context(config, clock=SettableClock(NOW))


def fill(path: Path, count: int) -> None:
    """Write alarm rows straight into the database: `DUE` of them due, the rest over the coming year."""
    now = (NOW - EPOCH) // timedelta(microseconds=1)
    year = 365 * 86_400_000_000
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA foreign_keys=OFF")
    rows = (
        (f"alm{n}", f"acc{n % 5000}", f"evt{n}", f"key{n}", "", at, at, 0, now - 1, "")
        for n in range(count)
        for at in [now - n if n < DUE else now + 1 + (n * 7919 * 86_400_003) % year]
    )
    columns = "id, account_id, object_id, alarm_key, recurrence_id, fire_at, trigger_at, repetition, after_at, rule"
    connection.executemany(f"INSERT INTO alarms ({columns}) VALUES (?,?,?,?,?,?,?,?,?,?)", rows)
    connection.commit()
    connection.execute("ANALYZE")
    connection.close()


def look(unit: Unit) -> tuple[object, object]:
    """What the worker asks each time it looks."""
    return unit.alarms.due_accounts(NOW), unit.alarms.next_due()


async def looking(context: Context) -> float:
    """Seconds of one look, the best of some."""
    best = float("inf")
    for _ in range(20):
        began = time.perf_counter()
        await context.store.read(look)
        best = min(best, time.perf_counter() - began)
    return best


async def finding() -> tuple[list[float], list[float], float]:
    """Seconds to find what is due among few and among many, in turns, and how much memory that took, in MiB."""
    with tempfile.TemporaryDirectory() as small, tempfile.TemporaryDirectory() as large:
        contexts = [await opened(small), await opened(large)]
        for folder, count in ((small, FEW), (large, MANY)):
            await asyncio.to_thread(fill, Path(folder) / "gateway.db", count)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        rounds = [[await looking(context) for context in contexts] for _ in range(ROUNDS + 1)][1:]
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        for context in contexts:
            await context.store.close()
    return [few for few, _ in rounds], [many for _, many in rounds], grown


async def saving() -> tuple[list[float], list[float]]:
    """Seconds to save events with an alarm and without, round by round."""
    with_alarm: list[float] = []
    without: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        context = await opened(folder)
        ann = await add_account(context, NewAccount("ann@example.org", "Ann"))
        for number in range(ROUNDS + 1):
            for alarm, times in ((False, without), (True, with_alarm)):
                texts = [event(f"{number}-{alarm}-{n}", alarm=alarm) for n in range(SAVED)]
                began = time.perf_counter()
                for text in texts:
                    await import_calendar(context, ann, text, send=True)
                if number:  # the first round warms up
                    times.append(time.perf_counter() - began)
        await context.store.close()
    return with_alarm, without


async def firing() -> float:
    """Alarms fired a second, each in another account: claim, judge, owe the mail, plan the next."""
    with tempfile.TemporaryDirectory() as folder:
        context = await opened(folder)
        for number in range(FIRED):
            account = await add_account(context, NewAccount(f"p{number}@example.org", "P"))
            text = event(f"f{number}", alarm=True, start="20260601T120000", rule="RRULE:FREQ=DAILY\r\n")
            await import_calendar(context, account, text, send=False)
        began = time.perf_counter()
        fired = 0
        while outcomes := await settle_due(context, datetime(2026, 6, 1, 9, 45, tzinfo=UTC)):
            fired += len(outcomes)
        seconds = time.perf_counter() - began
        await context.store.close()
    if fired != FIRED:
        raise AssertionError(f"{fired} fired")
    return fired / seconds


def planning(year: int) -> float:
    """Seconds to find the next firing of a weekly series that began in `year`."""
    text = event("s", alarm=True, start=f"{year}0105T090000", rule="RRULE:FREQ=WEEKLY;BYDAY=MO,TH\r\n")
    tree = parse_tree(text)
    horizon = NOW + timedelta(days=60)
    return best_of(lambda: AlarmPlan(tree, UTC).next_firings(NOW, horizon), number=20)


def run() -> list[Line]:
    """Measure."""
    few, many, grown = asyncio.run(finding())
    with_alarm, without = asyncio.run(saving())
    old, young = map(list, zip(*((planning(1980), planning(2026)) for _ in range(ROUNDS)), strict=True))
    return [
        Line("finding what is due, 1,000,000 alarms against 1,000", ratio_of(many, few), "x", goal=1.5, above=False,
             note=f"{min(many) * 1000:.2f} ms against {min(few) * 1000:.2f} ms, {DUE} due"),
        Line("memory it took among 1,000,000", grown, "MiB", goal=8, above=False),
        Line("saving an event with an alarm against without", ratio_of(with_alarm, without), "x", goal=1.3,
             above=False, note=f"{min(without) / SAVED * 1000:.1f} ms without"),
        Line("next firing of a series from 1980 against 2026", ratio_of(old, young), "x", goal=1.5, above=False,
             note=f"{min(old) * 1e6:.0f} us"),
        Line("alarms fired (claim, judge, owe, plan)", asyncio.run(firing()), "/s"),
    ]  # fmt: skip
