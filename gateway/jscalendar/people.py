# SPDX-License-Identifier: Apache-2.0
"""Who is invited: `participants` and `organizerCalendarAddress`, and ATTENDEE and ORGANIZER.

One person is one Participant, however many lines name the address. A Participant who only owns the event is its
ORGANIZER; with a status or another role also an ATTENDEE (the conversion draft §2.3.29). What has no address, or only
the role `contact`, is never an ATTENDEE.
"""

import re
from collections.abc import Iterator
from typing import Any

from gateway.itip.address import build_mailto, normal_address, plain_address
from gateway.itip.tree import Component, Prop
from gateway.jscalendar.values import Json, JsonMap, derived_id, is_id, safe_uri

_ROLES = {
    "CHAIR": "chair",
    "REQ-PARTICIPANT": "required",
    "OPT-PARTICIPANT": "optional",
    "NON-PARTICIPANT": "informational",
}
_WIRE_ROLES = {word: wire for wire, word in _ROLES.items()}
_KINDS = {"INDIVIDUAL": "individual", "GROUP": "group", "RESOURCE": "resource", "ROOM": "location"}
_WIRE_KINDS = {word: wire for wire, word in _KINDS.items()}
_PARTSTATS = frozenset({"needs-action", "accepted", "declined", "tentative", "delegated", "completed", "in-process"})
_AGENTS = frozenset({"server", "client", "none"})
_SCHEME = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*:")
_LISTS = {"delegatedTo": "DELEGATED-TO", "delegatedFrom": "DELEGATED-FROM", "memberOf": "MEMBER"}
_ORGANIZER_PARAMS = ("CN", "EMAIL", "SENT-BY", "LANGUAGE", "SCHEDULE-AGENT", "SCHEDULE-STATUS", "JSID")
#: Says of an ATTENDEE that their only role is the owner's: without ROLE they would be required (P14).
_OWNER_ONLY = "X-OWNER-ONLY"
_NO_ATTENDEE = frozenset({"owner", "contact"})


def read_people(component: Component) -> Json:
    """Read organizer and attendees; one Participant per address, the organizer among them if more than an address."""
    organizer = component.first("ORGANIZER")
    people: dict[str, Json] = {}
    by_address: dict[str, str] = {}
    for line in component.all("ATTENDEE"):
        person = _read_attendee(line)
        address = normal_address(line.value)
        if address in by_address:
            merge_person(people[by_address[address]], person)
            continue
        by_address[address] = key = _key_of(line, people)
        people[key] = person
    if organizer is None:
        return {"participants": people} if people else {}
    own = by_address.get(normal_address(organizer.value))
    if own is not None:
        people[own].setdefault("roles", {})["owner"] = True
        if organizer.param("CN"):
            people[own].setdefault("name", organizer.param("CN"))
    elif organizer.params:
        people[_key_of(organizer, people)] = {**_read_named(organizer), "roles": {"owner": True}}
    event: Json = {"organizerCalendarAddress": calendar_address(organizer.value)}
    return {**event, "participants": people} if people else event


def write_people(event: JsonMap, old: Component) -> Iterator[Prop]:
    """Write organizer and attendees; lines of people who stay keep their place, spelling and unknown parameters."""
    organizer = event.get("organizerCalendarAddress")
    people: JsonMap = event.get("participants") or {}
    owner = normal_address(organizer) if organizer else ""
    if organizer:
        yield _written_organizer(organizer, people, old)
    lines = {normal_address(line.value): line for line in reversed(old.all("ATTENDEE"))}
    places = {address: at for at, address in enumerate(reversed(lines))}
    written: list[tuple[int, Prop]] = []
    for key, person in people.items():
        address = normal_address(person.get("calendarAddress") or "")
        if address and is_attendee(person, owner):
            line = lines.get(address)
            written.append((places.get(address, len(places)), _written_attendee(key, person, line)))
    yield from (line for _, line in sorted(written, key=lambda pair: pair[0]))


def is_attendee(person: JsonMap, owner: str) -> bool:
    """Tell whether a Participant with an address is an ATTENDEE; `owner` is the organizer's normal address."""
    if person.get("participationStatus") or person.get("expectReply"):
        return True
    roles = {role for role, held in (person.get("roles") or {}).items() if held}
    if not roles:
        return normal_address(person["calendarAddress"]) != owner
    return bool(roles - _NO_ATTENDEE) or ("owner" in roles and normal_address(person["calendarAddress"]) != owner)


def merge_person(person: Json, other: JsonMap) -> None:
    """Add to a Participant what another entry for the same address knows: roles joined, the first one's words kept."""
    roles = {**(person.get("roles") or {}), **(other.get("roles") or {})}
    for name, value in other.items():
        if person.get(name) is None:
            person[name] = value
    if roles:
        person["roles"] = roles


def merge_same_people(people: JsonMap) -> Json:
    """Return the participants with entries for one address joined under the first key."""
    merged: Json = {}
    keys: dict[str, str] = {}
    for key, person in people.items():
        address = person.get("calendarAddress") if isinstance(person, dict) else None
        normal = normal_address(address) if isinstance(address, str) else ""
        if normal and normal in keys:
            merged[keys[normal]] = dict(merged[keys[normal]])
            merge_person(merged[keys[normal]], person)
            continue
        merged[key] = person
        if normal:
            keys[normal] = key
    return merged


def calendar_address(value: str) -> str:
    """Return a calendar address as a URI, as it is written if it is one."""
    return (
        safe_uri(value)
        if _SCHEME.match(value)
        else build_mailto(value)
        if "@" in value
        else f"invalid:{safe_uri(value)}"
    )


