# SPDX-License-Identifier: Apache-2.0
"""The composition root: configuration -> adapters -> flows -> listeners and workers; the order of start and stop.

Start: secret, schema, store, next hop, sockets bound, flows, doors open, workers. Stop: doors take no new
connection and finish the mails at hand, workers finish their run, the next hop is left, the store closes last.
"""

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import uvicorn

from gateway.authn.resolver import DnsResolver, Resolver
from gateway.clock import Clock, SystemClock
from gateway.config import Config, Listener
from gateway.config.listeners import is_within
from gateway.doors import smtp_listener
from gateway.errors import Misconfigured
from gateway.flows.bounces import bounce_token
from gateway.flows.context import Context
from gateway.flows.incoming_mail import examine
from gateway.flows.logins import addresses_of_login
from gateway.flows.templates import load_templates
from gateway.http.server import build_app, build_server
from gateway.ids import Ids, RandomIds
from gateway.imip.mail import Direction, Disposition, Mail
from gateway.imip.scan import may_hold_calendar
from gateway.milter.listener import MilterListener
from gateway.milter.session import MilterServices
from gateway.relay.hop import Relay
from gateway.relay.opening import configured_relay
from gateway.smtp.listener import SmtpListener
from gateway.sockets import bind_unix
from gateway.store.engine import open_store
from gateway.store.migrate import migrate
from gateway.workers.jobs import Workers, make_workers

SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Bound:
    """A door that is open: its kind and the address it got."""

    kind: str
    address: str


@dataclass(frozen=True, slots=True)
class Running:
    """The whole program while it runs."""

    context: Context
    relay: Relay
    workers: Workers
    bound: tuple[Bound, ...]

    def address(self, kind: str) -> str:
        """Return where the first door of a kind listens."""
        return next(door.address for door in self.bound if door.kind == kind)


@dataclass(frozen=True, slots=True)
class _Door:
    """One listener as start and stop see it."""

    kind: str
    address: Callable[[], str]
    stop: Callable[[float], Awaitable[None]]


async def open_context(
    config: Config,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    public_url: str | None = None,
    wake: Callable[[], None] = lambda: None,
) -> Context:
    """Open the store (bringing its schema up to date) and the secret, and give what every flow needs.

    Raises:
        Misconfigured: a folder, a mail template or the secret file cannot be used.
        Deferred: the database cannot be reached.
    """
    templates = load_templates(config.mail.templates_dir)
    url = store_url(config)
    secret = load_secret(config)
    await migrate(url)
    return Context(
        store=open_store(url, pool_size=config.store.pool_size),
        clock=clock or SystemClock(),
        ids=ids or RandomIds(),
        config=config,
        secret=secret,
        public_url=public_url or config.public_url,
        templates=templates,
        wake=wake,
    )


@contextlib.asynccontextmanager
async def serving(
    config: Config, *, clock: Clock | None = None, ids: Ids | None = None, resolver: Resolver | None = None
) -> AsyncIterator[Running]:
    """Run every configured listener and worker for as long as the block lasts, then drain.

    Raises:
        Misconfigured: something cannot be opened or bound; nothing runs then.
        Deferred: the database cannot be reached.
    """
    sockets = {listener: _http_socket(listener) for listener in config.listeners if listener.kind == "http"}
    public_url = config.public_url or next((f"http://{_name(bound)}" for bound in sockets.values()), None)
    waking: list[Callable[[], None]] = []  # the workers need the context, and the context their wake-up

    def wake() -> None:
        for call in waking:
            call()

    context = await open_context(config, clock=clock, ids=ids, public_url=public_url, wake=wake)
    hops = {url: next_hop(url, config, context.clock) for url in (None, *(each.next_hop for each in config.listeners))}
    relay = hops[None]
    names = resolver or DnsResolver(config.authn.dns_servers, timeout=config.authn.dns_timeout.total_seconds())
    workers = make_workers(context, relay, f"{socket.gethostname()}:{os.getpid()}")
    waking.append(workers.wake)
    doors: list[_Door] = []
    grace = config.gateway.drain_timeout.total_seconds()
    try:
        async with asyncio.TaskGroup() as tasks:
            try:
                for listener in config.listeners:
                    flow = partial(examine, context, names)
                    doors.append(
                        await _open_door(listener, context, hops[listener.next_hop], flow, sockets.get(listener), tasks)
                    )
                for worker in workers.all:
                    tasks.create_task(worker.run(), name=f"worker-{worker.name}")
                yield Running(context, relay, workers, tuple(Bound(door.kind, door.address()) for door in doors))
            finally:
                await asyncio.gather(*(door.stop(grace) for door in doors))
                workers.stop()
    except BaseExceptionGroup as group:  # one cause is told as itself, not as a group of one
        raise group.exceptions[0] if len(group.exceptions) == 1 else group from None
    finally:
        for hop in hops.values():
            await hop.close()
        await context.store.close()


