# SPDX-License-Identifier: Apache-2.0
"""Fire what is due: claim, judge, owe the mail, record, and plan the next firing, in one transaction per account.

A process may be killed at any point and any number of nodes may run: before the commit nothing happened, after it the
task is in the outbox and the firing in the memory of what fired, which admits each firing of each recipient once.
One account is one transaction because one mail gathers what is due for it (`min_trigger_interval`).
"""

import asyncio
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from gateway.flows.accounts import may
from gateway.flows.alarm_mails import AlarmWord, enqueue_alarm_mail
from gateway.flows.alarm_plans import Reader, plan_alarms, plan_reader, read_reader
from gateway.flows.alarm_recipients import Reached, choose_recipients
from gateway.flows.consents import wants_alarms
from gateway.flows.context import Context
from gateway.itip.alarms import NoMail
from gateway.itip.firings import Firing
from gateway.maillog import Verb, record
from gateway.metrics import Counter, Histogram
from gateway.store.accounts import Account
from gateway.store.alarms import FiredAlarm, Pace, PlannedAlarm
from gateway.store.journal import Entry
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit
from policies.alarms import (
    FIRE,
    FIRE_LATE,
    GATHER,
    MISSED,
    SKIP,
    AlarmFacts,
    AlarmSettings,
    decide_alarm,
    window_ends_at,
)
from policies.verdict import Verdict

__all__ = ["AlarmOutcome", "alarm_facts", "fire_account", "fire_due", "plan_alarms", "run_until", "settle_due"]

FIRED = Counter("imip_alarms_total", "Alarm firings settled, by outcome.")
DELAY = Histogram(
    "imip_alarm_delay_seconds", "From an alarm's time to the decision to mail it.", (1, 10, 60, 600, 3600)
)

#: After a long time of rest, how many firings of one alarm are looked at; what is older than the grace only counts.
_MOST_FIRINGS = 500
_REPEATED = Verdict(SKIP, "alarm.repeated", "A later repetition is due as well, and only the newest is sent")


@dataclass(frozen=True, slots=True)
class AlarmOutcome:
    """What became of one firing for one recipient ("" where it reached nobody)."""

    account: str
    recipient: str
    uid: str
    recurrence_id: str
    summary: str
    fire_at: datetime
    outcome: str  # sent | asked | gather | skip | missed
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Due:
    """A firing whose time has come, with all that decides about it."""

    item: StoredObject
    reader: Reader
    row: PlannedAlarm
    firing: Firing
    due_at: datetime
    verdict: Verdict = _REPEATED

    @property
    def waited(self) -> bool:
        """Whether this very firing waits for the next mail since before."""
        return bool(self.row.rule) and self.row.trigger_at == self.firing.at


async def fire_due(context: Context, *, worker: str = "", limit: int = 100) -> int:
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
    judged = [_judge(account, each, pace, settings, now) for each in due]
    apart = settings.min_trigger_interval <= timedelta()
    outcomes = [*_record_unsent(unit, account, judged, now), *_mail(unit, context, account, judged, now, apart=apart)]
    if any(outcome.outcome == "sent" for outcome in outcomes):
        pace = _next_pace(pace, outcomes, now)
        unit.alarms.set_pace(pace)
    again_at = window_ends_at(pace.last_mail_at, now, settings) or now + settings.min_trigger_interval
    _hold_or_let_go(unit, judged, rows, again_at)
    for item, reader in touched.values():
        if reader is not None:
            plan_reader(unit, item, reader, settings, now)
    return tuple(outcomes)


def alarm_facts(
    account: Account, item: StoredObject, reader: Reader, firing: Firing, *, now: datetime, pace: Pace
) -> AlarmFacts:
    """Return what the policy wants to know about a firing, as if it were due at its own time."""
    quiet = reader.quiet_reason(firing.component)
    today = pace.day == f"{now:%Y-%m-%d}"
    return AlarmFacts(
        now=now,
        fire_at=firing.at,
        due_at=firing.at,
        starts_at=firing.starts_at,
        ends_at=firing.ends_at,
        cancelled=_is(quiet, "alarm.cancelled"),
        declined=_is(quiet, "alarm.declined"),
        draft=item.is_draft,
        permitted=may(account, "alarms-send"),
        wanted=wants_alarms(account),
        subscribed=reader.is_subscribed,
        last_mail_at=pace.last_mail_at,
        mails_today=pace.mails if today else 0,
    )


def firing_identity(account_id: str, uid: str, firing: Firing, recipient: str) -> str:
    """Return the name under which a firing for a recipient is remembered for ever: it happens at most once."""
    words = (
        account_id, uid, firing.recurrence_id, firing.alarm.id, firing.at.isoformat(), str(firing.repetition), recipient
    )  # fmt: skip
    return hashlib.sha256("\x1f".join(words).encode("utf-8", "surrogateescape")).hexdigest()


def _is(quiet: NoMail | None, rule: str) -> bool:
    return quiet is not None and quiet.rule == rule


def _gather_due(
    unit: Unit, account: Account, rows: Iterable[PlannedAlarm], now: datetime, settings: AlarmSettings
) -> tuple[list[_Due], dict[str, tuple[StoredObject, Reader | None]]]:
    """Ask each row's event, as it stands now, what is due: an alarm that is no longer in it owes nothing."""
    due: list[_Due] = []
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
        due += (_Due(own, reader, row, firing, _due_at(row, firing)) for firing in firings)
    return sorted(due, key=lambda each: each.firing.at), touched


