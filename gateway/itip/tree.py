# SPDX-License-Identifier: Apache-2.0
"""The lossless tree: iCalendar content lines as values (RFC 5545 §3.1), unknown properties and order kept.

A line that is not touched is written back exactly as it was read, folds included. Values stay text here;
typed values (instants, durations, rules) are made elsewhere, and only for what a decision needs.
Nodes are immutable: an edit returns a new node and shares everything that did not change.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from gateway.errors import Refused
from gateway.itip.content_lines import (
    Line,
    Params,
    build_param_value,
    fold,
    parse_params,
    split_line,
    split_lines,
    unfolded,
)

_MAX_KNOWN_ZONE = 4_000
_MAX_KNOWN_LINE = 400
_MAX_KNOWN_TEXT = 200_000  # the lines of a larger one would drive all others out
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TreeLimits:
    """What a calendar may cost to read. Bytes of the whole, components in all, depth of nesting."""

    max_bytes: int = 2 * 1024 * 1024
    max_components: int = 20_000
    max_depth: int = 16


DEFAULT_LIMITS = TreeLimits()


class Prop:
    """One content line: `name` in capitals, parameters, `value` as written (still escaped)."""

    __slots__ = ("_params", "_params_text", "name", "raw", "value")

    def __init__(
        self, name: str, value: str, params: Params = (), *, raw: str | None = None, params_text: str | None = None
    ) -> None:
        self.name = name
        self.value = value
        self.raw = raw
        self._params_text = params_text
        self._params: Params | None = None if params_text else params

    @property
    def params(self) -> Params:
        """Parameters in order: names in capitals, values unquoted and caret-decoded (RFC 6868)."""
        if self._params is None:
            self._params = parse_params(self._params_text or "")
        return self._params

    def may_have_param(self, *words: str) -> bool:
        """Whether one of these words (in capitals) may stand in the parameters: quick, may err towards yes."""
        if not self._params_text:
            return bool(self._params)
        text = self._params_text.upper()
        for word in words:  # noqa: SIM110 - asked of every line of thousands; a generator costs as much again
            if word in text:
                return True
        return False

    def is_written(self, params: re.Pattern[str]) -> bool:
        """Whether this is an unchanged line to a mail address whose parameters look so, without reading them."""
        text = self._params_text
        return text is not None and self.value[:7] == "mailto:" and params.fullmatch(text) is not None

    def param(self, name: str) -> str | None:
        """Return the first value of a parameter, or None."""
        if self._params is None and not self.may_have_param(name):
            return None
        for key, values in self.params:
            if key == name:
                return values[0] if values else ""
        return None

    def param_values(self, name: str) -> tuple[str, ...]:
        """Return every value of a parameter, in order; empty where it is absent."""
        return tuple(value for key, values in self.params if key == name for value in values)

    @property
    def text(self) -> str:
        """The value as TEXT with escapes undone (RFC 5545 §3.3.11)."""
        return unescape_text(self.value)

    def with_value(self, value: str) -> "Prop":
        return Prop(self.name, value, self.params)

    def with_raw(self, raw: str) -> "Prop":
        """Return the same line folded in another way."""
        return Prop(self.name, self.value, self._params or (), raw=raw, params_text=self._params_text)

    def with_param(self, name: str, *values: str) -> "Prop":
        """Return this line with a parameter set, in its old place or at the end; no values = removed."""
        return self.with_params({name: values})

    def with_params(self, changes: Mapping[str, tuple[str, ...]]) -> "Prop":
        """Return this line with parameters set, each in its old place or at the end; no values = removed."""
        old = dict(reversed(self.params))  # of two of one name the first counts
        changes = {name: values for name, values in changes.items() if old.get(name, ()) != values}
        if not changes:
            return self
        kept = [(name, changes.get(name, values)) for name, values in self.params]
        kept += [(name, values) for name, values in changes.items() if name not in old]
        return Prop(self.name, self.value, tuple([(name, values) for name, values in kept if values]))

    def without_params(self, *names: str) -> "Prop":
        if not self.may_have_param(*names):
            return self
        kept = tuple([(key, values) for key, values in self.params if key not in names])
        return self if len(kept) == len(self.params) else Prop(self.name, self.value, kept)

    def __eq__(self, other: object) -> bool:
        """Equal in name, parameters and value; how the line was folded does not matter."""
        return isinstance(other, Prop) and (self.name, self.value, self.params) == (
            other.name,
            other.value,
            other.params,
        )

    def __hash__(self) -> int:
        return hash((self.name, self.value, self.params))

    def __repr__(self) -> str:
        return f"Prop({_content_line(self)!r})"


class Component:
    """`BEGIN:NAME ... END:NAME`: properties and sub-components in their order."""

    __slots__ = ("_basis", "_derived", "_firsts", "items", "name")

    def __init__(
        self, name: str, items: Iterable["Prop | Component"] = (), *, basis: "Component | None" = None
    ) -> None:
        self.name = name
        self.items: tuple[Prop | Component, ...] = tuple(items)
        self._basis = basis
        self._derived: dict[Any, Any] | None = None
        self._firsts: dict[str, Prop] | None = None  # made when somebody asks

    def derived(self, make: "Callable[[Component, Component | None, T | None], T]") -> T:
        """Return what `make` makes of this component, made once: a node never changes.

        Where this is an edit of a component of which it was made before, `make` is given that one and what it was.
        """
        if self._derived is None:
            self._derived = {}
        found: T | None = self._derived.get(make)
        if found is None:
            basis = self._basis
            before = None if basis is None or basis._derived is None else basis._derived.get(make)
            found = self._derived[make] = make(self, basis, before)
            self._basis = None
        return found

    def is_derived(self, make: "Callable[[Component, Component | None, T | None], T]") -> bool:
        """Whether `derived` would answer without work."""
        return self._derived is not None and make in self._derived

    @property
    def properties(self) -> Iterator[Prop]:
        return (item for item in self.items if isinstance(item, Prop))

    @property
    def components(self) -> Iterator["Component"]:
        return (item for item in self.items if isinstance(item, Component))

    def all(self, *names: str) -> tuple[Prop, ...]:
        """Return every property of these names, in order."""
        return tuple([item for item in self.items if item.name in names and isinstance(item, Prop)])

    def first(self, name: str) -> Prop | None:
        """Return the first property of this name, or None: where a name may not repeat, the first wins."""
        if self._firsts is None:
            self._firsts = {item.name: item for item in reversed(self.items) if isinstance(item, Prop)}
        return self._firsts.get(name)

    def value(self, name: str) -> str | None:
        """Return the value of the first property of this name as written, or None."""
        found = self.first(name)
        return None if found is None else found.value

    def text(self, name: str) -> str | None:
        """Return the unescaped TEXT of the first property of this name, or None."""
        found = self.first(name)
        return None if found is None else found.text

    def children(self, *names: str) -> tuple["Component", ...]:
        """Return the sub-components of these names, in order."""
        return tuple([item for item in self.items if item.name in names and isinstance(item, Component)])

    def with_items(self, items: Iterable["Prop | Component"]) -> "Component":
        return Component(self.name, items)

    def with_prop(self, *props: Prop) -> "Component":
        """Return a copy in which each of `props` takes the place of the first of its name (others go), or is added."""
        new = {prop.name: prop for prop in props}
        left = dict(new)
        items: list[Prop | Component] = []
        for item in self.items:
            if item.name not in new or isinstance(item, Component):
                items.append(item)
            elif item.name in left:
                items.append(left.pop(item.name))
        if left:
            at = next((i for i, item in enumerate(items) if isinstance(item, Component)), len(items))
            items[at:at] = left.values()
        return Component(self.name, items)

    def adding(self, *new: "Prop | Component") -> "Component":
        """Return a copy with properties added before the sub-components and components at the end."""
        if not new:
            return self
        props = [item for item in new if isinstance(item, Prop)]
        at = next((i for i, item in enumerate(self.items) if isinstance(item, Component)), len(self.items))
        rest = [item for item in new if isinstance(item, Component)]
        return Component(self.name, (*self.items[:at], *props, *self.items[at:], *rest))

    def without(self, *names: str) -> "Component":
        """Return a copy without the properties and sub-components of these names."""
        return Component(self.name, [item for item in self.items if item.name not in names])

    def map_props(self, change: Callable[[Prop], Prop | None]) -> "Component":
        """Return a copy with `change` applied to each own property; None removes it."""
        items: list[Prop | Component] = []
        for item in self.items:
            if isinstance(item, Component):
                items.append(item)
            elif (changed := change(item)) is not None:
                items.append(changed)
        return Component(self.name, items, basis=self._last_known() if len(items) == len(self.items) else None)

    def _last_known(self) -> "Component | None":
        """The component that an edit of this one, line for line, is best compared with."""
        return self if self._derived else self._basis

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Component) and (self.name, self.items) == (other.name, other.items)

    def __hash__(self) -> int:
        return self.derived(_content_hash)

    def __repr__(self) -> str:
        return f"Component({self.name!r}, {len(self.items)} items)"


def _content_hash(component: Component, basis: Component | None, before: int | None) -> int:
    return hash((component.name, component.items))


def parse_tree(data: bytes | str, limits: TreeLimits = DEFAULT_LIMITS) -> Component:
    """Read the first VCALENDAR of `data` into a tree.

    Lenient where the field is sloppy (line ends, a BOM, text around the calendar, folds inside a UTF-8
    sequence, a missing END at the very end), strict about structure.

    Raises:
        Refused: `bad-calendar` with a sentence: no VCALENDAR, ends that do not match, or over a limit.
    """
    text = _decode(data, limits)
    lines = iter(split_lines(text))
    for line, _ in lines:
        if line[:6].upper() == "BEGIN:" and line[6:].strip().upper() == "VCALENDAR":
            known = _MAX_KNOWN_LINE if len(text) <= _MAX_KNOWN_TEXT else 0
            return _Reader(lines, limits, known).component("VCALENDAR")
    raise Refused("bad-calendar", "There is no complete VCALENDAR here")


class _Reader:
    """Reads components from lines, each from after its BEGIN to its END; lines up to `known` long are remembered."""

    __slots__ = ("_known", "_left", "_limits", "_lines")

    def __init__(self, lines: Iterator[Line], limits: TreeLimits = DEFAULT_LIMITS, known: int = 0) -> None:
        self._lines = lines
        self._limits = limits
        self._known = known
        self._left = limits.max_components - 1

    def component(self, opened: str, depth: int = 1) -> Component:
        """Read the rest of a component and what is inside it."""
        items: list[Prop | Component] = []
        known = self._known
        for line, raw in self._lines:
            prop = _known_line(line, raw) if len(raw) <= known else _read_line(line, raw)
            if prop.name == "BEGIN":
                items.append(self._inner(prop.value.strip().upper(), depth + 1))
            elif prop.name == "END":
                closed = prop.value.strip().upper()
                if closed != opened:
                    raise Refused("bad-calendar", f"The calendar ends {closed[:40]} where {opened} is open")
                return Component(opened, items)
            else:
                items.append(prop)
        if depth == 1 and any(isinstance(item, Component) for item in items):
            return Component(opened, items)  # only the very last END is missing: all that is in it is whole
        raise Refused("bad-calendar", "There is no complete VCALENDAR here")

    def _inner(self, name: str, depth: int) -> Component:
        self._left -= 1
        if self._left < 0 or depth > self._limits.max_depth:
            raise Refused("bad-calendar", "The calendar has too many components")
        return self.component(name, depth) if name != "VTIMEZONE" else self._zone()

    def _zone(self) -> Component:
        """A VTIMEZONE: the same few texts come with nearly every calendar."""
        block: list[Line] = []
        size = 0
        for line, raw in self._lines:
            block.append((line, raw))
            size += len(raw)
            if line[3:4] == ":" and line[:3].upper() == "END" and line[4:].strip().upper() == "VTIMEZONE":
                break
        return _known_zone(tuple(block)) if size <= _MAX_KNOWN_ZONE else _read_zone(block)


def _read_line(line: str, raw: str) -> Prop:
    """A line as a property; what is none is kept as it is, without a name, invisible to every reader."""
    parts = split_line(line)
    if parts is None:
        return Prop("", line, raw=raw)
    name, params, value = parts
    return Prop(name, value, raw=raw, params_text=params)


@lru_cache(maxsize=8192)
def _known_line(line: str, raw: str) -> Prop:
    """Nearly every line of an event stands in its next version too, and a property never changes: read once."""
    return _read_line(line, raw)


def _read_zone(lines: Iterable[Line]) -> Component:
    return _Reader(iter(lines)).component("VTIMEZONE", 2)


@lru_cache(maxsize=128)
def _known_zone(lines: tuple[Line, ...]) -> Component:
    """The tree of a text, whoever sent it; what it means is for each calendar's own `Zones` to say."""
    return _read_zone(lines)


