# SPDX-License-Identifier: Apache-2.0
"""A whole scheduling object and its Event: VCALENDAR with master and overrides, and recurrenceRule with patches.

`from_ical` shows what is stored; `to_ical` changes what is stored to say what an Event says and leaves the rest alone,
so `to_ical(from_ical(calendar), calendar)` is the calendar itself.
"""

from collections.abc import Iterable, Iterator

from gateway.errors import Refused
from gateway.itip.instances import MASTER, Series
from gateway.itip.timezones import Zones
from gateway.itip.tree import Component, Prop, escape_text
from gateway.itip.values import (
    Duration,
    Kind,
    Moment,
    build_duration,
    moment_prop,
    parse_moment,
    parse_moments,
    parse_period,
)
from gateway.jscalendar.carry import NAME as JSPROP
from gateway.jscalendar.carry import apply_carried, is_of_rule, written_carried
from gateway.jscalendar.event import read_event, write_event
from gateway.jscalendar.expansion import is_on_rule
from gateway.jscalendar.overrides import build_instance, diff_instance, is_excluded, series_part
from gateway.jscalendar.patch import same_json
from gateway.jscalendar.rules import build_rrule, parse_rrule, plain_rule
from gateway.jscalendar.schema import recurrence_rule
from gateway.jscalendar.times import Form, form_of
from gateway.jscalendar.values import (
    InvalidProperty,
    Json,
    JsonMap,
    duration_between,
    local_text,
    parse_local,
    parse_wall,
)

PROD_ID = "-//imip-gateway//imip-gateway//EN"


def from_ical(calendar: Component) -> Json:
    """Return the Event that a VCALENDAR holds: the series, or the first instance where there is no master.

    Raises:
        Refused: `bad-calendar` where it holds no VEVENT with a start.
    """
    events = events_from_ical(calendar)
    if not events:
        raise Refused("bad-calendar", "There is no event with a start in the calendar")
    return events[0]


def events_from_ical(calendar: Component) -> tuple[Json, ...]:
    """Return every Event of a VCALENDAR of any number of UIDs: a series each, else its instances one by one."""
    by_uid: dict[str, list[Component]] = {}
    for component in calendar.children("VEVENT"):
        by_uid.setdefault(component.text("UID") or "", []).append(component)
    head, zones = _calendar_members(calendar), Zones(calendar)
    found = (event for components in by_uid.values() for event in _events_of(components, zones))
    return tuple({**event, **head} for event in found if "start" in event)


def to_ical(event: JsonMap, existing: Component | None = None) -> Component:
    """Return `existing` (or a new VCALENDAR) changed to hold exactly this validated Event."""
    calendar = existing or Component("VCALENDAR", (Prop("VERSION", "2.0"), Prop("PRODID", PROD_ID)))
    if event.get("prodId") and event["prodId"] != calendar.text("PRODID"):
        calendar = calendar.with_prop(Prop("PRODID", escape_text(event["prodId"])))
    event = {name: member for name, member in event.items() if name not in ("prodId", "method")}
    old = calendar.children("VEVENT")
    new = tuple(_written_events(event, old, Zones(calendar)))
    if old == new:
        return calendar
    first = next((at for at, item in enumerate(calendar.items) if item.name == "VEVENT"), len(calendar.items))
    before = calendar.items[:first]
    after = (item for item in calendar.items[first:] if item.name != "VEVENT")
    return calendar.with_items((*before, *new, *after))


def _calendar_members(calendar: Component) -> Json:
    head: Json = {}
    for name, member in (("PRODID", "prodId"), ("METHOD", "method")):
        text = calendar.text(name)
        if text:
            head[member] = text.lower() if member == "method" else text
    return head


def _events_of(components: list[Component], zones: Zones) -> Iterator[Json]:
    masters = [component for component in components if instance_moment(component) is None]
    instances = [component for component in components if instance_moment(component) is not None]
    if masters:
        yield _read_series(masters[0], instances, zones)
        return
    yield from (read_alone(component, zones) for component in instances)


def instance_moment(component: Component) -> Moment | None:
    """Return which instance a component is about; None for the series, and where that cannot be read."""
    prop = component.first("RECURRENCE-ID")
    return parse_wall(prop) if prop is not None else None


def read_alone(component: Component, zones: Zones) -> Json:
    """An instance somebody was invited to without the series is an event with a recurrenceId (JMAP Calendars §5)."""
    event = read_event(component, zones)
    moment = instance_moment(component)
    if moment is None:
        return event
    form = form_of(event, zones, component)
    key = {"recurrenceId": local_text(form.wall(moment, zones))}
    if moment.kind in (Kind.DATE, Kind.FLOATING) or "timeZone" not in event:
        return {**event, **key}
    return {**event, **key, "recurrenceIdTimeZone": event["timeZone"]}


