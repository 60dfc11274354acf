# SPDX-License-Identifier: Apache-2.0
"""One event as one caller sees it: the shared object, what the caller keeps about it, and what is not theirs to see.

An occurrence of a series has an id of its own, made of the object's and its key (`evt…_20260614T120000`); such ids are
computed, never stored, and never reported as changed (JMAP Calendars §5). An occurrence without its series is an event
like any other (`evt…-20260614T120000`): its id is gone when the series comes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from gateway.errors import Refused
from gateway.http.jmap.view import View
from gateway.itip.address import normal_address
from gateway.itip.objects import read_object
from gateway.itip.timezones import instant
from gateway.itip.tree import parse_tree
from gateway.jscalendar.alone import only_part
from gateway.jscalendar.convert import from_ical
from gateway.jscalendar.occurrences import holds_instance
from gateway.jscalendar.overrides import build_instance, is_excluded
from gateway.jscalendar.personal import with_personal
from gateway.jscalendar.values import (
    InvalidProperty,
    Json,
    JsonMap,
    add_duration,
    parse_json_duration,
    parse_local,
    utc_text,
)
from gateway.store.guests import AttendeeStatus
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit

#: Members of a participant that tell how our mail and their answer went; shown, never stored with the event.
TOLD = ("scheduleStatus", "scheduleSequence", "scheduleUpdated", "participationComment")
#: All that is shown of somebody else's private event (JMAP Calendars §5.4).
_WHEN = frozenset(
    {
        "@type", "id", "baseEventId", "uid", "calendarIds", "isDraft", "isOrigin", "start", "duration", "timeZone",
        "endTimeZone", "showWithoutTime", "freeBusyStatus", "privacy", "status", "recurrenceRule",
        "recurrenceOverrides", "recurrenceId", "recurrenceIdTimeZone", "sequence", "created", "updated",
        "useDefaultAlerts", "alerts", "color", "keywords",
    }
)  # fmt: skip
_WHEN_OVERRIDDEN = frozenset({"excluded", "start", "duration", "timeZone", "freeBusyStatus", "status"})
_KEY = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class EventRecord:
    """A stored event with everything that shows it. `alone` is the key of an occurrence without its series."""

    item: StoredObject
    calendar_ids: tuple[str, ...]
    overlay: Mapping[str, Any]
    statuses: tuple[AttendeeStatus, ...]
    alone: str | None = None

    @property
    def id(self) -> str:
        return self.item.id if self.alone is None else f"{self.item.id}-{self.alone}"

    @property
    def event(self) -> Json:
        """What the object says as an Event, without the account's members. Not to be changed in place."""
        return stored_event(self.item, self.alone)


def occurrence_id(object_id: str, key: str) -> str:
    """Return the id of an occurrence; the object's own where it does not recur."""
    return f"{object_id}_{key.replace('-', '').replace(':', '')}" if key else object_id


def split_id(event_id: str) -> tuple[str, str | None]:
    """Return object id and key of an event's id; None where it names no occurrence."""
    object_id, _, digits = event_id.partition("_")
    match = _KEY.match(digits)
    if match is None:
        return event_id, None
    year, month, day, hour, minute, second = match.groups()
    return object_id, f"{year}-{month}-{day}T{hour}:{minute}:{second}"


def split_alone(event_id: str) -> tuple[str, str | None]:
    """Return object id and key of the id of an occurrence without its series; None for any other event."""
    object_id, _, key = event_id.partition("-")
    return object_id, key or None


def load_records(unit: Unit, view: View, event_ids: Sequence[str]) -> dict[str, EventRecord]:
    """Return the events among these that the caller may see, in their order."""
    wanted = {event_id: split_alone(event_id) for event_id in event_ids}
    asked = dict.fromkeys(object_id for object_id, _ in wanted.values())
    items = {i: each for i, each in unit.objects.get_many(asked).items() if each.account_id == view.account.id}
    places = unit.outlines.calendars_of(list(items))
    found: dict[str, EventRecord] = {}
    for event_id, (object_id, alone) in wanted.items():
        item = items.get(object_id)
        if item is None or item.kind != "VEVENT" or event_id not in item.event_ids:
            continue
        calendar_ids = places.get(object_id, ())
        if not view.is_own:
            calendar_ids = tuple(calendar_id for calendar_id in calendar_ids if calendar_id in view.calendars)
            if not view.may_any("mayReadItems", calendar_ids):
                continue
        overlay = unit.objects.overlay(object_id, view.caller.id)
        record = EventRecord(item, calendar_ids, overlay, _statuses(unit, item, alone), alone)
        if view.is_own or record.event.get("privacy") != "secret":
            found[event_id] = record
    return found


def _statuses(unit: Unit, item: StoredObject, alone: str | None) -> tuple[AttendeeStatus, ...]:
    """What is known of the guests of the series, or of an occurrence without one."""
    statuses = unit.guests.statuses(item.id)
    if alone is None or not statuses:
        return tuple(status for status in statuses if not status.recurrence_id)
    calendar = only_part(parse_tree(item.ical), alone)
    keys = {"", *(key for key, _ in read_object(calendar).instances())}
    return tuple(status for status in statuses if status.recurrence_id in keys)


def stored_events(item: StoredObject) -> dict[str, Json]:
    """Return what an object says, as its CalendarEvents by id."""
    return {event_id: stored_event(item, split_alone(event_id)[1]) for event_id in item.event_ids}


def stored_event(item: StoredObject, alone: str | None = None) -> Json:
    """Return what an object says as an Event, without the account's members. Not to be changed in place."""
    return _parsed(item.etag, item.ical, alone)


