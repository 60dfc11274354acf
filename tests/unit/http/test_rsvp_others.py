# SPDX-License-Identifier: Apache-2.0
"""The organizer's page, and the pages of people whom an alarm mail reached."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.clock import SettableClock
from gateway.flows.arrival import Arrival, hold
from gateway.flows.due_alarms import run_until
from gateway.flows.gathering import remind
from gateway.flows.links import organizer_url
from gateway.itip.tree import parse_tree
from gateway.store.engine import Store
from gateway.store.guests import AttendeeStatus
from policies.verdict import Verdict
from tests.support.calendars import calendar, component, partstats
from tests.support.rsvp import BOB, DANA, LEE, MEETING, SAM, RsvpWorld, event


@pytest.fixture
async def world(store: Store, clock: SettableClock) -> RsvpWorld:
    return await RsvpWorld(store, clock).open()


@pytest.fixture
async def page(world: RsvpWorld) -> str:
    """The organizer's page of an event that Lee has accepted."""
    await world.put(event(*MEETING))
    await world.answer(await world.link(LEE), "accepted", comment="I bring cake")
    return await world.link(DANA, "organizer")


async def test_the_organizer_sees_who_answered_what_and_how(world: RsvpWorld, page: str) -> None:
    seen = await world.get(page)
    assert seen.status == 200
    assert "Accepted: 1 · no answer yet: 2" in seen.text
    assert "Lee accepted lee@partner.example" in seen.text
    assert "on the web page" in seen.text
    assert "I bring cake" in seen.text
    assert "2 people have not answered yet." in seen.text


async def test_every_mail_leads_to_the_same_page(world: RsvpWorld, page: str) -> None:
    await world.answer(await world.link(LEE), "declined")
    assert await world.link(DANA, "organizer") == page


async def test_the_page_lasts_as_long_as_the_event_wherever_it_moves(world: RsvpWorld) -> None:
    await world.set(scheduling__http_rsvp_link_expiry="1d")
    await world.put(event(*MEETING))
    await world.answer(await world.link(LEE), "accepted")
    page = await world.link(DANA, "organizer")
    await world.put(event(*(line.replace("20260615", "20260815") for line in MEETING)))
    world.clock.advance(timedelta(minutes=5))
    await world.answer(await world.link(LEE), "declined")
    world.clock.advance(timedelta(days=40))
    assert (await world.get(page)).status == 200


async def test_the_silent_are_asked_again_and_not_twice_within_an_hour(world: RsvpWorld, page: str) -> None:
    before = len(await world.mails())
    form = (await world.get(page)).hidden()
    assert (await world.post(page, **form)).status == 422
    assert "0 people are asked again." in (await world.post(page, do="remind", **form)).text
    world.clock.advance(timedelta(hours=2))
    form = (await world.get(page)).hidden()
    assert "2 people are asked again." in (await world.post(page, do="remind", **form)).text
    mails = (await world.mails())[before:]
    assert sorted(str(mail["To"])[:3] for mail in mails) == ["Bob", "Sam"]
    assert "0 people are asked again." in (await world.post(page, do="remind", **form)).text


async def test_no_more_are_asked_again_at_once_than_one_change_may_write_to(world: RsvpWorld, page: str) -> None:
    world.clock.advance(timedelta(hours=2))
    await world.set(scheduling__max_recipients=1)
    form = (await world.get(page)).hidden()
    before = len(await world.mails())
    for number in (1, 1, 0):
        said = (await world.post(page, do="remind", **form)).text
        assert f"{number} person is asked again." in said or f"{number} people are asked again." in said
        await world.mails()
    assert sorted(str(mail["To"])[:3] for mail in (await world.mails())[before:]) == ["Bob", "Sam"]


@pytest.mark.parametrize("end", ["over", "cancelled"])
async def test_nobody_is_asked_again_for_what_is_over_or_cancelled(world: RsvpWorld, page: str, end: str) -> None:
    form = (await world.get(page)).hidden()
    if end == "over":
        world.clock.advance(timedelta(days=30))
    else:
        await world.put(event(*MEETING, "STATUS:CANCELLED"))
    before = len(await world.mails())
    assert "Ask again" not in (await world.get(page)).text
    await world.post(page, do="remind", **form)
    assert len(await world.mails()) == before


