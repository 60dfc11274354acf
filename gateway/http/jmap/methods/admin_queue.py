# SPDX-License-Identifier: Apache-2.0
"""x:Task and x:QueuedMessage: what is owed and what waits for the next hop, as a support person wants to see it.

A change that owes mail is a task until its mails are built, then a queued message until the next hop took every
recipient. Administrators reschedule, retry, hold and destroy; nobody creates.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from gateway.errors import Refused
from gateway.flows import queue
from gateway.flows.context import Context
from gateway.http.jmap.arguments import Arguments
from gateway.http.jmap.core import Answer, Call, MethodEntry
from gateway.http.jmap.errors import MethodError, SetError, SetFailure, set_error
from gateway.http.jmap.filters import compile_filter
from gateway.http.jmap.methods.admin_settings import admin_account
from gateway.http.jmap.queries import paged, read_paging, read_sort
from gateway.http.jmap.queue_view import show_messages, show_tasks
from gateway.http.jmap.session import ADMIN
from gateway.http.jmap.standard import only, wanted_properties
from gateway.jscalendar.patch import apply_patch, same_json
from gateway.jscalendar.values import InvalidProperty, Json, parse_utc
from gateway.store.unit import Unit

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
        "x:Task": Kind(partial(show_tasks, context), "due", _OF_TASK),
        "x:QueuedMessage": Kind(show_messages, "nextRetry", _OF_MESSAGE),
    }
    for name, kind in kinds.items():
        table[f"{name}/get"] = MethodEntry(_getter(context, kind), ADMIN)
        table[f"{name}/query"] = MethodEntry(_querier(context, kind), ADMIN)
        table[f"{name}/set"] = MethodEntry(_setter(context, kind), ADMIN, writes=True)
    return table


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
