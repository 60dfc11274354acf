# SPDX-License-Identifier: Apache-2.0
"""Who may invite, change and publish: the bearer of a message against what is stored, or against what it says.

Nothing is changed here. An invitation to something new must come from the ORGANIZER it names, or be delegated or passed
on by a guest; what is stored changes only for the organizer that is stored (RFC 5546 §1.4, §3.2.2, §6.1).
"""

from gateway.errors import Refused
from gateway.itip.address import is_mailable, normal_address
from gateway.itip.identity import (
    Standing,
    attendee_line,
    delegates_of,
    is_line_of,
    organizer_standing,
    same_person,
)
from gateway.itip.incoming import Arrival, Finding, held, ignored, named, refused
from gateway.itip.merge import partstat_of
from gateway.itip.model import Partstat
from gateway.itip.objects import SchedulingObject
from gateway.itip.spans import read_span
from gateway.itip.tree import Component, Prop


def unsound(arrival: Arrival) -> Finding | None:
    """What no REQUEST may lack (RFC 5546 §3.2.2)."""
    zones = arrival.zones
    if arrival.message.kind == "VJOURNAL":
        return refused("request.journal", "A journal entry cannot be an invitation")  # RFC 5546 §3.5
    for component in arrival.message.components:
        if component.name == "VEVENT" and component.first("DTSTART") is None:
            return refused("request.no-start", "The invitation does not say when the event starts")
        try:
            if component.name == "VEVENT" or component.first("DTSTART") is not None:
                read_span(component, zones)
        except Refused as error:
            return refused("request.bad-time", f"The time of the invitation cannot be read: {error.public}")
    return None


def not_to_me(arrival: Arrival) -> Finding | None:
    """Why a new invitation is none for this account, or not from its organizer."""
    organizer = arrival.message.organizer
    if organizer is None or not organizer.value.strip():
        return refused("request.no-organizer", "The invitation does not say who invites")
    if is_line_of(organizer, arrival.me):
        if arrival.bearer in arrival.me:
            return ignored("request.own", "This is an invitation of your own")
        return refused("request.you-organize", f"{named(arrival.bearer)} sends an invitation in your name")
    standing = organizer_standing(arrival.bearer, None, organizer)
    if standing is Standing.CLAIMED:
        return held("request.on-behalf", f"{named(arrival.bearer)} says to invite for {named(organizer)}")
    if standing is Standing.STRANGER and not _is_delegated_to_me(arrival, arrival.message.components):
        if any(attendee_line(part, frozenset((arrival.bearer,))) for part in arrival.message.components):
            reason = f"{named(arrival.bearer)} passes on an invitation by {named(organizer)}; you decide"
            return held("request.passed-on", reason)  # RFC 5546 §3.2.2.6
        return refused("request.not-organizer", f"{named(arrival.bearer)} cannot invite for {named(organizer)}")
    if not arrival.settings.create_unknown:
        return held("request.not-added", f"{named(organizer)} invites you; invitations are not added by themselves")
    if not any(attendee_line(component, arrival.me) for component in arrival.message.components):
        return held("request.not-listed", "None of your addresses is on the list of guests")
    return None


def _is_delegated_to_me(arrival: Arrival, components: tuple[Component, ...]) -> bool:
    """An attendee may pass an invitation on to a delegate (RFC 5546 §3.2.2.3)."""
    person = frozenset((arrival.bearer,))
    for component in components:
        line = attendee_line(component, person)
        if (
            line is not None
            and partstat_of(line) == Partstat.DELEGATED
            and arrival.me & frozenset(map(normal_address, delegates_of(line)))
        ):
            return True
    return False


def not_from_organizer(arrival: Arrival, stored: SchedulingObject) -> Finding | None:
    """Why a REQUEST about a stored event may not change it, or None."""
    kept = stored.organizer
    if kept is None:
        return held("request.uid-in-use", "An event of your own has the same UID; nobody may change it by mail")
    claimed = arrival.message.organizer
    if is_line_of(kept.prop, arrival.me):
        return _about_my_own(arrival, kept.prop, [each.prop for each in stored.everyone.values()])
    if claimed is not None and not same_person(kept.prop, claimed):
        renamed = normal_address(kept.prop.param("EMAIL") or "") == normal_address(claimed.value)  # interop Q57
        if normal_address(claimed.value).endswith("@group.calendar.google.com"):  # interop Q36
            return held("request.moved-calendar", f"The event now claims to be organized by {named(claimed)}")
        if not renamed:
            return refused("request.other-organizer", f"The event is {named(kept.prop)}'s, not {named(claimed)}'s")
    standing = organizer_standing(arrival.bearer, kept.prop, claimed)
    if standing is Standing.CLAIMED:
        return held("request.on-behalf", f"{named(arrival.bearer)} says to speak for {named(kept.prop)}")
    if standing is Standing.STRANGER and not _is_recorded_delegation(arrival, stored.components):
        return refused("request.not-organizer", f"Only {named(kept.prop)} may change this event")
    return None


def _is_recorded_delegation(arrival: Arrival, stored: tuple[Component, ...]) -> bool:
    """A delegator's REQUEST about an event the delegate has: the stored object must know the delegator as a guest."""
    person = frozenset((arrival.bearer,))
    known = any(attendee_line(component, person) is not None for component in stored)
    return known and _is_delegated_to_me(arrival, arrival.message.components)


def _about_my_own(arrival: Arrival, organizer: Prop, guests: list[Prop]) -> Finding:
    """A REQUEST for an event that this account organizes: a copy, Exchange's forward notice (interop Q50), or a lie."""
    if arrival.bearer in arrival.me:
        return ignored("request.own", "This is an invitation of your own")
    person = frozenset((arrival.bearer,))
    if not any(is_line_of(guest, person) for guest in guests):
        return refused("request.you-organize", f"{named(arrival.bearer)} may not change an event that you organize")
    known = {normal_address(guest.value) for guest in (*guests, organizer)}
    lines = [line for component in arrival.message.components for line in component.all("ATTENDEE")]
    new = [line for line in lines if normal_address(line.value) not in known and is_mailable(line.value)]
    if not new:
        return refused("request.you-organize", f"{named(arrival.bearer)} may not change an event that you organize")
    to = ", ".join(named(line) for line in new[:3])
    return ignored("request.forwarded", f"{named(arrival.bearer)} forwarded your invitation to {to}")
