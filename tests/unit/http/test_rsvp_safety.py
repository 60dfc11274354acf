# SPDX-License-Identifier: Apache-2.0
"""What strangers, scanners, other sites and guessers get from the pages of links: the same nothing."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from gateway.clock import SettableClock
from gateway.config.options import HttpOptions, WorkerOptions
from gateway.http.server import build_app
from gateway.store.engine import Store
from tests.support.calendars import partstats
from tests.support.rsvp import DANA, LEE, MEETING, PUBLIC, SAM, RsvpWorld, event

FORM = {"content-type": "application/x-www-form-urlencoded"}
HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}"


@pytest.fixture
async def world(store: Store, clock: SettableClock) -> RsvpWorld:
    return await RsvpWorld(store, clock).open()


@pytest.fixture
async def link(world: RsvpWorld) -> str:
    await world.put(event(*MEETING))
    return await world.link(LEE)


@pytest.mark.parametrize(
    "below", ["", "/", "/accept", "/decline", "/propose", "/not-me", "/event.ics", "/delegate", "?x=1"]
)
async def test_looking_changes_nothing_ever(world: RsvpWorld, link: str, below: str) -> None:
    before = await world.everything()
    for method in ("GET", "HEAD"):
        assert (await world.browser.request(method, link + below)).status_code == 200
    assert await world.everything() == before


async def test_every_wrong_token_gets_the_same_answer(world: RsvpWorld, link: str) -> None:
    sam, token = await world.link(SAM), link.rpartition("/")[2]
    await world.put(event(*MEETING, guests=(LEE,)))  # Sam's is revoked
    flipped = token[:-1] + ("A" if token[-1] != "A" else "B")
    wrong = [
        sam,
        f"/rsvp/{flipped}",
        f"/rsvp/{token[:20]}",
        f"/rsvp/{token}A",
        "/rsvp",
        "/rsvp/",
        "/rsvp/%00",
        "/rsvp/" + "A" * 4000,
    ]
    wrong += [
        f"/rsvp/{token.swapcase()}",
        "/rsvp/..%2f..%2fetc",
        "/rsvp/x%0d%0aX-Header:%20y",
        f"/rsvp/{sam.rpartition('/')[2]}/event.ics",
    ]
    answers = [(await world.get(path)).response for path in wrong]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert len({tuple(sorted(answer.headers.items())) for answer in answers}) == 1


async def test_posting_to_a_wrong_token_says_no_more(world: RsvpWorld, link: str) -> None:
    form = (await world.get(link)).hidden()
    answer = await world.post("/rsvp/" + "A" * 32, status="accepted", **form)
    assert answer.status == 404


@pytest.mark.parametrize("junk", [".", ">", ").", "%3E", "/accept.", "/accept%3E", "/decline),", "/accept%0d%0aX:y"])
async def test_what_mail_programs_drag_along_does_no_harm(world: RsvpWorld, link: str, junk: str) -> None:
    assert (await world.get(link + junk)).status == 200


async def test_a_post_without_our_form_stores_nothing(world: RsvpWorld, link: str) -> None:
    sam = await world.link(SAM)
    foreign = (await world.get(sam)).hidden()["csrf"]
    own = (await world.get(link)).hidden()["csrf"]
    version, issued, mac = own.split("-")
    wrong = ["", "x", foreign, f"{version}-{issued}-{'0' * 32}", f"{'0' * 16}-{issued}-{mac}", own + "0"]
    for csrf in wrong:
        assert (await world.post(link, status="accepted", csrf=csrf)).status == 403, csrf
    world.clock.advance(timedelta(hours=1, seconds=2))
    stale = await world.post(link, status="accepted", comment="I bring cake", csrf=own)
    assert (stale.status, "open for too long" in stale.text) == (403, True)
    assert ">\nI bring cake</textarea>" in stale.response.text  # nobody writes it twice
    assert partstats((await world.item()).ical)[LEE] == "NEEDS-ACTION"
    assert (await world.post(link, status="accepted", **stale.hidden())).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, 200),  # what our own page sends: it has no referrer
        ({"origin": "https://calendar.example.org"}, 200),
        ({}, 200),
    ],
)
async def test_other_sites_cannot_answer(world: RsvpWorld, link: str, headers: dict[str, str], status: int) -> None:
    form = (await world.get(link)).hidden()
    assert (await world.post(link, headers, status="accepted", **form)).status == status


@pytest.mark.parametrize(
    ("status", "request_of"),
    [
        (405, {"method": "PUT"}),
        (405, {"method": "DELETE"}),
        (405, {"method": "OPTIONS"}),
        (415, {"method": "POST", "json": {"status": "accepted"}}),
        (415, {"method": "POST", "files": {"status": (None, "accepted")}}),
        (413, {"method": "POST", "data": {"comment": "x" * 200_000}}),
        (400, {"method": "POST", "content": b"status=%ff%fe", "headers": FORM}),
        (400, {"method": "POST", "data": {f"n{i}": "x" for i in range(60)}}),
        (403, {"method": "POST", "data": {"status": "accepted"}}),
    ],
)  # fmt: skip
async def test_odd_requests_are_answered_in_kind(
    world: RsvpWorld, link: str, status: int, request_of: dict[str, object]
) -> None:
    before = await world.everything()
    answer = await world.browser.request(url=link, **request_of)  # type: ignore[arg-type]
    assert answer.status_code == status
    if status == 405:
        assert answer.headers["allow"] == "GET, HEAD, POST"
    assert await world.everything() == before


async def test_the_headers_keep_the_page_to_itself(world: RsvpWorld, link: str) -> None:
    for path in (link, "/rsvp/none", link + "/event.ics"):
        headers = (await world.get(path)).response.headers
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert "noindex" in headers["x-robots-tag"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in headers
    headers = (await world.get(link)).response.headers
    policy = headers["content-security-policy"]
    for part in (
        "default-src 'none'",
        "style-src 'sha256-",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ):
        assert part in policy
    assert "unsafe" not in policy
    assert headers["strict-transport-security"]
    assert headers["cross-origin-opener-policy"] == "same-origin"


async def test_nothing_on_the_page_names_a_host_or_the_token(world: RsvpWorld, link: str) -> None:
    """A proxy's prefix and a forged Host change nothing, and no link carries the token to another site."""
    page = (await world.browser.get(link + "/accept", headers={"host": "evil.example"})).text
    assert "evil.example" not in page
    assert link.rpartition("/")[2] not in page
    assert not re.findall(r'(?:href|src|action)="(?:https?:)?//', page)


