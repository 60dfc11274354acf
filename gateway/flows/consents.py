# SPDX-License-Identifier: Apache-2.0
"""What people say about alarm mails by the links in them: yes, no, no more. The alarm policy obeys it.

A stop from somebody outside ends the mails of that account to that address, one row each; a stop from an address of
the account itself switches its alarm mails off, and the account can switch them on again.
"""

from dataclasses import dataclass

from gateway.flows.context import Context
from gateway.flows.invitation import find_link
from gateway.itip.address import normal_addresses
from gateway.store.accounts import Account
from gateway.store.alarms import AlarmConsent
from gateway.store.journal import Entry
from gateway.store.unit import Unit
from policies.external_recipients import Consent

#: Account setting: whether it wants its alarms as mail; absent = it does.
WANTED = "alarmMails"
_SAID: dict[Consent, tuple[str, str]] = {
    Consent.CONFIRMED: ("consent.confirmed", "The recipient agreed to reminders from this account"),
    Consent.WITHDRAWN: ("consent.withdrawn", "The recipient wants no reminders from this account"),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """Who asks whom, and what was said so far. `is_own`: the address is the account's."""

    account: Account
    address: str
    consent: Consent
    is_own: bool = False


def look_at_consent(unit: Unit, context: Context, purpose: str, token: str) -> Standing:
    """Return what a link of purpose `unsubscribe` or `confirm` is about. Changes nothing.

    Raises:
        Refused: `not-found`, `link-ended`.
    """
    link, account, _ = find_link(unit, context, purpose, token)
    if link.attendee in normal_addresses(unit.accounts.addresses(account.id)):
        consent = Consent.CONFIRMED if wants_alarms(account) else Consent.WITHDRAWN
        return Standing(account, link.attendee, consent, is_own=True)
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
    rule, reason = _SAID[consent]
    if standing.is_own:
        set_wanted(unit, account, wanted=consent is Consent.CONFIRMED)
    else:
        known = unit.alarms.consent(account.id, address)
        asked_at = known.asked_at if known else None
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
    return Standing(account, address, consent, standing.is_own)


def wants_alarms(account: Account) -> bool:
    """Tell whether an account wants its alarms as mail."""
    return bool(account.settings.get(WANTED, True))


def set_wanted(unit: Unit, account: Account, *, wanted: bool) -> None:
    """Switch an account's own alarm mails on or off."""
    unit.accounts.update(account.id, settings={**account.settings, WANTED: wanted})
