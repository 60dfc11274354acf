# SPDX-License-Identifier: Apache-2.0
"""Tell the owner of an event what somebody they share a calendar with did to it (JMAP Calendars §7)."""

from gateway.flows.context import Context
from gateway.itip.address import build_mailto
from gateway.jscalendar.patch import diff_objects
from gateway.jscalendar.values import JsonMap
from gateway.store.accounts import Account
from gateway.store.notifications import Notification
from gateway.store.unit import Unit

#: Stamps that every change moves; a patch of these alone is no news.
_STAMPS = frozenset({"updated", "sequence", "created"})


def notify_edit(
    unit: Unit,
    context: Context,
    owner: Account,
    editor: Account,
    object_id: str,
    before: JsonMap | None,
    after: JsonMap | None,
    *,
    is_draft: bool = False,
) -> None:
    """Add one notification for an edit by another person; nothing for one's own, or where nothing was said anew."""
    if owner.id == editor.id:
        return
    patch = diff_objects(before, after) if before is not None and after is not None else None
    if patch is not None and not patch.keys() - _STAMPS:
        return
    unit.notifications.add(
        Notification(
            id=context.ids.row("ntf"),
            account_id=owner.id,
            type="created" if before is None else "destroyed" if after is None else "updated",
            object_id=object_id,
            changed_by={
                "name": editor.name,
                "email": editor.address,
                "principalId": editor.id,
                "calendarAddress": build_mailto(editor.address),
            },
            created_at=context.clock.now(),
            is_draft=is_draft,
            event=dict(before if before is not None else after or {}),
            event_patch=patch,
        )
    )
