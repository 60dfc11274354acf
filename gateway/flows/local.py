# SPDX-License-Identifier: Apache-2.0
"""A message whose recipient has an account here also reaches that account at once, in the same transaction.

The mail goes out all the same; when it comes back through the inbound door its (SEQUENCE, DTSTAMP) is known.
"""

from policies.incoming import AddFacts, decide_add

from gateway.flows.accounts import may
from gateway.flows.arrival import Arrival, apply_arrival
from gateway.flows.context import Context
from gateway.flows.recipients import Addressed
from gateway.itip.tree import parse_tree
from gateway.store.accounts import Account
from gateway.store.unit import Unit


def deliver_locally(unit: Unit, context: Context, account: Account, sent: Addressed) -> None:
    """Apply one message to the recipient's own account here, if there is one and it may receive."""
    reader = sent.local
    if reader is None or reader.id == account.id or not may(reader, "scheduling-receive"):
        return
    message = sent.owed.message
    known = unit.accounts.knows(reader.id, account.address)
    facts = AddFacts(authenticated=True, known=known, local=True)
    add = decide_add(facts, context.policy(unit).scheduling.auto_add_invitations)
    apply_arrival(
        unit,
        context,
        Arrival(
            account=reader,
            message=parse_tree(message.calendar),
            from_address=message.from_address,
            via="local",
            recipient=reader.address,
            mail_id="",
            add=add.action == "add",
            add_rule=add.rule,
            add_reason=add.reason,
        ),
    )
