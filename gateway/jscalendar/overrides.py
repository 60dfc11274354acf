# SPDX-License-Identifier: Apache-2.0
"""One instance of a series: a patch in JSCalendar, a whole VEVENT in iCalendar (RFC 8984 §4.3.5).

The instance is the base moved to the override's key and then patched; the patch of an instance is what differs from
that. Some members are the series' own and no patch changes them.
"""

from gateway.jscalendar.patch import apply_patch, diff_objects, split_pointer
from gateway.jscalendar.values import InvalidProperty, Json, JsonMap

#: Members of the series alone: a patch that names one is obeyed for the rest (JSCalendar 2.0 §1.5.9).
SERIES_ONLY = frozenset(
    {
        "@type", "method", "organizerCalendarAddress", "privacy", "prodId", "recurrenceId", "recurrenceIdTimeZone",
        "recurrenceOverrides", "recurrenceRule", "relatedTo", "uid",
    }
)  # fmt: skip
RECURRENCE = ("recurrenceRule", "recurrenceOverrides", "recurrenceId", "recurrenceIdTimeZone")
_STAMPS = frozenset({"created", "updated"})


def series_part(event: JsonMap) -> Json:
    """Return the event without what makes it a series."""
    return {name: value for name, value in event.items() if name not in RECURRENCE}


def is_excluded(patch: JsonMap) -> bool:
    """Tell whether an override only says that the instance does not happen."""
    return patch.get("excluded") is True


def build_instance(event: JsonMap, key: str, patch: JsonMap) -> Json | InvalidProperty:
    """Return the instance of `event` at `key` as an Event of its own, with its recurrenceId."""
    base = {**series_part(event), "start": key}
    kept = {pointer: value for pointer, value in patch.items() if not is_ignored(pointer)}
    instance = apply_patch(base, kept)
    if isinstance(instance, InvalidProperty):
        return instance
    instance["recurrenceId"] = key
    if event.get("timeZone") is not None:
        instance["recurrenceIdTimeZone"] = event["timeZone"]
    return instance


def diff_instance(event: JsonMap, key: str, instance: JsonMap) -> Json:
    """Return the patch that makes `instance` (an Event of its own) out of the series at `key`."""
    patch = diff_objects({**series_part(event), "start": key}, series_part(instance))
    kept = {name: value for name, value in patch.items() if not is_ignored(name) and name not in _STAMPS}
    count = kept.get("sequence")
    if count is None or (isinstance(count, int) and count <= event.get("sequence", 0)):
        kept.pop("sequence", None)  # the wire's own count is kept per instance, where it is ahead
    return kept


def is_ignored(pointer: str) -> bool:
    """Tell whether a patch of an instance has no say there."""
    parts = split_pointer(pointer)
    in_person = len(parts) == 3 and parts[0] == "participants" and parts[2] == "calendarAddress"
    return parts[0] in SERIES_ONLY or in_person


def without_orphans(before: JsonMap, after: JsonMap) -> Json:
    """Drop from the overrides what they say of a member that the series has lost with this edit.

    A guest who leaves the series takes their answer to one occurrence along; what the edit itself wrote is judged as
    it stands.
    """
    old: JsonMap = before.get("recurrenceOverrides") or {}
    overrides = after.get("recurrenceOverrides")
    if not isinstance(overrides, dict):
        return dict(after)
    kept: Json = {}
    for key, patch in overrides.items():
        known = old.get(key)
        if not isinstance(patch, dict) or not isinstance(known, dict):
            kept[key] = patch
            continue
        lean = {p: v for p, v in patch.items() if p not in known or not _is_orphan(p, before, after)}
        if lean or not patch:
            kept[key] = lean
    return {**after, "recurrenceOverrides": kept}


def _is_orphan(pointer: str, before: JsonMap, after: JsonMap) -> bool:
    parents = split_pointer(pointer)[:-1]
    return bool(parents) and _holds(before, parents) and not _holds(after, parents)


def _holds(event: object, path: tuple[str, ...]) -> bool:
    for name in path:
        event = event.get(name) if isinstance(event, dict) else None
    return isinstance(event, dict)
