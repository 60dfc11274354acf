# SPDX-License-Identifier: Apache-2.0
"""A guest proposes another time on the page of their link: a COUNTER, kept for the organizer (RFC 5546 §3.2.7)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.errors import Refused
from gateway.flows.answer_notices import tell_organizer
from gateway.flows.context import Context
from gateway.flows.invitation import Invitation
from gateway.flows.link_arrival import NOBODY, Answered, Caller, arrive, look_at_choice, next_stamp
from gateway.itip.instances import InstanceKey
from gateway.itip.model import ItipMessage
from gateway.itip.outbound import build_counter
from gateway.itip.spans import read_span
from gateway.itip.tree import Component, parse_tree
from gateway.itip.values import Moment, moment_prop
from gateway.store.unit import Unit
from policies.rsvp import APPLY, ASK_AGAIN
from policies.verdict import Verdict


@dataclass(frozen=True, slots=True)
class GivenProposal:
    """Another time that a guest proposes: wall times in the zone of the event."""

    token: str
    version: str
    start: datetime
    end: datetime
    comment: str = ""
    recurrence_id: str = ""
    caller: Caller = NOBODY


def propose(unit: Unit, context: Context, given: GivenProposal) -> Answered:
    """Propose another time: kept for the organizer, never applied by itself (RFC 5546 §3.2.7).

    Raises:
        Refused: `not-found`, `link-ended`, or `usage` for a proposal that cannot be read or is not permitted.
    """
    invitation, gone = look_at_choice(unit, context, given.token, given.recurrence_id)
    settings = invitation.policy.rsvp
    if not settings.allow_proposals or len(given.comment) > settings.comment_max_length:
        raise Refused("usage", "This proposal is not possible")
    if gone or not invitation.is_open:
        return Answered(gone or invitation.verdict, invitation.partstat, invitation)
    if given.version != invitation.version:
        verdict = Verdict(ASK_AGAIN, "rsvp.rescheduled", "The time changed after the page was made")
        return Answered(verdict, invitation.partstat, invitation)
    message = _counter(unit, context, invitation, given)
    if message is None:
        raise Refused("usage", "This proposal is not possible")
    outcome = arrive(unit, context, invitation, parse_tree(message.calendar), given.caller)
    kept = outcome.rule == "counter.proposed"
    if kept:
        tell_organizer(unit, context, invitation, partstat="COUNTER", before="", comment=given.comment, said=message)
    return Answered(
        Verdict(APPLY if kept else ASK_AGAIN, outcome.rule, outcome.reason), invitation.partstat, invitation
    )


def _counter(unit: Unit, context: Context, invitation: Invitation, given: GivenProposal) -> ItipMessage | None:
    subject, key = invitation.subject, invitation.key
    present = subject.component(key) or subject.series.implied(key)
    least = timedelta() if read_span(present, subject.zones).start.is_date else timedelta(minutes=1)
    if given.end - given.start < least:
        raise Refused("usage", "The end is not after the start")
    return build_counter(
        subject.calendar,
        _moved(present, invitation, key, given.start, given.end),
        attendee=invitation.link.attendee,
        now=next_stamp(unit, context, invitation),
        comment=given.comment or None,
    )


def _moved(present: Component, invitation: Invitation, key: InstanceKey, start: datetime, end: datetime) -> Component:
    """Return the event at another time, written in the zone and type of the present one."""
    zones = invitation.subject.zones
    span = read_span(present, zones)
    kind, tzid = span.start.kind, span.start.tzid
    if span.start.is_date:
        start, end = start.replace(hour=0, minute=0), end.replace(hour=0, minute=0) + timedelta(days=1)
    ends = "DUE" if present.name == "VTODO" else "DTEND"
    moved = present.without("DTSTART", "DTEND", "DUE", "DURATION")
    return moved.adding(moment_prop("DTSTART", Moment(start, kind, tzid)), moment_prop(ends, Moment(end, kind, tzid)))
