# SPDX-License-Identifier: Apache-2.0
"""Look into the outbox and lay hands on it: what an operator (command line, JMAP, admin page) may do."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from gateway.errors import Refused
from gateway.flows.context import Context
from gateway.itip.address import normal_address
from gateway.store.journal import Entry
from gateway.store.outbox import Message, Recipient
from gateway.store.tasks import Task
from gateway.store.unit import Unit

FINISHED = ("queued", "held", "failed", "done", "dropped")
UNFINISHED = ("queued", "held", "failed")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing in the queue: a task whose mails are not built yet, or one recipient of a built mail."""

    id: str  # of the task, or of the mail
    kind: str  # the task's kind, or Mail
    account_id: str
    uid: str
    method: str
    recipient: str
    state: str
    attempts: int
    due_at: datetime
    created_at: datetime
    last: str  # the last failure or the next hop's last words
    schedule_status: str = ""
    message_id: str = ""


async def listing(context: Context, *, account: str | None = None, finished: bool = False) -> tuple[Row, ...]:
    """Return the queue in order."""

    def fn(unit: Unit) -> tuple[Row, ...]:
        owner = unit.accounts.by_address(normal_address(account)) if account else None
        if account and owner is None:
            raise Refused("not-found", f"There is no account {account}")
        owner_id = owner.id if owner else None
        tasks = [_task_row(task) for task in unit.tasks.all(account_id=owner_id)]
        states = FINISHED if finished else UNFINISHED
        mails = [
            _mail_row(message, recipient)
            for message in unit.outbox.queued(account_id=owner_id, states=states)
            for recipient in unit.outbox.recipients(message.id)
        ]
        return (*tasks, *mails)

    return await context.store.read(fn)


def document(row: Row) -> dict[str, Any]:
    """Return a row as JSON has it."""
    return asdict(row)


async def content(context: Context, item_id: str) -> str:
    """Return the text of a built mail, or the calendars a task will send."""

    def fn(unit: Unit) -> str:
        message = unit.outbox.message(item_id)
        if message is not None:
            return message.data.decode("utf-8", "replace")
        task = unit.tasks.get(item_id)
        owed = task.payload.get("owed", ()) if task else ()
        return "\n".join(str(item["message"]["calendar"]) for item in owed)

    return await context.store.read(fn)


async def retry(context: Context, item_id: str) -> None:
    """Try a task or the open recipients of a mail now.

    Raises:
        Refused: `not-found`.
    """
    now = context.clock.now()
    await _act(
        context,
        item_id,
        "retry",
        lambda unit, task: unit.tasks.update(task.id, state="pending", due_at=now, leased_until=None),
        lambda unit, r: unit.outbox.settle(r.id, state="retry", due_at=now) if r.state in _TRYABLE else None,
        message_state="queued",
    )
    context.wake()


async def reschedule(context: Context, item_id: str, due_at: datetime) -> None:
    """Try a task or the open recipients of a mail at another time.

    Raises:
        Refused: `not-found`.
    """
    await _act(
        context,
        item_id,
        "reschedule",
        lambda unit, task: unit.tasks.update(task.id, due_at=due_at),
        lambda unit, r: unit.outbox.settle(r.id, due_at=due_at) if r.state in _OPEN else None,
        message_state=None,
    )
    context.wake()


async def hold(context: Context, item_id: str) -> None:
    """Keep from being sent until released.

    Raises:
        Refused: `not-found`.
    """
    await _act(
        context,
        item_id,
        "hold",
        lambda unit, task: unit.tasks.update(task.id, state="held"),
        lambda unit, r: unit.outbox.settle(r.id, state="held") if r.state in _OPEN else None,
        message_state="held",
    )


async def release(context: Context, item_id: str) -> None:
    """Let go what was held.

    Raises:
        Refused: `not-found`.
    """
    now = context.clock.now()
    await _act(
        context,
        item_id,
        "release",
        lambda unit, task: unit.tasks.update(task.id, state="pending", due_at=now),
        lambda unit, r: unit.outbox.settle(r.id, state="retry", due_at=now) if r.state == "held" else None,
        message_state="queued",
    )
    context.wake()


async def drop(context: Context, item_id: str) -> None:
    """Never send it.

    Raises:
        Refused: `not-found`.
    """
    now = context.clock.now()
    await _act(
        context,
        item_id,
        "drop",
        lambda unit, task: unit.tasks.finish(task.id),
        lambda unit, r: (
            unit.outbox.settle(r.id, state="dropped", finished_at=now) if r.state in (*_OPEN, "held") else None
        ),
        message_state=None,
    )


_OPEN = ("pending", "retry")
_TRYABLE = (*_OPEN, "failed", "held")


async def _act(
    context: Context,
    item_id: str,
    verb: str,
    on_task: Callable[[Unit, Task], None],
    on_recipient: Callable[[Unit, Recipient], None],
    *,
    message_state: str | None,
) -> None:
    def fn(unit: Unit) -> None:
        task, message = unit.tasks.get(item_id), unit.outbox.message(item_id)
        if task is not None:
            on_task(unit, task)
        elif message is not None:
            if message_state is not None:
                unit.outbox.update_message(message.id, state=message_state, finished_at=None)
            for recipient in unit.outbox.recipients(message.id):
                on_recipient(unit, recipient)
        else:
            raise Refused("not-found", f"There is nothing {item_id} in the queue")
        subject = task or message
        unit.journal.write(
            Entry(
                at=context.clock.now(),
                stage="delivery",
                outcome=verb,
                rule=f"queue.{verb}",
                reason="An operator asked for it",
                mail_id=item_id,
                account_id=subject.account_id if subject else None,
                uid=subject.uid if subject else None,
            )
        )

    await context.store.write(fn)


def _task_row(task: Task) -> Row:
    owed = task.payload.get("owed", ())
    return Row(
        id=task.id,
        kind=task.kind,
        account_id=task.account_id,
        uid=task.uid,
        method=", ".join(dict.fromkeys(str(item["message"]["method"]) for item in owed)),
        recipient=", ".join(str(item["to"]) for item in owed) or str(task.payload.get("to", "")),
        state=task.state,
        attempts=task.attempts,
        due_at=task.due_at,
        created_at=task.created_at,
        last=task.failure or "",
    )


def _mail_row(message: Message, recipient: Recipient) -> Row:
    return Row(
        id=message.id,
        kind="Mail",
        account_id=message.account_id,
        uid=message.uid,
        method=message.method,
        recipient=recipient.address,
        state=recipient.state,
        attempts=recipient.attempts,
        due_at=recipient.due_at,
        created_at=message.created_at,
        last=recipient.reply or "",
        schedule_status=recipient.schedule_status,
        message_id=message.message_id,
    )
