# SPDX-License-Identifier: Apache-2.0
"""Plan alarms: one row per alarm of a person, its next firing, written in the transaction that stores the event.

A person's alarms are their own: the owner's stand in the object, a sharee's in their overlay, and default alerts in
the calendar. Only what lies within a horizon is planned; beyond it a row says when to look again, so that a series
without end, a change of zone rules and a birthday in eleven months all cost one row.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from gateway.errors import Refused
from gateway.flows.context import Context
from gateway.itip.address import normal_addresses
from gateway.itip.alarms import NoMail, quiet_reason, without_alarms
from gateway.itip.firings import AlarmPlan
from gateway.itip.timezones import Zones
from gateway.itip.tree import Component, Prop, parse_tree
from gateway.jscalendar.alerts import alarm_key, write_alerts
from gateway.jscalendar.convert import from_ical, to_ical
from gateway.jscalendar.personal import with_personal
from gateway.store.accounts import Account
from gateway.store.alarms import PlannedAlarm
from gateway.store.calendars import Calendar
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit
from policies.alarms import AlarmSettings

#: How far ahead is looked for the next firing where a person asks for it.
LOOK_AHEAD = timedelta(days=3660)


@dataclass(frozen=True, slots=True)
class Reader:
    """One person and what an object is to them: their alarms in it, their zone, their calendar."""

    account: Account
    addresses: frozenset[str]
    calendar: Component
    zone: tzinfo
    is_subscribed: bool

    def plan(self, *, quiet: bool) -> AlarmPlan:
        """Return when the alarms are due; `quiet` leaves out what is cancelled or declined."""
        if quiet:
            return AlarmPlan(self.calendar, self.zone, quiet=self.quiet_reason)
        return AlarmPlan(self.calendar, self.zone)

    def quiet_reason(self, component: Component) -> NoMail | None:
        return quiet_reason(component, self.addresses)


def plan_alarms(unit: Unit, context: Context, item: StoredObject, account: Account) -> None:
    """Plan every alarm of a stored object anew, for its owner and for everybody it is shared with."""
    if "BEGIN:VALARM" not in item.ical.upper() and not unit.alarms.concerns(item.id):
        return  # no alarm in it, none planned, and nobody keeps one of their own
    plan_for(unit, context, item, account)
    for other_id in _sharees(unit, item):
        other = unit.accounts.get(other_id)
        if other is not None:
            plan_for(unit, context, item, other)


def plan_account(unit: Unit, context: Context, account: Account) -> int:
    """Plan everything of an account anew: its zone, or that of a calendar, has changed. The number of objects."""
    items = unit.objects.of_account(account.id)
    for item in items:
        plan_for(unit, context, item, account)
    return len(items)


def plan_for(unit: Unit, context: Context, item: StoredObject, account: Account) -> None:
    """Plan the alarms that one person has in an object. What is due and not yet settled stays as it is."""
    reader = read_reader(unit, item, account)
    if reader is not None:
        unit.alerts.look(item.id, account.id, context.clock.now())
        plan_reader(unit, item, reader, context.policy(unit).alarms, context.clock.now())
    elif unit.alarms.of_object(item.id, account.id):
        unit.alarms.replace(item.id, account.id, ())


def plan_reader(unit: Unit, item: StoredObject, reader: Reader, settings: AlarmSettings, now: datetime) -> None:
    """Plan what a person's alarms in an object owe after `now`."""
    existing = unit.alarms.of_object(item.id, reader.account.id)
    planned = _rows(reader.plan(quiet=True), item, reader.account, existing, now, settings)
    if existing != planned:
        unit.alarms.replace(item.id, reader.account.id, planned)


def read_reader(unit: Unit, item: StoredObject, account: Account) -> Reader | None:
    """Gather what decides about one person's alarms in an object; None where there is no alarm at all."""
    overlay = unit.objects.overlay(item.id, account.id)
    is_owner = account.id == item.account_id
    if not overlay and not (is_owner and "BEGIN:VALARM" in item.ical.upper()):
        return None
    calendars = _calendars(unit, item, account, is_owner=is_owner)
    if not is_owner and not calendars:  # no longer shared with them
        return None
    try:
        tree = _personal(parse_tree(item.ical), overlay, calendars, is_owner=is_owner)
    except Refused:
        return None
    if not any(event.children("VALARM") for event in tree.components):
        return None
    named = next((calendar.time_zone for calendar, _ in calendars if calendar.time_zone), None) or account.time_zone
    return Reader(
        account=account,
        addresses=normal_addresses(unit.accounts.addresses(account.id)),
        calendar=tree,
        zone=Zones().zone(named or "UTC").tzinfo,
        is_subscribed=any(_is_subscribed(calendar, own) for calendar, own in calendars) or not calendars,
    )


def next_time(unit: Unit, item: StoredObject, row: PlannedAlarm) -> datetime | None:
    """Return when a row's alarm fires next, however far ahead; None where it will not."""
    if row.trigger_at is not None:
        return row.fire_at
    account = unit.accounts.get(row.account_id)
    reader = read_reader(unit, item, account) if account is not None else None
    if reader is None:
        return None
    ahead = reader.plan(quiet=True).firings(row.after_at, row.after_at + LOOK_AHEAD, frozenset((row.alarm_key,)))
    return next((firing.at for firing in ahead), None)


