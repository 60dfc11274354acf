# SPDX-License-Identifier: Apache-2.0
"""What the bearer of an answer link says arrives like mail: the message that the guest's own program would have sent.

It goes through `apply_arrival` for exactly this guest, so it meets the same rules of order and membership, and the
journal row says by which link and from where, never the token.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.errors import Refused
from gateway.flows.arrival import Arrival, apply_arrival
from gateway.flows.context import Context
from gateway.flows.invitation import Invitation, look
from gateway.imip.mail import PartOutcome
from gateway.itip.messages import next_dtstamp
from gateway.itip.tree import Component
from gateway.store.unit import Unit
from policies.rsvp import APPLY, ASK_AGAIN, SAME
from policies.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Caller:
    """What the audit row keeps of who posted: a network and a digest, neither of them a person."""

    network: str = ""
    agent: str = ""


NOBODY = Caller()


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of it: the verdict, the answer before, and the invitation as it stands now."""

    verdict: Verdict
    before: str
    invitation: Invitation

    @property
    def counts(self) -> bool:
        return self.verdict.action in (APPLY, SAME)


def look_at_choice(unit: Unit, context: Context, token: str, recurrence_id: str) -> tuple[Invitation, Verdict | None]:
    """Return what a token shows; where the chosen occurrence is gone, all of it and the verdict that asks again."""
    try:
        return look(unit, context, token, recurrence_id=recurrence_id), None
    except Refused as error:
        if not recurrence_id or error.code != "not-found":
            raise
    whole = look(unit, context, token)
    return whole, Verdict(ASK_AGAIN, "rsvp.rescheduled", "This occurrence takes place no more")


def arrive(unit: Unit, context: Context, invitation: Invitation, message: Component, caller: Caller) -> PartOutcome:
    """Let a message of the guest's arrive as any other."""
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


def next_stamp(unit: Unit, context: Context, invitation: Invitation) -> datetime:
    """Return now, or a second after this guest's last answer: two in one second keep their order (RFC 5546 §2.1.5)."""
    me = invitation.link.attendee
    known = (each.dtstamp for each in unit.guests.statuses_of(invitation.item.id, me) if each.address == me)
    return next_dtstamp(context.clock.now(), last=max((at for at in known if at is not None), default=None))
