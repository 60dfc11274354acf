# SPDX-License-Identifier: Apache-2.0
"""Answering from the mail, as a guest sees it: pages, answers, and what becomes of them."""

import re
from datetime import timedelta

import pytest

from gateway.clock import SettableClock
from gateway.itip.model import PartstatReset
from gateway.store.engine import Store
from tests.support.calendars import calendar, component, partstats
from tests.support.rsvp import BOB, DANA, LEE, MEETING, SAM, RsvpWorld, event

SERIES = (*MEETING, "RRULE:FREQ=WEEKLY;COUNT=5")


@pytest.fixture
async def world(store: Store, clock: SettableClock) -> RsvpWorld:
    return await RsvpWorld(store, clock).open()


@pytest.fixture
async def link(world: RsvpWorld) -> str:
    await world.put(event(*MEETING))
    return await world.link(LEE)


async def answers(world: RsvpWorld) -> dict[str, str]:
    return partstats((await world.item()).ical)


async def test_the_page_shows_what_the_mail_shows(world: RsvpWorld, link: str) -> None:
    page = await world.get(link + "/accept")
    assert page.status == 200
    for text in (
        "Will you attend?",
        "Summer plans",
        "Monday, June 15, 2026",
        "10:00",
        "Blue room",
        "Dana Weber",
        "Sam",
    ):
        assert text in page.text, text
    assert "l…@partner.example" in page.text
    assert " checked" not in page.response.text


async def test_the_button_pressed_in_the_mail_is_named_and_stands_first_and_is_not_chosen(
    world: RsvpWorld, link: str
) -> None:
    page = await world.get(link + "/decline")
    assert "You chose “no” in the message" in page.text
    radios = [line for line in page.response.text.splitlines() if 'type="radio"' in line]
    assert 'value="declined"' in radios[0]
    assert all(" required" in line and " checked" not in line for line in radios)


async def test_an_answer_is_stored_told_and_confirmed(world: RsvpWorld, link: str) -> None:
    page = await world.answer(link + "/accept", "accepted", comment="I bring cake")
    assert page.status == 200
    assert "Your answer has been recorded: accepted" in page.text
    assert (await answers(world))[LEE] == "ACCEPTED"
    item = await world.item()
    status = await world.store.read(lambda unit: unit.guests.status(item.id, LEE))
    assert (status.via, status.partstat, status.comment) == ("link", "ACCEPTED", "I bring cake")
    assert status.schedule_status == "2.0"
    sent = {str(mail["To"]).partition("@")[0].rpartition("<")[2]: mail for mail in (await world.mails())[-2:]}
    assert sent["dana"]["Subject"].startswith("Accepted: Summer plans")
    assert "I bring cake" in sent["dana"].get_body(("plain",)).get_content()
    assert "The answer was given on the web page" in sent["dana"].get_body(("plain",)).get_content()
    assert sent["lee"]["Subject"].startswith("Answer recorded: Summer plans")
    assert f"https://calendar.example.org{link}" in sent["lee"].get_body(("plain",)).get_content()
    (file,) = [part for part in sent["lee"].walk() if part.get_filename() == "event.ics"]
    text = file.get_payload(decode=True).decode()
    assert "METHOD" not in text
    assert "PARTSTAT=ACCEPTED" in text


async def test_the_organizer_is_notified_in_their_calendar(world: RsvpWorld, link: str) -> None:
    await world.answer(link, "tentative")
    account = world.accounts[DANA].id
    (notification,) = await world.store.read(lambda unit: unit.notifications.of(account))
    assert (notification.changed_by["email"], notification.changed_by["name"]) == (LEE, "Lee")


async def test_the_audit_row_names_the_way_and_never_the_token(world: RsvpWorld, link: str) -> None:
    await world.answer(link, "declined")
    account = world.accounts[DANA].id
    entry = (await world.store.read(lambda unit: unit.journal.of_uid(account, "u1")))[-1]
    assert (entry.stage, entry.rule, entry.facts["via"]) == ("link", "reply.applied", "link")
    assert (entry.facts["before"], entry.facts["network"]) == ("NEEDS-ACTION", "192.0.2.0/24")
    rows = await world.everything()
    assert link.rpartition("/")[2] not in f"{rows['journal']}{rows['links']}"


