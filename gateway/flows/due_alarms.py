# SPDX-License-Identifier: Apache-2.0
"""Fire what is due: claim, judge, owe the mail, record, and plan the next firing, in one transaction per account.

A process may be killed at any point and any number of nodes may run: before the commit nothing happened, after it the
task is in the outbox and the firing in the memory of what fired, which admits each firing of each recipient once.
One account is one transaction because one mail gathers what is due for it (`min_trigger_interval`).
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from gateway.flows.accounts import may
from gateway.flows.acknowledging import acknowledge
from gateway.flows.alarm_mails import AlarmWord, enqueue_alarm_mail
from gateway.flows.alarm_plans import Reader, plan_alarms, plan_reader, read_reader
from gateway.flows.alarm_recipients import Reached, choose_recipients
from gateway.flows.alarm_records import AlarmOutcome, Due, outcome_of, record_unsent, remember, write_journal
from gateway.flows.consents import wants_alarms
from gateway.flows.context import Context
from gateway.itip.alarms import NoMail
from gateway.itip.firings import Firing
from gateway.maillog import Verb, record
from gateway.metrics import Counter, Histogram
from gateway.store.accounts import Account
from gateway.store.alarms import Pace, PlannedAlarm
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit
from policies.alarms import (
    FIRE_LATE,
    GATHER,
    AlarmFacts,
    AlarmSettings,
    decide_alarm,
    window_ends_at,
)

__all__ = ["AlarmOutcome", "alarm_facts", "fire_account", "fire_due", "plan_alarms", "run_until", "settle_due"]

FIRED = Counter("imip_alarms_total", "Alarm firings settled, by outcome.")
DELAY = Histogram(
    "imip_alarm_delay_seconds", "From an alarm's time to the decision to mail it.", (1, 10, 60, 600, 3600)
)

DAY = timedelta(days=1)
#: After a long time of rest, how many firings of one alarm are looked at; what is older than the grace only counts.
_MOST_FIRINGS = 500


async def fire_due(context: Context, *, limit: int = 100) -> int:
    """Settle every alarm that is due now; the number of firings settled."""
    outcomes = await settle_due(context, context.clock.now(), limit=limit)
    if outcomes:
        context.wake()
    return len(outcomes)


async def run_until(context: Context, until: datetime) -> tuple[AlarmOutcome, ...]:
    """Settle everything that is due up to `until`, each at its own time (or now, where that is past), in order."""
    outcomes: list[AlarmOutcome] = []
    while True:
        due_at = await context.store.read(lambda unit: unit.alarms.next_due())
        if due_at is None or due_at > until:
            break
        outcomes += await settle_due(context, max(due_at, context.clock.now()))
    if outcomes:
        context.wake()
    return tuple(outcomes)


async def settle_due(context: Context, now: datetime, *, limit: int = 100) -> tuple[AlarmOutcome, ...]:
    """Settle what is due at `now`, account by account, and tell what became of each firing."""
    accounts = await context.store.read(lambda unit: unit.alarms.due_accounts(now, limit))
    settling = (
        context.store.write(partial(fire_account, context=context, account_id=account_id, now=now))
        for account_id in accounts
    )
    outcomes = [outcome for settled in await asyncio.gather(*settling) for outcome in settled]
    for outcome in outcomes:
        verb = Verb.FIRED if outcome.outcome == "sent" else Verb.SKIPPED
        record(verb, rule=outcome.rule, account=outcome.account, rcpt=outcome.recipient, uid=outcome.uid)
        FIRED.add(outcome=outcome.outcome)
        if outcome.outcome == "sent":
            DELAY.observe(max(0.0, (now - outcome.fire_at).total_seconds()))
    return tuple(outcomes)


def fire_account(unit: Unit, context: Context, account_id: str, now: datetime) -> tuple[AlarmOutcome, ...]:
    """Settle everything that is due for one account, in this transaction."""
    pace, rows = unit.alarms.claim(account_id, now)
    account = unit.accounts.get(account_id)
    if account is None or not rows:
        return ()
    settings = context.policy(unit).alarms
    due, touched = _gather_due(unit, account, rows, now, settings)
    apart = settings.min_trigger_interval <= timedelta()
    mails = len(unit.alarms.mailed_at(account_id, now - DAY, now, apart=apart))
    judged = _judge(account, due, pace, settings, now, mails)
    unsent = list(record_unsent(unit, account, judged, now))
    sent, said = _mail(unit, context, account, judged, now, apart=apart)
    _acknowledge(unit, account, said, now)
    if said:
        pace = replace(pace, last_mail_at=now)
        unit.alarms.set_pace(pace)
    again_at = window_ends_at(pace.last_mail_at, now, settings) or now + settings.min_trigger_interval
    _hold_or_let_go(unit, judged, rows, again_at)
    for item, reader in touched.values():
        if reader is not None:
            plan_reader(unit, item, reader, settings, now)
    return (*unsent, *sent)


def alarm_facts(
    account: Account, item: StoredObject, reader: Reader, firing: Firing, *, now: datetime, pace: Pace, mails: int
) -> AlarmFacts:
    """Return what the policy wants to know about a firing, as if it were due at its own time."""
    quiet = reader.quiet_reason(firing.component)
    return AlarmFacts(
        now=now,
        fire_at=firing.at,
        due_at=firing.at,
        starts_at=firing.starts_at,
        ends_at=firing.ends_at,
        cancelled=_is(quiet, "alarm.cancelled"),
        declined=_is(quiet, "alarm.declined"),
        completed=_is(quiet, "alarm.completed"),
        draft=item.is_draft,
        permitted=may(account, "alarms-send"),
        wanted=wants_alarms(account),
        subscribed=reader.is_subscribed,
        last_mail_at=pace.last_mail_at,
        mails_today=mails,
    )


def _is(quiet: NoMail | None, rule: str) -> bool:
    return quiet is not None and quiet.rule == rule


def _gather_due(
    unit: Unit, account: Account, rows: Iterable[PlannedAlarm], now: datetime, settings: AlarmSettings
) -> tuple[list[Due], dict[str, tuple[StoredObject, Reader | None]]]:
    """Ask each row's event, as it stands now, what is due: an alarm that is no longer in it owes nothing."""
    due: list[Due] = []
    touched: dict[str, tuple[StoredObject, Reader | None]] = {}
    items = unit.objects.get_many({row.object_id for row in rows})
    for item in items.values():
        touched[item.id] = item, read_reader(unit, item, account)
    for row in rows:
        found = touched.get(row.object_id)
        if found is None or found[1] is None:
            continue
        own, reader = found[0], found[1]
        firings = _firings(reader, row, now, settings)
        due += (Due(own, reader, row, firing, _due_at(row, firing)) for firing in firings)
    return sorted(due, key=lambda each: each.firing.at), touched


