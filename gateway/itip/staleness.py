# SPDX-License-Identifier: Apache-2.0
"""Which of two messages is the newer: SEQUENCE, then DTSTAMP, per attendee and instance (RFC 5546 §2.1.5).

The stamp of the last answer is kept on the stored ATTENDEE in parameters of ours, so that a file alone remembers it;
they never leave the house. Stamps from the future are read as the time of receipt, lest one mail freeze an object.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.errors import Refused
from gateway.itip.tree import Component, Prop
from gateway.itip.values import build_utc, parse_sequence, parse_utc

SEQUENCE_PARAM = "X-IMIP-GATEWAY-SEQUENCE"
DTSTAMP_PARAM = "X-IMIP-GATEWAY-DTSTAMP"
#: On a component: the SEQUENCE of its last reschedule. An answer older than this is to another time (interop T08).
RESCHEDULED = "X-IMIP-GATEWAY-RESCHEDULED"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Stamp:
    """Where a message stands in the order of messages."""

    sequence: int
    dtstamp: datetime


def sequence_of(component: Component) -> int:
    """Return the SEQUENCE that counts: Exchange keeps the true one in a property of its own (interop Q45)."""
    sequence = parse_sequence(component.value("SEQUENCE"))
    exchange = component.value("X-MICROSOFT-CDO-APPT-SEQUENCE")
    return sequence if exchange is None else max(sequence, parse_sequence(exchange))


def dtstamp_of(component: Component, name: str = "DTSTAMP") -> datetime | None:
    """Return a time stamp of a component, or None where there is none that can be read."""
    return _moment(component.value(name))


def newest(versions: Sequence[Component]) -> Component | None:
    """Return the newest of several versions of one component, of equals the first; None where there is none."""
    if len(versions) == 1:
        return versions[0]
    return max(versions, key=lambda each: (sequence_of(each), dtstamp_of(each) or _EPOCH), default=None)


def message_stamp(component: Component, *, received_at: datetime, leeway: timedelta) -> Stamp:
    """Return the stamp of a component that came in; without DTSTAMP it is as old as its receipt."""
    dtstamp = dtstamp_of(component)
    return Stamp(sequence_of(component), clamped(dtstamp, received_at, leeway) if dtstamp else _second(received_at))


def answer_stamp(component: Component, *, received_at: datetime, leeway: timedelta) -> Stamp:
    """Return the stamp of a REPLY's component; Exchange tells when the person answered (interop Q47)."""
    stamp = message_stamp(component, received_at=received_at, leeway=leeway)
    answered_at = dtstamp_of(component, "X-MICROSOFT-CDO-ATTENDEE-CRITICAL-CHANGE")
    if answered_at is None or answered_at <= stamp.dtstamp:
        return stamp
    return Stamp(stamp.sequence, clamped(answered_at, received_at, leeway))


def stored_stamp(component: Component, *, now: datetime, leeway: timedelta) -> Stamp:
    """Return the stamp of a stored component; one from the future cannot be true and counts as the oldest."""
    dtstamp = dtstamp_of(component)
    if dtstamp is None or dtstamp > now + leeway:
        dtstamp = _EPOCH
    return Stamp(sequence_of(component), dtstamp)


def clamped(dtstamp: datetime, received_at: datetime, leeway: timedelta) -> datetime:
    """Return a time stamp, or the time of receipt plus `leeway` where it is later than that."""
    return min(dtstamp, _second(received_at + leeway))


def answered_stamp(line: Prop) -> Stamp | None:
    """Return the stamp of the last answer kept on a stored ATTENDEE."""
    dtstamp = _moment(line.param(DTSTAMP_PARAM))
    return None if dtstamp is None else Stamp(parse_sequence(line.param(SEQUENCE_PARAM)), dtstamp)


def stamp_params(stamp: Stamp | None) -> dict[str, tuple[str, ...]]:
    """Return what a stored ATTENDEE remembers of the answer just processed; None = nothing."""
    if stamp is None:
        return {SEQUENCE_PARAM: (), DTSTAMP_PARAM: ()}
    return {SEQUENCE_PARAM: (str(stamp.sequence),), DTSTAMP_PARAM: (build_utc(stamp.dtstamp),)}


def without_answered_stamp(line: Prop) -> Prop:
    """Return an ATTENDEE without what we remember of its answers."""
    return line.without_params(SEQUENCE_PARAM, DTSTAMP_PARAM)


def rescheduled_at(component: Component) -> int:
    """Return the SEQUENCE of the last reschedule; where nobody kept it, every SEQUENCE counts as one."""
    kept = component.value(RESCHEDULED)
    return sequence_of(component) if kept is None else min(parse_sequence(kept), sequence_of(component))


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return parse_utc(text)
    except Refused:
        return None


def _second(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0)
