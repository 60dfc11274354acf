# SPDX-License-Identifier: Apache-2.0
"""A year of the worker in seconds, against an independent expansion (recurring-ical-events) and zone arithmetic."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
import pytest
import recurring_ical_events

from gateway.store.engine import Store
from tests.support.alarms import AlarmWorld, ical, utc

YEAR = ("2026-01-01 00:00", "2027-01-01 00:00")
HOME = "America/New_York"

#: start, recurrence, trigger as (days, seconds). Every shape crosses both changes of clocks in its zone.
SERIES: dict[str, tuple[str, str, tuple[int, int]]] = {
    "daily-berlin": ("DTSTART;TZID=Europe/Berlin:20240105T090000", "RRULE:FREQ=DAILY;INTERVAL=3", (-1, 0)),
    "daily-exact": ("DTSTART;TZID=Europe/Berlin:20251220T090000", "RRULE:FREQ=DAILY;INTERVAL=2", (0, -86400)),
    "workdays": ("DTSTART;TZID=America/New_York:20260105T083000", "RRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR", (0, -900)),
    "fortnight": ("DTSTART;TZID=Australia/Lord_Howe:20200101T120000", "RRULE:FREQ=WEEKLY;INTERVAL=2", (-2, -3600)),
    "last-friday": ("DTSTART;TZID=Africa/Casablanca:20250131T170000", "RRULE:FREQ=MONTHLY;BYDAY=-1FR", (-1, 0)),
    "setpos": (
        "DTSTART;TZID=Asia/Kolkata:20250131T100000", "RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", (0, -7200)
    ),
    "yearly": ("DTSTART;TZID=America/Sao_Paulo:19990315T080000", "RRULE:FREQ=YEARLY", (-7, 0)),
    "until": ("DTSTART:20260301T100000Z", "RRULE:FREQ=DAILY;UNTIL=20260315T100000Z", (0, -600)),
    "counted": (
        "DTSTART;TZID=Europe/Berlin:20260320T100000",
        "RRULE:FREQ=DAILY;COUNT=20|EXDATE;TZID=Europe/Berlin:20260329T100000,20260330T100000", (-1, 0),
    ),
    "dates": ("DTSTART:20260601T100000Z", "RDATE:20260714T120000Z,20261103T090000Z", (0, -3600)),
    "whole-day": ("DTSTART;VALUE=DATE:20260115", "RRULE:FREQ=MONTHLY;BYMONTHDAY=15", (0, -15 * 3600)),
    "whole-day-before": ("DTSTART;VALUE=DATE:20260110", "RRULE:FREQ=WEEKLY;BYDAY=SA,SU", (-1, 0)),
    "floating": ("DTSTART:20260102T200000", "RRULE:FREQ=WEEKLY", (-1, 0)),
    "leap": ("DTSTART:20240229T100000Z", "RRULE:FREQ=YEARLY", (-1, 0)),
}  # fmt: skip
MOVED = "RECURRENCE-ID;TZID=America/New_York:20260309T083000|DTSTART;TZID=America/New_York:20260307T083000!TRIGGER:-P1D"


def trigger(days: int, seconds: int) -> str:
    return f"-P{-days}D" + (f"T{-seconds}S" if seconds else "") if days else f"-PT{-seconds}S"


def event(name: str) -> tuple[str, ...]:
    start, recurrence, offset = SERIES[name]
    master = f"{start}|SUMMARY:{name}|{recurrence}!TRIGGER:{trigger(*offset)}"
    return (master, MOVED) if name == "workdays" else (master,)


def expected(name: str) -> set[datetime]:
    """What another library says of the occurrences, and the standard library of the zones."""
    calendar = icalendar.Calendar.from_ical(ical(*event(name)))
    found = recurring_ical_events.of(calendar).between(date(2025, 12, 1), date(2027, 2, 1))
    first, last = map(utc, YEAR)
    due = set()
    for occurrence in found:
        start = occurrence["DTSTART"].dt
        moved = name == "workdays" and start.date() == date(2026, 3, 7)
        days, seconds = (-1, 0) if moved else SERIES[name][2]
        if not isinstance(start, datetime):
            start = datetime(start.year, start.month, start.day, tzinfo=ZoneInfo(HOME))
        elif start.tzinfo is None:
            start = start.replace(tzinfo=ZoneInfo(HOME))
        local = start + timedelta(days=days)  # the clock time of the same zone, some days before (PEP 495)
        at = local.replace(fold=0).astimezone(UTC) + timedelta(seconds=seconds)
        if first < at <= last:
            due.add(at)
    return due


@pytest.mark.parametrize("name", SERIES)
async def test_a_year_of_one_series(store: Store, name: str) -> None:
    world = await AlarmWorld(store, YEAR[0]).open(time_zone=HOME)
    await world.set("alarms.min_trigger_interval", "0s")
    await world.put(*event(name), uid=name)
    await world.until(YEAR[1])
    fired = [utc(fire_at) for _, times in await world.mails() for fire_at in times]
    assert len(fired) == len(set(fired))
    assert set(fired) == expected(name)


async def test_a_year_of_everything_together_each_alarm_once(store: Store) -> None:
    world = await AlarmWorld(store, YEAR[0]).open(time_zone=HOME)
    await world.set("alarms.min_trigger_interval", "0s")
    for name in SERIES:
        await world.put(*event(name), uid=name)
    outcomes = await world.until(YEAR[1])
    assert {line.split()[-2] for line in outcomes} == {"alarm.due"}
    assert len(outcomes) == sum(len(expected(name)) for name in SERIES)
