# SPDX-License-Identifier: Apache-2.0
"""ADD and PUBLISH: further occurrences, and events without guests (RFC 5546 §3.2.1, §3.2.4)."""

from dataclasses import replace

from gateway.itip.answering import ask_for_state, conclude_and_ask
from gateway.itip.draft import Draft
from gateway.itip.identity import Standing, is_line_of, organizer_standing
from gateway.itip.incoming import Arrival, Finding, at_instance, conclude, held, ignored, named, noticed, refused
from gateway.itip.incoming_request import new_object, update_object
from gateway.itip.instances import MASTER
from gateway.itip.merge import OwnAnswer, merged
from gateway.itip.model import FieldChange, Outcome, Verdict
from gateway.itip.objects import read_object
from gateway.itip.requester import not_from_organizer, unsound
from gateway.itip.staleness import message_stamp, sequence_of
from gateway.itip.tree import Component, Prop
from gateway.itip.values import build_utc, parse_moment, utc_moment


def apply_add(arrival: Arrival) -> Outcome:
    """Add occurrences to a series that is here; ask for the series where it is not."""
    fault = _unsound(arrival)
    if fault is not None:
        return conclude(arrival, [fault])
    organizer = arrival.message.organizer
    if arrival.stored is None:
        if organizer is None or organizer_standing(arrival.bearer, None, organizer) is not Standing.SELF:
            return conclude(arrival, [refused("add.not-organizer", f"{named(arrival.bearer)} is not the organizer")])
        asked = ask_for_state(arrival)
        return conclude(
            arrival, [ignored("add.unknown-uid", "The series to add to is not here; it is asked for", *asked)]
        )
    draft = Draft(arrival.stored)
    fault = not_from_organizer(arrival, draft.object)
    if fault is not None:
        return conclude(arrival, [fault])
    draft.take_zones(arrival.message.calendar)
    findings = [_add(arrival, draft, component) for component in arrival.message.components]
    return conclude_and_ask(arrival, findings, draft.build())


def _add(arrival: Arrival, draft: Draft, component: Component) -> Finding:
    master = draft.master
    start = component.first("DTSTART")
    if master is None or start is None or draft.series.start is None:
        return refused("add.no-series", "There is no series to add to", missed=True)
    if component.first("RECURRENCE-ID") is not None or component.first("RRULE") is not None:
        return refused("add.not-plain", "An ADD holds single new occurrences, nothing else")  # RFC 5546 §3.2.4
    known, sequence = sequence_of(draft.object.master or master), sequence_of(component)
    if sequence <= known:
        return ignored("add.stale", "This addition is older than what is here, or known already")
    moment = parse_moment(start)
    if draft.series.start.is_date is not moment.is_date:
        return refused("add.other-kind", "The new occurrence does not fit: one of the two is all-day")
    key = draft.series.key_of(moment if moment.is_date else utc_moment(arrival.zones.utc(moment)))
    if key is None or key == MASTER:
        return refused("add.bad-time", "The time of the new occurrence cannot be read")
    if not draft.series.exists(key):
        master = master.adding(draft.series.line_for("RDATE", key))
    stamp = message_stamp(component, received_at=arrival.now, leeway=arrival.settings.max_future_dtstamp)
    master = master.with_prop(Prop("SEQUENCE", str(sequence))).with_prop(Prop("DTSTAMP", build_utc(stamp.dtstamp)))
    draft.put(MASTER, master)
    draft.readmit(key)
    _describe(arrival, draft, key, component)
    where = at_instance(key, draft.series)
    change = FieldChange("RDATE", None, draft.series.line_for("RDATE", key).value)
    organizer = draft.object.organizer
    sentence = f"{named(None if organizer is None else organizer.prop)} added an occurrence{where}"
    return Finding(Verdict.APPLIED, "add.applied", sentence, changes=(change,), missed=sequence > known + 1)


def _describe(arrival: Arrival, draft: Draft, key: str, component: Component) -> None:
    """Where the new occurrence differs from the series in more than its start, it gets an override."""
    implied = draft.implied(key)
    if implied is None or not noticed(implied, draft.series, component, draft.series, key):
        return
    own = component.without("SEQUENCE", "DTSTAMP").adding(
        draft.series.line_for("RECURRENCE-ID", key), *implied.all("SEQUENCE", "DTSTAMP")
    )
    draft.put(key, merged(own, implied, me=arrival.me, answer=OwnAnswer.KEPT))


#: A publication is worked in like a request, and says so in its own words.
_PUBLISHED = {
    "request.updated": "publish.updated",
    "request.stale": "publish.stale",
    "request.duplicate": "publish.duplicate",
}


def apply_publish(arrival: Arrival) -> Outcome:
    """Keep a published event; nobody is invited by it, and it never takes the place of an invitation's guest list."""
    organizer = arrival.message.organizer
    if organizer is None:  # interop Q87: not iMIP, a person may import it
        return conclude(
            arrival, [held("publish.no-organizer", "The event names no organizer; it can be imported by hand")]
        )
    fault = _unsound(arrival)
    if fault is not None:
        return conclude(arrival, [fault])
    arrival = _with_stored_guests(arrival)
    if arrival.stored is not None:
        draft = Draft(arrival.stored)
        fault = not_from_organizer(arrival, draft.object)
        if fault is not None:
            return conclude(arrival, [fault])
        outcome = update_object(arrival, draft)
        return replace(outcome, rule=_PUBLISHED.get(outcome.rule, outcome.rule))
    if is_line_of(organizer, arrival.me):
        return conclude(arrival, [ignored("publish.own", "This is a publication in your own name")])
    if organizer_standing(arrival.bearer, None, organizer) not in (Standing.SELF, Standing.DEPUTY):
        reason = f"{named(arrival.bearer)} publishes an event of {named(organizer)}; it can be imported by hand"
        return conclude(arrival, [held("publish.not-organizer", reason)])
    if not arrival.settings.create_unknown:
        return conclude(arrival, [held("publish.not-added", "Published events are not added by themselves")])
    return replace(new_object(arrival), rule="publish.new", reason=f"{named(organizer)} publishes the event")


def _with_stored_guests(arrival: Arrival) -> Arrival:
    """A publication has no guests (RFC 5546 §3.2.1): those that are stored stay, those it names are nobody."""
    known = read_object(arrival.stored) if arrival.stored is not None else None
    guests = [each.prop for each in known.everyone.values()] if known is not None else []
    parts = tuple(part.without("ATTENDEE").adding(*guests) for part in arrival.message.components)
    rest = arrival.message.calendar.without(arrival.message.kind)
    return replace(arrival, message=replace(arrival.message, components=parts, calendar=rest.adding(*parts)))


def _unsound(arrival: Arrival) -> Finding | None:
    """A journal entry invites nobody, and may be published and added to (RFC 5546 §3.5)."""
    return None if arrival.message.kind == "VJOURNAL" else unsound(arrival)
