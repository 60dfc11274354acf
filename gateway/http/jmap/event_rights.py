# SPDX-License-Identifier: Apache-2.0
"""May this caller make this change to an event: CalendarRights, answers, invitations (JMAP Calendars §4, §5.9)."""

from collections.abc import Iterable

from gateway.http.jmap.errors import SetFailure
from gateway.http.jmap.view import View
from gateway.itip.address import normal_address
from gateway.jscalendar.expansion import is_on_rule
from gateway.jscalendar.overrides import build_instance
from gateway.jscalendar.patch import same_json
from gateway.jscalendar.personal import PERSONAL
from gateway.jscalendar.values import InvalidProperty, Json, JsonMap, parse_local

_ANSWER = frozenset(
    {"participationStatus", "expectReply", "scheduleSequence", "scheduleUpdated", "participationComment"}
)
#: Members that say nothing of their own about a change.
STAMPS = frozenset({"updated", "sequence", "created"})


def changed_members(before: JsonMap, after: JsonMap) -> frozenset[str]:
    """Return the top-level members in which two events differ."""
    names = before.keys() | after.keys()
    return frozenset(name for name in names if not same_json(before.get(name), after.get(name)))


def require_rights(view: View, calendar_ids: tuple[str, ...], before: JsonMap | None, after: JsonMap | None) -> None:
    """Refuse a change of an event in these calendars that the caller has no right to; None = not there.

    Raises:
        SetFailure: `forbidden` or `invalidProperties`.
    """
    if view.is_own:
        return
    changed = changed_members(_shared(before or {}), _shared(after or {})) - STAMPS
    if "privacy" in changed:  # only the calendar's owner decides who sees an event
        if before is None:
            raise SetFailure("invalidProperties", "Somebody else's calendar takes only public events", "privacy")
        raise SetFailure("forbidden", "Only the calendar's owner may change this", "privacy")
    if before is not None and before.get("privacy", "public") != "public" and changed:
        raise SetFailure("forbidden", "The event is private")
    if view.may_all("mayWriteAll", calendar_ids):
        return
    if view.may_all("mayWriteOwn", calendar_ids) and _is_mine(view, before) and _is_mine(view, after):
        return
    if before is None or after is None:
        raise SetFailure("forbidden", "You may not write in this calendar")
    if not changed and view.may_any("mayUpdatePrivate", calendar_ids):
        return
    if view.may_all("mayRSVP", calendar_ids) and _is_answer(view, before, after, changed):
        return
    named = sorted(changed_members(before, after) - STAMPS)
    raise SetFailure("forbidden", "You may not change this event", *named)


def _shared(event: JsonMap) -> Json:
    """Return an event without what each user keeps for themself, in its occurrences too."""
    shared = {name: member for name, member in event.items() if name not in PERSONAL}
    overrides: JsonMap = event.get("recurrenceOverrides") or {}
    rest = {
        key: {p: v for p, v in patch.items() if p.partition("/")[0] not in PERSONAL} for key, patch in overrides.items()
    }
    return {**shared, "recurrenceOverrides": {key: left for key, left in rest.items() if left or not overrides[key]}}


def _is_mine(view: View, event: JsonMap | None) -> bool:
    """Tell whether an event is the caller's own or nobody's."""
    if event is None:
        return True
    organizer = event.get("organizerCalendarAddress")
    if organizer is not None and normal_address(organizer) not in view.addresses:
        return False
    owners = [person for person in _people(event).values() if (person.get("roles") or {}).get("owner")]
    return not owners or any(_is_caller(view, person) for person in owners)


def _is_answer(view: View, before: JsonMap, after: JsonMap, changed: Iterable[str]) -> bool:
    """Tell whether all that changed is an answer of the caller, or an invitation that the event permits."""
    left = set(changed)
    if "participants" in left and _people_allowed(view, before, _people(before), _people(after)):
        left.discard("participants")
    if "recurrenceOverrides" in left and _overrides_allowed(view, before, after):
        left.discard("recurrenceOverrides")
    return not left


def _people_allowed(view: View, event: JsonMap, before: JsonMap, after: JsonMap) -> bool:
    if before.keys() - after.keys():
        return False
    takes_part = any(_is_caller(view, person) for person in before.values())
    for key, person in after.items():
        known = before.get(key)
        if known is None:
            if not _may_add(view, event, person, takes_part=takes_part):
                return False
        elif not same_json(known, person) and not (_is_caller(view, known) and _answers(known, person)):
            return False
    return True


def _may_add(view: View, event: JsonMap, person: JsonMap, *, takes_part: bool) -> bool:
    roles = {role for role, held in (person.get("roles") or {}).items() if held}
    if not roles <= {"required", "optional", "informational"}:
        return False
    if _is_caller(view, person):
        return event.get("mayInviteSelf") is True
    return event.get("mayInviteOthers") is True and takes_part


def _answers(known: JsonMap, person: JsonMap) -> bool:
    return changed_members(known, person) <= _ANSWER


def _overrides_allowed(view: View, before: JsonMap, after: JsonMap) -> bool:
    """The same in instances of the series, which stay those that they were."""
    old, new = before.get("recurrenceOverrides") or {}, after.get("recurrenceOverrides") or {}
    if old.keys() - new.keys():
        return False
    changed = [key for key in new if not same_json(old.get(key), new[key])]
    return all(_instance_allowed(view, before, key, old.get(key), new[key]) for key in changed)


def _instance_allowed(view: View, event: JsonMap, key: str, old: JsonMap | None, new: JsonMap) -> bool:
    at = parse_local(key)
    if old is None and (at is None or not is_on_rule(event, at)):
        return False
    known, wanted = build_instance(event, key, old or {}), build_instance(event, key, new)
    if isinstance(known, InvalidProperty) or isinstance(wanted, InvalidProperty):
        return False
    left = changed_members(known, wanted) - PERSONAL
    return left <= {"participants"} and _people_allowed(view, event, _people(known), _people(wanted))


def _people(event: JsonMap) -> Json:
    return event.get("participants") or {}


def _is_caller(view: View, person: JsonMap) -> bool:
    return normal_address(person.get("calendarAddress") or "") in view.addresses
