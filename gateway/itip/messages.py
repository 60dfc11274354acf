# SPDX-License-Identifier: Apache-2.0
"""Messages as complete calendars: parts that were viewed for a recipient, stamped, with the zones they name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.itip.instances import MASTER, InstanceKey
from gateway.itip.model import FieldChange, ItipMessage, Method
from gateway.itip.objects import SchedulingObject
from gateway.itip.timezones import Zones, needed_vtimezones
from gateway.itip.tree import Component, Prop, build_tree, refolded
from gateway.itip.values import build_utc
from gateway.itip.view import request_component, stamped

PRODID = "-//imip-gateway//imip-gateway//EN"
_HEAD = (Prop("VERSION", "2.0"), Prop("PRODID", PRODID), Prop("CALSCALE", "GREGORIAN"))
_YEARS_AHEAD = 5
_DATED = ("DTSTART", "DTEND", "DUE", "RECURRENCE-ID")
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Part:
    """One component of a message, already viewed: `recurrence_id` as written, "" for the master."""

    component: Component
    sequence: int
    recurrence_id: str = ""


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What the messages of one object share."""

    uid: str
    from_address: str
    zones: Zones


def write_message(
    method: Method,
    head: Letterhead,
    to: Sequence[str],
    parts: Sequence[Part],
    *,
    dtstamp: datetime,
    reason: str,
    changes: tuple[FieldChange, ...] = (),
) -> ItipMessage:
    """Write a message: METHOD, VTIMEZONEs, parts with SEQUENCE and DTSTAMP (RFC 5546 §3.1.2, §3.2)."""
    stamp = build_utc(dtstamp)
    components = tuple(stamped(part.component, part.sequence, stamp) for part in parts)
    return ItipMessage(
        method,
        head.uid,
        max((part.sequence for part in parts), default=0),
        head.from_address,
        tuple(to),
        tuple(part.recurrence_id for part in parts),
        True,
        reason,
        build_calendar(method, components, head.zones, dtstamp),
        changes,
    )


def build_calendar(method: Method, components: tuple[Component, ...], zones: Zones, now: datetime) -> str:
    """Write a VCALENDAR with METHOD around components and the VTIMEZONEs they name."""
    years = list(_years(components))
    first = min(years, default=now.year)
    recurring = any(each.first("RRULE") is not None for each in components)
    last = max(*years, now.year + _YEARS_AHEAD) if recurring and years else max(years, default=first)
    vtimezones = needed_vtimezones(components, zones, first, last)
    return build_tree(Component("VCALENDAR", (*_HEAD, Prop("METHOD", method), *vtimezones, *map(refolded, components))))


def _years(components: tuple[Component, ...]) -> Iterator[int]:
    for component in components:
        for item in component.items:
            year = item.value[:4] if isinstance(item, Prop) and item.name in _DATED else ""
            if year.isascii() and year.isdecimal():
                yield int(year)


def next_dtstamp(now: datetime, *, last: datetime | None) -> datetime:
    """Return the DTSTAMP of the next message: now, or a second after the last one sent (RFC 5546 §2.1.5)."""
    now = now.replace(microsecond=0)
    return now if last is None or last < now else last.replace(microsecond=0) + SECOND


def view_part(
    source: SchedulingObject,
    key: InstanceKey,
    *,
    component: Component | None = None,
    sequence: int | None = None,
    hidden: Sequence[InstanceKey] = (),
    only: str | None = None,
) -> Part:
    """Return a part of an invitation: the master, an override, or the instance that the rule implies."""
    component = component or source.component(key) or source.series.implied(key)
    shown = request_component(component, source.series, key, master=source.master, hidden_from=hidden, only=only)
    return Part(shown, source.sequence_of(key) if sequence is None else sequence, written_id(source, key))


def written_id(source: SchedulingObject, key: InstanceKey) -> str:
    """Return an instance as the object writes it, "" for the whole."""
    return source.series.line_for("RECURRENCE-ID", key).value if key != MASTER else ""


def is_cancelled(component: Component) -> bool:
    """Whether a component says STATUS:CANCELLED."""
    return (component.value("STATUS") or "").strip().upper() == "CANCELLED"
