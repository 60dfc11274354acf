# SPDX-License-Identifier: Apache-2.0
"""A guest answers on the page of their link: link -> verdict -> the same way as an answer that came by mail.

The answer becomes the REPLY or COUNTER that the guest's own program would have sent (RFC 5546 §3.2.3, §3.2.7), for
exactly this guest, with the SEQUENCE of the version that the page showed, and goes through `apply_arrival`. So it meets
the same rules of order and membership, and every other door sees its result. Who is told: see `answer_notices`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.errors import Refused
from gateway.flows.answer_notices import tell_guest, tell_organizer
from gateway.flows.arrival import Arrival, apply_arrival
from gateway.flows.calendar_change import ChangeRequest, change_object
from gateway.flows.context import Context
from gateway.flows.enqueue import enqueue_messages
from gateway.flows.invitation import Invitation, look
from gateway.flows.notices import enqueue_notice
from gateway.flows.recipients import judge_recipients
from gateway.imip.mail import PartOutcome
from gateway.itip.address import build_mailto, is_mailable, normal_address
from gateway.itip.draft import Draft
from gateway.itip.instances import MASTER, InstanceKey
from gateway.itip.messages import next_dtstamp
from gateway.itip.model import ItipMessage, Partstat
from gateway.itip.outbound import build_answer, build_counter, build_requests
from gateway.itip.spans import read_span
from gateway.itip.tree import Component, Prop, parse_tree
from gateway.itip.values import Moment, moment_prop
from gateway.maillog import Verb, record
from gateway.metrics import Counter
from gateway.store.journal import Entry
from gateway.store.unit import Unit
from policies.rsvp import APPLY, ASK_AGAIN, CLOSED, SAME, AnswerFacts, LinkFacts, decide_answer
from policies.verdict import Verdict

_answers = Counter("imip_rsvp_answers_total", "Answers given on a page, by what became of them.")
_LONGEST = timedelta(days=62)
ANSWERS = (Partstat.ACCEPTED, Partstat.TENTATIVE, Partstat.DECLINED, Partstat.NEEDS_ACTION)


@dataclass(frozen=True, slots=True)
class Caller:
    """What the audit row keeps of who posted: a network and a digest, neither of them a person."""

    network: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """What the form said. `version` is that of the page it stood on; `recurrence_id` picks an occurrence."""

    token: str
    partstat: str
    version: str
    comment: str = ""
    recurrence_id: str = ""
    delegate: str = ""
    caller: Caller = Caller()


@dataclass(frozen=True, slots=True)
class GivenProposal:
    """Another time that a guest proposes: wall times in the zone of the event."""

    token: str
    version: str
    start: datetime
    end: datetime
    comment: str = ""
    recurrence_id: str = ""
    caller: Caller = Caller()


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of it: the verdict, the answer before, and the invitation as it stands now."""

    verdict: Verdict
    before: str
    invitation: Invitation

    @property
    def counts(self) -> bool:
        return self.verdict.action in (APPLY, SAME)


def answer(unit: Unit, context: Context, given: GivenAnswer) -> Answered:
    """Give an answer; repeating one is no error, and one given to a time that has changed since asks again.

    Raises:
        Refused: `not-found`, `link-ended`, or `usage` for an answer there is not.
    """
    invitation = look(unit, context, given.token, recurrence_id=given.recurrence_id)
    partstat = _known_partstat(given, invitation)
    verdict = _decide(context, invitation, given, partstat)
    if verdict.action == APPLY:
        verdict = _apply(unit, context, invitation, given, partstat)
    _answers.add(outcome=verdict.action)
    now = look(unit, context, given.token, recurrence_id=given.recurrence_id)
    if verdict.action == APPLY:
        _follow(unit, context, now, partstat)
        tell_organizer(unit, context, now, partstat=partstat, before=invitation.partstat, comment=given.comment)
        tell_guest(unit, context, now, partstat=partstat, token=given.token)
        record(Verb.ANSWERED, rule=verdict.rule, account=now.account.address, uid=now.item.uid, partstat=partstat)
    return Answered(verdict, invitation.partstat, now)


def _known_partstat(given: GivenAnswer, invitation: Invitation) -> str:
    settings = invitation.policy.rsvp
    partstat = given.partstat.upper()
    if len(given.comment) > settings.comment_max_length or (given.comment and not settings.allow_comment):
        raise Refused("usage", "The comment is too long")
    if partstat == Partstat.DELEGATED and settings.allow_delegation and is_mailable(given.delegate):
        return partstat
    if partstat not in ANSWERS:
        raise Refused("usage", "There is no such answer")
    return partstat


