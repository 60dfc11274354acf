# SPDX-License-Identifier: Apache-2.0
"""Answer links for the guests of an invitation that a person's own program wrote.

Each guest who gets a link gets a copy of the mail of their own, the question below its words and every other octet as
the program wrote it; the copies wait in the outbox like mail of ours, so what becomes of them is seen on the guest.
A signed mail is never touched, and a guest with a calendar here answers there.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.flows.build_mails import post
from gateway.flows.context import Context
from gateway.flows.drafts import new_answer_links, signing_keys
from gateway.flows.links import mint_link, rsvp_expiry, shown_facts
from gateway.flows.presenting import present
from gateway.flows.stored import attendee_line
from gateway.imip.compose import compose_footer
from gateway.imip.facts import parse_facts as parse_event
from gateway.imip.footer import Place, add_footer, find_places
from gateway.imip.headers import parse_facts, parse_headers
from gateway.imip.mail import Disposition, Door, Mail
from gateway.imip.presentation import Person
from gateway.itip.address import normal_address
from gateway.itip.objects import read_object
from gateway.itip.tree import Component, build_tree
from gateway.relay.sign import DkimSigner
from gateway.store.accounts import Account
from gateway.store.objects import StoredObject
from gateway.store.serials import lane
from gateway.store.unit import Unit
from policies.external_recipients import PERMIT, MailKind, RecipientFacts, decide_recipient

#: What these mails are called in the outbox. A newer message of ours replaces one of ours, never a person's own words.
OWN = "OWN"
#: Larger mails, and all copies of one mail together: beyond that a copy for each guest is more than a link is worth.
MAX_SIZE, MAX_TOGETHER = 1 << 20, 8 << 20


@dataclass(frozen=True, slots=True)
class Linked:
    """An invitation whose guests get links: what was said, where in the mail there is room, and for whom."""

    account: Account
    item: StoredObject
    message: Component
    places: tuple[Place, ...]
    recipients: tuple[str, ...]


def plan_links(
    unit: Unit, context: Context, mail: Mail, account: Account, item: StoredObject | None, message: Component
) -> Linked | None:
    """Return who gets a link with an unsigned invitation, None where nobody does."""
    policy = context.policy(unit)
    wanted = policy.rsvp.links_in_own_mail
    here = wanted == "always" or (wanted == "submitted" and mail.origin.door is Door.SUBMISSION)
    served = policy.scheduling.enable and new_answer_links(context, policy.scheduling)[0] is not None
    if not here or not served or item is None or not item.is_origin or len(mail.data) > MAX_SIZE:
        return None
    guests = read_object(message).everyone
    outside = [to for to in mail.envelope.recipients if normal_address(to) in guests and _may_have(unit, context, to)]
    few = len(outside) <= policy.scheduling.max_recipients and len(outside) * len(mail.data) <= MAX_TOGETHER
    places = find_places(mail.data) if outside and few else ()
    return Linked(account, item, message, places, tuple(dict.fromkeys(outside))) if places else None


def _may_have(unit: Unit, context: Context, recipient: str) -> bool:
    """Nobody outside gets mail of ours without a verdict; who may not gets what the program wrote, as it is."""
    address = normal_address(recipient)
    if unit.accounts.by_address(address) is not None:
        return False
    suppression = unit.sent.suppressed(address, "invitation", context.clock.now())
    facts = RecipientFacts(
        kind=MailKind.INVITATION,
        address=address,
        local=address.rpartition("@")[2] in context.domains(unit),
        guest=True,
        suppressed=suppression.reason if suppression else None,
    )
    return decide_recipient(facts, context.policy(unit).external_recipients).action == PERMIT


def post_linked(
    unit: Unit,
    context: Context,
    mail: Mail,
    disposition: Disposition,
    plans: Iterable[Linked],
    *,
    without: frozenset[str] = frozenset(),
) -> frozenset[str]:
    """Put the copies in the outbox, and return the recipients to whom the mail itself need not go any more."""
    return frozenset(
        recipient
        for plan in plans
        for recipient in plan.recipients
        if recipient not in without and _post_copy(unit, context, mail, disposition, plan, recipient)
    )


def _post_copy(
    unit: Unit, context: Context, mail: Mail, disposition: Disposition, plan: Linked, recipient: str
) -> bool:
    policy, subject, to = context.policy(unit), read_object(plan.message), normal_address(recipient)
    token, links = new_answer_links(context, policy.scheduling)
    line = attendee_line(plan.message, recipient)
    language, name = ((line.param(word) or "") if line else "" for word in ("LANGUAGE", "CN"))
    recurrence_id = next((part.value("RECURRENCE-ID") or "" for part in subject.components), "")
    calendar = build_tree(plan.message)
    shown = present(unit, context, plan.account, recipient, language=language, links=links)
    footer = compose_footer(parse_event(calendar, (recurrence_id,)), Person(recipient, name), shown)
    body = add_footer(mail.data, plan.places, footer) if footer else None
    if body is None or token is None:
        return False
    now = context.clock.now()
    mint_link(
        unit, context, "rsvp", plan.item, to, expires_at=rsvp_expiry(plan.item, policy, now),
        recurrence_id=recurrence_id, token=token, sequence=subject.sequence,
        facts=shown_facts(calendar, recurrence_id),
    )  # fmt: skip
    data = mail.trace + disposition.apply_to(body)
    keys = signing_keys(unit, context, plan.account.address.rpartition("@")[2])
    post(
        unit, context, plan.account, recipient, DkimSigner(keys).sign(data, now) + data,
        message_id=parse_facts(parse_headers(data)).message_id or "", task_id=mail.id, uid=subject.uid,
        object_id=plan.item.id, method=OWN, own_lane=lane(plan.account.id, subject.uid, to), attendee=to,
        recurrence_id=recurrence_id[:64], sequence=subject.sequence,
    )  # fmt: skip
    unit.guests.set_schedule_status(plan.item.id, to, "1.0", None, at=now)
    return True
