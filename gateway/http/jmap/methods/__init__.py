# SPDX-License-Identifier: Apache-2.0
"""Every method by name: one module for each type."""

from gateway.flows.context import Context
from gateway.http.jmap.core import MethodEntry
from gateway.http.jmap.methods import (
    admin_queue,
    admin_settings,
    calendars,
    event_query,
    event_reply,
    event_set,
    events,
    held_changes,
    identities,
    notifications,
    principals,
)

_MODULES = (
    calendars, events, event_query, event_set, event_reply, held_changes, identities, notifications, principals,
    admin_settings, admin_queue,
)  # fmt: skip


def build_methods(context: Context) -> dict[str, MethodEntry]:
    """Return the table of methods."""
    return {name: entry for module in _MODULES for name, entry in module.methods(context).items()}
