# SPDX-License-Identifier: Apache-2.0
"""The standard methods for any type: /get, /changes, /set (RFC 8620 §5).

A type says how to load, create, change and destroy its objects; states, limits, creation references and error shapes
are here, once.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from gateway.errors import Refused
from gateway.flows.context import Context
from gateway.http.jmap.arguments import Arguments
from gateway.http.jmap.core import Call
from gateway.http.jmap.errors import MethodError, SetError, SetFailure, set_error
from gateway.http.jmap.view import View, open_view
from gateway.jscalendar.values import Json
from gateway.store.changes import Kind, Since
from gateway.store.unit import Unit

T = TypeVar("T")
MAX_CHANGES = 10_000
_NOT = {"create": "notCreated", "update": "notUpdated", "destroy": "notDestroyed"}
_STATE = re.compile(r"(\d{1,18})(?:\.([A-Za-z0-9_-]{1,64}))?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Getting:
    """What a /get loads: objects by id, in the order asked for; `None` ids means all."""

    kind: Kind
    properties: frozenset[str]
    load: Callable[[Unit, View, Sequence[str] | None], dict[str, Json]]


async def get_objects(context: Context, call: Call, getting: Getting, arguments: Arguments | None = None) -> Json:
    """Answer /get (RFC 8620 §5.1)."""
    arguments = arguments or Arguments(call)
    account_id, ids, properties = arguments.account_id(), arguments.ids("ids"), arguments.texts("properties")
    arguments.done()
    limit = context.config.http.max_objects_in_get
    if ids is not None and len(ids) > limit:
        raise MethodError("requestTooLarge", f"At most {limit} objects in one get")
    named = wanted_properties(properties, getting.properties)

    def fn(unit: Unit) -> Json:
        view = open_view(unit, call.login, account_id)
        found = getting.load(unit, view, ids)
        if ids is None and len(found) > limit:
            raise MethodError("requestTooLarge", f"There are more than {limit} objects; ask for them by id")
        order = list(found) if ids is None else [item_id for item_id in ids if item_id in found]
        return {
            "accountId": account_id,
            "state": state_of(unit, view, getting.kind),
            "list": [only(found[item_id], named) for item_id in order],
            "notFound": [] if ids is None else [item_id for item_id in ids if item_id not in found],
        }

    return await context.store.read(fn)


def wanted_properties(asked: Sequence[str] | None, known: frozenset[str]) -> frozenset[str] | None:
    """Return the properties to show, `id` always among them; None = all.

    Raises:
        MethodError: `invalidArguments` for a property that the type does not have.
    """
    if asked is None:
        return None
    unknown = [name for name in asked if known and name not in known]
    if unknown:
        raise MethodError("invalidArguments", f"There is no property {', '.join(unknown)[:200]}")
    return frozenset((*asked, "id"))


def only(item: Json, names: frozenset[str] | None) -> Json:
    """Return the named members of an object."""
    return item if names is None else {name: value for name, value in item.items() if name in names}


def state_of(unit: Unit, view: View, kind: Kind) -> str:
    """Return the state string of a type: a count that survives restarts."""
    return str(_count(unit, view, kind))


def _count(unit: Unit, view: View, kind: Kind) -> int:
    return unit.people.state(view.people) if kind is Kind.PERSON else unit.changes.state(view.log, kind)


async def get_changes(context: Context, call: Call, kind: Kind, **more: Any) -> Json:
    """Answer /changes (RFC 8620 §5.2)."""
    arguments = Arguments(call)
    account_id, since = arguments.account_id(), parse_state(arguments.text("sinceState"))
    limit = arguments.number("maxChanges", least=1) or MAX_CHANGES
    arguments.done()

    def fn(unit: Unit) -> Json:
        view = open_view(unit, call.login, account_id)
        found = changes_since(unit, view, kind, since, min(limit, MAX_CHANGES))
        return {
            "accountId": account_id,
            "oldState": since.text,
            "newState": State(found.new_state, found.last_id).text,
            "hasMoreChanges": found.has_more,
            "created": list(found.created),
            "updated": list(found.updated),
            "destroyed": list(found.destroyed),
            **more,
        }

    return await context.store.read(fn)


@dataclass(frozen=True, slots=True)
class State:
    """A state: a count, and where only a part of what has that count was told, the id that was told last."""

    count: int
    last_id: str = ""

    @property
    def text(self) -> str:
        return f"{self.count}.{self.last_id}" if self.last_id else str(self.count)


def parse_state(text: str) -> State:
    """Read a state string.

    Raises:
        MethodError: `cannotCalculateChanges` for one that is not ours.
    """
    match = _STATE.match(text)
    if match is None:
        raise MethodError("cannotCalculateChanges", "This is no state of ours")
    return State(int(match[1]), match[2] or "")


def changes_since(unit: Unit, view: View, kind: Kind, since: State, limit: int) -> Since:
    """Return what has changed since a state.

    Raises:
        MethodError: `cannotCalculateChanges` for a state that is yet to come.
    """
    if since.count > _count(unit, view, kind):
        raise MethodError("cannotCalculateChanges", "This state is not known here")
    if kind is Kind.PERSON:
        return unit.people.since(view.people, since.count, limit, last_id=since.last_id)
    return unit.changes.since(view.log, kind, since.count, limit, last_id=since.last_id)


@dataclass(frozen=True, slots=True)
class Setting:
    """How a type creates, changes and destroys. Each raises SetFailure or Refused; what it returns was set by us."""

    kind: Kind
    create: Callable[[Unit, View, Json], tuple[str, Json]]
    update: Callable[[Unit, View, str, Json], Json | None]
    destroy: Callable[[Unit, View, str], None]
    #: Called after all of it, in the same transaction: onSuccess arguments. Returns members for the response.
    finish: Callable[[Unit, View, "SetResult"], Json] | None = None


@dataclass(slots=True)
class SetResult:
    """What a /set did so far. `created` maps creation ids to the objects' server-set members."""

    ids: dict[str, str]  # creation ids of this request, earlier calls included
    created: dict[str, Json]
    updated: dict[str, Json | None]
    destroyed: list[str]
    failed: dict[str, dict[str, SetError]]


