# SPDX-License-Identifier: Apache-2.0
"""Create, update and destroy one event: members of the account split off, rights asked, one flow called.

What a client sends becomes a validated Event, that becomes the object's new text, and `change_object` stores it with
everything it owes. The three never touch the database by themselves where a change may owe mail.
"""

import re
from collections.abc import Sequence
from datetime import datetime

from gateway.flows.alarm_plans import plan_for
from gateway.flows.calendar_change import ChangeRequest, ChangeResult, change_object
from gateway.flows.context import Context
from gateway.flows.shared_edits import notify_edit
from gateway.http.jmap.errors import SetFailure
from gateway.http.jmap.event_blobs import with_files
from gateway.http.jmap.event_rights import STAMPS, changed_members, require_rights
from gateway.http.jmap.event_view import EventRecord, load_records, show_event, stored_events
from gateway.http.jmap.event_wanted import ACCOUNT_MEMBERS, Wanted, read_wanted, without_told
from gateway.http.jmap.organizing import refuse_unreachable, with_organizer
from gateway.http.jmap.view import View
from gateway.itip.address import normal_address, normal_addresses
from gateway.itip.tree import Component, parse_tree
from gateway.jscalendar.alone import alone_key, without_part
from gateway.jscalendar.convert import to_ical
from gateway.jscalendar.patch import same_json
from gateway.jscalendar.personal import PERSONAL, with_personal
from gateway.jscalendar.values import Json, JsonMap, parse_utc, utc_text
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit

_NO_NAME = re.compile(r"[^A-Za-z0-9._@-]")
_SAME = ("change.nothing", "The event says this already")
_PERSONAL_ONLY = ("change.personal", "Only what you keep for yourself changed, which is nobody else's business")
_SERVER_SET = ("id", "baseEventId", "isOrigin")


def create_event(unit: Unit, context: Context, view: View, item: Json, *, send: bool) -> tuple[str, Json, ChangeResult]:
    """Store a new event; return its id, the members that differ from what was sent, and what went out.

    Raises:
        SetFailure: and whatever the flow refuses.
    """
    given = {name: member for name, member in item.items() if member is not None}
    wrong = [name for name in (*_SERVER_SET, "method") if name in given]
    if wrong:
        raise SetFailure("invalidProperties", "Only the server sets these", *wrong)
    wanted = read_wanted(view, with_files(unit, view, given), None)
    require_rights(view, wanted.calendar_ids, None, {**wanted.event, **wanted.personal})
    now = context.clock.now()
    event = {**wanted.event}
    event.setdefault("uid", context.ids.uid())
    event["created"] = _not_later(event.get("created"), now)
    event = with_organizer(event, unit.accounts.identities(view.account.id))
    event["updated"] = utc_text(now) if _is_origin(unit, view, event) else event.get("updated", utc_text(now))
    known = _siblings(unit, view, event, wanted)
    if send and not wanted.is_draft:
        refuse_unreachable(event)
    request = ChangeRequest(
        account=view.account,
        ical=to_ical(event) if known is None else _written(event, known),
        item=known,
        places=_places(unit, wanted.calendar_ids, event["uid"], ()) if known is None else None,
        send=send,
        actor=view.caller.address,
        is_draft=wanted.is_draft,
        hide_attendees=event.get("hideAttendees") is True,
    )
    result = change_object(unit, context, request)
    stored = _stored(result)
    event_id = next(i for i in stored.event_ids if known is None or i not in known.event_ids)
    if wanted.personal:
        _put_overlay(unit, context, view, stored, wanted.personal)
    told = stored_events(stored)[event_id]
    notify_edit(unit, context, view.account, view.caller, event_id, None, told, is_draft=wanted.is_draft)
    return event_id, _differences(_shown(unit, view, event_id), given), result


