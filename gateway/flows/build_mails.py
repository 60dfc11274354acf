# SPDX-License-Identifier: Apache-2.0
"""From tasks to queued mails: gather and build outside any write, then queue them and drop the task in one.

A worker that dies before the last step leaves the task and nothing else. The Message-ID is derived from what
the message says, so a second building makes the same message.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime

from gateway.errors import GatewayError
from gateway.flows.alarm_mails import AlarmMail, keep_links
from gateway.flows.context import Context
from gateway.flows.drafts import Draft, build, gather, invited, replaced, single
from gateway.flows.enqueue import record_annihilated
from gateway.flows.links import mint_link, rsvp_expiry, shown_facts
from gateway.flows.owed import Owed
from gateway.flows.own_program import was_mailed
from gateway.imip.verp import build_bounce_address
from gateway.itip.address import normal_address
from gateway.itip.model import Method
from gateway.itip.tree import parse_tree
from gateway.itip.values import parse_utc
from gateway.relay.sign import DkimSigner
from gateway.store.accounts import Account
from gateway.store.outbox import Message, Recipient
from gateway.store.sent import Sent, fingerprint
from gateway.store.serials import lane
from gateway.store.tasks import Task
from gateway.store.unit import Unit
from policies.retry import RetrySettings, wait_after

_log = logging.getLogger(__name__)
MAX_TASK_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Ready:
    """A draft that became octets, signed."""

    draft: Draft
    message_id: str
    data: bytes


async def build_due(context: Context, *, worker: str) -> int:
    """Build the mails of every task that is due; the number of tasks claimed."""
    now, options = context.clock.now(), context.config.workers
    tasks = await context.store.write(
        lambda unit: unit.tasks.claim(now=now, lease=options.lease, by=worker, limit=options.batch)
    )
    for task in tasks:
        await _build_one(context, task)
    return len(tasks)


async def _build_one(context: Context, task: Task) -> None:
    try:
        drafts = await context.store.read(lambda unit: gather(unit, context, task))
        ready = await asyncio.to_thread(_build_all, context, drafts, context.clock.now())
    except GatewayError as error:
        failure = str(error)
        await context.store.write(lambda unit: _put_off(unit, context, task, failure))
        return
    await context.store.write(lambda unit: queue(unit, context, task, ready))


def _build_all(context: Context, drafts: tuple[Draft, ...], now: datetime) -> tuple[Ready, ...]:
    ready = []
    for draft in drafts:
        mail = build(context, draft, now)
        if mail.fault:
            _log.warning("the mail template is not usable", extra={"facts": {"error": mail.fault}})
        signature = DkimSigner(draft.keys).sign(mail.data, now)
        ready.append(Ready(draft, mail.message_id, signature + mail.data))
    return tuple(ready)


def queue(unit: Unit, context: Context, task: Task, ready: tuple[Ready, ...]) -> None:
    """Put built mails in the outbox, remember what went to whom, and drop the task: all or nothing."""
    if not unit.tasks.owns(task):
        return  # another worker has it; what we built was never seen
    account = unit.accounts.get(task.account_id)
    if account is not None:
        for each in ready:
            if isinstance(each.draft.said, Owed):
                if was_mailed(unit, account.id, each.draft.said, since=task.created_at):
                    continue  # while we built it, their own program has sent it
                _queue_itip(unit, context, task, account, each, each.draft.said)
            elif isinstance(each.draft.said, AlarmMail):
                keep_links(unit, context, account, each.draft.said, each.draft.token)
                _enqueue(unit, context, task, account, each, method="ALARM", own_lane=lane(task.id))
            else:
                _enqueue(unit, context, task, account, each, method="NOTICE", own_lane=lane(task.id))
    unit.tasks.finish(task.id)


def _queue_itip(unit: Unit, context: Context, task: Task, account: Account, ready: Ready, owed: Owed) -> None:
    message, to, now = owed.message, normal_address(owed.recipient), context.clock.now()
    recurrence_id = single(message.recurrence_ids)
    own_lane = lane(account.id, task.uid, to)
    superseded = _supersede(unit, account, owed, own_lane, now)
    if superseded and message.method == Method.CANCEL and not invited(unit.sent.thread(account.id, message.uid, to)):
        record_annihilated(unit, context, account, owed)
        return
    stamp = next((text for each in parse_tree(message.calendar).components if (text := each.value("DTSTAMP"))), "")
    unit.sent.remember(
        Sent(
            account_id=account.id,
            fingerprint=fingerprint(message.uid, recurrence_id, message.method, message.sequence, to, stamp),
            uid=message.uid,
            recurrence_id=recurrence_id,
            recipient=to,
            method=message.method,
            sequence=message.sequence,
            dtstamp=parse_utc(stamp) if stamp else now,
            by="gateway",
            sent_at=now,
            message_id=ready.message_id,
        )
    )
    item = unit.objects.get(task.object_id) if task.object_id else None
    if item is not None and ready.draft.token:
        expires_at = rsvp_expiry(item, context.policy(unit), now)
        mint_link(
            unit, context, "rsvp", item, to,
            expires_at=expires_at, recurrence_id=recurrence_id, token=ready.draft.token,
            sequence=message.sequence, facts=shown_facts(message.calendar, recurrence_id),
        )  # fmt: skip
    depends = to if message.method in (Method.REQUEST, Method.CANCEL) else None
    post(
        unit, context, account, ready.draft.recipient.address, ready.data,
        message_id=ready.message_id, task_id=task.id, uid=task.uid, object_id=task.object_id,
        method=message.method, own_lane=own_lane, attendee=depends,
        recurrence_id=recurrence_id, sequence=message.sequence,
    )  # fmt: skip


def _supersede(unit: Unit, account: Account, owed: Owed, own_lane: str, now: datetime) -> bool:
    """Drop what was built and never left, since a newer message says it; whether there was any."""
    older = replaced(unit, owed, own_lane)
    for recipient, mail in older:
        unit.outbox.settle(recipient.id, state="dropped", reply="superseded by a newer message", finished_at=now)
        unit.sent.forget(account.id, mail.message_id)
    return bool(older)


def _enqueue(
    unit: Unit, context: Context, task: Task, account: Account, ready: Ready, *, method: str, own_lane: str
) -> None:
    post(
        unit, context, account, ready.draft.recipient.address, ready.data,
        message_id=ready.message_id, task_id=task.id, uid=task.uid, object_id=task.object_id,
        method=method, own_lane=own_lane,
    )  # fmt: skip


def post(
    unit: Unit,
    context: Context,
    account: Account,
    to: str,
    data: bytes,
    *,
    message_id: str,
    task_id: str,
    uid: str,
    object_id: str | None,
    method: str,
    own_lane: str,
    attendee: str | None = None,
    recurrence_id: str = "",
    sequence: int = 0,
) -> None:
    """Put one mail for one recipient in the outbox; reports about it come back to an address of its own."""
    now = context.clock.now()
    token = context.ids.row("b")
    message = Message(
        id=context.ids.row("msg"),
        account_id=account.id,
        task_id=task_id,
        uid=uid,
        method=method,
        mail_from=bounce_address(context, token, account.address.rpartition("@")[2]),
        message_id=message_id,
        data=data,
        created_at=now,
        recurrence_id=recurrence_id,
        sequence=sequence,
        object_id=object_id,
    )
    recipient = Recipient(
        id=context.ids.row("rcp"),
        message_id=message.id,
        address=to,
        lane=own_lane,
        bounce_token=token,
        due_at=now,
        attendee=attendee,
    )
    unit.outbox.enqueue(message, (recipient,))


def bounce_address(context: Context, token: str, domain: str) -> str:
    """Return the envelope address to which reports about one recipient's mail come back (VERP)."""
    mailbox = context.config.mail.bounce_local_part
    return build_bounce_address(token, domain, secret=context.key("bounce"), mailbox=mailbox)


def _put_off(unit: Unit, context: Context, task: Task, failure: str) -> None:
    now = context.clock.now()
    if task.attempts + 1 >= MAX_TASK_ATTEMPTS:
        unit.tasks.fail(task.id, at=now, failure=failure)
    else:
        unit.tasks.retry(task.id, due_at=now + wait_after(task.attempts + 1, RetrySettings(), 0.5), failure=failure)
