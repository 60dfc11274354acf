# SPDX-License-Identifier: Apache-2.0
"""Live, ready, metrics: for the machine's own probes and scrapers."""

import ipaddress

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.errors import GatewayError
from gateway.flows.context import Context
from gateway.metrics import exposition


def routes(context: Context) -> list[Route]:
    """Return /healthz, /readyz and /metrics."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        try:
            await context.store.read(lambda unit: unit.accounts.domains())
        except GatewayError:
            return PlainTextResponse("the store is not available\n", 503)
        return PlainTextResponse("ok\n")

    async def metrics(request: Request) -> Response:
        if not _is_among(request, context.config.http.metrics_peers):
            return PlainTextResponse("not found\n", 404)
        return PlainTextResponse(exposition(), media_type="text/plain; version=0.0.4")

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]


def _is_among(request: Request, networks: tuple[str, ...]) -> bool:
    if request.client is None:
        return True
    try:
        address = ipaddress.ip_address(request.client.host.partition("%")[0])
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network, strict=False) for network in networks)
