# SPDX-License-Identifier: Apache-2.0
"""A mail with a calendar (or for one of our own addresses) came in at any door: what it does, and what it says of that.

Evidence is gathered first, outside any transaction; then everything that the mail does to every recipient here is one
transaction, keyed by what the mail is, so that Postfix may bring it again and nothing happens twice. The disposition
that was given the first time is given again.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from gateway.authn.evidence import SenderEvidence, gather_evidence
from gateway.authn.resolver import Resolver
from gateway.errors import Deferred, Refused
from gateway.flows.accounts import may
from gateway.flows.arrival import Arrival, apply_arrival, hold, known_already, record_outcome
from gateway.flows.bounces import bounce_token, take_report
from gateway.flows.context import Context
from gateway.flows.judging import Author, Judged, judge
from gateway.flows.notifying import notify_invitation
from gateway.flows.outgoing_mail import OwnMail, observe_own_mail
from gateway.flows.own_links import post_linked
from gateway.flows.unread import NOT_OPENED, record_nobody_here, record_unopened
from gateway.imip.headers import HeaderBlock, HeaderFacts, parse_facts, parse_headers
from gateway.imip.mail import PASS, Direction, Disposition, Mail, PartOutcome
from gateway.imip.parse import CalendarPart, FoundCalendars, Standing, find_calendar_parts
from gateway.itip.address import normal_address
from gateway.itip.model import Outcome
from gateway.itip.model import Verdict as Outcomes
from gateway.itip.objects import KINDS
from gateway.itip.tree import Component, Prop, TreeLimits, parse_tree
from gateway.maillog import Verb, record
from gateway.metrics import Counter
from gateway.store.accounts import Account
from gateway.store.unit import Unit
from policies.incoming import Action, decide_incoming
from policies.loops import LoopFacts
from policies.verdict import Verdict

PARTS = Counter("imip_incoming_parts_total", "Calendar parts that arrived, by method and outcome.")

#: From the most to the least: what the header says of a mail with several parts or recipients.
_ORDER = ("applied", "held", "refused", "ignored", "none")
_VERBS = {"applied": Verb.APPLIED, "held": Verb.HELD, "refused": Verb.REFUSED}


@dataclass(frozen=True, slots=True)
class Read:
    """A mail as it was read, before anything is decided."""

    mail: Mail
    block: HeaderBlock
    header: HeaderFacts
    found: FoundCalendars
    author: Author
    evidence: SenderEvidence

    @property
    def fingerprint(self) -> str:
        """The name of this mail for these recipients: the same after any number of retries."""
        mail = self.mail
        digest = hashlib.sha256()
        for word in (mail.envelope.mail_from, *sorted(mail.envelope.recipients), self.header.message_id or ""):
            digest.update(word.encode("utf-8", "surrogateescape") + b"\0")
        digest.update(mail.data[self.block.body :])
        digest.update(str((self.author.address, self.author.trust)).encode())
        return digest.hexdigest()


async def examine(context: Context, resolver: Resolver, mail: Mail) -> Disposition:
    """Look at one mail, apply what it may do, and return what to do with it.

    Raises:
        Deferred: store or DNS trouble, or an author who cannot be known yet; the mail must come again.
    """
    read = await read_mail(context, resolver, mail)
    try:
        disposition = await context.store.write(lambda unit: take_mail(unit, context, read))
    except Refused:  # a calendar that no store takes must not cost the mail, nor the others in it
        disposition = await context.store.write(lambda unit: take_mail(unit, context, read, careful=True))
    if disposition is None:
        raise Deferred("dns-trouble", "The author of this message cannot be verified yet")
    context.wake()
    for note in read.found.notes if disposition == PASS else ():
        record(Verb.IGNORED, rule=NOT_OPENED, mail=mail.id, pfx=mail.origin.queue_id, part=note.path,
               reason=note.code)  # fmt: skip
    for outcome in disposition.outcomes:
        verb = _VERBS.get(outcome.outcome, Verb.IGNORED)
        record(verb, rule=outcome.rule, mail=mail.id, pfx=mail.origin.queue_id, rcpt=outcome.recipient,
               method=outcome.method, uid=outcome.uid)  # fmt: skip
        PARTS.add(method=outcome.method if outcome.method in _METHODS else "other", outcome=outcome.outcome)
    return disposition


async def read_mail(context: Context, resolver: Resolver, mail: Mail) -> Read:
    """Read a mail and gather who sent it; nothing is decided and nothing is stored."""
    block = parse_headers(mail.data)
    domains, policy = await context.standing()
    found = find_calendar_parts(mail.data, block)
    evidence = await gather_evidence(
        mail,
        block,
        resolver=resolver,
        trust=context.config.authn,
        now=context.clock.now(),
        local_domains=domains,
        policy=policy.sender_trust,
    )
    author = Author(evidence.address, evidence.level, evidence.trust.rule, evidence.trust.reason)
    return Read(mail, block, parse_facts(block), found, author, evidence)


def take_mail(unit: Unit, context: Context, read: Read, *, careful: bool = False) -> Disposition | None:
    """Do in this transaction what the mail may do. None: put it off, its author is not known yet.

    With `careful` each part is applied whole or not at all, at the cost of a savepoint for each.
    """
    seen = unit.held.seen(read.fingerprint)
    now = context.clock.now()
    if seen is not None and "headers" in seen.disposition:
        return _remembered(read, seen.disposition)
    waited = now - seen.at if seen is not None else timedelta(0)
    reports = {rcpt: token for rcpt in read.mail.envelope.recipients if (token := bounce_token(context, rcpt))}
    outcomes = [
        replace(take_report(unit, context, read.mail, token), recipient=rcpt) for rcpt, token in reports.items()
    ]
    inbound, own = read.mail.origin.direction is Direction.INBOUND, OwnMail()
    if not inbound:
        own = observe_own_mail(unit, context, read.mail, read.found, read.author)
    obey = _obey_carefully if careful else _obey
    calendar = _take_calendars(unit, context, read, waited, obey, spoken=bool(own.outcomes))
    if calendar is None:
        unit.held.remember(read.fingerprint, read.mail.id, {}, now)
        return None
    outcomes += [*own.outcomes, *calendar]
    if not outcomes:
        if read.found.notes:
            record_unopened(unit, context, read.mail, read.header.message_id, read.found.notes)
            unit.held.remember(read.fingerprint, read.mail.id, _stored(PASS), now)
        return PASS
    disposition = _disposition(read, tuple(outcomes), frozenset((*reports, *own.repeated)))
    linked = post_linked(unit, context, read.mail, disposition, own.linked, without=disposition.consumed)
    disposition = replace(disposition, consumed=disposition.consumed | linked)
    unit.held.remember(read.fingerprint, read.mail.id, _stored(disposition), now)
    return disposition


def _take_calendars(
    unit: Unit, context: Context, read: Read, waited: timedelta, obey: "_Obey", *, spoken: bool
) -> list[PartOutcome] | None:
    """Every calendar part for every recipient here, each with exactly one outcome."""
    outcomes: list[PartOutcome] = []
    if read.mail.origin.direction is Direction.OUTBOUND:
        return outcomes
    judged = list(_judge_all(unit, context, read, waited))
    if any(verdict.action == Action.DEFER for *_, verdict in judged):
        return None
    for arrival, judgement, verdict in judged:
        outcomes.append(obey(unit, context, arrival, judgement, verdict))
    if read.found.parts and not judged and not spoken:
        outcomes.append(record_nobody_here(unit, context, read.mail, read.header.message_id, read.found.parts[0]))
    return outcomes


def _judge_all(
    unit: Unit, context: Context, read: Read, waited: timedelta
) -> Iterator[tuple[Arrival, Judged | None, Verdict]]:
    settings = context.policy(unit)
    for recipient in read.mail.envelope.recipients:
        account = unit.accounts.by_address(normal_address(recipient))
        if account is None:
            continue
        for part in read.found.parts:
            try:
                message = _message(part, settings.scheduling.itip_max_size)
            except Refused as error:
                unreadable = Component("VCALENDAR", (Prop("METHOD", part.method or part.method_parameter or "NONE"),))
                arrival = _arrival(unit, context, read, account, recipient, unreadable)
                yield arrival, None, Verdict(Action.IGNORE, "incoming.unreadable", part.reason or error.public)
                continue
            arrival = _arrival(unit, context, read, account, recipient, message)
            if part.standing is Standing.IGNORED:
                yield arrival, None, Verdict(Action.IGNORE, "incoming.part", part.reason)
            elif not message.children(*KINDS):  # Google cancels so what it has forgotten (interop Q32)
                reason = f"The {part.method} holds nothing to schedule"
                yield arrival, None, Verdict(Action.IGNORE, "message.empty", reason)
            elif not settings.scheduling.enable:
                yield arrival, None, Verdict(Action.IGNORE, "scheduling.disabled", "Scheduling is switched off here")
            elif not may(account, "scheduling-receive"):
                reason = "The account does not receive scheduling messages"
                yield arrival, None, Verdict(Action.IGNORE, "scheduling.not-permitted", reason)
            else:
                judged = judge(unit, context, read.mail, read.header, part, message, read.author, account, waited)
                yield arrival, judged, decide_incoming(judged.facts, settings.incoming)


def _message(part: CalendarPart, max_size: int) -> Component:
    """The part as a calendar whose METHOD is the effective one (RFC 6047 §2.4).

    Raises:
        Refused: it is too large, or no calendar.
    """
    if len(part.text) > max_size:
        raise Refused("too-large", f"The calendar part is larger than {max_size} bytes")
    message = parse_tree(part.text, TreeLimits(max_bytes=max_size))
    return message.with_prop(Prop("METHOD", part.method)) if part.method else message.without("METHOD")


def _arrival(unit: Unit, context: Context, read: Read, account: Account, recipient: str, message: Component) -> Arrival:
    return Arrival(
        account=account,
        message=message,
        from_address=read.author.address,
        via="mail",
        recipient=recipient,
        mail_id=read.mail.id,
        message_id=read.header.message_id,
        queue_id=read.mail.origin.queue_id,
        evidence=dict(read.evidence.lines),
        origin=_origin(unit, read, message),
    )


def _origin(unit: Unit, read: Read, message: Component) -> LoopFacts:
    """What says whether this mail may get an automatic answer."""
    header = read.header
    return LoopFacts(
        method=message.value("METHOD") or "",
        null_sender=not read.mail.envelope.mail_from,
        header_from=read.author.address,
        auto_submitted=header.auto_submitted,
        precedence=header.precedence,
        auto_response_suppress=header.auto_response_suppress,
        list_id=header.list_id,
        received_count=header.received_count,
        ours=header.message_id is not None and unit.sent.is_ours(header.message_id),
    )


def _obey(unit: Unit, context: Context, arrival: Arrival, judged: Judged | None, verdict: Verdict) -> PartOutcome:
    """Do what policy said."""
    as_judged = arrival if judged is None else replace(arrival, from_address=judged.identity)
    if verdict.action == Action.APPLY and judged is not None:
        return apply_arrival(unit, context, as_judged)
    if verdict.action == Action.HOLD and judged is not None and judged.facts.stored:
        known = known_already(unit, context, as_judged)
        if known is not None:
            return record_outcome(unit, context, arrival, known)
    outcome = {Action.HOLD: Outcomes.HELD, Action.REFUSE: Outcomes.REFUSED}.get(
        Action(verdict.action), Outcomes.IGNORED
    )
    if verdict.action == Action.HOLD:
        hold(unit, context, as_judged, verdict)
        if judged is not None and not judged.facts.stored:
            notify_invitation(unit, context, arrival.account, arrival.from_address, arrival.message)
    return record_outcome(unit, context, arrival, Outcome(outcome, verdict.rule, verdict.reason))


def _obey_carefully(
    unit: Unit, context: Context, arrival: Arrival, judged: Judged | None, verdict: Verdict
) -> PartOutcome:
    """The same, where what cannot be stored is undone and recorded as that."""
    try:
        with unit.savepoint():
            return _obey(unit, context, arrival, judged, verdict)
    except Refused as refused:
        outcome = Outcome(Outcomes.IGNORED, "incoming.unreadable", refused.public)
        return record_outcome(unit, context, arrival, outcome)


_Obey = Callable[[Unit, Context, Arrival, Judged | None, Verdict], PartOutcome]


def _disposition(read: Read, outcomes: tuple[PartOutcome, ...], consumed: frozenset[str]) -> Disposition:
    told = min(outcomes, key=lambda each: _ORDER.index(each.outcome))
    line = f"X-iMIP-Gateway: outcome={told.outcome}; rule={told.rule}; id={read.mail.id}\r\n"
    return Disposition(line.encode("ascii", "replace"), read.evidence.drop, consumed, outcomes)


def _stored(disposition: Disposition) -> dict[str, Any]:
    return {
        "headers": disposition.headers.decode("ascii"),
        "consumed": sorted(disposition.consumed),
    }


def _remembered(read: Read, stored: Mapping[str, Any]) -> Disposition:
    """What was said the first time; the header above the same body may be another one, with other forgeries in it."""
    headers = str(stored["headers"]).encode("ascii")
    return Disposition(headers, read.evidence.drop if headers else (), frozenset(stored["consumed"]))


_METHODS = frozenset(("PUBLISH", "REQUEST", "REPLY", "ADD", "CANCEL", "REFRESH", "COUNTER", "DECLINECOUNTER", "DSN"))
