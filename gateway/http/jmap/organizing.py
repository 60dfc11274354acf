# SPDX-License-Identifier: Apache-2.0
"""Who organizes an event whose client did not say, and whether everybody invited can be reached (JMAP Calendars §5.9).

An event with guests and no organizer is the trap that lets servers drop invitations in silence: it is never stored.
"""

from collections.abc import Iterator, Sequence

from gateway.http.jmap.errors import SetFailure
from gateway.itip.address import is_mailable, normal_address
from gateway.jscalendar.values import Json, JsonMap, derived_id
from gateway.store.accounts import Identity

_INVITED = frozenset({"required", "optional", "chair", "informational", "owner"})


def with_organizer(event: Json, identities: Sequence[Identity]) -> Json:
    """Return the event with an organizer, if it has guests and none was named.

    In order: the one owner among the participants; else the account's default identity.

    Raises:
        SetFailure: `invalidProperties` where nobody can be chosen.
    """
    people: JsonMap = event.get("participants") or {}
    if event.get("organizerCalendarAddress") or not any(p.get("calendarAddress") for p in people.values()):
        return event
    owners = {
        normal_address(person["calendarAddress"]): person["calendarAddress"]
        for person in people.values()
        if (person.get("roles") or {}).get("owner") and person.get("calendarAddress")
    }
    if len(owners) == 1:
        return {**event, "organizerCalendarAddress": next(iter(owners.values()))}
    default = next((identity for identity in identities if identity.is_default), None) or next(iter(identities), None)
    if default is None or not is_mailable(default.calendar_address):
        words = "The account has no address to organize from; name the organizer"
        raise SetFailure("invalidProperties", words, "organizerCalendarAddress")
    if owners and normal_address(default.calendar_address) not in owners:
        words = "Several participants are owners; name the organizer"
        raise SetFailure("invalidProperties", words, "organizerCalendarAddress", "participants")
    return _organized_by(event, people, default)


def _organized_by(event: Json, people: JsonMap, identity: Identity) -> Json:
    """Name an identity as organizer; one that is not among the participants joins them as owner only."""
    own = normal_address(identity.calendar_address)
    joined = {**event, "organizerCalendarAddress": identity.calendar_address}
    if any(normal_address(person.get("calendarAddress") or "") == own for person in people.values()):
        return joined
    owner = {"@type": "Participant", "calendarAddress": identity.calendar_address, "roles": {"owner": True}}
    named = {**owner, "name": identity.name} if identity.name else owner
    return {**joined, "participants": {derived_id(own): named, **people}}


def refuse_unreachable(event: JsonMap) -> None:
    """Refuse a request for messages while somebody invited has no address that we could use (draft §5.9.2).

    Raises:
        SetFailure: `noSupportedScheduleMethods`, naming them.
    """
    organizer = normal_address(event.get("organizerCalendarAddress") or "")
    lost = [
        path
        for path, person in _everybody(event)
        if not is_mailable(person.get("calendarAddress") or "") and _is_invited(person, organizer)
    ]
    if lost:
        words = "There is no address that a scheduling message could be sent to"
        raise SetFailure("noSupportedScheduleMethods", words, *lost)


def _everybody(event: JsonMap) -> Iterator[tuple[str, JsonMap]]:
    """Yield the participants of the series and those whom an override adds, each with its pointer."""
    for key, person in (event.get("participants") or {}).items():
        yield f"participants/{key}", person
    for key, patch in (event.get("recurrenceOverrides") or {}).items():
        for pointer, value in patch.items():
            parts = pointer.split("/")
            if parts[0] == "participants" and len(parts) == 2 and isinstance(value, dict):
                yield f"recurrenceOverrides/{key}/{pointer}", value


def _is_invited(person: JsonMap, organizer: str) -> bool:
    if organizer and normal_address(person.get("calendarAddress") or "") == organizer:
        return False
    held = {role for role, given in (person.get("roles") or {}).items() if given}
    return bool(_INVITED & held or person.get("expectReply") or person.get("sendTo"))