async def test_repeating_an_answer_is_no_error_and_changes_nothing(world: RsvpWorld, link: str) -> None:
    await world.answer(link, "accepted")
    before = await world.everything()
    page = await world.answer(link, "accepted")
    assert (page.status, "Your answer has been recorded: accepted" in page.text) == (200, True)
    assert await world.everything() == before


async def test_an_answer_can_be_changed_and_undone_even_within_a_second(world: RsvpWorld, link: str) -> None:
    await world.answer(link, "accepted")
    page = await world.answer(link, "declined")
    assert (await answers(world))[LEE] == "DECLINED"
    assert "Before it was: accepted" in page.text
    undone = await world.post(link, **page.hidden(0))
    assert (undone.status, (await answers(world))[LEE]) == (200, "ACCEPTED")


async def test_an_old_mail_after_a_reschedule_says_so_and_asks_for_the_new_time(world: RsvpWorld, link: str) -> None:
    await world.answer(link, "accepted")
    opened_before = (await world.get(link)).hidden()
    world.clock.advance(timedelta(minutes=5))
    moved = [line.replace("20260615", "20260616") for line in MEETING]
    await world.put(event(*moved))
    page = await world.get(link)
    assert "The event has changed since this link was sent" in page.text
    assert "What has changed When" in page.text
    assert "Before: Monday, June 15, 2026" in page.text
    assert "Now: Tuesday, June 16, 2026" in page.text
    assert "NEEDS-ACTION" in (await answers(world))[LEE]
    stale = await world.post(link, status="declined", **opened_before)
    assert stale.status == 409
    assert "your answer has not been recorded" in stale.text
    assert (await answers(world))[LEE] == "NEEDS-ACTION"
    assert (await world.answer(link, "declined")).status == 200
    assert (await answers(world))[LEE] == "DECLINED"


async def test_the_same_answer_to_a_new_time_is_an_answer(world: RsvpWorld, link: str) -> None:
    """The organizer's program left the answers as they were when it moved the event."""
    await world.answer(link, "accepted")
    world.clock.advance(timedelta(minutes=5))
    moved = event(*(line.replace("20260615", "20260616") for line in MEETING))
    kept = moved.replace("CN=Lee;", "CN=Lee;PARTSTAT=ACCEPTED;")
    await world.put(kept, partstat_reset=PartstatReset.CLIENT)
    assert (await answers(world))[LEE] == "ACCEPTED"
    assert "Your answer before the event was changed: accepted. Please answer again." in (await world.get(link)).text
    organizer = await world.link(DANA, "organizer")
    assert "on the web page · before the event was changed" in (await world.get(organizer)).text
    told = len(await world.mails())
    page = await world.answer(link, "accepted")
    assert "The organizer has been told." in page.text
    assert "before the event was changed" not in (await world.get(organizer)).text
    assert {mail["Subject"].partition(":")[0] for mail in (await world.mails())[told:]} == {
        "Accepted",
        "Answer recorded",
    }
    assert "Your answer so far: accepted" in (await world.get(link)).text
    told = len(await world.mails())
    await world.answer(link, "accepted")
    assert len(await world.mails()) == told


async def test_one_occurrence_of_a_series_can_be_answered_alone(world: RsvpWorld) -> None:
    await world.put(event(*SERIES))
    link = await world.link(LEE)
    await world.answer(link, "accepted")
    page = await world.answer(link, "declined", occurrence="20260622T100000")
    assert page.status == 200, page.text
    assert "June 22, 2026" in page.text
    ical = (await world.item()).ical
    assert partstats(ical)[LEE] == "ACCEPTED"
    assert partstats(ical, "20260622T100000")[LEE] == "DECLINED"
    assert "declined" in (await world.get(link)).text  # shown beside the occurrence


async def test_changing_the_answer_to_one_occurrence_leaves_the_series_alone(world: RsvpWorld) -> None:
    await world.put(event(*SERIES))
    link = await world.link(LEE)
    await world.answer(link, "accepted")
    page = await world.answer(link, "declined", occurrence="20260622T100000")
    assert "Back to the invitation" in page.text
    page = await world.post(link, status="tentative", **page.hidden(1))  # "Change the answer", below "Undo"
    ical = (await world.item()).ical
    assert (partstats(ical)[LEE], partstats(ical, "20260622T100000")[LEE]) == ("ACCEPTED", "TENTATIVE")
    await world.post(link, **page.hidden(0))
    ical = (await world.item()).ical
    assert (partstats(ical)[LEE], partstats(ical, "20260622T100000")[LEE]) == ("ACCEPTED", "DECLINED")


