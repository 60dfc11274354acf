# SPDX-License-Identifier: Apache-2.0
"""A scheduling message reaches an account: by mail, from a colleague on this gateway, or by an answer link.

One way for all, so that an answer given on a page is worth exactly what one given by mail is: the same
staleness, membership and sender rules, the same rows, the same notification.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from gateway.flows.alarm_plans import plan_alarms
from gateway.flows.answer_rows import note_answers, remembered_answers
from gateway.flows.context import Context
from gateway.flows.enqueue import send_messages
from gateway.flows.held_notices import tell_of_held
from gateway.flows.notifying import notify_change
from gateway.flows.stored import known_object, stored_object
from gateway.imip.mail import PartOutcome
from gateway.itip.address import normal_address
from gateway.itip.inbound import apply
from gateway.itip.model import ApplySettings, Outcome, UninvitedReply, Verdict
from gateway.itip.tree import Component, build_tree
from gateway.store.accounts import Account
from gateway.store.guests import StoredProposal
from gateway.store.held import Held
from gateway.store.journal import Entry
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit
from policies.loops import LoopFacts, decide_answer
from policies.verdict import Verdict as PolicyVerdict

#: Rules under which a guest is sent the current state, which they have asked for or got wrong.
_TELLS_THE_STATE = ("refresh.answered", "reply.stale-sequence", "counter.stale", "counter.not-welcome")
_KNOWN_ALREADY = ("reply.duplicate", "request.duplicate", "cancel.duplicate")
_MAX_EARLY = 200  # cancellations of one account that wait for their invitations


@dataclass(frozen=True, slots=True)
class Arrival:
    """One scheduling message for one account. `from_address` is the proven identity, never the body's claim."""

    account: Account
    message: Component
    from_address: str
    via: str  # mail | local | link
    recipient: str
    mail_id: str
    message_id: str | None = None
    queue_id: str | None = None
    evidence: dict[str, object] = field(default_factory=dict)
    vouched_by: str = ""  # the person who released it; then nothing is held again
    origin: LoopFacts | None = None  # of the mail that brought it


def apply_arrival(unit: Unit, context: Context, arrival: Arrival) -> PartOutcome:
    """Apply a message that policy lets through; object, guests, notification, answers owed and journal together."""
    account = arrival.account
    item = known_object(unit, account.id, _uid(arrival.message))
    outcome = _outcome(unit, context, arrival, item)
    if outcome.stored is not None and outcome.tree is not None:
        context.trees.keep(outcome.stored, outcome.tree)
    silent = _silence(unit, context, arrival, outcome)
    if silent is not None and outcome.rule == "refresh.answered":  # to answer is all that it asks for
        outcome = replace(outcome, outcome=Verdict.IGNORED, rule=silent.rule, reason=silent.reason, messages=())
    if outcome.rule == "cancel.unknown-uid" and len(unit.held.early(account.id)) < _MAX_EARLY:
        hold(unit, context, arrival, PolicyVerdict("hold", outcome.rule, outcome.reason), state="early")
    if outcome.rule == "request.new":
        outcome = _overtaken(unit, context, account, outcome)
    if outcome.outcome is Verdict.APPLIED:
        _keep(unit, context, arrival, item, outcome)
    elif outcome.outcome is Verdict.HELD and not arrival.vouched_by:
        hold(unit, context, arrival, PolicyVerdict("hold", outcome.rule, outcome.reason))
    if outcome.proposal is not None and item is not None:
        _keep_proposal(unit, context, item, outcome)
        notify_change(unit, context, account, arrival.from_address, item, outcome)
    if silent is None:
        _answer(unit, context, account, outcome)
    return record_outcome(unit, context, arrival, outcome, silent)


def known_already(unit: Unit, context: Context, arrival: Arrival) -> Outcome | None:
    """Say that a message is in effect already, None where it is not: nobody has to decide on that.

    A mail that comes by twice may have less to prove it the second time, as behind another door.
    """
    item = known_object(unit, arrival.account.id, _uid(arrival.message))
    outcome = _outcome(unit, context, arrival, item)
    return replace(outcome, messages=()) if outcome.rule in _KNOWN_ALREADY else None