def build_tree(component: Component) -> str:
    """Write a tree as content lines with CRLF, untouched lines as they were read (RFC 5545 §3.1)."""
    lines: list[str] = []
    _write(component, lines)
    lines.append("")
    return "\r\n".join(lines)


def refolded(component: Component) -> Component:
    """Return a component whose lines are folded anew at 75 octets with CRLF, whoever folded them before.

    For what we send; what we store keeps the client's own folds.
    """
    return Component(
        component.name, [refolded(item) if isinstance(item, Component) else _refold(item) for item in component.items]
    )


def settled(component: Component) -> Component:
    """Return a component as reading what is written of it gives it: every line has its octets."""
    items = component.items
    fresh = [at for at, item in enumerate(items) if isinstance(item, Component) or item.raw is None]
    if not fresh:
        return component
    kept = list(items)
    for at in fresh:
        item = items[at]
        if isinstance(item, Component):
            kept[at] = settled(item)
        else:
            line = _content_line(item)
            kept[at] = _read_line(line, fold(line))
    return Component(component.name, kept, basis=component._last_known())


def _refold(prop: Prop) -> Prop:
    raw = prop.raw
    if raw is None or (len(raw) <= 75 and raw.isascii() and "\n" not in raw and "\r" not in raw):
        return prop
    return prop.with_raw(fold(unfolded(raw)))