@lru_cache(maxsize=4096)
def _parsed(etag: str, ical: str, alone: str | None) -> Json:
    try:
        calendar = parse_tree(ical)
        return from_ical(calendar if alone is None else only_part(calendar, alone))
    except Refused:
        return {"@type": "Event"}


def show_event(record: EventRecord, view: View, *, whole: bool = False) -> Json:
    """Return the event as the caller sees it; `whole` keeps what is hidden from them, for us to edit."""
    item = record.item
    event = dict(record.event)
    if not view.is_own:
        event = with_personal(event, record.overlay)
    event["useDefaultAlerts"] = record.overlay.get("useDefaultAlerts") is True
    event.update(
        id=record.id,
        calendarIds=dict.fromkeys(record.calendar_ids, True),
        isDraft=item.is_draft,
        isOrigin=item.is_origin,
    )
    if event.get("participants"):
        event["participants"] = _with_answers(event["participants"], record.statuses)
        if event.get("hideAttendees") and not whole and not _is_owner(event, view):
            event["participants"] = reduced(event["participants"], view)
    if not (view.is_own or whole) and event.get("privacy") == "private" and not _is_participant(event, view):
        return _only_when(event)
    return event


def show_occurrence(record: EventRecord, view: View, key: str, *, whole: bool = False) -> Json | None:
    """Return one occurrence as an event of its own, or None where the series does not have it."""
    if record.alone is not None:
        return None
    event = show_event(record, view, whole=whole)
    if not event.keys() & {"recurrenceRule", "recurrenceOverrides"}:
        return None
    override: Json = (event.get("recurrenceOverrides") or {}).get(key, {})
    if is_excluded(override) or not holds_instance(parse_tree(record.item.ical), key):
        return None
    instance = build_instance(event, key, override)
    if isinstance(instance, InvalidProperty):
        return None
    return {**instance, "id": occurrence_id(record.item.id, key), "baseEventId": record.item.id}


def reduced(people: JsonMap, view: View) -> Json:
    """Return owners and the caller only."""
    return {
        key: person
        for key, person in people.items()
        if (person.get("roles") or {}).get("owner")
        or normal_address(person.get("calendarAddress", "")) in view.addresses
    }


def start_of(event: JsonMap, floating: tzinfo) -> datetime | None:
    """Return the instant at which an event starts."""
    start = parse_local(event.get("start"))
    return None if start is None else instant(start, zone_of(event, floating))


def utc_span(event: JsonMap, floating: tzinfo) -> Json:
    """Return utcStart and utcEnd of an event (JMAP Calendars §5.1)."""
    start = parse_local(event.get("start"))
    if start is None:
        return {}
    zone = zone_of(event, floating)
    length = parse_json_duration(event.get("duration", "PT0S"))
    try:
        end = add_duration(start, length, zone) if length is not None else start
        return {"utcStart": utc_text(instant(start, zone)), "utcEnd": utc_text(instant(end, zone))}
    except OverflowError:
        return {}


def zone_of(event: JsonMap, floating: tzinfo) -> tzinfo:
    """Return the zone of an event's wall times; floating ones are read in the zone given."""
    name = event.get("timeZone")
    return floating if name is None else UTC if name == "Etc/UTC" else ZoneInfo(name)


def trimmed_overrides(event: Json, after: datetime | None, before: datetime | None) -> Json:
    """Leave out overrides of instances outside a window (recurrenceOverridesBefore, recurrenceOverridesAfter)."""
    overrides = event.get("recurrenceOverrides")
    if not overrides or (after is None and before is None):
        return event
    kept = {}
    for key, patch in overrides.items():
        wall = parse_local(key)
        at = instant(wall, zone_of(event, UTC)) if wall is not None else None
        if at is not None and (after is None or at >= after) and (before is None or at < before):
            kept[key] = patch
    return {**event, "recurrenceOverrides": kept}


def _with_answers(people: JsonMap, statuses: Sequence[AttendeeStatus]) -> Json:
    """Add to each participant how far our message came and which answer was applied last."""
    told: dict[str, Json] = {}
    for status in statuses:  # what is known of an instance comes after what is known of the whole
        told[status.address] = {**told.get(status.address, {}), **_answer(status)}
    return {
        key: {**person, **told.get(normal_address(person.get("calendarAddress", "")), {})}
        for key, person in people.items()
    }


def _answer(status: AttendeeStatus) -> Json:
    said: Json = {}
    if status.schedule_status:
        said["scheduleStatus"] = [status.schedule_status]
    if status.sequence is not None:
        said["scheduleSequence"] = status.sequence
    if status.dtstamp is not None:
        said["scheduleUpdated"] = utc_text(status.dtstamp)
    if status.comment:
        said["participationComment"] = status.comment
    return said


def _is_owner(event: JsonMap, view: View) -> bool:
    if normal_address(event.get("organizerCalendarAddress") or "") in view.addresses:
        return True
    return any(
        (person.get("roles") or {}).get("owner") and normal_address(person.get("calendarAddress", "")) in view.addresses
        for person in event["participants"].values()
    )


def _is_participant(event: JsonMap, view: View) -> bool:
    people = (event.get("participants") or {}).values()
    return any(normal_address(person.get("calendarAddress", "")) in view.addresses for person in people)


def _only_when(event: Json) -> Json:
    shown = {name: value for name, value in event.items() if name in _WHEN}
    overrides = {
        key: {pointer: value for pointer, value in patch.items() if pointer in _WHEN_OVERRIDDEN}
        for key, patch in (event.get("recurrenceOverrides") or {}).items()
    }
    return {**shown, "recurrenceOverrides": overrides} if overrides else shown
