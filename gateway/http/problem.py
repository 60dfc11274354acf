# SPDX-License-Identifier: Apache-2.0
"""Errors as problem details (RFC 9457): what `gateway.replies` says of an error, in HTTP's words."""

import json
import logging
from typing import Any

from starlette.responses import Response

from gateway.errors import Deferred, GatewayError
from gateway.metrics import Counter
from gateway.replies import reply_for

_log = logging.getLogger(__name__)
_troubles = Counter("imip_http_troubles_total", "Requests answered 503 for trouble of our own.")

_RETRY_AFTER = {429: "30", 503: "15"}


class JsonResponse(Response):
    """JSON in UTF-8 that no browser may sniff, cache or frame."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200, *, headers: dict[str, str] | None = None, **more: Any):
        safe = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})}
        super().__init__(content, status_code, safe, **more)

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def problem(status: int, detail: str, *, kind: str = "about:blank", **members: object) -> JsonResponse:
    """Return a problem document; `kind` is its type URI."""
    body = {"type": kind, "status": status, "detail": detail, **members}
    retry = {"Retry-After": _RETRY_AFTER[status]} if status in _RETRY_AFTER else {}
    return JsonResponse(body, status, headers=retry, media_type="application/problem+json")


def problem_for(error: BaseException) -> JsonResponse:
    """Return the answer to an exception; what is not of our tree is a bug: a traceback for us, 503 for the caller."""
    reply = reply_for(error)
    if not isinstance(error, GatewayError):
        _troubles.add()
        _log.error("unexpected failure", exc_info=error)
    elif isinstance(error, Deferred):
        _troubles.add()
        _log.warning("deferred", extra={"facts": {"code": error.code, **error.context}})
    code = error.code if isinstance(error, GatewayError) else "internal"
    answer = problem(reply.http, reply.text, code=code)
    if reply.http == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="calendar", charset="UTF-8"'
    return answer
