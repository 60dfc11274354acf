# SPDX-License-Identifier: Apache-2.0
"""What people say about alarm mails by the links in them: stop (RFC 8058), or yes to the one question.

A stop from somebody outside ends the mails of that account to that address; a stop from an account's own address
switches its alarm mails off, and the account can switch them on again. Opening a page never changes anything.
"""

from dataclasses import dataclass
from datetime import datetime

from gateway.errors import Refused
from gateway.flows.context import Context
from gateway.itip.address import normal_addresses
from gateway.maillog import Verb, record
from gateway.store.accounts import Account
from gateway.store.alarms import AlarmConsent
from gateway.store.journal import Entry
from gateway.store.links import Link
from gateway.store.unit import Unit
from policies.external_recipients import Consent

#: Account setting: whether it wants its alarms as mail.
WANTED = "alarmMails"


@dataclass(frozen=True, slots=True)
class ConsentPage:
    """What the page behind a link shows: about whose alarms, for whom, and what was said so far."""

    account_name: str
    address: str
    is_own: bool
    consent: Consent


def look_up_consent(unit: Unit, context: Context, token: str, purpose: str) -> ConsentPage:
    """Return what a link is about. Changes nothing. `purpose` is `unsubscribe` or `confirm`.

    Raises:
        Refused: `not-found` where the link is unknown, of another purpose, or past its time.
    """
    link, account = _open(unit, context, token, purpose)
    known = unit.alarms.consent(account.id, link.attendee)
    consent = Consent(known.state) if known else Consent.UNKNOWN
    is_own = link.attendee in normal_addresses(unit.accounts.addresses(account.id))
    if is_own:
        consent = Consent.CONFIRMED if account.settings.get(WANTED, True) else Consent.WITHDRAWN
    return ConsentPage(account.name or account.address, link.attendee, is_own, consent)


def withdraw(unit: Unit, context: Context, token: str) -> ConsentPage:
    """Stop alarm mails to the bearer of an unsubscribe link; a second time changes nothing.

    Raises:
        Refused: `not-found` as above.
    """
    return _say(unit, context, token, "unsubscribe", Consent.WITHDRAWN)


def confirm(unit: Unit, context: Context, token: str, *, wanted: bool) -> ConsentPage:
    """Record the answer to the one question.

    Raises:
        Refused: `not-found` as above.
    """
    return _say(unit, context, token, "confirm", Consent.CONFIRMED if wanted else Consent.WITHDRAWN)


def set_wanted(unit: Unit, account: Account, *, wanted: bool) -> None:
    """Switch an account's own alarm mails on or off."""
    unit.accounts.update(account.id, settings={**account.settings, WANTED: wanted})


def _say(unit: Unit, context: Context, token: str, purpose: str, consent: Consent) -> ConsentPage:
    link, account = _open(unit, context, token, purpose)
    now = context.clock.now()
    if link.attendee in normal_addresses(unit.accounts.addresses(account.id)):
        set_wanted(unit, account, wanted=consent is Consent.CONFIRMED)
    else:
        known = unit.alarms.consent(account.id, link.attendee)
        asked_at = known.asked_at if known else None
        unit.alarms.put_consent(AlarmConsent(account.id, link.attendee, consent.value, asked_at, now))
    unit.links.mark_used(link.token_hash, now)
    _journal(unit, account, link, consent, now)
    record(Verb.ANSWERED, rule=f"alarm.{consent.value}", account=account.address, rcpt=link.attendee)
    return look_up_consent(unit, context, token, purpose)


def _open(unit: Unit, context: Context, token: str, purpose: str) -> tuple[Link, Account]:
    link = unit.links.by_token(token)
    account = unit.accounts.get(link.account_id) if link else None
    if link is None or account is None or link.purpose != purpose or link.revoked_at is not None:
        raise Refused("not-found", "This link is not known")
    if link.expires_at <= context.clock.now():
        raise Refused("not-found", "This link is past its time")
    return link, account


def _journal(unit: Unit, account: Account, link: Link, consent: Consent, now: datetime) -> None:
    unit.journal.write(
        Entry(
            at=now,
            stage="alarm",
            outcome=consent.value,
            rule=f"alarm.{consent.value}",
            reason=f"{link.attendee} answered by link: {consent.value}",
            account_id=account.id,
            recipient=link.attendee,
            method="ALARM",
        )
    )
