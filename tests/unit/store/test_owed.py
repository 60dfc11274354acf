# SPDX-License-Identifier: Apache-2.0
"""What one commit writes last, and what is read of it before: on both databases."""

import contextlib
from dataclasses import replace

import pytest

from gateway.errors import Refused
from gateway.store.calendars import Share
from gateway.store.changes import Kind, log_key
from gateway.store.engine import Store
from gateway.store.guests import AttendeeStatus
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit
from tests.unit.store.test_changes import NOW, RIGHTS, calendar, people


def known(unit: Unit, name: str = "e1") -> StoredObject:
    return unit.objects.by_uid("ann", name)[0]


def retitle(unit: Unit, title: str, name: str = "e1") -> None:
    unit.objects.update(replace(known(unit, name), summary=title))


def guest(address: str, partstat: str) -> AttendeeStatus:
    return AttendeeStatus("e1", address, "", partstat, NOW)


async def test_of_several_changes_in_one_commit_the_last_stands_whoever_looks(any_store: Store) -> None:
    await any_store.write(people)

    def fn(unit: Unit) -> list[str]:
        titles = []
        for title in ("one", "two", "three"):
            retitle(unit, title)
            unit.next_job()
            found = unit.objects.get("e1")
            titles += [found.summary if found else "", known(unit).summary]
            retitle(unit, f"{title}!")
            titles += [each.summary for each in unit.objects.of_account("ann") if each.id == "e1"]
            retitle(unit, f"{title}?")
            titles.append(known(unit).summary)
        return titles

    titles = await any_store.write(fn)
    assert titles == [each for t in ("one", "two", "three") for each in (t, t, f"{t}!", f"{t}?")]
    assert (await any_store.read(known)).summary == "three?"


async def test_each_job_of_a_commit_is_a_change_of_its_own_after_the_one_before(any_store: Store) -> None:
    await any_store.write(people)

    def fn(unit: Unit) -> list[tuple[str, ...]]:
        state, told = unit.changes.state("ann", Kind.EVENT), []
        for name in ("e1", "e2", "e1"):
            retitle(unit, name, name)
            since = unit.changes.since("ann", Kind.EVENT, state, 10)
            told.append(since.updated)
            assert since.new_state > state
            state = since.new_state
            unit.next_job()
        return told

    assert await any_store.write(fn) == [("e1",), ("e2",), ("e1",)]
    state = await any_store.read(lambda unit: unit.changes.state("ann", Kind.EVENT))
    await any_store.write(lambda unit: retitle(unit, "later"))
    assert await any_store.read(lambda unit: unit.changes.state("ann", Kind.EVENT)) == state + 1


async def test_what_is_made_anew_after_it_changed_has_the_newer_count(any_store: Store) -> None:
    await any_store.write(people)

    def fn(unit: Unit) -> tuple[str, ...]:
        unit.changes.updated("ann", Kind.EVENT, "e1")
        unit.next_job()
        unit.changes.updated("ann", Kind.EVENT, "e2")
        unit.next_job()
        unit.changes.created("ann", Kind.EVENT, "e1")
        return unit.changes.since("ann", Kind.EVENT, 0, 10).created

    assert await any_store.write(fn) == ("e2", "e1")


async def test_a_sharee_of_the_same_commit_is_told(any_store: Store) -> None:
    await any_store.write(people)
    key = log_key("ann", "bob")

    def fn(unit: Unit) -> tuple[str, ...]:
        retitle(unit, "nobody sees it")
        unit.next_job()
        unit.calendars.put_share(calendar("work"), Share("work", "bob", RIGHTS, {}))
        state = unit.changes.state(key, Kind.EVENT)
        unit.next_job()
        retitle(unit, "bob sees it")
        return unit.changes.since(key, Kind.EVENT, state, 10).updated

    assert await any_store.write(fn) == ("e1",)


async def test_answers_that_are_owed_are_found(any_store: Store) -> None:
    await any_store.write(people)

    def fn(unit: Unit) -> list[str]:
        unit.guests.put_status(guest("bob@example.net", "TENTATIVE"))
        assert unit.guests.statuses_of("e1", "cy@example.net") == ()
        unit.guests.put_status(guest("cy+tag@example.net", "DECLINED"))
        unit.guests.put_status(guest("cy@example.net", "ACCEPTED"))
        found = [each.partstat for each in unit.guests.statuses_of("e1", "cy@example.net")]
        return found + [each.partstat for each in unit.guests.statuses("e1")]

    assert sorted(await any_store.write(fn)) == ["ACCEPTED", "ACCEPTED", "DECLINED", "DECLINED", "TENTATIVE"]
    kept = await any_store.read(lambda unit: unit.guests.statuses("e1"))
    assert {each.address: each.partstat for each in kept} == {
        "bob@example.net": "TENTATIVE", "cy+tag@example.net": "DECLINED", "cy@example.net": "ACCEPTED",
    }  # fmt: skip


async def test_an_event_that_goes_takes_what_is_owed_along(any_store: Store) -> None:
    await any_store.write(people)

    def fn(unit: Unit) -> None:
        unit.guests.statuses("e1")
        retitle(unit, "last words")
        unit.guests.put_status(guest("bob@example.net", "ACCEPTED"))
        unit.objects.remove(known(unit))

    await any_store.write(fn)
    assert await any_store.read(lambda unit: unit.objects.get("e1")) is None
    assert await any_store.read(lambda unit: unit.guests.statuses("e1")) == ()


@pytest.mark.parametrize("fails", [True, False])
async def test_what_is_owed_in_a_savepoint_is_written_with_it_or_not_at_all(any_store: Store, fails: bool) -> None:
    await any_store.write(people)

    def fn(unit: Unit) -> str:
        retitle(unit, "before")
        with contextlib.suppress(Refused), unit.savepoint():
            retitle(unit, "within")
            if fails:
                raise Refused("stop", "half way")
        return known(unit).summary

    stands = "before" if fails else "within"
    assert await any_store.write(fn) == stands
    assert (await any_store.read(known)).summary == stands
