# SPDX-License-Identifier: Apache-2.0
"""Arguments of a method, read once and by type; what is wrong or unknown is named, never ignored (RFC 8620 §3.6.2)."""

from collections.abc import Callable
from typing import Any, TypeVar

from gateway.http.jmap.core import Call
from gateway.http.jmap.errors import MethodError
from gateway.jscalendar.values import Json, parse_local, parse_utc

T = TypeVar("T")
#: RFC 8620 §1.3.
MAX_INT = 2**53 - 1


class Arguments:
    """Reads a call's arguments. `done` refuses whatever was not asked for."""

    def __init__(self, call: Call) -> None:
        self._left = dict(call.arguments)
        self._call = call

    def account_id(self) -> str:
        """Return the required accountId."""
        return self.text("accountId")

    def text(self, name: str) -> str:
        """Return a required string."""
        return self._required(name, self.text_or_none(name))

    def text_or_none(self, name: str) -> str | None:
        found: str | None = self._typed(name, lambda value: isinstance(value, str), "a string")
        return found

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self._typed(name, lambda value: isinstance(value, bool), "true or false")
        return default if value is None else bool(value)

    def number(self, name: str, *, least: int = 0) -> int | None:
        """Return a whole number of at least `least`, or None."""
        words = f"a whole number of at least {least}"
        found: int | None = self._typed(
            name, lambda v: isinstance(v, int) and not isinstance(v, bool) and least <= v <= MAX_INT, words
        )
        return found

    def mapping(self, name: str) -> Json | None:
        found: Json | None = self._typed(name, lambda value: isinstance(value, dict), "an object")
        return found

    def objects(self, name: str) -> dict[str, Json]:
        """Return a map of objects; empty where absent."""
        found = self._typed(
            name, lambda v: isinstance(v, dict) and all(isinstance(m, dict) for m in v.values()), "a map of objects"
        )
        return found or {}

    def ids(self, name: str) -> list[str] | None:
        """Return a list of ids, each once, creation references (`#id`) resolved."""
        found = self._typed(
            name, lambda value: isinstance(value, list) and all(isinstance(i, str) for i in value), "an array of ids"
        )
        return None if found is None else list(dict.fromkeys(map(self.resolved, found)))

    def texts(self, name: str) -> list[str] | None:
        found: list[str] | None = self._typed(
            name, lambda value: isinstance(value, list) and all(isinstance(i, str) for i in value), "array of strings"
        )
        return found

    def list_of_objects(self, name: str) -> list[Json] | None:
        found: list[Json] | None = self._typed(
            name, lambda value: isinstance(value, list) and all(isinstance(i, dict) for i in value), "array of objects"
        )
        return found

    def local_time(self, name: str) -> Any:
        value = self._typed(name, lambda value: parse_local(value) is not None, "a local date and time")
        return None if value is None else parse_local(value)

    def utc_time(self, name: str) -> Any:
        value = self._typed(name, lambda value: parse_utc(value) is not None, "a UTC date and time")
        return None if value is None else parse_utc(value)

    def resolved(self, item_id: str) -> str:
        """Return an id, or the id of the object that was created in this request as `#creation id`."""
        if not item_id.startswith("#"):
            return item_id
        return self._call.created.get(item_id[1:], item_id)

    def done(self) -> None:
        """Refuse arguments that nobody asked for.

        Raises:
            MethodError: `invalidArguments`, naming them.
        """
        if self._left:
            names = ", ".join(sorted(self._left))[:200]
            raise MethodError("invalidArguments", f"{self._call.name} has no argument {names}")

    def _required(self, name: str, value: T | None) -> T:
        if value is None:
            raise MethodError("invalidArguments", f"{name} must be given", arguments=[name])
        return value

    def _typed(self, name: str, test: Callable[[Any], bool], words: str) -> Any:
        value = self._left.pop(name, None)
        if value is not None and not test(value):
            raise MethodError("invalidArguments", f"{name} must be {words}", arguments=[name])
        return value
