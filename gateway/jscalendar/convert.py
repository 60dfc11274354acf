# SPDX-License-Identifier: Apache-2.0
"""A whole scheduling object and its Event: VCALENDAR with master and overrides, and recurrenceRule with patches.

`from_ical` shows what is stored; `to_ical` changes what is stored to say what an Event says and leaves the rest alone,
so `to_ical(from_ical(calendar), calendar)` is the calendar itself.
"""

from collections.abc import Iterable, Iterator

from gateway.errors import Refused
from gateway.itip.tree import Component, Prop, escape_text
from gateway.itip.values import (
    Duration,
    Kind,
    build_duration,
    moment_prop,
    parse_moment,
    parse_moments,
    parse_period,
)
from gateway.jscalendar.event import read_event, write_event
from gateway.jscalendar.expansion import is_on_rule
from gateway.jscalendar.overrides import build_instance, diff_instance, is_excluded, series_part
from gateway.jscalendar.patch import same_json
from gateway.jscalendar.rules import build_rrule, parse_rrule, plain_rule
from gateway.jscalendar.times import Form, form_of, zone_name
from gateway.jscalendar.values import (
    InvalidProperty,
    Json,
    JsonMap,
    duration_between,
    local_text,
    parse_local,
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
    head = _calendar_members(calendar)
    found = (event for components in by_uid.values() for event in _events_of(components))
    return tuple({**event, **head} for event in found if "start" in event)


def to_ical(event: JsonMap, existing: Component | None = None) -> Component:
    """Return `existing` (or a new VCALENDAR) changed to hold exactly this validated Event."""
    calendar = existing or Component("VCALENDAR", (Prop("VERSION", "2.0"), Prop("PRODID", PROD_ID)))
    if event.get("prodId") and event["prodId"] != calendar.text("PRODID"):
        calendar = calendar.with_prop(Prop("PRODID", escape_text(event["prodId"])))
    event = {name: member for name, member in event.items() if name not in ("prodId", "method")}
    old = calendar.children("VEVENT")
    new = tuple(_written_events(event, old))
    if old == new:
        return calendar
    first = next((at for at, item in enumerate(calendar.items) if item.name == "VEVENT"), len(calendar.items))
    before = calendar.items[:first]
    after = (item for item in calendar.items[first:] if item.name != "VEVENT")
    return calendar.with_items((*before, *new, *after))


def recurrence_key(series: JsonMap, component: Component) -> str | None:
    """Return the RECURRENCE-ID of a VEVENT as the key it has in the series' recurrenceOverrides."""
    prop = component.first("RECURRENCE-ID")
    try:
        return None if prop is None else local_text(form_of(series).wall(parse_moment(prop)))
    except Refused:
        return None


def _calendar_members(calendar: Component) -> Json:
    head: Json = {}
    for name, member in (("PRODID", "prodId"), ("METHOD", "method")):
        text = calendar.text(name)
        if text:
            head[member] = text.lower() if member == "method" else text
    return head


def _events_of(components: list[Component]) -> Iterator[Json]:
    masters = [component for component in components if component.first("RECURRENCE-ID") is None]
    instances = [component for component in components if component.first("RECURRENCE-ID") is not None]
    if not masters:
        yield from map(_read_alone, instances)
        return
    yield _read_series(masters[0], instances)


def _read_alone(component: Component) -> Json:
    """An instance somebody was invited to without the series is an event with a recurrenceId (JMAP Calendars §5)."""
    event = read_event(component)
    prop = component.first("RECURRENCE-ID")
    try:
        moment = parse_moment(prop) if prop is not None else None
    except Refused:
        moment = None
    if moment is None:
        return event
    form = form_of(event, component)
    if moment.kind in (Kind.DATE, Kind.FLOATING) or form.zone is None:
        return {**event, "recurrenceId": local_text(moment.wall)}
    return {**event, "recurrenceId": local_text(form.wall(moment)), "recurrenceIdTimeZone": zone_name(form.zone)}


def _read_series(master: Component, instances: list[Component]) -> Json:
    event = read_event(master)
    if "start" not in event:
        return event
    form = form_of(event, master)
    rule = _read_rule(master, form)
    if rule is not None:
        event["recurrenceRule"] = rule
    overrides: Json = dict(_single_dates(master, event, form))
    for component in instances:
        key = recurrence_key(event, component)
        instance = read_event(component)
        if key is not None and "start" in instance:
            overrides[key] = diff_instance(event, key, instance)
    return {**event, "recurrenceOverrides": overrides} if overrides else event


def _read_rule(master: Component, form: Form) -> Json | None:
    value = master.value("RRULE")
    return None if value is None else parse_rrule(value, form.zone)


def _single_dates(master: Component, event: JsonMap, form: Form) -> Iterator[tuple[str, Json]]:
    for line in master.all("RDATE"):
        try:
            if (line.param("VALUE") or "").upper() == "PERIOD":
                yield from _periods(line, event, form)
            else:
                yield from ((local_text(form.wall(moment)), {}) for moment in parse_moments(line))
        except Refused:
            continue
    for line in master.all("EXDATE"):
        try:
            yield from ((local_text(form.wall(moment)), {"excluded": True}) for moment in parse_moments(line))
        except Refused:
            continue


def _periods(line: Prop, event: JsonMap, form: Form) -> Iterator[tuple[str, Json]]:
    for text in line.value.split(","):
        period = parse_period(text, line.param("TZID") or "")
        start = form.wall(period.start)
        end = form.wall(period.end) if period.end is not None else None
        length = duration_between(start, end, form.zone) if end is not None else period.duration or Duration()
        text = build_duration(length)
        yield local_text(start), {} if text == event.get("duration", "PT0S") else {"duration": text}


def _written_events(event: JsonMap, old: tuple[Component, ...]) -> Iterator[Component]:
    if event.get("recurrenceId") is not None:
        yield from _written_alone(event, old)
        return
    old_master = next((component for component in old if component.first("RECURRENCE-ID") is None), None)
    series = series_part(event)
    before = _read_series(old_master, []) if old_master is not None else {}
    master = write_event(old_master or Component("VEVENT"), series)
    form = form_of(series, master)
    same_form = old_master is not None and "start" in before and form_of(before, old_master) == form
    master = _with_rule(master, event, before if same_form else {}, form)
    overrides: JsonMap = event.get("recurrenceOverrides") or {}
    known = _known_instances(before, old)
    extra = {
        key
        for key, patch in overrides.items()
        if key not in known and not is_excluded(patch) and _is_extra(event, key, patch)
    }
    yield (master := _with_dates(master, overrides, extra, form, keep=same_form))
    for key, patch in overrides.items():
        if patch and not is_excluded(patch):
            yield _written_instance(event, key, patch, master, known.get(key), form)


def _known_instances(before: JsonMap, old: tuple[Component, ...]) -> dict[str, Component]:
    if "start" not in before:
        return {}
    keys = ((recurrence_key(before, component), component) for component in old)
    return {key: component for key, component in keys if key is not None}


def _written_alone(event: JsonMap, old: tuple[Component, ...]) -> Iterator[Component]:
    wall = parse_local(event["recurrenceId"])
    form = form_of({**event, "timeZone": event.get("recurrenceIdTimeZone")})
    mine = next((part for part in old if _read_alone(part).get("recurrenceId") == event["recurrenceId"]), None)
    component = write_event(mine or Component("VEVENT"), series_part(event))
    if mine is None and wall is not None:
        component = component.with_prop(moment_prop("RECURRENCE-ID", form.moment(wall)))
    yield from (part for part in old if part is not mine and part.first("RECURRENCE-ID") is not None)
    yield component


def _with_rule(master: Component, event: JsonMap, before: JsonMap, form: Form) -> Component:
    wanted = event.get("recurrenceRule")
    if wanted is None:
        return master.without("RRULE") if "recurrenceRule" in before or not before else master
    if same_json(before.get("recurrenceRule"), plain_rule(wanted)):
        return master
    return master.with_prop(Prop("RRULE", build_rrule(wanted, form.zone, all_day=form.kind is Kind.DATE)))


def _with_dates(master: Component, overrides: JsonMap, extra: set[str], form: Form, *, keep: bool) -> Component:
    """Write EXDATE and RDATE, a line per date (Outlook reads no lists); lines whose dates all stay are kept."""
    excluded = {key for key, patch in overrides.items() if is_excluded(patch)}
    for name, wanted, allowed in (("EXDATE", excluded, excluded), ("RDATE", extra, overrides.keys() - excluded)):
        left = set(wanted)
        kept: list[Prop] = []
        for line in master.all(name) if keep else ():
            keys = _line_keys(line, form)
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


def _line_keys(line: Prop, form: Form) -> set[str] | None:
    """Return the keys of a line's dates; None where it cannot be read, and so is left alone."""
    try:
        return {local_text(form.wall(moment)) for moment in parse_moments(line)}
    except Refused:
        return None


def _replacing(component: Component, name: str, lines: Iterable[Prop]) -> Component:
    new = tuple(lines)
    if component.all(name) == new:
        return component
    return component.without(name).adding(*new)


def _written_instance(
    event: JsonMap, key: str, patch: JsonMap, master: Component, old: Component | None, form: Form
) -> Component:
    instance = build_instance(event, key, patch)
    wall = parse_local(key)
    if isinstance(instance, InvalidProperty) or wall is None:
        raise Refused("bad-calendar", f"The override {key} was not validated")
    wanted = {**series_part(instance)}
    if old is not None:  # stamps of an instance are its own
        told = read_event(old)
        wanted.update({name: told[name] for name in ("created", "sequence") if name in told and name not in patch})
    start = old or master.without("RRULE", "RDATE", "EXDATE", "EXRULE")
    component = write_event(start, wanted)
    rid = moment_prop("RECURRENCE-ID", form.moment(wall))
    before = component.first("RECURRENCE-ID")
    if (
        before is not None
        and _line_keys(before, form) == {key}
        and parse_moment(before).is_date == (form.kind is Kind.DATE)
    ):
        return component
    return component.with_prop(rid)