def next_hop(url: str | None, config: Config, clock: Clock | None = None) -> Relay:
    """Return where mail goes on to: the relay, or what a door names instead (without the relay's login).

    Raises:
        Misconfigured: the url cannot be used.
    """
    options = config.relay
    if url is not None:
        options = replace(options, url=url, tls=None, username=None, password_file=None)
    return configured_relay(options, hostname=config.gateway.hostname, clock=clock)


async def _open_door(
    listener: Listener,
    context: Context,
    relay: Relay,
    flow: Callable[[Mail], Awaitable[Disposition]],
    bound: socket.socket | None,
    tasks: asyncio.TaskGroup,
) -> _Door:
    if bound is not None:
        bound.listen()  # whoever reads our ready line may come before the server's task has begun
        server = build_server(build_app(context), listener, drain=context.config.gateway.drain_timeout)
        tasks.create_task(server.serve(sockets=[bound]), name="http")
        return _Door("http", partial(_name, bound), partial(_stop_http, server))
    if listener.kind == "milter":
        shared = context.config.workers.processes != 1
        milter = MilterListener(listener, _milter_services(listener, context, flow), shared=shared)
        await milter.start()
        return _Door("milter", lambda: milter.address, milter.stop)
    smtp: SmtpListener = smtp_listener(listener, context, relay, flow)
    await smtp.start()
    return _Door(listener.kind, lambda: smtp.address, smtp.drain)


def _milter_services(
    listener: Listener, context: Context, flow: Callable[[Mail], Awaitable[Disposition]]
) -> MilterServices:
    networks = tuple(ip_network(network) for network in listener.peers)
    return MilterServices(
        examine=flow,
        may_hold_calendar=may_hold_calendar,
        is_ours=lambda address: bounce_token(context, address) is not None,
        addresses_of_login=partial(addresses_of_login, context),
        new_id=lambda: context.ids.row("m"),
        direction=Direction(listener.direction),
        max_message_size=listener.max_message_size,
        admits=lambda address: is_within(address, networks),
    )


async def _stop_http(server: uvicorn.Server, grace: float) -> None:
    server.should_exit = True


def _http_socket(listener: Listener) -> socket.socket:
    """Bind before anything else starts: links in mails need the port."""
    where = listener.address
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    bound = None
    try:
        if where.path:
            bound = bind_unix(where.path, int(listener.socket_mode, 8))
        else:
            bound = socket.socket(family, socket.SOCK_STREAM)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # other processes of ours may share it
            bound.bind((where.host, where.port))
    except OSError as error:
        if bound is not None:
            bound.close()
        raise Misconfigured("listen", f"Cannot listen on {listener.listen}: {error.strerror}") from error
    bound.setblocking(False)
    return bound


def _name(bound: socket.socket) -> str:
    if bound.family == socket.AF_UNIX:
        return f"unix:{bound.getsockname()}"
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def store_url(config: Config) -> str:
    """Return the database's URL: the configured one, or SQLite in the data folder."""
    return config.store.url or f"sqlite+aiosqlite:///{config.gateway.data_dir / 'gateway.db'}"


def load_secret(config: Config) -> bytes:
    """Read the instance's secret; on first start make it, readable by us alone.

    Raises:
        Misconfigured: `secret-file` when it cannot be read or made, or is too short.
    """
    path = config.gateway.secret_file
    if path == Path():
        path = config.gateway.data_dir / "secret"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
        else:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                secret = secrets.token_bytes(SECRET_BYTES)
                file.write(secret.hex() + "\n")
                file.flush()
                os.fsync(file.fileno())
    except (OSError, ValueError) as error:
        raise Misconfigured("secret-file", f"The secret file {path} cannot be used: {error}") from error
    if len(secret) < SECRET_BYTES:
        raise Misconfigured("secret-file", f"The secret in {path} is shorter than {SECRET_BYTES} bytes")
    return secret