async def test_an_occurrence_that_is_gone_meanwhile_asks_again(world: RsvpWorld) -> None:
    await world.put(event(*SERIES))
    link = await world.link(LEE)
    form = {**(await world.get(link)).hidden(), "occurrence": "20260622T100000"}
    await world.put(event(*SERIES, "EXDATE;TZID=Europe/Berlin:20260622T100000"))
    page = await world.post(link, status="declined", **form)
    assert (page.status, "your answer has not been recorded" in page.text) == (409, True)
    assert (await answers(world))[LEE] == "NEEDS-ACTION"
    moved = await world.post(link + "/propose", start="2026-06-23T10:00", end="2026-06-23T11:00", **form)
    assert moved.status == 409


async def test_another_time_for_one_occurrence(world: RsvpWorld) -> None:
    await world.put(event(*SERIES))
    link = (await world.link(LEE)) + "/propose"
    form = {**(await world.get(link)).hidden(), "occurrence": "20260622T100000"}
    for start, end in (("2026-06-22T10:00", "2026-06-22T11:30"), ("2026-06-15T10:00", "2026-06-15T11:30")):
        assert (await world.post(link, start=start, end=end, **form)).status == 422
    assert (await world.post(link, start="2026-06-23T10:00", end="2026-06-23T11:00", **form)).status == 200
    item = await world.item()
    (proposal,) = await world.store.read(lambda unit: unit.guests.proposals(item.id))
    assert proposal.recurrence_id == "20260622T100000"
    assert "DTSTART;TZID=Europe/Berlin:20260623T100000" in proposal.ical


async def test_a_link_to_one_occurrence_answers_that_one_only(world: RsvpWorld) -> None:
    override = component(
        "RECURRENCE-ID;TZID=Europe/Berlin:20260622T100000", "DTSTART;TZID=Europe/Berlin:20260622T140000",
        "DTEND;TZID=Europe/Berlin:20260622T150000", "SUMMARY:Summer plans", f"ORGANIZER:mailto:{DANA}",
        f"ATTENDEE:mailto:{SAM}",
    )  # fmt: skip
    await world.put(event(*SERIES, guests=(LEE,), overrides=(override,)))
    link = await world.link(SAM)
    page = await world.get(link)
    assert "14:00" in page.text.replace("2:00", "14:00")
    assert "This answer is for" not in page.text
    await world.answer(link, "accepted", occurrence="20260629T100000")
    ical = (await world.item()).ical
    assert partstats(ical, "20260622T100000")[SAM] == "ACCEPTED"
    assert SAM not in partstats(ical)


async def test_a_link_to_an_occurrence_that_was_cancelled_says_so(world: RsvpWorld) -> None:
    override = component(
        "RECURRENCE-ID;TZID=Europe/Berlin:20260622T100000", "DTSTART;TZID=Europe/Berlin:20260622T140000",
        "DTEND;TZID=Europe/Berlin:20260622T150000", "SUMMARY:Summer plans", f"ORGANIZER:mailto:{DANA}",
        f"ATTENDEE:mailto:{LEE}",
    )  # fmt: skip
    await world.put(event(*SERIES))
    await world.put(event(*SERIES, overrides=(override,)))
    link = await world.link(LEE)
    form = (await world.get(link)).hidden()
    await world.put(event(*SERIES, "EXDATE;TZID=Europe/Berlin:20260622T100000"))
    page = await world.get(link)
    assert (page.status, "This event has been canceled." in page.text) == (410, True), page.text
    assert "June 22, 2026" in page.text
    assert "Send answer" not in page.text
    assert (await world.post(link, status="accepted", **form)).status == 410


async def test_a_guest_with_a_calendar_here_finds_the_answer_in_it(world: RsvpWorld, link: str) -> None:
    bob = await world.link(BOB)
    await world.answer(bob, "accepted")
    assert (await answers(world))[BOB] == "ACCEPTED"
    assert partstats((await world.item(BOB)).ical)[BOB] == "ACCEPTED"


