# SPDX-License-Identifier: Apache-2.0
"""CalendarEvent/set and /copy: changes, whole or to one occurrence, and what each of them sent (JMAP Calendars §5.9).

With `urn:imip-gateway:scheduling` in `using` the response says of every object how many messages went out, or why
none did: `schedulingOutcome`.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gateway.flows.calendar_change import ChangeResult
from gateway.flows.context import Context
from gateway.http.jmap.arguments import Arguments
from gateway.http.jmap.core import Answer, Call, MethodEntry
from gateway.http.jmap.errors import MethodError, SetError, SetFailure, invalid_properties
from gateway.http.jmap.event_changes import create_event, destroy_event, update_event
from gateway.http.jmap.event_rights import require_rights
from gateway.http.jmap.event_view import EventRecord, load_records, show_event, show_occurrence, split_id
from gateway.http.jmap.session import CALENDARS, SCHEDULING
from gateway.http.jmap.standard import SetResult, Setting, attempt, resolve_creations, set_objects, state_of
from gateway.http.jmap.utc_times import refuse_both, with_utc_times
from gateway.http.jmap.view import View, open_view
from gateway.jscalendar.dialect import upgrade_patch
from gateway.jscalendar.overrides import SERIES_ONLY, diff_instance, is_excluded, without_orphans
from gateway.jscalendar.patch import apply_patch, same_json
from gateway.jscalendar.values import InvalidProperty, Json, JsonMap
from gateway.store.changes import Kind
from gateway.store.unit import Unit

#: What an occurrence cannot have of its own.
_SERIES_MEMBERS = ("calendarIds", "isDraft", "mayInviteSelf", "mayInviteOthers", "hideAttendees")


def methods(context: Context) -> dict[str, MethodEntry]:
    """Return the writing methods of CalendarEvent."""

    async def set_(call: Call) -> Answer:
        arguments = Arguments(call)
        change = EventChange(context, call, send=arguments.flag("sendSchedulingMessages"))
        setting = Setting(Kind.EVENT, change.create, change.update, change.destroy, change.finish)
        return await set_objects(context, call, arguments, setting)

    async def copy(call: Call) -> Answer:
        return await _copy(context, call)

    return {
        "CalendarEvent/set": MethodEntry(set_, CALENDARS, writes=True),
        "CalendarEvent/copy": MethodEntry(copy, CALENDARS, writes=True),
    }


@dataclass(slots=True)
class EventChange:
    """The /set of events; `outcomes` gathers what each change sent, by event id."""

    context: Context
    call: Call
    send: bool
    outcomes: dict[str, Json] = field(default_factory=dict)

    def create(self, unit: Unit, view: View, item: Json) -> tuple[str, Json]:
        refuse_both(item)
        event_id, differences, result = create_event(unit, self.context, view, item, send=self.send)
        self._note(event_id, result)
        return event_id, differences

    def update(self, unit: Unit, view: View, event_id: str, patch: Json) -> Json | None:
        record, key = find_event(unit, view, event_id)
        upgraded, faults = upgrade_patch(patch)
        if faults:
            raise invalid_properties(faults)
        refuse_both(upgraded)
        if key is None:
            return self._update_whole(unit, view, record, upgraded)
        after = _sound(with_occurrence(record, view, key, upgraded))
        wanted = apply_patch(show_occurrence(record, view, key) or {}, upgraded)
        _, result = update_event(unit, self.context, view, record, after, send=self.send)
        self._note(event_id, result)
        return _told(unit, view, event_id, wanted)

    def _update_whole(self, unit: Unit, view: View, record: EventRecord, patch: Json) -> Json | None:
        before = show_event(record, view, whole=True)
        patched = _sound(apply_patch(before, patch))
        after = without_orphans(before, patched)
        differences, result = update_event(unit, self.context, view, record, after, send=self.send)
        self._note(record.id, result)
        overrides = after.get("recurrenceOverrides")
        if same_json(overrides, patched.get("recurrenceOverrides")):
            return differences
        return {**(differences or {}), "recurrenceOverrides": overrides or None}

    def destroy(self, unit: Unit, view: View, event_id: str) -> None:
        record, key = find_event(unit, view, event_id)
        before = show_event(record, view, whole=True)
        if key is not None:
            overrides = {**(before.get("recurrenceOverrides") or {}), key: {"excluded": True}}
            after = {**before, "recurrenceOverrides": overrides}
            _, result = update_event(unit, self.context, view, record, after, send=self.send)
            self._note(event_id, result)
            return
        require_rights(view, record.calendar_ids, before, None)
        self._note(event_id, destroy_event(unit, self.context, view, record, send=self.send))

    def finish(self, unit: Unit, view: View, result: SetResult) -> Json:
        """Tell what went out, where the client asked to be told."""
        if SCHEDULING not in self.call.using:
            return {}
        told = {key: self.outcomes[made["id"]] for key, made in result.created.items()}
        told.update({i: self.outcomes[i] for i in (*result.updated, *result.destroyed) if i in self.outcomes})
        return {"schedulingOutcome": told}

    def _note(self, event_id: str, result: ChangeResult) -> None:
        nothing = result.nothing if not result.messages else None
        self.outcomes[event_id] = {"messages": result.messages, "rule": result.rule, "nothing": nothing}


def find_event(unit: Unit, view: View, event_id: str) -> tuple[EventRecord, str | None]:
    """Return an event that the caller sees, and the key of the occurrence that its id names.

    Raises:
        SetFailure: `notFound`.
    """
    object_id, key = split_id(event_id)
    record = load_records(unit, view, [object_id]).get(object_id)
    if record is None or (key is not None and show_occurrence(record, view, key) is None):
        raise SetFailure("notFound")
    return record, key


def _sound(patched: Json | InvalidProperty) -> Json:
    """Return a patched object.

    Raises:
        SetFailure: `invalidPatch`.
    """
    if isinstance(patched, InvalidProperty):
        raise SetFailure("invalidPatch", f"{patched.path}: {patched.reason}", patched.path)
    return patched


def _told(unit: Unit, view: View, event_id: str, wanted: JsonMap | InvalidProperty) -> Json | None:
    """Return what of an occurrence is other than its client knows, now that it was changed."""
    object_id, key = split_id(event_id)
    record = load_records(unit, view, [object_id]).get(object_id)
    shown = show_occurrence(record, view, key) if record is not None and key is not None else None
    if shown is None or isinstance(wanted, InvalidProperty):
        return None
    return {name: member for name, member in shown.items() if not same_json(wanted.get(name), member)} or None


def with_occurrence(record: EventRecord, view: View, key: str, patch: Json) -> Json | InvalidProperty:
    """Return the series with one occurrence changed: a change of it is an override (JMAP Calendars §5.9.1)."""
    instance = show_occurrence(record, view, key, whole=True)
    if instance is None:
        raise SetFailure("notFound")
    after = apply_patch(instance, patch)
    if isinstance(after, InvalidProperty):
        return after
    wrong = [
        name
        for name in (*_SERIES_MEMBERS, "id", "baseEventId", *sorted(SERIES_ONLY))
        if _differs(instance, after, name)
    ]
    if wrong:
        raise SetFailure("invalidProperties", "An occurrence has no such member of its own", *wrong)
    calendars = [view.calendars[i].time_zone or view.account.time_zone for i in record.calendar_ids]
    after = with_utc_times({name: member for name, member in after.items() if member is not None}, calendars)
    series = show_event(record, view, whole=True)
    override = diff_instance(_shared(series), key, _shared(after))
    return {**series, "recurrenceOverrides": {**(series.get("recurrenceOverrides") or {}), key: override}}


def _shared(event: Json) -> Json:
    return {name: member for name, member in event.items() if name not in ("id", "baseEventId")}


def _differs(before: Json, after: Json, name: str) -> bool:
    return not same_json(before.get(name), after.get(name))


async def _copy(context: Context, call: Call) -> Answer:
    arguments = Arguments(call)
    account_id, from_id = arguments.account_id(), arguments.text("fromAccountId")
    if_state, if_from = arguments.text_or_none("ifInState"), arguments.text_or_none("ifFromInState")
    create, send = arguments.objects("create"), arguments.flag("sendSchedulingMessages")
    destroy = arguments.flag("onSuccessDestroyOriginal")
    destroy_state = arguments.text_or_none("destroyFromIfInState")
    arguments.done()
    if account_id == from_id:
        raise MethodError("invalidArguments", "Within one account, change calendarIds", arguments=["fromAccountId"])
    if len(create) > context.config.http.max_objects_in_set:
        raise MethodError("requestTooLarge")
    before = dict(call.created)

    def fn(unit: Unit) -> tuple[list[tuple[str, Json]], dict[str, str]]:
        source = _view_or(unit, call, from_id, "fromAccountNotFound")
        view = open_view(unit, call.login, account_id)
        for wanted, seen in ((if_state, view), (if_from, source)):
            if wanted is not None and wanted != state_of(unit, seen, Kind.EVENT):
                raise MethodError("stateMismatch")
        change, ids = EventChange(context, call, send=send), dict(before)
        old_state = state_of(unit, view, Kind.EVENT)
        created: dict[str, Json] = {}
        failed: dict[str, Json] = {}
        originals: list[str] = []
        for creation_id, item in create.items():
            made = attempt(unit, partial(_copy_one, unit, change, source, view, resolve_creations(item, ids)))
            if isinstance(made, SetError):
                failed[creation_id] = made.json
                continue
            ids[creation_id] = made[0]
            created[creation_id] = {"id": made[0], **made[1]}
            originals.append(str(item["id"]))
        said: Json = {
            "fromAccountId": from_id,
            "accountId": account_id,
            "oldState": old_state,
            "newState": state_of(unit, view, Kind.EVENT),
            "created": created or None,
            "notCreated": failed or None,
        }
        if SCHEDULING in call.using:
            said["schedulingOutcome"] = {key: change.outcomes[made["id"]] for key, made in created.items()}
        answers: list[tuple[str, Json]] = [("CalendarEvent/copy", said)]
        if destroy and originals:
            answers.append(("CalendarEvent/set", _destroy_originals(unit, change, source, originals, destroy_state)))
        return answers, ids

    answers, ids = await context.store.write(fn)
    call.created.update(ids)
    context.wake()
    return answers if len(answers) > 1 else answers[0][1]


def _view_or(unit: Unit, call: Call, account_id: str, kind: str) -> View:
    try:
        return open_view(unit, call.login, account_id)
    except MethodError:
        raise MethodError(kind) from None


def _copy_one(unit: Unit, change: EventChange, source: View, view: View, item: Json) -> tuple[str, Json]:
    """Create one event like another: what the client gives wins over what the original says."""
    if not isinstance(item.get("id"), str):
        raise SetFailure("invalidProperties", "id names the event to copy", "id")
    record, key = find_event(unit, source, item["id"])
    original: Any = show_event(record, source) if key is None else show_occurrence(record, source, key)
    left_out = {"id", "baseEventId", "isOrigin", "calendarIds", "isDraft", "prodId"}
    copied = {name: member for name, member in original.items() if name not in left_out}
    given = {name: member for name, member in item.items() if name != "id"}
    if is_excluded(copied):
        raise SetFailure("notFound")
    known = next(iter(unit.objects.by_uid(view.account.id, str(given.get("uid", copied.get("uid"))))), None)
    if known is not None and not known.alone and load_records(unit, view, [known.id]):
        raise SetFailure("alreadyExists", "The account has an event of this uid", existingId=known.id)
    return change.create(unit, view, {**copied, **given})


def _destroy_originals(unit: Unit, change: EventChange, source: View, ids: list[str], if_state: str | None) -> Json:
    old_state = state_of(unit, source, Kind.EVENT)
    destroyed: list[str] = []
    failed: dict[str, Json] = {}
    for event_id in ids:
        if if_state is not None and if_state != old_state:
            failed[event_id] = SetError("stateMismatch").json
            continue
        gone = attempt(unit, partial(change.destroy, unit, source, event_id))
        if isinstance(gone, SetError):
            failed[event_id] = gone.json
        else:
            destroyed.append(event_id)
    return {
        "accountId": source.account.id,
        "oldState": old_state,
        "newState": state_of(unit, source, Kind.EVENT),
        "destroyed": destroyed or None,
        "notDestroyed": failed or None,
    }
