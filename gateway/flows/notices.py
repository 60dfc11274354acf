# SPDX-License-Identifier: Apache-2.0
"""Mails of ours to people here: a guest could not be reached, an answer came by link, a change waits.

A notice is a task like any other, written in the transaction of what it tells, built and sent by the worker.
It never causes another notice.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from gateway.flows.context import Context
from gateway.store.accounts import Account
from gateway.store.objects import StoredObject
from gateway.store.outbox import Message, Recipient
from gateway.store.serials import lane
from gateway.store.tasks import Task
from gateway.store.unit import Unit

NOTICE_TASK = "Notice"


def enqueue_notice(
    unit: Unit,
    context: Context,
    account: Account,
    kind: str,
    to: str,
    item: StoredObject | None,
    *,
    key: str = "",
    delay: timedelta = timedelta(),
    **facts: Any,
) -> None:
    """Owe one notice of a kind (`gateway.imip.kinds.Kind`) to one address.

    Of several with one `key` only the newest is sent, at the time the first was due.
    """
    now = context.clock.now()
    uid = item.uid if item else ""
    own_lane = lane(account.id, uid, "notice", to, *([key] if key else []))
    waiting = [task for task in unit.tasks.unstarted(own_lane, now) if key]
    for task in waiting:
        unit.tasks.finish(task.id)
    payload: Mapping[str, Any] = {"kind": kind, "to": to, "calendar": item.ical if item else "", **facts}
    unit.tasks.enqueue(
        Task(
            id=context.ids.row("tsk"),
            kind=NOTICE_TASK,
            account_id=account.id,
            object_id=item.id if item else None,
            uid=uid,
            lane=own_lane,
            payload=payload,
            due_at=min((task.due_at for task in waiting), default=now + delay),
            created_at=now,
        )
    )


def enqueue_failure_notice(
    unit: Unit, context: Context, recipient: Recipient, message: Message, reply: str, *, final: bool
) -> None:
    """Tell the organizer once that a guest cannot be reached (`final`), or that a mail is late."""
    if message.method in ("NOTICE", "ALARM"):
        return
    account = unit.accounts.get(message.account_id)
    item = unit.objects.get(message.object_id) if message.object_id else None
    if account is None:
        return
    kind = "not-delivered" if final else "delayed"
    enqueue_notice(unit, context, account, kind, account.address, item, address=recipient.address, reason=reply)
