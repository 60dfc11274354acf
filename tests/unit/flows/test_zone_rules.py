# SPDX-License-Identifier: Apache-2.0
"""New time zone rules move what the old ones planned: on time by the new, and once."""

from dataclasses import replace
from datetime import timedelta

from gateway.flows.zone_rules import notice_zone_rules, zone_rules_digest
from gateway.store.engine import Store
from gateway.store.unit import Unit
from tests.support.alarms import AlarmWorld

ANN = "ann@example.org"
OLD = timedelta(hours=1)  # the rules that planned it had it so much later


async def world_planned_by_old_rules(store: Store, seen: str) -> AlarmWorld:
    world = await AlarmWorld(store).open()
    await world.set("alarms.min_trigger_interval", "0s")
    for uid, day in (("soon", 1), ("later", 20)):
        await world.put(f"DTSTART;TZID=Europe/Berlin:202606{day:02}T180000!TRIGGER:-PT15M", uid=uid)

    def age(unit: Unit) -> None:
        unit.settings.put("state.zone_rules", seen, by="alarms", at=world.clock.now())
        for row in unit.alarms.all():
            unit.alarms.put(replace(row, fire_at=row.fire_at + OLD, trigger_at=row.fire_at + OLD))

    await store.write(age)
    return world


async def test_what_old_rules_planned_fires_by_the_new_ones_and_once(any_store: Store) -> None:
    world = await world_planned_by_old_rules(any_store, seen="other rules")
    assert await notice_zone_rules(world.context) == 2
    assert await notice_zone_rules(world.context) == 0, "once for new rules"
    assert await world.at("2026-06-01 08:00") == []
    assert await world.planned() == ["2026-06-01 15:45", "2026-06-19 15:45"], "the later one looks again a day before"
    assert await world.until("2026-07-01 00:00") == [
        f"15:45 sent alarm.due {ANN}",
        f"2026-06-20 15:45 sent alarm.due {ANN}",
    ]


async def test_known_rules_and_the_first_start_leave_the_plan_alone(store: Store) -> None:
    world = await world_planned_by_old_rules(store, seen=zone_rules_digest())
    assert await notice_zone_rules(world.context) == 0
    await store.write(lambda unit: unit.settings.put("state.zone_rules", None, by="alarms", at=world.clock.now()))
    assert await notice_zone_rules(world.context) == 0
    assert await world.planned() == ["2026-06-01 16:45", "2026-06-20 16:45"]