def _read_series(master: Component, instances: Iterable[Component], zones: Zones) -> Json:
    event = read_event(master, zones)
    if "start" not in event:
        return event
    form = form_of(event, zones, master)
    rule = _read_rule(master, form)
    if rule is not None:
        event["recurrenceRule"] = rule
        filled = apply_carried(master, {"recurrenceRule": dict(rule)})["recurrenceRule"]
        event["recurrenceRule"] = rule if any(recurrence_rule(filled, "")) else filled
    overrides: Json = dict(_single_dates(master, event, form, zones))
    for key, component in _keyed(master, instances, form, zones):
        instance = read_event(component, zones)
        if "start" in instance:
            overrides[key] = diff_instance(event, key, instance)
    return {**event, "recurrenceOverrides": overrides} if overrides else event


def _keyed(
    master: Component, instances: Iterable[Component], form: Form, zones: Zones
) -> Iterator[tuple[str, Component]]:
    """Return override components by their key in recurrenceOverrides, however their RECURRENCE-ID is written."""
    series = Series(master, instances, zones)
    for key, component in series.overrides.items():
        if key == MASTER:  # a second master is nobody's instance
            continue
        yield local_text(form.wall(series.moment_of(key), zones)), component


def _read_rule(master: Component, form: Form) -> Json | None:
    """Return the rule if JSCalendar can say it; RSCALE, SKIP and nonsense are the calendar's alone."""
    value = master.value("RRULE")
    rule = None if value is None else parse_rrule(value, form.zone)
    return None if rule is None or any(recurrence_rule(rule, "")) or "skip" in rule else rule


def _single_dates(master: Component, event: JsonMap, form: Form, zones: Zones) -> Iterator[tuple[str, Json]]:
    for line in master.all("RDATE"):
        try:
            if (line.param("VALUE") or "").upper() == "PERIOD":
                yield from _periods(line, event, form, zones)
            else:
                yield from ((local_text(form.wall(moment, zones)), {}) for moment in parse_moments(line))
        except Refused:
            continue
    for line in master.all("EXDATE"):
        try:
            yield from ((local_text(form.wall(moment, zones)), {"excluded": True}) for moment in parse_moments(line))
        except Refused:
            continue


def _periods(line: Prop, event: JsonMap, form: Form, zones: Zones) -> Iterator[tuple[str, Json]]:
    for text in line.value.split(","):
        period = parse_period(text, line.param("TZID") or "")
        start = form.wall(period.start, zones)
        end = form.wall(period.end, zones) if period.end is not None else None
        length = duration_between(start, end, form.zone) if end is not None else period.duration or Duration()
        text = build_duration(length)
        yield local_text(start), {} if text == event.get("duration", "PT0S") else {"duration": text}


def _written_events(event: JsonMap, old: tuple[Component, ...], zones: Zones) -> Iterator[Component]:
    if event.get("recurrenceId") is not None:
        yield from _written_alone(event, old, zones)
        return
    old_master = next((component for component in old if instance_moment(component) is None), None)
    series = series_part(event)
    before = _read_series(old_master, (), zones) if old_master is not None else {}
    master = write_event(old_master or Component("VEVENT"), series, zones)
    form = form_of(series, zones, master)
    same_form = old_master is not None and "start" in before and form_of(before, zones, old_master) == form
    master = _with_rule(master, event, before if same_form else {}, form)
    overrides: JsonMap = event.get("recurrenceOverrides") or {}
    known = _known_instances(before, old_master, old, zones)
    extra = {
        key
        for key, patch in overrides.items()
        if key not in known and not is_excluded(patch) and _is_extra(event, key, patch)
    }
    yield (master := _with_dates(master, overrides, extra, form, zones, keep=same_form))
    for key, patch in overrides.items():
        if patch and not is_excluded(patch):
            yield _written_instance(event, key, patch, master, known.get(key), form, zones)
    ours = {id(component) for component in (old_master, *known.values())}
    yield from (component for component in old if id(component) not in ours)  # what nobody can read stays


def _known_instances(
    before: JsonMap, old_master: Component | None, old: tuple[Component, ...], zones: Zones
) -> dict[str, Component]:
    if old_master is None or "start" not in before:
        return {}
    instances = [component for component in old if component is not old_master]
    return dict(_keyed(old_master, instances, form_of(before, zones, old_master), zones))