def update_event(
    unit: Unit, context: Context, view: View, record: EventRecord, after: Json, *, send: bool
) -> tuple[Json | None, ChangeResult]:
    """Make an event what `after` says (as the caller would see it); return what differs from it then.

    Raises:
        SetFailure: and whatever the flow refuses.
    """
    before = show_event(record, view, whole=True)
    given = _with_hidden(before, show_event(record, view), after)
    _refuse_server_set(before, given)
    wanted = read_wanted(view, with_files(unit, view, given), record)
    shown_before = _shared_part(before, view)
    shown_after = _seen_after(view, wanted)
    moved = frozenset(wanted.calendar_ids) ^ frozenset(record.calendar_ids)
    _refuse_move(view, moved)
    require_rights(view, record.calendar_ids, shown_before, shown_after)
    changed = changed_members(record.event, wanted.event) - STAMPS
    shared = changed - PERSONAL if view.is_own else changed
    event = _stamped(unit, context, view, record, wanted.event, shared=bool(shared), before=before)
    if shared and {"participants", "organizerCalendarAddress"} & shared:
        event = with_organizer(event, unit.accounts.identities(view.account.id))
    kept = same_json(dict(record.overlay), wanted.personal)
    result = ChangeResult(record.item, 0, *(_SAME if kept else _PERSONAL_ONLY))
    if changed or moved or wanted.is_draft != record.item.is_draft or STAMPS & changed_members(before, event):
        if send and not wanted.is_draft and record.item.is_origin:
            refuse_unreachable(event)
        result = _change(unit, context, view, record, event, wanted, send=send)
        notify_edit(
            unit, context, view.account, view.caller, record.id, record.event,
            stored_events(_stored(result)).get(record.id, record.event), is_draft=wanted.is_draft,
        )  # fmt: skip
    if not kept:
        _put_overlay(unit, context, view, _stored(result), wanted.personal)
    return _differences(_shown(unit, view, record.id), given) or None, result


def destroy_object(unit: Unit, context: Context, view: View, item: StoredObject, *, send: bool) -> ChangeResult:
    """Delete an object, all its events, with everything that this owes."""
    return _removed(unit, context, view, item, None, stored_events(item), send=send)


def destroy_event(unit: Unit, context: Context, view: View, record: EventRecord, *, send: bool) -> ChangeResult:
    """Delete one event; occurrences without their series that share its object stay."""
    left = None if record.alone is None else without_part(parse_tree(record.item.ical), record.alone)
    return _removed(unit, context, view, record.item, left, {record.id: record.event}, send=send)


def _removed(
    unit: Unit,
    context: Context,
    view: View,
    item: StoredObject,
    left: Component | None,
    gone: dict[str, Json],
    *,
    send: bool,
) -> ChangeResult:
    request = ChangeRequest(account=view.account, ical=left, item=item, send=send, actor=view.caller.address)
    result = change_object(unit, context, request)
    for event_id, event in gone.items():
        notify_edit(unit, context, view.account, view.caller, event_id, event, None, is_draft=item.is_draft)
    return result


def _change(
    unit: Unit, context: Context, view: View, record: EventRecord, event: Json, wanted: Wanted, *, send: bool
) -> ChangeResult:
    """Write the object's new text; its old one is where everything JSCalendar does not speak of comes from."""
    places = unit.objects.places(record.item.id)
    seen = {place.calendar_id for place in places if place.calendar_id in view.calendars}
    known = tuple((place.calendar_id, place.href) for place in places)
    hidden = tuple(place for place in known if place[0] not in view.calendars)
    moved = seen != set(wanted.calendar_ids)
    placed = (*hidden, *_places(unit, wanted.calendar_ids, event["uid"], known)) if moved else None
    request = ChangeRequest(
        account=view.account,
        ical=_written(event, record.item),
        item=record.item,
        places=placed,
        send=send,
        actor=view.caller.address,
        is_draft=wanted.is_draft,
        hide_attendees=event.get("hideAttendees") is True,
    )
    return change_object(unit, context, request)


def _written(event: Json, item: StoredObject) -> Component:
    return to_ical(event, parse_tree(item.ical))


def _stored(result: ChangeResult) -> StoredObject:
    if result.item is None:
        raise SetFailure("notFound")
    return result.item


def _shown(unit: Unit, view: View, event_id: str) -> Json:
    record = load_records(unit, view, [event_id]).get(event_id)
    return {} if record is None else show_event(record, view)


def _differences(shown: JsonMap, given: JsonMap) -> Json:
    """Return the members that the client does not know from what it sent itself."""
    return {name: member for name, member in shown.items() if not same_json(given.get(name), member)}


