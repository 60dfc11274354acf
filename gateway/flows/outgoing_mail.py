# SPDX-License-Identifier: Apache-2.0
"""A person's own program sends an invitation, an update, a cancellation or an answer by mail, and it passes us.

It becomes the stored event that it is, so that answers find it when they come; whom the program wrote to is
remembered, so that we do not write the same again. What we had queued but not sent of the same is dropped.
"""

from dataclasses import dataclass, field
from datetime import datetime

from gateway.errors import Refused
from gateway.flows.calendar_change import ChangeRequest, change_object
from gateway.flows.context import Context
from gateway.flows.judging import Author
from gateway.flows.own_links import Linked, plan_links
from gateway.flows.own_program import read_said, remember_mailed, told_by_us
from gateway.imip.footer import is_words_and_calendar
from gateway.imip.headers import parse_facts, parse_headers
from gateway.imip.mail import Mail, PartOutcome
from gateway.imip.parse import CalendarPart, FoundCalendars
from gateway.itip.address import normal_address, normal_addresses
from gateway.itip.diff import diff
from gateway.itip.inbound import apply
from gateway.itip.known_answers import with_known_answers
from gateway.itip.model import Verdict
from gateway.itip.objects import read_object
from gateway.itip.tree import Component, Prop, build_tree, parse_tree
from gateway.store.accounts import Account
from gateway.store.journal import Entry
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit
from policies.incoming import party_of
from policies.sender_trust import Trust

_OBSERVED = ("REQUEST", "CANCEL", "REPLY")
_REPEATED = "We have just sent this guest the same message"
_LINKED = "The guest gets a copy of the mail with answer links"


@dataclass(slots=True)
class OwnMail:
    """What a person's own program said: each calendar's outcome, whom it must not reach twice, who gets links."""

    outcomes: list[PartOutcome] = field(default_factory=list)
    repeated: set[str] = field(default_factory=set)
    linked: list[Linked] = field(default_factory=list)


def observe_own_mail(unit: Unit, context: Context, mail: Mail, found: FoundCalendars, author: Author) -> OwnMail:
    """Record what a person's own program sends; nothing where the author is not proven to be one of ours."""
    account = unit.accounts.by_address(author.address) if author.address else None
    own = OwnMail()
    if account is None or author.trust is not Trust.STRONG:
        return own
    spoken = [part for part in found.usable if part.method in _OBSERVED]
    for part in spoken:
        try:
            message = parse_tree(part.text).with_prop(Prop("METHOD", part.method))
        except Refused as error:
            own.outcomes.append(
                _record(unit, context, mail, account, part, "ignored", "outgoing.unreadable", error.public)
            )
            continue
        if not _speaks_for(unit, account, message):
            reason = "The message speaks for somebody else than its author"
            own.outcomes.append(_record(unit, context, mail, account, part, "ignored", "outgoing.not-own", reason))
            continue
        repeated = set() if found.signed or len(spoken) > 1 else _repeated(unit, context, mail, account, message)
        own.outcomes.append(_keep(unit, context, mail, account, part, message))
        for recipient in sorted(repeated):
            _record(unit, context, mail, account, part, "withheld", "outgoing.repeated", _REPEATED, recipient)
        own.repeated |= repeated
        if part.method == "REQUEST" and len(spoken) == 1 and not found.signed:
            linked = plan_links(unit, context, mail, account, _stored(unit, account, message), message)
            for recipient in linked.recipients if linked is not None else ():
                if recipient not in repeated:
                    _record(unit, context, mail, account, part, "queued", "outgoing.linked", _LINKED, recipient)
            own.linked += [linked] if linked is not None else []
    return own


def _speaks_for(unit: Unit, account: Account, message: Component) -> bool:
    """Whether the author is the organizer, or the attendee who answers."""
    own, subject = normal_addresses(unit.accounts.addresses(account.id)), read_object(message)
    if party_of(message.value("METHOD") or "") == "attendee" and subject.everyone:
        return bool(own & subject.everyone.keys())
    return subject.organizer is not None and subject.organizer.address in own


def _repeated(unit: Unit, context: Context, mail: Mail, account: Account, message: Component) -> set[str]:
    """Who would hear by this mail what we have just told them: program and server did the same."""
    now, window = context.clock.now(), context.policy(unit).scheduling.repeated_within
    own = normal_addresses(unit.accounts.addresses(account.id))
    said, told = read_said(message, own, now), normal_addresses(mail.envelope.recipients)
    same = told_by_us(unit, account.id, said, told, since=now - window) if window else frozenset()
    if not same or _is_news(unit, context, account, message) or not is_words_and_calendar(mail.data):
        return set()
    return {recipient for recipient in mail.envelope.recipients if normal_address(recipient) in same}


