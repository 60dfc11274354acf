# SPDX-License-Identifier: Apache-2.0
"""x:Task and x:QueuedMessage: what is owed and what waits for the next hop, as a support person wants to see it.

A change that owes mail is a task until its mails are built, then a queued message until the next hop took every
recipient. Administrators reschedule, retry, hold and destroy; nobody creates.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from gateway.errors import Refused
from gateway.flows import queue
from gateway.flows.alarm_mails import ALARM_TASK
from gateway.flows.alarm_plans import next_time
from gateway.flows.alarm_view import why_not
from gateway.flows.context import Context
from gateway.http.jmap.arguments import Arguments
from gateway.http.jmap.core import Answer, Call, MethodEntry
from gateway.http.jmap.errors import MethodError, SetError, SetFailure, set_error
from gateway.http.jmap.filters import compile_filter
from gateway.http.jmap.methods.admin_settings import admin_account
from gateway.http.jmap.queries import paged, read_paging, read_sort
from gateway.http.jmap.session import ADMIN
from gateway.http.jmap.standard import only, wanted_properties
from gateway.jscalendar.patch import apply_patch, same_json
from gateway.jscalendar.values import InvalidProperty, Json, parse_utc, utc_text
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
_OF_BOTH = frozenset({"id", "accountId", "eventId", "uid", "status"})
_OF_TASK = _OF_BOTH | {"@type", "alarmId", "recurrenceId", "due", "messages", "to", "rule", "reason"}
_OF_MESSAGE = _OF_BOTH | {
    "method", "messageId", "createdAt", "nextRetry", "returnPath", "size", "recipients",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the two lists: how it is read, which member says when, and what a filter may ask."""

    load: Callable[[Unit, str | None], list[Json]]
    due: str
    properties: frozenset[str]


def methods(context: Context) -> dict[str, MethodEntry]:
    """Return /get, /query and /set of both lists."""
    table: dict[str, MethodEntry] = {}
    kinds = {
        "x:Task": Kind(partial(_tasks, context), "due", _OF_TASK),
        "x:QueuedMessage": Kind(_messages, "nextRetry", _OF_MESSAGE),
    }
    for name, kind in kinds.items():
        table[f"{name}/get"] = MethodEntry(_getter(context, kind), ADMIN)
        table[f"{name}/query"] = MethodEntry(_querier(context, kind), ADMIN)
        table[f"{name}/set"] = MethodEntry(_setter(context, kind), ADMIN, writes=True)
    return table


def _tasks(context: Context, unit: Unit, account_id: str | None) -> list[Json]:
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


def _messages(unit: Unit, account_id: str | None) -> list[Json]:
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


def _scope(arguments: Arguments, call: Call) -> tuple[str, str | None]:
    """Return the account id to answer with, and the one to look at: one's own means everybody's."""
    given = admin_account(arguments, call)
    return given, None if given == call.login.account.id else given


def _load(unit: Unit, kind: Kind, account_id: str | None) -> list[Json]:
    if account_id is not None and unit.accounts.get(account_id) is None:
        raise MethodError("accountNotFound")
    return kind.load(unit, account_id)


def _getter(context: Context, kind: Kind) -> Callable[[Call], Awaitable[Answer]]:
    async def get(call: Call) -> Answer:
        arguments = Arguments(call)
        account_id, scope = _scope(arguments, call)
        ids, properties = arguments.ids("ids"), arguments.texts("properties")
        arguments.done()
        names = wanted_properties(properties, kind.properties)
        items = {item["id"]: item for item in await context.store.read(lambda unit: _load(unit, kind, scope))}
        asked = list(items) if ids is None else ids
        if len(asked) > context.config.http.max_objects_in_get:
            raise MethodError("requestTooLarge")
        return {
            "accountId": account_id,
            "state": _state(items.values()),
            "list": [only(items[item_id], names) for item_id in asked if item_id in items],
            "notFound": [item_id for item_id in asked if item_id not in items],
        }

    return get


def _querier(context: Context, kind: Kind) -> Callable[[Call], Awaitable[Answer]]:
    async def query(call: Call) -> Answer:
        arguments = Arguments(call)
        account_id, scope = _scope(arguments, call)
        paging, filter_ = read_paging(arguments), arguments.mapping("filter")
        sort = read_sort(arguments, dict.fromkeys((kind.due, "due", "createdAt")))
        arguments.done()
        keeps = compile_filter(filter_, lambda name, value: _condition(kind, name, value))
        items = [item for item in await context.store.read(lambda unit: _load(unit, kind, scope)) if keeps(item)]
        for name, ascending in reversed(sort):
            key = _created if name == "createdAt" else lambda item: item[kind.due] or ""
            items.sort(key=key, reverse=not ascending)
        page = paged([item["id"] for item in items], paging, context.config.http.max_objects_in_get)
        return {"accountId": account_id, "queryState": _state(items), "canCalculateChanges": False, **page}

    return query


