# SPDX-License-Identifier: Apache-2.0
"""Who may say what: the authenticated address against the lines of the stored object (RFC 5546 §1.4, §6.1).

A message is believed for what its bearer is in the *stored* object, never for what it says of itself. Where nothing is
stored yet, the only claim that counts is that the bearer is the ORGANIZER it names.
"""

from collections.abc import Iterable
from enum import Enum
from itertools import islice

from gateway.itip.address import normal_address
from gateway.itip.objects import find_attendee, read_attendees, read_party
from gateway.itip.tree import Component, Prop


class Standing(Enum):
    """What the bearer of a message is to the person it speaks for."""

    SELF = "self"
    DEPUTY = "deputy"  # a SENT-BY on record, or a service known to mail in the person's name
    CLAIMED = "claimed"  # only the message itself says so: a person must decide (RFC 6047 §3)
    STRANGER = "stranger"


_MAX_NAMED = 50  # delegates or delegators on one line: nobody has more
#: Services that mail for their users from an address of their own: domain of the mail, domain of the ORGANIZER.
_KNOWN_SERVICES = (("insideicloud.icloud.com", "imip.me.com"),)  # interop Q56


def is_line_of(line: Prop, people: frozenset[str]) -> bool:
    """Tell whether an ORGANIZER or ATTENDEE line is one of these persons' (normal addresses)."""
    if normal_address(line.value) in people:
        return True
    return line.value[:7].lower() != "mailto:" and read_party(line).address in people


def same_person(first: Prop, second: Prop) -> bool:
    """Tell whether two lines name one calendar user."""
    return read_party(first).address == read_party(second).address


def attendee_line(component: Component, people: frozenset[str]) -> Prop | None:
    """Return the ATTENDEE line of these persons: the exact one, else the only one that differs in a +tag.

    Mail to `lee+cal@` and to `lee@` reaches one mailbox (interop Q81); two tags of one mailbox stay two persons.
    """
    if len(people) == 1 and (found := find_attendee(component, next(iter(people)))) is not None:
        return found
    guests = read_attendees(component)
    if (own := next((address for address in guests if address in people), None)) is not None:
        return guests[own].prop
    bare = {without_tag(person) for person in people}
    tagged = [party.prop for address, party in guests.items() if _differs_in_tag(address, people, bare)]
    return tagged[0] if len(tagged) == 1 else None


def lines_of(component: Component, people: frozenset[str]) -> tuple[Prop, ...]:
    """Return the ATTENDEE lines of one's own addresses, mostly one among many; of two for one address the first."""
    if len(people) == 1:
        found = find_attendee(component, next(iter(people)))
        return () if found is None else (found,)
    return tuple(party.prop for address, party in read_attendees(component).items() if address in people)


def without_tag(address: str) -> str:
    """Return an address without its +tag.

    >>> without_tag("lee+cal@example.org")
    'lee@example.org'
    """
    local, at, domain = address.rpartition("@")
    return local.partition("+")[0] + at + domain if "+" in local[1:] else address


def own_addresses(mine: frozenset[str], *parts: Component) -> frozenset[str]:
    """Return one's own addresses, also with the +tags that components name: it is one mailbox (interop Q81)."""
    lines = (item for part in parts for item in part.items if item.name in ("ATTENDEE", "ORGANIZER"))
    tagged = (normal_address(line.value) for line in lines if isinstance(line, Prop) and "+" in line.value)
    return mine.union(address for address in tagged if without_tag(address) in mine)


def _differs_in_tag(address: str, people: frozenset[str], bare: set[str]) -> bool:
    return address in bare or without_tag(address) in people


def organizer_standing(bearer: str, stored: Prop | None, claimed: Prop | None) -> Standing:
    """Say what `bearer` (a normal address) is to the organizer of a stored object, or of a new one (`stored` None)."""
    line = stored if stored is not None else claimed
    if line is None:
        return Standing.STRANGER
    if is_line_of(line, frozenset((bearer,))):
        return Standing.SELF
    if stored is not None and bearer == normal_address(stored.param("EMAIL") or ""):
        return Standing.SELF  # iCloud cancels under the address it gave as EMAIL (interop Q57)
    if _is_known_service(bearer, line) or (stored is not None and _is_sent_by(stored, bearer)):
        return Standing.DEPUTY
    if claimed is None or not _is_sent_by(claimed, bearer):
        return Standing.STRANGER
    own_house = stored is None and _domain(bearer) == _domain(normal_address(line.value))
    return Standing.DEPUTY if own_house else Standing.CLAIMED


def attendee_standing(bearer: str, stored: Prop, claimed: Prop) -> Standing:
    """Say what `bearer` is to an attendee on record, whose line in the message is `claimed`."""
    person = frozenset((bearer,))
    if is_line_of(stored, person) or _differs_in_tag(normal_address(stored.value), person, {without_tag(bearer)}):
        return Standing.SELF
    if _is_sent_by(stored, bearer):
        return Standing.DEPUTY
    return Standing.CLAIMED if _is_sent_by(claimed, bearer) else Standing.STRANGER


def delegates_of(line: Prop) -> tuple[str, ...]:
    """Return the calendar addresses of DELEGATED-TO as written; several may share one quoted value."""
    return _addresses(line.param_values("DELEGATED-TO"))


def delegators_of(line: Prop) -> frozenset[str]:
    """Return the normal addresses of DELEGATED-FROM."""
    return frozenset(map(normal_address, _addresses(line.param_values("DELEGATED-FROM"))))


def _addresses(values: Iterable[str]) -> tuple[str, ...]:
    pieces = (piece.strip().strip('"') for value in values for piece in value.split(",", _MAX_NAMED))
    return tuple(islice(filter(None, pieces), _MAX_NAMED))


def _is_sent_by(line: Prop, bearer: str) -> bool:
    sent_by = line.param("SENT-BY")
    return bool(sent_by) and normal_address(sent_by or "") == bearer


def _is_known_service(bearer: str, line: Prop) -> bool:
    return (_domain(bearer), _domain(normal_address(line.value))) in _KNOWN_SERVICES


def _domain(address: str) -> str:
    return address.rpartition("@")[2]
