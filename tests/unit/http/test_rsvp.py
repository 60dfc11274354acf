# SPDX-License-Identifier: Apache-2.0
"""Answering from the mail, as a guest sees it: pages, answers, and what becomes of them."""

from datetime import timedelta

import pytest

from gateway.clock import SettableClock
from gateway.store.engine import Store
from tests.support.calendars import component, partstats
from tests.support.rsvp import BOB, DANA, LEE, MEETING, SAM, RsvpWorld, event


@pytest.fixture
async def world(store: Store, clock: SettableClock) -> RsvpWorld:
    return await RsvpWorld(store, clock).open()


async def test_the_page_shows_what_the_mail_shows(world: RsvpWorld) -> None:
    await world.put(event(*MEETING))
    page = await world.get(await world.link(LEE) + "/accept")
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


async def test_an_answer_reaches_the_organizer(world: RsvpWorld) -> None:
    await world.put(event(*MEETING))
    path = await world.link(LEE)
    page = await world.answer(path, "accepted", comment="I bring cake")
    assert (page.status, "Your answer has been recorded: accepted" in page.text) == (200, True), page.text
    assert partstats((await world.item()).ical)[LEE] == "ACCEPTED"