async def test_hostile_words_stay_words(world: RsvpWorld) -> None:
    lines = [
        f"SUMMARY:{HOSTILE}",
        f"LOCATION:{HOSTILE}",
        f"DESCRIPTION:{HOSTILE}",
        "URL:javascript:alert(1)",
        *MEETING[:2],
    ]
    await world.put(
        event(*lines, "CONFERENCE;VALUE=URI:data:text/html,x", "CONFERENCE;VALUE=URI:https://meet.example/x")
    )
    link = await world.link(LEE)
    page = await world.answer(link + "?lang=<script>&tz=<script>", "accepted", comment=HOSTILE)
    again = await world.post(link, comment=HOSTILE, **page.hidden())
    organizer = await world.get(await world.link(DANA, "organizer"))
    for shown in (page, again, organizer):
        scripts = re.findall(r"<script[^>]*>[^<]*", shown.response.text.lower())
        assert all(re.fullmatch(r'<script src="[\w./-]+/\.\./zone\.js" defer>', script) for script in scripts)
        assert "javascript:" not in shown.response.text
        assert "data:text" not in shown.response.text
        assert "49" not in re.sub(r"[\d:]{4,}", "", shown.text)
    assert 'href="https://meet.example/x" rel="noreferrer noopener"' in page.response.text


async def test_a_hostile_comment_is_one_comment(world: RsvpWorld, link: str) -> None:
    comment = "one\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:sam@other.example\r\nEND:VEVENT\x00"
    assert (await world.answer(link, "declined", comment=comment)).status == 200
    found = partstats((await world.item()).ical)
    assert (found[LEE], found[SAM], len(found)) == ("DECLINED", "NEEDS-ACTION", 3)
    item = await world.item()
    status = await world.store.read(lambda unit: unit.guests.status(item.id, LEE))
    assert status.comment.startswith("one\nATTENDEE")


async def test_too_long_a_comment_is_said_and_not_cut(world: RsvpWorld, link: str) -> None:
    page = await world.answer(link, "accepted", comment="x" * 1001)
    assert (page.status, "This text is too long." in page.text) == (422, True)


async def test_guessing_is_slow_and_a_busy_company_is_not_shut_out(store: Store, clock: SettableClock) -> None:
    world = await RsvpWorld(store, clock).open()
    await world.put(event(*MEETING))
    link = await world.link(LEE)
    statuses = [(await world.get(f"/rsvp/{number:032d}")).status for number in range(61)]
    assert (statuses[:59].count(404), statuses[-1]) == (59, 429)
    refused = await world.get(link)
    assert refused.status == 429
    assert 1 <= int(refused.response.headers["retry-after"]) <= 60
    async with world.client("198.51.100.9") as elsewhere:
        assert (await elsewhere.get(link)).status_code == 200
    world.clock.advance(timedelta(minutes=1))
    assert (await world.get(link)).status == 200


async def test_one_link_can_be_asked_so_often_and_others_go_on(world: RsvpWorld, link: str) -> None:
    sam = await world.link(SAM)
    statuses = [(await world.get(link)).status for _ in range(31)]
    assert (statuses.count(200), statuses[-1]) == (30, 429)
    assert (await world.get(sam)).status == 200


