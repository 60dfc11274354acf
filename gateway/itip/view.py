# SPDX-License-Identifier: Apache-2.0
"""What a recipient may see of a component, method by method (RFC 5546 §3.2, RFC 6638 §3.2.6).

Only properties that say something about the meeting go out: alarms, colours, categories, free-busy marks, extensions
and our own parameters are the user's business. A guest learns only of occurrences they are on and, where so asked, of
no other guest.
"""

import re
from collections.abc import Iterable

from gateway.itip.address import build_mailto
from gateway.itip.instances import MASTER, InstanceKey, Series
from gateway.itip.model import Partstat
from gateway.itip.objects import read_party
from gateway.itip.tree import Component, Prop


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: What is sent of an event or task. Anything else, known or not, stays at home.
SENT = _names(
    "ATTACH ATTENDEE CLASS COMMENT COMPLETED CONFERENCE CONTACT CREATED DESCRIPTION DTEND DTSTAMP DTSTART DUE DURATION "
    "EXDATE EXRULE GEO IMAGE LAST-MODIFIED LOCATION ORGANIZER PERCENT-COMPLETE PRIORITY RDATE RECURRENCE-ID RELATED-TO "
    "RESOURCES RRULE SEQUENCE STATUS SUMMARY UID URL X-ALT-DESC X-MICROSOFT-CDO-ALLDAYEVENT "
    "X-MICROSOFT-DISALLOW-COUNTER"
)
#: Of these, the lines that are not sent as they stand: looked at, or written anew.
_VIEWED = _names("ATTENDEE DTSTAMP EXDATE ORGANIZER RECURRENCE-ID SEQUENCE STATUS")
#: What a cancellation says: enough to find the event and to tell a person which it was (RFC 5546 §3.2.5).
CANCELLED = _names(
    "ATTENDEE DTEND DTSTAMP DTSTART DUE DURATION EXDATE LOCATION ORGANIZER RDATE RECURRENCE-ID RRULE SEQUENCE SUMMARY "
    "UID"
)
#: What an answer repeats of the event (RFC 5546 §3.2.3); Google ignores answers that repeat less.
ANSWERED = _names(
    "COMPLETED DTEND DTSTAMP DTSTART DUE DURATION LOCATION ORGANIZER PERCENT-COMPLETE RECURRENCE-ID SEQUENCE SUMMARY "
    "UID"
)
#: What there is to say of the whole (RFC 5545 §3.8.1.11); another word means none of them to anybody.
_STATUSES = _names("TENTATIVE CONFIRMED CANCELLED NEEDS-ACTION IN-PROCESS COMPLETED")
_RECURRENCE = frozenset({"RRULE", "RDATE", "EXDATE", "EXRULE"})
_PARAMS = _names("CN CUTYPE DELEGATED-FROM DELEGATED-TO DIR EMAIL LANGUAGE MEMBER PARTSTAT ROLE RSVP SENT-BY")
ORGANIZER_PARAMS = _names("CN DIR EMAIL LANGUAGE SENT-BY")
_ROOMS = ("ROOM", "RESOURCE")
_PLAIN_PARAM = r'(?:;(?:CN|DIR|EMAIL|LANGUAGE|MEMBER|ROLE|RSVP|SENT-BY)=(?:"[^"]*"|[^";:,]*)|;CUTYPE=INDIVIDUAL)*'
#: The parameters of a guest who is named already as an invitation names them: most of thousands are.
_AS_INVITED = re.compile(_PLAIN_PARAM + ";PARTSTAT=(?:ACCEPTED|DECLINED|TENTATIVE)" + _PLAIN_PARAM)


def request_component(
    component: Component,
    series: Series,
    key: InstanceKey,
    *,
    master: Component | None,
    hidden_from: Iterable[InstanceKey] = (),
    only: str | None = None,
) -> Component:
    """Return a component as an invitation to it shows it.

    `hidden_from` are the occurrences that the recipient is not on: they become EXDATEs. With `only`, that person is the
    only attendee who is shown (JMAP hideAttendees).
    """
    items: list[Prop | Component] = []
    for item in component.items:
        if item.name not in SENT or isinstance(item, Component) or (key != MASTER and item.name in _RECURRENCE):
            continue
        line = _shown_line(item, series, key, only) if item.name in _VIEWED else item
        if line is not None:
            items.append(line)
    if key == MASTER:
        items += _exdates(component, series, hidden_from)
    items += _needed_lines(component, master, {item.name for item in items})
    return Component(component.name, items)


def _shown_line(line: Prop, series: Series, key: InstanceKey, only: str | None) -> Prop | None:
    """A line as it is sent, None for one that is not."""
    if line.name == "ATTENDEE":
        return None if only is not None and read_party(line).address != only else invited(line)
    if line.name == "ORGANIZER":
        return clean(line, ORGANIZER_PARAMS)
    if line.name == "RECURRENCE-ID":
        return _recurrence_id(line, series, key)
    return line if line.name == "STATUS" and line.value.strip().upper() in _STATUSES else None


def _needed_lines(component: Component, master: Component | None, present: set[str]) -> list[Prop]:
    """What receivers count on (RFC 5546 §3.2.2 and interop §2.2) and the calendar leaves out."""
    lines: list[Prop] = []
    for name in ("UID", "ORGANIZER"):
        line = None if master is None or name in present else master.first(name)
        if line is not None:
            lines.append(clean(line, ORGANIZER_PARAMS) if name == "ORGANIZER" else line)
    if "SUMMARY" not in present:
        lines.append(Prop("SUMMARY", ""))
    if component.name == "VEVENT":
        if "STATUS" not in present:
            lines.append(Prop("STATUS", "CONFIRMED"))
        lines.append(Prop("TRANSP", "OPAQUE"))  # the organizer's own is theirs; absent means the same
    elif component.name == "VTODO" and "PRIORITY" not in present:
        lines.append(Prop("PRIORITY", "0"))  # RFC 5546 §3.4.2 asks for one
    return lines