async def test_another_time_is_proposed_and_nothing_moves(world: RsvpWorld, link: str) -> None:
    page = await world.get(link + "/propose")
    assert 'value="2026-06-15T10:00"' in page.response.text
    untouched = await world.post(link + "/propose", start="2026-06-15T10:00", end="2026-06-15T11:30", **page.hidden())
    assert untouched.status == 422
    page = await world.post(
        link + "/propose", start="2026-06-17T09:00", end="2026-06-17T10:00", comment="Trains", **page.hidden()
    )
    assert (page.status, "Your proposal has been sent" in page.text) == (200, True), page.text
    item = await world.item()
    (proposal,) = await world.store.read(lambda unit: unit.guests.proposals(item.id))
    assert (proposal.address, proposal.comment, proposal.state) == (LEE, "Trains", "open")
    assert "DTSTART;TZID=Europe/Berlin:20260617T090000" in proposal.ical
    assert "20260615T100000" in item.ical
    assert (await world.mails())[-1]["Subject"].startswith("Change proposed: Summer plans")


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("", "2026-06-17T10:00", "Please give the beginning and the end."),
        ("2026-06-17T09:00", "nine", "Please give the beginning and the end."),
        ("2026-06-17T09:00", "2026-06-17T09:00", "The end must be after the beginning."),
        ("2026-06-17T09:00", "2026-06-16T10:00", "The end must be after the beginning."),
        ("2020-06-17T09:00", "2020-06-17T10:00", "This time is over already."),
        ("2026-06-15T10:00", "2026-06-15T11:30", "Please choose a time that is different"),
    ],
)
async def test_a_proposal_that_cannot_be_meant_is_said_at_its_field(
    world: RsvpWorld, link: str, start: str, end: str, said: str
) -> None:
    form = (await world.get(link + "/propose")).hidden()
    page = await world.post(link + "/propose", start=start, end=end, comment="Trains", **form)
    assert page.status == 422
    assert page.text.count(said) == 2  # at the head of the page and at the field
    assert 'aria-invalid="true"' in page.response.text
    assert "Trains" in page.text


async def test_the_event_may_be_proposed_to_last_a_season(world: RsvpWorld, link: str) -> None:
    form = (await world.get(link + "/propose")).hidden()
    page = await world.post(link + "/propose", start="2026-06-17T09:00", end="2026-09-17T10:00", **form)
    assert page.status == 200


async def test_passing_on_is_off_unless_policy_allows_it(world: RsvpWorld, link: str) -> None:
    page = await world.get(link + "/delegate")
    assert 'name="delegate"' not in page.response.text
    page = await world.post(link + "/delegate", delegate="kim@else.example", **page.hidden())
    assert page.status == 422
    assert "kim@else.example" not in (await world.item()).ical


async def test_passing_on_invites_somebody_new_once(world: RsvpWorld, link: str) -> None:
    await world.set(rsvp__allow_delegation=True)
    form = (await world.get(link + "/delegate")).hidden()
    for who in ("", "kim", LEE, SAM.upper(), DANA):
        assert (await world.post(link + "/delegate", delegate=who, **form)).status == 422, who
    assert "invited already" in (await world.post(link + "/delegate", delegate=SAM, **form)).text
    for who in ("kim@else.example", "pat@else.example"):  # a second thought is one
        assert (await world.post(link + "/delegate", delegate=who, **form)).status == 200
        found = await answers(world)
        assert (found[LEE], found[who]) == ("DELEGATED", "NEEDS-ACTION")
        await world.link(who)


async def test_the_event_can_be_taken_along(world: RsvpWorld, link: str) -> None:
    await world.answer(link, "tentative")
    file = await world.get(link + "/event.ics")
    assert file.response.headers["content-type"].startswith("text/calendar")
    assert "PARTSTAT=TENTATIVE" in file.response.text.replace("\r\n ", "")
    assert "METHOD" not in file.response.text
    assert "X-IMIP" not in file.response.text


async def feed(world: RsvpWorld, link: str) -> str:
    """The path of the subscription that a page offers."""
    (url,) = re.findall(r'href="(webcal://calendar\.example\.org/[^"]+)"', (await world.get(link)).response.text)
    return str(url).removeprefix("webcal://calendar.example.org")


async def test_a_calendar_program_that_subscribes_follows_the_event(world: RsvpWorld, link: str) -> None:
    path = await feed(world, link)
    first = (await world.get(path)).response
    assert first.headers["content-type"].startswith("text/calendar")
    assert "REFRESH-INTERVAL;VALUE=DURATION:PT4H" in first.text
    await world.put(event(*MEETING[:3], "LOCATION:Red room"))
    assert "LOCATION:Red room" in (await world.get(path)).response.text
    await world.put(event(*MEETING, "STATUS:CANCELLED"))
    gone = (await world.get(path)).response
    assert (gone.status_code, "STATUS:CANCELLED" in gone.text) == (200, True)
    await world.put(None)
    assert (await world.get(path)).status == 404


