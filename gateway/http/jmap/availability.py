# SPDX-License-Identifier: Apache-2.0
"""When somebody is busy: periods from their events, merged and split so that each moment has one status.

Of two statuses at one moment the stronger counts: confirmed, then unavailable, then tentative (JMAP Calendars §2.3).
A period that shows its event stands alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from gateway.errors import Refused
from gateway.http.jmap.errors import MethodError
from gateway.http.jmap.event_view import EventRecord, show_event, show_occurrence
from gateway.http.jmap.view import View
from gateway.itip.address import normal_address, normal_addresses
from gateway.itip.recurrence import Budget
from gateway.itip.timezones import Zones
from gateway.itip.tree import parse_tree
from gateway.jscalendar.alone import only_part
from gateway.jscalendar.event import read_event
from gateway.jscalendar.occurrences import read_occurrences
from gateway.jscalendar.values import JsonMap
from gateway.store.outlines import Narrowing
from gateway.store.unit import Unit

CONFIRMED, UNAVAILABLE, TENTATIVE = "confirmed", "unavailable", "tentative"
_PRECEDENCE = {TENTATIVE: 1, UNAVAILABLE: 2, CONFIRMED: 3}
Window = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class BusyPeriod:
    """A stretch of time with one status; `event` where its details may be shown."""

    start_at: datetime
    end_at: datetime
    status: str
    event: JsonMap | None = None


def read_busy_periods(
    unit: Unit, view: View, calendar_ids: Sequence[str], window: Window, most: int, *, details: bool
) -> list[BusyPeriod]:
    """Return a period for each occurrence in the window that takes the person's time.

    Raises:
        MethodError: `tooLarge` where there are more than `most`.
    """
    person = normal_addresses(unit.accounts.addresses(view.account.id))
    floating: tzinfo = ZoneInfo(view.account.time_zone) if view.account.time_zone else UTC
    counted = {i: mode for i in calendar_ids if (mode := _mode(view, i)) != "none"}
    found: list[BusyPeriod] = []
    budget = Budget(most * 10)
    outlines = unit.outlines.find(view.account.id, Narrowing(tuple(counted), *window)) if counted else ()
    places = unit.outlines.calendars_of([outline.id for outline in outlines])
    items = unit.objects.get_many([outline.id for outline in outlines])
    for outline in outlines:
        item = items.get(outline.id)
        modes = {counted[calendar_id] for calendar_id in places.get(outline.id, ()) if calendar_id in counted}
        if item is None or item.is_draft or not modes:
            continue
        overlay = unit.objects.overlay(item.id, view.account.id)
        try:
            for alone in item.alone or (None,):
                record = EventRecord(item, places[outline.id], overlay, (), alone)
                periods = _periods(
                    record, view, window, floating, person, budget, attending_only="all" not in modes, details=details
                )
                found += islice(periods, most + 1 - len(found))
        except Refused as error:
            raise MethodError("tooLarge", error.public) from None
        if len(found) > most:
            raise MethodError("tooLarge", f"There are more than {most} occurrences")
    return found


def merged_periods(periods: Iterable[BusyPeriod]) -> list[BusyPeriod]:
    """Return the periods in order: those without an event joined and cut so that no two overlap."""
    shown = [period for period in periods if period.event is not None]
    plain = [period for period in periods if period.event is None]
    edges = sorted({edge for period in plain for edge in (period.start_at, period.end_at)})
    opening: dict[datetime, list[str]] = {}
    closing: dict[datetime, list[str]] = {}
    for period in plain:
        opening.setdefault(period.start_at, []).append(period.status)
        closing.setdefault(period.end_at, []).append(period.status)
    running = dict.fromkeys(_PRECEDENCE, 0)
    cut: list[BusyPeriod] = []
    for start, end in pairwise(edges):
        for status in closing.get(start, ()):
            running[status] -= 1
        for status in opening.get(start, ()):
            running[status] += 1
        status = max((s for s, count in running.items() if count), key=_PRECEDENCE.__getitem__, default="")
        if not status:
            continue
        if cut and cut[-1].end_at == start and cut[-1].status == status:
            cut[-1] = replace(cut[-1], end_at=end)
        else:
            cut.append(BusyPeriod(start, end, status))
    return sorted((*shown, *cut), key=lambda period: (period.start_at, period.end_at))


def _mode(view: View, calendar_id: str) -> str:
    """What a calendar's owner lets it count for: all, attending or none."""
    calendar = view.calendars.get(calendar_id)
    if calendar is None or not calendar.is_subscribed:
        return "none"
    return calendar.include_in_availability


def _periods(
    record: EventRecord,
    view: View,
    window: Window,
    floating: tzinfo,
    person: frozenset[str],
    budget: Budget,
    *,
    attending_only: bool,
    details: bool,
) -> Iterator[BusyPeriod]:
    if record.event.get("privacy") == "secret" and not view.is_own:
        return
    tree = parse_tree(record.item.ical)
    tree = tree if record.alone is None else only_part(tree, record.alone)
    zones = Zones(tree)
    for each in read_occurrences(tree, *window, floating, budget):
        told = read_event(each.component, zones)
        status = _status(told, person, attending_only=attending_only)
        if status is None or each.end_at <= window[0] or each.start_at >= window[1] or each.end_at <= each.start_at:
            continue
        shown = _details(record, view, each.key) if details else None
        yield BusyPeriod(max(each.start_at, window[0]), min(each.end_at, window[1]), status, shown)


def _status(event: JsonMap, person: frozenset[str], *, attending_only: bool) -> str | None:
    """Return what an occurrence says of the person's time; None where it takes none of it."""
    busy = event.get("freeBusyStatus", "busy")
    if busy == "free" or event.get("status") == "cancelled":
        return None
    people = (event.get("participants") or {}).values()
    own = next((p for p in people if normal_address(p.get("calendarAddress") or "") in person), None)
    answer = own.get("participationStatus") if own is not None else None
    if answer == "declined":
        return None
    attends = (own is None and not people) or answer in ("accepted", "tentative")
    if attending_only and not attends:
        return None
    if busy == "tentative" or event.get("status") == "tentative" or answer == "tentative":
        return TENTATIVE
    if busy == "unavailable" or answer == "needs-action":
        return UNAVAILABLE
    return CONFIRMED


def _details(record: EventRecord, view: View, key: str) -> JsonMap | None:
    if not view.is_own:
        private = record.event.get("privacy", "public") != "public"
        if private or not view.may_any("mayReadItems", record.calendar_ids):
            return None
    return show_occurrence(record, view, key) if key else show_event(record, view)
