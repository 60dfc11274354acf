# SPDX-License-Identifier: Apache-2.0
"""Alerts of a person that are due, for the programs of theirs that listen (JMAP Calendars §6.3).

Every alert counts, whether it is shown or mailed; the mails are `due_alarms`' business. Nothing is claimed and nothing
is recorded as told: whoever listens is told, and an alert that went by while nobody did is not told later.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.flows.alarm_plans import Reader, read_reader
from gateway.itip.firings import AlarmPlan
from gateway.itip.instances import MASTER
from gateway.itip.tree import Component, Prop
from gateway.jscalendar.alerts import alarm_key
from gateway.jscalendar.alone import only_part
from gateway.jscalendar.occurrences import recurrence_id_of
from gateway.store.accounts import Account
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit

#: A row stays due this long, so that every process that listens sees it however their turns fall.
_LINGER = timedelta(minutes=15)
#: How far ahead the next alert is looked for; beyond that the row says to look again.
_AHEAD = timedelta(days=7)
_NEVER = datetime.max.replace(tzinfo=UTC)
_KEPT = ("TRIGGER", "REPEAT", "DURATION", "ACKNOWLEDGED", "RELATED-TO")


@dataclass(frozen=True, slots=True)
class DueAlert:
    """One alert that is due."""

    at: datetime
    account_id: str  # whose event it is
    event_id: str
    uid: str
    recurrence_id: str | None
    alert_id: str


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at one object found: what is due, and when the next alert is; None = never."""

    alerts: tuple[DueAlert, ...] = ()
    next_at: datetime | None = None
    row_at: datetime | None = None  # to when the row can be put off


class AlertWatch:
    """One who listens for a person's alerts. An object is read once for each alert, not at each look."""

    def __init__(self, account: Account, since: datetime) -> None:
        self._account = account
        self._since = since
        self._known: dict[str, tuple[datetime, datetime]] = {}  # the row as it was seen, and when the next alert is
        self._passed: dict[str, tuple[datetime, datetime | None]] = {}

    def look(self, unit: Unit, now: datetime) -> tuple[DueAlert, ...]:
        """Return what became due since the last look, the soonest first."""
        found: list[DueAlert] = []
        seen: set[str] = set()
        self._passed, after = {}, ""
        while rows := unit.alerts.due(self._account.id, now, after=after):
            wanted = [(i, at) for i, at in rows if not self._is_known(i, at, now)]
            items = unit.objects.get_many(object_id for object_id, _ in wanted)
            for object_id, at in wanted:
                looked = _look(unit, self._account, items[object_id], self._since, now)
                found += looked.alerts
                self._known[object_id] = (at, looked.next_at or _NEVER)
                if looked.row_at != at:
                    self._passed[object_id] = (at, looked.row_at)
            seen.update(object_id for object_id, _ in rows)
            after = rows[-1][0]
        self._known = {object_id: known for object_id, known in self._known.items() if object_id in seen}
        self._since = now
        return tuple(sorted(found, key=lambda alert: alert.at))

    @property
    def is_behind(self) -> bool:
        """Whether there are rows to put off."""
        return bool(self._passed)

    def put_off(self, unit: Unit) -> None:
        """Write when to look again; a row that was written anew in between stays due."""
        for object_id, (seen_at, again_at) in self._passed.items():
            if unit.alerts.look_at(object_id, self._account.id) != seen_at:
                continue
            if again_at is None:
                unit.alerts.forget(object_id, self._account.id)
            else:
                unit.alerts.look(object_id, self._account.id, again_at)

    def _is_known(self, object_id: str, at: datetime, now: datetime) -> bool:
        seen_at, next_at = self._known.get(object_id, (None, now))
        return seen_at == at and now < next_at


def _look(unit: Unit, account: Account, item: StoredObject, since: datetime, now: datetime) -> Looked:
    reader = read_reader(unit, item, account)
    if reader is None or item.is_draft or not reader.is_subscribed:  # what changes that makes a new row
        return Looked()
    alerts: list[DueAlert] = []
    plans = []
    for event_id, calendar in _events(item, reader):
        plans.append(_plan(reader, calendar))
        alerts += _due(item, event_id, calendar, plans[-1], since, now)
    return Looked(tuple(alerts), _next(plans, now, now), _next(plans, now - _LINGER, now))


def _next(plans: Sequence[AlarmPlan], after: datetime, now: datetime) -> datetime | None:
    """The first alert after an instant, as far as one looks ahead; then when to look again."""
    horizon = now + _AHEAD
    firsts = [found[0].at for plan in plans if (found := plan.next_firings(after, horizon))]
    return min(firsts, default=horizon if any(plan.may_fire_after(horizon) for plan in plans) else None)


def _events(item: StoredObject, reader: Reader) -> Iterator[tuple[str, Component]]:
    if not item.alone:
        yield item.id, reader.calendar
    for event_id, key in zip(item.event_ids, item.alone, strict=False):
        yield event_id, only_part(reader.calendar, key)


def _plan(reader: Reader, calendar: Component) -> AlarmPlan:
    """Every alarm asks for mail here: the engine of the alarm mails tells when each is due."""
    events = (
        each.with_items(map(_ringing, each.items)) if isinstance(each, Component) and each.name == "VEVENT" else each
        for each in calendar.items
    )
    return AlarmPlan(calendar.with_items(events), reader.zone, quiet=reader.quiet_reason)


def _ringing(item: Prop | Component) -> Prop | Component:
    if not isinstance(item, Component) or item.name != "VALARM":
        return item
    return Component("VALARM", (Prop("UID", alarm_key(item)), Prop("ACTION", "EMAIL"), *item.all(*_KEPT)))


def _due(
    item: StoredObject, event_id: str, calendar: Component, plan: AlarmPlan, since: datetime, now: datetime
) -> Iterator[DueAlert]:
    for firing in plan.firings(since, now):
        key = firing.recurrence_id
        recurrence_id = recurrence_id_of(calendar, key) if key != MASTER else None
        yield DueAlert(firing.at, item.account_id, event_id, item.uid, recurrence_id, firing.alarm.uid)
