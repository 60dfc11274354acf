# SPDX-License-Identifier: Apache-2.0
"""What each JSCalendar object may hold: one table per type (RFC 8984 §4, JSCalendar 2.0). Unknown members pass.

A `Rule` looks at one value and yields the faults in it, each with the pointer of the member that is wrong.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from zoneinfo import available_timezones

from gateway.jscalendar.rules import DAYS
from gateway.jscalendar.values import InvalidProperty, is_id, parse_json_duration, parse_local, parse_utc

Rule = Callable[[Any, str], Iterator[InvalidProperty]]

_MAX_INT = 2**53 - 1
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"\x00-\x20\x7f]*\Z")
_GEO = re.compile(r"geo:[^\s\x00-\x20\x7f]+\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._/-]*\Z")
_COLOR = re.compile(r"(#[0-9A-Fa-f]{3,8}|[A-Za-z]{3,30})\Z")
_MONTH = re.compile(r"(1[0-3]|[1-9])L?\Z")
_ZONES = frozenset(available_timezones()) - {"localtime", "posixrules", "Factory"}


def is_zone(name: object) -> bool:
    """Tell whether this is a time zone of the IANA database (JSCalendar 2.0 knows no other)."""
    return isinstance(name, str) and name in _ZONES


def _when(test: Callable[[Any], bool], expected: str) -> Rule:
    def rule(value: Any, path: str) -> Iterator[InvalidProperty]:
        if not test(value):
            yield InvalidProperty(path, f"must be {expected}")

    return rule


def _is_int(value: Any, low: int = -_MAX_INT, high: int = _MAX_INT) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def between(low: int, high: int = _MAX_INT) -> Rule:
    return _when(lambda value: _is_int(value, low, high), f"a whole number from {low} to {high}")


def one_of(*words: str) -> Rule:
    return _when(lambda value: isinstance(value, str) and value in words, "one of " + ", ".join(words))


def list_of(item: Rule, *, least: int = 1) -> Rule:
    def rule(value: Any, path: str) -> Iterator[InvalidProperty]:
        if not isinstance(value, list) or len(value) < least:
            yield InvalidProperty(path, f"must be an array of at least {least}")
            return
        for at, member in enumerate(value):
            yield from item(member, f"{path}/{at}")

    return rule


def map_of(key: Rule, item: Rule) -> Rule:
    def rule(value: Any, path: str) -> Iterator[InvalidProperty]:
        if not isinstance(value, dict):
            yield InvalidProperty(path, "must be an object")
            return
        for name, member in value.items():
            place = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
            yield from key(name, place)
            yield from item(member, place)

    return rule


def object_of(type_name: str, members: Mapping[str, Rule], *, required: tuple[str, ...] = ()) -> Rule:
    def rule(value: Any, path: str) -> Iterator[InvalidProperty]:
        if not isinstance(value, dict):
            yield InvalidProperty(path, f"must be an object of type {type_name}")
            return
        yield from faults_of(value, type_name, members, path + "/" if path else "", required)

    return rule


def faults_of(
    value: Mapping[str, Any], type_name: str, members: Mapping[str, Rule], prefix: str, required: tuple[str, ...] = ()
) -> Iterator[InvalidProperty]:
    """Yield what is wrong in an object: its type, members it must have, and each known member. Null is absent."""
    if value.get("@type", type_name) != type_name:
        yield InvalidProperty(prefix + "@type", f"must be {type_name}")
    for name in required:
        if value.get(name) is None:
            yield InvalidProperty(prefix + name, "must be given")
    for name, member in value.items():
        if member is not None and name in members:
            yield from members[name](member, prefix + name)


def _is_text(value: Any) -> bool:
    """A string of Unicode: a lone surrogate cannot be stored or sent."""
    return isinstance(value, str) and (value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value))


text = _when(_is_text, "a string")
boolean = _when(lambda value: isinstance(value, bool), "true or false")
true = _when(lambda value: value is True, "true")
uri = _when(lambda value: _is_text(value) and _URI.match(value) is not None, "a URI")
key = _when(is_id, "an id of 1 to 255 letters, digits, - and _")
token = _when(lambda value: isinstance(value, str) and _TOKEN.match(value) is not None, "a word")
local_time = _when(lambda value: parse_local(value) is not None, "a local date and time such as 2026-06-07T12:00:00")
utc_time = _when(lambda value: parse_utc(value) is not None, "a UTC date and time such as 2026-06-07T12:00:00Z")
zone = _when(is_zone, "a time zone of the IANA database")
signed_duration = _when(lambda value: parse_json_duration(value) is not None, "a duration such as -PT15M")
duration = _when(
    lambda value: (read := parse_json_duration(value)) is not None and min(read.days, read.seconds) >= 0,
    "a duration such as PT1H30M",
)
named = _when(lambda value: _is_text(value) and 0 < len(value) <= 255, "a non-empty string of at most 255 characters")
words = map_of(named, true)

RELATION = object_of("Relation", {"relation": map_of(token, true)})
LINK = object_of(
    "Link",
    {
        "href": uri,
        "blobId": key,
        "contentType": text,
        "size": between(0),
        "rel": text,
        "display": text,
        "title": text,
    },
)
LOCATION = object_of(
    "Location",
    {
        "name": text,
        "description": text,
        "locationTypes": map_of(token, true),
        "relativeTo": one_of("start", "end"),
        "timeZone": text,
        "coordinates": _when(lambda value: _is_text(value) and _GEO.match(value) is not None, "a geo: URI"),
        "links": map_of(key, LINK),
    },
)
VIRTUAL_LOCATION = object_of(
    "VirtualLocation",
    {"name": text, "description": text, "uri": uri, "features": map_of(token, true)},
    required=("uri",),
)
PARTICIPANT = object_of(
    "Participant",
    {
        "name": text,
        "email": text,
        "description": text,
        "calendarAddress": uri,
        "sentBy": text,
        "kind": token,
        "roles": map_of(token, true),
        "locationId": key,
        "language": text,
        "participationStatus": one_of(
            "needs-action", "accepted", "declined", "tentative", "delegated", "completed", "in-process"
        ),
        "expectReply": boolean,
        "scheduleAgent": one_of("server", "client", "none"),
        "scheduleForceSend": boolean,
        "scheduleSequence": between(0),
        "scheduleUpdated": utc_time,
        "scheduleStatus": list_of(text, least=0),
        "delegatedTo": map_of(text, true),
        "delegatedFrom": map_of(text, true),
        "memberOf": map_of(text, true),
        "links": map_of(key, LINK),
    },
)
_OFFSET = {"offset": signed_duration, "relativeTo": one_of("start", "end")}


def _trigger(value: Any, path: str) -> Iterator[InvalidProperty]:
    if not isinstance(value, dict):
        yield InvalidProperty(path, "must be an object")
        return
    kind = value.get("@type", "OffsetTrigger" if "offset" in value else "AbsoluteTrigger")
    if kind == "OffsetTrigger":
        yield from faults_of(value, kind, _OFFSET, path + "/", ("offset",))
    elif kind == "AbsoluteTrigger":
        yield from faults_of(value, kind, {"when": utc_time}, path + "/", ("when",))


ALERT = object_of(
    "Alert",
    {
        "trigger": _trigger,
        "acknowledged": utc_time,
        "relatedTo": map_of(text, RELATION),
        "action": token,
    },
    required=("trigger",),
)
N_DAY = object_of(
    "NDay",
    {"day": one_of(*DAYS), "nthOfPeriod": _when(lambda n: _is_int(n, -53, 53) and n != 0, "-53 to 53, not 0")},
    required=("day",),
)


def _signed(high: int) -> Rule:
    return list_of(_when(lambda n: _is_int(n, -high, high) and n != 0, f"1 to {high} or -{high} to -1"))


_RULE_MEMBERS: dict[str, Rule] = {
    "frequency": one_of("yearly", "monthly", "weekly", "daily", "hourly", "minutely", "secondly"),
    "interval": between(1, 100_000),
    "rscale": text,
    "skip": one_of("omit", "backward", "forward"),
    "firstDayOfWeek": one_of(*DAYS),
    "byDay": list_of(N_DAY),
    "byMonthDay": _signed(31),
    "byMonth": list_of(_when(lambda m: isinstance(m, str) and _MONTH.match(m) is not None, "a month such as 1 or 5L")),
    "byYearDay": _signed(366),
    "byWeekNo": _signed(53),
    "byHour": list_of(between(0, 23)),
    "byMinute": list_of(between(0, 59)),
    "bySecond": list_of(between(0, 60)),
    "bySetPosition": _signed(366),
    "count": between(1),
    "until": local_time,
}


def recurrence_rule(value: Any, path: str) -> Iterator[InvalidProperty]:
    """Yield what is wrong in a RecurrenceRule: Gregorian only, and not both `count` and `until`."""
    if not isinstance(value, dict):
        yield InvalidProperty(path, "must be an object of type RecurrenceRule")
        return
    yield from faults_of(value, "RecurrenceRule", _RULE_MEMBERS, path + "/", ("frequency",))
    if value.get("count") is not None and value.get("until") is not None:
        yield InvalidProperty(path, "count and until exclude each other")
    rscale = value.get("rscale")
    if isinstance(rscale, str) and rscale.lower() not in ("gregorian", "gregory"):  # invitees could not read it
        yield InvalidProperty(f"{path}/rscale", "only the Gregorian calendar is supported")


_NO_PATCH = _when(lambda value: isinstance(value, dict), "an object")

EVENT: dict[str, Rule] = {
    "uid": _when(
        lambda value: _is_text(value) and 0 < len(value) <= 255 and _CONTROL.search(value) is None,
        "a non-empty string of at most 255 characters and no control characters",
    ),
    "relatedTo": map_of(named, RELATION),
    "prodId": text,
    "created": utc_time,
    "updated": utc_time,
    "sequence": between(0, 2**31 - 1),
    "title": text,
    "description": text,
    "descriptionContentType": _when(
        lambda value: isinstance(value, str) and value.split(";")[0].strip().lower() in ("text/plain", "text/html"),
        "text/plain or text/html",
    ),
    "showWithoutTime": boolean,
    "locations": map_of(key, LOCATION),
    "mainLocationId": key,
    "virtualLocations": map_of(key, VIRTUAL_LOCATION),
    "links": map_of(key, LINK),
    "locale": text,
    "keywords": words,
    "categories": map_of(uri, true),
    "color": _when(lambda value: isinstance(value, str) and _COLOR.match(value) is not None, "a CSS colour"),
    "start": local_time,
    "duration": duration,
    "timeZone": zone,
    "endTimeZone": zone,
    "recurrenceId": local_time,
    "recurrenceIdTimeZone": zone,
    "recurrenceRule": recurrence_rule,
    "recurrenceOverrides": map_of(local_time, _NO_PATCH),
    "status": one_of("confirmed", "tentative", "cancelled"),
    "priority": between(0, 9),
    "freeBusyStatus": one_of("free", "busy", "tentative", "unavailable"),
    "privacy": one_of("public", "private", "secret"),
    "organizerCalendarAddress": uri,
    "participants": map_of(key, PARTICIPANT),
    "alerts": map_of(key, ALERT),
    "useDefaultAlerts": boolean,
    "localizations": map_of(text, _NO_PATCH),
    "isDraft": boolean,
    "mayInviteSelf": boolean,
    "mayInviteOthers": boolean,
    "hideAttendees": boolean,
}
EVENT_RULE = object_of("Event", EVENT, required=("start",))
