# SPDX-License-Identifier: Apache-2.0
"""Older names read as JSCalendar 2.0: RFC 8984 and the JMAP drafts before its vocabulary changed.

Three generations of clients write `sendTo.imip`, `scheduleId` or `calendarAddress` for one thing; only the last is
kept. What an older name says is never dropped: it is translated, kept as an unknown member, or refused by name.
"""

from typing import Any

from gateway.itip.address import build_mailto, normal_address
from gateway.jscalendar.expansion import expand_rules
from gateway.jscalendar.patch import is_pointer, join_pointer, same_json, split_pointer
from gateway.jscalendar.values import InvalidProperty, Json, JsonMap, parse_json_duration, parse_utc

Faults = list[InvalidProperty]

_ATTENDING = frozenset({"required", "chair", "optional", "informational"})
_SCHEDULED_ROLES = _ATTENDING | {"owner", "attendee"}


def upgrade_event(given: JsonMap) -> tuple[Json, Faults]:
    """Return the event in 2.0 names, and what cannot be said in them. Members of a wrong type pass untouched."""
    event = dict(given)
    faults: Faults = []
    _upgrade_organizer(event, faults)
    _upgrade_locations(event)
    participants = event.get("participants")
    if isinstance(participants, dict):
        event["participants"] = {
            key: _upgrade_participant(value, join_pointer(("participants", key)), faults)
            for key, value in participants.items()
        }
    alerts = event.get("alerts")
    if isinstance(alerts, dict):
        event["alerts"] = {key: _upgrade_alert(alert) for key, alert in alerts.items()}
    overrides = event.get("recurrenceOverrides")
    if isinstance(overrides, dict):
        event["recurrenceOverrides"] = {
            key: _upgrade_override(value, join_pointer(("recurrenceOverrides", key)), faults)
            for key, value in overrides.items()
        }
    _upgrade_rules(event, faults)
    return event, faults


def upgrade_patch(patch: JsonMap) -> tuple[Json, Faults]:
    """Return a patch whose pointers and values speak 2.0; what needs the whole event is left for `upgrade_event`."""
    upgraded: Json = {}
    faults: Faults = []
    for pointer, value in patch.items():
        if not is_pointer(pointer):  # left as it is for `apply_patch` to refuse
            upgraded[pointer] = value
            continue
        parts, value = _upgrade_pointer(split_pointer(pointer), value, faults)
        upgraded[join_pointer(parts)] = value
    return upgraded, faults


def _upgrade_organizer(event: Json, faults: Faults) -> None:
    """`replyTo.imip` is the organizer's address; its other methods stay as they are."""
    reply_to = event.get("replyTo")
    if not isinstance(reply_to, dict) or not isinstance(reply_to.get("imip"), str):
        return
    given = event.setdefault("organizerCalendarAddress", reply_to["imip"])
    if given is None:
        event["organizerCalendarAddress"] = reply_to["imip"]
    elif isinstance(given, str) and normal_address(given) != normal_address(reply_to["imip"]):
        faults.append(InvalidProperty("replyTo", "names another organizer than organizerCalendarAddress"))
    rest = {method: uri for method, uri in reply_to.items() if method != "imip"}
    event.pop("replyTo")
    if rest:
        event["replyTo"] = rest


def _upgrade_locations(event: Json) -> None:
    """A location with `relativeTo: end` and a zone was how RFC 8984 §4.2.5 said where the event ends."""
    locations = event.get("locations")
    if not isinstance(locations, dict) or event.get("endTimeZone") is not None:
        return
    for key, place in locations.items():
        if isinstance(place, dict) and place.get("relativeTo") == "end" and isinstance(place.get("timeZone"), str):
            event["endTimeZone"] = place["timeZone"]
            kept = {name: value for name, value in place.items() if name not in ("timeZone", "relativeTo", "@type")}
            rest = {name: value for name, value in locations.items() if name != key}
            event["locations"] = {**rest, key: {**kept, "@type": "Location"}} if kept else rest
            return


def _upgrade_participant(value: Any, path: str, faults: Faults) -> Any:
    if not isinstance(value, dict):
        return value
    person = dict(value)
    send_to = person.get("sendTo")
    imip = send_to.get("imip") if isinstance(send_to, dict) else None
    claims = [uri for uri in (person.get("calendarAddress"), person.pop("scheduleId", None), imip) if uri]
    spelled = [uri for uri in claims if isinstance(uri, str)]
    if len({normal_address(uri) for uri in spelled}) > 1:
        faults.append(InvalidProperty(path, "calendarAddress, scheduleId and sendTo.imip name different addresses"))
    if spelled:
        person["calendarAddress"] = spelled[0]
    if isinstance(send_to, dict):
        rest = {method: uri for method, uri in send_to.items() if method != "imip"}
        person.pop("sendTo")
        if rest:
            person["sendTo"] = rest
    if isinstance(person.get("roles"), dict):
        person["roles"] = _upgrade_roles(person["roles"])
    if not spelled and isinstance(person.get("email"), str) and "@" in person["email"] and _is_invited(person):
        person["calendarAddress"] = build_mailto(person["email"])
    return person


