# SPDX-License-Identifier: Apache-2.0
"""Alarm rows: found by time, owned by one transaction, at most once for ever."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.store.accounts import Account
from gateway.store.alarms import AlarmConsent, FiredAlarm, Pace, PlannedAlarm
from gateway.store.engine import Store, open_store
from gateway.store.migrate import migrate
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    url = f"sqlite+aiosqlite:///{tmp_path}/gateway.db"
    await migrate(url)
    opened = open_store(url)
    await opened.write(two_accounts)
    yield opened
    await opened.close()


def two_accounts(unit: Unit) -> None:
    for name in ("ann", "bob"):
        unit.accounts.add(Account(name, f"{name}@example.org", name, None, None, None, {}, {}, False, False, NOW))
        unit.objects.add(StoredObject(f"o-{name}", name, "u", "VEVENT", "", "", "", NOW, NOW), [])


def alarm(name: str, fire_at: datetime, account: str = "ann") -> PlannedAlarm:
    return PlannedAlarm(name, account, f"o-{account}", name, "", fire_at, fire_at, NOW)


async def test_only_what_is_due_is_found_and_the_longest_due_account_comes_first(store: Store) -> None:
    def plan(unit: Unit) -> None:
        unit.alarms.replace("o-ann", "ann", [alarm("a", NOW), alarm("b", NOW + MINUTE)])
        unit.alarms.replace("o-bob", "bob", [alarm("c", NOW - MINUTE, "bob")])

    await store.write(plan)
    assert await store.read(lambda unit: unit.alarms.due_accounts(NOW)) == ("bob", "ann")
    assert await store.read(lambda unit: unit.alarms.due_accounts(NOW - 2 * MINUTE)) == ()
    assert await store.read(lambda unit: unit.alarms.next_due()) == NOW - MINUTE
    _, due = await store.write(lambda unit: unit.alarms.claim("ann", NOW))
    assert [row.id for row in due] == ["a"]


async def test_planning_anew_leaves_no_stale_row(store: Store) -> None:
    await store.write(lambda unit: unit.alarms.replace("o-ann", "ann", [alarm("a", NOW), alarm("b", NOW)]))
    await store.write(lambda unit: unit.alarms.replace("o-ann", "ann", [alarm("c", NOW)]))
    assert [row.id for row in await store.read(lambda unit: unit.alarms.of_account("ann"))] == ["c"]


async def test_a_deleted_object_takes_its_alarms_along(store: Store) -> None:
    def plan_and_delete(unit: Unit) -> None:
        unit.alarms.replace("o-ann", "ann", [alarm("a", NOW)])
        item = unit.objects.get("o-ann")
        assert item is not None
        unit.objects.remove(item)

    await store.write(plan_and_delete)
    assert await store.read(lambda unit: unit.alarms.all()) == ()


async def test_the_same_firing_is_recorded_once(store: Store) -> None:
    fired = FiredAlarm("id", "ann", "o-ann", "ann@example.org", NOW, "sent", "alarm.due", NOW)
    assert await store.write(lambda unit: unit.alarms.mark_fired(fired))
    assert not await store.write(lambda unit: unit.alarms.mark_fired(fired))
    assert await store.read(lambda unit: unit.alarms.fired("ann")) == (fired,)
    assert await store.write(lambda unit: unit.alarms.forget_fired_before(NOW + MINUTE)) == 1


async def test_mails_are_counted_by_recipient_and_moment_or_each_firing_apart(store: Store) -> None:
    sent = [
        FiredAlarm(str(number), "ann", "o-ann", recipient, NOW, outcome, "alarm.due", NOW + number // 3 * MINUTE)
        for number, (recipient, outcome) in enumerate(
            [("a@x.example", "sent"), ("a@x.example", "sent"), ("b@x.example", "sent"), ("a@x.example", "sent"),
             ("", "skip"), ("c@x.example", "deny")]
        )
    ]  # fmt: skip
    await store.write(lambda unit: [unit.alarms.mark_fired(each) for each in sent])

    async def count(since: datetime, *, apart: bool) -> int:
        return len(await store.read(lambda unit: unit.alarms.mailed_at("ann", since, NOW + MINUTE, apart=apart)))

    assert await count(NOW - MINUTE, apart=False) == 3
    assert await count(NOW - MINUTE, apart=True) == 4
    assert await count(NOW, apart=True) == 1


async def test_pace_and_consent_are_kept(store: Store) -> None:
    pace, consent = Pace("ann", NOW), AlarmConsent("ann", "eve@example.net", "asked", NOW)

    def write(unit: Unit) -> None:
        unit.alarms.set_pace(pace)
        unit.alarms.put_consent(consent)

    await store.write(write)
    assert (await store.write(lambda unit: unit.alarms.claim("ann", NOW)))[0] == pace
    assert await store.read(lambda unit: unit.alarms.consent("ann", "eve@example.net")) == consent
    assert await store.read(lambda unit: unit.alarms.consent("bob", "eve@example.net")) is None
