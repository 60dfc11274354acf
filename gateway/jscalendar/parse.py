# SPDX-License-Identifier: Apache-2.0
"""An Event object from outside, read once: older names translated, every member judged, defaults left out.

What comes back is either whole or comes with every fault by name, so that a SetError can list the properties. Only
what `to_ical` can write passes.
"""

from dataclasses import dataclass
from typing import Any

from gateway.itip.address import normal_address
from gateway.itip.values import Duration, build_duration
from gateway.jscalendar.carry import size_fault, written_carried
from gateway.jscalendar.dialect import upgrade_event
from gateway.jscalendar.overrides import build_instance, is_ignored, series_part
from gateway.jscalendar.patch import same_json
from gateway.jscalendar.people import merge_same_people
from gateway.jscalendar.rules import plain_rule
from gateway.jscalendar.schema import EVENT_RULE
from gateway.jscalendar.values import (
    InvalidProperty,
    Json,
    JsonMap,
    add_duration,
    parse_json_duration,
    parse_local,
    parse_utc,
    utc_text,
)

#: What absence means; a member that says only that is not kept (RFC 8984 §4).
DEFAULTS: Json = {
    "sequence": 0,
    "title": "",
    "description": "",
    "descriptionContentType": "text/plain",
    "showWithoutTime": False,
    "duration": "PT0S",
    "status": "confirmed",
    "priority": 0,
    "freeBusyStatus": "busy",
    "privacy": "public",
    "mayInviteSelf": False,
    "mayInviteOthers": False,
    "hideAttendees": False,
}
_PERSON_DEFAULTS: Json = {"name": "", "expectReply": False, "scheduleAgent": "server", "scheduleSequence": 0}
_ALERT_DEFAULTS: Json = {"action": "display"}
_MAX_DEPTH = 24


@dataclass(frozen=True, slots=True)
class ParsedEvent:
    """An Event as far as it could be read; storable only where `faults` is empty."""

    event: Json
    faults: tuple[InvalidProperty, ...]


def parse_event(given: JsonMap) -> ParsedEvent:
    """Read an Event of any generation of names into plain JSCalendar 2.0, with every fault found."""
    if _depth(given) > _MAX_DEPTH:
        return ParsedEvent({}, (InvalidProperty("", f"objects may be nested {_MAX_DEPTH} deep"),))
    event, dialect_faults = upgrade_event(given)
    faults = (*dialect_faults, *EVENT_RULE(event, ""))
    if faults:
        return ParsedEvent(event, faults)
    event = plain_event(event)
    faults = tuple(_sense_faults(event))
    return ParsedEvent(event, faults or tuple(_override_faults(event)) or _carry_faults(event))


def plain_event(event: JsonMap) -> Json:
    """Return a valid Event without nulls, empty maps and members that only repeat a default."""
    plain = _plain_members(_spelled(event), DEFAULTS)
    plain["@type"] = "Event"
    people = plain.get("participants")
    if people:
        people = {key: _plain_members(person, _PERSON_DEFAULTS) for key, person in people.items()}
        plain["participants"] = merge_same_people(_typed(people, "Participant"))
    alerts = plain.get("alerts")
    if alerts:
        plain["alerts"] = {key: _plain_alert(alert) for key, alert in alerts.items()}
    for member, type_name in (("locations", "Location"), ("virtualLocations", "VirtualLocation"), ("links", "Link")):
        if member in plain:
            plain[member] = _typed({key: _plain_members(value, {}) for key, value in plain[member].items()}, type_name)
    if "relatedTo" in plain:
        plain["relatedTo"] = _typed(plain["relatedTo"], "Relation")
    if "recurrenceRule" in plain:
        plain["recurrenceRule"] = plain_rule(plain["recurrenceRule"])
    if "recurrenceOverrides" in plain:
        plain["recurrenceOverrides"] = _plain_overrides(plain)
    return plain


def _plain_members(value: JsonMap, defaults: JsonMap) -> Json:
    return {
        name: member
        for name, member in value.items()
        if member is not None and member != {} and not (name in defaults and same_json(defaults[name], member))
    }


def _spelled(value: JsonMap) -> Json:
    """Write lengths and instants in their one form, so that `PT90M` and `PT1H30M` compare equal."""
    spelled = dict(value)
    for name in ("duration", "offset"):
        length = parse_json_duration(value.get(name))
        if length is not None:
            spelled[name] = build_duration(length)
    for name in ("created", "updated", "acknowledged", "when"):
        instant = parse_utc(value.get(name))
        if instant is not None:
            spelled[name] = utc_text(instant)
    return spelled


