# SPDX-License-Identifier: Apache-2.0
"""What people outside say about an account's alarm mails: yes, no, no more. One row each; the alarm policy obeys it."""

from dataclasses import dataclass

from gateway.flows.context import Context
from gateway.flows.invitation import find_link
from gateway.store.accounts import Account
from gateway.store.alarms import AlarmConsent
from gateway.store.journal import Entry
from gateway.store.unit import Unit
from policies.external_recipients import Consent

_SAID: dict[Consent, tuple[str, str]] = {
    Consent.CONFIRMED: ("consent.confirmed", "The recipient agreed to reminders from this account"),
    Consent.WITHDRAWN: ("consent.withdrawn", "The recipient wants no reminders from this account"),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """Who asks whom, and what was said so far."""

    account: Account
    address: str
    consent: Consent


def look_at_consent(unit: Unit, context: Context, purpose: str, token: str) -> Standing:
    """Return what a link of purpose `unsubscribe` or `confirm` is about.

    Raises:
        Refused: `not-found`, `link-ended`.
    """
    link, account, _ = find_link(unit, context, purpose, token)
    known = unit.alarms.consent(account.id, link.attendee)
    return Standing(account, link.attendee, Consent(known.state) if known else Consent.UNKNOWN)


def say(unit: Unit, context: Context, purpose: str, token: str, consent: Consent) -> Standing:
    """Record what the bearer says; saying it twice is no error.

    Raises:
        Refused: `not-found`, `link-ended`.
    """
    standing = look_at_consent(unit, context, purpose, token)
    if standing.consent is consent:
        return standing
    account, address, now = standing.account, standing.address, context.clock.now()
    known = unit.alarms.consent(account.id, address)
    asked_at = known.asked_at if known else None
    rule, reason = _SAID[consent]
    unit.alarms.put_consent(AlarmConsent(account.id, address, consent.value, asked_at, now))
    unit.journal.write(
        Entry(
            at=now,
            stage="link",
            outcome=consent.value,
            rule=rule,
            reason=reason,
            account_id=account.id,
            recipient=address,
        )
    )
    return Standing(account, address, consent)