async def test_whoever_has_the_subscription_can_answer_nothing(world: RsvpWorld, link: str) -> None:
    path, form = await feed(world, link), (await world.get(link)).hidden()
    assert link.rpartition("/")[2] not in path
    page = path.removesuffix("/event.ics")
    assert [(await world.get(where)).status for where in (page, page + "/accept")] == [404, 404]
    assert (await world.post(page, status="accepted", **form)).status == 404
    assert (await world.post(path, status="accepted", **form)).status == 404
    flipped = page[:-1] + ("A" if page[-1] != "A" else "B")
    assert (await world.get(flipped + "/event.ics")).status == 404


async def test_a_new_join_link_is_said_beside_the_old_one(world: RsvpWorld) -> None:
    await world.put(event(*MEETING, "CONFERENCE;VALUE=URI:https://meet.example/old"))
    link = await world.link(LEE)
    await world.put(event(*MEETING, "CONFERENCE;VALUE=URI:https://meet.example/new"))
    page = await world.get(link)
    assert "What has changed Join Before: https://meet.example/old Now: https://meet.example/new" in page.text


async def test_an_occurrence_that_is_not_the_guests_is_no_change(world: RsvpWorld) -> None:
    """Lee's mail never showed the occurrence that only Sam is on; the page does not say that it came or went."""
    override = component(
        "RECURRENCE-ID;TZID=Europe/Berlin:20260622T100000", "DTSTART;TZID=Europe/Berlin:20260622T140000",
        "DTEND;TZID=Europe/Berlin:20260622T150000", f"ORGANIZER:mailto:{DANA}", f"ATTENDEE:mailto:{SAM}",
    )  # fmt: skip
    await world.put(event(*SERIES, guests=(LEE,), overrides=(override,)))
    link = await world.link(LEE)
    assert "What has changed" not in (await world.get(link)).text
    await world.put(event(*SERIES, "EXDATE;TZID=Europe/Berlin:20260706T100000", guests=(LEE,), overrides=(override,)))
    page = await world.get(link)
    assert "What has changed Not on Before: Mon, Jun 22, 2026 Now: Mon, Jun 22, 2026" in page.text
    assert "Mon, Jul 6, 2026" in page.text


async def test_the_time_of_a_task_is_proposed_up_to_its_due_date(world: RsvpWorld) -> None:
    task = component(
        MEETING[0], "DUE;TZID=Europe/Berlin:20260616T100000", "SUMMARY:Report", f"ORGANIZER:mailto:{DANA}",
        f"ATTENDEE;RSVP=TRUE:mailto:{LEE}", uid="u1",
    )  # fmt: skip
    await world.put(calendar(task.replace("VEVENT", "VTODO")))
    page = await world.get(await world.link(LEE) + "/propose")
    assert 'name="end" value="2026-06-16T10:00"' in page.response.text


async def test_what_is_long_stands_below_the_question(world: RsvpWorld) -> None:
    await world.put(event(*MEETING, "DESCRIPTION:" + "Read this first. " * 40))
    text = (await world.get(await world.link(LEE))).text
    assert text.index("Blue room") < text.index("Send answer") < text.index("Read this first.")


async def test_not_me_tells_the_organizer_and_shows_nothing(world: RsvpWorld, link: str) -> None:
    page = await world.get(link + "/not-me")
    assert "Summer plans" not in page.text
    form = page.hidden()
    untold = await world.post(link + "/not-me", **form)
    assert (untold.status, "Please tick the box first." in untold.text) == (422, True)
    page = await world.post(link + "/not-me", sure="yes", **form)
    assert "The organizer will be told" in page.text
    assert (await world.mails())[-1]["Subject"].startswith("Wrong address? Summer plans")
    assert (await answers(world))[LEE] == "NEEDS-ACTION"
    before = len(await world.mails())
    assert (await world.post(link + "/not-me", sure="yes", **form)).status == 200
    assert len(await world.mails()) == before


async def test_hidden_guests_stay_hidden(world: RsvpWorld) -> None:
    await world.put(event(*MEETING), hide_attendees=True)
    link = await world.link(LEE)
    for path in (link, link + "/event.ics"):
        assert "sam@" not in (await world.get(path)).response.text.lower()


