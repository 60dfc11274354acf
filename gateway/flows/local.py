# SPDX-License-Identifier: Apache-2.0
"""A message whose recipient has an account here also reaches that account at once, in the same transaction.

The mail goes out all the same; when it comes back through the inbound door its (SEQUENCE, DTSTAMP) is known.
"""

from gateway.flows.accounts import may
from gateway.flows.arrival import Arrival, apply_arrival, hold, record_outcome
from gateway.flows.context import Context
from gateway.flows.notifying import notify_invitation
from gateway.flows.recipients import Addressed
from gateway.imip.mail import PartOutcome
from gateway.itip.model import Method, Outcome, Verdict
from gateway.itip.tree import parse_tree
from gateway.store.accounts import Account
from gateway.store.unit import Unit
from policies.incoming import Action, IncomingFacts, Match, decide_incoming
from policies.sender_trust import Trust


def deliver_locally(unit: Unit, context: Context, account: Account, sent: Addressed) -> PartOutcome | None:
    """Apply one message to the recipient's own account here, if there is one and it may receive."""
    reader = sent.local
    if reader is None or reader.id == account.id or not may(reader, "scheduling-receive"):
        return None
    message = sent.owed.message
    arrival = Arrival(
        account=reader,
        message=parse_tree(message.calendar),
        from_address=message.from_address,
        via="local",
        recipient=reader.address,
        mail_id="",
    )
    policy = context.policy(unit)
    is_answer = message.method in (Method.REPLY, Method.COUNTER, Method.REFRESH)
    is_stored = bool(unit.objects.by_uid(reader.id, message.uid))
    facts = IncomingFacts(
        method=message.method,
        trust=Trust.STRONG,  # the account itself caused this message
        match=Match.SAME,
        stored=is_stored,
        organizes=is_answer,
        known=True,  # colleagues on one gateway know each other
        auto_add=policy.scheduling.auto_add_invitations,
    )
    verdict = decide_incoming(facts, policy.incoming)
    if verdict.action == Action.APPLY:
        return apply_arrival(unit, context, arrival)
    hold(unit, context, arrival, verdict)
    if not is_stored:
        notify_invitation(unit, context, reader, arrival.from_address, arrival.message)
    return record_outcome(unit, context, arrival, Outcome(Verdict.HELD, verdict.rule, verdict.reason))
