# SPDX-License-Identifier: Apache-2.0
"""Nobody plants an alarm by mail; one's own alarms survive what the organizer sends and follow the event."""

from dataclasses import replace

import pytest

from gateway.flows.alarm_plans import plan_alarms
from gateway.flows.arrival import Arrival, apply_arrival
from gateway.itip.tree import parse_tree
from gateway.store.engine import Store
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit
from tests.support.alarms import AlarmWorld, alarms_of, ical

ANN, EVE = "ann@example.org", "eve@outside.example"
PLANTED = "!TRIGGER:-PT15M|ATTENDEE:mailto:victim@elsewhere.example?TRIGGER:-PT5M|DESCRIPTION:@email buy this"


def request(start: str, sequence: int, planted: str = PLANTED) -> str:
    people = f"ORGANIZER:mailto:{EVE}|ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:{ANN}"
    lines = f"DTSTAMP:20260601T07000{sequence}Z|SEQUENCE:{sequence}|DTSTART:{start}|SUMMARY:Talk|{people}{planted}"
    return ical(lines, uid="talk").replace("VERSION:2.0", "VERSION:2.0\r\nMETHOD:REQUEST")


@pytest.fixture
async def world(store: Store) -> AlarmWorld:
    world = await AlarmWorld(store).open()
    await world.set("alarms.allow_external_rcpts", True)
    return world


async def receive(world: AlarmWorld, text: str) -> str:
    """An invitation from outside arrives and is applied; the rule that decided."""

    def fn(unit: Unit) -> str:
        account = unit.accounts.get("ann")
        assert account is not None
        arrival = Arrival(account, parse_tree(text), EVE, "mail", ANN, "mail-1")
        return apply_arrival(unit, world.context, arrival).outcome

    return await world.store.write(fn)


async def stored(world: AlarmWorld) -> StoredObject:
    (item,) = await world.store.read(lambda unit: unit.objects.by_uid("ann", "talk"))
    return item


async def test_an_invitation_brings_no_alarm(world: AlarmWorld) -> None:
    assert await receive(world, request("20260601T100000Z", 0)) == "applied"
    assert alarms_of((await stored(world)).ical) == 0
    assert await world.planned() == []
    assert await world.until("2026-06-02 00:00") == []


async def test_an_update_brings_none_and_moves_one_s_own(world: AlarmWorld) -> None:
    await receive(world, request("20260601T100000Z", 0))
    item = await stored(world)
    own = "BEGIN:VALARM\r\nACTION:EMAIL\r\nTRIGGER:-PT30M\r\nEND:VALARM\r\nEND:VEVENT"
    text = item.ical.replace("END:VEVENT", own)

    def set_own(unit: Unit) -> None:
        account = unit.accounts.get("ann")
        assert account is not None
        unit.objects.update(replace(item, ical=text))
        plan_alarms(unit, world.context, replace(item, ical=text), account)

    await world.store.write(set_own)
    assert await world.planned() == ["2026-06-01 09:30"]
    assert await receive(world, request("20260601T120000Z", 1)) == "applied"
    assert alarms_of((await stored(world)).ical) == 1
    assert await world.planned() == ["2026-06-01 11:30"]
    assert await world.until("2026-06-02 00:00") == [f"11:30 sent alarm.due {ANN}"]


async def test_a_cancelled_invitation_alarms_nobody(world: AlarmWorld) -> None:
    await receive(world, request("20260603T100000Z", 0))
    people = f"ORGANIZER:mailto:{EVE}|ATTENDEE:mailto:{ANN}"
    await world.put(f"DTSTAMP:20260601T070000Z|DTSTART:20260603T100000Z|{people}!TRIGGER:-PT30M", uid="talk")
    assert await world.planned() == ["2026-06-03 09:30"]
    cancel = request("20260603T100000Z", 3, "").replace("METHOD:REQUEST", "METHOD:CANCEL")
    assert await receive(world, cancel.replace("SUMMARY:Talk", "STATUS:CANCELLED")) == "applied"
    assert await world.planned() == []
