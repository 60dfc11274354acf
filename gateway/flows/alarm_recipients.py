# SPDX-License-Identifier: Apache-2.0
"""Whom a firing reaches: the owner, or each ATTENDEE of the alarm as far as the external-recipient policy admits them.

Where somebody may not be mailed, the owner is mailed instead, and the refusal is recorded with its rule.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway.flows.context import Context
from gateway.flows.links import mint_account_link
from gateway.flows.notices import enqueue_notice
from gateway.itip.address import normal_address, normal_addresses
from gateway.itip.firings import Firing
from gateway.itip.tree import Component
from gateway.store.accounts import Account
from gateway.store.alarms import AlarmConsent
from gateway.store.unit import Unit
from policies.alarms import effective_recipients
from policies.external_recipients import ASK, PERMIT, Consent, MailKind, RecipientFacts, decide_recipient
from policies.verdict import Verdict

#: How long the question to somebody outside may be answered, and the way to unsubscribe works.
LINK_LIFE = timedelta(days=400)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Reached:
    """One address that is mailed; `is_own` where it is the account's. `unreached` are those for whom it stands in."""

    address: str
    is_own: bool
    unreached: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreached:
    """One address that is not mailed. `outcome`: `deny`, or `asked` where the one question went out instead."""

    address: str
    outcome: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Recipients:
    """Who is mailed, and who is not."""

    reached: tuple[Reached, ...]
    refused: tuple[Unreached, ...] = ()


def judge_recipient(
    unit: Unit, context: Context, account: Account, firing: Firing, address: str, *, now: datetime, also: set[str]
) -> tuple[RecipientFacts, Verdict]:
    """Decide about one address of an alarm; nothing is written. `also` are addresses this firing reaches already."""
    policy = context.policy(unit)
    normal = normal_address(address)
    local = unit.accounts.by_address(normal)
    consent = unit.alarms.consent(account.id, normal)
    suppression = unit.sent.suppressed(normal, "alarm", now)
    today = unit.alarms.reached_since(account.id, now - _DAY)
    outside = (today | also) - normal_addresses(unit.accounts.addresses(account.id))
    facts = RecipientFacts(
        kind=MailKind.ALARM,
        address=normal,
        own=local is not None and local.id == account.id,
        local=local is not None,
        guest=_takes_part(firing.component, normal),
        consent=Consent(consent.state) if consent else Consent.UNKNOWN,
        suppressed=suppression.reason if suppression else None,
        reached_today=normal in outside,
        distinct_today=len(outside),
    )
    return facts, decide_recipient(facts, effective_recipients(policy.external_recipients, policy.alarms))


def choose_recipients(unit: Unit, context: Context, account: Account, firing: Firing, *, now: datetime) -> Recipients:
    """Choose whom a firing reaches, asking strangers where the policy says so."""
    if not firing.alarm.recipients:
        return Recipients((Reached(account.address, True),))
    reached: list[Reached] = []
    refused: list[Unreached] = []
    also: set[str] = set()
    for address in firing.alarm.recipients:
        facts, verdict = judge_recipient(unit, context, account, firing, address, now=now, also=also)
        if verdict.action == PERMIT:
            reached.append(Reached(facts.address, facts.own))
            also.add(facts.address)
        elif verdict.action == ASK and _ask(unit, context, account, facts.address, now):
            refused.append(Unreached(facts.address, "asked", verdict))
            also.add(facts.address)
        else:
            refused.append(Unreached(facts.address, "deny", verdict))
    if refused and not any(each.is_own for each in reached):
        reached.append(Reached(account.address, True))
    unreached = tuple(each.address for each in refused)
    told = (replace(each, unreached=unreached) if each.is_own else each for each in reached)
    return Recipients(tuple(dict.fromkeys(told)), tuple(refused))


def _ask(unit: Unit, context: Context, account: Account, address: str, now: datetime) -> bool:
    """Mail the one question; without a page to answer on there is nothing to ask with."""
    page = mint_account_link(
        unit, context, "confirm", account.id, address, expires_at=now + LINK_LIFE, token=context.ids.token()
    )
    if not page:
        return False
    unit.alarms.put_consent(AlarmConsent(account.id, address, Consent.ASKED.value, asked_at=now))
    enqueue_notice(
        unit, context, account, "consent", address, None,
        by=account.address, by_name=account.name, address=address, page=page,
    )  # fmt: skip
    return True


def _takes_part(component: Component, address: str) -> bool:
    return any(normal_address(line.value) == address for line in component.all("ATTENDEE", "ORGANIZER"))
