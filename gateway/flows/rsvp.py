# SPDX-License-Identifier: Apache-2.0
"""A guest answers on the page of their link: link -> verdict -> the same way as an answer that came by mail.

The answer becomes the REPLY that the guest's own program would have sent (RFC 5546 §3.2.3), for exactly this guest,
with the SEQUENCE of the version that the page showed, and goes through `apply_arrival`. So it meets
the same rules of order and membership, and every other door sees its result. Who is told: see `answer_notices`.
"""

from dataclasses import dataclass

from gateway.errors import Refused
from gateway.flows.answer_notices import tell_guest, tell_organizer
from gateway.flows.context import Context
from gateway.flows.enqueue import enqueue_messages
from gateway.flows.invitation import Invitation, look, look_again
from gateway.flows.link_arrival import NOBODY, Answered, Caller, arrive, look_at_choice, next_stamp
from gateway.flows.notices import enqueue_notice
from gateway.flows.own_copy import follow_answer
from gateway.flows.recipients import judge_recipients
from gateway.itip.address import build_mailto, is_mailable, normal_address
from gateway.itip.model import Partstat
from gateway.itip.outbound import build_answer, build_requests
from gateway.itip.tree import Component, Prop, parse_tree
from gateway.maillog import Verb, record
from gateway.metrics import Counter
from gateway.store.journal import Entry
from gateway.store.unit import Unit
from policies.rsvp import APPLY, ASK_AGAIN, CLOSED, AnswerFacts, LinkFacts, decide_answer
from policies.verdict import Verdict

_answers = Counter("imip_rsvp_answers_total", "Answers given on a page, by what became of them.")
ANSWERS = (Partstat.ACCEPTED, Partstat.TENTATIVE, Partstat.DECLINED, Partstat.NEEDS_ACTION)


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """What the form said. `version` is that of the page it stood on; `recurrence_id` picks an occurrence."""

    token: str
    partstat: str
    version: str
    comment: str = ""
    recurrence_id: str = ""
    delegate: str = ""
    caller: Caller = NOBODY


def answer(unit: Unit, context: Context, given: GivenAnswer) -> Answered:
    """Give an answer; repeating one is no error, and one given to a time that has changed since asks again.

    Raises:
        Refused: `not-found`, `link-ended`, or `usage` for an answer there is not.
    """
    invitation, gone = look_at_choice(unit, context, given.token, given.recurrence_id)
    partstat = _known_partstat(given, invitation)
    verdict = gone or _decide(context, invitation, given, partstat)
    if verdict.action == APPLY:
        verdict = _apply(unit, context, invitation, given, partstat)
    _answers.add(outcome=verdict.action)
    now = look_again(unit, context, invitation) if verdict.action == APPLY else invitation
    if verdict.action == APPLY:
        follow_answer(unit, context, now, partstat)
        before = invitation.partstat if invitation.answer_stands else ""
        tell_organizer(unit, context, now, partstat=partstat, before=before, comment=given.comment)
        tell_guest(unit, context, now, partstat=partstat, token=given.token)
        record(Verb.ANSWERED, rule=verdict.rule, account=now.account.address, uid=now.item.uid, partstat=partstat)
    return Answered(verdict, invitation.partstat, now)


def _known_partstat(given: GivenAnswer, invitation: Invitation) -> str:
    settings = invitation.policy.rsvp
    partstat = given.partstat.upper()
    if len(given.comment) > settings.comment_max_length or (given.comment and not settings.allow_comment):
        raise Refused("usage", "The comment is too long")
    if partstat == Partstat.DELEGATED and settings.allow_delegation and may_take_over(invitation, given.delegate):
        return partstat
    if partstat not in ANSWERS:
        raise Refused("usage", "There is no such answer")
    return partstat


def may_take_over(invitation: Invitation, address: str) -> bool:
    """Tell whether the invitation can be passed on to somebody: a mail address, and of nobody who is in it already."""
    subject, wanted = invitation.subject, normal_address(address)
    known = {*subject.attendees(invitation.key), *((subject.organizer.address,) if subject.organizer else ())}
    return is_mailable(address) and wanted not in known


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
        stands=invitation.answer_stands,
        comment=bool(given.comment) or partstat == Partstat.DELEGATED,  # to somebody else than before
        since_last_answer=now - answered_at if answered_at else None,
    )
    return decide_answer(facts, invitation.policy.rsvp, invitation.policy.scheduling)


def _apply(unit: Unit, context: Context, invitation: Invitation, given: GivenAnswer, partstat: str) -> Verdict:
    message = build_answer(
        invitation.subject.calendar,
        attendee=invitation.link.attendee,
        partstat=partstat,
        now=next_stamp(unit, context, invitation),
        key=invitation.key,
        comment=given.comment or None,
    )
    if message is None:
        return Verdict(CLOSED, "rsvp.removed", "The guest is no longer invited")
    tree = parse_tree(message.calendar)
    if partstat == Partstat.DELEGATED:
        tree = _naming(tree, invitation.link.attendee, given.delegate)
    outcome = arrive(unit, context, invitation, tree, given.caller)
    if outcome.outcome != "applied":
        return Verdict(ASK_AGAIN, outcome.rule, outcome.reason)
    unit.links.mark_used(invitation.link.token_hash, context.clock.now())
    if partstat == Partstat.DELEGATED:
        _invite_delegate(unit, context, invitation, given.delegate)
    return Verdict(APPLY, outcome.rule, outcome.reason)


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


def report_stranger(unit: Unit, context: Context, token: str, caller: Caller) -> Invitation:
    """Tell the organizer that the mail reached somebody it was not for; nothing of the event changes.

    Saying it twice is no error, and no second mail.

    Raises:
        Refused: `not-found`, `link-ended`.
    """
    invitation = look(unit, context, token)
    account, now = invitation.account, context.clock.now()
    told = unit.journal.of_uid(account.id, invitation.item.uid)
    if any(entry.rule == "rsvp.not-me" and entry.recipient == invitation.link.attendee for entry in told):
        return invitation
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
