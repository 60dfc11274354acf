# SPDX-License-Identifier: Apache-2.0
"""May this person outside be mailed on behalf of an account: an invitation, or an alarm?

RFC 5545 §3.6.6 lets any ATTENDEE stand in an alarm, which makes an open server a mail cannon: whoever may store
an event may have it mail anyone, again and again. So an alarm reaches the account's own verified addresses, and
others only as far as the operator opened the door. An invitation is what a calendar is for, and is open by default.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from policies.match import first_matching, is_address, patterns_fault
from policies.options import option
from policies.verdict import Rule, Verdict, first_match


class MailKind(StrEnum):
    """What is to be mailed."""

    INVITATION = "invitation"  # any iTIP message: REQUEST, CANCEL, REPLY and the others
    ALARM = "alarm"


class InvitationMode(StrEnum):
    """Who outside may get iTIP messages."""

    ALLOW = "allow"
    DENY = "deny"
    DOMAINS = "domains"


class AlarmMode(StrEnum):
    """Who outside may get alarm mails. Each mode but `deny` and `allow` also admits the listed domains."""

    ALLOW = "allow"
    DENY = "deny"
    DOMAINS = "domains"
    GUESTS = "guests"  # attendees and organizer of that event
    OPT_IN = "opt-in"  # whoever answered our one question with yes


class Consent(StrEnum):
    """What a recipient told us about alarm mails from this account."""

    UNKNOWN = "unknown"
    ASKED = "asked"
    CONFIRMED = "confirmed"
    WITHDRAWN = "withdrawn"  # unsubscribed (RFC 8058), or answered no


@dataclass(frozen=True, slots=True)
class ExternalRecipientSettings:
    """`[policy.external_recipients]`: which strangers an account may have mailed."""

    invitations: InvitationMode = option(
        InvitationMode.ALLOW, "Who outside may be sent invitations, updates and answers."
    )
    alarms: AlarmMode = option(
        AlarmMode.DENY, "Who outside may be sent alarm mails; the owner is mailed in place of whoever may not.",
        run_time=True,
    )  # fmt: skip
    domains: tuple[str, ...] = option(
        (), "Domains for the mode `domains`; `*.example.org` means its subdomains.", example=("partner.example",),
        check=patterns_fault,
    )  # fmt: skip
    max_alarm_recipients_per_day: int = option(
        20, "Distinct addresses outside that one account's alarms may reach in 24 hours; 0 = none.", least=0
    )


@dataclass(frozen=True, slots=True)
class RecipientFacts:
    """What is known of one address. `address` is in normal form; `own` covers verified addresses and aliases."""

    kind: MailKind
    address: str
    own: bool = False
    local: bool = False  # an account of this gateway, or an address of a domain of ours
    guest: bool = False  # stands in the event as attendee or organizer
    consent: Consent = Consent.UNKNOWN
    suppressed: str | None = None  # why mail to this address is pointless or unwanted (bounces, complaint)
    reached_today: bool = False  # already counted among today's distinct addresses
    distinct_today: int = 0  # distinct addresses outside that this account's alarms reached in 24 hours


PERMIT, DENY, ASK = "permit", "deny", "ask"

RULES: tuple[Rule, ...] = (
    Rule("recipient.own", "The account's own verified addresses and aliases may always be mailed."),
    Rule("recipient.malformed", "Text that is not one plain mail address is never mailed."),
    Rule("recipient.withdrawn", "Whoever unsubscribed from alarm mails gets none, whatever the mode."),
    Rule("recipient.local", "Invitations between accounts of this gateway need no permission."),
    Rule("recipient.suppressed", "A delivery report said that the address is dead: nothing is sent to it for a while."),
    Rule("recipient.open", "The mode is `allow`: anyone may be mailed."),
    Rule("recipient.domain", "The address lies in a listed domain."),
    Rule("recipient.guest", "Mode `guests`: the address is an attendee or the organizer of that event."),
    Rule("recipient.confirmed", "Mode `opt-in`: the recipient confirmed that they want these mails."),
    Rule("recipient.ask", "Mode `opt-in`: the recipient was never asked; one question is mailed, and no alarm."),
    Rule("recipient.asked", "Mode `opt-in`: the recipient was asked and has not answered."),
    Rule("recipient.cap", "The account's alarms reached as many distinct addresses outside today as they may."),
    Rule("recipient.denied", "The address is outside and the mode does not admit it."),
)


def decide_recipient(facts: RecipientFacts, settings: ExternalRecipientSettings) -> Verdict:
    """Decide `permit`, `deny` or `ask` (mail one question, no alarm) for one address and one kind of mail."""
    verdict = first_match(_ORDER, facts, settings)
    if verdict.action in (PERMIT, ASK) and verdict.rule != "recipient.own" and facts.kind is MailKind.ALARM:
        return _over_the_cap(facts, settings) or verdict
    return verdict


def in_domains(address: str, domains: Iterable[str]) -> bool:
    """Tell whether an address lies in one of the domains; `*.d` means the subdomains of d, not d itself."""
    return first_matching(address, domains) is not None


def _own(facts: RecipientFacts, settings: ExternalRecipientSettings) -> Verdict | None:
    return Verdict(PERMIT, "recipient.own", "It is the account's own address") if facts.own else None


def _malformed(facts: RecipientFacts, settings: ExternalRecipientSettings) -> Verdict | None:
    if is_address(facts.address):
        return None
    return Verdict(DENY, "recipient.malformed", f"{facts.address[:80]!r} is not a plain mail address")


def _withdrawn(facts: RecipientFacts, settings: ExternalRecipientSettings) -> Verdict | None:
    if facts.kind is MailKind.ALARM and facts.consent is Consent.WITHDRAWN:
        return Verdict(DENY, "recipient.withdrawn", f"{facts.address} does not want alarm mails")
    return None


def _suppressed(facts: RecipientFacts, settings: ExternalRecipientSettings) -> Verdict | None:
    if facts.suppressed:
        return Verdict(DENY, "recipient.suppressed", f"Mail to {facts.address} is stopped: {facts.suppressed}")
    return None


def _local(facts: RecipientFacts, settings: ExternalRecipientSettings) -> Verdict | None:
    if facts.kind is MailKind.INVITATION and facts.local:
        return Verdict(PERMIT, "recipient.local", "It is an address of this gateway")
    return None


def _by_mode(facts: RecipientFacts, settings: ExternalRecipientSettings) -> Verdict | None:
    mode = settings.alarms if facts.kind is MailKind.ALARM else settings.invitations
    if mode == "allow":
        return Verdict(PERMIT, "recipient.open", "Anyone may be mailed")
    if mode == "deny":
        return None
    if in_domains(facts.address, settings.domains):
        return Verdict(PERMIT, "recipient.domain", f"{facts.address} lies in a listed domain")
    if mode is AlarmMode.GUESTS and facts.guest:
        return Verdict(PERMIT, "recipient.guest", f"{facts.address} takes part in the event")
    return _ANSWERS[facts.consent] if mode is AlarmMode.OPT_IN else None


_ANSWERS: dict[Consent, Verdict] = {
    Consent.CONFIRMED: Verdict(PERMIT, "recipient.confirmed", "The recipient asked for these mails"),
    Consent.UNKNOWN: Verdict(ASK, "recipient.ask", "The recipient must be asked first"),
    Consent.ASKED: Verdict(DENY, "recipient.asked", "The recipient was asked and has not answered"),
    Consent.WITHDRAWN: Verdict(DENY, "recipient.withdrawn", "The recipient does not want alarm mails"),
}


def _denied(facts: RecipientFacts, settings: ExternalRecipientSettings) -> Verdict:
    return Verdict(DENY, "recipient.denied", f"{facts.address} is outside and may not be mailed")


def _over_the_cap(facts: RecipientFacts, settings: ExternalRecipientSettings) -> Verdict | None:
    if facts.reached_today or facts.distinct_today < settings.max_alarm_recipients_per_day:
        return None
    most = settings.max_alarm_recipients_per_day
    return Verdict(
        DENY, "recipient.cap", f"The account's alarms reached {most} addresses outside today, as many as they may"
    )


_ORDER = (_own, _malformed, _withdrawn, _local, _suppressed, _by_mode, _denied)
