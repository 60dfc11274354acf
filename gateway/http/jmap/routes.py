# SPDX-License-Identifier: Apache-2.0
"""Where JMAP is: session, API, blobs and push as routes (RFC 8620 §2, §3, §6, §7)."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.errors import Refused
from gateway.flows.context import Context
from gateway.http.auth import Authenticator
from gateway.http.body import read_body
from gateway.http.jmap.blobs import Blobs
from gateway.http.jmap.core import Core
from gateway.http.jmap.errors import RequestProblem
from gateway.http.jmap.methods import build_methods
from gateway.http.jmap.push import EventSource
from gateway.http.jmap.session import build_session, capabilities_of
from gateway.http.problem import JsonResponse, problem

_PROBLEM = "urn:ietf:params:jmap:error:"


def routes(context: Context, authenticator: Authenticator) -> list[BaseRoute]:
    """Return the JMAP area."""
    http = context.config.http
    core = Core(
        build_methods(context), max_calls=http.max_calls_in_request, max_concurrent=http.max_concurrent_requests
    )

    async def session(request: Request) -> Response:
        login = await authenticator.login(request, "jmap")
        return JsonResponse(await context.store.read(lambda u: build_session(u, context, login, base_url(request))))

    async def api(request: Request) -> Response:
        login = await authenticator.login(request, "jmap")
        try:
            body = await _json_body(request, http.max_request_size)
            said = await context.store.read(lambda unit: build_session(unit, context, login, base_url(request)))
            return JsonResponse(await core.answer(body, login, capabilities_of(login), said["state"]))
        except RequestProblem as error:
            return problem(400, error.detail, kind=_PROBLEM + error.kind, **error.members)

    blobs, push = Blobs(context, authenticator), EventSource(context, authenticator)
    return [
        Route("/.well-known/jmap", session, methods=["GET"]),
        Route("/jmap", session, methods=["GET"]),
        Route("/jmap/", session, methods=["GET"]),
        Route("/jmap/session", session, methods=["GET"]),
        Route("/jmap", api, methods=["POST"]),
        Route("/jmap/", api, methods=["POST"]),
        Route("/jmap/upload/{account_id}/", blobs.upload, methods=["POST"]),
        Route("/jmap/download/{account_id}/{blob_id}/{name}", blobs.download, methods=["GET"]),
        Route("/jmap/eventsource/", push.listen, methods=["GET"]),
    ]


def base_url(request: Request) -> str:
    """Return scheme and host as the caller reached us; a trusted proxy's word for them is already in it."""
    return f"{request.url.scheme}://{request.url.netloc}"


async def _json_body(request: Request, limit: int) -> bytes:
    """Return the body of an API request.

    Raises:
        RequestProblem: `notJSON` for another media type, `limit` for more than maxSizeRequest.
    """
    declared = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if declared != "application/json":
        raise RequestProblem("notJSON", "The Content-Type of a request must be application/json")
    try:
        return await read_body(request, limit)
    except Refused as error:
        if error.code != "too-large":
            raise
        raise RequestProblem("limit", error.public, limit="maxSizeRequest") from None
