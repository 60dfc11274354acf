# SPDX-License-Identifier: Apache-2.0
"""What was mailed is acknowledged, so that no other program of the same person tells of it again (RFC 9074 §6).

Only alarms whose ACTION is EMAIL: one that is shown on a screen too stays for the screen. An owner's alarms stand in
the object, a sharee's in their overlay; default alerts stand in the calendar and are for many events, so the memory of
what fired speaks for them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway.errors import Refused
from gateway.flows.stored import etag_of
from gateway.itip.alarms import Alarm, with_acknowledged, without_acknowledged_after
from gateway.itip.firings import Firing
from gateway.itip.tree import build_tree, parse_tree
from gateway.itip.values import utc_moment
from gateway.store.accounts import Account
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit


def acknowledge(unit: Unit, account: Account, item: StoredObject, mailed: Iterable[Firing], now: datetime) -> None:
    """Write into one person's alarms up to when they were mailed; who takes part and what is said stay as they are."""
    until: dict[Alarm, datetime] = {}
    for firing in mailed:
        if firing.alarm.is_email:
            until[firing.alarm] = max(firing.at, until.get(firing.alarm, firing.at))
    if until and account.id == item.account_id:
        _in_object(unit, item, {alarm.key: at for alarm, at in until.items()})
    elif until:
        _in_overlay(unit, account, item, {alarm.uid: at for alarm, at in until.items() if not alarm.recurrence_id}, now)


def take_back(unit: Unit, account: Account, item: StoredObject, now: datetime) -> StoredObject:
    """Return an object without its owner's acknowledgements of what has not come yet: the clock had run ahead."""
    if account.id != item.account_id or "ACKNOWLEDGED" not in item.ical.upper():
        return item
    try:
        text = build_tree(without_acknowledged_after(parse_tree(item.ical), now))
    except Refused:
        return item
    if text != item.ical:
        item = replace(item, ical=text, etag=etag_of(text))
        unit.objects.update(item)
    return item


def _in_object(unit: Unit, item: StoredObject, until: Mapping[str, datetime]) -> None:
    try:
        text = build_tree(with_acknowledged(parse_tree(item.ical), until))
    except Refused:
        return
    if text != item.ical:
        unit.objects.update(replace(item, ical=text, etag=etag_of(text)))


def _in_overlay(unit: Unit, account: Account, item: StoredObject, until: Mapping[str, datetime], now: datetime) -> None:
    overlay = unit.objects.overlay(item.id, account.id)
    alerts: dict[str, Any] = dict(overlay.get("alerts") or {})
    for name, at in until.items():
        if name in alerts:
            alerts[name] = {**alerts[name], "acknowledged": utc_moment(at).wall.isoformat() + "Z"}
    if alerts != (overlay.get("alerts") or {}):
        unit.objects.put_overlay(item, account.id, {**overlay, "alerts": alerts}, at=now)
