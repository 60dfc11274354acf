# SPDX-License-Identifier: Apache-2.0
"""Settings as documented dataclasses: declare a field with `option(...)`, read layers of TOML tables strictly.

The policies' settings and the machine's configuration (`gateway.config`) are read by the same code, and it lies
here because policies stand below everything else. A reading never stops at the first fault: unknown keys, wrong
types, bad units and impossible combinations are all collected, each with the place where it was written.
"""

import dataclasses
import difflib
import math
import tomllib
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    Protocol,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from policies.toml_lines import KeyPath, LineMap
from policies.units import parse_duration, parse_size, render_duration

T = TypeVar("T")

#: A number of bytes; written as `512KiB` in TOML, an int everywhere else.
Size = Annotated[int, "size"]


def option(
    default: T,
    help: str,
    *,
    key: str = "",
    least: object = None,
    most: object = None,
    check: Callable[[Any], str | None] | None = None,
    derived: str = "",
    example: object = None,
    run_time: bool = False,
) -> T:
    """Declare one option: its default, one sentence of help, bounds, and a check that returns the fault or None.

    `key` is its name in TOML where that is not the field's; `derived` says in words what an absent value becomes;
    `example` is shown in the sample where the default is absent; `run_time` marks what an administrator may
    change without a restart.
    """
    documented = {
        "help": help, "key": key, "least": least, "most": most, "check": check,
        "derived": derived, "example": example, "run_time": run_time,
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=documented)


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of values. `place` says where a key of it was written, such as `gateway.toml:12`."""

    table: Mapping[str, object]
    place: Callable[[KeyPath], str]


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What a reading found: the value, the place of each key, and every fault.

    A value that is wrong was left out, so the base's stands in its place. Whoever reads at start refuses all of it;
    whoever reads what another version of us wrote may use the rest.
    """

    value: T
    origins: Mapping[str, str]
    faults: tuple[str, ...]


def toml_layer(text: str, file_name: str) -> Layer:
    """Parse TOML text to a layer that knows its lines.

    Raises: ValueError with file and line when the text is not TOML.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file_name}: {error}") from None
    lines = LineMap(text)

    def place(path: KeyPath) -> str:
        line = lines.line(path)
        return f"{file_name}:{line}" if line else file_name

    return Layer(table, place)


def flat_layer(values: Mapping[str, object], place: Callable[[str], str]) -> Layer:
    """Make a layer of dotted keys (`alarms.enable`), as process variables or a database hold them."""
    table: dict[str, Any] = {}
    for name, value in values.items():
        *tables, last = name.split(".")
        inner = table
        for part in tables:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return Layer(table, lambda path: place(dotted(path)))


def dotted(path: KeyPath) -> str:
    """Write a key path as a person would: `listener[1].listen`, counted from one."""
    words = ""
    for part in path:
        words += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if words else part
    return words


def read(schema: type[T], layers: Sequence[Layer], at: KeyPath = (), base: T | None = None) -> Reading[T]:
    """Read layers, the weakest first, over a base into a schema; `at` is the schema's place in the whole file."""
    walk = _Walk()
    value = walk.table(schema, base, layers, at)
    return Reading(value, walk.origins, tuple(fault for _, fault in sorted(walk.found, key=lambda f: f[0])))


