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
from gateway.imip.headers import parse_facts, parse_headers
from gateway.imip.mail import Mail, PartOutcome
from gateway.imip.parse import CalendarPart, FoundCalendars
from gateway.itip.address import normal_address, normal_addresses
from gateway.itip.inbound import apply
from gateway.itip.model import Verdict
from gateway.itip.objects import read_object
from gateway.itip.tree import Component, Prop, build_tree, parse_tree
from gateway.itip.values import parse_utc
from gateway.store.accounts import Account
from gateway.store.journal import Entry
from gateway.store.objects import StoredObject
from gateway.store.sent import Sent, fingerprint
from gateway.store.serials import lane
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
    told = {normal_address(address) for address in mail.envelope.recipients}
    _remember(unit, context, mail, account, part, message, told)
    if part.method == "REPLY":
        new = _answered(item, message, normal_addresses(unit.accounts.addresses(account.id)))
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


def _answered(item: StoredObject | None, message: Component, own: frozenset[str]) -> Component | None:
    """The attendee's own copy with the answer that their program sent; only the series' answer is taken over."""
    if item is None:
        return None
    said = read_object(message)
    answer = next((party for address, party in said.everyone.items() if address in own), None)
    if answer is None or said.master is None:
        return None

    def answered(line: Prop) -> Prop:
        mine = line.name == "ATTENDEE" and normal_address(line.value) in own
        return line.with_param("PARTSTAT", answer.partstat).without_params("RSVP") if mine else line

    stored = parse_tree(item.ical)
    items = (
        each.map_props(answered) if isinstance(each, Component) and each.name in ("VEVENT", "VTODO") else each
        for each in stored.items
    )  # fmt: skip
    return stored.with_items(items)


def _remember(
    unit: Unit, context: Context, mail: Mail, account: Account, part: CalendarPart, message: Component, told: set[str]
) -> None:
    """Note whom the program wrote to, and drop what we had queued of the same and not sent."""
    now = context.clock.now()
    subject = read_object(message)
    stamp = next((text for each in subject.components if (text := each.value("DTSTAMP"))), "")
    try:
        dtstamp = parse_utc(stamp)
    except Refused:
        dtstamp = now
    message_id = parse_facts(parse_headers(mail.data)).message_id
    for address in told:
        unit.sent.remember(
            Sent(
                account_id=account.id,
                fingerprint=fingerprint(subject.uid, "", part.method, subject.sequence, address, stamp),
                uid=subject.uid,
                recurrence_id="",
                recipient=address,
                method=part.method,
                sequence=subject.sequence,
                dtstamp=dtstamp,
                by="client",
                sent_at=now,
                message_id=message_id,
            )
        )
        for recipient, queued in unit.outbox.unstarted(lane(account.id, subject.uid, address), now):
            if queued.method == part.method and queued.sequence <= subject.sequence:
                words = "the person's own program has sent it"
                unit.outbox.settle(recipient.id, state="dropped", reply=words, finished_at=now)


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
