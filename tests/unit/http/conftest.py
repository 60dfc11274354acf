# SPDX-License-Identifier: Apache-2.0
"""A gateway's context on SQLite with three accounts, and the HTTP application over it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
from starlette.applications import Starlette

from gateway.clock import SettableClock
from gateway.config import Config
from gateway.config.listeners import Listener
from gateway.flows.accounts import NewAccount, add_account
from gateway.flows.context import Context
from gateway.http.server import build_app, build_server
from gateway.ids import CountingIds
from gateway.store.accounts import Account, hash_password
from gateway.store.engine import Store
from tests.support.jmap import PASSWORD, JmapClient

_HASH = hash_password(PASSWORD, salt=b"\0" * 16)  # the slow part, once


@dataclass
class World:
    """Everything a test of the HTTP door needs."""

    context: Context
    app: Starlette
    clock: SettableClock
    accounts: dict[str, Account]
    client: Callable[..., JmapClient]


@pytest.fixture
async def world(store: Store, clock: SettableClock) -> AsyncIterator[World]:
    context = Context(
        store=store, clock=clock, ids=CountingIds(), config=Config(), secret=b"s" * 32,
        public_url="https://calendar.example.org",
    )  # fmt: skip
    accounts: dict[str, Account] = {}
    for name in ("ann", "bob", "eve", "root"):
        new = NewAccount(
            f"{name}@example.org", name.capitalize(), time_zone="Europe/Berlin", is_admin=name == "root",
            aliases=("ann.alias@example.org",) if name == "ann" else (),
        )  # fmt: skip
        account = await add_account(context, new)
        await store.write(lambda unit, i=account.id: unit.accounts.update(i, password_hash=_HASH))
        accounts[name] = account
    app = build_app(context)
    clients: list[JmapClient] = []

    def client(name: str = "ann", **options: object) -> JmapClient:
        made = JmapClient(app, f"{name}@example.org", accounts[name].id, **options)  # type: ignore[arg-type]
        clients.append(made)
        return made

    yield World(context, app, clock, accounts, client)
    for made in clients:
        await made.http.aclose()


@pytest.fixture
def ann(world: World) -> JmapClient:
    return world.client("ann")


@pytest.fixture
def bob(world: World) -> JmapClient:
    return world.client("bob")


@pytest.fixture
def eve(world: World) -> JmapClient:
    return world.client("eve")


@pytest.fixture
async def url(world: World) -> AsyncIterator[str]:
    """The application behind a real socket: where its session object is."""
    bound = socket.create_server(("127.0.0.1", 0))
    server = build_server(world.app, Listener(kind="http"))
    running = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{bound.getsockname()[1]}/.well-known/jmap"
    server.should_exit = True
    await running