def _outcome(unit: Unit, context: Context, arrival: Arrival, item: StoredObject | None) -> Outcome:
    policy = context.policy(unit)
    uninvited = UninvitedReply.ADD if arrival.vouched_by else UninvitedReply(policy.scheduling.uninvited_replies)
    return apply(
        arrival.message,
        context.trees.read(item.ical) if item else None,
        sender_address=arrival.from_address,
        addresses=unit.accounts.addresses(arrival.account.id),
        now=context.clock.now(),
        settings=ApplySettings(uninvited=uninvited),
        history=remembered_answers(unit, item, arrival.message, arrival.from_address),
    )


def _overtaken(unit: Unit, context: Context, account: Account, outcome: Outcome) -> Outcome:
    """An invitation that its own cancellation overtook is kept as cancelled, if that is the newer (RFC 5546 §5.2.1)."""
    now = context.clock.now()
    for early in unit.held.early(account.id, outcome.uid):
        later = apply(
            context.trees.read(early.ical),
            None if outcome.stored is None else context.trees.read(outcome.stored),
            sender_address=early.from_address,
            addresses=unit.accounts.addresses(account.id),
            now=now,
        )
        if later.outcome is Verdict.APPLIED:
            reason = f"{outcome.reason}. Before that came: {later.reason}"
            outcome = replace(
                outcome, stored=later.stored, tree=later.tree, reason=reason, changes=(*outcome.changes, *later.changes)
            )
    unit.held.settle_early(account.id, outcome.uid, now)
    return outcome


def _silence(unit: Unit, context: Context, arrival: Arrival, outcome: Outcome) -> PolicyVerdict | None:
    """Why what the message calls for does not go out by itself (RFC 3834 §2); None where it may, or nothing is."""
    if arrival.origin is None or not outcome.messages:
        return None
    since = context.clock.now() - timedelta(hours=1)
    told = sum(
        unit.journal.count_by_author(arrival.account.id, rule, arrival.from_address, since) for rule in _TELLS_THE_STATE
    )
    verdict = decide_answer(replace(arrival.origin, told_last_hour=told), context.policy(unit).loops)
    return verdict if verdict.action == "silent" else None


def _answer(unit: Unit, context: Context, account: Account, outcome: Outcome) -> None:
    """Enqueue what the message calls for: the current state for who asks, a REFRESH for what is missing here.

    The latter is owed exactly where nothing could be applied (RFC 5546 §3.2.4).
    """
    if outcome.messages:
        item = next(iter(unit.objects.by_uid(account.id, outcome.messages[0].uid)), None)
        send_messages(unit, context, account, item, outcome.messages, outcome.rule)


def _keep(unit: Unit, context: Context, arrival: Arrival, item: StoredObject | None, outcome: Outcome) -> None:
    """Write what was applied, and what it owes in turn."""
    account = arrival.account
    kept = item
    if outcome.stored is not None and (item is None or outcome.stored != item.ical):
        kept = _write(unit, context, arrival, item, outcome.stored)
    if kept is None:
        return
    note_answers(unit, context, item, kept, outcome, via=arrival.via)
    notify_change(unit, context, account, arrival.from_address, item, outcome, kept)
    unit.accounts.know(account.id, normal_address(arrival.from_address), since=context.clock.now(), reason="scheduling")
    plan_alarms(unit, context, kept, account)
    if kept.status == "CANCELLED":
        unit.links.revoke(context.clock.now(), kept.id)


def _write(unit: Unit, context: Context, arrival: Arrival, item: StoredObject | None, text: str) -> StoredObject:
    account, source = arrival.account, "mail"
    addresses = unit.accounts.addresses(account.id)
    kept = stored_object(text, account=account, addresses=addresses, context=context, old=item, source=source)
    if item is not None:
        unit.objects.update(kept)
        return kept
    default = unit.calendars.default(account.id)
    places = ((default.id, f"{kept.id}.ics"),) if default else ()
    unit.objects.add(kept, places)
    return kept


