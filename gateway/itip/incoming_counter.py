# SPDX-License-Identifier: Apache-2.0
"""REFRESH, COUNTER, DECLINECOUNTER: asked, proposed, declined (RFC 5546 §3.2.6-3.2.8). None changes the event.

A REFRESH is answered to people on the stored list, never to who merely says to be on it. A COUNTER is kept as a
proposal with its values, for the organizer to accept; accepting is an edit of theirs like any other.
"""

from dataclasses import replace

from gateway.errors import Refused
from gateway.itip.answering import current_state
from gateway.itip.draft import Draft
from gateway.itip.identity import Standing, attendee_line, is_line_of, organizer_standing
from gateway.itip.incoming import (
    Arrival,
    Finding,
    at_instance,
    conclude,
    held,
    ignored,
    more_than_once,
    named,
    noticed,
    raw_recurrence,
    refused,
    without_method,
    written,
)
from gateway.itip.instances import MASTER, InstanceKey, Series
from gateway.itip.messages import is_cancelled
from gateway.itip.model import Method, Outcome, Proposal, Verdict
from gateway.itip.objects import read_party
from gateway.itip.outbound import build_decline_counter
from gateway.itip.spans import read_span
from gateway.itip.staleness import rescheduled_at, sequence_of
from gateway.itip.tree import Component, Prop, build_tree

_MAX_COMMENT = 4_000
_UNKNOWN = {
    Method.REFRESH: "refresh.unknown-uid",
    Method.COUNTER: "counter.unknown-uid",
    Method.DECLINECOUNTER: "declinecounter.unknown-uid",
}
_NOT_MINE = {Method.REFRESH: "refresh.not-organizer", Method.COUNTER: "counter.not-organizer"}
_OTHER = {Method.REFRESH: "refresh.other-organizer", Method.COUNTER: "counter.other-organizer"}


def apply_refresh(arrival: Arrival) -> Outcome:
    """Answer a guest who asks for the present state."""
    draft, fault = _to_organizer(arrival)
    if draft is None or fault is not None:
        return conclude(arrival, [fault or _unknown(arrival)])
    guest = _guest(arrival, draft)
    if guest is None:
        return conclude(arrival, [refused("refresh.stranger", f"{named(arrival.bearer)} is not on the list of guests")])
    messages = current_state(arrival, guest, "The attendee asked for the present state of the event")
    if not messages:
        return conclude(arrival, [ignored("refresh.nothing", f"There is nothing to tell {named(guest)}")])
    sentence = f"{named(guest)} asked for the present state and is sent it"
    return conclude(
        arrival, [Finding(Verdict.APPLIED, "refresh.answered", sentence, messages=messages)], arrival.stored
    )


def apply_counter(arrival: Arrival) -> Outcome:
    """Keep a proposal of a guest, value for value; never apply it by itself."""
    draft, fault = _to_organizer(arrival)
    if draft is None or fault is not None:
        return conclude(arrival, [fault or _unknown(arrival)])
    guest = _guest(arrival, draft)
    if guest is None:
        return conclude(
            arrival, [refused("counter.stranger", f"{named(arrival.bearer)} was not invited and can propose nothing")]
        )
    component = arrival.message.components[0]
    key = draft.key_of(component, arrival.zones)
    if key is None and draft.series.is_ambiguous(component):
        return conclude(arrival, [held("counter.which-instance", more_than_once(component))])
    part = None if key is None else draft.component(key) or draft.implied(key)
    if key is None or part is None:
        reason = f"The event does not take place at {raw_recurrence(component)}"
        return conclude(arrival, [refused("counter.no-such-instance", reason)])
    fault = _not_open(arrival, draft, guest, part, component)
    return _proposed(arrival, draft, guest, key, part, component) if fault is None else conclude(arrival, [fault])


def _not_open(arrival: Arrival, draft: Draft, guest: Prop, part: Component, component: Component) -> Finding | None:
    """Why the organizer is not asked about a proposal, or None."""
    names = component.first("ATTENDEE")
    if names is not None and attendee_line(component, frozenset((arrival.bearer,))) is None:
        return refused("counter.not-own", f"{named(arrival.bearer)} cannot propose for {named(names)}")
    if attendee_line(part, frozenset((read_party(guest).address,))) is None:
        return refused("counter.stranger", f"{named(guest)} was not invited to what the proposal is about")
    if is_cancelled(part):
        return ignored("counter.cancelled", "The event is cancelled")
    if sequence_of(component) < rescheduled_at(part):
        state = current_state(arrival, guest, "The attendee proposes against an older version of the event")
        return ignored("counter.stale", f"{named(guest)} proposes against an older version", *state)
    try:
        if component.first("DTSTART") is not None or component.first("DUE") is not None:
            read_span(component, arrival.zones)
    except Refused as error:
        return refused("counter.bad-time", f"The proposed time cannot be read: {error.public}")
    if (part.value("X-MICROSOFT-DISALLOW-COUNTER") or "").strip().upper() == "TRUE":  # interop A09
        return _declined(arrival, draft, guest)
    return None


