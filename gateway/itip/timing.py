# SPDX-License-Identifier: Apache-2.0
"""Did the time move? What a guest said yes to is a time; when it moves, the yes is void (RFC 6638 §3.2.8).

DTSTART, DTEND, DURATION and DUE by the instant they mean, in whatever spelling; a rule where it adds or moves
occurrences; EXDATE where it gives some back. Fewer occurrences than before void nothing.
"""

from dataclasses import replace

from gateway.errors import Refused
from gateway.itip.instances import InstanceKey, Series
from gateway.itip.rrule import Rule
from gateway.itip.spans import Span, read_span
from gateway.itip.timezones import Zones
from gateway.itip.tree import Component
from gateway.itip.values import Kind


def series_moved(old: Series, new: Series) -> bool:
    """Tell whether a new master takes place at times that the old one did not."""
    if old.master is None or new.master is None:
        return True
    if span_moved(old.master, old.zones, new.master, new.zones):
        return True
    if not new.extra <= old.extra:
        return True
    if (old.excluded - new.excluded) & _once_there(new, old.excluded - new.excluded):
        return True
    return not all(any(_is_covered(rule, known) for known in old.rules) for rule in new.rules)


def span_moved(old: Component, old_zones: Zones, new: Component, new_zones: Zones) -> bool:
    """Tell whether one component takes place at another time than before; what cannot be read has moved.

    A task may have no time at all, before and after: then nothing has.
    """
    if not _has_time(old) and not _has_time(new):
        return False
    try:
        before, after = read_span(old, old_zones), read_span(new, new_zones)
    except Refused:
        return True
    return _instants(before, old_zones) != _instants(after, new_zones)


def _has_time(component: Component) -> bool:
    return any(item.name in ("DTSTART", "DTEND", "DUE") for item in component.items)


def _instants(span: Span, zones: Zones) -> tuple[object, ...]:
    if span.start.kind in (Kind.DATE, Kind.FLOATING):
        return (span.start.is_date, span.start.wall, span.end.wall)
    return (False, zones.utc(span.start), zones.utc(span.end))


def _once_there(series: Series, keys: frozenset[InstanceKey]) -> frozenset[InstanceKey]:
    return frozenset(key for key in keys if series.exists(key))


def _is_covered(rule: Rule, known: Rule) -> bool:
    """Whether a rule is the known one, perhaps ending sooner."""
    if replace(rule, count=None, until=None) != replace(known, count=None, until=None):
        return False
    if known.count is None and known.until is None:
        return True
    if rule.count is not None and known.count is not None:
        return rule.count <= known.count
    if rule.until is not None and known.until is not None:
        return rule.until.wall <= known.until.wall
    return False