class _Walk:
    """Goes through a schema once and collects what is wrong and where each value came from."""

    def __init__(self) -> None:
        self.found: list[tuple[tuple[str, int], str]] = []
        self.origins: dict[str, str] = {}
        self.bad: set[str] = set()

    def fault(self, place: str, path: KeyPath, what: str) -> None:
        file_name, _, line = place.rpartition(":")
        order = (file_name, int(line)) if line.isdecimal() else (place, 0)
        self.bad.add(dotted(path))
        self.found.append((order, f"{place}: {dotted(path)}: {what}"))

    def table(self, schema: type[T], default: T | None, layers: Sequence[Layer], path: KeyPath) -> T:
        """Read one table; a value that is wrong in any layer is a fault even where a stronger layer covers it."""
        fields = {field_key(field): field for field in dataclasses.fields(cast("Any", schema))}
        hints = get_type_hints(schema, include_extras=True)
        for layer in layers:
            for name in layer.table.keys() - fields.keys():
                self.fault(layer.place((*path, name)), (*path, name), _unknown(name, fields))
        values = {
            field.name: self.field(hints[field.name], field, default, layers, (*path, name))
            for name, field in fields.items()
        }
        made = schema(**values)
        for name, what in cast("Faulty", made).faults() if hasattr(made, "faults") else ():
            where = (*path, name) if name else path
            if dotted(where) not in self.bad:
                self.fault(self.place(where, layers), where, what)
        return made

    def place(self, path: KeyPath, layers: Sequence[Layer]) -> str:
        origin = self.origins.get(dotted(path), DEFAULT)
        return origin if origin != DEFAULT or not layers else layers[-1].place(path)

    def field(self, hint: Any, field: Field[Any], default: object, layers: Sequence[Layer], path: KeyPath) -> Any:
        name = path[-1]
        assert isinstance(name, str)
        present = [layer for layer in layers if name in layer.table]
        value = _default(field, default)
        if dataclasses.is_dataclass(hint):
            return self.table(cast("type[Any]", hint), value, self.inner(present, path), path)
        self.origins[dotted(path)] = DEFAULT
        for layer in present:
            read_value = self.value(hint, layer.table[name], layer, path)
            if read_value is not _WRONG and (what := _out_of_bounds(read_value, field)):
                self.fault(layer.place(path), path, what)
            elif read_value is not _WRONG:
                value, self.origins[dotted(path)] = read_value, layer.place(path)
        if value is MISSING:
            self.fault(self.place(path, layers), path, "is required")
            return None
        return value

    def inner(self, layers: Iterable[Layer], path: KeyPath) -> list[Layer]:
        tables = []
        for layer in layers:
            value = layer.table[cast("str", path[-1])]
            if isinstance(value, dict):
                tables.append(Layer(value, layer.place))
            else:
                self.fault(layer.place(path), path, f"must be a table, is {_kind(value)}")
        return tables

    def value(self, hint: Any, raw: object, layer: Layer, path: KeyPath) -> Any:
        """Convert one value, or an array of them, or an array of tables."""
        if get_origin(hint) is tuple:
            if not isinstance(raw, list | tuple):
                self.fault(layer.place(path), path, f"must be an array, is {_kind(raw)}")
                return _WRONG
            inner = get_args(hint)[0]
            items = [self.item(inner, item, layer, (*path, place)) for place, item in enumerate(raw)]
            return _WRONG if _WRONG in items else tuple(items)
        try:
            return convert(hint, raw)
        except ValueError as error:
            self.fault(layer.place(path), path, str(error))
            return _WRONG

    def item(self, hint: Any, raw: object, layer: Layer, path: KeyPath) -> Any:
        if dataclasses.is_dataclass(hint):
            if isinstance(raw, dict):
                return self.table(cast("type[Any]", hint), None, [Layer(raw, layer.place)], path)
            self.fault(layer.place(path), path, f"must be a table, is {_kind(raw)}")
            return _WRONG
        return self.value(hint, raw, layer, path)


class Faulty(Protocol):
    """A table that knows which of its values cannot stand together: yields (key, what is wrong)."""

    def faults(self) -> Iterable[tuple[str, str]]: ...


DEFAULT = "default"
_WRONG = object()
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a string", list: "an array"}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "a table" if isinstance(value, dict) else f"a {type(value).__name__}")


def _unknown(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"unknown key; did you mean {near[0]!r}?" if near else "unknown key"


def _default(field: Field[Any], default: object) -> Any:
    if default is not None:
        return getattr(default, field.name)
    return field.default if field.default_factory is MISSING else field.default_factory()


def field_key(field: Field[Any]) -> str:
    """Return the name of a field in TOML."""
    return field.metadata.get("key") or field.name


def _out_of_bounds(value: Any, field: Field[Any]) -> str | None:
    least, most, check = (field.metadata.get(word) for word in ("least", "most", "check"))
    if value is None:
        return None
    if least is not None and value < least:
        return f"must be at least {render_plain(least)}"
    if most is not None and value > most:
        return f"must be at most {render_plain(most)}"
    return check(value) if check else None


def convert(hint: Any, raw: object) -> Any:
    """Turn one TOML (or JSON) value into what a type hint asks for.

    Raises: ValueError with a sentence.
    """
    if get_origin(hint) in (Union, types.UnionType):
        if raw is None:
            return None
        hint = next(part for part in get_args(hint) if part is not type(None))
    if hint == Size:
        return _size(raw)
    if get_origin(hint) is Literal:
        return _choice(get_args(hint), raw)
    if hint is timedelta:
        return _duration(raw)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(_choice([member.value for member in hint], raw))
    if hint is Path and isinstance(raw, str | Path):
        return Path(raw)
    if hint is float and type(raw) in (int, float):
        return _finite(float(cast("float", raw)))
    if type(raw) is hint:
        return raw
    raise ValueError(f"must be {_KINDS.get(hint, 'a string')}, is {_kind(raw)}")


def _choice(choices: Sequence[str], raw: object) -> str:
    if isinstance(raw, str) and raw in choices:
        return raw
    raise ValueError(f"must be one of {', '.join(choices)}; is {raw!r}")


def _finite(number: float) -> float:
    if math.isfinite(number):
        return number
    raise ValueError(f"must be a number, is {number}")


def _duration(raw: object) -> timedelta:
    if isinstance(raw, timedelta):
        return raw
    if isinstance(raw, str):
        return parse_duration(raw)
    raise ValueError(f'must be a duration in quotes such as "30s" or "90d", is {_kind(raw)}')


def _size(raw: object) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool) and raw >= 0:
        return raw
    if isinstance(raw, str):
        return parse_size(raw)
    raise ValueError(f'must be a size such as "512KiB", is {_kind(raw)}')


def render_plain(value: object) -> str:
    """Print a value for a sentence: durations with their unit, the rest as it is."""
    return render_duration(value) if isinstance(value, timedelta) else str(value)
