# SPDX-License-Identifier: Apache-2.0
"""Whose alarms are planned: the owner's own, a sharee's own, the calendar's default alerts; never somebody else's."""

from typing import Any

import pytest

from gateway.clock import SettableClock
from gateway.config import Config
from gateway.flows.accounts import NewAccount, add_account, change_account
from gateway.flows.alarm_plans import plan_alarms
from gateway.flows.alarm_view import forecast
from gateway.flows.context import Context
from gateway.flows.due_alarms import run_until
from gateway.flows.events import import_calendar
from gateway.ids import CountingIds
from gateway.store.accounts import Account
from gateway.store.calendars import Share
from gateway.store.engine import Store
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit
from tests.support.alarms import AlarmWorld, ical, shown, utc

MEETING = "DTSTART:20260605T100000Z|DTEND:20260605T110000Z|SUMMARY:Meeting"
BOB = "bob@example.org"


@pytest.fixture
async def world(store: Store) -> AlarmWorld:
    return await AlarmWorld(store).open()


async def share(world: AlarmWorld, item: StoredObject, overlay: dict[str, Any], **properties: Any) -> None:
    """Share Ann's calendar with Bob, who keeps `overlay` about the event."""

    def fn(unit: Unit) -> None:
        calendar = unit.calendars.get("cal-ann")
        owner = unit.accounts.get("ann")
        assert calendar is not None
        assert owner is not None
        unit.calendars.put_share(calendar, Share("cal-ann", "bob", {"mayReadItems": True}, properties))
        unit.objects.put_overlay(item, "bob", overlay, at=world.clock.now())
        plan_alarms(unit, world.context, item, owner)

    await world.store.write(fn)


def alert(offset: str, action: str = "email") -> dict[str, Any]:
    return {"@type": "Alert", "action": action, "trigger": {"@type": "OffsetTrigger", "offset": offset}}


async def test_a_sharee_has_their_own_alarms_and_not_the_owner_s(world: AlarmWorld) -> None:
    item = await world.put(f"{MEETING}!TRIGGER:-PT15M")
    await share(world, item, {"alerts": {"1": alert("-PT30M"), "2": alert("-PT5M", "display")}})
    assert await world.planned("ann") == ["2026-06-05 09:45"]
    assert await world.planned("bob") == ["2026-06-05 09:30"]
    assert await world.until("2026-06-06 00:00") == [
        f"2026-06-05 09:30 sent alarm.due {BOB}",
        "2026-06-05 09:45 sent alarm.due ann@example.org",
    ]


async def test_a_sharee_without_alerts_has_none(world: AlarmWorld) -> None:
    item = await world.put(f"{MEETING}!TRIGGER:-PT15M")
    await share(world, item, {"color": "red"})
    assert await world.planned("bob") == []


async def test_a_sharee_may_change_one_occurrence_for_themself(world: AlarmWorld) -> None:
    item = await world.put(f"{MEETING}|RRULE:FREQ=DAILY;COUNT=2")
    own = {"alerts": {"1": alert("-PT30M")}, "recurrenceOverrides": {"2026-06-06T10:00:00": {"alerts/1": None}}}
    await share(world, item, own)
    assert await world.until("2026-06-30 00:00") == [f"2026-06-05 09:30 sent alarm.due {BOB}"]


async def test_default_alerts_of_the_calendar_take_the_place_of_the_event_s_own(world: AlarmWorld) -> None:
    item = await world.put(f"{MEETING}!TRIGGER:-PT15M")
    await share(
        world, item, {"useDefaultAlerts": True, "alerts": {"1": alert("-PT30M")}},
        defaultAlertsWithTime={"d": alert("-PT2H")}, defaultAlertsWithoutTime={"e": alert("-PT9H")},
    )  # fmt: skip
    assert await world.planned("bob") == ["2026-06-05 08:00"]


async def test_whole_days_have_default_alerts_of_their_own(world: AlarmWorld) -> None:
    item = await world.put("DTSTART;VALUE=DATE:20260605|SUMMARY:Holiday")
    await share(
        world, item, {"useDefaultAlerts": True},
        defaultAlertsWithTime={"d": alert("-PT2H")}, defaultAlertsWithoutTime={"e": alert("-PT9H")},
    )  # fmt: skip
    assert await world.planned("bob") == ["2026-06-04 15:00"]


async def test_whoever_may_no_longer_see_the_event_is_not_told_of_it(world: AlarmWorld) -> None:
    item = await world.put(MEETING)
    await share(world, item, {"alerts": {"1": alert("-PT30M")}})

    def leave(unit: Unit) -> None:
        calendar = unit.calendars.get("cal-ann")
        assert calendar is not None
        unit.calendars.remove_share(calendar, "bob")

    await world.store.write(leave)
    assert await world.until("2026-06-06 00:00") == []
    assert await world.planned("bob") == []


async def test_more_alarms_than_may_be_are_not_planned_and_the_forecast_says_so(world: AlarmWorld) -> None:
    await world.set("alarms.max_alarms_per_object", 3)
    await world.put(MEETING + "".join(f"!TRIGGER:-PT{minutes}M" for minutes in range(10, 20)))
    assert len(await world.planned()) == 3

    def look(unit: Unit) -> list[str]:
        ann = unit.accounts.get("ann")
        assert ann is not None
        return [each.rule for each in forecast(unit, world.context, ann, world.clock.now()).silent]

    assert await world.store.read(look) == ["alarm.too-many"]


@pytest.fixture
def context(store: Store) -> Context:
    clock = SettableClock(utc("2026-06-01 08:00"))
    return Context(store, clock, CountingIds(), Config(), b"secret", "https://cal.example.org")


async def account_of(context: Context, **more: Any) -> Account:
    return await add_account(context, NewAccount("ann@example.org", "Ann", **more))


async def test_an_imported_event_alarms_as_the_real_flow_stores_it(context: Context) -> None:
    account = await account_of(context)
    await import_calendar(context, account, ical(f"{MEETING}|DTSTAMP:20260601T000000Z!TRIGGER:-PT15M"), send=False)
    assert shown(await run_until(context, utc("2026-06-06 00:00"))) == [
        "2026-06-05 09:45 sent alarm.due ann@example.org"
    ]


async def test_moving_to_another_zone_moves_whole_days_along(context: Context) -> None:
    account = await account_of(context, time_zone="Pacific/Kiritimati")
    day = "DTSTART;VALUE=DATE:20260605|DTSTAMP:20260601T000000Z|SUMMARY:Holiday!TRIGGER:-PT15H"
    await import_calendar(context, account, ical(day), send=False)
    await change_account(context, account, {"time_zone": "America/Los_Angeles"}, None)
    (row,) = await context.store.read(lambda unit: unit.alarms.of_account(account.id))
    assert row.fire_at == utc("2026-06-04 16:00")


async def test_nothing_is_left_when_the_account_is_gone(context: Context) -> None:
    account = await account_of(context)
    await import_calendar(context, account, ical(f"{MEETING}|DTSTAMP:20260601T000000Z!TRIGGER:-PT15M"), send=False)
    await context.store.write(lambda unit: unit.accounts.remove(account.id))
    assert await context.store.read(lambda unit: unit.alarms.all()) == ()
    assert await run_until(context, utc("2026-06-06 00:00")) == ()
