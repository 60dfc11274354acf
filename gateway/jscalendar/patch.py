# SPDX-License-Identifier: Apache-2.0
"""PatchObjects: a set of JSON pointers and new values, applied all or not at all (RFC 8620 §5.3, RFC 8984 §1.4.9).

A pointer has no leading slash, `~1` stands for `/` and `~0` for `~` in a member's name, and null removes. It may
not reach into an array, its parents must exist, and none may be the prefix of another.
"""

import re
from collections.abc import Iterable
from typing import Any

from gateway.jscalendar.values import InvalidProperty, Json, JsonMap

#: Maps whose members are patches themselves: a null in there is a value, so a member is only ever set whole.
PATCH_MAPS = frozenset({"recurrenceOverrides", "localizations"})
_BARE_TILDE = re.compile(r"~(?![01])")


def split_pointer(pointer: str) -> tuple[str, ...]:
    """Return the names along a pointer, escapes undone (RFC 6901 §4)."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/"))


def is_pointer(pointer: str) -> bool:
    """Tell whether every `~` is written as it must be (RFC 6901 §3).

    >>> is_pointer("a~1b/c~0"), is_pointer("a~2"), is_pointer("a~")
    (True, False, False)
    """
    return _BARE_TILDE.search(pointer) is None


def join_pointer(parts: Iterable[str]) -> str:
    """Return the pointer along these names."""
    return "/".join(part.replace("~", "~0").replace("/", "~1") for part in parts)


def apply_patch(target: JsonMap, patch: JsonMap) -> Json | InvalidProperty:
    """Return a patched copy, or the first fault; `target` is never touched."""
    fault = _overlap(patch)
    if fault is not None:
        return fault
    result: Json = dict(target)
    own: set[int] = {id(result)}
    for pointer, value in patch.items():
        fault = _set(result, pointer, value, own)
        if fault is not None:
            return fault
    return result


def diff_objects(old: JsonMap, new: JsonMap) -> Json:
    """Return the patch that makes `new` out of `old`; `{}` where they are equal."""
    patch: Json = {}
    _diff(old, new, (), patch)
    return patch


def _overlap(patch: JsonMap) -> InvalidProperty | None:
    """Find a pointer that is the prefix of another, or none at all."""
    seen = {split_pointer(pointer): pointer for pointer in patch}
    for parts, pointer in seen.items():
        if not pointer:
            return InvalidProperty(pointer, "a patch names what it changes")
        if not is_pointer(pointer):
            return InvalidProperty(pointer, "~ in a name is written ~0")
        for length in range(1, len(parts)):
            if parts[:length] in seen:
                return InvalidProperty(pointer, f"{seen[parts[:length]]!r} in the same patch already sets this")
    return None


def _set(result: Json, pointer: str, value: Any, own: set[int]) -> InvalidProperty | None:
    parts = split_pointer(pointer)
    place: Json = result
    for part in parts[:-1]:
        below = place.get(part)
        if isinstance(below, list):
            return InvalidProperty(pointer, "a patch may not reach into an array")
        if not isinstance(below, dict):
            return InvalidProperty(pointer, f"there is no object {part!r} to patch")
        if id(below) not in own:  # copy on the way down, once
            below = dict(below)
            own.add(id(below))
            place[part] = below
        place = below
    if value is None:
        place.pop(parts[-1], None)
    else:
        place[parts[-1]] = value
    return None


def _diff(old: JsonMap, new: JsonMap, path: tuple[str, ...], patch: Json) -> None:
    for name in old:
        if new.get(name) is None and old[name] is not None:
            patch[join_pointer((*path, name))] = None
    for name, value in new.items():
        before = old.get(name)
        if value is None or same_json(before, value):
            continue
        whole = len(path) == 1 and path[0] in PATCH_MAPS
        if isinstance(before, dict) and isinstance(value, dict) and not whole:
            _diff(before, value, (*path, name), patch)
        else:
            patch[join_pointer((*path, name))] = value


def same_json(one: Any, other: Any) -> bool:
    """Compare as JSON does: `true` is not 1, and order in an object does not count."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return bool(one == other)
