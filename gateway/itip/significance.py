# SPDX-License-Identifier: Apache-2.0
"""What has changed for a person: properties in canonical form, compared and named (RFC 5546 §2.1.4).

Order, folding, DURATION against DTEND, INTERVAL=1, the order of BYDAY, an equal instant in another spelling: never a
change. 10:00 in Berlin against 10:00 in New York: a change. Who answered what is not compared here at all.
"""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gateway.errors import Refused
from gateway.itip.address import normal_address
from gateway.itip.instances import MASTER, InstanceKey, Series
from gateway.itip.model import FieldChange
from gateway.itip.rrule import Freq, Rule, parse_rule
from gateway.itip.spans import read_span
from gateway.itip.tree import Component, Prop
from gateway.itip.values import Kind, Moment, moment_prop
from gateway.itip.zone_names import zone_identity

#: What makes SEQUENCE rise whatever else is configured (RFC 5546 §2.1.4).
RESCHEDULING = ("DTSTART", "DTEND", "DUE", "RRULE", "RDATE", "EXDATE", "STATUS")
_ENDS = frozenset({"DTEND", "DURATION", "DUE"})
_TIMES = _ENDS | {"DTSTART", "RRULE", "RDATE", "EXDATE"}
_SPECIAL = frozenset(':;,"')
_DEFAULT_STATUS = {"VEVENT": "CONFIRMED", "VTODO": "NEEDS-ACTION"}


@dataclass(frozen=True, slots=True)
class Fact:
    """A property as it is compared, and what it is shown by. `zone` counts only between two that have one."""

    canonical: Hashable
    source: str | Moment
    zone: Hashable = None

    def is_same(self, other: "Fact") -> bool:
        zones_differ = self.zone is not None and other.zone is not None and self.zone != other.zone
        return self.canonical == other.canonical and not zones_differ


Facts = dict[str, Fact]


def diff_components(
    old: Component,
    old_series: Series,
    new: Component,
    new_series: Series,
    key: InstanceKey,
    names: Iterable[str],
    recurrence_id: str,
) -> tuple[FieldChange, ...]:
    """Return which of the properties `names` differ between two versions of the master or an instance, old beside new.

    A value that cannot be read is compared as written. `recurrence_id` is the instance as the changes are to name it.
    """
    wanted = frozenset(names)
    wanted &= _rewritten(old, new, wanted, same_rules=old_series.zones.has_rules_of(new_series.zones))
    if not wanted:
        return ()
    before, after = _read_facts(old, old_series, key, wanted), _read_facts(new, new_series, key, wanted)
    return tuple(_differences(before, after, recurrence_id))


def _rewritten(old: Component, new: Component, wanted: frozenset[str], *, same_rules: bool) -> frozenset[str]:
    """The names that stand in a line of one version which the other does not have octet for octet.

    Where one time does, all are to be read: each may say what another means.
    """
    names, versions = wanted | _TIMES, []
    for component in (old, new):
        versions.append([item for item in component.items if item.name in names and isinstance(item, Prop)])
    before, after = ({line.raw for line in lines} for lines in versions)
    shared = (before & after) - {None}
    found = {line.name for lines in versions for line in lines if line.raw not in shared}
    return frozenset(found) if same_rules and found.isdisjoint(_TIMES) else _TIMES.union(found)


def _read_facts(component: Component, series: Series, key: InstanceKey, wanted: frozenset[str]) -> Facts:
    facts = {} if wanted.isdisjoint(_TIMES) else _time_facts(component, series, key, wanted)
    lines: dict[str, list[Prop]] = {}
    for item in component.items:
        if item.name in wanted and isinstance(item, Prop):
            lines.setdefault(item.name, []).append(item)
    if "STATUS" in wanted:
        facts["STATUS"] = _status(component, lines.pop("STATUS", []))
    for name, found in lines.items():
        if name in _ENDS or name == "DTSTART":
            continue
        fact = _READERS.get(name, _plain)(found, series, key)
        if fact is not None:
            facts[name] = fact
    return facts


def _differences(old: Facts, new: Facts, recurrence_id: str) -> Iterator[FieldChange]:
    for name in dict.fromkeys((*old, *new)):
        before, after = old.get(name), new.get(name)
        if before is None or after is None or not before.is_same(after):
            yield FieldChange(name, _shown(name, before), _shown(name, after), recurrence_id)


def _shown(name: str, fact: Fact | None) -> str | None:
    if fact is None:
        return None
    return fact.source if isinstance(fact.source, str) else line_text(moment_prop(name, fact.source))


def _time_facts(component: Component, series: Series, key: InstanceKey, wanted: frozenset[str]) -> Facts:
    facts: Facts = {}
    try:
        span = series.master_span if component is series.master else None
        span = span or read_span(component, series.zones, start=None if key == MASTER else series.moment_of(key))
    except Refused:
        for name in sorted((_ENDS | {"DTSTART"}) & wanted):
            line = component.first(name)
            if line is not None:
                facts[name] = Fact(("unread", line.value), line.value)
        return facts
    if "DTSTART" in wanted and (component.first("DTSTART") is not None or key != MASTER):
        facts["DTSTART"] = Fact(_instant(span.start, series), span.start, _zone(span.start, series, key))
    if not wanted.isdisjoint(_ENDS):
        facts["DUE" if component.name == "VTODO" else "DTEND"] = Fact(_instant(span.end, series), span.end)
    return facts