def _upgrade_roles(roles: Json) -> Json:
    """`attendee` became `required`, unless a closer role says how the person attends."""
    if "attendee" not in roles:
        return roles
    rest = {role: value for role, value in roles.items() if role != "attendee"}
    if not _ATTENDING & rest.keys():
        rest["required"] = roles["attendee"]
    return rest


def _is_invited(person: Json) -> bool:
    roles = person.get("roles")
    invited = isinstance(roles, dict) and bool(_SCHEDULED_ROLES & roles.keys())
    return invited or bool(person.get("participationStatus")) or person.get("expectReply") is True


def _upgrade_alert(alert: Any) -> Any:
    """Early clients write a trigger as a bare text: an offset or an instant."""
    if not isinstance(alert, dict) or not isinstance(alert.get("trigger"), str):
        return alert
    return {**alert, "trigger": _upgrade_trigger(alert["trigger"])}


def _upgrade_trigger(trigger: Any) -> Any:
    if parse_json_duration(trigger) is not None:
        return {"@type": "OffsetTrigger", "offset": trigger}
    return {"@type": "AbsoluteTrigger", "when": trigger} if parse_utc(trigger) is not None else trigger


def _upgrade_override(value: Any, path: str, faults: Faults) -> Any:
    if not isinstance(value, dict):
        return value
    patch, wrong = upgrade_patch(value)
    faults += (InvalidProperty(f"{path}/{fault.path}", fault.reason) for fault in wrong)
    return patch


def _upgrade_pointer(parts: tuple[str, ...], value: Any, faults: Faults) -> tuple[tuple[str, ...], Any]:
    match parts:
        case ("replyTo", "imip"):
            return ("organizerCalendarAddress",), value
        case ("replyTo",) if isinstance(value, dict) and set(value) == {"imip"}:
            return ("organizerCalendarAddress",), value["imip"]
        case ("recurrenceRules",) if value is None or (isinstance(value, list) and len(value) == 1):
            return ("recurrenceRule",), value[0] if value else None
        case ("alerts",) if isinstance(value, dict):
            return parts, {key: _upgrade_alert(alert) for key, alert in value.items()}
        case ("alerts", _):
            return parts, _upgrade_alert(value)
        case ("alerts", _, "trigger"):
            return parts, _upgrade_trigger(value)
        case ("participants",) if isinstance(value, dict):
            return parts, {
                key: _upgrade_participant(person, join_pointer((*parts, key)), faults) for key, person in value.items()
            }
        case ("participants", _):
            return parts, _upgrade_participant(value, join_pointer(parts), faults)
        case ("participants", key, "scheduleId") | ("participants", key, "sendTo", "imip"):
            return ("participants", key, "calendarAddress"), value
        case ("participants", key, "sendTo") if isinstance(value, dict) and set(value) == {"imip"}:
            return ("participants", key, "calendarAddress"), value["imip"]
        case ("participants", _, "roles") if isinstance(value, dict):
            return parts, _upgrade_roles(value)
        case ("participants", key, "roles", "attendee"):
            return ("participants", key, "roles", "required"), value
        case ("recurrenceOverrides",) if isinstance(value, dict):
            return parts, {
                key: _upgrade_override(patch, join_pointer((*parts, key)), faults) for key, patch in value.items()
            }
        case ("recurrenceOverrides", _):
            return parts, _upgrade_override(value, join_pointer(parts), faults)
        case ("recurrenceOverrides", key, pointer):
            inner, value = _upgrade_pointer(split_pointer(pointer), value, faults)
            return ("recurrenceOverrides", key, join_pointer(inner)), value
    return parts, value


def _upgrade_rules(event: Json, faults: Faults) -> None:
    """Keep one rule; further and excluded ones become single dates where they are few, and are refused where not."""
    rules = event.pop("recurrenceRules", None)
    excluded = event.pop("excludedRecurrenceRules", None)
    if rules is not None and not _are_rules(rules):
        faults.append(InvalidProperty("recurrenceRules", "must be an array of RecurrenceRule objects"))
        return
    if excluded is not None and not _are_rules(excluded):
        faults.append(InvalidProperty("excludedRecurrenceRules", "must be an array of RecurrenceRule objects"))
        return
    if rules:
        own = event.get("recurrenceRule")
        if own is not None and not same_json(own, rules[0]):
            faults.append(InvalidProperty("recurrenceRules", "differs from recurrenceRule"))
        event["recurrenceRule"] = rules[0]
    overrides = event.get("recurrenceOverrides") or {}
    if isinstance(overrides, dict):
        more = _single_dates(event, (rules or [])[1:], "recurrenceRules", faults)
        less = _single_dates(event, excluded or [], "excludedRecurrenceRules", faults)
        if more or less:
            gone = {key: {"excluded": True} for key in less}
            event["recurrenceOverrides"] = {**{key: {} for key in more}, **overrides, **gone}


def _are_rules(rules: Any) -> bool:
    return isinstance(rules, list) and all(isinstance(rule, dict) for rule in rules)


def _single_dates(event: Json, rules: list[Json], name: str, faults: Faults) -> tuple[str, ...]:
    if not rules:
        return ()
    dates = expand_rules(event, rules)
    if dates is None:
        reason = "JSCalendar 2.0 has one recurrenceRule; only rules with an end and few dates can be kept beside it"
        faults.append(InvalidProperty(name, reason))
        return ()
    return dates