def _typed(members: Json, type_name: str) -> Json:
    return {key: {"@type": type_name, **value} for key, value in members.items()}


def _plain_alert(alert: JsonMap) -> Json:
    trigger = {name: value for name, value in _spelled(alert["trigger"]).items() if value is not None}
    kind = "OffsetTrigger" if "offset" in trigger else "AbsoluteTrigger"
    trigger = {
        "@type": kind,
        **{name: value for name, value in trigger.items() if (name, value) != ("relativeTo", "start")},
    }
    plain = {"@type": "Alert", **_plain_members(_spelled(alert), _ALERT_DEFAULTS), "trigger": trigger}
    if "relatedTo" in plain:
        plain["relatedTo"] = _typed(plain["relatedTo"], "Relation")
    return plain


def _plain_overrides(event: JsonMap) -> Json:
    """Leave out of each patch what an instance has no say in, and `excluded: false`."""
    plain: Json = {}
    for key, patch in event["recurrenceOverrides"].items():
        kept = {pointer: value for pointer, value in _spelled(patch).items() if not is_ignored(pointer)}
        if kept.get("excluded") is False:
            kept.pop("excluded")
        plain[key] = kept
    return plain


def _sense_faults(event: JsonMap) -> list[InvalidProperty]:
    """Faults between members that are each well formed."""
    faults: list[InvalidProperty] = []
    if event.get("endTimeZone") is not None and event.get("timeZone") is None:
        faults.append(InvalidProperty("endTimeZone", "needs a timeZone"))
    if event.get("recurrenceId") is not None:
        faults += [
            InvalidProperty(name, "an instance (recurrenceId) has no recurrence of its own")
            for name in ("recurrenceRule", "recurrenceOverrides")
            if event.get(name) is not None
        ]
    if event.get("mainLocationId") is not None and event["mainLocationId"] not in event.get("locations", {}):
        faults.append(InvalidProperty("mainLocationId", "names no location of the event"))
    start = parse_local(event["start"])
    length = parse_json_duration(event.get("duration", "PT0S")) or Duration()
    try:
        if start is None or not 1 < start.year < 9998 or add_duration(start, length, None).year > 9998:
            faults.append(InvalidProperty("start", "lies outside the calendar"))
    except OverflowError:
        faults.append(InvalidProperty("duration", "ends outside the calendar"))
    rule = event.get("recurrenceRule") or {}
    if rule.get("skip", "omit") != "omit":
        faults.append(InvalidProperty("recurrenceRule/skip", "only omit is understood by the people who are invited"))
    return faults + _people_faults(event)


def _people_faults(event: JsonMap) -> list[InvalidProperty]:
    organizer = event.get("organizerCalendarAddress")
    if organizer is None or normal_address(organizer):
        return []
    return [InvalidProperty("organizerCalendarAddress", "names nobody")]


def _override_faults(event: JsonMap) -> list[InvalidProperty]:
    faults: list[InvalidProperty] = []
    for key, patch in (event.get("recurrenceOverrides") or {}).items():
        path = f"recurrenceOverrides/{key}"
        if "excluded" in patch:
            if patch["excluded"] is not True or len(patch) > 1:
                faults.append(InvalidProperty(f"{path}/excluded", "must be true and stand alone"))
            continue
        instance = build_instance(event, key, patch)
        if isinstance(instance, InvalidProperty):
            faults.append(InvalidProperty(f"{path}/{instance.path}", instance.reason))
            continue
        found: list[InvalidProperty] = [*EVENT_RULE(instance, "")] or _sense_faults(instance)
        faults += (InvalidProperty(f"{path}/{fault.path}", fault.reason) for fault in found)
    return faults


def _carry_faults(event: JsonMap) -> tuple[InvalidProperty, ...]:
    """Refuse more unknown data than may be carried, before any of it is written."""
    rule = {"recurrenceRule": event["recurrenceRule"]} if "recurrenceRule" in event else {}
    said = {name: member for name, member in {**series_part(event), **rule}.items() if name not in _TEXTS}
    fault = size_fault(tuple(written_carried({}, said)))
    return () if fault is None else (fault,)


#: Members that iCalendar holds in full; their length is the whole object's affair.
_TEXTS = frozenset(
    {"title", "description", "participants", "alerts", "locations", "virtualLocations", "links", "keywords"}
)


def _depth(value: Any, level: int = 0) -> int:
    if level > _MAX_DEPTH:
        return level
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max((_depth(member, level + 1) for member in members), default=level)