def _key_of(line: Prop, taken: JsonMap) -> str:
    given = line.param("JSID")
    if given is not None and is_id(given) and given not in taken:
        return given
    key = derived_id(normal_address(line.value))
    return key if key not in taken else derived_id(line.name + line.value)


def _read_named(line: Prop) -> Json:
    """Read what ORGANIZER and ATTENDEE have in common."""
    person: Json = {"@type": "Participant", "calendarAddress": calendar_address(line.value)}
    for param, member in (("CN", "name"), ("EMAIL", "email"), ("LANGUAGE", "language")):
        value = line.param(param)
        if value:
            person[member] = value
    if line.param("SENT-BY"):
        person["sentBy"] = plain_address(line.param("SENT-BY") or "")
    agent = (line.param("SCHEDULE-AGENT") or "server").lower()
    if agent != "server" and agent in _AGENTS:
        person["scheduleAgent"] = agent
    status = line.param_values("SCHEDULE-STATUS")
    if status:
        person["scheduleStatus"] = [code.strip() for value in status for code in value.split(",") if code.strip()]
    return person


def _read_attendee(line: Prop) -> Json:
    person = _read_named(line)
    role = (line.param("ROLE") or "REQ-PARTICIPANT").upper()
    person["roles"] = {_ROLES.get(role, role.lower() if role.startswith("X-") else "required"): True}
    if line.param(_OWNER_ONLY):
        person["roles"] = {"owner": True}
    status = (line.param("PARTSTAT") or "needs-action").lower()
    person["participationStatus"] = status if status in _PARTSTATS else "needs-action"
    kind = (line.param("CUTYPE") or "UNKNOWN").upper()
    if kind in _KINDS:
        person["kind"] = _KINDS[kind]
    if (line.param("RSVP") or "").upper() == "TRUE":
        person["expectReply"] = True
    for member, param in _LISTS.items():
        uris = line.param_values(param)
        if uris:
            person[member] = dict.fromkeys(uris, True)
    return person


def _written_attendee(key: str, person: JsonMap, old: Prop | None) -> Prop:
    line = old if old is not None else Prop("ATTENDEE", person["calendarAddress"])
    had = _attendee_params(_key_of(line, {}), _read_attendee(line), line) if old is not None else {}
    return _with_changes(line, had, _attendee_params(key, person, line))


def _written_organizer(organizer: str, people: JsonMap, old: Component) -> Prop:
    owner = normal_address(organizer)
    before = old.first("ORGANIZER")
    same = before is not None and normal_address(before.value) == owner
    line = before if before is not None and same else Prop("ORGANIZER", organizer)
    own = _person_at(owner, people)
    if own is None:
        return line
    told = _person_at(owner, read_people(old).get("participants", {})) if same else None
    had = _attendee_params(*told, line) if told is not None else {}
    wanted = _attendee_params(*own, line)
    names = _ORGANIZER_PARAMS if not is_attendee(own[1], owner) else ("CN", "EMAIL", "SENT-BY")
    return _with_changes(line, had, {name: wanted[name] for name in names})


def _person_at(address: str, people: JsonMap) -> tuple[str, JsonMap] | None:
    found = (
        (k, person) for k, person in people.items() if normal_address(person.get("calendarAddress") or "") == address
    )
    return next(found, None)


def _with_changes(line: Prop, had: dict[str, tuple[str, ...]], wanted: dict[str, tuple[str, ...]]) -> Prop:
    for name, values in wanted.items():
        if had.get(name, ()) != values:
            line = line.with_param(name, *values)
    return line


def _attendee_params(key: str, person: JsonMap, line: Prop) -> dict[str, tuple[str, ...]]:
    """Return every parameter that a Participant decides; an empty tuple where it must be absent."""
    held = {role for role, given in (person.get("roles") or {}).items() if given}
    roles = held - {"owner"}
    role = next((wire for word, wire in _WIRE_ROLES.items() if word in roles), None)
    other = next((word for word in sorted(roles) if word.startswith("x-")), None)
    wire_role = role or (other.upper() if other else None)
    kind = person.get("kind")
    agent = person.get("scheduleAgent") or "server"
    return {
        "CN": _one(person.get("name")),
        "CUTYPE": _one(_WIRE_KINDS.get(kind) if kind else None),
        "ROLE": _one(None if wire_role == "REQ-PARTICIPANT" else wire_role),
        _OWNER_ONLY: _one("TRUE" if held == {"owner"} else None),
        "PARTSTAT": _one(str(person.get("participationStatus") or "needs-action").upper()),
        "RSVP": _one("TRUE" if person.get("expectReply") is True else None),
        "EMAIL": _one(person.get("email")),
        "LANGUAGE": _one(person.get("language")),
        "SENT-BY": _one(build_mailto(person["sentBy"]) if person.get("sentBy") else None),
        "SCHEDULE-AGENT": _one(None if agent == "server" else agent.upper()),
        "SCHEDULE-FORCE-SEND": _one("REQUEST" if person.get("scheduleForceSend") is True else None),
        "SCHEDULE-STATUS": _one(",".join(person.get("scheduleStatus") or ())),
        **{param: tuple(person.get(member) or ()) for member, param in _LISTS.items()},
        "JSID": _one(None if key == derived_id(normal_address(line.value)) else key),
    }


def _one(value: Any) -> tuple[str, ...]:
    return (str(value),) if value else ()