def _with_hidden(whole: JsonMap, shown: JsonMap, after: JsonMap) -> Json:
    """Return what a client wants, guests included whom it never saw: they cannot have been meant to go."""
    given = {name: member for name, member in after.items() if member is not None}
    people, seen = whole.get("participants") or {}, shown.get("participants") or {}
    hidden = {key: person for key, person in people.items() if key not in seen}
    if hidden and isinstance(given.get("participants", {}), dict):
        given["participants"] = {**hidden, **given.get("participants", {})}
    return given


def _refuse_server_set(before: JsonMap, given: JsonMap) -> None:
    fixed = (*_SERVER_SET, "uid", "recurrenceId", "recurrenceIdTimeZone")
    wrong = [name for name in fixed if not same_json(before.get(name), given.get(name))]
    if "method" in given:
        wrong.append("method")
    if wrong:
        raise SetFailure("invalidProperties", "These cannot be changed", *wrong)


def _refuse_move(view: View, calendar_ids: frozenset[str]) -> None:
    """Putting an event in a calendar or taking it out is writing in that calendar."""
    if calendar_ids and not view.may_all("mayWriteAll", tuple(calendar_ids)):
        raise SetFailure("forbidden", "You may not write in this calendar", "calendarIds")


def _siblings(unit: Unit, view: View, event: JsonMap, wanted: Wanted) -> StoredObject | None:
    """Return the object whose occurrences share the event's UID, which else is unique in an account (§5.1).

    Raises:
        SetFailure: `invalidProperties` where the UID is another event's.
    """
    known = next(iter(unit.objects.by_uid(view.account.id, event["uid"])), None)
    if known is None:
        return None
    if not known.alone or event.get("recurrenceId") is None or alone_key(event) in known.alone:
        raise SetFailure("invalidProperties", "There is an event of this uid", "uid")
    if {place.calendar_id for place in unit.objects.places(known.id)} != set(wanted.calendar_ids):
        words = "Occurrences of one uid are in the same calendars"
        raise SetFailure("invalidProperties", words, "calendarIds")
    return known


def _shared_part(before: JsonMap, view: View) -> Json:
    bare = {name: member for name, member in before.items() if name not in ACCOUNT_MEMBERS}
    return without_told(bare)


def _seen_after(view: View, wanted: Wanted) -> Json:
    """The event as its editor will see it: for a sharee without the owner's personal members."""
    shared = wanted.event if view.is_own else with_personal(wanted.event, {})
    mine = {name: member for name, member in wanted.personal.items() if name != "useDefaultAlerts"}
    return with_personal(shared, mine) if mine and not view.is_own else dict(shared)


def _stamped(
    unit: Unit, context: Context, view: View, record: EventRecord, event: Json, *, shared: bool, before: JsonMap
) -> Json:
    """Give an event its SEQUENCE and time of change: the organizer's own counts up, a guest's copy keeps both."""
    if not shared:
        return event
    told = record.event
    if not record.item.is_origin:
        return event
    stamped = {**event, "updated": utc_text(context.clock.now())}
    if event.get("sequence", 0) <= told.get("sequence", 0):
        stamped["sequence"] = told.get("sequence", 0) + 1
    return stamped


def _is_origin(unit: Unit, view: View, event: JsonMap) -> bool:
    organizer = event.get("organizerCalendarAddress")
    if organizer is None:
        return True
    return normal_address(organizer) in normal_addresses(unit.accounts.addresses(view.account.id))


def _not_later(given: object, now: datetime) -> str:
    at = parse_utc(given)
    return utc_text(now if at is None else min(at, now))


def _places(
    unit: Unit, calendar_ids: Sequence[str], uid: str, known: Sequence[tuple[str, str]]
) -> tuple[tuple[str, str], ...]:
    """Return a resource name for each calendar: the old one where there is one."""
    names = dict(known)
    return tuple(
        (calendar_id, names.get(calendar_id) or _free_name(unit, calendar_id, uid)) for calendar_id in calendar_ids
    )


def _free_name(unit: Unit, calendar_id: str, uid: str) -> str:
    plain = _NO_NAME.sub("-", uid)[:200].lstrip(".") or "event"
    name, number = f"{plain}.ics", 1
    while unit.objects.at(calendar_id, name) is not None:
        number += 1
        name = f"{plain}-{number}.ics"
    return name


def _put_overlay(unit: Unit, context: Context, view: View, item: StoredObject, overlay: Json) -> None:
    unit.objects.put_overlay(item, view.caller.id, overlay, at=context.clock.now())
    plan_for(unit, context, item, view.caller)
