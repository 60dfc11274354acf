# SPDX-License-Identifier: Apache-2.0
"""An incoming iTIP message and what it does to the stored object (RFC 5546 §3): one Outcome, whatever came.

`apply` decides nothing about trust in the bearer: `sender_address` *is* who sent the message, and callers know that
from authentication or a token. It compares that address with what is stored, never with what the message says.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from gateway.errors import Refused
from gateway.itip.address import normal_address, normal_addresses
from gateway.itip.foreign_zones import unknown_zones, with_zones_told_apart
from gateway.itip.identity import own_addresses
from gateway.itip.incoming import Arrival, one_line, without_method
from gateway.itip.incoming_cancel import apply_cancel
from gateway.itip.incoming_counter import apply_counter, apply_declinecounter, apply_refresh
from gateway.itip.incoming_other import apply_add, apply_publish
from gateway.itip.incoming_reply import apply_reply
from gateway.itip.incoming_request import apply_request
from gateway.itip.model import ApplySettings, Fault, History, Method, Outcome, Verdict
from gateway.itip.objects import KINDS
from gateway.itip.parse import SchedulingMessage, parse_calendar, read_message, same_uid, under_uid
from gateway.itip.timezones import Zones
from gateway.itip.tree import DEFAULT_LIMITS, Component, TreeLimits, build_tree

METHODS: dict[Method, Callable[[Arrival], Outcome]] = {
    Method.REPLY: apply_reply,
    Method.REQUEST: apply_request,
    Method.CANCEL: apply_cancel,
    Method.ADD: apply_add,
    Method.REFRESH: apply_refresh,
    Method.COUNTER: apply_counter,
    Method.DECLINECOUNTER: apply_declinecounter,
    Method.PUBLISH: apply_publish,
}


def apply_data(
    data: bytes | str,
    stored: Component | None,
    *,
    sender_address: str,
    addresses: Sequence[str],
    now: datetime,
    settings: ApplySettings | None = None,
    history: History | None = None,
    charset: str | None = None,
    method: str | None = None,
    limits: TreeLimits = DEFAULT_LIMITS,
) -> Outcome:
    """Read octets and apply them; `charset` and `method` are what the mail's Content-Type claims. Never raises."""
    reading = parse_calendar(data, charset=charset, method=method, limits=limits)
    if isinstance(reading, Fault):
        return _faulty(reading, stored)
    outcome = apply(
        reading.calendar,
        stored,
        sender_address=sender_address,
        addresses=addresses,
        now=now,
        settings=settings,
        history=history,
    )
    return replace(outcome, repairs=(*reading.repairs, *outcome.repairs)) if reading.repairs else outcome


def apply(
    message: Component,
    stored: Component | None,
    *,
    sender_address: str,
    addresses: Sequence[str],
    now: datetime,
    settings: ApplySettings | None = None,
    history: History | None = None,
) -> Outcome:
    """Say what a message does to a stored object (None = there is none). Never raises on bad input.

    `addresses` are those of the account whose object it is; `history` is what the store remembers beside the object.
    """
    read = read_message(message)
    if isinstance(read, Fault):
        return _faulty(read, stored, message)
    fault = _not_about(read, stored)
    if fault is not None:
        return _faulty(fault, stored, message)
    if stored is not None:
        read = with_zones_told_apart(under_uid(read, _uid_of(stored)), stored)
    arrival = Arrival(
        message=read,
        stored=stored,
        bearer=normal_address(sender_address),
        me=own_addresses(normal_addresses(addresses), *read.components, *_parts_of(stored)),
        addresses=tuple(addresses),
        now=now,
        settings=settings or ApplySettings(),
        history=history or History(),
        zones=Zones(read.calendar),
    )
    try:
        return _with_zones_said(arrival, METHODS[read.method](arrival))
    except Refused as error:  # a value that only the deciding code had to read
        return _faulty(Fault("message.bad-value", error.public), stored, message)
    except (OverflowError, ValueError):  # a day before the year 1 or after 9999
        return _faulty(Fault("message.bad-value", "The times of the message lead out of the calendar"), stored, message)


def _with_zones_said(arrival: Arrival, outcome: Outcome) -> Outcome:
    """Say which time zones nobody knows: what was read into them is a guess (interop Q80)."""
    unknown = tuple(islice(unknown_zones(arrival.message, arrival.zones, arrival.stored), 3))
    if not unknown:
        return outcome
    reason = one_line(". ".join((outcome.reason, *unknown)))
    return replace(outcome, reason=reason, repairs=(*outcome.repairs, "unknown-time-zone"))


def _not_about(message: SchedulingMessage, stored: Component | None) -> Fault | None:
    """Why a message and a stored object do not belong together."""
    if message.kind == "VFREEBUSY":
        return Fault("message.freebusy", "Free and busy times are not answered by mail")  # interop V04
    if stored is None:
        return None
    parts = _parts_of(stored)
    if not parts or not same_uid(_uid_of(stored), message.uid):
        return Fault("message.other-uid", "The message is about another event than the stored one")
    if parts[0].name != message.kind:
        return Fault(
            "message.other-kind", f"The message is about a {message.kind}, the stored object is a {parts[0].name}"
        )
    return None


def _parts_of(calendar: Component | None) -> tuple[Component, ...]:
    return () if calendar is None else calendar.children(*KINDS)


def _uid_of(calendar: Component) -> str:
    return next((uid for part in calendar.children(*KINDS) if (uid := (part.text("UID") or "").strip())), "")


def _faulty(fault: Fault, stored: Component | None, message: Component | None = None) -> Outcome:
    quiet = fault.rule in _IGNORED
    return Outcome(
        Verdict.IGNORED if quiet else Verdict.REFUSED,
        fault.rule,
        one_line(fault.reason),
        method=(message.value("METHOD") or "").strip().upper()[:40] if message is not None else "",
        uid="" if message is None else _uid_of(message),
        stored=None if stored is None else build_tree(without_method(stored)),
    )


#: Faults that mean "this asks nothing of this calendar" rather than "this is wrong".
_IGNORED = frozenset({"message.no-method", "message.empty", "message.freebusy", "message.other-uid"})