async def set_objects(context: Context, call: Call, arguments: Arguments, setting: Setting) -> Json:
    """Answer /set (RFC 8620 §5.3); each object succeeds or fails alone, its failure leaves no trace."""
    account_id, if_in_state = arguments.account_id(), arguments.text_or_none("ifInState")
    create, update = arguments.objects("create"), arguments.objects("update")
    destroy = arguments.ids("destroy") or []
    arguments.done()
    limit = context.config.http.max_objects_in_set
    if len(create) + len(update) + len(destroy) > limit:
        raise MethodError("requestTooLarge", f"At most {limit} objects in one set")
    before = dict(call.created)

    def fn(unit: Unit) -> tuple[Json, dict[str, str]]:
        view = open_view(unit, call.login, account_id)
        old_state = state_of(unit, view, setting.kind)
        if if_in_state is not None and if_in_state != old_state:
            raise MethodError("stateMismatch", f"The state is {old_state}")
        result = SetResult(dict(before), {}, {}, [], {"create": {}, "update": {}, "destroy": {}})
        _run_all(unit, view, setting, result, create, update, destroy)
        more = setting.finish(unit, view, result) if setting.finish is not None else {}
        new_state = state_of(unit, view, setting.kind)
        return {**_set_response(account_id, old_state, new_state, result), **more}, result.ids

    response, ids = await context.store.write(fn)
    call.created.update(ids)
    context.wake()
    return response


def _run_all(
    unit: Unit,
    view: View,
    setting: Setting,
    result: SetResult,
    create: Mapping[str, Json],
    update: Mapping[str, Json],
    destroy: Sequence[str],
) -> None:
    for creation_id, item in create.items():
        made = attempt(unit, partial(setting.create, unit, view, resolve_creations(item, result.ids)))
        if isinstance(made, SetError):
            result.failed["create"][creation_id] = made
        else:
            result.ids[creation_id] = made[0]
            result.created[creation_id] = {"id": made[0], **made[1]}
    for given_id, patch in update.items():
        item_id = _resolved(given_id, result.ids)
        if item_id in destroy or given_id in destroy:
            result.failed["update"][given_id] = SetError("willDestroy")
            continue
        changed = attempt(unit, partial(setting.update, unit, view, item_id, resolve_creations(patch, result.ids)))
        if isinstance(changed, SetError):
            result.failed["update"][given_id] = changed
        else:
            result.updated[item_id] = changed
    for given_id in destroy:
        item_id = _resolved(given_id, result.ids)
        gone = attempt(unit, partial(setting.destroy, unit, view, item_id))
        if isinstance(gone, SetError):
            result.failed["destroy"][given_id] = gone
        else:
            result.destroyed.append(item_id)


def attempt(unit: Unit, change: Callable[[], T]) -> T | SetError:
    """Do one change in a savepoint: it happens whole or not at all."""
    try:
        with unit.savepoint():
            return change()
    except SetFailure as failure:
        return failure.error
    except Refused as error:
        return set_error(error)


def resolve_creations(value: Json, ids: Mapping[str, str]) -> Json:
    """Return an object whose `#creation id` references in id maps and id members are resolved (RFC 8620 §5.3)."""
    resolved: Json = {}
    for name, member in value.items():
        if name == "calendarIds" and isinstance(member, dict):
            member = {_resolved(key, ids): held for key, held in member.items()}
        elif name.startswith("calendarIds/#"):
            name = "calendarIds/" + _resolved(name.removeprefix("calendarIds/"), ids)
        resolved[name] = member
    return resolved


def _resolved(item_id: str, ids: Mapping[str, str]) -> str:
    return ids.get(item_id[1:], item_id) if item_id.startswith("#") else item_id


def _set_response(account_id: str, old_state: str, new_state: str, result: SetResult) -> Json:
    failed = {
        f"not{name.capitalize()}{'d' if name != 'destroy' else 'ed'}": {key: e.json for key, e in errors.items()}
        or None
        for name, errors in result.failed.items()
    }
    return {
        "accountId": account_id,
        "oldState": old_state,
        "newState": new_state,
        "created": result.created or None,
        "updated": result.updated or None,
        "destroyed": result.destroyed or None,
        **failed,
    }
