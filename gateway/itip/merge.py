# SPDX-License-Identifier: Apache-2.0
"""What of an organizer's component is taken, and what of the user's own stays (RFC 5546 §3.2.2, RFC 9074 §9).

The organizer says what, when, where and who; alarms, transparency, colour, categories, one's own answer and whatever
programs of one's own wrote beside it are nobody else's business and survive every update.
"""

import re
from enum import Enum

from gateway.itip.identity import lines_of, same_person
from gateway.itip.model import Partstat
from gateway.itip.objects import read_party
from gateway.itip.staleness import RESCHEDULED
from gateway.itip.tree import Component, Prop

#: The user's own where the stored copy has them; the organizer's where it does not.
OWN = frozenset({"CATEGORIES", "CLASS", "COLOR", "COMPLETED", "PERCENT-COMPLETE", "JSPROP"})
#: X- properties that calendars of organizers write; all others in a stored copy are of the user's own programs.
_ORGANIZERS_X = re.compile(r"X-(?:MICROSOFT-|MS-|ALT-DESC$|GOOGLE-|ZOOM-|LOTUS-|YAHOO-|WR-|APPLE-STRUCTURED-LOCATION$)")
#: Parameters of the stored ORGANIZER that our side wrote (RFC 6638 §7).
_OWN_ORGANIZER_PARAMS = ("SCHEDULE-AGENT", "SCHEDULE-STATUS", "SCHEDULE-FORCE-SEND")
#: JSPROP holds what a JMAP client keeps here beside the event; a stranger's would speak in the user's name.
_NEVER_TAKEN = ("REQUEST-STATUS", "JSPROP", RESCHEDULED)


class OwnAnswer(Enum):
    """What becomes of one's own PARTSTAT when the organizer sends a version of the event."""

    KEPT = "kept"  # the version is the one that is here
    LEARNT = "learnt"  # kept, but an answer given elsewhere, which the organizer knows, is learnt
    VOID = "void"  # the time moved


def taken(incoming: Component) -> Component:
    """Return what is taken of a component that came in: all but alarms, status and book-keeping of others."""
    return incoming.with_items(
        item
        for item in incoming.items
        if item.name not in _NEVER_TAKEN and item.name != "VALARM" and not item.name.startswith("X-IMIP-GATEWAY-")
    )


def merged(incoming: Component, mine: Component | None, *, me: frozenset[str], answer: OwnAnswer) -> Component:
    """Return the organizer's component as it is kept here, with what was the user's own in `mine`."""
    component = taken(incoming)
    if mine is None:
        return component
    component = _with_own_properties(component, mine)
    component = _with_own_answer(component, mine, me=me, answer=answer)
    return component.adding(*mine.children("VALARM"))


def partstat_of(line: Prop) -> str:
    """Return the PARTSTAT of an ATTENDEE in capitals; absent means NEEDS-ACTION (RFC 5545 §3.2.12)."""
    return (line.param("PARTSTAT") or Partstat.NEEDS_ACTION).strip().upper()


def _with_own_properties(component: Component, mine: Component) -> Component:
    incoming_names = {prop.name for prop in component.properties}
    own = [prop for prop in mine.properties if _is_own(prop.name, incoming_names)]
    if component.name == "VTODO" and component.value("STATUS") in (None, "NEEDS-ACTION"):
        own += mine.all("STATUS")  # how far one is with a task
    replaced = {prop.name for prop in own} | {"TRANSP"}  # TRANSP is the user's even where it says nothing
    kept = component.without(*(name for name in replaced if name in incoming_names))
    return kept.adding(*own)


def _is_own(name: str, incoming_names: set[str]) -> bool:
    if name in OWN or name == "TRANSP":
        return True
    return name.startswith("X-") and name not in incoming_names and _ORGANIZERS_X.match(name) is None


def _with_own_answer(component: Component, mine: Component, *, me: frozenset[str], answer: OwnAnswer) -> Component:
    known = {read_party(line).address: line for line in lines_of(mine, me)}
    alias = next(iter(known.values()), None)  # invited under another of one's addresses than before
    asked = () if alias is None else lines_of(component, me)
    stored_organizer = mine.first("ORGANIZER")

    def own(line: Prop) -> Prop:
        if line.name == "ATTENDEE":
            if alias is None or not any(line is each for each in asked):
                return line
            return _answered(line, known.get(read_party(line).address, alias), answer)
        if stored_organizer is None:
            return line
        if not same_person(line, stored_organizer):
            return stored_organizer  # an organizer never changes by mail
        return line.with_params({name: stored_organizer.param_values(name) for name in _OWN_ORGANIZER_PARAMS})

    people = ("ATTENDEE", "ORGANIZER")
    component = component.with_items(
        [own(item) if item.name in people and isinstance(item, Prop) else item for item in component.items]
    )
    if stored_organizer is not None and component.first("ORGANIZER") is None:
        return component.adding(stored_organizer)
    return component


def _answered(line: Prop, stored_line: Prop, answer: OwnAnswer) -> Prop:
    partstat = partstat_of(stored_line)
    if answer is OwnAnswer.VOID and partstat != Partstat.DELEGATED:
        return line.with_param("PARTSTAT", Partstat.NEEDS_ACTION).with_param("RSVP", "TRUE")
    if answer is OwnAnswer.LEARNT and partstat == Partstat.NEEDS_ACTION:
        return line
    if answer is OwnAnswer.KEPT:  # what the same version made of the line when it came first
        for name in ("PARTSTAT", "RSVP"):
            line = line.with_param(name, *stored_line.param_values(name))
    elif partstat_of(line) != partstat:
        line = line.with_param("PARTSTAT", partstat)
    return line.with_param("DELEGATED-TO", *stored_line.param_values("DELEGATED-TO"))