async def test_a_reminder_opens_the_page_of_the_event(world: RsvpWorld) -> None:
    alarm = ("BEGIN:VALARM", "ACTION:EMAIL", "TRIGGER:-PT15M", "SUMMARY:Soon", "DESCRIPTION:Soon", "END:VALARM")
    await world.put(event(*MEETING, *alarm))
    await run_until(world.context, datetime(2026, 6, 15, 9, 0, tzinfo=UTC))
    seen = await world.get(await world.link(DANA, "organizer"))
    assert (seen.status, "Summer plans" in seen.text) == (200, True)


async def test_a_guests_own_copy_shows_the_event_and_asks_nobody(world: RsvpWorld) -> None:
    await world.put(event(*MEETING))
    copy = await world.item(BOB)
    url = await world.store.write(lambda unit: organizer_url(unit, world.context, copy))
    path = url.removeprefix("https://calendar.example.org")
    seen = await world.get(path)
    assert (seen.status, "Summer plans" in seen.text, "Ask again" in seen.text) == (200, True, False)
    token = path.rpartition("/")[2]
    assert await world.store.write(lambda unit: remind(unit, world.context, token)) == 0


async def held_reply(world: RsvpWorld) -> None:
    """Somebody answers for Sam by mail, and nothing proves who it was."""
    account = world.accounts[DANA]
    reply = calendar(
        component("DTSTART;TZID=Europe/Berlin:20260615T100000", f"ORGANIZER:mailto:{DANA}", "COMMENT:Sorry",
                  f"ATTENDEE;PARTSTAT=DECLINED:mailto:{SAM}", uid="u1")
    ).replace("VERSION:2.0", "VERSION:2.0\r\nMETHOD:REPLY")  # fmt: skip
    arrival = Arrival(account, parse_tree(reply), SAM, "mail", recipient=DANA, mail_id="m1")
    verdict = Verdict("hold", "sender.unproven", "Nothing proves who wrote it")
    await world.store.write(lambda unit: hold(unit, world.context, arrival, verdict))


@pytest.mark.parametrize(("do", "partstat"), [("release", "DECLINED"), ("reject", "NEEDS-ACTION")])
async def test_an_answer_that_waits_is_seen_and_decided(world: RsvpWorld, page: str, do: str, partstat: str) -> None:
    await held_reply(world)
    seen = await world.get(page)
    assert "Waiting for your decision sam@other.example An answer that could not be verified" in seen.text
    assert f"{SAM}: declined Sorry" in seen.text
    assert (await world.post(page, **seen.hidden(0))).status == 422
    done = await world.post(page, do=do, **seen.hidden(0))
    assert (done.status, "Your decision has been recorded." in done.text) == (200, True)
    assert "Waiting for your decision" not in done.text
    assert partstats((await world.item()).ical)[SAM] == partstat
    assert (await world.post(page, do=do, **seen.hidden(0))).status == 409


async def test_an_address_that_cannot_be_reached_is_said(world: RsvpWorld, page: str) -> None:
    item = await world.item()
    status = AttendeeStatus(item.id, SAM, "", "NEEDS-ACTION", world.clock.now(), schedule_status="5.1")
    await world.store.write(lambda unit: unit.guests.put_status(status))
    assert "Sam no answer yet sam@other.example · The message could not be delivered." in (await world.get(page)).text


async def proposed(world: RsvpWorld, day: str = "2026-06-17") -> None:
    link = await world.link(LEE)
    form = (await world.get(link + "/propose")).hidden()
    await world.post(link + "/propose", start=f"{day}T09:00", end=f"{day}T10:00", comment="Trains", **form)