def _decide(context: Context, invitation: Invitation, given: GivenAnswer, partstat: str) -> Verdict:
    if not invitation.is_open:
        return invitation.verdict
    now, status = context.clock.now(), invitation.status
    answered_at = status.answered_at if status is not None and status.via == "link" else None
    facts = AnswerFacts(
        link=LinkFacts(now=now, expires_at=invitation.link.expires_at),
        partstat=partstat,
        before=invitation.partstat,
        sequence_shown=0 if given.version == invitation.version else -1,
        sequence_now=0,
        comment=bool(given.comment),
        since_last_answer=now - answered_at if answered_at else None,
    )
    return decide_answer(facts, invitation.policy.rsvp, invitation.policy.scheduling)


def _apply(unit: Unit, context: Context, invitation: Invitation, given: GivenAnswer, partstat: str) -> Verdict:
    message = build_answer(
        invitation.subject.calendar,
        attendee=invitation.link.attendee,
        partstat=partstat,
        now=_dtstamp(unit, context, invitation),
        key=invitation.key,
        comment=given.comment or None,
    )
    if message is None:
        return Verdict(CLOSED, "rsvp.removed", "The guest is no longer invited")
    tree = parse_tree(message.calendar)
    if partstat == Partstat.DELEGATED:
        tree = _naming(tree, invitation.link.attendee, given.delegate)
    outcome = _arrive(unit, context, invitation, tree, given.caller)
    if outcome.outcome != "applied":
        return Verdict(ASK_AGAIN, outcome.rule, outcome.reason)
    unit.links.mark_used(invitation.link.token_hash, context.clock.now())
    if partstat == Partstat.DELEGATED:
        _invite_delegate(unit, context, invitation, given.delegate)
    return Verdict(APPLY, outcome.rule, outcome.reason)


def _arrive(unit: Unit, context: Context, invitation: Invitation, message: Component, caller: Caller) -> PartOutcome:
    """Let the message arrive as any other; the journal row says by which link and from where (never the token)."""
    evidence: dict[str, Any] = {
        "link": invitation.link.token_hash[:12],
        "before": invitation.partstat,
        "network": caller.network,
        "agent": caller.agent,
    }
    account = invitation.account
    arrival = Arrival(
        account, message, invitation.link.attendee, "link", recipient=account.address, mail_id="", evidence=evidence
    )
    return apply_arrival(unit, context, arrival)


def _dtstamp(unit: Unit, context: Context, invitation: Invitation) -> datetime:
    """Return now, or a second after this guest's last answer: two in one second keep their order (RFC 5546 §2.1.5)."""
    me = invitation.link.attendee
    known = [s.dtstamp for s in unit.objects.statuses(invitation.item.id) if s.address == me and s.dtstamp is not None]
    return next_dtstamp(context.clock.now(), last=max(known, default=None))


def _naming(message: Component, attendee: str, delegate: str) -> Component:
    """Write the delegate beside the delegator (RFC 5546 §3.2.3)."""

    def named(line: Prop) -> Prop:
        own = line.name == "ATTENDEE" and normal_address(line.value) == attendee
        return line.with_param("DELEGATED-TO", build_mailto(delegate)) if own else line

    return message.with_items(
        item.map_props(named) if isinstance(item, Component) and item.name != "VTIMEZONE" else item
        for item in message.items
    )


def _invite_delegate(unit: Unit, context: Context, invitation: Invitation, delegate: str) -> None:
    """Send the delegate the invitation, as far as policy lets us write to them."""
    item = unit.objects.get(invitation.item.id)
    if item is None:
        return
    requests = build_requests(
        parse_tree(item.ical),
        delegate,
        now=context.clock.now(),
        last_dtstamp=unit.sent.last_dtstamp(item.account_id, item.uid),
        hide_attendees=item.hide_attendees,
        reason="The invitation was passed on",
    )
    addressed, _ = judge_recipients(unit, context, invitation.account, item, requests)
    enqueue_messages(unit, context, invitation.account, item, addressed, "reply.delegated")


