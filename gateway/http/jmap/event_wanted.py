# SPDX-License-Identifier: Apache-2.0
"""An event as a client wants it: validated, the account's members split off, each user's own apart from the shared."""

from dataclasses import dataclass

from gateway.http.jmap.errors import SetFailure, invalid_properties
from gateway.http.jmap.event_view import TOLD, EventRecord
from gateway.http.jmap.session import MAX_CALENDARS_PER_EVENT
from gateway.http.jmap.utc_times import with_utc_times
from gateway.http.jmap.view import View
from gateway.jscalendar.parse import parse_event
from gateway.jscalendar.personal import PERSONAL
from gateway.jscalendar.values import Json, JsonMap

#: Members of the account, not of the event.
ACCOUNT_MEMBERS = frozenset({"id", "baseEventId", "calendarIds", "isDraft", "isOrigin", "useDefaultAlerts"})
_NEVER_OVERRIDDEN = frozenset(
    {*ACCOUNT_MEMBERS, "utcStart", "utcEnd", "mayInviteSelf", "mayInviteOthers", "hideAttendees"}
) - {"useDefaultAlerts"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """An event as a client wants it to be: the shared Event, and what the account keeps beside it."""

    event: Json
    calendar_ids: tuple[str, ...]
    is_draft: bool
    personal: Json  # for a sharee: their own members; for the owner only what iCalendar does not hold


def read_wanted(view: View, given: Json, record: EventRecord | None) -> Wanted:
    """Read a whole event as a client wants it.

    Raises:
        SetFailure: `invalidProperties`, every fault by name.
    """
    calendar_ids = _read_calendars(view, given.get("calendarIds"), is_new=record is None)
    calendars = [view.calendars[calendar_id] for calendar_id in calendar_ids if calendar_id in view.calendars]
    given = with_utc_times(given, [calendar.time_zone or view.account.time_zone for calendar in calendars])
    default_alerts = given.get("useDefaultAlerts")
    if default_alerts is not None and not isinstance(default_alerts, bool):
        raise SetFailure("invalidProperties", "useDefaultAlerts must be true or false", "useDefaultAlerts")
    is_draft = _read_draft(given.get("isDraft"), record)
    _refuse_in_overrides(given.get("recurrenceOverrides"))
    parsed = parse_event(without_told({n: m for n, m in given.items() if n not in ACCOUNT_MEMBERS}))
    if parsed.faults:
        raise invalid_properties(parsed.faults)
    personal: Json = {"useDefaultAlerts": True} if default_alerts else {}
    if view.is_own:
        return Wanted(parsed.event, calendar_ids, is_draft, {**_kept_overlay(record), **personal})
    shared, own = split_personal(parsed.event, record.event if record is not None else {})
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


def _read_calendars(view: View, given: object, *, is_new: bool) -> tuple[str, ...]:
    """Read calendarIds; an event belongs to one calendar at least, a new one to the default where none is named."""
    if given is None and is_new:
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


def without_told(event: Json) -> Json:
    """Leave out of the participants what only tells how scheduling went."""
    people = event.get("participants")
    if not isinstance(people, dict):
        return event
    bare = {
        key: {n: m for n, m in person.items() if n not in TOLD} if isinstance(person, dict) else person
        for key, person in people.items()
    }
    return {**event, "participants": bare}
