# SPDX-License-Identifier: Apache-2.0
"""Result references: `#name` arguments that stand for a part of an earlier response (RFC 8620 §3.7)."""

import re
from collections.abc import Sequence
from typing import Any

from gateway.http.jmap.errors import MethodError
from gateway.jscalendar.patch import split_pointer
from gateway.jscalendar.values import Json

Response = tuple[str, Json, str]
_MAX_RESULTS = 100_000
_INDEX = re.compile(r"(0|[1-9][0-9]{0,8})\Z")  # RFC 6901 §4


def resolve_references(arguments: Json, responses: Sequence[Response]) -> Json:
    """Return the arguments with every `#name` replaced by what it refers to.

    Raises:
        MethodError: `invalidArguments` or `invalidResultReference`.
    """
    if not any(name.startswith("#") for name in arguments):
        return arguments
    resolved: Json = {}
    for name, value in arguments.items():
        plain = name.removeprefix("#")
        if plain in resolved or (plain != name and plain in arguments):
            raise MethodError("invalidArguments", f"{plain} is given twice")
        resolved[plain] = value if plain == name else _referred(value, responses)
    return resolved


def _referred(reference: Any, responses: Sequence[Response]) -> Any:
    match reference:
        case {"resultOf": str(call_id), "name": str(name), "path": str(path)} if path == "" or path.startswith("/"):
            pass
        case _:
            raise MethodError("invalidResultReference", "A reference has resultOf, name and a path that begins with /")
    for said, arguments, answered in responses:
        if answered == call_id:
            if said != name:
                raise MethodError("invalidResultReference", f"The first response to {call_id} is {said}, not {name}")
            return arguments if not path else _walk(arguments, split_pointer(path[1:]))
    raise MethodError("invalidResultReference", f"There is no response to {call_id}")


def _walk(value: Any, parts: tuple[str, ...]) -> Any:
    for at, part in enumerate(parts):
        if isinstance(value, list) and part == "*":
            return _flattened(_walk(item, parts[at + 1 :]) for item in value)
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and _INDEX.match(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            raise MethodError("invalidResultReference", f"The path leads nowhere at {part!r}")
    return value


def _flattened(results: Any) -> list[Any]:
    """`*` gathers; where each result is an array itself its items are taken (RFC 8620 §3.7)."""
    flat: list[Any] = []
    for result in results:
        flat.extend(result if isinstance(result, list) else (result,))
        if len(flat) > _MAX_RESULTS:
            raise MethodError("invalidResultReference", "The reference gives too much")
    return flat