def cancel_component(
    component: Component,
    series: Series,
    key: InstanceKey,
    *,
    master: Component | None,
    only: str | None = None,
    for_everybody: bool = True,
) -> Component:
    """Return a component as its cancellation names it.

    STATUS:CANCELLED says that it is off for everybody, so a person who is merely no longer invited is not told
    so (RFC 5546 §3.2.5).
    """
    items: list[Prop | Component] = []
    present = set()
    for item in component.items:
        if isinstance(item, Prop) and item.name in CANCELLED and not (key != MASTER and item.name in _RECURRENCE):
            if item.name == "ATTENDEE":
                if only is None or read_party(item).address == only:
                    items.append(clean(item, _PARAMS).without_params("RSVP"))
            elif item.name == "ORGANIZER":
                items.append(clean(item, ORGANIZER_PARAMS))
            elif item.name == "RECURRENCE-ID":
                items.append(_recurrence_id(item, series, key))
            elif item.name not in ("SEQUENCE", "DTSTAMP"):
                items.append(item)
            present.add(item.name)
    for name in ("UID", "ORGANIZER", "SUMMARY"):
        line = None if master is None or name in present else master.first(name)
        if line is not None:
            items.append(clean(line, ORGANIZER_PARAMS) if name == "ORGANIZER" else line)
    if for_everybody:
        items.append(Prop("STATUS", "CANCELLED"))
    return Component(component.name, items)


def reply_component(
    component: Component,
    series: Series,
    key: InstanceKey,
    attendee: Prop,
    *,
    organizer: Prop,
    comments: Iterable[Prop] = (),
) -> Component:
    """Return a component as an answer repeats it: one ATTENDEE, the organizer as received (RFC 5546 §3.2.3)."""
    names = ANSWERED | {"STATUS"} if component.name == "VTODO" else ANSWERED
    items: list[Prop | Component] = []
    for item in component.items:
        if isinstance(item, Prop) and item.name in names and item.name not in ("ORGANIZER", "SEQUENCE", "DTSTAMP"):
            items.append(_recurrence_id(item, series, key) if item.name == "RECURRENCE-ID" else item)
    present = {item.name for item in items}
    for name in ("UID", "SUMMARY"):
        line = None if series.master is None or name in present else series.master.first(name)
        if line is not None:
            items.append(line)
    items += [clean(organizer, ORGANIZER_PARAMS), answered(attendee), *comments]
    return Component(component.name, items)


def stamped(component: Component, sequence: int, dtstamp: str) -> Component:
    """Return a component with SEQUENCE, written even when 0, and DTSTAMP, in front of the rest."""
    rest = (item for item in component.items if item.name not in ("SEQUENCE", "DTSTAMP"))
    return Component(component.name, (Prop("DTSTAMP", dtstamp), Prop("SEQUENCE", str(sequence)), *rest))


def invited(line: Prop) -> Prop:
    """Return an ATTENDEE as an invitation names them: PARTSTAT written, RSVP=TRUE for who has not answered.

    Apple and Google show no buttons without RSVP; robots of rooms answer only to RSVP=TRUE. A FALSE that the
    organizer wrote is kept.
    """
    if line.is_written(_AS_INVITED):
        return line
    line = clean(line, _PARAMS)
    partstat = line.param("PARTSTAT")
    if partstat is None:
        line = line.with_param("PARTSTAT", Partstat.NEEDS_ACTION)
    waiting = partstat is None or partstat.upper() == Partstat.NEEDS_ACTION
    is_room = (line.param("CUTYPE") or "").upper() in _ROOMS
    if (waiting and line.param("RSVP") is None) or (is_room and line.param("RSVP") != "TRUE"):
        line = line.with_param("RSVP", "TRUE")
    return line


def answered(line: Prop) -> Prop:
    """Return an ATTENDEE as their own answer names them."""
    line = clean(line, _PARAMS).without_params("RSVP")
    return line if line.param("PARTSTAT") else line.with_param("PARTSTAT", Partstat.NEEDS_ACTION)


def clean(line: Prop, kept: frozenset[str] = _PARAMS) -> Prop:
    """Return a line with only the parameters that may leave the house (RFC 6638 §7: SCHEDULE-* never does).

    Who has an address that mail reaches is named by it, whatever the calendar calls them (RFC 6047 §2.3).
    """
    if line.value[:7].lower() != "mailto:" and (person := read_party(line)).is_mailable:
        line = line.with_value(build_mailto(person.spelled)).without_params("EMAIL")
    if all(name in kept for name, _ in line.params):
        return line
    return Prop(line.name, line.value, tuple((name, values) for name, values in line.params if name in kept))


def _recurrence_id(line: Prop, series: Series, key: InstanceKey) -> Prop:
    """RECURRENCE-ID in the master's type and zone, whatever the client wrote (RFC 5545 §3.8.4.4).

    Of its ranges only THISANDFUTURE is one that may be sent (RFC 5545 §3.2.13).
    """
    written = series.line_for("RECURRENCE-ID", key)
    following = (line.param("RANGE") or "").upper() == "THISANDFUTURE"
    return written.with_param("RANGE", "THISANDFUTURE") if following else written


def _exdates(master: Component, series: Series, hidden: Iterable[InstanceKey]) -> list[Prop]:
    """One EXDATE a line, in the form of DTSTART: Exchange loses others."""
    keys = sorted({*series.excluded, *hidden})
    return [series.line_for("EXDATE", key) for key in keys]
