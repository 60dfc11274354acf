# SPDX-License-Identifier: Apache-2.0
"""Answers by link on both databases: many at once, passing on, whole days, to-dos, and what the engine refuses."""

import asyncio

import pytest

from gateway.clock import SettableClock
from gateway.errors import Refused
from gateway.flows.invitation import look
from gateway.flows.rsvp import Answered, GivenAnswer, answer
from gateway.store.engine import Store
from tests.support.calendars import events, partstats
from tests.support.rsvp import DANA, LEE, MEETING, SAM, RsvpWorld, event

GUESTS = tuple(f"guest{n}@else.example" for n in range(8))


@pytest.fixture
async def world(any_store: Store, clock: SettableClock) -> RsvpWorld:
    return await RsvpWorld(any_store, clock).open()


async def given(world: RsvpWorld, path: str, partstat: str, **more: str) -> Answered:
    token = path.rpartition("/")[2]

    def fn(unit):  # type: ignore[no-untyped-def]
        version = look(unit, world.context, token).version
        return answer(unit, world.context, GivenAnswer(token, partstat, version, **more))

    return await world.store.write(fn)


async def test_many_guests_answer_at_once_and_no_answer_is_lost(world: RsvpWorld) -> None:
    await world.put(event(*MEETING, guests=GUESTS))
    links = [await world.link(guest) for guest in GUESTS]
    await asyncio.gather(*(given(world, link, "ACCEPTED") for link in links))
    assert set(partstats((await world.item()).ical).values()) == {"ACCEPTED"}
    item = await world.item()
    statuses = await world.store.read(lambda unit: unit.guests.statuses(item.id))
    assert {status.partstat for status in statuses} == {"ACCEPTED"}


async def test_one_guest_answers_twice_at_once_and_one_of_both_stands_everywhere(world: RsvpWorld) -> None:
    await world.put(event(*MEETING))
    link = await world.link(LEE)
    await asyncio.gather(given(world, link, "ACCEPTED"), given(world, link, "DECLINED"))
    item = await world.item()
    status = await world.store.read(lambda unit: unit.guests.status(item.id, LEE))
    assert status is not None
    assert partstats(item.ical)[LEE] == status.partstat


async def test_passing_on_puts_the_other_on_the_list_and_invites_them(world: RsvpWorld) -> None:
    await world.set(rsvp__allow_delegation=True)
    await world.put(event(*MEETING))
    link = await world.link(LEE)
    page = await world.get(link + "/delegate")
    done = await world.post(link + "/delegate", delegate="kim@else.example", **page.hidden())
    assert (done.status, "passed on" in done.text) == (200, True), done.text
    found = partstats((await world.item()).ical)
    assert (found[LEE], found["kim@else.example"]) == ("DELEGATED", "NEEDS-ACTION")
    assert await world.link("kim@else.example")
    assert DANA not in found
    again = await world.post(link + "/delegate", delegate=DANA, **(await world.get(link + "/delegate")).hidden())
    assert again.status == 422
    assert DANA not in partstats((await world.item()).ical)


async def test_nobody_outside_is_written_to_against_the_policy(world: RsvpWorld) -> None:
    """Neither a delegate nor the guest's own confirmation slips past the policy for recipients outside."""
    await world.put(event(*MEETING))
    link = await world.link(LEE)
    before = len(await world.mails())
    await world.set(external_recipients__invitations="deny")
    await given(world, link, "ACCEPTED")
    recipients = [str(mail["To"]) for mail in (await world.mails())[before:]]
    assert not [to for to in recipients if "partner.example" in to]


async def test_whole_days_are_proposed_in_days(world: RsvpWorld) -> None:
    await world.put(event("DTSTART;VALUE=DATE:20260615", "DTEND;VALUE=DATE:20260617", "SUMMARY:Fair"))
    link = await world.link(LEE)
    page = await world.get(link + "/propose")
    assert 'type="date" name="start" value="2026-06-15"' in page.response.text
    assert 'type="date" name="end" value="2026-06-16"' in page.response.text
    done = await world.post(link + "/propose", start="2026-06-20", end="2026-06-20", **page.hidden())
    assert done.status == 200, done.text
    item = await world.item()
    (proposal,) = await world.store.read(lambda unit: unit.guests.proposals(item.id))
    proposed = events(proposal.ical)[""]
    assert (str(proposed["DTSTART"].dt), str(proposed["DTEND"].dt)) == ("2026-06-20", "2026-06-21")


async def test_an_answer_by_mail_and_one_by_link_keep_their_order(world: RsvpWorld) -> None:
    """What was answered last stands, by whichever way it came."""
    await world.put(event(*MEETING))
    link = await world.link(LEE)
    await given(world, link, "ACCEPTED")
    stale = (await world.item()).ical
    await given(world, link, "TENTATIVE")
    assert partstats(stale)[LEE] == "ACCEPTED"
    item = await world.item()
    stamps = await world.store.read(lambda unit: unit.guests.status(item.id, LEE))
    assert stamps is not None
    assert stamps.dtstamp is not None
    assert stamps.dtstamp > world.clock.now().replace(microsecond=0)


@pytest.mark.parametrize("partstat", ["COMPLETED", "DELEGATED", "", "ACCEPTED\r\nX:1"])
async def test_what_is_no_answer_is_refused(world: RsvpWorld, partstat: str) -> None:
    await world.put(event(*MEETING))
    link = await world.link(LEE)
    with pytest.raises(Refused, match="usage"):
        await given(world, link, partstat)


async def test_an_occurrence_that_is_not_is_no_way_in(world: RsvpWorld) -> None:
    await world.put(event(*MEETING, "RRULE:FREQ=WEEKLY;COUNT=3"))
    link = await world.link(LEE)
    for instance in ("20260616T100000", "nonsense", "20260615T100000Z", "x" * 4000):
        assert (await given(world, link, "ACCEPTED", recurrence_id=instance)).verdict.action == "ask-again"
    assert partstats((await world.item()).ical)[LEE] == "NEEDS-ACTION"
    assert SAM in partstats((await world.item()).ical)
