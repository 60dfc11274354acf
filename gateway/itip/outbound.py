# SPDX-License-Identifier: Apache-2.0
"""Messages that no change of a stored object owes by itself: COUNTER, DECLINECOUNTER, REFRESH, PUBLISH, one REPLY.

Also the REQUESTs that answer a REFRESH or ask again. None of them raises SEQUENCE (RFC 5546 §2.1.4).
"""

from collections.abc import Sequence
from datetime import datetime

from gateway.errors import Refused
from gateway.itip.address import build_mailto, normal_address, plain_address
from gateway.itip.delta import implied
from gateway.itip.instances import MASTER, InstanceKey
from gateway.itip.messages import (
    SECOND,
    Letterhead,
    Part,
    build_calendar,
    is_cancelled,
    next_dtstamp,
    view_part,
    write_message,
    written_id,
)
from gateway.itip.model import ItipMessage, Method, Partstat
from gateway.itip.objects import SchedulingObject, read_attendees, read_object, read_organizer
from gateway.itip.tree import Component, Prop, escape_text
from gateway.itip.values import build_utc, parse_sequence
from gateway.itip.view import ORGANIZER_PARAMS, answered, cancel_component, clean, reply_component, request_component


def build_requests(
    stored: Component,
    address: str,
    *,
    now: datetime,
    last_dtstamp: datetime | None = None,
    hide_attendees: bool = False,
    one_instance_per_message: bool = True,
    reason: str = "The attendee asked for the present state of the event",
) -> tuple[ItipMessage, ...]:
    """Build the REQUESTs that tell one attendee the present state: the answer to REFRESH, or asking again.

    SEQUENCE stays as it is (RFC 5546 §3.2.2.7). Nothing for who is on no part of the event.
    """
    found, me = read_object(stored), normal_address(address)
    organizer = found.organizer
    if organizer is None:
        return ()
    instances = sorted(found.instances())
    keys = [key for key, part in instances if me in found.attendees(key) and not is_cancelled(part)]
    hidden = [key for key in found.overrides if key not in keys] if MASTER in keys else []
    parts = [view_part(found, key, hidden=hidden, only=me if hide_attendees else None) for key in keys]
    head = Letterhead(found.uid, organizer.spelled, found.zones)
    to = (found.everyone[me].spelled,) if me in found.everyone else (plain_address(address),)
    at = next_dtstamp(now, last=last_dtstamp)
    bundles = [[part] for part in parts] if one_instance_per_message else [parts] if parts else []
    return tuple(
        write_message(Method.REQUEST, head, to, bundle, dtstamp=at + index * SECOND, reason=reason)
        for index, bundle in enumerate(bundles)
    )


def build_cancels(stored: Component, address: str, *, now: datetime) -> tuple[ItipMessage, ...]:
    """Build the CANCELs that tell one attendee once more what is off; SEQUENCE stays as it is."""
    found, me = read_object(stored), normal_address(address)
    organizer = found.organizer
    keys = [key for key, part in found.instances() if me in found.attendees(key) and is_cancelled(part)]
    if organizer is None or not keys:
        return ()
    keys = [MASTER] if MASTER in keys else keys
    head = Letterhead(found.uid, organizer.spelled, found.zones)
    parts = [
        Part(
            cancel_component(part, found.series, key, master=found.master),
            found.sequence_of(key),
            written_id(found, key),
        )
        for key in keys
        if (part := found.component(key)) is not None
    ]
    to = (found.everyone[me].spelled,)
    reason = "The event is cancelled"
    return tuple(
        write_message(Method.CANCEL, head, to, [part], dtstamp=now + index * SECOND, reason=reason)
        for index, part in enumerate(parts)
    )


def build_counter(
    stored: Component, proposed: Component, *, attendee: str, now: datetime, comment: str | None = None
) -> ItipMessage | None:
    """Build the COUNTER with which an attendee proposes `proposed` instead (RFC 5546 §3.2.7).

    `proposed` is the whole alternative event or occurrence; UID, ORGANIZER and SEQUENCE are those of the stored
    object, never raised. None where the stored object has no organizer or does not name the attendee.
    """
    found, me = read_object(stored), normal_address(attendee)
    key = found.series.component_key(proposed)
    if found.organizer is None or key is None or me not in found.attendees(key):
        return None
    shown = request_component(proposed, found.series, key, master=found.component(key) or found.master)
    own = answered(found.attendees(key)[me].prop)
    kept = [item for item in shown.items if item.name not in ("ATTENDEE", "ORGANIZER", "UID", "STATUS", "TRANSP")]
    lines = [_uid(found), clean(found.organizer.prop, ORGANIZER_PARAMS), own]
    component = Component(shown.name, [*lines, *kept, *_comments(comment)])
    head = Letterhead(found.uid, found.attendees(key)[me].spelled, found.zones)
    part = Part(component, found.sequence_of(key), written_id(found, key))
    reason = "The attendee proposes another time or place"
    return write_message(Method.COUNTER, head, (found.organizer.spelled,), [part], dtstamp=now, reason=reason)


