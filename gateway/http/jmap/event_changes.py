# SPDX-License-Identifier: Apache-2.0
"""Create, update and destroy one event: members of the account split off, rights asked, one flow called.

What a client sends becomes a validated Event, that becomes the object's new text, and `change_object` stores it with
everything it owes. The three never touch the database by themselves where a change may owe mail.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.flows.alarm_plans import plan_for
from gateway.flows.calendar_change import ChangeRequest, ChangeResult, change_object
from gateway.flows.context import Context
from gateway.flows.shared_edits import notify_edit
from gateway.http.jmap.errors import SetFailure, invalid_properties
from gateway.http.jmap.event_rights import STAMPS, changed_members, require_rights
from gateway.http.jmap.event_view import TOLD, EventRecord, load_records, show_event, stored_event
from gateway.http.jmap.organizing import refuse_unreachable, with_organizer
from gateway.http.jmap.session import MAX_CALENDARS_PER_EVENT
from gateway.http.jmap.utc_times import with_utc_times
from gateway.http.jmap.view import View
from gateway.itip.address import normal_address, normal_addresses
from gateway.itip.tree import Component, parse_tree
from gateway.jscalendar.convert import to_ical
from gateway.jscalendar.parse import parse_event
from gateway.jscalendar.patch import same_json
from gateway.jscalendar.personal import PERSONAL
from gateway.jscalendar.values import Json, JsonMap, parse_utc, utc_text
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit

#: Members of the account, not of the event.
ACCOUNT_MEMBERS = frozenset({"id", "baseEventId", "calendarIds", "isDraft", "isOrigin", "useDefaultAlerts"})
_NEVER_OVERRIDDEN = frozenset(
    {*ACCOUNT_MEMBERS, "utcStart", "utcEnd", "mayInviteSelf", "mayInviteOthers", "hideAttendees"}
) - {"useDefaultAlerts"}
_NO_NAME = re.compile(r"[^A-Za-z0-9._@-]")
_SERVER_SET = ("id", "baseEventId", "isOrigin")


@dataclass(frozen=True, slots=True)
class Wanted:
    """An event as a client wants it to be: the shared Event, and what the account keeps beside it."""

    event: Json
    calendar_ids: tuple[str, ...]
    is_draft: bool
    personal: Json  # for a sharee: their own members; for the owner only what iCalendar does not hold


def create_event(unit: Unit, context: Context, view: View, item: Json, *, send: bool) -> tuple[str, Json, ChangeResult]:
    """Store a new event; return its id, the members that differ from what was sent, and what went out.

    Raises:
        SetFailure: and whatever the flow refuses.
    """
    given = {name: member for name, member in item.items() if member is not None}
    wrong = [name for name in (*_SERVER_SET, "method") if name in given]
    if wrong:
        raise SetFailure("invalidProperties", "Only the server sets these", *wrong)
    wanted = _read_wanted(unit, context, view, given, None)
    require_rights(view, wanted.calendar_ids, None, {**wanted.event, **wanted.personal})
    now = context.clock.now()
    event = {**wanted.event}
    event.setdefault("uid", context.ids.uid())
    event["created"] = _not_later(event.get("created"), now)
    event = with_organizer(event, unit.accounts.identities(view.account.id))
    event["updated"] = utc_text(now) if _is_origin(unit, view, event) else event.get("updated", utc_text(now))
    _refuse_taken(unit, view, event)
    if send and not wanted.is_draft:
        refuse_unreachable(event)
    request = ChangeRequest(
        account=view.account,
        ical=to_ical(event),
        places=_places(unit, wanted.calendar_ids, event["uid"], ()),
        send=send,
        actor=view.caller.address,
        is_draft=wanted.is_draft,
        hide_attendees=event.get("hideAttendees") is True,
    )
    result = change_object(unit, context, request)
    stored = _stored(result)
    if wanted.personal:
        _put_overlay(unit, context, view, stored, wanted.personal)
    notify_edit(
        unit, context, view.account, view.caller, stored.id, None, stored_event(stored), is_draft=wanted.is_draft
    )
    return stored.id, _differences(_shown(unit, view, stored.id), given), result


def update_event(
    unit: Unit, context: Context, view: View, record: EventRecord, after: Json, *, send: bool
) -> tuple[Json | None, ChangeResult | None]:
    """Make an event what `after` says (as the caller would see it); return what differs from it then.

    Raises:
        SetFailure: and whatever the flow refuses.
    """
    before = show_event(record, view, whole=True)
    given = _with_hidden(before, show_event(record, view), after)
    _refuse_server_set(before, given)
    wanted = _read_wanted(unit, context, view, given, record)
    shown_before = _shared_part(before, view)
    shown_after = {**wanted.event, **_personal_part(wanted.personal)}
    moved = frozenset(wanted.calendar_ids) ^ frozenset(record.calendar_ids)
    _refuse_move(view, moved)
    require_rights(view, record.calendar_ids, shown_before, shown_after)
    changed = changed_members(stored_event(record.item), wanted.event) - STAMPS
    shared = changed - PERSONAL if view.is_own else changed
    event = _stamped(unit, context, view, record, wanted.event, shared=bool(shared), before=before)
    if shared and {"participants", "organizerCalendarAddress"} & shared:
        event = with_organizer(event, unit.accounts.identities(view.account.id))
    result = None
    if changed or moved or wanted.is_draft != record.item.is_draft or STAMPS & changed_members(before, event):
        if send and not wanted.is_draft and record.item.is_origin:
            refuse_unreachable(event)
        result = _change(unit, context, view, record, event, wanted, send=send)
        notify_edit(
            unit, context, view.account, view.caller, record.item.id, stored_event(record.item),
            stored_event(_stored(result)), is_draft=wanted.is_draft,
        )  # fmt: skip
    if not same_json(dict(record.overlay), wanted.personal):
        _put_overlay(unit, context, view, record.item if result is None else _stored(result), wanted.personal)
    return _differences(_shown(unit, view, record.item.id), given) or None, result


def destroy_object(unit: Unit, context: Context, view: View, item: StoredObject, *, send: bool) -> ChangeResult:
    """Delete an object with everything that this owes."""
    request = ChangeRequest(account=view.account, ical=None, item=item, send=send, actor=view.caller.address)
    result = change_object(unit, context, request)
    notify_edit(unit, context, view.account, view.caller, item.id, stored_event(item), None, is_draft=item.is_draft)
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


def _shown(unit: Unit, view: View, object_id: str) -> Json:
    record = load_records(unit, view, [object_id]).get(object_id)
    return {} if record is None else show_event(record, view)


def _differences(shown: JsonMap, given: JsonMap) -> Json:
    """Return the members that the client does not know from what it sent itself."""
    return {name: member for name, member in shown.items() if not same_json(given.get(name), member)}


def _read_wanted(unit: Unit, context: Context, view: View, given: Json, record: EventRecord | None) -> Wanted:
    """Read a whole event as a client wants it.

    Raises:
        SetFailure: `invalidProperties`, every fault by name.
    """
    calendar_ids = _read_calendars(unit, view, given.get("calendarIds"))
    calendars = [view.calendars[calendar_id] for calendar_id in calendar_ids if calendar_id in view.calendars]
    given = with_utc_times(given, [calendar.time_zone or view.account.time_zone for calendar in calendars])
    default_alerts = given.get("useDefaultAlerts")
    if default_alerts is not None and not isinstance(default_alerts, bool):
        raise SetFailure("invalidProperties", "useDefaultAlerts must be true or false", "useDefaultAlerts")
    is_draft = _read_draft(given.get("isDraft"), record)
    _refuse_in_overrides(given.get("recurrenceOverrides"))
    parsed = parse_event(_without_told({n: m for n, m in given.items() if n not in ACCOUNT_MEMBERS}))
    if parsed.faults:
        raise invalid_properties(parsed.faults)
    personal: Json = {"useDefaultAlerts": True} if default_alerts else {}
    if view.is_own:
        return Wanted(parsed.event, calendar_ids, is_draft, {**_kept_overlay(record), **personal})
    shared, own = split_personal(parsed.event, stored_event(record.item) if record is not None else {})
    return Wanted(shared, calendar_ids, is_draft, {**own, **personal})


def _kept_overlay(record: EventRecord | None) -> Json:
    overlay = {} if record is None else dict(record.overlay)
    overlay.pop("useDefaultAlerts", None)
    return overlay


def split_personal(event: Json, stored: JsonMap) -> tuple[Json, Json]:
    """Split an event as a sharee sees it: what is shared (with the owner's personal members), and their own."""
    shared = {name: member for name, member in event.items() if name not in PERSONAL}
    shared.update({name: member for name, member in stored.items() if name in PERSONAL})
    own: Json = {name: member for name, member in event.items() if name in PERSONAL}
    own_overrides: Json = {}
    overrides: Json = {}
    owners: JsonMap = stored.get("recurrenceOverrides") or {}
    for key, patch in (event.get("recurrenceOverrides") or {}).items():
        mine = {pointer: value for pointer, value in patch.items() if pointer.partition("/")[0] in PERSONAL}
        rest = {pointer: value for pointer, value in patch.items() if pointer not in mine}
        kept = {p: value for p, value in owners.get(key, {}).items() if p.partition("/")[0] in PERSONAL}
        if mine:
            own_overrides[key] = mine
        if rest or kept or not mine:
            overrides[key] = {**rest, **kept} if not rest.get("excluded") else rest
    if own_overrides:
        own["recurrenceOverrides"] = own_overrides
    shared.pop("recurrenceOverrides", None)
    return ({**shared, "recurrenceOverrides": overrides} if overrides else shared), own


def _read_calendars(unit: Unit, view: View, given: object) -> tuple[str, ...]:
    """Read calendarIds; an event belongs to one calendar at least, the default one where none is named."""
    if given is None:
        default = next((calendar.id for calendar in view.calendars.values() if calendar.is_default), None)
        if default is None:
            raise SetFailure("invalidProperties", "An event belongs to a calendar", "calendarIds")
        return (default,)
    if not isinstance(given, dict) or not given or not all(held is True for held in given.values()):
        raise SetFailure("invalidProperties", "calendarIds maps one calendar or more to true", "calendarIds")
    unknown = [calendar_id for calendar_id in given if calendar_id not in view.calendars]
    if unknown or len(given) > MAX_CALENDARS_PER_EVENT:
        words = f"There is no calendar {', '.join(unknown)[:200]}" if unknown else "Too many calendars"
        raise SetFailure("invalidProperties", words, "calendarIds")
    return tuple(given)


def _read_draft(given: object, record: EventRecord | None) -> bool:
    if given is not None and not isinstance(given, bool):
        raise SetFailure("invalidProperties", "isDraft must be true or false", "isDraft")
    draft = given is True
    if draft and record is not None and not record.item.is_draft:
        raise SetFailure("invalidProperties", "An event never becomes a draft again", "isDraft")
    return draft


def _refuse_in_overrides(overrides: object) -> None:
    """Refuse what an instance cannot have of its own (JMAP Calendars §5.1)."""
    patches = overrides.items() if isinstance(overrides, dict) else ()
    wrong = [
        f"recurrenceOverrides/{key}/{pointer}"
        for key, patch in patches
        for pointer in (patch if isinstance(patch, dict) else ())
        if pointer.partition("/")[0] in _NEVER_OVERRIDDEN
    ]
    if wrong:
        raise SetFailure("invalidProperties", "An instance has no such member of its own", *wrong)


def _without_told(event: Json) -> Json:
    """Leave out of the participants what only tells how scheduling went."""
    people = event.get("participants")
    if not isinstance(people, dict):
        return event
    bare = {
        key: {n: m for n, m in person.items() if n not in TOLD} if isinstance(person, dict) else person
        for key, person in people.items()
    }
    return {**event, "participants": bare}


def _with_hidden(whole: JsonMap, shown: JsonMap, after: JsonMap) -> Json:
    """Return what a client wants, guests included whom it never saw: they cannot have been meant to go."""
    given = {name: member for name, member in after.items() if member is not None}
    people, seen = whole.get("participants") or {}, shown.get("participants") or {}
    hidden = {key: person for key, person in people.items() if key not in seen}
    if hidden and isinstance(given.get("participants", {}), dict):
        given["participants"] = {**hidden, **given.get("participants", {})}
    return given


def _refuse_server_set(before: JsonMap, given: JsonMap) -> None:
    wrong = [name for name in (*_SERVER_SET, "uid") if not same_json(before.get(name), given.get(name))]
    if "method" in given:
        wrong.append("method")
    if wrong:
        raise SetFailure("invalidProperties", "These cannot be changed", *wrong)


def _refuse_move(view: View, calendar_ids: frozenset[str]) -> None:
    """Putting an event in a calendar or taking it out is writing in that calendar."""
    if calendar_ids and not view.may_all("mayWriteAll", tuple(calendar_ids)):
        raise SetFailure("forbidden", "You may not write in this calendar", "calendarIds")


def _refuse_taken(unit: Unit, view: View, event: JsonMap) -> None:
    """A UID is unique in an account (JMAP Calendars §5.2)."""
    if unit.objects.by_uid(view.account.id, event["uid"]):
        raise SetFailure("invalidProperties", "There is an event of this uid", "uid")


def _shared_part(before: JsonMap, view: View) -> Json:
    bare = {name: member for name, member in before.items() if name not in ACCOUNT_MEMBERS}
    return _without_told(bare)


def _personal_part(personal: JsonMap) -> Json:
    return {name: member for name, member in personal.items() if name in PERSONAL and name != "useDefaultAlerts"}


def _stamped(
    unit: Unit, context: Context, view: View, record: EventRecord, event: Json, *, shared: bool, before: JsonMap
) -> Json:
    """Give an event its SEQUENCE and time of change: the organizer's own counts up, a guest's copy keeps both."""
    if not shared:
        return event
    told = stored_event(record.item)
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
