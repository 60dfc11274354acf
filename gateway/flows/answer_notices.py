# SPDX-License-Identifier: Apache-2.0
"""Who is told of an answer given on a page: the organizer as they wish, the guest with a confirmation and the event.

Somebody who changes their mind ten times makes one mail, not ten: a notice that has not left is replaced.
"""

from datetime import timedelta
from typing import cast

from gateway.flows.context import Context
from gateway.flows.invitation import Invitation, event_file
from gateway.flows.links import link_url, organizer_url
from gateway.flows.notices import enqueue_notice
from gateway.itip.model import ItipMessage, Partstat
from gateway.store.unit import Unit
from policies.external_recipients import PERMIT, MailKind, RecipientFacts, decide_recipient
from policies.notify import AnswerFacts, Answers, decide_answer

_KINDS = {
    Partstat.ACCEPTED: "accepted",
    Partstat.DECLINED: "declined",
    Partstat.TENTATIVE: "tentative",
    Partstat.DELEGATED: "delegated",
    "COUNTER": "counter",
}
_WISHES = ("each", "digest", "none")


def tell_organizer(
    unit: Unit,
    context: Context,
    invitation: Invitation,
    *,
    partstat: str,
    before: str,
    comment: str = "",
    said: ItipMessage | None = None,
) -> None:
    """Owe the organizer a mail about an answer or a proposal, at once or gathered, or none: as they wish."""
    account, item = invitation.account, invitation.item
    wish = account.settings.get("answers")
    facts = AnswerFacts(
        partstat, before, by="link", comment=bool(comment),
        wish=cast(Answers, wish) if wish in _WISHES else None,
    )  # fmt: skip
    settings = invitation.policy.notify
    verdict = decide_answer(facts, settings)
    if verdict.action == "none":
        return
    guest = invitation.link.attendee
    if verdict.action == "digest" and said is None:
        enqueue_notice(
            unit, context, account, "answers", account.address, item,
            key="answers", delay=settings.digest_interval, page=organizer_url(unit, context, item),
        )  # fmt: skip
        return
    enqueue_notice(
        unit, context, account, _KINDS.get(partstat, "reply"), account.address, item,
        key=f"answer:{guest}:{invitation.recurrence_id}" if said is None else "",
        delay=context.config.mail.coalesce_delay,
        calendar=said.calendar if said else invitation.calendar,
        recurrence_id=invitation.recurrence_id,
        by=guest, by_name=invitation.guest.name,
        partstat=partstat, comment=comment, by_link=True,
        page=organizer_url(unit, context, item),
    )  # fmt: skip


def tell_guest(unit: Unit, context: Context, invitation: Invitation, *, partstat: str, token: str) -> None:
    """Owe the guest a confirmation with the event attached and the same link, where policy lets us write to them."""
    address, now = invitation.link.attendee, context.clock.now()
    local = unit.accounts.by_address(address)
    suppression = unit.sent.suppressed(address, "invitation", now)
    facts = RecipientFacts(
        kind=MailKind.INVITATION,
        address=address,
        own=local is not None and local.id == invitation.account.id,
        local=local is not None or address.rpartition("@")[2] in context.domains(unit),
        guest=True,
        suppressed=suppression.reason if suppression else None,
    )
    if decide_recipient(facts, invitation.policy.external_recipients).action != PERMIT:
        return
    enqueue_notice(
        unit, context, invitation.account, "answer-recorded", invitation.guest.spelled, invitation.item,
        key=f"recorded:{invitation.recurrence_id}",
        delay=max(context.config.mail.coalesce_delay, timedelta()),
        calendar=invitation.calendar,
        recurrence_id=invitation.recurrence_id,
        partstat=partstat,
        to_name=invitation.guest.name,
        language=invitation.guest.prop.param("LANGUAGE") or "",
        page=link_url(context, "rsvp", token, invitation.policy.scheduling),
        attached=event_file(invitation) if partstat != Partstat.DECLINED else "",
    )  # fmt: skip
