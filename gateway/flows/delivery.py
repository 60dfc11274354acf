# SPDX-License-Identifier: Apache-2.0
"""Hand built mails to the next hop and settle what became of each recipient.

Claim (one transaction), hand over (no transaction), settle (one transaction). A process that dies between
handing over and settling leaves a lease that runs out; the next worker hands over the same octets with the
same Message-ID, so the second copy is the same message (RFC 5321 §6.1).
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from gateway.flows.context import Context
from gateway.flows.notices import enqueue_failure_notice
from gateway.imip.mail import Envelope, Rcpt
from gateway.imip.verp import build_envid
from gateway.maillog import Verb, record
from gateway.metrics import Counter
from gateway.relay.hop import RcptResult, Relay, Stage
from gateway.store.journal import Entry
from gateway.store.outbox import Message, Recipient
from gateway.store.unit import Unit
from policies.retry import FAIL, RETRY, SENT, AttemptFacts, decide_attempt
from policies.verdict import Verdict

_STATES = {SENT: "sent", RETRY: "retry", FAIL: "failed"}
_VERBS = {SENT: Verb.SENT, RETRY: Verb.DEFERRED, FAIL: Verb.BOUNCED}
DELIVERED = Counter("imip_deliveries_total", "Recipients settled after a hand-over to the next hop, by outcome.")


async def deliver_due(context: Context, relay: Relay, *, worker: str, chance: Callable[[], float]) -> int:
    """Try every recipient that is due now; the number tried. `chance` draws 0 to 1 for the next wait."""
    now, options = context.clock.now(), context.config.workers
    claimed = await context.store.write(
        lambda unit: unit.outbox.claim(now=now, lease=options.lease, by=worker, limit=options.batch)
    )
    gate = asyncio.Semaphore(options.delivery_concurrency)

    async def one(recipient: Recipient, message: Message) -> None:
        async with gate:
            result = await hand_over(context, relay, recipient, message)
        await context.store.write(lambda unit: settle(unit, context, recipient, message, result, chance()))

    await asyncio.gather(*(one(recipient, message) for recipient, message in claimed))
    return len(claimed)


async def hand_over(context: Context, relay: Relay, recipient: Recipient, message: Message) -> RcptResult:
    """Give one mail for one recipient to the next hop; every failure comes back as a result."""
    envid = build_envid(recipient.bounce_token, secret=context.key("bounce"))
    envelope = Envelope(
        message.mail_from,
        (Rcpt(recipient.address, ("NOTIFY=FAILURE,DELAY", f"ORCPT=rfc822;{xtext(recipient.address)}")),),
        ("RET=HDRS", f"ENVID={envid}"),  # RFC 3461 §4.4: what comes back names our row
    )
    results: Sequence[RcptResult] = await relay.deliver(envelope, message.data)
    return results[0]


def settle(
    unit: Unit, context: Context, recipient: Recipient, message: Message, result: RcptResult, chance: float
) -> None:
    """Write what the next hop said: row, guest's status, journal, and the organizer's notice if it is final."""
    if not unit.outbox.owns(recipient):
        return  # the lease ran out and another worker has it now
    now, attempts = context.clock.now(), recipient.attempts + 1
    facts = AttemptFacts(
        now=now,
        queued_at=message.created_at,
        attempts=attempts,
        code=result.code,
        enhanced=result.enhanced,
        text=result.text,
        warned=recipient.warned_at is not None,
        chance=chance,
    )
    decided = decide_attempt(facts, context.policy(unit).retry)
    verdict, reply = decided.verdict, str(result)[:500]
    unit.outbox.settle(
        recipient.id,
        state=_STATES[verdict.action],
        attempts=attempts,
        reply=reply,
        schedule_status=decided.schedule_status,
        due_at=decided.next_at or recipient.due_at,
        finished_at=None if decided.next_at else now,
        warned_at=now if decided.warn else recipient.warned_at,
        may_have_left=recipient.may_have_left or result.stage is Stage.DOT,
    )
    _note(unit, recipient, message, decided.schedule_status, reply, now)
    _journal(unit, recipient, message, verdict, now)
    if verdict.action == FAIL or decided.warn:
        enqueue_failure_notice(unit, context, recipient, message, reply, final=verdict.action == FAIL)
    facts_to_log = {"message": message.id, "rcpt": recipient.address, "method": message.method, "reply": reply}
    record(_VERBS[verdict.action], rule=verdict.rule, **facts_to_log)
    DELIVERED.add(outcome=verdict.action)


def _note(unit: Unit, recipient: Recipient, message: Message, status: str, reply: str, now: datetime) -> None:
    """Show on the guest how far our message came (RFC 6638 §3.2.9)."""
    if message.object_id and recipient.attendee and unit.objects.get(message.object_id):
        unit.guests.set_schedule_status(message.object_id, recipient.attendee, status, reply, at=now)


def _journal(unit: Unit, recipient: Recipient, message: Message, verdict: Verdict, now: datetime) -> None:
    unit.journal.write(
        Entry(
            at=now,
            stage="delivery",
            outcome=verdict.action,
            rule=verdict.rule,
            reason=verdict.reason,
            mail_id=message.id,
            message_id=message.message_id,
            account_id=message.account_id,
            recipient=recipient.address,
            uid=message.uid,
            recurrence_id=message.recurrence_id,
            method=message.method,
        )
    )


def xtext(text: str) -> str:
    """Encode as xtext (RFC 3461 §4)."""
    return "".join(
        char if 33 <= ord(char) <= 126 and char not in "+=" else "".join(f"+{byte:02X}" for byte in char.encode())
        for char in text
    )
