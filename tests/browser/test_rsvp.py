# SPDX-License-Identifier: Apache-2.0
"""The pages of links in a real Chromium: scanners change nothing, people get through, everybody can read them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from gateway.clock import SettableClock
from gateway.config.options import HttpOptions
from gateway.store.engine import Store
from tests.conftest import missing
from tests.support.browser import CHROMIUM, axe, chromium, served
from tests.support.calendars import partstats
from tests.support.rsvp import DANA, LEE, MEETING, SAM, RsvpWorld, event

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PHONE: dict[str, Any] = {"viewport": {"width": 320, "height": 640}, "is_mobile": True, "has_touch": True}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
SERIES = (*MEETING, "RRULE:FREQ=WEEKLY;COUNT=5", "DESCRIPTION:Read https://docs.example.org/plan first")


@dataclass
class Scene:
    """A served gateway, a browser, and Lee's link."""

    world: RsvpWorld
    browser: Browser
    base: str
    link: str

    async def open(self, path: str, **how: Any) -> Page:
        context = await self.browser.new_context(**{"locale": "en-US", **how})
        page = await context.new_page()
        await page.goto(self.base + path)
        return page

    async def look(self, path: str, **how: Any) -> None:
        """Open a page on which axe must find nothing, and nothing may stick out."""
        page = await self.open(path, **how)
        assert await axe(page) == [], (path, how)
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (path, how)
        await page.context.close()

    async def answers(self) -> dict[str, str]:
        return partstats((await self.world.item()).ical)


@pytest.fixture
async def scene(store: Store, clock: SettableClock) -> AsyncIterator[Scene]:
    if CHROMIUM is None:
        missing("Chromium")
    world = RsvpWorld(store, clock)
    world.config = type(world.config)(
        mail=world.config.mail, http=HttpOptions(rsvp_requests_per_minute=10_000, rsvp_requests_per_link=10_000)
    )
    await world.open()
    await world.put(event(*SERIES))
    link = await world.link(LEE)
    async with served(world) as base, chromium() as browser:
        yield Scene(world, browser, base, link)


async def test_a_scanner_that_opens_everything_and_runs_scripts_changes_nothing(scene: Scene) -> None:
    before = await scene.world.everything()
    todo, seen = [scene.link, *(f"{scene.link}/{word}" for word in ("accept", "tentative", "decline"))], set()
    page = await scene.open(scene.link)
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        await page.request.head(scene.base + path)
        await page.request.get(scene.base + path, headers={"Sec-Purpose": "prefetch;prerender"})
        await page.request.fetch(scene.base + path, method="OPTIONS")
        if path.endswith(".ics"):
            await page.request.get(scene.base + path)
            continue
        await page.goto(scene.base + path, wait_until="networkidle")
        links = await page.evaluate("[...document.links].map(a => a.href)")
        todo += [href.removeprefix(scene.base) for href in links if href.startswith(scene.base)]
        for index in range(await page.locator("form").count()):
            button = page.locator("form").nth(index).locator("button")
            if await button.is_visible():
                await button.click()  # held back by `required`, or a form that only looks
                await page.wait_for_load_state("networkidle")
                await page.goto(scene.base + path, wait_until="networkidle")
            form = f"document.forms[{index}]"
            action, method = await page.evaluate(f"[{form}.action, {form}.method]")
            fields = await page.evaluate(f"Object.fromEntries(new FormData({form}))")  # past `required`
            if method == "post":
                await page.request.post(action, form=fields, headers={"Referer": ""})
    assert len(seen) > 5
    assert await scene.world.everything() == before


@pytest.mark.parametrize(
    ("locale", "screen", "yes", "send", "direction"),
    [
        ("de-DE", PHONE, "Ja, ich nehme teil", "Antwort senden", "ltr"),
        ("de-DE", DESKTOP, "Ja, ich nehme teil", "Antwort senden", "ltr"),
        ("ar", PHONE, "نعم، سأحضر", "إرسال الرد", "rtl"),
        ("ar", DESKTOP, "نعم، سأحضر", "إرسال الرد", "rtl"),
    ],
)
async def test_a_person_answers_in_two_clicks(
    scene: Scene, locale: str, screen: dict[str, Any], yes: str, send: str, direction: str
) -> None:
    page = await scene.open(scene.link + "/accept", locale=locale, **screen)
    assert await page.locator("html").get_attribute("dir") == direction
    await page.get_by_label(yes).check()
    await page.get_by_role("button", name=send).click()
    await page.get_by_role("status").first.wait_for()
    assert (await scene.answers())[LEE] == "ACCEPTED"
    assert await page.locator("html").get_attribute("dir") == direction
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