async def test_a_proposal_is_taken_up_as_an_edit_that_tells_everybody(world: RsvpWorld, page: str) -> None:
    await proposed(world)
    seen = await world.get(page)
    assert "Proposed changes" in seen.text
    assert "Wednesday, June 17, 2026, 9:00" in seen.text
    before = len(await world.mails())
    done = await world.post(page, do="accept", **seen.hidden(0))
    assert (done.status, "Your decision has been recorded." in done.text) == (200, True), done.text
    item = await world.item()
    assert "DTSTART;TZID=Europe/Berlin:20260617T090000" in item.ical
    assert partstats(item.ical)[LEE] == "NEEDS-ACTION"
    subjects = [str(mail["Subject"]) for mail in (await world.mails())[before:]]
    assert sum(subject.startswith("Updated invitation") for subject in subjects) == 3
    assert "Proposed changes" not in (await world.get(page)).text


async def test_of_two_proposals_of_one_guest_the_last_is_decided(world: RsvpWorld, page: str) -> None:
    await proposed(world)
    world.clock.advance(timedelta(minutes=5))
    await proposed(world, "2026-06-18")
    seen = await world.get(page)
    assert "Thursday, June 18, 2026" in seen.text
    assert "Wednesday, June 17, 2026" not in seen.text
    await world.post(page, do="decline", **seen.hidden(0))
    assert "Proposed changes" not in (await world.get(page)).text


async def test_a_proposal_is_declined_to_its_author_and_nothing_moves(world: RsvpWorld, page: str) -> None:
    await proposed(world)
    seen = await world.get(page)
    before, ical = len(await world.mails()), (await world.item()).ical
    await world.post(page, do="decline", **seen.hidden(0))
    (mail,) = (await world.mails())[before:]
    assert (mail["Subject"][:18], LEE in str(mail["To"])) == ("Proposal declined:", True)
    assert (await world.item()).ical == ical
    assert (await world.post(page, do="decline", **seen.hidden(0))).status == 409


async def test_a_forgotten_decision_decides_nothing(world: RsvpWorld, page: str) -> None:
    await proposed(world)
    seen = await world.get(page)
    before = await world.everything()
    assert (await world.post(page, **seen.hidden(0))).status == 422
    assert await world.everything() == before


async def test_a_guests_link_opens_no_organizers_page_nor_the_other_way_round(world: RsvpWorld, page: str) -> None:
    link = await world.link(LEE)
    assert (await world.get(link.replace("/rsvp/", "/organizer/"))).status == 404
    assert (await world.get(page.replace("/organizer/", "/rsvp/"))).status == 404


async def consent(world: RsvpWorld) -> str | None:
    account = world.accounts[DANA]
    known = await world.store.read(lambda unit: unit.alarms.consent(account.id, LEE))
    return known.state if known else None


async def test_one_click_unsubscribes_and_looking_does_not(world: RsvpWorld) -> None:
    path = await world.way_out(LEE, "unsubscribe")
    assert "Stop reminders to lee@partner.example?" in (await world.get(path)).text
    assert await consent(world) is None
    assert (await world.post(path, something="else")).status == 400
    assert await consent(world) is None
    done = await world.post(path, **{"List-Unsubscribe": "One-Click"})
    assert (done.status, "No more reminders" in done.text) == (200, True)
    assert await consent(world) == "withdrawn"
    assert (await world.post(path, **{"List-Unsubscribe": "One-Click"})).status == 200


async def test_one_click_may_come_as_multipart(world: RsvpWorld) -> None:
    """RFC 8058 §3.2."""
    path = await world.way_out(LEE, "unsubscribe")
    answer = await world.browser.post(path, files={"List-Unsubscribe": (None, "One-Click")})
    assert (answer.status_code, await consent(world)) == (200, "withdrawn")


async def test_reminders_from_outside_need_a_yes_that_somebody_chose(world: RsvpWorld) -> None:
    path = await world.way_out(LEE, "confirm")
    page = await world.get(path)
    assert "Dana Weber would like to send calendar reminders" in page.text
    assert (await world.post(path, **page.hidden())).status == 422
    assert (await world.post(path, agree="yes")).status == 403
    assert await consent(world) is None
    assert (await world.post(path, agree="yes", **page.hidden())).status == 200
    assert await consent(world) == "confirmed"
    await world.post(path, agree="no", **page.hidden())
    assert await consent(world) == "withdrawn"
