# SPDX-License-Identifier: Apache-2.0
"""x:Task and x:QueuedMessage as JSON: what is owed or planned, and what waits for the next hop, by recipient."""

from collections.abc import Sequence
from datetime import datetime

from gateway.flows.alarm_mails import ALARM_TASK
from gateway.flows.alarm_plans import next_time
from gateway.flows.alarm_view import why_not
from gateway.flows.context import Context
from gateway.jscalendar.values import Json, utc_text
from gateway.store.alarms import PlannedAlarm
from gateway.store.objects import StoredObject
from gateway.store.outbox import Message, Recipient
from gateway.store.tasks import Task
from gateway.store.unit import Unit
from policies.verdict import Verdict

_LIMIT = 10_000
_STATUS = {"pending": "Pending", "retry": "Retry", "failed": "Failed", "held": "Held"}
_RECIPIENT = {
    "pending": "Scheduled",
    "retry": "TemporaryFailure",
    "sent": "Completed",
    "delivered": "Completed",
    "failed": "PermanentFailure",
    "held": "Held",
    "dropped": "Dropped",
}
_OPEN = ("pending", "retry")


def show_tasks(context: Context, unit: Unit, account_id: str | None) -> list[Json]:
    """Return what is owed, and the alarms that are planned; of one account, or of all."""
    owed = [_task_json(task) for task in unit.tasks.all(account_id=account_id, limit=_LIMIT)]
    settings = context.policy(unit).alarms
    accounts = {account.id: account for account in unit.accounts.all()}
    planned = unit.alarms.all(_LIMIT) if account_id is None else unit.alarms.of_account(account_id, _LIMIT)
    items = unit.objects.get_many(alarm.object_id for alarm in planned)
    timed = ((alarm, item, next_time(unit, item, alarm)) for alarm in planned if (item := items.get(alarm.object_id)))
    return owed + [
        _alarm_json(alarm, item, at, why_not(accounts[alarm.account_id], item, alarm, at, settings))
        for alarm, item, at in timed
        if at is not None and alarm.account_id in accounts
    ]


def _alarm_json(alarm: PlannedAlarm, item: StoredObject, at: datetime, verdict: Verdict | None) -> Json:
    """An alarm that is planned shows as the task it becomes when its time has come; its event says when that is.

    `rule` and `reason` say why it waits beyond its time, or why no mail will come of it as things stand.
    """
    due = utc_text(at)
    return {
        "id": alarm.id,
        "@type": ALARM_TASK,
        "accountId": alarm.account_id,
        "eventId": alarm.object_id,
        "uid": item.uid,
        "alarmId": alarm.alarm_key,
        "recurrenceId": alarm.recurrence_id or None,
        "status": {"@type": "Pending", "createdAt": utc_text(alarm.after_at), "due": due},
        "due": due,
        "messages": [],
        "to": None,
        "rule": verdict.rule if verdict else None,
        "reason": verdict.reason if verdict else None,
    }


def _task_json(task: Task) -> Json:
    status: Json = {"@type": _STATUS.get(task.state, "Pending"), "createdAt": utc_text(task.created_at)}
    if task.state != "failed":
        status["due"] = utc_text(task.due_at)
    if task.state == "retry":
        status.update(attemptNumber=task.attempts, failureReason=task.failure)
    if task.state == "failed" and task.failed_at is not None:
        status.update(failedAt=utc_text(task.failed_at), failedAttemptNumber=task.attempts, failureReason=task.failure)
    owed = task.payload.get("owed") or ()
    return {
        "id": task.id,
        "@type": task.kind,
        "accountId": task.account_id,
        "eventId": task.object_id,
        "uid": task.uid,
        "status": status,
        "due": utc_text(task.due_at),
        "messages": [_owed_json(each) for each in owed],
        "to": task.payload.get("to"),
    }


def _owed_json(owed: Json) -> Json:
    message = owed.get("message") or {}
    return {
        "from": message.get("from_address"),
        "to": owed.get("to"),
        "method": message.get("method"),
        "sequence": message.get("sequence"),
        "summary": message.get("reason"),
        "iCalendarData": message.get("calendar"),
    }


def show_messages(unit: Unit, account_id: str | None) -> list[Json]:
    """Return the mails that the next hop has not taken for everybody; of one account, or of all."""
    found = unit.outbox.queued(account_id=account_id, limit=_LIMIT)
    return [_message_json(message, unit.outbox.recipients(message.id)) for message in found]


def _message_json(message: Message, recipients: Sequence[Recipient]) -> Json:
    due = [recipient.due_at for recipient in recipients if recipient.state in _OPEN]
    return {
        "id": message.id,
        "accountId": message.account_id,
        "eventId": message.object_id,
        "uid": message.uid,
        "method": message.method,
        "messageId": message.message_id,
        "createdAt": utc_text(message.created_at),
        "nextRetry": utc_text(min(due)) if due else None,
        "returnPath": message.mail_from,
        "size": len(message.data),
        "status": {"@type": message.state.capitalize()},
        "recipients": {recipient.address: _recipient_json(recipient) for recipient in recipients},
    }


def _recipient_json(recipient: Recipient) -> Json:
    return {
        "status": {"@type": _RECIPIENT.get(recipient.state, recipient.state), "details": recipient.reply},
        "retryCount": recipient.attempts,
        "retryDue": utc_text(recipient.due_at) if recipient.state in _OPEN else None,
        "scheduleStatus": recipient.schedule_status,
        "attendee": recipient.attendee,
        "finishedAt": utc_text(recipient.finished_at) if recipient.finished_at else None,
    }
