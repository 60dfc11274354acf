# SPDX-License-Identifier: Apache-2.0
"""When a stored event takes place, each occurrence under the key that recurrenceOverrides would give it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo

from gateway.errors import Refused
from gateway.itip.instances import InstanceKey, Series
from gateway.itip.recurrence import Budget
from gateway.itip.timezones import Zones
from gateway.itip.tree import Component
from gateway.itip.values import Kind, moment_prop
from gateway.jscalendar.convert import read_alone
from gateway.jscalendar.times import form_of, read_times
from gateway.jscalendar.values import Json, local_text


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time at which an event takes place. `key` is "" where the event does not recur."""

    key: str
    start_at: datetime
    end_at: datetime
    component: Component


def read_occurrences(
    calendar: Component, after_at: datetime, before_at: datetime, floating: tzinfo, budget: Budget
) -> Iterator[Occurrence]:
    """Yield what of an event overlaps a window, in order; floating and all-day times are read in the zone given.

    Raises:
        Refused: `recurrence-budget` where the rule costs too much to follow; `no-start` or `bad-value`.
    """
    zones = Zones(calendar, floating=floating)
    series = _series(calendar, zones)
    event: Json = read_times(series.master, zones) if series.master is not None else {}
    form = form_of(event, zones, series.master) if event else None
    recurring = series.is_recurring or bool(series.overrides)
    for found in series.occurrences(after_at, before_at, budget=budget):
        key = ""
        if recurring and form is not None:
            key = local_text(form.wall(series.moment_of(found.key), zones))
        yield Occurrence(key, found.start_at, found.end_at, found.component)


def recurrence_id_of(calendar: Component, key: InstanceKey) -> str:
    """Return how an Event names one of its instances: its original start by the clock of the series.

    Raises:
        Refused: `bad-value` where the key is none, or the series has no start.
    """
    zones = Zones(calendar)
    series = _series(calendar, zones)
    if series.master is None:
        override = series.overrides[key]
        return str(read_alone(override, zones)["recurrenceId"])
    form = form_of(read_times(series.master, zones), zones, series.master)
    return local_text(form.wall(series.moment_of(key), zones))


def holds_instance(calendar: Component, key: str) -> bool:
    """Tell whether a series has an instance under a recurrenceOverrides key, moved or not."""
    zones = Zones(calendar)
    series = _series(calendar, zones)
    if series.master is None:
        return False
    form = form_of(read_times(series.master, zones), zones, series.master)
    try:
        wall = datetime.fromisoformat(key)
        found = series.key_of(form.moment(wall)) if form.kind is not Kind.DATE else None
        if form.kind is Kind.DATE:
            found = moment_prop("RECURRENCE-ID", form.moment(wall)).value
        return found is not None and (found in series.overrides or series.exists(found))
    except (Refused, ValueError):
        return False


def _series(calendar: Component, zones: Zones) -> Series:
    components = calendar.children("VEVENT")
    master = next((each for each in components if each.first("RECURRENCE-ID") is None), None)
    overrides = [each for each in components if each.first("RECURRENCE-ID") is not None]
    return Series(master, overrides, zones)
