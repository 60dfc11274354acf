# SPDX-License-Identifier: Apache-2.0
"""States: what owner and sharees are told has changed, on both databases."""

from datetime import UTC, datetime

from gateway.store.accounts import Account
from gateway.store.calendars import Calendar, Share
from gateway.store.changes import Kind, Since, log_key
from gateway.store.engine import Store
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit

NOW = datetime(2026, 6, 1, tzinfo=UTC)
RIGHTS = {"mayReadItems": True}


def account(name: str) -> Account:
    return Account(name, f"{name}@example.org", name, None, None, None, {}, {}, False, False, NOW)


def calendar(name: str) -> Calendar:
    return Calendar(name, "ann", name, name, False, NOW)


def event(name: str) -> StoredObject:
    return StoredObject(name, "ann", name, "VEVENT", "", "", "", NOW, NOW)


def people(unit: Unit) -> None:
    for name in ("ann", "bob"):
        unit.accounts.add(account(name))
    for name in ("work", "home"):
        unit.calendars.put(calendar(name))
    unit.objects.add(event("e1"), [("work", "1.ics")])
    unit.objects.add(event("e2"), [("home", "2.ics")])


def seen(unit: Unit, since: int = 0) -> Since:
    return unit.changes.since(log_key("ann", "bob"), Kind.EVENT, since, 100)


async def test_a_share_shows_what_is_in_the_calendar_and_nothing_else(any_store: Store) -> None:
    await any_store.write(people)
    assert (await any_store.read(seen)).created == ()
    await any_store.write(lambda unit: unit.calendars.put_share(calendar("work"), Share("work", "bob", RIGHTS, {})))
    assert (await any_store.read(seen)).created == ("e1",)
    await any_store.write(lambda unit: unit.objects.update(event("e2")))
    assert (await any_store.read(seen)).created == ("e1",), "a change elsewhere is nobody's business"


async def test_an_event_that_moves_out_of_sight_is_destroyed_for_the_sharee_alone(any_store: Store) -> None:
    await any_store.write(people)
    await any_store.write(lambda unit: unit.calendars.put_share(calendar("work"), Share("work", "bob", RIGHTS, {})))
    state = (await any_store.read(seen)).new_state
    await any_store.write(lambda unit: unit.objects.set_places(event("e1"), [("home", "1.ics")]))
    assert (await any_store.read(lambda unit: seen(unit, state))).destroyed == ("e1",)
    own = await any_store.read(lambda unit: unit.changes.since("ann", Kind.EVENT, state, 100))
    assert (own.updated, own.destroyed) == (("e1",), ())
    await any_store.write(lambda unit: unit.objects.set_places(event("e1"), [("work", "1.ics")]))
    assert (await any_store.read(seen)).created == ("e1",)


async def test_what_is_shared_no_longer_is_gone(any_store: Store) -> None:
    await any_store.write(people)
    await any_store.write(lambda unit: unit.calendars.put_share(calendar("work"), Share("work", "bob", RIGHTS, {})))
    state = (await any_store.read(seen)).new_state
    await any_store.write(lambda unit: unit.calendars.remove_share(calendar("work"), "bob"))
    assert (await any_store.read(lambda unit: seen(unit, state))).destroyed == ("e1",)
    calendars = await any_store.read(lambda unit: unit.changes.since("ann/bob", Kind.CALENDAR, state, 100))
    assert calendars.destroyed == ("work",)


async def test_an_overlay_is_a_change_for_its_owner_alone(any_store: Store) -> None:
    await any_store.write(people)
    await any_store.write(lambda unit: unit.calendars.put_share(calendar("work"), Share("work", "bob", RIGHTS, {})))
    before = await any_store.read(lambda unit: (unit.changes.states("ann"), unit.changes.states("ann/bob")))
    await any_store.write(lambda unit: unit.objects.put_overlay(event("e1"), "bob", {"color": "red"}, at=NOW))
    after = await any_store.read(lambda unit: (unit.changes.states("ann"), unit.changes.states("ann/bob")))
    assert before[0] == after[0]
    assert after[1][Kind.EVENT] > before[1][Kind.EVENT]