def _firings(reader: Reader, row: PlannedAlarm, now: datetime, settings: AlarmSettings) -> Iterator[Firing]:
    """What one alarm owes since it was last settled: the recent in full, of what is older than the grace some."""
    plan, key = reader.plan(quiet=False), frozenset((row.alarm_key,))
    recent = now - settings.late_grace - timedelta(days=1)
    if row.after_at < recent:
        yield from islice(plan.firings(row.after_at, recent, key), _MOST_FIRINGS)
    yield from islice(plan.firings(max(row.after_at, recent), now, key), _MOST_FIRINGS)


def _due_at(row: PlannedAlarm, firing: Firing) -> datetime:
    """A firing that waited for the end of a window was not to be looked at before."""
    return max(firing.at, row.fire_at) if row.rule else firing.at


def _judge(account: Account, due: _Due, pace: Pace, settings: AlarmSettings, now: datetime) -> _Due:
    facts = alarm_facts(account, due.item, due.reader, due.firing, now=now, pace=pace)
    return replace(due, verdict=decide_alarm(replace(facts, due_at=min(due.due_at, now)), settings))


def _newest(judged: Iterable[_Due]) -> set[int]:
    """Of the repetitions of one alarm of one occurrence that would all be mailed now, the last one of each."""
    last: dict[tuple[str, str, str], int] = {}
    for place, each in enumerate(judged):
        if each.verdict.action in (FIRE, FIRE_LATE):
            last[each.item.id, each.firing.alarm.key, each.firing.recurrence_id] = place
    return set(last.values())


def _record_unsent(unit: Unit, account: Account, judged: list[_Due], now: datetime) -> Iterator[AlarmOutcome]:
    newest = _newest(judged)
    for place, each in enumerate(judged):
        if each.verdict.action in (FIRE, FIRE_LATE) and place not in newest:
            judged[place] = each = replace(each, verdict=_REPEATED)
        if each.verdict.action in (SKIP, MISSED, GATHER):
            outcome = _outcome(account, each, "", each.verdict.action, each.verdict)
            waits = each.verdict.action == GATHER
            known = each.waited if waits else not _remember(unit, account, each, "", each.verdict, now)
            if not known:
                _journal(unit, account, outcome, now)
                yield outcome


def _mail(
    unit: Unit, context: Context, account: Account, judged: Iterable[_Due], now: datetime, *, apart: bool
) -> Iterator[AlarmOutcome]:
    """Owe the mails: one for each recipient with all that is for them; `apart`, one for each alarm."""
    words: dict[tuple[str, int], list[AlarmWord]] = {}
    reached: dict[str, Reached] = {}
    for place, each in enumerate(each for each in judged if each.verdict.action in (FIRE, FIRE_LATE)):
        chosen = choose_recipients(unit, context, account, each.firing, now=now)
        for refusal in chosen.refused:
            _journal(unit, account, _outcome(account, each, refusal.address, refusal.outcome, refusal.verdict), now)
            if refusal.outcome == "asked":
                _remember(unit, account, each, refusal.address, refusal.verdict, now, outcome="asked")
        for recipient in chosen.reached:
            if _remember(unit, account, each, recipient.address, each.verdict, now, outcome="sent"):
                outcome = _outcome(account, each, recipient.address, "sent", each.verdict)
                _journal(unit, account, outcome, now)
                yield outcome
                reached[recipient.address] = recipient
                word = AlarmWord(each.item, each.reader, each.firing, is_late=each.verdict.action == FIRE_LATE)
                words.setdefault((recipient.address, place if apart else 0), []).append(word)
    for (address, _), said in words.items():
        enqueue_alarm_mail(unit, context, account, reached[address], said, now=now)


def _hold_or_let_go(unit: Unit, judged: Iterable[_Due], rows: Iterable[PlannedAlarm], again_at: datetime) -> None:
    """Let go of the settled rows, and hold until the next mail what waits for it."""
    waiting: dict[str, _Due] = {}
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


def _next_pace(pace: Pace, outcomes: Iterable[AlarmOutcome], now: datetime) -> Pace:
    day = f"{now:%Y-%m-%d}"
    mails = len({outcome.recipient for outcome in outcomes if outcome.outcome == "sent"})
    return replace(pace, last_mail_at=now, day=day, mails=mails + (pace.mails if pace.day == day else 0))


def _remember(
    unit: Unit, account: Account, due: _Due, recipient: str, verdict: Verdict, now: datetime, *, outcome: str = ""
) -> bool:
    return unit.alarms.mark_fired(
        FiredAlarm(
            identity=firing_identity(account.id, due.item.uid, due.firing, recipient),
            account_id=account.id,
            object_id=due.item.id,
            recipient=recipient,
            fire_at=due.firing.at,
            outcome=outcome or verdict.action,
            rule=verdict.rule,
            at=now,
        )
    )


def _outcome(account: Account, due: _Due, recipient: str, outcome: str, verdict: Verdict) -> AlarmOutcome:
    return AlarmOutcome(
        account=account.address,
        recipient=recipient,
        uid=due.item.uid,
        recurrence_id=due.firing.recurrence_id,
        summary=due.item.summary,
        fire_at=due.firing.at,
        outcome=outcome,
        rule=verdict.rule,
        reason=verdict.reason,
    )


def _journal(unit: Unit, account: Account, outcome: AlarmOutcome, now: datetime) -> None:
    unit.journal.write(
        Entry(
            at=now,
            stage="alarm",
            outcome=outcome.outcome,
            rule=outcome.rule,
            reason=outcome.reason,
            account_id=account.id,
            recipient=outcome.recipient or None,
            uid=outcome.uid,
            recurrence_id=outcome.recurrence_id or None,
            method="ALARM",
            facts={"fire_at": outcome.fire_at.isoformat()},
        )
    )
