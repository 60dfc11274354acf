# SPDX-License-Identifier: Apache-2.0
"""A person is told that somebody's message about an event of theirs waits for them, with the link to decide on it.

Nothing is said of an invitation to what is not in the calendar yet: its own mail is delivered, and there is no event to
open. Nor is each further message of an author told of while an earlier one waits: the page shows them all.
"""

from gateway.flows.context import Context
from gateway.flows.links import organizer_url
from gateway.flows.notices import enqueue_notice
from gateway.flows.stored import known_object
from gateway.itip.objects import read_object
from gateway.itip.tree import parse_tree
from gateway.store.accounts import Account
from gateway.store.held import Held
from gateway.store.unit import Unit

#: Kinds of mail (`gateway.imip.kinds.Kind`) by the rule that holds; the rest is held because of doubt in its author.
_KINDS = {"reply.uninvited": "uninvited", "counter.proposed": "counter"}


def tell_of_held(unit: Unit, context: Context, account: Account, held: Held) -> None:
    """Owe the account one mail about a message that waits."""
    item = known_object(unit, account.id, held.uid)
    if item is None:
        return
    message = parse_tree(held.ical)
    said = next(iter(read_object(message).components), None)
    kind = _KINDS.get(held.rule, "held")
    enqueue_notice(
        unit, context, account, kind, account.address, item,
        calendar=held.ical if kind == "counter" else item.ical,  # what is proposed, else what is
        recurrence_id=(said.value("RECURRENCE-ID") if said else None) or "",
        by=held.from_address,
        comment=(said.text("COMMENT") if said else None) or "",
        page=organizer_url(unit, context, item),
    )  # fmt: skip
