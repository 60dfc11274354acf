# SPDX-License-Identifier: Apache-2.0
"""The method dispatcher: calls in order, references between them, errors in their place (RFC 8620 §3).

A method is a coroutine from a `Call` to the arguments of its response, or to several named responses. What it raises
becomes an `error` response of that call alone; the calls after it go on.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.errors import Deferred, Refused
from gateway.http.auth import Login
from gateway.http.jmap.errors import MethodError, RequestProblem
from gateway.http.jmap.references import Response, resolve_references
from gateway.http.jmap.request import Invocation, JmapRequest, parse_request
from gateway.jscalendar.values import Json
from gateway.metrics import Counter

_log = logging.getLogger(__name__)
_calls = Counter("imip_jmap_calls_total", "JMAP method calls by method and outcome.")

CORE = "urn:ietf:params:jmap:core"


@dataclass(frozen=True, slots=True)
class Call:
    """One method call about to be made. `created` holds the ids of objects created in this request so far."""

    name: str
    arguments: Json
    id: str
    login: Login
    using: frozenset[str]
    created: dict[str, str]


Answer = Json | Sequence[tuple[str, Json]]
Method = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class MethodEntry:
    """A method and the capability that a client must name to use it."""

    run: Method
    capability: str = CORE
    writes: bool = False


async def echo(call: Call) -> Answer:
    """Answer `Core/echo` (RFC 8620 §4)."""
    return call.arguments


class Core:
    """Answers requests from a table of methods."""

    def __init__(self, methods: Mapping[str, MethodEntry], *, max_calls: int, max_concurrent: int) -> None:
        self._methods = {"Core/echo": MethodEntry(echo), **methods}
        self._capabilities = frozenset(entry.capability for entry in self._methods.values())
        self._max_calls = max_calls
        self._max_concurrent = max_concurrent
        self._running: dict[str, int] = {}

    async def answer(self, body: bytes, login: Login, capabilities: frozenset[str], session_state: str) -> Json:
        """Answer one request of a caller who may use these capabilities.

        Raises:
            RequestProblem: the request as a whole cannot be answered.
        """
        request = parse_request(body, capabilities, self._max_calls)
        running = self._running.get(login.account.id, 0)
        if running >= self._max_concurrent:
            words = f"At most {self._max_concurrent} requests at once"
            raise RequestProblem("limit", words, limit="maxConcurrentRequests")
        self._running[login.account.id] = running + 1
        try:
            return await self._answer_calls(request, login, session_state)
        finally:
            self._running[login.account.id] -= 1
            if not self._running[login.account.id]:
                del self._running[login.account.id]

    async def _answer_calls(self, request: JmapRequest, login: Login, session_state: str) -> Json:
        created = dict(request.created_ids or {})
        responses: list[Response] = []
        for invocation in request.calls:
            responses += await self._answer_call(invocation, request.using, login, created, responses)
        answer: Json = {"methodResponses": [list(response) for response in responses], "sessionState": session_state}
        return answer if request.created_ids is None else {**answer, "createdIds": created}

    async def _answer_call(
        self,
        invocation: Invocation,
        using: frozenset[str],
        login: Login,
        created: dict[str, str],
        responses: Sequence[Response],
    ) -> list[Response]:
        name, outcome = invocation.name, "ok"
        try:
            entry = self._methods.get(name)
            if entry is None or entry.capability not in using:
                name = "unknown" if entry is None else name
                raise MethodError("unknownMethod", _unknown_words(invocation.name, entry))
            if entry.writes and login.read_only:
                raise MethodError("accountReadOnly", "This token may only read")
            arguments = resolve_references(invocation.arguments, responses)
            answer = await entry.run(Call(invocation.name, arguments, invocation.id, login, using, created))
            if isinstance(answer, dict):
                return [(invocation.name, answer, invocation.id)]
            return [(said, arguments, invocation.id) for said, arguments in answer]
        except MethodError as error:
            outcome = error.kind
            return [("error", error.arguments, invocation.id)]
        except Refused as error:
            outcome = "refused"
            return [("error", MethodError("invalidArguments", error.public).arguments, invocation.id)]
        except Deferred as error:
            outcome = "deferred"
            _log.warning("deferred", extra={"facts": {"method": name, "code": error.code, **error.context}})
            return [("error", MethodError("serverUnavailable", error.public).arguments, invocation.id)]
        except Exception:  # a bug of ours: the other calls of the request still get their answers
            outcome = "bug"
            _log.exception("a JMAP method failed", extra={"facts": {"method": name}})
            return [("error", MethodError("serverFail", "Internal trouble; try again later").arguments, invocation.id)]
        finally:
            _calls.add(method=name, outcome=outcome)


def _unknown_words(name: str, entry: MethodEntry | None) -> str:
    if entry is None:
        return f"There is no method {name[:100]}"
    return f"{name} needs {entry.capability} in using"
