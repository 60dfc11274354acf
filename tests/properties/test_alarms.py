# SPDX-License-Identifier: Apache-2.0
"""Whatever people edit and clocks do: each firing is mailed at most once to each recipient, and once where due."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.itip.firings import AlarmPlan
from gateway.itip.tree import parse_tree
from gateway.store.engine import open_store
from gateway.store.migrate import migrate
from tests.support.alarms import AlarmWorld, ical, utc

RULES = ("", "|RRULE:FREQ=DAILY;COUNT=5", "|RRULE:FREQ=HOURLY;INTERVAL=7;COUNT=6", "|RDATE:20260602T110000Z")
TRIGGERS = ("-PT15M", "-PT1H", "-P1D", "PT0S", "-PT20M|REPEAT:2|DURATION:PT7M")

alarms = st.lists(st.sampled_from(TRIGGERS), max_size=3, unique=True)
events = st.builds(
    lambda hour, rule, triggers: f"DTSTART:20260601T{hour:02d}0000Z{rule}" + "".join(f"!TRIGGER:{t}" for t in triggers),
    st.integers(9, 20), st.sampled_from(RULES), alarms,
)  # fmt: skip
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abc"), events),
        st.tuples(st.just("delete"), st.sampled_from("abc"), st.just("")),
        st.tuples(st.just("edit"), st.just(""), st.sampled_from(("Here", "There"))),
        st.tuples(st.just("pass"), st.just(""), st.integers(1, 300).map(str)),
        st.tuples(st.just("back"), st.just(""), st.integers(1, 400).map(str)),
    ),
    min_size=2, max_size=14,
)  # fmt: skip


def in_a_world(story: Callable[[AlarmWorld], Awaitable[None]]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite+aiosqlite:///{Path(folder)}/gateway.db"
            await migrate(url)
            store = open_store(url)
            try:
                world = await AlarmWorld(store).open()
                await world.set("alarms.min_trigger_interval", "0s")
                await story(world)
            finally:
                await store.close()

    asyncio.run(run())


async def mailed(world: AlarmWorld) -> Counter[tuple[str, ...]]:
    """Every firing that was mailed, by the alarm's own words, and how often."""
    return Counter(
        (task.payload["to"], *identity.split("/"))
        for task in await world.tasks()
        for identity in task.payload["identity"].split("\x1f")
    )


@settings(max_examples=25, deadline=None)
@given(steps)
@example(
    [
        ("put", "a", "DTSTART:20260601T100000Z!TRIGGER:-PT15M"),
        ("pass", "", "110"),
        ("back", "", "60"),
        ("edit", "", "Here"),
        ("pass", "", "60"),
    ]
)
def test_at_most_once_through_edits_and_clocks_that_jump(story: list[tuple[str, str, str]]) -> None:
    async def play(world: AlarmWorld) -> None:
        stored: dict[str, str] = {}
        for verb, uid, value in story:
            if verb == "put":
                stored[uid] = value
                await world.put(value, uid=uid)
            elif verb == "delete":
                stored.pop(uid, None)
                await world.delete(uid)
            elif verb == "edit":
                for name, event in stored.items():
                    await world.put(f"LOCATION:{value}|{event}", uid=name)
            else:
                world.clock.advance(timedelta(minutes=int(value)) * (1 if verb == "pass" else -1))
            await world.at(f"{world.clock.now():%Y-%m-%d %H:%M:%S}")
        counted = await mailed(world)
        assert not [firing for firing, times in counted.items() if times > 1]
        for row in await world.store.read(lambda unit: unit.alarms.all()):
            assert await world.store.read(lambda unit, name=row.object_id: unit.objects.get(name)) is not None

    in_a_world(play)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), events, min_size=1))
def test_exactly_once_where_due_and_permitted(stored: dict[str, str]) -> None:
    async def play(world: AlarmWorld) -> None:
        for uid, event in stored.items():
            await world.put(event, uid=uid)
        await world.until("2026-06-20 00:00")
        counted = await mailed(world)
        due = {
            (uid, firing.recurrence_id, firing.alarm.id, firing.at.isoformat(), str(firing.repetition))
            for uid, event in stored.items()
            for firing in AlarmPlan(parse_tree(ical(event, uid=uid)), utc("2026-06-01 00:00").tzinfo).firings(
                utc("2026-06-01 08:00"), utc("2026-06-20 00:00")
            )
        }
        assert set(counted) == {("ann@example.org", *firing) for firing in due}
        assert set(counted.values()) <= {1}

    in_a_world(play)