def propose(unit: Unit, context: Context, given: GivenProposal) -> Answered:
    """Propose another time: kept for the organizer, never applied by itself (RFC 5546 §3.2.7).

    Raises:
        Refused: `not-found`, `link-ended`, or `usage` for a proposal that cannot be read or is not permitted.
    """
    invitation = look(unit, context, given.token, recurrence_id=given.recurrence_id)
    settings = invitation.policy.rsvp
    if not settings.allow_proposals or len(given.comment) > settings.comment_max_length:
        raise Refused("usage", "This proposal is not possible")
    if not invitation.is_open:
        return Answered(invitation.verdict, invitation.partstat, invitation)
    if given.version != invitation.version:
        verdict = Verdict(ASK_AGAIN, "rsvp.rescheduled", "The time changed after the page was made")
        return Answered(verdict, invitation.partstat, invitation)
    message = _counter(unit, context, invitation, given)
    if message is None:
        raise Refused("usage", "This proposal is not possible")
    outcome = _arrive(unit, context, invitation, parse_tree(message.calendar), given.caller)
    kept = outcome.rule == "counter.proposed"
    if kept:
        tell_organizer(unit, context, invitation, partstat="COUNTER", before="", comment=given.comment, said=message)
    return Answered(
        Verdict(APPLY if kept else ASK_AGAIN, outcome.rule, outcome.reason), invitation.partstat, invitation
    )


def _counter(unit: Unit, context: Context, invitation: Invitation, given: GivenProposal) -> ItipMessage | None:
    subject, key = invitation.subject, invitation.key
    present = subject.component(key) or subject.series.implied(key)
    least = timedelta() if read_span(present, subject.zones).start.is_date else timedelta(minutes=1)
    if not least <= given.end - given.start <= _LONGEST:
        raise Refused("usage", "The end is not after the start")
    return build_counter(
        subject.calendar,
        _moved(present, invitation, key, given.start, given.end),
        attendee=invitation.link.attendee,
        now=_dtstamp(unit, context, invitation),
        comment=given.comment or None,
    )


def _moved(present: Component, invitation: Invitation, key: InstanceKey, start: datetime, end: datetime) -> Component:
    """Return the event at another time, written in the zone and type of the present one."""
    zones = invitation.subject.zones
    span = read_span(present, zones)
    kind, tzid = span.start.kind, span.start.tzid
    if span.start.is_date:
        start, end = start.replace(hour=0, minute=0), end.replace(hour=0, minute=0) + timedelta(days=1)
    ends = "DUE" if present.name == "VTODO" else "DTEND"
    moved = present.without("DTSTART", "DTEND", "DUE", "DURATION")
    return moved.adding(moment_prop("DTSTART", Moment(start, kind, tzid)), moment_prop(ends, Moment(end, kind, tzid)))


def report_stranger(unit: Unit, context: Context, token: str, caller: Caller) -> Invitation:
    """Tell the organizer that the mail reached somebody it was not for; nothing of the event changes.

    Raises:
        Refused: `not-found`, `link-ended`.
    """
    invitation = look(unit, context, token)
    account, now = invitation.account, context.clock.now()
    unit.journal.write(
        Entry(
            at=now,
            stage="link",
            outcome="ignored",
            rule="rsvp.not-me",
            reason="Whoever opened the link says that it was not meant for them",
            account_id=account.id,
            recipient=invitation.link.attendee,
            uid=invitation.item.uid,
            facts={"link": invitation.link.token_hash[:12], "network": caller.network, "agent": caller.agent},
        )
    )
    enqueue_notice(
        unit, context, account, "wrong-address", account.address, invitation.item,
        key=f"wrong-address:{invitation.link.attendee}", calendar=invitation.calendar,
        address=invitation.link.attendee,
    )  # fmt: skip
    return invitation


def _follow(unit: Unit, context: Context, invitation: Invitation, partstat: str) -> None:
    """A guest whose calendar is here too finds their answer in it, whichever way they gave it."""
    reader = unit.accounts.by_address(invitation.link.attendee)
    if reader is None or reader.id == invitation.account.id:
        return
    own = next(iter(unit.objects.by_uid(reader.id, invitation.item.uid)), None)
    if own is None or own.is_origin:
        return
    answered = _with_partstat(parse_tree(own.ical), invitation, partstat)
    if answered is not None:
        request = ChangeRequest(account=reader, ical=answered, item=own, send=False, source="link")
        change_object(unit, context, request)


def _with_partstat(calendar: Component, invitation: Invitation, partstat: str) -> Component | None:
    draft, me = Draft(calendar), invitation.link.attendee
    key = invitation.key
    part = draft.component(key) or (draft.implied(key) if key != MASTER else None)
    if part is None:
        return None

    def answered(line: Prop) -> Prop:
        own = line.name == "ATTENDEE" and normal_address(line.value) == me
        return line.with_param("PARTSTAT", partstat).without_params("RSVP") if own else line

    draft.put(key, part.map_props(answered))
    return draft.build()
