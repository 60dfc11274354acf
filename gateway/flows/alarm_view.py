# SPDX-License-Identifier: Apache-2.0
"""What will fire when, for whom, and why not: the present events asked as the worker would, with nothing written.

The interval between mails is played through in time, so the list says of each alarm whether it makes a mail, waits
for the next one, or would come too late.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from gateway.flows.accounts import may
from gateway.flows.alarm_plans import LOOK_AHEAD, Reader, read_reader
from gateway.flows.alarm_recipients import judge_recipient
from gateway.flows.alarm_records import firing_identity
from gateway.flows.consents import wants_alarms
from gateway.flows.context import Context
from gateway.flows.due_alarms import DAY, alarm_facts
from gateway.itip.address import normal_address
from gateway.itip.firings import Firing
from gateway.store.accounts import Account
from gateway.store.alarms import FiredAlarm, Pace, PlannedAlarm
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit
from policies import alarms, external_recipients
from policies.alarms import FIRE, FIRE_LATE, GATHER, SKIP, AlarmFacts, AlarmSettings, decide_alarm, window_ends_at
from policies.external_recipients import PERMIT
from policies.verdict import Verdict

_MEANINGS = {rule.id: rule.meaning for rule in (*alarms.RULES, *external_recipients.RULES)}


@dataclass(frozen=True, slots=True)
class WouldReach:
    """One address of an alarm, and whether it is mailed."""

    address: str
    action: str
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Upcoming:
    """One firing to come. `action` is what will become of it: fire, gather, skip or missed."""

    fire_at: datetime
    uid: str
    summary: str
    recurrence_id: str
    starts_at: datetime
    repetition: int
    recipients: tuple[WouldReach, ...]
    action: str
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Silent:
    """An alarm that makes no mail at all, and why."""

    uid: str
    summary: str
    recurrence_id: str
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Past:
    """What became of one firing for one recipient. `uid` is "" where the event is gone."""

    fire_at: datetime
    uid: str
    summary: str
    recipient: str
    outcome: str
    rule: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AlarmForecast:
    """Everything about an account's alarms from an instant on."""

    upcoming: tuple[Upcoming, ...]
    silent: tuple[Silent, ...]


def forecast(unit: Unit, context: Context, account: Account, at: datetime, *, limit: int = 50) -> AlarmForecast:
    """Tell what an account's alarms will do after `at`, the soonest first."""
    seen = [(item, reader) for item in _items(unit, account) if (reader := read_reader(unit, item, account))]
    settings = context.policy(unit).alarms
    silent: list[Silent] = []
    for item, reader in seen:
        plan = reader.plan(quiet=True)
        if len(plan.alarms) > settings.max_alarms_per_object:
            reason = f"Of its {len(plan.alarms)} alarms the soonest {settings.max_alarms_per_object} are planned"
            silent.append(Silent(item.uid, item.summary, "", "alarm.too-many", reason))
        for no_mail in plan.without_mail:
            silent.append(Silent(item.uid, item.summary, no_mail.recurrence_id, no_mail.rule, no_mail.reason))
        silent += _over(item, reader, at)
    firings = heapq.merge(*(_firings(item, reader, at) for item, reader in seen), key=lambda each: each[2].at)
    upcoming: list[Upcoming] = []
    player = _Player(unit, account, at, settings)
    mailed = unit.alarms.mailed_for(account.id, at)
    ahead = (each for each in firings if not _was_mailed(account, each[0], each[2], mailed))
    for item, reader, firing in islice(ahead, limit):
        upcoming.append(_upcoming(unit, context, account, item, firing, player.judge(item, reader, firing)))
    return AlarmForecast(tuple(upcoming), tuple(silent))


def _was_mailed(account: Account, item: StoredObject, firing: Firing, mailed: frozenset[str]) -> bool:
    """Whether a firing that lies ahead went out before: it was run ahead of time, or the clock was put back."""
    if not mailed:
        return False
    recipients = (account.address, *map(normal_address, firing.alarm.recipients))
    return any(firing_identity(account.id, item.uid, firing, each) in mailed for each in recipients)


class _Player:
    """The interval between mails and the day's cap, played through firing by firing."""

    def __init__(self, unit: Unit, account: Account, at: datetime, settings: AlarmSettings) -> None:
        self._account, self._settings = account, settings
        self._apart = settings.min_trigger_interval <= timedelta()
        self._pace = self._before = unit.alarms.pace(account.id)
        self._mails = list(unit.alarms.mailed_at(account.id, at - DAY, at, apart=self._apart))
        self._held_until: datetime | None = None

    def judge(self, item: StoredObject, reader: Reader, firing: Firing) -> Verdict:
        """Decide about the next firing, and remember the mail that it makes."""
        if self._held_until is not None and firing.at >= self._held_until:
            self._mailed(self._pace, self._held_until)
        shares = self._pace.last_mail_at == firing.at and not self._apart  # what is due at one moment shares one mail
        known = self._before if shares else self._pace
        mails = sum(firing.at - DAY < each < firing.at or (self._apart and each == firing.at) for each in self._mails)
        facts = alarm_facts(self._account, item, reader, firing, now=firing.at, pace=known, mails=mails)
        verdict = decide_alarm(facts, self._settings)
        if verdict.action in (FIRE, FIRE_LATE):
            self._mailed(known, firing.at, count=0 if shares else 1)
        elif verdict.action == GATHER:
            ends_at = window_ends_at(self._pace.last_mail_at, firing.at, self._settings)
            self._held_until = self._held_until or ends_at
        return verdict

    def _mailed(self, before: Pace, at: datetime, *, count: int = 1) -> None:
        self._before, self._pace, self._held_until = before, replace(self._pace, last_mail_at=at), None
        self._mails += [at] * count


