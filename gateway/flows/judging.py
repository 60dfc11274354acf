# SPDX-License-Identifier: Apache-2.0
"""What is known when a calendar part arrives for one recipient: who its author is to the event, what the recipient is.

Facts only. The proven author is compared with the *stored* object wherever there is one; what a message says of its
own organizer or attendees counts only for an event that is not stored yet.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from gateway.flows.context import Context
from gateway.flows.stored import known_object
from gateway.imip.headers import HeaderFacts
from gateway.imip.mail import Mail
from gateway.imip.parse import CalendarPart
from gateway.itip.address import normal_address, normal_addresses
from gateway.itip.identity import without_tag
from gateway.itip.objects import Party, SchedulingObject, read_object
from gateway.itip.tree import Component
from gateway.store.accounts import Account
from gateway.store.unit import Unit
from policies.incoming import IncomingFacts, IncomingSettings, Match, party_of, writes_for
from policies.sender_trust import Trust


@dataclass(frozen=True, slots=True)
class Author:
    """Who sent a mail, as far as it is proven. `address` is in normal form, "" where From names nobody."""

    address: str
    trust: Trust
    rule: str
    reason: str
    token_of: str = ""  # the attendee whose secret this mail carries


@dataclass(frozen=True, slots=True)
class Judged:
    """Facts for the policy, and the identity under which the engine is to apply the message."""

    facts: IncomingFacts
    identity: str


def judge(
    unit: Unit,
    context: Context,
    mail: Mail,
    header: HeaderFacts,
    part: CalendarPart,
    message: Component,
    author: Author,
    account: Account,
    waited: timedelta,
) -> Judged:
    """Gather what policy needs to know about one part for one recipient."""
    addresses = normal_addresses(unit.accounts.addresses(account.id))
    said = read_object(message)
    item = known_object(unit, account.id, said.uid)
    stored = read_object(context.trees.read(item.ical)) if item else None
    organizer = (stored or said).organizer or said.organizer
    method = part.method
    from_attendee = party_of(method) == "attendee"
    parties = _parties(said, organizer, from_attendee=from_attendee)
    match, identity = _match(unit, author.address, parties, stored, context.policy(unit).incoming)
    token = _token_holder(unit, account, header, said, author)
    if token and match is not Match.SAME:
        identity = token
    everyone = (said.everyone, stored.everyone if stored else {})
    sender = unit.accounts.by_address(author.address) if author.address else None
    facts = IncomingFacts(
        method=method,
        trust=author.trust,
        match=match,
        from_fault="" if author.address else author.reason,
        stored=stored is not None,
        token=bool(token),
        standing=part.standing.value,
        invited=any(_invites(people, addresses) for people in everyone)
        or (organizer is not None and organizer.address in addresses),
        organizes=organizer is not None and organizer.address in addresses,
        own=sender is not None and sender.id == account.id,
        forward_notice=_tells_of_forwarding(header, stored, author.address),
        list_mail=header.list_id is not None or header.precedence == "list",
        null_sender=not mail.envelope.mail_from,
        ours=header.message_id is not None and unit.sent.is_ours(header.message_id),
        known=_is_known(unit, account, author.address, sender),
        auto_add=context.policy(unit).scheduling.auto_add_invitations,
        waited=waited,
    )
    return Judged(facts, identity or author.address)


def _invites(people: Mapping[str, Party], addresses: frozenset[str]) -> bool:
    """Whether one of these addresses is among the guests, as it is or with a +tag (interop Q81)."""
    if any(address in people for address in addresses):
        return True
    return any("+" in person and without_tag(person) in addresses for person in people)


def _parties(said: SchedulingObject, organizer: Party | None, *, from_attendee: bool) -> tuple[Party, ...]:
    """The persons who may send this: the organizer, or the attendees that the message speaks for."""
    if not from_attendee:
        return (organizer,) if organizer else ()
    return tuple(said.everyone.values())


def _match(
    unit: Unit, author: str, parties: Iterable[Party], stored: SchedulingObject | None, settings: IncomingSettings
) -> tuple[Match, str]:
    """Compare the author with those who may send this; the second value is the party it speaks as.

    Who was asked as `lee+cal@` and answers as `lee@` is one person: one mailbox takes both (interop Q81). A SENT-BY
    counts as far as it is stored, or names somebody of the party's own domain: anyone can write one.
    """
    account = unit.accounts.by_address(author) if author else None
    own = normal_addresses(unit.accounts.addresses(account.id)) if account else frozenset({author})
    organizer = stored.organizer if stored is not None else None
    recorded = stored.everyone if stored is not None else {}
    best, identity = Match.OTHER, ""
    for party in parties:
        if party.address in own or without_tag(party.address) in own:
            return Match.SAME, party.address
        is_organizer = organizer is not None and organizer.address == party.address
        known = organizer if is_organizer else recorded.get(party.address)
        same_domain = bool(author) and party.address.rpartition("@")[2] == author.rpartition("@")[2]
        served = writes_for(author, party.address, settings)
        if served or _is_sent_by(known, own) or (same_domain and _is_sent_by(party, own)):
            best, identity = Match.DELEGATE, party.address
        elif same_domain and best is Match.OTHER:
            best = Match.DOMAIN
    return best, identity


def _is_sent_by(party: Party | None, own: frozenset[str]) -> bool:
    sent_by = normal_address(party.prop.param("SENT-BY") or "") if party is not None else ""
    return bool(sent_by) and sent_by in own


def _tells_of_forwarding(header: HeaderFacts, stored: SchedulingObject | None, author: str) -> bool:
    """Exchange writes such mail by itself when a guest forwards an invitation (interop Q50)."""
    guest_program = stored is not None and author in stored.everyone and header.auto_submitted != "no"
    return guest_program or "forwardnotification" in header.content_class


def _token_holder(unit: Unit, account: Account, header: HeaderFacts, said: SchedulingObject, author: Author) -> str:
    """The attendee who alone was sent what this mail quotes: a reply token, or the Message-ID of our invitation."""
    if author.token_of in said.everyone:
        return author.token_of
    for message_id in (*header.in_reply_to, *header.references):
        sent = unit.sent.by_message_id(account.id, message_id)
        if sent is not None and sent.uid == said.uid and sent.recipient in said.everyone:
            return sent.recipient
    return ""


def _is_known(unit: Unit, account: Account, address: str, sender: Account | None) -> bool:
    if not address:
        return False
    same_domain = address.rpartition("@")[2] == account.address.rpartition("@")[2]
    return sender is not None or same_domain or unit.accounts.knows(account.id, address)
