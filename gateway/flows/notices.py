# SPDX-License-Identifier: Apache-2.0
"""Mails of ours to people here: a guest could not be reached, an answer came by link, a change waits.

A notice is a task like any other, written in the transaction of what it tells, built and sent by the worker.
It never causes another notice.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from gateway.flows.context import Context
from gateway.imip.parse import find_calendar_parts
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
    own_lane = _lane(account, item, to, key)
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
            uid=item.uid if item else "",
            lane=own_lane,
            payload=payload,
            due_at=min((task.due_at for task in waiting), default=now + delay),
            created_at=now,
        )
    )


def enqueue_failure_notice(
    unit: Unit, context: Context, recipient: Recipient, message: Message, reply: str, *, final: bool
) -> None:
    """Tell the organizer once that a guest cannot be reached (`final`), or that a mail is late.

    What one change or one dead host brings is one mail, however many guests it concerns.
    """
    if message.method in ("NOTICE", "ALARM"):
        return
    account = unit.accounts.get(message.account_id)
    item = unit.objects.get(message.object_id) if message.object_id else None
    if account is None:
        return
    kind = "not-delivered" if final else "delayed"
    key = f"{kind}:{message.uid}"
    own_lane = _lane(account, item, account.address, key)
    waiting = unit.tasks.unstarted(own_lane, context.clock.now())
    earlier = [told for task in waiting for told in task.payload.get("failures", ())]
    failures = [*(told for told in earlier if told[0] != recipient.address), (recipient.address, reply)]
    calendar = item.ical if item else _calendar_of(message)
    enqueue_notice(
        unit, context, account, kind, account.address, item,
        key=key, delay=context.config.mail.coalesce_delay, calendar=calendar, failures=failures,
    )  # fmt: skip


def _calendar_of(message: Message) -> str:
    """Return what a mail was about, where the event itself is gone."""
    return next((part.text for part in find_calendar_parts(message.data).usable), "")


def _lane(account: Account, item: StoredObject | None, to: str, key: str) -> str:
    return lane(account.id, item.uid if item else "", "notice", to, *([key] if key else []))