def _zone(start: Moment, series: Series, key: InstanceKey) -> Hashable:
    """Of a series that goes on, the zone counts beside the instant: it says when the next ones are."""
    if key != MASTER or not series.is_recurring or start.kind not in (Kind.ZONED, Kind.UTC):
        return None
    zone = series.zones.zone(start.tzid).tzinfo if start.kind is Kind.ZONED else UTC
    return zone_identity(zone, start.wall.year)


def _instant(moment: Moment, series: Series) -> Hashable:
    if moment.kind in (Kind.DATE, Kind.FLOATING):
        return moment.kind, moment.wall
    return series.zones.utc(moment)


def _status(component: Component, lines: list[Prop]) -> Fact:
    status = lines[0].value.strip().upper() if lines else _DEFAULT_STATUS.get(component.name, "")
    return Fact(status, status)


def _text(lines: list[Prop], series: Series, key: InstanceKey) -> Fact | None:
    text = lines[0].text.replace("\r\n", "\n").strip()
    return Fact(text, lines[0].value) if text else None


def _organizer(lines: list[Prop], series: Series, key: InstanceKey) -> Fact | None:
    return Fact(normal_address(lines[0].value), lines[0].value)


def _plain(lines: list[Prop], series: Series, key: InstanceKey) -> Fact | None:
    values = sorted(value for line in lines if (value := line.value.strip()))
    return Fact(tuple(values), ",".join(values)) if values else None


def _rules(lines: list[Prop], series: Series, key: InstanceKey) -> Fact | None:
    if key != MASTER:
        return None
    rules: set[Hashable] = set()
    for line in lines:
        try:
            rules.add(normal_rule(parse_rule(line.value), series))
        except Refused:
            if line.value.strip():
                rules.add(line.value.strip().upper())
    return Fact(frozenset(rules), "\n".join(line.value for line in lines)) if rules else None


def _rdates(lines: list[Prop], series: Series, key: InstanceKey) -> Fact | None:
    return _keys(series, series.extra, "RDATE") if key == MASTER else None


def _exdates(lines: list[Prop], series: Series, key: InstanceKey) -> Fact | None:
    return _keys(series, series.excluded, "EXDATE") if key == MASTER else None


def _keys(series: Series, keys: frozenset[InstanceKey], name: str) -> Fact | None:
    return Fact(keys, line_text(series.line_for(name, *sorted(keys)))) if keys else None


_READERS = {
    "RRULE": _rules,
    "RDATE": _rdates,
    "EXDATE": _exdates,
    "SUMMARY": _text,
    "LOCATION": _text,
    "DESCRIPTION": _text,
    "ORGANIZER": _organizer,
}


def normal_rule(rule: Rule, series: Series) -> Rule:
    """Return a rule without what DTSTART or the defaults say anyway, UNTIL as wall time of the series."""
    until = series.until_wall(rule)
    rule = replace(rule, until=None if until is None else Moment(until, Kind.FLOATING))
    if series.start is None:
        return rule
    wall: datetime = series.start.wall
    others = rule.by_year_day or rule.by_week_no or rule.by_set_pos
    if not others and rule.freq is Freq.WEEKLY and not rule.by_month_day and rule.by_day == ((0, wall.weekday()),):
        rule = replace(rule, by_day=())
    implied = rule.freq is Freq.MONTHLY or (rule.freq is Freq.YEARLY and rule.by_month == (wall.month,))
    if not others and implied and not rule.by_day and rule.by_month_day == (wall.day,):
        rule = replace(rule, by_month_day=())
    if not others and rule.freq is Freq.YEARLY and not (rule.by_day or rule.by_month_day):
        rule = replace(rule, by_month=() if rule.by_month == (wall.month,) else rule.by_month)
    if rule.freq < Freq.HOURLY:
        rule = replace(
            rule,
            by_hour=() if rule.by_hour == (wall.hour,) else rule.by_hour,
            by_minute=() if rule.by_minute == (wall.minute,) else rule.by_minute,
            by_second=() if rule.by_second == (wall.second,) else rule.by_second,
        )
    weeks_matter = rule.by_week_no or (rule.freq is Freq.WEEKLY and rule.interval > 1 and len(rule.by_day) > 1)
    return rule if weeks_matter else replace(rule, wkst=0)


def line_text(prop: Prop) -> str:
    """Return a line without its name: `;TZID=Europe/Rome:20261103T100000`, or the bare value without parameters."""
    if not prop.params:
        return prop.value
    params = "".join(
        f';{name}="{value}"' if not _SPECIAL.isdisjoint(value) else f";{name}={value}"
        for name, (value, *_) in prop.params
    )
    return f"{params}:{prop.value}"