def row_id(object_id: str, account_id: str, key: str) -> str:
    """Return the id of an alarm's row, the same through every edit that leaves the alarm as it is."""
    return "alm" + hashlib.sha256("\x1f".join((object_id, account_id, key)).encode()).hexdigest()[:24]


def _rows(
    plan: AlarmPlan,
    item: StoredObject,
    account: Account,
    existing: Iterable[PlannedAlarm],
    now: datetime,
    settings: AlarmSettings,
) -> tuple[PlannedAlarm, ...]:
    """The rows an object is to have. An alarm whose time is past when it is set never fires."""
    horizon = now + settings.plan_horizon
    rows = {row.alarm_key: row for row in existing if _is_unsettled(plan, row, now)}
    for firing in plan.next_firings(now, horizon):
        key = firing.alarm.key
        name = row_id(item.id, account.id, key)
        row = PlannedAlarm(
            name, account.id, item.id, key, firing.recurrence_id, firing.at, firing.at, now, firing.repetition
        )
        rows.setdefault(key, row)
    later = now + settings.plan_horizon / 2
    for key in sorted(plan.may_fire_after(horizon) - rows.keys()):
        rows[key] = PlannedAlarm(row_id(item.id, account.id, key), account.id, item.id, key, "", later, None, now)
    return tuple(sorted(rows.values(), key=lambda row: row.fire_at)[: settings.max_alarms_per_object])


def _is_unsettled(plan: AlarmPlan, row: PlannedAlarm, now: datetime) -> bool:
    """Whether a row's time has come, nobody has settled it, and the alarm is still meant for that very time."""
    if row.trigger_at is None or row.trigger_at > now:
        return False
    due = plan.firings(row.after_at, now, frozenset((row.alarm_key,)))
    return any(firing.at == row.trigger_at and firing.recurrence_id == row.recurrence_id for firing in due)


def _sharees(unit: Unit, item: StoredObject) -> frozenset[str]:
    """Everybody but the owner who may have alarms in an object, or still has rows from when they did."""
    return (unit.alarms.planned_for(item.id) | unit.objects.overlays(item.id).keys()) - {item.account_id}


def _calendars(
    unit: Unit, item: StoredObject, account: Account, *, is_owner: bool
) -> tuple[tuple[Calendar, Mapping[str, Any]], ...]:
    """The calendars in which a person sees an object, each with what that person keeps about it."""
    found = []
    for place in unit.objects.places(item.id):
        calendar = unit.calendars.get(place.calendar_id)
        if calendar is None:
            continue
        shares = () if is_owner else unit.calendars.shares(calendar.id)
        readable = (share for share in shares if share.account_id == account.id and share.rights.get("mayReadItems"))
        own = next((share.properties for share in readable), None)
        if is_owner or own is not None:
            found.append((calendar, calendar.properties if own is None else own))
    return tuple(found)


def _is_subscribed(calendar: Calendar, own: Mapping[str, Any]) -> bool:
    return bool(own.get("isSubscribed", calendar.is_subscribed))


def _personal(
    tree: Component,
    overlay: Mapping[str, Any],
    calendars: Iterable[tuple[Calendar, Mapping[str, Any]]],
    *,
    is_owner: bool,
) -> Component:
    """Return the object with the alarms of one person in it, and of nobody else."""
    if not is_owner:
        bare = without_alarms(tree)
        has_alerts = "alerts" in overlay or "recurrenceOverrides" in overlay
        tree = to_ical(with_personal(from_ical(bare), overlay), bare) if has_alerts else bare
    if overlay.get("useDefaultAlerts"):
        return _with_default_alerts(tree, [own for _, own in calendars])
    return tree


def _with_default_alerts(tree: Component, calendars: Iterable[Mapping[str, Any]]) -> Component:
    """The calendar's alerts take the place of the event's own, which only tell what is acknowledged or snoozed."""
    properties = list(calendars)

    def replaced(event: Component) -> Component:
        start = event.first("DTSTART") or event.first("DUE")
        timed = start is not None and "T" in start.value
        name = "defaultAlertsWithTime" if timed else "defaultAlertsWithoutTime"
        alerts = {key: alert for own in properties for key, alert in (own.get(name) or {}).items()}
        known = {alarm_key(alarm): alarm for alarm in event.children("VALARM")}
        alarms = [_acknowledged(alarm, known.get(alarm_key(alarm))) for alarm in _alarms(alerts, event)]
        snoozed = [alarm for alarm in known.values() if _is_snooze(alarm)]
        return event.without("VALARM").adding(*alarms, *snoozed)

    return _map_events(tree, replaced)


def _alarms(alerts: Mapping[str, Any], event: Component) -> tuple[Component, ...]:
    sound = {key: alert for key, alert in alerts.items() if isinstance(alert, Mapping)}
    return tuple(write_alerts({"alerts": sound, "title": event.text("SUMMARY") or ""}, Component("VEVENT")))


def _acknowledged(alarm: Component, known: Component | None) -> Component:
    line = known.first("ACKNOWLEDGED") if known is not None else None
    return alarm.with_prop(Prop("ACKNOWLEDGED", line.value)) if line is not None else alarm


def _is_snooze(alarm: Component) -> bool:
    return any((line.param("RELTYPE") or "").upper() == "SNOOZE" for line in alarm.all("RELATED-TO"))


def _map_events(tree: Component, change: Callable[[Component], Component]) -> Component:
    kinds = ("VEVENT", "VTODO")
    return tree.with_items(
        change(each) if isinstance(each, Component) and each.name in kinds else each for each in tree.items
    )
