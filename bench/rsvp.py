# SPDX-License-Identifier: Apache-2.0
"""An answer storm after one mail: everybody opens the page, then answers, all at once and against one event.

The whole application under real concurrency, on SQLite, without the network. Times are what one guest waits with
`AT_ONCE` others in the queue. There is no peer to compare with: the reference rival answers on GET and stores less.
"""

import asyncio
import re
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from time import perf_counter

import httpx

from bench.measure import Line
from gateway.clock import SettableClock
from gateway.config import Config
from gateway.config.options import HttpOptions
from gateway.flows.accounts import NewAccount, add_account
from gateway.flows.calendar_change import ChangeRequest, change_object
from gateway.flows.context import Context
from gateway.flows.links import mint_link
from gateway.http.server import build_app
from gateway.ids import RandomIds
from gateway.itip.tree import parse_tree
from gateway.store.engine import open_store
from gateway.store.migrate import migrate
from gateway.store.unit import Unit
from policies.load import PolicySettings

AT_ONCE = 20
#: Guests of the event, and how many of them act in the measured minute.
STORMS = ((100, 100), (1_000, 60), (10_000, 40))


def run() -> list[Line]:
    """Measure every storm."""
    lines: list[Line] = []
    for guests, acting in STORMS:
        lines += asyncio.run(_storm(guests, acting))
    return lines


async def _storm(guests: int, acting: int) -> list[Line]:
    with tempfile.TemporaryDirectory() as folder:
        context = await _context(Path(folder))
        tokens = await _invite(context, guests, acting)
        app = build_app(context)
        clients = [
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app=app, client=(f"192.0.2.{n % 250}", 1)),
                base_url="https://calendar.test",
            )
            for n in range(AT_ONCE)
        ]
        nonces: dict[str, str] = {}

        async def look(client: httpx.AsyncClient, token: str) -> bool:
            page = await client.get(f"/rsvp/{token}/accept")
            nonces[token] = next(iter(re.findall(r'name="csrf" value="([^"]+)"', page.text)), "")
            return page.status_code == 200

        async def answer(client: httpx.AsyncClient, token: str) -> bool:
            given = {"status": "accepted", "csrf": nonces[token]}
            return (await client.post(f"/rsvp/{token}/accept", data=given)).status_code == 200

        looked = await _measured(clients, tokens, look)
        answered = await _measured(clients, tokens, answer)
        for client in clients:
            await client.aclose()
        await context.store.close()
        return [*_lines(f"GET,  {guests} guests", looked), *_lines(f"POST, {guests} guests", answered)]


async def _measured(
    clients: list[httpx.AsyncClient], tokens: list[str], act: Callable[[httpx.AsyncClient, str], Awaitable[bool]]
) -> tuple[list[float], int, float]:
    """Let everybody act; the seconds each waited, how many failed, and the seconds of all."""
    todo, waits, errors = list(tokens), [], 0

    async def one(client: httpx.AsyncClient) -> None:
        nonlocal errors
        while todo:
            token, began = todo.pop(), perf_counter()
            errors += not await act(client, token)
            waits.append(perf_counter() - began)

    began = perf_counter()
    await asyncio.gather(*map(one, clients))
    return waits, errors, perf_counter() - began


def _lines(what: str, measured: tuple[list[float], int, float]) -> list[Line]:
    waits, errors, total = measured
    cuts = quantiles(waits, n=100)
    return [
        Line(f"{what}: answered", len(waits) / total, "/s"),
        Line(f"{what}: half within", cuts[49] * 1000, "ms", note=f"{AT_ONCE} at once"),
        Line(f"{what}: 99 of 100 within", cuts[98] * 1000, "ms"),
        Line(f"{what}: errors", errors, "", 0, above=False),
    ]


async def _context(folder: Path) -> Context:
    url = f"sqlite+aiosqlite:///{folder}/gateway.db"
    await migrate(url)
    policy = PolicySettings()
    many = replace(policy, limits=replace(policy.limits, max_object_size=8 << 20, max_guests=20_000))
    config = Config(http=HttpOptions(rsvp_requests_per_minute=10**6), policy=many)
    return Context(
        store=open_store(url), clock=SettableClock(datetime(2026, 6, 1, 8, tzinfo=UTC)), ids=RandomIds(),
        config=config, secret=b"s" * 32, public_url="https://calendar.test",
    )  # fmt: skip


async def _invite(context: Context, guests: int, acting: int) -> list[str]:
    account = await add_account(context, NewAccount("dana@example.org", "Dana"))
    people = "".join(
        f"ATTENDEE;CN=Guest {n};RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:guest{n}@else.example\r\n" for n in range(guests)
    )
    text = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//EN\r\nBEGIN:VEVENT\r\nUID:storm\r\nDTSTAMP:20260601T080000Z\r\n"
        "DTSTART:20260701T080000Z\r\nDTEND:20260701T090000Z\r\nSUMMARY:Summer party\r\n"
        f"ORGANIZER:mailto:dana@example.org\r\n{people}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )

    def fn(unit: Unit) -> list[str]:
        request = ChangeRequest(account, parse_tree(text), send=False)
        item = change_object(unit, context, request).item
        assert item is not None
        expires_at = context.clock.now() + timedelta(days=90)
        urls = [
            mint_link(unit, context, "rsvp", item, f"guest{n}@else.example", expires_at=expires_at)
            for n in range(0, guests, guests // acting)
        ]
        return [url.rpartition("/")[2] for url in urls]

    return await context.store.write(fn)