def _is_news(unit: Unit, context: Context, account: Account, message: Component) -> bool:
    """Whether a message says something else than what is stored, so that somebody would have to be told."""
    item, now = _stored(unit, account, message), context.clock.now()
    if item is None:
        return False  # it is gone from here, and that is what both told
    new = _as_said(unit, item, message, account, now)
    addresses = unit.accounts.addresses(account.id)
    return new is not None and bool(diff(parse_tree(item.ical), new, addresses=addresses, now=now).messages)


def _keep(
    unit: Unit, context: Context, mail: Mail, account: Account, part: CalendarPart, message: Component
) -> PartOutcome:
    item, now = _stored(unit, account, message), context.clock.now()
    told = normal_addresses(mail.envelope.recipients)
    own = normal_addresses(unit.accounts.addresses(account.id))
    remember_mailed(unit, context, account.id, read_said(message, own, now), told, _message_id(mail))
    new = _as_said(unit, item, message, account, now)
    if new is None or (item is not None and build_tree(new) == item.ical):
        reason = "It says what is stored already"
        return _record(unit, context, mail, account, part, "ignored", "outgoing.known", reason)
    request = ChangeRequest(account=account, ical=new, item=item, send=False, source="submission")
    try:
        change_object(unit, context, request)
    except Refused as error:
        return _record(unit, context, mail, account, part, "ignored", "outgoing.not-kept", error.public)
    return _record(unit, context, mail, account, part, "applied", "outgoing.kept", "It is kept as the event it is")


def _message_id(mail: Mail) -> str | None:
    return parse_facts(parse_headers(mail.trace + mail.data)).message_id


def _stored(unit: Unit, account: Account, message: Component) -> StoredObject | None:
    return next(iter(unit.objects.by_uid(account.id, read_object(message).uid)), None)


def _as_said(
    unit: Unit, item: StoredObject | None, message: Component, account: Account, now: datetime
) -> Component | None:
    """The stored object as it is once the message is taken at its word, None where it says nothing to it."""
    if message.value("METHOD") == "REPLY":
        return _answered(item, message, normal_addresses(unit.accounts.addresses(account.id)), now)
    return _as_sent(item, message, now)


def _as_sent(item: StoredObject | None, message: Component, now: datetime) -> Component | None:
    """The event as the program's REQUEST or CANCEL has it; what is stored of it beside that stays."""
    subject = read_object(message)
    organizer = subject.organizer
    if item is None and (message.value("METHOD") == "CANCEL" or organizer is None):
        return None
    if item is None:
        return message.without("METHOD")
    if message.value("METHOD") == "REQUEST" and subject.master is not None:
        return with_known_answers(message.without("METHOD"), parse_tree(item.ical))
    assert organizer is not None
    outcome = apply(message, parse_tree(item.ical), sender_address=organizer.address, addresses=(), now=now)
    return parse_tree(outcome.stored) if outcome.outcome is Verdict.APPLIED and outcome.stored else None


def _answered(item: StoredObject | None, message: Component, own: frozenset[str], now: datetime) -> Component | None:
    """The attendee's own copy with the answer that their program sent, for the series or for an occurrence."""
    if item is None or item.organizer is None:
        return None
    who = next((address for address in read_object(message).everyone if address in own), "")
    outcome = apply(message, parse_tree(item.ical), sender_address=who, addresses=(item.organizer,), now=now)
    if outcome.outcome is not Verdict.APPLIED or not outcome.stored:
        return None

    def answered(line: Prop) -> Prop:
        return line.without_params("RSVP") if line.name == "ATTENDEE" and normal_address(line.value) in own else line

    stored = parse_tree(outcome.stored)
    return stored.with_items(each.map_props(answered) if isinstance(each, Component) else each for each in stored.items)


def _record(
    unit: Unit,
    context: Context,
    mail: Mail,
    account: Account,
    part: CalendarPart,
    outcome: str,
    rule: str,
    reason: str,
    recipient: str = "",
) -> PartOutcome:
    unit.journal.write(
        Entry(
            at=context.clock.now(),
            stage="incoming",
            outcome=outcome,
            rule=rule,
            reason=reason,
            mail_id=mail.id,
            message_id=_message_id(mail),
            queue_id=mail.origin.queue_id,
            account_id=account.id,
            recipient=recipient or account.address,
            uid=part.uid[:1024],
            method=part.method[:32],
        )
    )
    return PartOutcome(account.address, part.method, part.uid, outcome, rule, reason)
