# SPDX-License-Identifier: Apache-2.0
"""JMAP with many events: what a client does all day must cost with 10,000 events what it costs with 100.

The same calls in the same process on two accounts, one after the other; the ratio is the result.
"""

import asyncio
import base64
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter
from typing import Any

import httpx

from bench.measure import Line
from gateway.clock import SettableClock
from gateway.config import Config
from gateway.flows.accounts import NewAccount, add_account
from gateway.flows.context import Context
from gateway.http.server import build_app
from gateway.ids import RandomIds
from gateway.store.engine import open_store
from gateway.store.migrate import migrate
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit

FEW, MANY = 100, 10_000
ROUNDS = 15
START = datetime(2026, 1, 1, 8, tzinfo=UTC)
USING = ["urn:ietf:params:jmap:core", "urn:ietf:params:jmap:calendars"]
TEXT = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n"
    "DTSTART:{start:%Y%m%dT%H%M%SZ}\r\nDURATION:PT1H\r\nSUMMARY:Meeting {number}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
WINDOW = {"after": "2026-01-10T00:00:00", "before": "2026-01-11T00:00:00"}


def run() -> list[Line]:
    """Measure every call on both accounts."""
    return asyncio.run(_measure())


async def _measure() -> list[Line]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{folder}/gateway.db"
        await migrate(url)
        context = Context(
            store=open_store(url), clock=SettableClock(START), ids=RandomIds(), config=Config(), secret=b"s" * 32
        )
        app = build_app(context)
        few, many = [await _client(context, app, count) for count in (FEW, MANY)]
        lines = []
        for what, act in CALLS.items():
            await act(few), await act(many)
            pairs = [(await _timed(act, few), await _timed(act, many)) for _ in range(ROUNDS)]
            ratio = median(slow / quick for quick, slow in pairs)
            quick, slow = (1000 * median(times) for times in zip(*pairs, strict=True))
            note = f"{quick:.1f} ms and {slow:.1f} ms"
            lines.append(Line(what, ratio, f"times, {MANY:,} events to {FEW}", goal=1.5, above=False, note=note))
        await context.store.close()
        return lines


async def _timed(act: Callable[["_Client"], Awaitable[object]], client: "_Client") -> float:
    began = perf_counter()
    await act(client)
    return perf_counter() - began


class _Client:
    """One account's calls into the application."""

    def __init__(self, http: httpx.AsyncClient, account_id: str) -> None:
        self._http = http
        self._account_id = account_id
        self.state = "0"
        self.event = ""

    async def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        calls = [[method, {"accountId": self._account_id, **arguments}, "c"]]
        answer = await self._http.post("/jmap/", json={"using": USING, "methodCalls": calls})
        name, said, _ = answer.json()["methodResponses"][0]
        if name != method:
            raise RuntimeError(f"{method}: {said}")
        return dict(said)


async def _create(client: _Client) -> None:
    event = {"@type": "Event", "title": "New", "start": "2027-01-01T12:00:00", "timeZone": "Europe/Berlin"}
    said = await client.call("CalendarEvent/set", create={"e": event})
    client.event = said["created"]["e"]["id"]


async def _update(client: _Client) -> None:
    await client.call("CalendarEvent/set", update={client.event: {"title": f"New at {perf_counter()}"}})


async def _changes(client: _Client) -> None:
    said = await client.call("CalendarEvent/changes", sinceState=client.state, maxChanges=100)
    while said["hasMoreChanges"]:
        said = await client.call("CalendarEvent/changes", sinceState=said["newState"])
    client.state = said["newState"]


CALLS: dict[str, Callable[[_Client], Awaitable[object]]] = {
    "query, one day": lambda client: client.call("CalendarEvent/query", filter=WINDOW),
    "query, one day, expanded": lambda c: c.call("CalendarEvent/query", filter=WINDOW, expandRecurrences=True),
    "query by uid": lambda client: client.call("CalendarEvent/query", filter={"uid": "bench-50"}),
    "set, create": _create,
    "set, update": _update,
    "changes": _changes,
}


async def _client(context: Context, app: Any, count: int) -> _Client:
    address = f"bench{count}@example.org"
    account = await add_account(context, NewAccount(address, password="bench"))

    def fill(unit: Unit) -> None:
        calendar = unit.calendars.default(account.id)
        assert calendar is not None
        for number in range(count):
            start = (
                START + timedelta(days=number % FEW, minutes=number // FEW)
                if number < FEW
                else START + timedelta(days=FEW + number)
            )
            uid = f"bench-{number}"
            text = TEXT.format(uid=uid, start=start, number=number)
            item = StoredObject(
                context.ids.row("evt"), account.id, uid, "VEVENT", text, f"Meeting {number}", uid, START, START,
                starts_at=start, ends_at=start + timedelta(hours=1),
            )  # fmt: skip
            unit.objects.add(item, [(calendar.id, f"{uid}.ics")])

    await context.store.write(fill)
    basic = base64.b64encode(f"{address}:bench".encode()).decode()
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 1))
    http = httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1", headers={"Authorization": f"Basic {basic}"}
    )
    return _Client(http, account.id)
