# SPDX-License-Identifier: Apache-2.0
"""Options as documentation: every table and key of a schema with its help, type, bounds and default, and as TOML.

The sample file, `docs/configuration.md`, `docs/policies.md` and `config show` are all made from this.
"""

import dataclasses
import json
import types
from collections.abc import Iterator
from dataclasses import Field, dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from policies.options import Size, field_key
from policies.units import render_duration, render_size


@dataclass(frozen=True, slots=True)
class OptionDoc:
    """One key: `default` and `example` are TOML text; an empty default means that the key is absent by default."""

    name: str
    kind: str
    default: str
    help: str
    bounds: str
    derived: str
    example: str
    run_time: bool


@dataclass(frozen=True, slots=True)
class TableDoc:
    """One table, `[path]` or `[[path]]`, and what stands directly in it."""

    path: str
    array: bool
    help: str
    options: tuple[OptionDoc, ...]


def describe(schema: type, path: str = "", help: str = "", *, array: bool = False) -> Iterator[TableDoc]:
    """Yield a table and the tables below it, in the order in which they are declared."""
    hints = get_type_hints(schema, include_extras=True)
    own, below = [], []
    for field in dataclasses.fields(schema):
        hint, key = hints[field.name], field_key(field)
        inner = _table_type(hint)
        if inner is None:
            own.append(_option_doc(field, hint))
        else:
            below.append((inner, f"{path}.{key}".lstrip("."), field.metadata.get("help", ""), inner is not hint))
    if own:
        yield TableDoc(path, array, help, tuple(own))
    for inner, inner_path, inner_help, inner_array in below:
        yield from describe(inner, inner_path, inner_help, array=inner_array)


def values_of(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted key, TOML text) of every option of a settings value; arrays of tables are counted from one."""
    hints = get_type_hints(type(value), include_extras=True)
    for field in dataclasses.fields(cast("Any", value)):
        key, held = f"{path}.{field_key(field)}".lstrip("."), getattr(value, field.name)
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            yield from values_of(held, key)
        elif _table_type(hint):
            for place, item in enumerate(held, 1):
                yield from values_of(item, f"{key}[{place}]")
        else:
            yield key, render_toml(hint, held)


def render_toml(hint: Any, value: object) -> str:
    """Print one value as TOML; an absent value is the empty text."""
    hint = _without_none(hint)
    if value is None or value == Path():
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return f'"{render_duration(value)}"'
    if isinstance(value, tuple):
        inner = get_args(hint)[0] if get_args(hint) else object
        return "[" + ", ".join(render_toml(inner, item) for item in value) + "]"
    if isinstance(value, int | float):
        return f'"{render_size(int(value))}"' if hint == Size else str(value)
    return json.dumps(str(value), ensure_ascii=False)


def _table_type(hint: Any) -> type | None:
    """Return the dataclass that a hint is, or holds an array of; None where it is a plain option."""
    inner = get_args(hint)[0] if get_origin(hint) is tuple else hint
    return inner if dataclasses.is_dataclass(inner) and isinstance(inner, type) else None


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        return next(part for part in get_args(hint) if part is not type(None))
    return hint


def _option_doc(field: Field[Any], hint: Any) -> OptionDoc:
    said = field.metadata
    absent = field.default in (None, Path()) or (field.default == "" and bool(said.get("example")))
    return OptionDoc(
        name=field_key(field),
        kind=_kind(hint),
        default="" if absent else render_toml(hint, field.default),
        help=said.get("help", ""),
        bounds=_bounds(hint, said.get("least"), said.get("most")),
        derived=said.get("derived", ""),
        example=render_toml(hint, said.get("example")),
        run_time=said.get("run_time", False),
    )


def _kind(hint: Any) -> str:
    hint = _without_none(hint)
    if hint == Size:
        return "size"
    if get_origin(hint) is tuple:
        return f"list of {_kind(get_args(hint)[0])}"
    if get_origin(hint) is Literal:
        return " | ".join(get_args(hint))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return " | ".join(member.value for member in hint)
    return _KINDS.get(hint, "string")


_KINDS = {bool: "true | false", int: "number", float: "number", timedelta: "duration", Path: "path", str: "string"}


def _bounds(hint: Any, least: object, most: object) -> str:
    words = []
    if least:  # that something is not negative goes without saying
        words.append(f"at least {render_toml(hint, least)}")
    if most is not None:
        words.append(f"at most {render_toml(hint, most)}")
    return ", ".join(words).replace('"', "")