def _written_alone(event: JsonMap, old: tuple[Component, ...], zones: Zones) -> Iterator[Component]:
    wall = parse_local(event["recurrenceId"])
    form = form_of({**event, "timeZone": event.get("recurrenceIdTimeZone")}, zones)
    mine = next((part for part in old if read_alone(part, zones).get("recurrenceId") == event["recurrenceId"]), None)
    component = write_event(mine or Component("VEVENT"), series_part(event), zones)
    if mine is None and wall is not None:
        component = component.with_prop(moment_prop("RECURRENCE-ID", form.moment(wall)))
    yield from (part for part in old if part is not mine)
    yield component


def _with_rule(master: Component, event: JsonMap, before: JsonMap, form: Form) -> Component:
    wanted = event.get("recurrenceRule")
    if wanted is None:
        return _carrying(master.without("RRULE"), ()) if "recurrenceRule" in before or not before else master
    if same_json(before.get("recurrenceRule"), plain_rule(wanted)):
        return master
    master = master.with_prop(Prop("RRULE", build_rrule(wanted, form.zone, all_day=form.kind is Kind.DATE)))
    said = {"recurrenceRule": _read_rule(master, form) or {}}
    return _carrying(master, written_carried(said, {"recurrenceRule": plain_rule(wanted)}))


def _carrying(master: Component, of_rule: Iterable[Prop]) -> Component:
    rest = (line for line in master.all(JSPROP) if not is_of_rule(line))
    return _replacing(master, JSPROP, (*rest, *of_rule))


def _with_dates(
    master: Component, overrides: JsonMap, extra: set[str], form: Form, zones: Zones, *, keep: bool
) -> Component:
    """Write EXDATE and RDATE, a line per date (Outlook reads no lists); lines whose dates all stay are kept."""
    excluded = {key for key, patch in overrides.items() if is_excluded(patch)}
    for name, wanted, allowed in (("EXDATE", excluded, excluded), ("RDATE", extra, overrides.keys() - excluded)):
        left = set(wanted)
        kept: list[Prop] = []
        for line in master.all(name) if keep else ():
            keys = _line_keys(line, form, zones)
            if keys is None or keys <= allowed:
                kept.append(line)
                left -= keys or set()
        new = [moment_prop(name, form.moment(wall)) for key in sorted(left) if (wall := parse_local(key)) is not None]
        master = _replacing(master, name, (*kept, *new))
    return master


def _is_extra(event: JsonMap, key: str, patch: JsonMap) -> bool:
    """An override off the rule is a date of its own; where the rule is too costly to follow, only an empty one is."""
    wall = parse_local(key)
    on_rule = wall is not None and is_on_rule(event, wall)
    return not patch if on_rule is None else not on_rule


def _line_keys(line: Prop, form: Form, zones: Zones) -> set[str] | None:
    """Return the keys of a line's dates; None where it cannot be read, and so is left alone."""
    try:
        return {local_text(form.wall(moment, zones)) for moment in parse_moments(line)}
    except Refused:
        return None


def _replacing(component: Component, name: str, lines: Iterable[Prop]) -> Component:
    new = tuple(lines)
    if component.all(name) == new:
        return component
    return component.without(name).adding(*new)


def _written_instance(
    event: JsonMap, key: str, patch: JsonMap, master: Component, old: Component | None, form: Form, zones: Zones
) -> Component:
    instance = build_instance(event, key, patch)
    wall = parse_local(key)
    if isinstance(instance, InvalidProperty) or wall is None:
        raise Refused("bad-calendar", f"The override {key} was not validated")
    wanted = series_part(instance)
    if old is not None:  # stamps of an instance are its own
        told = read_event(old, zones)
        wanted.update({name: told[name] for name in ("created", "sequence") if name in told and name not in patch})
    component = write_event(old or master.without("RRULE", "RDATE", "EXDATE", "EXRULE"), wanted, zones)
    before = component.first("RECURRENCE-ID")
    if old is not None and before is not None and _fits(before, form):
        return component
    return component.with_prop(moment_prop("RECURRENCE-ID", form.moment(wall)))


def _fits(recurrence_id: Prop, form: Form) -> bool:
    """Tell whether a RECURRENCE-ID, in whatever zone, is of the type that the series now has (P51)."""
    floating = (Kind.DATE, Kind.FLOATING)
    kind = parse_moment(recurrence_id).kind
    return kind is form.kind or (kind not in floating and form.kind not in floating)