async def test_without_script_everything_works(scene: Scene) -> None:
    page = await scene.open(scene.link, java_script_enabled=False)
    await page.get_by_label("No, I will not attend").check()
    await page.get_by_label("This answer is for").select_option(index=2)
    await page.get_by_role("button", name="Send answer").click()
    assert partstats((await scene.world.item()).ical, "20260622T100000")[LEE] == "DECLINED"
    await page.get_by_role("button", name="Undo").click()
    assert partstats((await scene.world.item()).ical, "20260622T100000")[LEE] == "NEEDS-ACTION"
    await page.get_by_role("link", name="Propose another time").click()
    await page.get_by_label("Begins").fill("2026-06-17T09:00")
    await page.get_by_label("Ends").fill("2026-06-17T10:00")
    await page.get_by_role("button", name="Send proposal").click()
    assert "Your proposal has been sent" in (await page.locator("h1").inner_text())
    await page.get_by_role("link", name="Back to the invitation").click()
    assert await page.get_by_role("button", name="Send answer").is_visible()


async def test_the_keyboard_is_enough(scene: Scene) -> None:
    page = await scene.open(scene.link)
    for _ in range(12):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.name") == "status":
            break
    await page.keyboard.press("ArrowDown")
    assert await page.evaluate("document.activeElement.value") == "tentative"
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    await page.keyboard.press("Enter")
    await page.get_by_role("status").first.wait_for()
    assert (await scene.answers())[LEE] == "TENTATIVE"


async def test_a_forgotten_choice_is_held_back_by_the_browser(scene: Scene) -> None:
    page = await scene.open(scene.link)
    await page.get_by_role("button", name="Send answer").click()
    assert await page.evaluate("document.querySelector('[name=status]').validity.valueMissing")
    assert page.url == scene.base + scene.link


async def test_language_and_zone_are_chosen_on_the_page(scene: Scene) -> None:
    page = await scene.open(scene.link)
    await page.get_by_text("Language and time zone").click()
    await page.get_by_label("Language").select_option("fr")
    await page.get_by_label("Your time zone").select_option("Asia/Tokyo")
    await page.get_by_role("button", name="Show").click()
    assert await page.locator("html").get_attribute("lang") == "fr"
    assert "17:00" in (await page.locator("dl").inner_text())


@pytest.mark.parametrize(
    ("zone", "locale", "said"),
    [
        ("America/New_York", "en-US", "Monday, June 15, 2026, 4:00 – 5:30 AM (Eastern Daylight Time)"),
        ("Asia/Tokyo", "de-DE", "Montag, 15. Juni 2026, 17:00–18:30 Uhr (Japanische Normalzeit)"),
        ("Europe/Rome", "en-US", None),  # the same time as the event's
    ],
)
async def test_the_page_says_the_time_in_the_browsers_own_zone(
    scene: Scene, zone: str, locale: str, said: str | None
) -> None:
    page = await scene.open(scene.link, timezone_id=zone, locale=locale)
    row = page.locator("dd[data-starts]")
    if said is None:
        assert not await row.is_visible()
        return
    text = " ".join((await row.inner_text()).split())
    assert text.replace(" at ", ", ").replace(" um ", ", ") == said
    assert await page.locator("dt:has(+ dd[data-starts])").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_on_any_page(scene: Scene, scheme: str) -> None:
    world = scene.world
    await world.answer(await world.link(SAM), "declined", comment="On holiday")
    form = (await world.get(scene.link + "/propose")).hidden()
    await world.post(scene.link + "/propose", start="2026-06-17T09:00", end="2026-06-17T10:00", **form)
    organizer = await world.link(DANA, "organizer")
    world.clock.advance(timedelta(minutes=5))
    await world.put(event(*(line.replace("20260615", "20260616") for line in SERIES)))
    await world.set(rsvp__allow_delegation=True)
    paths = [scene.link, scene.link + "/decline?lang=ar", scene.link + "/propose?lang=de", scene.link + "/not-me"]
    paths += [scene.link + "/delegate", organizer, organizer + "?lang=he", "/rsvp/nothing"]
    paths += [await world.way_out(LEE, purpose) for purpose in ("unsubscribe", "confirm")]
    for path in paths:
        for screen in (PHONE, DESKTOP):
            await scene.look(path, color_scheme=scheme, **screen)
    for path in (scene.link + "/propose", scene.link + "/not-me", scene.link):
        page = await scene.open(path, color_scheme=scheme)
        async with page.expect_navigation(wait_until="networkidle"):
            await page.evaluate("setTimeout(() => document.querySelector('form').submit())")  # past `required`
        assert await page.locator(".error").count() == 1, path
        assert await axe(page) == [], path
    await page.get_by_label("Yes, I will attend").check()
    await page.get_by_role("button", name="Send answer").click()
    await page.get_by_role("status").first.wait_for()
    assert await axe(page) == []
    await world.put(event(*SERIES, "STATUS:CANCELLED"))
    for path in (scene.link, organizer):
        await scene.look(path, color_scheme=scheme)
    await world.put(event(*MEETING, uid="u2"), uid="u2")
    link = await world.link(LEE)
    world.clock.advance(timedelta(days=30))
    await scene.look(link, color_scheme=scheme)