def escape_text(text: str) -> str:
    """Write TEXT with its escapes (RFC 5545 §3.3.11); control characters are dropped."""
    text = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    text = text.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\n")
    return _CONTROL.sub("", text)


def unescape_text(value: str) -> str:
    """Read TEXT: undo its escapes (RFC 5545 §3.3.11)."""
    if "\\" not in value:
        return value
    text = value.replace("\\\\", "\x00").replace("\\n", "\n").replace("\\N", "\n")  # no calendar holds NUL
    last = "\\" if text[-1:] == "\\" else ""  # which escapes nothing
    return text.replace("\\", "").replace("\x00", "\\") + last


def _decode(data: bytes | str, limits: TreeLimits) -> str:
    if len(data) > limits.max_bytes:
        raise Refused("bad-calendar", f"The calendar is larger than {limits.max_bytes} bytes")
    text = data if isinstance(data, str) else data.decode("utf-8", "surrogateescape")
    if "\x00" in text:  # no database text may hold it, and no calendar either
        text = text.replace("\x00", "")
    return text.removeprefix("\ufeff")


def _content_line(prop: Prop) -> str:
    if not prop.name:
        return prop.value
    params = "".join(f";{key}={','.join(build_param_value(v) for v in values)}" for key, values in prop.params)
    return f"{prop.name}{params}:{prop.value}"


def _write(component: Component, lines: list[str]) -> None:
    lines.append(f"BEGIN:{component.name}")
    for item in component.items:
        if isinstance(item, Component):
            _write(item, lines)
        elif item.raw is not None:
            lines.append(item.raw)
        else:
            lines.append(fold(_content_line(item)))
    lines.append(f"END:{component.name}")
