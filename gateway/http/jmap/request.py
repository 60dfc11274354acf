# SPDX-License-Identifier: Apache-2.0
"""A JMAP request from its bytes: I-JSON, the shape of RFC 8620 §3.3, and nothing believed before it is judged."""

import json
import re
from dataclasses import dataclass
from typing import Any

from gateway.http.jmap.errors import RequestProblem
from gateway.jscalendar.values import Json

_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Invocation:
    """One method call as it stands in the request."""

    name: str
    arguments: Json
    id: str


@dataclass(frozen=True, slots=True)
class JmapRequest:
    """A request whose shape is right. `created_ids` is None where the client did not ask for the map."""

    using: frozenset[str]
    calls: tuple[Invocation, ...]
    created_ids: dict[str, str] | None


def parse_request(body: bytes, known: frozenset[str], max_calls: int) -> JmapRequest:
    """Read a request.

    Raises:
        RequestProblem: `notJSON`, `notRequest`, `unknownCapability` or `limit` (RFC 8620 §3.6.1).
    """
    value = parse_json(body)
    if not isinstance(value, dict):
        raise RequestProblem("notRequest", "A request is an object")
    using, calls, created = value.get("using"), value.get("methodCalls"), value.get("createdIds")
    if not isinstance(using, list) or not all(isinstance(name, str) for name in using):
        raise RequestProblem("notRequest", "using must be an array of capability names")
    if not isinstance(calls, list):
        raise RequestProblem("notRequest", "methodCalls must be an array")
    if created is not None and not _is_id_map(created):
        raise RequestProblem("notRequest", "createdIds must map creation ids to ids")
    unknown = sorted(set(using) - known)
    if unknown:
        raise RequestProblem("unknownCapability", f"This server does not know {', '.join(unknown)[:300]}")
    if len(calls) > max_calls:
        raise RequestProblem("limit", f"A request may have {max_calls} method calls", limit="maxCallsInRequest")
    return JmapRequest(frozenset(using), tuple(map(_invocation, calls)), created)


def parse_json(body: bytes) -> Any:
    """Read I-JSON (RFC 7493): UTF-8, no member twice, no number beyond reach, no lone surrogate, not too deep.

    Raises:
        RequestProblem: `notJSON`.
    """
    try:
        text = body.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
        if _depth(value) > _MAX_DEPTH:
            raise ValueError("nested too deep")
        if "\\u" in text and _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
            raise ValueError("a lone surrogate")
    except (ValueError, RecursionError) as error:
        words = "nested too deep" if isinstance(error, RecursionError) else str(error)[:200]
        raise RequestProblem("notJSON", f"The request is not I-JSON: {words}") from None
    return value


def _invocation(call: Any) -> Invocation:
    match call:
        case [str(name), dict(arguments), str(call_id)]:
            return Invocation(name, arguments, call_id)
    raise RequestProblem("notRequest", "A method call is an array of name, arguments object and call id")


def _is_id_map(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(member, str) for member in value.values())


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice in an object")
    return members


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number is out of range")
    return number


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= _MAX_DEPTH:
        depth += 1
        level = [
            member
            for item in level
            if isinstance(item, dict | list)
            for member in (item.values() if isinstance(item, dict) else item)
        ]
    return depth
