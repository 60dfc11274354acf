# SPDX-License-Identifier: Apache-2.0
"""What each user of a shared event keeps for themself (JMAP Calendars §5.3), and how it is laid over the event."""

from collections.abc import Mapping
from typing import Any

from gateway.jscalendar.overrides import is_excluded
from gateway.jscalendar.values import Json, JsonMap

#: Members that belong to one user, in the event and in the patches of its occurrences.
PERSONAL = frozenset({"keywords", "color", "freeBusyStatus", "useDefaultAlerts", "alerts"})


def with_personal(event: JsonMap, overlay: Mapping[str, Any]) -> Json:
    """Take the owner's personal members out of an event and put another user's own in."""
    shown = {name: value for name, value in event.items() if name not in PERSONAL}
    shown.update({name: value for name, value in overlay.items() if name in PERSONAL})
    own: JsonMap = overlay.get("recurrenceOverrides") or {}
    overrides: Json = {}
    for key, patch in (event.get("recurrenceOverrides") or {}).items():
        overrides[key] = {pointer: v for pointer, v in patch.items() if pointer.partition("/")[0] not in PERSONAL}
    for key, patch in own.items():
        if not is_excluded(overrides.get(key, {})):
            overrides[key] = {**overrides.get(key, {}), **patch}
    return {**shown, "recurrenceOverrides": overrides} if overrides else shown
