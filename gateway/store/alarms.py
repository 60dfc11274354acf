# SPDX-License-Identifier: Apache-2.0
"""Alarm rows (one per alarm of a user: its next firing), what fired, how often, and who outside agreed to it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from gateway.store import schema
from gateway.store.rows import insert_new, record, records, upsert, values

#: Zone rules have moved a clock by a whole day, and never by more.
_RULES_MOVE = timedelta(hours=25)


@dataclass(frozen=True, slots=True)
class PlannedAlarm:
    """The next firing of an alarm. `fire_at` is when to look; without `trigger_at` there is only looking again."""

    id: str
    account_id: str
    object_id: str
    alarm_key: str
    recurrence_id: str
    fire_at: datetime
    trigger_at: datetime | None
    after_at: datetime
    repetition: int = 0
    rule: str = ""


@dataclass(frozen=True, slots=True)
class FiredAlarm:
    """What became of one firing for one recipient; its identity makes a second time impossible."""

    identity: str
    account_id: str
    object_id: str
    recipient: str
    fire_at: datetime
    outcome: str  # sent | asked | deny | skip | missed
    rule: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Pace:
    """The latest alarm mail of an account."""

    account_id: str
    last_mail_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AlarmConsent:
    """What somebody outside said about an account's alarm mails. `state`: asked, confirmed or withdrawn."""

    account_id: str
    address: str
    state: str
    asked_at: datetime | None = None
    answered_at: datetime | None = None