def why_not(
    account: Account, item: StoredObject, row: PlannedAlarm, at: datetime, settings: AlarmSettings
) -> Verdict | None:
    """Return what keeps a planned alarm from a mail at its time, as far as that is known without its event's text."""
    if row.rule:
        return Verdict(GATHER, row.rule, _MEANINGS.get(row.rule, ""))
    verdict = decide_alarm(
        AlarmFacts(
            now=at, fire_at=at, due_at=at, starts_at=at, ends_at=at,
            draft=item.is_draft, permitted=may(account, "alarms-send"), wanted=wants_alarms(account),
        ),
        settings,
    )  # fmt: skip
    return verdict if verdict.action == SKIP else None


def history(unit: Unit, account: Account, limit: int = 50) -> tuple[Past, ...]:
    """Tell what became of an account's alarms, the newest first."""
    fired = unit.alarms.fired(account.id, limit)
    items = unit.objects.get_many({each.object_id for each in fired})
    return tuple(_past(each, items.get(each.object_id)) for each in fired)


def _past(fired: FiredAlarm, item: StoredObject | None) -> Past:
    uid, summary = (item.uid, item.summary) if item is not None else ("", "")
    return Past(
        fire_at=fired.fire_at,
        uid=uid,
        summary=summary,
        recipient=fired.recipient,
        outcome=fired.outcome,
        rule=fired.rule,
        reason=_MEANINGS.get(fired.rule, ""),
        at=fired.at,
    )


def _items(unit: Unit, account: Account) -> tuple[StoredObject, ...]:
    """The account's own objects, and those shared with it of which something is planned."""
    own = unit.objects.of_account(account.id)
    known = {item.id for item in own}
    shared = unit.objects.get_many({row.object_id for row in unit.alarms.of_account(account.id)} - known)
    return (*own, *shared.values())


def _firings(item: StoredObject, reader: Reader, at: datetime) -> Iterator[tuple[StoredObject, Reader, Firing]]:
    for firing in reader.plan(quiet=True).firings(at, at + LOOK_AHEAD):
        yield item, reader, firing


def _over(item: StoredObject, reader: Reader, at: datetime) -> Iterator[Silent]:
    """The alarms of an event that is not over which fire no more, and why."""
    plan = reader.plan(quiet=True)
    if item.ends_at is not None and item.ends_at <= at:
        return
    firing = {first.alarm.key for first in plan.next_firings(at, at + LOOK_AHEAD)} | plan.may_fire_after(
        at + LOOK_AHEAD
    )
    for _, alarm in plan.alarms:
        if alarm.key in firing:
            continue
        known = alarm.acknowledged_at
        rule, reason = (
            ("alarm.acknowledged", f"It is acknowledged up to {known:%Y-%m-%dT%H:%M:%SZ}")
            if known is not None
            else ("alarm.past", "Its time is past")
        )
        yield Silent(item.uid, item.summary, alarm.recurrence_id, rule, reason)


def _upcoming(
    unit: Unit, context: Context, account: Account, item: StoredObject, firing: Firing, verdict: Verdict
) -> Upcoming:
    return Upcoming(
        fire_at=firing.at,
        uid=item.uid,
        summary=item.summary,
        recurrence_id=firing.recurrence_id,
        starts_at=firing.starts_at,
        repetition=firing.repetition,
        recipients=_would_reach(unit, context, account, firing),
        action=verdict.action,
        rule=verdict.rule,
        reason=verdict.reason,
    )


def _would_reach(unit: Unit, context: Context, account: Account, firing: Firing) -> tuple[WouldReach, ...]:
    owner = WouldReach(account.address, PERMIT, "recipient.own", "It is the account's own address")
    if not firing.alarm.recipients:
        return (owner,)
    found: list[WouldReach] = []
    also: set[str] = set()
    instead, has_own = False, False
    for address in firing.alarm.recipients:
        facts, verdict = judge_recipient(unit, context, account, firing, address, now=firing.at, also=also)
        also |= {facts.address} if verdict.action == PERMIT else set()
        found.append(WouldReach(facts.address, verdict.action, verdict.rule, verdict.reason))
        instead, has_own = instead or verdict.action != PERMIT, has_own or facts.own
    return (*found, owner) if instead and not has_own else tuple(found)
