# SPDX-License-Identifier: Apache-2.0
"""What all pages of links share: one ASGI endpoint for each purpose that turns a request into a response, always HTML.

Every method comes here, so that 405 looks like our pages; every expected failure ends in a page of its own.
"""

import logging
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.errors import Deferred, GatewayError, Refused
from gateway.flows.context import Context
from gateway.http.problem import problem_for
from gateway.http.rsvp.dead_end import SENTENCES, dead_end
from gateway.http.rsvp.guard import Guard, Path, is_secure, parse_path
from gateway.http.rsvp.reader import Reader, choose_reader
from gateway.http.rsvp.render import Look, respond
from gateway.metrics import Histogram
from gateway.replies import reply_for

_log = logging.getLogger(__name__)
_seconds = Histogram(
    "imip_rsvp_seconds", "Time to answer a request to a page of a link.", (0.005, 0.02, 0.05, 0.2, 1.0, 5.0)
)
#: A comment of the longest kind, three octets for each octet of it, and the rest of the form.
BODY_LIMIT = 128 * 1024


class Door:
    """One kind of page. A subclass says what GET shows and what POST does."""

    methods: tuple[str, ...] = ("GET", "HEAD", "POST")

    def __init__(self, context: Context, guard: Guard) -> None:
        self.context = context
        self.guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path = parse_path(str(request.path_params.get("rest", "")))
        begun = self.context.clock.now()
        response = await self._answer(request, path)
        _seconds.observe((self.context.clock.now() - begun).total_seconds())
        await response(scope, receive, send)

    async def _answer(self, request: Request, path: Path) -> Response:
        try:
            if request.method not in self.methods:
                raise Refused("method-not-allowed", "Method not allowed")
            self.guard.admit(request, path.token)
            if request.method == "POST":
                return await self.post(request, path)
            return await self.get(request, path)
        except GatewayError as error:
            return self.fail(request, error)
        except Exception as error:  # a bug of ours: told as such to us, and in their language to whoever reads
            problem_for(error)
            return self.fail(request, Deferred("internal", "Internal trouble; try again later"))

    async def get(self, request: Request, path: Path) -> Response:
        """Show the page; changes nothing, ever (RFC 9110 §9.2.1)."""
        raise NotImplementedError

    async def post(self, request: Request, path: Path) -> Response:
        """Do what the form says."""
        raise NotImplementedError

    def fail(self, request: Request, error: GatewayError) -> Response:
        """Answer an expected failure with a page."""
        status = reply_for(error).http
        if error.code == "not-found":
            self.guard.miss(request)
        if isinstance(error, Deferred):
            _log.warning("deferred", extra={"facts": {"code": error.code, **error.context}})
        reader = self.stranger(request)
        headers: dict[str, str] = {}
        if status in (429, 503):
            headers["Retry_After"] = str(error.context.get("seconds", 15))
        if status == 405:
            headers["Allow"] = ", ".join(self.methods)
        shown = status if status in SENTENCES else 400
        return respond(dead_end(reader, shown), Look(), status, secure=is_secure(request), **headers)

    def stranger(self, request: Request) -> Reader:
        """Return a reader of whom nothing is known."""
        return choose_reader(
            chosen(request.query_params),
            known="",
            accepted=request.headers.get("accept-language", ""),
            otherwise=self.context.config.mail.default_locale,
        )


def chosen(given: Mapping[str, str]) -> dict[str, str]:
    """Return what was chosen on the page, from a query or a form."""
    return {name: given.get(name, "")[:64] for name in ("lang", "tz")}
