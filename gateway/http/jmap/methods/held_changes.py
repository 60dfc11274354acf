# SPDX-License-Identifier: Apache-2.0
"""HeldChange/get, /changes, /query, /set: messages that wait for the person whose calendar they would change.

Ours, of the capability `urn:imip-gateway:scheduling`. An update of `status` to `released` applies the message, to
`rejected` drops it, as destroying does; either way it waits no more, so it is gone.
"""

from collections.abc import Sequence

from gateway.flows.context import Context
from gateway.flows.held import reject_in, release_in
from gateway.flows.stored import known_object
from gateway.http.jmap.arguments import Arguments
from gateway.http.jmap.core import Answer, Call, MethodEntry
from gateway.http.jmap.errors import MethodError, SetFailure
from gateway.http.jmap.queries import paged, read_paging, read_sort
from gateway.http.jmap.session import SCHEDULING
from gateway.http.jmap.standard import Getting, Setting, get_changes, get_objects, set_objects, state_of
from gateway.http.jmap.view import View, open_view
from gateway.itip.tree import parse_tree
from gateway.jscalendar.convert import events_from_ical
from gateway.jscalendar.values import Json, utc_text
from gateway.store.changes import Kind
from gateway.store.held import Held
from gateway.store.unit import Unit

_PROPERTIES = frozenset(
    {
        "id",
        "created",
        "status",
        "method",
        "uid",
        "calendarEventId",
        "from",
        "recipient",
        "rule",
        "reason",
        "events",
        "ical",
    }
)


def methods(context: Context) -> dict[str, MethodEntry]:
    """Return the methods of HeldChange."""

    async def get(call: Call) -> Answer:
        return await get_objects(context, call, Getting(Kind.HELD, _PROPERTIES, _load))

    async def changes(call: Call) -> Answer:
        return await get_changes(context, call, Kind.HELD)

    async def query(call: Call) -> Answer:
        return await _query(context, call)

    async def set_(call: Call) -> Answer:
        def update(unit: Unit, view: View, held_id: str, patch: Json) -> Json:
            return _decide(unit, context, view, held_id, patch)

        def destroy(unit: Unit, view: View, held_id: str) -> None:
            reject_in(unit, context, _own(unit, view, held_id).id, by=view.caller.address)

        return await set_objects(context, call, Arguments(call), Setting(Kind.HELD, _refuse_create, update, destroy))

    return {
        "HeldChange/get": MethodEntry(get, SCHEDULING),
        "HeldChange/changes": MethodEntry(changes, SCHEDULING),
        "HeldChange/query": MethodEntry(query, SCHEDULING),
        "HeldChange/set": MethodEntry(set_, SCHEDULING, writes=True),
    }


def _waiting(unit: Unit, view: View) -> tuple[Held, ...]:
    """What waits for the owner; others, with whom a calendar is shared, do not vouch for anybody."""
    return unit.held.waiting(view.account.id) if view.is_own else ()


def _load(unit: Unit, view: View, ids: Sequence[str] | None) -> dict[str, Json]:
    found = _waiting(unit, view)
    return {each.id: _json(unit, each) for each in found if ids is None or each.id in ids}


def _json(unit: Unit, held: Held) -> Json:
    item = known_object(unit, held.account_id, held.uid)
    return {
        "id": held.id,
        "created": utc_text(held.created_at),
        "status": held.state,
        "method": held.method,
        "uid": held.uid,
        "calendarEventId": item.id if item is not None else None,
        "from": held.from_address,
        "recipient": held.recipient,
        "rule": held.rule,
        "reason": held.reason,
        "ical": held.ical,
        "events": list(events_from_ical(parse_tree(held.ical))),
    }


def _own(unit: Unit, view: View, held_id: str) -> Held:
    found = next((each for each in _waiting(unit, view) if each.id == held_id), None)
    if found is None:
        raise SetFailure("notFound")
    return found


def _refuse_create(unit: Unit, view: View, item: Json) -> tuple[str, Json]:
    raise SetFailure("forbidden", "What waits came by mail")


def _decide(unit: Unit, context: Context, view: View, held_id: str, patch: Json) -> Json:
    """Release or reject; the response says what became of it."""
    held, status = _own(unit, view, held_id), patch.get("status")
    if set(patch) != {"status"} or status not in ("released", "rejected"):
        raise SetFailure("invalidProperties", "Only status is set, to released or rejected", *sorted(patch))
    if status == "rejected":
        reject_in(unit, context, held.id, by=view.caller.address)
        return {"outcome": "rejected"}
    outcome = release_in(unit, context, held.id, by=view.caller.address)
    return {"outcome": outcome.outcome, "rule": outcome.rule, "reason": outcome.reason}


async def _query(context: Context, call: Call) -> Json:
    arguments = Arguments(call)
    account_id, paging = arguments.account_id(), read_paging(arguments)
    if arguments.mapping("filter"):
        raise MethodError("unsupportedFilter", "What waits is not filtered")
    newest_first = any(not ascending for _, ascending in read_sort(arguments, ("created",)))
    arguments.done()

    def fn(unit: Unit) -> Json:
        view = open_view(unit, call.login, account_id)
        ids = [each.id for each in _waiting(unit, view)]  # what waits longest comes first
        page = paged(ids[::-1] if newest_first else ids, paging, context.config.http.max_objects_in_get)
        state = state_of(unit, view, Kind.HELD)
        return {"accountId": account_id, "queryState": state, "canCalculateChanges": False, **page}

    return await context.store.read(fn)