async def test_over_means_seen_and_not_answered(world: RsvpWorld, link: str) -> None:
    form = (await world.get(link)).hidden()
    world.clock.advance(timedelta(days=20))
    page = await world.get(link)
    assert (page.status, '<form method="post"' in page.response.text) == (410, False)
    assert "is over" in page.text
    assert "Summer plans" in page.text
    for path, given in ((link, form), (link, {}), (link + "/propose", form)):
        late = await world.post(path, status="accepted", **given)
        assert (late.status, "send your answer again" in late.text) == (410, False)
    assert (await answers(world))[LEE] == "NEEDS-ACTION"
    assert (await world.get(link + "/not-me")).status == 200  # what is wrong with an address does not pass


async def test_the_link_dies_with_its_invitation(world: RsvpWorld, link: str) -> None:
    sam = await world.link(SAM)
    await world.put(event(*MEETING, guests=(LEE, BOB)))
    assert (await world.get(sam)).status == 404
    await world.put(None)
    assert (await world.get(link)).status == 404


async def test_a_cancelled_event_says_so(world: RsvpWorld, link: str) -> None:
    await world.put(event(*MEETING, "STATUS:CANCELLED"))
    page = await world.get(link)
    assert (page.status, "This event has been canceled." in page.text) == (410, True)


async def test_switched_off_means_gone(world: RsvpWorld, link: str) -> None:
    await world.set(scheduling__http_rsvp_enable=False)
    assert (await world.get(link)).status == 404


async def test_a_forgotten_choice_is_asked_for_and_stores_nothing(world: RsvpWorld, link: str) -> None:
    before = await world.everything()
    form = (await world.get(link)).hidden()
    page = await world.post(link, comment="hello", **form)
    assert page.status == 422
    assert "Please choose one of the answers." in page.text
    assert ">\nhello</textarea>" in page.response.text
    assert await world.everything() == before


@pytest.mark.parametrize(
    ("headers", "query", "title"),
    [
        ({"accept-language": "de-AT,en;q=0.5"}, "", 'lang="de-AT" dir="ltr"'),
        ({"accept-language": "tlh"}, "", 'lang="en" dir="ltr"'),
        ({"accept-language": "de"}, "?lang=ar", 'lang="ar" dir="rtl"'),
        ({}, "?lang=<x>&utm_source=x", 'lang="en" dir="ltr"'),
    ],
)
async def test_the_language_is_the_readers(
    world: RsvpWorld, link: str, headers: dict[str, str], query: str, title: str
) -> None:
    page = await world.get(link + query, **headers)
    assert title in page.response.text


async def test_the_readers_zone_is_chosen_on_the_page_and_stays(world: RsvpWorld, link: str) -> None:
    page = await world.get(link + "?tz=America/New_York")
    assert "In your time zone" in page.text
    assert "4:00" in page.text
    after = await world.post(link, status="accepted", **page.hidden())
    assert "In your time zone" in after.text


async def test_an_organizer_who_wants_no_mail_gets_none(world: RsvpWorld, link: str) -> None:
    await world.mails()
    account = world.accounts[DANA]
    await world.store.write(lambda unit: unit.accounts.update(account.id, settings={"answers": "none"}))
    await world.answer(link, "accepted")
    assert [str(mail["To"]) for mail in (await world.mails())[3:]] == ["Lee <lee@partner.example>"]


async def test_gathered_answers_come_in_one_mail(world: RsvpWorld, link: str) -> None:
    account = world.accounts[DANA]
    await world.store.write(lambda unit: unit.accounts.update(account.id, settings={"answers": "digest"}))
    sam = await world.link(SAM)
    await world.answer(link, "accepted")
    await world.answer(sam, "declined")
    assert not [mail for mail in await world.mails() if DANA in str(mail["To"])]
    world.clock.advance(timedelta(hours=2))
    (digest,) = [mail for mail in await world.mails() if DANA in str(mail["To"])]
    text = digest.get_body(("plain",)).get_content()
    assert "Lee <lee@partner.example> (accepted)" in text
    assert "Sam <sam@other.example> (declined)" in text


async def test_ten_changes_of_mind_make_one_mail_each(world: RsvpWorld, link: str) -> None:
    before = len(await world.mails())
    for status in ("accepted", "declined", "tentative") * 3:
        await world.answer(link, status)
    assert len(await world.mails()) == before + 2
