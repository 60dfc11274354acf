# SPDX-License-Identifier: Apache-2.0
"""Push: a change made anywhere reaches whoever listens, and only what they may see."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from gateway.flows.accounts import add_token
from tests.support.jmap import JmapClient
from tests.unit.http.conftest import World
from tests.unit.http.jmap.test_sharing import as_guest, share


async def events(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, Any]]:
    name = ""
    async for line in lines:
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


async def listen(client: JmapClient, url: str, query: str, ready: asyncio.Event) -> tuple[str, Any]:
    base = url.removesuffix("/.well-known/jmap")
    address = f"{base}/jmap/eventsource/?{query}"
    async with (
        httpx.AsyncClient(headers=client.http.headers, timeout=20) as http,
        http.stream("GET", address) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        assert (await anext(lines)).startswith(":")
        ready.set()
        async for found in events(lines):
            return found
    raise AssertionError("the stream ended")


async def test_a_change_is_pushed_to_its_account_alone(
    world: World, ann: JmapClient, bob: JmapClient, url: str
) -> None:
    ready = asyncio.Event()
    waiting = asyncio.create_task(listen(ann, url, "types=CalendarEvent&closeafter=state&ping=0", ready))
    await asyncio.wait_for(ready.wait(), 10)
    event = {"@type": "Event", "start": "2026-06-07T12:00:00"}
    await bob.call("CalendarEvent/set", create={"e": event})
    said = await ann.call("CalendarEvent/set", create={"e": event})
    name, change = await asyncio.wait_for(waiting, 20)
    assert name == "state"
    assert change == {"@type": "StateChange", "changed": {ann.account_id: {"CalendarEvent": said["newState"]}}}


@pytest.mark.parametrize("query", ["closeafter=never", "ping=soon", "ping=-1"])
async def test_bad_wishes_are_refused(ann: JmapClient, query: str) -> None:
    assert (await ann.http.get(f"/jmap/eventsource/?types=*&{query}")).status_code == 400


ALERTS = {
    "soon": {"@type": "Alert", "trigger": {"@type": "OffsetTrigger", "offset": "-PT10M"}},
    "mail": {"@type": "Alert", "action": "email", "trigger": {"@type": "OffsetTrigger", "offset": "PT0S"}},
    "fixed": {"@type": "Alert", "trigger": {"@type": "AbsoluteTrigger", "when": "2026-06-07T09:55:00Z"}},
}
EVENT = {
    "@type": "Event", "uid": "x", "start": "2026-06-06T12:00:00", "timeZone": "Europe/Berlin", "alerts": ALERTS,
    "recurrenceRule": {"frequency": "daily"},
}  # fmt: skip


@contextlib.asynccontextmanager
async def listening(client: JmapClient, url: str, query: str) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    address = f"{url.removesuffix('/.well-known/jmap')}/jmap/eventsource/?closeafter=no&ping=0&{query}"
    async with (
        httpx.AsyncClient(headers=client.http.headers, timeout=20) as http,
        http.stream("GET", address) as answer,
    ):
        lines = answer.aiter_lines()
        assert (await anext(lines)).startswith(":")
        yield events(lines)


async def test_an_alert_is_pushed_when_it_is_due(world: World, ann: JmapClient, url: str) -> None:
    world.clock.set(datetime(2026, 6, 7, 9, 45, tzinfo=UTC))
    made = (await ann.call("CalendarEvent/set", create={"e": EVENT}))["created"]["e"]["id"]
    await ann.call("CalendarEvent/set", create={"e": {**EVENT, "uid": "y", "isDraft": True}})
    async with (
        listening(ann, url, "types=CalendarAlert") as first,
        listening(ann, url, "types=*") as second,
        asyncio.timeout(20),
    ):
        pushed = []
        for minutes in (6, 11, 16):  # 9:50 the first, 9:55 the absolute one, 10:00 the mailed one
            world.clock.set(datetime(2026, 6, 7, 9, 45, tzinfo=UTC) + timedelta(minutes=minutes))
            pushed.append(await anext(first))
            assert await anext(second) == pushed[-1]
    assert [name for name, _ in pushed] == ["calendarAlert"] * 3
    alert = {"@type": "CalendarAlert", "accountId": ann.account_id, "calendarEventId": made, "uid": "x"}
    assert [data for _, data in pushed] == [
        {**alert, "recurrenceId": "2026-06-07T12:00:00", "alertId": "soon"},
        {**alert, "recurrenceId": None, "alertId": "fixed"},
        {**alert, "recurrenceId": "2026-06-07T12:00:00", "alertId": "mail"},
    ]


async def test_default_alerts_are_pushed_to_whom_they_belong(
    world: World, ann: JmapClient, bob: JmapClient, url: str
) -> None:
    calendar = await share(ann, bob, mayUpdatePrivate=True)
    event = {"@type": "Event", "uid": "z", "start": "2026-06-07T12:00:00", "timeZone": "Etc/UTC"}
    made = (await ann.call("CalendarEvent/set", create={"e": event}))["created"]["e"]["id"]
    guest = as_guest(world, "bob", ann)
    await guest.call("Calendar/set", update={calendar: {"defaultAlertsWithTime": {"d": ALERTS["soon"]}}})
    await guest.call("CalendarEvent/set", update={made: {"useDefaultAlerts": True}})
    await ann.call("CalendarEvent/set", update={made: {"alerts": {"a": ALERTS["mail"]}}})
    world.clock.set(datetime(2026, 6, 7, 11, 45, tzinfo=UTC))
    async with (
        listening(bob, url, "types=CalendarAlert") as to_bob,
        listening(ann, url, "types=CalendarAlert") as to_ann,
        asyncio.timeout(20),
    ):
        world.clock.set(datetime(2026, 6, 7, 12, 5, tzinfo=UTC))
        (_, bobs), (_, anns) = await anext(to_bob), await anext(to_ann)
    assert (bobs["accountId"], bobs["calendarEventId"], bobs["alertId"]) == (ann.account_id, made, "d")
    assert (anns["accountId"], anns["calendarEventId"], anns["alertId"]) == (ann.account_id, made, "a")


async def test_a_stream_ends_with_the_login_that_opened_it(world: World, ann: JmapClient, url: str) -> None:
    """A token that was taken back, or has come to its end, is told nothing more."""
    token, secret = await add_token(world.context, ann.account_id, "browser", ("jmap",))
    ready, bearer = asyncio.Event(), world.client()
    bearer.http.headers["Authorization"] = f"Bearer {secret}"
    waiting = asyncio.create_task(listen(bearer, url, "types=*&closeafter=no&ping=0", ready))
    await asyncio.wait_for(ready.wait(), 10)
    await world.context.store.write(lambda unit: unit.accounts.remove_token(token.id))
    await ann.call("CalendarEvent/set", create={"e": {"start": "2026-06-07T12:00:00"}})
    with pytest.raises(AssertionError, match="the stream ended"):
        await asyncio.wait_for(waiting, 20)
