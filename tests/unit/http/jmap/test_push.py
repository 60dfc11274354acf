# SPDX-License-Identifier: Apache-2.0
"""Push: a change made anywhere reaches whoever listens, and only what they may see."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.jmap import JmapClient
from tests.unit.http.conftest import World


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