def _keep_proposal(unit: Unit, context: Context, item: StoredObject, outcome: Outcome) -> None:
    proposal = outcome.proposal
    if proposal is None:
        return
    changes = [{"name": c.name, "old": c.old, "new": c.new, "recurrence_id": c.recurrence_id} for c in proposal.changes]
    author = normal_address(proposal.address)
    for earlier in unit.guests.proposals(item.id):
        same = (earlier.address, earlier.recurrence_id) == (author, proposal.recurrence_id)
        if same and earlier.state == "open":  # a second thought: the organizer decides on the last one
            unit.guests.set_proposal_state(earlier.id, "replaced")
    unit.guests.add_proposal(
        StoredProposal(
            id=context.ids.row("prp"),
            object_id=item.id,
            account_id=item.account_id,
            address=author,
            recurrence_id=proposal.recurrence_id,
            changes=changes,
            comment=proposal.comment,
            ical=proposal.calendar,
            state="open",
            created_at=context.clock.now(),
        )
    )


def hold(unit: Unit, context: Context, arrival: Arrival, verdict: PolicyVerdict, *, state: str = "held") -> None:
    """Keep a message for a person to decide and tell them, or an early one for what it is about.

    Once, however many doors bring it.
    """
    held = Held(
        id=context.ids.row("hld"),
        account_id=arrival.account.id,
        mail_id=arrival.mail_id,
        recipient=arrival.recipient,
        method=(arrival.message.value("METHOD") or "").upper(),
        uid=_uid(arrival.message),
        from_address=arrival.from_address,
        ical=build_tree(arrival.message),
        evidence=arrival.evidence,
        rule=verdict.rule,
        reason=verdict.reason,
        state=state,
        created_at=context.clock.now(),
    )
    before = unit.held.of_author(held.account_id, held.uid, held.from_address)
    if any((each.method, each.ical) == (held.method, held.ical) for each in before):
        return
    unit.held.hold(held)
    if state == "held" and arrival.via != "link" and not any(each.state == "held" for each in before):
        tell_of_held(unit, context, arrival.account, held)


def record_outcome(
    unit: Unit, context: Context, arrival: Arrival, outcome: Outcome, silent: PolicyVerdict | None = None
) -> PartOutcome:
    """Write the journal row of one message for one account, and return what door and log say of it.

    `silent` is why nothing went back where something was owed.
    """
    method = outcome.method or (arrival.message.value("METHOD") or "").upper()
    uid = outcome.uid or _uid(arrival.message)
    unit.journal.write(
        Entry(
            at=context.clock.now(),
            stage={"mail": "incoming", "link": "link"}.get(arrival.via, "change"),
            outcome=outcome.outcome,
            rule=outcome.rule,
            reason=outcome.reason,
            mail_id=arrival.mail_id,
            message_id=arrival.message_id,
            queue_id=arrival.queue_id,
            account_id=arrival.account.id,
            recipient=arrival.recipient,
            uid=uid[:1024],
            method=method[:32],
            facts={
                **arrival.evidence,
                "author": arrival.from_address,
                "repairs": list(outcome.repairs),
                "via": arrival.via,
            }
            | ({"not_answered": f"{silent.reason} ({silent.rule})"} if silent is not None else {}),
        )
    )
    changes = tuple(f"{c.name}: {c.old or '-'} -> {c.new or '-'}" for c in outcome.changes)
    answers = tuple(f"{a.address}: {a.partstat}" for a in outcome.answers)
    return PartOutcome(
        arrival.recipient, method, uid, outcome.outcome, outcome.rule, outcome.reason, (*changes, *answers)
    )


def _uid(message: Component) -> str:
    return next((uid for child in message.components if (uid := child.text("UID"))), "").strip()