def _created(item: Json) -> str:
    return str(item.get("createdAt") or item["status"]["createdAt"])


def _condition(kind: Kind, name: str, value: Any) -> Callable[[Any], bool] | None:
    if not isinstance(value, str):
        return None
    wanted = value.casefold()
    tests: dict[str, Callable[[Json], bool]] = {
        "@type": lambda item: item.get("@type") == value,
        "status": lambda item: item["status"]["@type"].casefold() == wanted,
        "accountId": lambda item: item["accountId"] == value,
        "uid": lambda item: item["uid"] == value,
        "returnPath": lambda item: wanted in str(item.get("returnPath", "")).casefold(),
        "to": lambda item: wanted in json.dumps(item.get("recipients") or item.get("messages") or "").casefold(),
        "text": lambda item: wanted in json.dumps(item, ensure_ascii=False).casefold(),
    }
    if name in ("after", "before", "due") and parse_utc(value):
        if name == "after":
            return lambda item: bool(item[kind.due]) and item[kind.due] >= value
        return lambda item: bool(item[kind.due]) and item[kind.due] <= value
    return tests.get(name)


def _setter(context: Context, kind: Kind) -> Callable[[Call], Awaitable[Answer]]:
    async def set_(call: Call) -> Answer:
        arguments = Arguments(call)
        account_id, scope = _scope(arguments, call)
        if_in_state = arguments.text_or_none("ifInState")
        create, update = arguments.objects("create"), arguments.objects("update")
        destroy = arguments.ids("destroy") or []
        arguments.done()
        if len(create) + len(update) + len(destroy) > context.config.http.max_objects_in_set:
            raise MethodError("requestTooLarge")
        items = {item["id"]: item for item in await context.store.read(lambda unit: _load(unit, kind, scope))}
        old_state = _state(items.values())
        if if_in_state is not None and if_in_state != old_state:
            raise MethodError("stateMismatch")
        not_updated = {i: e for i, p in update.items() if (e := await _try(_change(context, kind, items, i, p)))}
        not_destroyed = {i: e for i in destroy if (e := await _try(_drop(context, items, i)))}
        after = await context.store.read(lambda unit: _load(unit, kind, scope))
        return {
            "accountId": account_id,
            "oldState": old_state,
            "newState": _state(after),
            "created": None,
            "updated": {i: None for i in update if i not in not_updated} or None,
            "destroyed": [i for i in destroy if i not in not_destroyed] or None,
            "notCreated": {i: SetError("forbidden", "Only changes of events owe mail").json for i in create} or None,
            "notUpdated": not_updated or None,
            "notDestroyed": not_destroyed or None,
        }

    return set_


async def _try(change: Awaitable[None]) -> Json | None:
    try:
        await change
    except SetFailure as failure:
        return failure.error.json
    except Refused as error:
        return set_error(error).json
    return None


async def _drop(context: Context, items: dict[str, Json], item_id: str) -> None:
    if item_id not in items:
        raise SetFailure("notFound")
    _refuse_planned(items[item_id])
    await queue.drop(context, item_id)


def _refuse_planned(item: Json) -> None:
    if "alarmId" in item:
        raise SetFailure("forbidden", "The event says when its alarm fires; change it there")


async def _change(context: Context, kind: Kind, items: dict[str, Json], item_id: str, patch: Json) -> None:
    """Reschedule, retry, hold or release: by the member that says when, or by `status/@type`."""
    before = items.get(item_id)
    if before is None:
        raise SetFailure("notFound")
    _refuse_planned(before)
    after = apply_patch(before, patch)
    if isinstance(after, InvalidProperty):
        raise SetFailure("invalidPatch", after.reason, after.path)
    changed = {name for name in after if not same_json(before.get(name), after[name])}
    if changed - {kind.due, "due", "status"}:
        raise SetFailure("invalidProperties", "Only when it is due and its status can be changed", *sorted(changed))
    status = after.get("status")
    word = status.get("@type") if isinstance(status, dict) else None
    if "status" in changed and word == "Held":
        await queue.hold(context, item_id)
    elif "status" in changed and word in ("Pending", "Queued", "Scheduled"):
        await (queue.release if before["status"]["@type"] == "Held" else queue.retry)(context, item_id)
    elif "status" in changed:
        raise SetFailure("invalidProperties", "The status can become Pending or Held", "status")
    due = after.get(kind.due if kind.due in changed else "due")
    if changed & {kind.due, "due"}:
        await queue.reschedule(context, item_id, _instant(due))


def _instant(given: Any) -> datetime:
    at = parse_utc(given)
    if at is None:
        raise SetFailure("invalidProperties", "must be a UTC date and time", "due")
    return at


def _state(items: Iterable[Json]) -> str:
    return hashlib.sha256(json.dumps(list(items), sort_keys=True).encode()).hexdigest()[:16]
