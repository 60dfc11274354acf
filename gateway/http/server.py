# SPDX-License-Identifier: Apache-2.0
"""The HTTP door: one ASGI application made of areas, and the uvicorn server that carries it.

An area is a list of routes. What leaves a route as an exception is answered here, in one place, as a problem
document; nothing of ours is ever told to strangers.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import unquote, urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.config.listeners import Listener
from gateway.errors import Deferred, GatewayError
from gateway.flows.context import Context
from gateway.http import health, jmap, rsvp
from gateway.http.auth import Authenticator
from gateway.http.patience import patient
from gateway.http.problem import problem_for

_log = logging.getLogger(__name__)

#: Longest wait for the head of a request.
HEAD_SECONDS = 30.0
#: Paths whose answer goes on for as long as the client listens.
STREAMS = ("/jmap/eventsource/",)


def build_app(context: Context, areas: Sequence[Sequence[BaseRoute]] = ()) -> Starlette:
    """Return the application: health and JMAP, and the areas that the composition root adds."""
    authenticator = Authenticator(context)
    own: list[BaseRoute] = [*health.routes(context), *jmap.routes(context, authenticator), *rsvp.routes(context)]
    app = Starlette(
        routes=[*own, *(route for area in areas for route in area)],
        middleware=_middleware(context),
        exception_handlers={GatewayError: _answer_error, Exception: _answer_error},
    )
    app.router.redirect_slashes = False
    return app


def build_server(app: ASGIApp, listener: Listener, *, drain: timedelta = timedelta(seconds=10)) -> uvicorn.Server:
    """Return a server for sockets that are bound already: `await server.serve(sockets=[...])`."""
    config = uvicorn.Config(
        app,
        http=patient(min(listener.command_timeout.total_seconds(), HEAD_SECONDS)),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=True,
        forwarded_allow_ips=list(listener.trusted_proxies),
        limit_concurrency=listener.max_sessions,
        timeout_keep_alive=int(min(listener.command_timeout.total_seconds(), 75)),
        timeout_graceful_shutdown=int(drain.total_seconds()),
        ssl_certfile=str(listener.tls_cert) if listener.tls == "implicit" and listener.tls_cert else None,
        ssl_keyfile=str(listener.tls_key) if listener.tls == "implicit" and listener.tls_key else None,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # signals belong to app.py
    return server


def _middleware(context: Context) -> list[Middleware]:
    http = context.config.http
    found = [Middleware(Deadline, timeout=http.request_timeout)]
    if http.cors_origins:
        found.insert(
            0,
            Middleware(
                CORSMiddleware,
                allow_origins=list(http.cors_origins),
                allow_methods=["GET", "POST", "OPTIONS"],
                allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
                max_age=3600,
            ),
        )
    prefix = unquote(urlsplit(context.public_url or "").path.rstrip("/"))
    return [Middleware(Prefix, prefix=prefix), *found] if prefix else found


class Prefix:
    """Takes the path of the public address off a request, where the proxy before us has not done so already."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path == self._prefix or path.startswith(f"{self._prefix}/"):
            scope = {**scope, "path": path.removeprefix(self._prefix) or "/"}
        await self._app(scope, receive, send)


class Deadline:
    """Ends a request that takes too long, slow bodies included; streams are left alone."""

    def __init__(self, app: ASGIApp, timeout: timedelta) -> None:
        self._app = app
        self._timeout = timeout.total_seconds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(STREAMS):
            await self._app(scope, receive, send)
            return
        begun = False

        async def sending(message: object) -> None:
            nonlocal begun
            begun = True
            await send(message)  # type: ignore[arg-type]  # passed through as it came

        try:
            async with asyncio.timeout(self._timeout):
                await self._app(scope, receive, sending)
        except TimeoutError:
            if begun:
                raise
            await problem_for(Deferred("store-busy", "This took too long; try again"))(scope, receive, send)


async def _answer_error(_: Request, error: Exception) -> Response:
    return problem_for(error)