def _declined(arrival: Arrival, draft: Draft, guest: Prop) -> Finding:
    """The organizer has said before that no proposals are wanted, so that nobody needs to be asked."""
    calendar, proposer = arrival.message.calendar, read_party(guest).address
    no = build_decline_counter(draft.object.calendar, calendar, proposer=proposer, now=arrival.now)
    sentence = f"The event says that no other time may be proposed; {named(guest)} is told so"
    return Finding(Verdict.REFUSED, "counter.not-welcome", sentence, messages=() if no is None else (no,))


def _proposed(
    arrival: Arrival, draft: Draft, guest: Prop, key: InstanceKey, part: Component, component: Component
) -> Outcome:
    where = at_instance(key, draft.series)
    instance = written(draft.series, key)
    asked = component if component.first("DTSTART") is not None else component.adding(*part.all("DTSTART"))
    theirs = Series(draft.master, (), arrival.zones)
    names = tuple(name for name in _PROPOSABLE if component.first(name) is not None)
    changes = noticed(part, draft.series, asked, theirs, key, names)
    proposal = Proposal(
        address=read_party(guest).spelled,
        recurrence_id=instance,
        changes=changes,
        comment=(component.text("COMMENT") or "").strip()[:_MAX_COMMENT] or None,
        calendar=build_tree(without_method(arrival.message.calendar)),
    )
    moves = any(change.name in _TIMES for change in changes)
    does = "proposes another time for" if moves else "proposes to change" if changes else "comments on"
    sentence = f"{named(guest)} {does} the event{where}; the organizer decides"
    outcome = conclude(arrival, [held("counter.proposed", sentence)])
    return replace(outcome, proposal=proposal)


def apply_declinecounter(arrival: Arrival) -> Outcome:
    """Note that the organizer does not take up a proposal; the event stays as it is."""
    if arrival.stored is None:
        return conclude(arrival, [_unknown(arrival)])
    draft = Draft(arrival.stored)
    kept = draft.object.organizer
    if kept is None or is_line_of(kept.prop, arrival.me):
        return conclude(
            arrival, [refused("declinecounter.not-yours", "You proposed nothing to anybody about this event")]
        )
    standing = organizer_standing(arrival.bearer, kept.prop, arrival.message.organizer)
    if standing in (Standing.STRANGER, Standing.CLAIMED):
        reason = f"Only {named(kept.prop)} may decline a proposal about this event"
        return conclude(arrival, [refused("declinecounter.not-organizer", reason)])
    named_there = [line for part in arrival.message.components for line in part.all("ATTENDEE")]
    if named_there and not any(is_line_of(line, arrival.me) for line in named_there):
        reason = f"{named(kept.prop)} declines a proposal by {named(named_there[0])}, not yours"
        return conclude(arrival, [refused("declinecounter.not-yours", reason)])
    sentence = f"{named(kept.prop)} declines your proposal; the event stays as it is"
    return conclude(arrival, [Finding(Verdict.APPLIED, "declinecounter.noted", sentence)], arrival.stored)


#: What a proposal may speak of.
_TIMES = ("DTSTART", "DTEND", "DURATION", "DUE", "RRULE", "RDATE", "EXDATE")
_PROPOSABLE = (*_TIMES, "SUMMARY", "LOCATION", "DESCRIPTION")


def _to_organizer(arrival: Arrival) -> tuple[Draft | None, Finding | None]:
    """The object, where it is here and this account organizes it."""
    if arrival.stored is None:
        return None, None
    draft = Draft(arrival.stored)
    kept = draft.object.organizer
    if kept is None or not is_line_of(kept.prop, arrival.me):
        who = "nobody" if kept is None else named(kept.prop)
        return draft, ignored(_NOT_MINE[arrival.method], f"A {arrival.method} goes to the organizer, who is {who}")
    claimed = arrival.message.organizer
    if claimed is not None and not is_line_of(claimed, arrival.me | {kept.address}):
        sentence = f"The {arrival.method} is meant for {named(claimed)}, who is not the organizer"
        return draft, refused(_OTHER[arrival.method], sentence)
    return draft, None


def _unknown(arrival: Arrival) -> Finding:
    return ignored(_UNKNOWN[arrival.method], f"The {arrival.method} is about an event that is not in this calendar")


def _guest(arrival: Arrival, draft: Draft) -> Prop | None:
    """The bearer as the stored object knows them, in whatever component."""
    person = frozenset((arrival.bearer,))
    key_first = sorted(draft.parts, key=lambda pair: pair[0] != MASTER)
    lines = (attendee_line(part, person) for _, part in key_first)
    return next((line for line in lines if line is not None), None)
