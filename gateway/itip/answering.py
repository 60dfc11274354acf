# SPDX-License-Identifier: Apache-2.0
"""Messages that an incoming one calls for: the present state for a guest who asks, a question to the organizer.

Neither changes anything and neither raises SEQUENCE (RFC 5546 §3.2.6). The state goes to people on the stored list
only, and each sees their own view of it.
"""

from collections.abc import Sequence
from dataclasses import replace

from gateway.itip.incoming import Arrival, Finding, conclude
from gateway.itip.model import ItipMessage, Outcome
from gateway.itip.objects import read_object, read_party
from gateway.itip.outbound import build_cancels, build_refresh, build_requests
from gateway.itip.tree import Component, Prop


def current_state(arrival: Arrival, guest: Prop, reason: str) -> tuple[ItipMessage, ...]:
    """Return what a guest on the stored list may know of the object now, as messages to that guest.

    That is an invitation, or of an event that is off the cancellation once more (RFC 5546 §3.2.6).
    """
    if arrival.stored is None or not read_party(guest).is_mailable:
        return ()
    address = read_party(guest).address
    requests = build_requests(arrival.stored, address, now=arrival.now, reason=reason)
    return requests or build_cancels(arrival.stored, address, now=arrival.now)


def conclude_and_ask(arrival: Arrival, findings: Sequence[Finding], stored: Component | None) -> Outcome:
    """Make one outcome of all findings; where one of them missed something, the organizer is asked for the state."""
    outcome = conclude(arrival, findings, stored)
    if not any(finding.missed for finding in findings):
        return outcome
    return replace(outcome, messages=(*outcome.messages, *ask_for_state(arrival)))


def ask_for_state(arrival: Arrival) -> tuple[ItipMessage, ...]:
    """Return a REFRESH to the organizer: something is missing here, or does not fit (RFC 5546 §3.2.6)."""
    calendar = arrival.message.calendar if arrival.stored is None else arrival.stored
    organizer = read_object(calendar).organizer
    mine = _my_address(arrival, calendar)
    if organizer is None or mine is None or not organizer.is_mailable:
        return ()
    message = build_refresh(calendar, attendee=mine, now=arrival.now)
    return () if message is None else (message,)


def _my_address(arrival: Arrival, calendar: Component) -> str | None:
    """The address under which the calendar knows me, else the first of the account's."""
    known = read_object(calendar).everyone
    return next((each for each in known if each in arrival.me), next(iter(arrival.addresses), None))