def _firings(reader: Reader, row: PlannedAlarm, now: datetime, settings: AlarmSettings) -> Iterator[Firing]:
    """What one alarm owes since it was last settled: the recent in full, of what is older than the grace some."""
    plan, key = reader.plan(quiet=False), frozenset((row.alarm_key,))
    recent = now - settings.late_grace - DAY
    if row.after_at < recent:
        yield from islice(plan.firings(row.after_at, recent, key), _MOST_FIRINGS)
    yield from islice(plan.firings(max(row.after_at, recent), now, key), _MOST_FIRINGS)


def _due_at(row: PlannedAlarm, firing: Firing) -> datetime:
    """A firing that waited for the end of a window was not to be looked at before."""
    return max(firing.at, row.fire_at) if row.rule else firing.at


def _judge(
    account: Account, due: Iterable[Due], pace: Pace, settings: AlarmSettings, now: datetime, mails: int
) -> list[Due]:
    """Decide about each; where each makes a mail of its own, those before it count against the day's cap."""
    judged: list[Due] = []
    apart = settings.min_trigger_interval <= timedelta()
    for each in due:
        facts = alarm_facts(account, each.item, each.reader, each.firing, now=now, pace=pace, mails=mails)
        judged.append(replace(each, verdict=decide_alarm(replace(facts, due_at=min(each.due_at, now)), settings)))
        mails += apart and judged[-1].fires
    return judged


def _mail(
    unit: Unit, context: Context, account: Account, judged: Iterable[Due], now: datetime, *, apart: bool
) -> tuple[list[AlarmOutcome], list[AlarmWord]]:
    """Owe the mails: one for each recipient with all that is for them; `apart`, one for each alarm."""
    outcomes: list[AlarmOutcome] = []
    words: dict[tuple[str, int], list[AlarmWord]] = {}
    reached: dict[str, Reached] = {}
    for place, each in enumerate(each for each in judged if each.fires):
        chosen = choose_recipients(unit, context, account, each.firing, now=now)
        for recipient in chosen.reached:
            if remember(unit, account, each, recipient.address, each.verdict, now, outcome="sent"):
                outcomes.append(outcome_of(account, each, recipient.address, "sent", each.verdict))
                write_journal(unit, account, outcomes[-1], now)
                reached[recipient.address] = recipient
                is_late = each.verdict.action == FIRE_LATE
                word = AlarmWord(each.item, each.reader, each.firing, is_late, recipient.unreached)
                words.setdefault((recipient.address, place if apart else 0), []).append(word)
        for refusal in chosen.refused:
            if remember(unit, account, each, refusal.address, refusal.verdict, now, outcome=refusal.outcome):
                outcomes.append(outcome_of(account, each, refusal.address, refusal.outcome, refusal.verdict))
                write_journal(unit, account, outcomes[-1], now)
    for (address, _), said in words.items():
        enqueue_alarm_mail(unit, context, account, reached[address], said, now=now)
    return outcomes, [word for said in words.values() for word in said]


def _acknowledge(unit: Unit, account: Account, said: Iterable[AlarmWord], now: datetime) -> None:
    told: dict[str, list[AlarmWord]] = {}
    for word in said:
        told.setdefault(word.item.id, []).append(word)
    for words in told.values():
        acknowledge(unit, account, words[0].item, [word.firing for word in words], now)


def _hold_or_let_go(unit: Unit, judged: Iterable[Due], rows: Iterable[PlannedAlarm], again_at: datetime) -> None:
    """Let go of the settled rows, and hold until the next mail what waits for it."""
    waiting: dict[str, Due] = {}
    for each in judged:
        if each.verdict.action == GATHER:
            waiting.setdefault(each.row.id, each)
    for row in rows:
        held = waiting.get(row.id)
        if held is None:
            unit.alarms.remove(row.id)
            continue
        before = held.firing.at - timedelta(microseconds=1)
        unit.alarms.put(
            replace(
                row, fire_at=again_at, trigger_at=held.firing.at, after_at=before, rule=held.verdict.rule,
                recurrence_id=held.firing.recurrence_id, repetition=held.firing.repetition,
            )
        )  # fmt: skip