async def test_limits_are_the_configured_ones(store: Store, clock: SettableClock) -> None:
    world = RsvpWorld(store, clock)
    world.config = replace(world.config, http=HttpOptions(rsvp_requests_per_link=2))
    await world.open()
    await world.put(event(*MEETING))
    link = await world.link(LEE)
    assert [(await world.get(link)).status for _ in range(3)] == [200, 200, 429]


async def test_one_link_sends_so_many_forms_in_an_hour(world: RsvpWorld, link: str) -> None:
    statuses = []
    for number in range(70):
        world.clock.advance(timedelta(seconds=5))
        form = (await world.get(link)).hidden()
        statuses.append((await world.post(link, status=("accepted", "declined")[number % 2], **form)).status)
    assert (statuses[0], statuses[-1]) == (200, 429)
    assert (await world.get(link)).status == 200


async def test_several_processes_share_the_limits(store: Store, clock: SettableClock) -> None:
    world = RsvpWorld(store, clock)
    world.config = replace(world.config, workers=WorkerOptions(processes=3))
    await world.open()
    await world.put(event(*MEETING))
    link = await world.link(LEE)
    statuses = [(await world.get(link)).status for _ in range(11)]
    assert (statuses.count(200), statuses[-1]) == (10, 429)


async def test_a_robot_that_presses_both_buttons_is_asked_again(world: RsvpWorld, link: str) -> None:
    await world.set(rsvp__burst_window="5s")
    form = (await world.get(link)).hidden()
    assert (await world.post(link, status="accepted", **form)).status == 200
    assert (await world.post(link, status="declined", **form)).status == 409
    assert partstats((await world.item()).ical)[LEE] == "ACCEPTED"
    world.clock.advance(timedelta(seconds=6))
    assert (await world.answer(link, "declined")).status == 200


async def test_a_new_secret_ends_no_link(store: Store, clock: SettableClock) -> None:
    world = await RsvpWorld(store, clock).open()
    await world.put(event(*MEETING))
    link = await world.link(LEE)
    form = (await world.get(link)).hidden()
    organizer = await world.answer(await world.link(SAM), "accepted") and await world.link(DANA, "organizer")
    world.context = replace(world.context, secret=b"another secret of thirty-two octets")
    world.app = build_app(world.context)
    world.browser = world.client()
    asked = await world.post(link, status="accepted", **form)
    assert asked.status == 403
    assert (await world.post(link, status="accepted", **asked.hidden())).status == 200
    assert (await world.get(organizer)).status == 200


async def test_our_own_bug_is_told_in_the_readers_language(world: RsvpWorld, link: str) -> None:
    await world.store.write(lambda unit: unit.connection.execute(sa.text("DROP TABLE links")))
    page = await world.get(link, **{"accept-language": "de"})
    assert (page.status, 'lang="de"' in page.response.text) == (503, True)
    assert page.response.headers["retry-after"]
    assert "Traceback" not in page.response.text


async def test_a_link_has_an_end(world: RsvpWorld) -> None:
    await world.set(scheduling__http_rsvp_link_expiry="1h", rsvp__longest_life="1d")
    await world.put(event(*MEETING))
    link = await world.link(LEE)
    world.clock.advance(timedelta(days=1, seconds=1))
    page = await world.get(link)
    assert (page.status, "This link has ended." in page.text, "Summer plans" in page.text) == (410, True, False)


async def test_an_operators_template_is_used_and_a_broken_one_is_not(world: RsvpWorld, link: str) -> None:
    own = (
        "<title>{{ page.title }}</title><h1>Ours</h1>{% for form in page.forms %}<form method=post></form>{% endfor %}"
    )
    await world.set(scheduling__http_rsvp_template=own)
    assert "<h1>Ours</h1>" in (await world.get(link)).response.text
    for broken in ("{{ page.nothing.at.all }}", "{{ ''.__class__.__mro__ }}", "{% for x in %}"):
        await world.set(scheduling__http_rsvp_template=broken)
        assert "Will you attend?" in (await world.get(link)).text


@pytest.mark.parametrize("prefix", ["", "/calendar", "/calendar/gate%20way"])
async def test_a_prefix_of_the_public_address_may_come_through_the_proxy_or_not(
    world: RsvpWorld, link: str, prefix: str
) -> None:
    world.app = build_app(replace(world.context, public_url=PUBLIC + prefix))
    world.browser = world.client()
    stripped, whole = [(await world.get(path)).response for path in (link, prefix + link)]
    assert (stripped.status_code, whole.status_code) == (200, 200)
    assert (await world.browser.get(f"{prefix}/rsvp/zone.js")).status_code == 200
    assert (await world.browser.get(f"{prefix}x{link}")).status_code == 404
    assert (await world.answer(prefix + link, "accepted")).status == 200
