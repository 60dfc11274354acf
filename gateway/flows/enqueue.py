# SPDX-License-Identifier: Apache-2.0
"""Put what a change owes in the outbox as one task, merged with what is owed but not begun."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.flows.accounts import may
from gateway.flows.context import Context
from gateway.flows.owed import Owed, build_payload, coalesce, parse_payload
from gateway.flows.recipients import Addressed, judge_recipients
from gateway.itip.address import normal_address
from gateway.itip.model import ItipMessage
from gateway.store.accounts import Account
from gateway.store.journal import Entry
from gateway.store.objects import StoredObject
from gateway.store.serials import lane
from gateway.store.tasks import Task
from gateway.store.unit import Unit
from policies.verdict import Verdict

ITIP_TASK = "CalendarItipMessage"
ANNIHILATED = Verdict(
    "quiet", "outbox.annihilated", "The invitation had not left yet, so neither it nor its cancellation is sent"
)


def send_messages(
    unit: Unit,
    context: Context,
    account: Account,
    item: StoredObject | None,
    messages: Sequence[ItipMessage],
    rule: str,
) -> int:
    """Owe messages to those whom policy lets be written to; the number of them, 0 where the account may not send."""
    if not messages or not may(account, "scheduling-send"):
        return 0
    addressed, _ = judge_recipients(unit, context, account, item, tuple(messages))
    return enqueue_messages(unit, context, account, item, addressed, rule)


def enqueue_messages(
    unit: Unit,
    context: Context,
    account: Account,
    item: StoredObject | None,
    addressed: tuple[Addressed, ...],
    rule: str,
) -> int:
    """Write the task in this transaction; the number of messages that this change added to what is owed.

    `item` is None where the messages ask for an object that is not here.
    """
    if not addressed:
        return 0
    uid = addressed[0].owed.message.uid
    now, own_lane = context.clock.now(), lane(account.id, uid)
    waiting = [task for task in unit.tasks.unstarted(own_lane, now) if task.kind == ITIP_TASK]
    # To whom a worker is writing now, or will once it is let go, is none that was never written to.
    told = _being_told(unit, own_lane, without=waiting)
    new = tuple(replace(each.owed, first=each.owed.first and _guest(each.owed) not in told) for each in addressed)
    unsent = tuple(owed for task in waiting for owed in parse_payload(task.payload))
    annihilated: list[Owed] = []
    owed = coalesce(unsent, new, annihilated.append)
    for gone in annihilated:
        record_annihilated(unit, context, account, gone)
    for task in waiting:
        unit.tasks.finish(task.id)
    if owed:
        unit.tasks.enqueue(
            Task(
                id=waiting[0].id if waiting else context.ids.row("tsk"),
                kind=ITIP_TASK,
                account_id=account.id,
                object_id=item.id if item else None,
                uid=uid,
                lane=own_lane,
                payload={**build_payload(owed), "rule": rule},
                due_at=waiting[0].due_at if waiting else now + context.config.mail.coalesce_delay,
                created_at=waiting[0].created_at if waiting else now,
            )
        )
    return len(new) - len(annihilated)


def _being_told(unit: Unit, own_lane: str, *, without: list[Task]) -> frozenset[str]:
    ids = {task.id for task in without}
    begun = [task for task in unit.tasks.in_lane(own_lane) if task.id not in ids and task.kind == ITIP_TASK]
    return frozenset(_guest(owed) for task in begun for owed in parse_payload(task.payload))


def _guest(owed: Owed) -> str:
    return normal_address(owed.recipient)


def record_annihilated(unit: Unit, context: Context, account: Account, gone: Owed) -> None:
    """Say in the journal that a message is not sent since what it takes back never left."""
    unit.journal.write(
        Entry(
            at=context.clock.now(),
            stage="change",
            outcome="nothing",
            rule=ANNIHILATED.rule,
            reason=ANNIHILATED.reason,
            account_id=account.id,
            recipient=normal_address(gone.recipient),
            uid=gone.message.uid,
            method=gone.message.method,
        )
    )
