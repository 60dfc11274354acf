# SPDX-License-Identifier: Apache-2.0
"""A mailed alarm is acknowledged (RFC 9074 §6), in the data of the person it was for and nowhere else."""

import pytest

from gateway.flows.alarm_view import forecast
from gateway.store.calendars import Share
from gateway.store.changes import Kind
from gateway.store.engine import Store
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit
from tests.support.alarms import AlarmWorld, utc

START = "DTSTART:20260601T100000Z|SUMMARY:Title"


@pytest.fixture
async def world(store: Store) -> AlarmWorld:
    return await AlarmWorld(store).open()


async def stored(world: AlarmWorld, uid: str = "u") -> StoredObject:
    return (await world.store.read(lambda unit: unit.objects.by_uid("ann", uid)))[0]


async def acknowledged(world: AlarmWorld) -> list[str]:
    lines = (await stored(world)).ical.split("\r\n")
    return [line.partition(":")[2] for line in lines if line.startswith("ACKNOWLEDGED")]


async def test_a_mailed_alarm_is_acknowledged_and_nothing_else_of_the_event_moves(world: AlarmWorld) -> None:
    before = await world.put(f"{START}!TRIGGER:-PT15M|UID:1!TRIGGER:-PT5M|UID:2")
    state = await world.store.read(lambda unit: unit.changes.state("ann", Kind.EVENT))
    await world.at("2026-06-01 09:45")
    after = await stored(world)
    assert after.ical == before.ical.replace("UID:1\r\n", "UID:1\r\nACKNOWLEDGED:20260601T094500Z\r\n")
    assert after.etag != before.etag
    assert (after.schedule_tag, after.updated_at) == (before.schedule_tag, before.updated_at)
    assert await world.store.read(lambda unit: unit.changes.state("ann", Kind.EVENT)) != state


async def test_a_series_is_acknowledged_as_far_as_it_was_mailed_and_goes_on(world: AlarmWorld) -> None:
    await world.set("alarms.min_trigger_interval", "0s")
    own = "RECURRENCE-ID:20260602T100000Z|DTSTART:20260602T120000Z!TRIGGER:-PT30M|UID:1"
    await world.put(f"{START}|RRULE:FREQ=DAILY;COUNT=3!TRIGGER:-PT15M|UID:1|REPEAT:1|DURATION:PT5M", own)
    assert len(await world.until("2026-06-01 12:00")) == 2
    assert await acknowledged(world) == ["20260601T095000Z"]
    assert len(await world.until("2026-06-04 00:00")) == 3
    assert await acknowledged(world) == ["20260603T095000Z", "20260602T113000Z"]


async def test_what_a_screen_shows_too_and_what_was_not_mailed_stays_open(world: AlarmWorld) -> None:
    await world.put(f"{START}?TRIGGER:-PT15M|DESCRIPTION:@email?TRIGGER:-PT15M|DESCRIPTION:Screen")
    assert len(await world.at("2026-06-01 09:45")) == 1
    assert await acknowledged(world) == []
    await world.set("alarms.enable", False)
    await world.put(f"{START}!TRIGGER:-PT10M")
    assert await world.at("2026-06-01 09:50") == ["09:50 skip alarm.disabled"]
    assert await acknowledged(world) == []


async def test_what_a_person_acknowledged_later_stays(world: AlarmWorld) -> None:
    await world.put(f"{START}|RRULE:FREQ=DAILY!TRIGGER:-PT15M|ACKNOWLEDGED:20260601T080000Z")
    await world.at("2026-06-01 09:45")
    assert await acknowledged(world) == ["20260601T094500Z"]
    await world.put(f"{START}|RRULE:FREQ=DAILY!TRIGGER:-PT15M|ACKNOWLEDGED:20260610T080000Z")
    assert await world.until("2026-06-11 00:00") == ["2026-06-10 09:45 sent alarm.due ann@example.org"]


async def test_a_sharee_s_acknowledgement_is_theirs(world: AlarmWorld) -> None:
    item = await world.put(START)
    alert = {"@type": "Alert", "action": "email", "trigger": {"@type": "OffsetTrigger", "offset": "-PT15M"}}

    def share(unit: Unit) -> None:
        calendar, bob = unit.calendars.get("cal-ann"), unit.accounts.get("bob")
        assert calendar is not None
        assert bob is not None
        unit.calendars.put_share(calendar, Share("cal-ann", "bob", {"mayReadItems": True}, {}))
        unit.objects.put_overlay(item, "bob", {"color": "red", "alerts": {"1": alert}}, at=world.clock.now())

    await world.store.write(share)
    await world.put(START)
    assert len(await world.at("2026-06-01 09:45")) == 1
    overlay = await world.store.read(lambda unit: unit.objects.overlay(item.id, "bob"))
    assert overlay == {"color": "red", "alerts": {"1": {**alert, "acknowledged": "2026-06-01T09:45:00Z"}}}
    assert await acknowledged(world) == []


async def test_the_forecast_says_why_an_alarm_of_an_event_to_come_is_silent(world: AlarmWorld) -> None:
    past, later = "TRIGGER:-PT3H", "TRIGGER:-PT15M"
    await world.put(
        f"{START}|DTEND:20260601T110000Z!{past}!{later}|ACKNOWLEDGED:20260601T094500Z!TRIGGER:-PT5M",
        ends_at=utc("2026-06-01 11:00"),
    )

    def look(unit: Unit) -> list[str]:
        ann = unit.accounts.get("ann")
        assert ann is not None
        found = forecast(unit, world.context, ann, world.clock.now())
        return [*(f"{each.fire_at:%H:%M}" for each in found.upcoming), *(each.rule for each in found.silent)]

    assert await world.store.read(look) == ["09:55", "alarm.past", "alarm.acknowledged"]
    world.clock.set(utc("2026-06-01 11:00"))
    assert await world.store.read(look) == [], "an event that is over needs no reason"
