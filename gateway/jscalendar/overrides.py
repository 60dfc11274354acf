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
    newer = instance.get("sequence", 0) > event.get("sequence", 0)  # the wire's own count is kept per instance
    return {
        pointer: value
        for pointer, value in patch.items()
        if not is_ignored(pointer) and pointer not in _STAMPS and (pointer != "sequence" or newer)
    }


def is_ignored(pointer: str) -> bool:
    """Tell whether a patch of an instance has no say there."""
    parts = split_pointer(pointer)
    in_person = len(parts) == 3 and parts[0] == "participants" and parts[2] == "calendarAddress"
    return parts[0] in SERIES_ONLY or in_person
