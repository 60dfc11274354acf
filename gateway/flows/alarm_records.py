# SPDX-License-Identifier: Apache-2.0
"""What became of a firing: remembered for ever, written in the journal, told to whoever asked.

The memory admits each firing of each recipient once, whatever is edited, killed or put back later.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.flows.alarm_plans import Reader
from gateway.itip.firings import Firing
from gateway.store.accounts import Account
from gateway.store.alarms import FiredAlarm, PlannedAlarm
from gateway.store.journal import Entry
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit
from policies.alarms import FIRE, FIRE_LATE, GATHER, MISSED, SKIP
from policies.verdict import Verdict

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
    outcome: str  # sent | asked | deny | gather | skip | missed
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Due:
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

    @property
    def fires(self) -> bool:
        """Whether it is to be mailed now."""
        return self.verdict.action in (FIRE, FIRE_LATE)


def firing_identity(account_id: str, uid: str, firing: Firing, recipient: str) -> str:
    """Return the name under which a firing for a recipient is remembered for ever: it happens at most once."""
    words = (
        account_id, uid, firing.recurrence_id, firing.alarm.id, firing.at.isoformat(), str(firing.repetition), recipient
    )  # fmt: skip
    return hashlib.sha256("\x1f".join(words).encode("utf-8", "surrogateescape")).hexdigest()


def _newest(judged: Iterable[Due]) -> set[int]:
    """Of the repetitions of one alarm of one occurrence that would all be mailed now, the last one of each."""
    last: dict[tuple[str, str, str], int] = {}
    for place, each in enumerate(judged):
        if each.fires:
            last[each.item.id, each.firing.alarm.key, each.firing.recurrence_id] = place
    return set(last.values())


def record_unsent(unit: Unit, account: Account, judged: list[Due], now: datetime) -> Iterator[AlarmOutcome]:
    """Record what is not mailed now, and why; of repetitions that would all be mailed only the newest stays in."""
    newest = _newest(judged)
    for place, each in enumerate(judged):
        if each.fires and place not in newest:
            judged[place] = each = replace(each, verdict=_REPEATED)
        if each.verdict.action in (SKIP, MISSED, GATHER):
            outcome = outcome_of(account, each, "", each.verdict.action, each.verdict)
            waits = each.verdict.action == GATHER
            known = each.waited if waits else not remember(unit, account, each, "", each.verdict, now)
            if not known:
                write_journal(unit, account, outcome, now)
                yield outcome


def remember(
    unit: Unit, account: Account, due: Due, recipient: str, verdict: Verdict, now: datetime, *, outcome: str = ""
) -> bool:
    """Remember a firing for a recipient; False where it was remembered before: then nothing may be sent."""
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


def outcome_of(account: Account, due: Due, recipient: str, outcome: str, verdict: Verdict) -> AlarmOutcome:
    """Return what is told of a firing."""
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


def write_journal(unit: Unit, account: Account, outcome: AlarmOutcome, now: datetime) -> None:
    """Write what became of a firing where an operator reads it."""
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
