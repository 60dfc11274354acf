# SPDX-License-Identifier: Apache-2.0
"""A person's own program sends an invitation, an update, a cancellation or an answer by mail, and it passes us.

It becomes the stored event that it is, so that answers find it when they come; whom the program wrote to is
remembered, so that we do not write the same again. What we had queued but not sent of the same is dropped.
"""

from collections.abc import Iterator
from datetime import datetime

from gateway.errors import Refused
from gateway.flows.calendar_change import ChangeRequest, change_object
from gateway.flows.context import Context
from gateway.flows.judging import Author
from gateway.flows.own_program import read_said, remember_mailed
from gateway.imip.headers import parse_facts, parse_headers
from gateway.imip.mail import Mail, PartOutcome
from gateway.imip.parse import CalendarPart, FoundCalendars
from gateway.itip.address import normal_address, normal_addresses
from gateway.itip.inbound import apply
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


def observe_own_mail(
    unit: Unit, context: Context, mail: Mail, found: FoundCalendars, author: Author
) -> list[PartOutcome]:
    """Record what a person's own program sends; nothing where the author is not proven to be one of ours."""
    account = unit.accounts.by_address(author.address) if author.address else None
    if account is None or author.trust is not Trust.STRONG:
        return []
    return list(_observe(unit, context, mail, found, account))


def _observe(
    unit: Unit, context: Context, mail: Mail, found: FoundCalendars, account: Account
) -> Iterator[PartOutcome]:
    own = normal_addresses(unit.accounts.addresses(account.id))
    for part in found.usable:
        if part.method not in _OBSERVED:
            continue
        try:
            message = parse_tree(part.text).with_prop(Prop("METHOD", part.method))
        except Refused as error:
            yield _record(unit, context, mail, account, part, "ignored", "outgoing.unreadable", error.public)
            continue
        subject = read_object(message)
        speaks = subject.everyone if party_of(part.method) == "attendee" else {}
        organizer = subject.organizer.address if subject.organizer else ""
        if not own & ({organizer} if not speaks else set(speaks)):
            reason = "The message speaks for somebody else than its author"
            yield _record(unit, context, mail, account, part, "ignored", "outgoing.not-own", reason)
            continue
        yield _keep(unit, context, mail, account, part, message)


def _keep(
    unit: Unit, context: Context, mail: Mail, account: Account, part: CalendarPart, message: Component
) -> PartOutcome:
    subject = read_object(message)
    item = next(iter(unit.objects.by_uid(account.id, subject.uid)), None)
    told = normal_addresses(mail.envelope.recipients)
    own = normal_addresses(unit.accounts.addresses(account.id))
    message_id = parse_facts(parse_headers(mail.data)).message_id
    remember_mailed(unit, context, account.id, read_said(message, own, context.clock.now()), told, message_id)
    if part.method == "REPLY":
        new = _answered(item, message, own, context.clock.now())
    else:
        new = _as_sent(item, message, context.clock.now())
    if new is None or (item is not None and build_tree(new) == item.ical):
        reason = "It says what is stored already"
        return _record(unit, context, mail, account, part, "ignored", "outgoing.known", reason)
    request = ChangeRequest(account=account, ical=new, item=item, send=False, source="submission")
    try:
        change_object(unit, context, request)
    except Refused as error:
        return _record(unit, context, mail, account, part, "ignored", "outgoing.not-kept", error.public)
    return _record(unit, context, mail, account, part, "applied", "outgoing.kept", "It is kept as the event it is")


def _as_sent(item: StoredObject | None, message: Component, now: datetime) -> Component | None:
    """The event as the program's REQUEST or CANCEL has it; what is stored of it beside that stays."""
    subject = read_object(message)
    organizer = subject.organizer
    if item is None and (message.value("METHOD") == "CANCEL" or organizer is None):
        return None
    if item is None or (message.value("METHOD") == "REQUEST" and subject.master is not None):
        return message.without("METHOD")
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
) -> PartOutcome:
    unit.journal.write(
        Entry(
            at=context.clock.now(),
            stage="incoming",
            outcome=outcome,
            rule=rule,
            reason=reason,
            mail_id=mail.id,
            queue_id=mail.origin.queue_id,
            account_id=account.id,
            recipient=account.address,
            uid=part.uid[:1024],
            method=part.method[:32],
        )
    )
    return PartOutcome(account.address, part.method, part.uid, outcome, rule, reason)
