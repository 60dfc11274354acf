# SPDX-License-Identifier: Apache-2.0
"""Filters of /query: FilterOperator trees over a type's conditions, compiled once to a predicate (RFC 8620 §5.5)."""

from collections.abc import Callable
from typing import Any

from gateway.http.jmap.errors import MethodError
from gateway.jscalendar.values import Json

Predicate = Callable[[Any], bool]
#: Makes a predicate of one condition, or None where the type knows no such condition or the value is wrong.
Condition = Callable[[str, Any], Predicate | None]

_MAX_NODES = 200


def compile_filter(filter_: Json | None, condition: Condition) -> Predicate:
    """Return a predicate for a filter; no filter keeps everything.

    Raises:
        MethodError: `unsupportedFilter` for an unknown condition, `invalidArguments` for a malformed operator.
    """
    nodes = [0]
    return _compile(filter_ or {}, condition, nodes)


def _compile(node: Json, condition: Condition, nodes: list[int]) -> Predicate:
    nodes[0] += 1
    if nodes[0] > _MAX_NODES:
        raise MethodError("unsupportedFilter", f"A filter may have {_MAX_NODES} parts")
    if "operator" in node:
        return _operator(node, condition, nodes)
    tests = [_one(name, value, condition) for name, value in node.items() if value is not None]
    return lambda item: all(test(item) for test in tests)


def _operator(node: Json, condition: Condition, nodes: list[int]) -> Predicate:
    match node:
        case {"operator": "AND" | "OR" | "NOT" as operator, "conditions": list(conditions)} if len(node) == 2:
            pass
        case _:
            raise MethodError("invalidArguments", "A filter operator is AND, OR or NOT with conditions")
    if not all(isinstance(each, dict) for each in conditions):
        raise MethodError("invalidArguments", "Conditions are objects")
    tests = [_compile(each, condition, nodes) for each in conditions]
    if operator == "AND":
        return lambda item: all(test(item) for test in tests)
    if operator == "OR":
        return lambda item: any(test(item) for test in tests)
    return lambda item: not any(test(item) for test in tests)


def _one(name: str, value: Any, condition: Condition) -> Predicate:
    test = condition(name, value)
    if test is None:
        raise MethodError("unsupportedFilter", f"This condition is not understood: {name[:100]}")
    return test


def bad_value(name: str, known: frozenset[str]) -> Predicate | None:
    """Refuse the value of a condition that the type knows; None for one that it does not know.

    Raises:
        MethodError: `invalidArguments`.
    """
    if name in known:
        raise MethodError("invalidArguments", f"This is no value of the condition {name}", arguments=["filter"])
    return None