class Alarms:
    """What will fire, what did, and to whom it may go."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    # planned

    def replace(self, object_id: str, account_id: str, planned: Iterable[PlannedAlarm]) -> None:
        """Make these the only planned firings of an object for a user: no stale row survives an edit."""
        table = schema.alarms
        own = (table.c.object_id == object_id, table.c.account_id == account_id)
        self._connection.execute(sa.delete(table).where(*own))
        rows = [values(alarm) for alarm in planned]
        if rows:
            self._connection.execute(sa.insert(table), rows)

    def concerns(self, object_id: str) -> bool:
        """Whether an object has planned alarms, or somebody's own settings that may hold some."""
        return bool(self._connection.execute(_CONCERNS, {"object_id": object_id}).scalar())

    def of_object(self, object_id: str, account_id: str) -> tuple[PlannedAlarm, ...]:
        """Return what is planned of an object for a user, the soonest first."""
        table = schema.alarms
        query = sa.select(table).where(table.c.object_id == object_id, table.c.account_id == account_id)
        return records(PlannedAlarm, self._connection.execute(query.order_by(table.c.fire_at, table.c.id)))

    def planned_for(self, object_id: str) -> frozenset[str]:
        """Return the accounts for whom something of an object is planned."""
        query = sa.select(schema.alarms.c.account_id).where(schema.alarms.c.object_id == object_id).distinct()
        return frozenset(self._connection.execute(query).scalars())

    def of_account(self, account_id: str, limit: int = 100) -> tuple[PlannedAlarm, ...]:
        """Return what is planned for an account, the soonest first."""
        table = schema.alarms
        query = sa.select(table).where(table.c.account_id == account_id)
        query = query.order_by(table.c.fire_at, table.c.id).limit(limit)
        return records(PlannedAlarm, self._connection.execute(query))

    def all(self, limit: int = 1000) -> tuple[PlannedAlarm, ...]:
        """Return what fires next, of every account."""
        table = schema.alarms
        query = sa.select(table).order_by(table.c.fire_at, table.c.id).limit(limit)
        return records(PlannedAlarm, self._connection.execute(query))

    def get(self, alarm_id: str) -> PlannedAlarm | None:
        query = sa.select(schema.alarms).where(schema.alarms.c.id == alarm_id)
        return record(PlannedAlarm, self._connection.execute(query).first())

    def put(self, planned: PlannedAlarm) -> None:
        upsert(self._connection, schema.alarms, values(planned))

    def look_again(self, now: datetime) -> int:
        """Let each firing that is planned after `now` be planned anew, longer before it than zone rules can move it."""
        table = schema.alarms
        planned = (table.c.fire_at > now, table.c.trigger_at.is_not(None), table.c.rule == "")
        earlier = sa.type_coerce(table.c.fire_at, sa.BigInteger) - _RULES_MOVE // timedelta(microseconds=1)
        far = sa.update(table).where(*planned, table.c.fire_at > now + _RULES_MOVE)
        near = sa.update(table).where(*planned)  # the far ones have no trigger any more
        execute = self._connection.execute
        return sum(
            execute(query.values(trigger_at=None, fire_at=at)).rowcount for query, at in ((far, earlier), (near, now))
        )

    def remove(self, alarm_id: str) -> None:
        self._connection.execute(sa.delete(schema.alarms).where(schema.alarms.c.id == alarm_id))

    # due

    def due_accounts(self, now: datetime, limit: int = 100) -> tuple[str, ...]:
        """Return accounts that have something due, the longest due first. Costs what is due, not what is stored."""
        table = schema.alarms
        query = sa.select(table.c.account_id).where(table.c.fire_at <= now).order_by(table.c.fire_at).limit(limit)
        return tuple(dict.fromkeys(self._connection.execute(query).scalars()))

    def claim(self, account_id: str, now: datetime, limit: int = 1000) -> tuple[Pace, tuple[PlannedAlarm, ...]]:
        """Return an account's pace and its due alarms, and those that wait for the next mail whichever it is.

        Nobody else fires them until this transaction ends.
        """
        insert_new(self._connection, schema.alarm_pace, values(Pace(account_id)))
        pace_query = sa.select(schema.alarm_pace).where(schema.alarm_pace.c.account_id == account_id)
        pace = record(Pace, self._connection.execute(pace_query.with_for_update()).first()) or Pace(account_id)
        table = schema.alarms
        query = (
            sa.select(table)
            .where(table.c.account_id == account_id, sa.or_(table.c.fire_at <= now, table.c.rule != ""))
            .order_by(table.c.fire_at, table.c.id)
            .limit(limit)
            .with_for_update()
        )
        return pace, records(PlannedAlarm, self._connection.execute(query))

    def next_due(self) -> datetime | None:
        """Return when the next alarm wants to be looked at."""
        found: datetime | None = self._connection.execute(sa.select(sa.func.min(schema.alarms.c.fire_at))).scalar()
        return found

    def set_pace(self, pace: Pace) -> None:
        upsert(self._connection, schema.alarm_pace, values(pace))

    def pace(self, account_id: str) -> Pace:
        query = sa.select(schema.alarm_pace).where(schema.alarm_pace.c.account_id == account_id)
        return record(Pace, self._connection.execute(query).first()) or Pace(account_id)

    # fired

    def mark_fired(self, fired: FiredAlarm) -> bool:
        """Record what became of a firing; False where the same was recorded before: then nothing may be sent."""
        return insert_new(self._connection, schema.fired, values(fired))

    def fired(self, account_id: str, limit: int = 100) -> tuple[FiredAlarm, ...]:
        """Return what became of an account's firings, the newest first."""
        table = schema.fired
        query = sa.select(table).where(table.c.account_id == account_id)
        query = query.order_by(table.c.at.desc(), table.c.identity).limit(limit)
        return records(FiredAlarm, self._connection.execute(query))

    def reached_since(self, account_id: str, at: datetime) -> frozenset[str]:
        """Return every address that an account's alarms, or questions about them, went to since an instant."""
        table = schema.fired
        query = sa.select(table.c.recipient).where(table.c.account_id == account_id, table.c.at >= at)
        query = query.where(table.c.outcome.in_(["sent", "asked"])).distinct()
        return frozenset(self._connection.execute(query).scalars())

    def mailed_at(self, account_id: str, since: datetime, until: datetime, *, apart: bool) -> tuple[datetime, ...]:
        """Return when an account's alarm mails went out; `apart`: each firing had one of its own."""
        table = schema.fired
        query = sa.select(table.c.at, table.c.recipient).where(
            table.c.account_id == account_id, table.c.at > since, table.c.at <= until, table.c.outcome == "sent"
        )
        return tuple(row.at for row in self._connection.execute(query if apart else query.distinct()))

    def mailed_for(self, account_id: str, after: datetime) -> frozenset[str]:
        """Return the identities of an account's firings after an instant that were mailed already."""
        table = schema.fired
        query = sa.select(table.c.identity).where(table.c.account_id == account_id, table.c.fire_at > after)
        return frozenset(self._connection.execute(query.where(table.c.outcome == "sent")).scalars())

    def settled_after(self, at: datetime) -> tuple[tuple[str, str], ...]:
        """Return object and account of everything that was planned or settled after an instant."""
        planned = sa.select(schema.alarms.c.object_id, schema.alarms.c.account_id).where(schema.alarms.c.after_at > at)
        fired = sa.select(schema.fired.c.object_id, schema.fired.c.account_id).where(schema.fired.c.at > at)
        return tuple((row.object_id, row.account_id) for row in self._connection.execute(planned.union(fired)))

    def forget_fired_before(self, at: datetime) -> int:
        return self._connection.execute(sa.delete(schema.fired).where(schema.fired.c.at < at)).rowcount

    # consent

    def consent(self, account_id: str, address: str) -> AlarmConsent | None:
        table = schema.alarm_consents
        query = sa.select(table).where(table.c.account_id == account_id, table.c.address == address)
        return record(AlarmConsent, self._connection.execute(query).first())

    def put_consent(self, consent: AlarmConsent) -> None:
        upsert(self._connection, schema.alarm_consents, values(consent))


_CONCERNS = sa.select(
    sa.or_(
        *(
            sa.exists().where(table.c.object_id == sa.bindparam("object_id"))
            for table in (schema.alarms, schema.overlays)
        )
    )
)