def build_decline_counter(
    stored: Component, counter: Component, *, proposer: str, now: datetime, comment: str | None = None
) -> ItipMessage | None:
    """Build the DECLINECOUNTER that answers a COUNTER with no, to its proposer (RFC 5546 §3.2.8).

    A COUNTER may name every guest, so that it does not say by itself who proposes. None where the proposer is on no
    part of the stored event.
    """
    found, proposal = read_object(stored), read_object(counter)
    component = proposal.components[0] if proposal.components else None
    key = None if component is None else found.series.component_key(component)
    if component is None or key is None or found.organizer is None:
        return None
    address = normal_address(proposer)
    person = found.attendees(key).get(address) or found.everyone.get(address)
    if person is None:
        return None
    person = read_attendees(component).get(address, person)  # spelled as the proposer spells it
    lines: list[Prop] = [_uid(found), clean(found.organizer.prop, ORGANIZER_PARAMS)]
    lines += component.all("DTSTART", "DTEND", "DUE", "DURATION", "SUMMARY")
    if key != MASTER:
        lines.append(found.series.line_for("RECURRENCE-ID", key))
    body = Component(component.name, [*lines, clean(person.prop), *_comments(comment)])
    head = Letterhead(found.uid, found.organizer.spelled, proposal.zones)
    part = Part(body, parse_sequence(component.value("SEQUENCE")), written_id(found, key))
    reason = "The organizer keeps the event as it is"
    return write_message(Method.DECLINECOUNTER, head, (person.spelled,), [part], dtstamp=now, reason=reason)


def build_refresh(
    calendar: Component, *, attendee: str, now: datetime, recurrence_id: Prop | None = None, comment: str | None = None
) -> ItipMessage | None:
    """Build the REFRESH with which an attendee asks for the present state (RFC 5546 §3.2.6).

    `calendar` is any calendar that names UID and ORGANIZER: the stored copy, or a message about an unknown event.
    """
    found = read_object(calendar)
    if found.organizer is None or not found.uid:
        return None
    party = found.everyone.get(normal_address(attendee))
    own = clean(party.prop).without_params("RSVP") if party else Prop("ATTENDEE", build_mailto(attendee))
    lines = [_uid(found), clean(found.organizer.prop, ORGANIZER_PARAMS), own]
    if recurrence_id is not None:
        lines.append(recurrence_id)
    component = Component(found.kind, [*lines, *_comments(comment), Prop("DTSTAMP", build_utc(now))])
    return ItipMessage(
        Method.REFRESH,
        found.uid,
        found.sequence,
        party.spelled if party else plain_address(attendee),
        (found.organizer.spelled,),
        (recurrence_id.value if recurrence_id is not None else "",),
        True,
        "The attendee's copy is not up to date",
        build_calendar(Method.REFRESH, (component,), found.zones, now),
    )


def build_publish(stored: Component, *, to: Sequence[str], now: datetime) -> ItipMessage | None:
    """Build a PUBLISH of an event for people who are not asked to answer: no ATTENDEE at all (RFC 5546 §3.2.1)."""
    found = read_object(stored)
    if found.organizer is None or not found.components:
        return None
    parts = []
    for key, _ in found.instances():
        part = view_part(found, key)
        parts.append(Part(part.component.without("ATTENDEE"), part.sequence, part.recurrence_id))
    head = Letterhead(found.uid, found.organizer.spelled, found.zones)
    return write_message(Method.PUBLISH, head, to, parts, dtstamp=now, reason="The event is published")


def build_answer(
    stored: Component,
    *,
    attendee: str,
    partstat: str,
    now: datetime,
    key: InstanceKey = MASTER,
    comment: str | None = None,
) -> ItipMessage | None:
    """Build the REPLY of one attendee about the whole or one occurrence, whatever the stored copy says.

    None where the event has no organizer, no such occurrence, or does not name the attendee.

    Raises:
        Refused: `bad-value` where `partstat` is none.
    """
    found, me = read_object(stored), normal_address(attendee)
    party = found.attendees(key).get(me)
    component = implied(found, key)
    if party is None or found.organizer is None or component is None:
        return None
    if partstat.upper() not in list(Partstat):
        raise Refused("bad-value", f"{partstat[:40]!r} is no answer")
    shown = reply_component(
        component,
        found.series,
        key,
        party.prop.with_param("PARTSTAT", partstat.upper()),
        organizer=(read_organizer(component) or found.organizer).prop,
        comments=_comments(comment),
    )
    head = Letterhead(found.uid, party.spelled, found.zones)
    part = Part(shown, found.sequence_of(key), written_id(found, key))
    return write_message(
        Method.REPLY, head, (found.organizer.spelled,), [part], dtstamp=now, reason=f"The attendee answers {partstat}"
    )


def _uid(found: SchedulingObject) -> Prop:
    """The UID as the calendar writes it."""
    return next((line for each in found.components if (line := each.first("UID")) is not None), Prop("UID", ""))


def _comments(comment: str | None) -> list[Prop]:
    return [Prop("COMMENT", escape_text(comment))] if comment and comment.strip() else []
