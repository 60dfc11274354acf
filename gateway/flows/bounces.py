# SPDX-License-Identifier: Apache-2.0
"""Delivery reports that come back to our envelope addresses become the guest's status (RFC 3464, RFC 6638 §3.2.9).

A report counts only when the address it came to carries a token that we minted and keyed: what it says of
recipients or Message-IDs is never believed by itself.
"""

from gateway.flows.context import Context
from gateway.flows.notices import enqueue_failure_notice
from gateway.imip.dsn import Action, Report, ReportedRecipient, parse_report
from gateway.imip.dsn_plain import parse_plain_report
from gateway.imip.mail import Mail, PartOutcome
from gateway.imip.verp import parse_bounce_address
from gateway.itip.address import normal_address, same_address
from gateway.maillog import Verb, record
from gateway.store.journal import Entry
from gateway.store.outbox import Message, Recipient
from gateway.store.sent import Suppression
from gateway.store.unit import Unit

_STATES = {
    Action.FAILED: "failed",
    Action.DELAYED: "sent",
    Action.DELIVERED: "delivered",
    Action.RELAYED: "delivered",
    Action.EXPANDED: "delivered",
}


def bounce_token(context: Context, address: str) -> str | None:
    """Return the token of one of our bounce addresses, or None where it is none or the key does not fit."""
    return parse_bounce_address(address, secret=context.key("bounce"))


def take_report(unit: Unit, context: Context, mail: Mail, token: str) -> PartOutcome:
    """Apply one mail that came to a bounce address; whatever it is, it is ours and goes no further."""
    found = unit.outbox.by_bounce_token(token)
    if found is None:
        return _done(unit, context, mail, None, "ignored", "bounce.unknown", "The mail it is about is forgotten")
    report = parse_report(mail.data) or (parse_plain_report(mail.data) if not mail.envelope.mail_from else None)
    if report is None:
        reason = "It is no delivery report (a vacation notice, or a person's answer to the wrong address)"
        return _done(unit, context, mail, found, "ignored", "bounce.not-a-report", reason)
    recipient, message = found
    told = _about(report, recipient)
    if told is None:
        return _done(unit, context, mail, found, "ignored", "bounce.nothing-said", "It says nothing of our recipient")
    _apply(unit, context, recipient, message, told)
    return _done(unit, context, mail, found, "applied", f"bounce.{told.action}", f"{told.action}: {_words(told)}")


def _about(report: Report, recipient: Recipient) -> ReportedRecipient | None:
    """The group about our recipient; a report with one group is about the one recipient that the mail had."""
    for each in report.recipients:
        if any(address and same_address(address, recipient.address) for address in (each.original, each.final)):
            return each
    return report.recipients[0] if len(report.recipients) == 1 else None


def _words(told: ReportedRecipient) -> str:
    return " ".join(word for word in (told.status, told.diagnostic or told.remote_mta) if word)[:400]


def _apply(unit: Unit, context: Context, recipient: Recipient, message: Message, told: ReportedRecipient) -> None:
    now, state, words = context.clock.now(), _STATES[told.action], _words(told)
    if recipient.state == "failed" and state != "failed":
        return  # a late "delayed" never takes a failure back
    unit.outbox.settle(recipient.id, state=state, schedule_status=told.schedule_status, reply=words, finished_at=now)
    if message.object_id and recipient.attendee and unit.objects.get(message.object_id):
        unit.guests.set_schedule_status(message.object_id, recipient.attendee, told.schedule_status, words, at=now)
    if told.action is Action.FAILED and recipient.state != "failed":
        enqueue_failure_notice(unit, context, recipient, message, words, final=True)
    if told.is_dead_address:
        until = now + context.policy(unit).retention.suppressions
        unit.sent.suppress(Suppression(normal_address(recipient.address), "all", words, now, until))
    if told.action is Action.DELAYED and recipient.warned_at is None:
        unit.outbox.mark_warned(recipient.id, now)
        enqueue_failure_notice(unit, context, recipient, message, words, final=False)


def _done(
    unit: Unit,
    context: Context,
    mail: Mail,
    found: tuple[Recipient, Message] | None,
    outcome: str,
    rule: str,
    reason: str,
) -> PartOutcome:
    recipient, message = found or (None, None)
    unit.journal.write(
        Entry(
            at=context.clock.now(),
            stage="bounce",
            outcome=outcome,
            rule=rule,
            reason=reason,
            mail_id=mail.id,
            message_id=message.message_id if message else None,
            queue_id=mail.origin.queue_id,
            account_id=message.account_id if message else None,
            recipient=recipient.address if recipient else None,
            uid=message.uid if message else None,
            method=message.method if message else None,
        )
    )
    record(Verb.BOUNCED if rule == "bounce.failed" else Verb.IGNORED, rule=rule, mail=mail.id)
    return PartOutcome(
        recipient.address if recipient else "", "DSN", message.uid if message else "", outcome, rule, reason
    )
