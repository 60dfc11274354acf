# SPDX-License-Identifier: Apache-2.0
"""What text filters look at, as one text that is kept beside the event, so that a query need not read any event.

The parts stand in the order of `PARTS`, in lower case, with a character between them that no text may hold.
"""

from collections.abc import Iterable

from gateway.jscalendar.values import JsonMap

#: The text conditions of CalendarEvent/query that each have a part of their own (JMAP Calendars §5.11).
PARTS = ("title", "description", "location", "owner", "attendee", "keywords")
_BREAK = "\x1f"


def searched_text(events: Iterable[JsonMap]) -> str:
    """Return the text for the Events of one object, their occurrences included."""
    found = list(events)
    texts = ("\n".join(_part(name, event) for event in found) for name in PARTS)
    return _BREAK.join(text.replace(_BREAK, " ").casefold() for text in texts)


def text_holds(searched: str, name: str, wanted: str) -> bool:
    """Tell whether a part (or any, for `text`) holds a text that was put in lower case with `casefold`.

    >>> kept = searched_text([{"title": "Stra\u00dfenfest", "description": "Kuchen"}])
    >>> text_holds(kept, "title", "strasse"), text_holds(kept, "title", "kuchen"), text_holds(kept, "text", "kuchen")
    (True, False, True)
    """
    if name == "text":
        return wanted in searched
    parts = searched.split(_BREAK)
    return wanted in parts[PARTS.index(name)]


def without_keywords(searched: str) -> str:
    """Return the text without the keywords, which are their owner's alone."""
    return _BREAK.join((*searched.split(_BREAK)[:-1], ""))


def _part(name: str, event: JsonMap) -> str:
    overridden = list((event.get("recurrenceOverrides") or {}).values())
    match name:
        case "location":
            return "\n".join([_places(event), *map(_patched_places, overridden)])
        case "owner":
            return f"{_people(event, owners=True)}\n{event.get('organizerCalendarAddress') or ''}"
        case "attendee":
            return "\n".join([_people(event, owners=False), *map(_patched_people, overridden)])
        case "keywords":
            return " ".join(event.get("keywords") or {})
    texts = [event.get(name), *(patch.get(name) for patch in overridden)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _places(event: JsonMap) -> str:
    places = [*(event.get("locations") or {}).values(), *(event.get("virtualLocations") or {}).values()]
    return "\n".join(_said(place, ("name", "description", "uri")) for place in places)


def _patched_places(patch: JsonMap) -> str:
    return "\n".join(_patched(patch, ("locations", "virtualLocations"), ("name", "description", "uri")))


def _people(event: JsonMap, *, owners: bool) -> str:
    people = (event.get("participants") or {}).values()
    return "\n".join(_said(p, _PERSON) for p in people if not owners or (p.get("roles") or {}).get("owner"))


def _patched_people(patch: JsonMap) -> str:
    return "\n".join(_patched(patch, ("participants",), _PERSON))


_PERSON = ("name", "calendarAddress", "email")


def _patched(patch: JsonMap, maps: tuple[str, ...], members: tuple[str, ...]) -> Iterable[str]:
    """Yield what the patch of an occurrence says of the entries of some maps, however deep its pointers reach."""
    for pointer, value in patch.items():
        path = pointer.split("/")
        if path[0] not in maps:
            continue
        if len(path) == 1 and isinstance(value, dict):
            yield from (_said(entry, members) for entry in value.values())
        elif len(path) == 2 and isinstance(value, dict):
            yield _said(value, members)
        elif len(path) == 3 and path[2] in members and isinstance(value, str):
            yield value


def _said(entry: object, members: tuple[str, ...]) -> str:
    return " ".join(str(entry.get(name) or "") for name in members) if isinstance(entry, dict) else ""
