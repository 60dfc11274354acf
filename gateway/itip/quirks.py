# SPDX-License-Identifier: Apache-2.0
"""Named repairs of vendors' calendars, as tables: one small function each, with its reason and its evidence.

The evidence ids (Q..) are those of docs/interoperability.md. A repair changes as little as makes the calendar mean
what its sender meant; what is only odd is left alone. To add one: a function, a row, a test (docs/extending.md).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.errors import Refused
from gateway.itip.tree import Component, Prop
from gateway.itip.values import Kind, Moment, moment_prop, parse_moment, parse_moments, parse_sequence

LineMend = Callable[[Prop], Prop | None]
ComponentMend = Callable[[Component], Component]


@dataclass(frozen=True, slots=True)
class LineQuirk:
    """A repair of one content line, looked for on lines of these names. `mend` returns the line it was given where
    nothing is wrong, another where something was, None to drop it."""

    name: str
    evidence: str
    reason: str
    lines: tuple[str, ...]
    mend: LineMend


@dataclass(frozen=True, slots=True)
class ComponentQuirk:
    """A repair that needs to see the whole component. `mend` returns the very component where nothing is wrong."""

    name: str
    evidence: str
    reason: str
    mend: ComponentMend


#: A name may stand once only; the first wins (RFC 5545 §3.6.1).
SINGLE = frozenset({
    "CLASS", "COMPLETED", "CREATED", "DTEND", "DTSTAMP", "DTSTART", "DUE", "DURATION", "GEO", "LAST-MODIFIED",
    "LOCATION", "ORGANIZER", "PERCENT-COMPLETE", "PRIORITY", "RECURRENCE-ID", "SEQUENCE", "STATUS", "SUMMARY",
    "TRANSP", "UID", "URL",
})  # fmt: skip
_TWICE = SINGLE | {"DESCRIPTION"}
_SCHEDULING = ("VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY")
_INSIDE = ("VALARM", "PARTICIPANT", "VLOCATION", "VRESOURCE")  # RFC 9073 §7

_MAX_INLINE_ATTACH = 64 * 1024
#: Parameters of one server's book-keeping that must never travel (RFC 6638 §7), and our own, which nobody may plant.
_LEAKED = re.compile(r"SCHEDULE-(?:AGENT|STATUS|FORCE-SEND)|RECEIVED-(?:SEQUENCE|DTSTAMP)|X-IMIP-GATEWAY-", re.I)
#: Without one of these in its parameters the line of a person is sound; most are, and there may be thousands.
_SUSPECT = ("SCHEDULE-", "RECEIVED-", "X-IMIP-GATEWAY-", ",", "_")
_SOUND_STAMP = re.compile(r"\d{8}T\d{6}Z")
_BLANK = re.compile(r"(?:\s|\\[nN])*")
_COLON_IN_TZID = re.compile(r"(.{1,60}):(\d{8}(?:T\d{6}Z?)?)")
_MIDNIGHT_UNTIL = re.compile(r"(UNTIL=)(\d{8})T000000Z", re.I)


def _leaked_parameters(line: Prop) -> Prop:
    return line.without_params(*(key for key, _ in line.params if _LEAKED.match(key)))


def _comma_in_name(line: Prop) -> Prop:
    names = line.param_values("CN")
    return line if len(names) < 2 else line.with_param("CN", ",".join(names))


def _role_with_underscore(line: Prop) -> Prop:
    role = line.param("ROLE")
    return line if role is None or "_" not in role else line.with_param("ROLE", role.replace("_", "-"))


def _stamp_without_zone(line: Prop) -> Prop:
    if _SOUND_STAMP.fullmatch(line.value):
        return line
    try:
        moment = parse_moment(line.without_params("TZID"))
    except Refused:
        return line
    if moment.kind is Kind.UTC:
        return line
    return moment_prop(line.name, Moment(moment.wall, Kind.UTC))


def _bad_stamp(line: Prop) -> Prop | None:
    try:
        parse_moment(line)
    except Refused:
        return None
    return line


def _useless_rule(line: Prop) -> Prop | None:
    parts = dict(piece.partition("=")[::2] for piece in line.value.upper().replace(" ", "").split(";"))
    if not line.value.strip() or parts.get("COUNT", "1") == "0" or parts.get("INTERVAL", "1") == "0":
        return None
    return line


def _colon_in_tzid(line: Prop) -> Prop:
    found = _COLON_IN_TZID.fullmatch(line.value) if ":" in line.value else None
    tzid = None if found is None else line.param("TZID")
    return line if found is None or tzid is None else line.with_param("TZID", f"{tzid}:{found[1]}").with_value(found[2])


def _bad_sequence(line: Prop) -> Prop | None:
    digits = line.value.strip()
    return line if digits == str(parse_sequence(digits)) else None


def _inline_attachment(line: Prop) -> Prop | None:
    inline = (line.param("VALUE") or "").upper() == "BINARY" or line.value[:5].lower() == "data:"
    return None if inline and len(line.value) > _MAX_INLINE_ATTACH else line


def _blank_text(line: Prop) -> Prop | None:
    return None if _BLANK.fullmatch(line.value) else line


def _unreadable_line(line: Prop) -> None:
    return None


LINES: tuple[LineQuirk, ...] = (
    LineQuirk(
        "leaked-parameters",
        "Q63 Q73",
        "Yahoo and Thunderbird send their server's own book-keeping parameters along",
        ("ATTENDEE", "ORGANIZER"),
        _leaked_parameters,
    ),
    LineQuirk(
        "comma-in-name",
        "Q71",
        "Small generators leave a comma in CN unquoted",
        ("ATTENDEE", "ORGANIZER"),
        _comma_in_name,
    ),
    LineQuirk("role-with-underscore", "Q63", "Yahoo writes REQ_PARTICIPANT", ("ATTENDEE",), _role_with_underscore),
    LineQuirk(
        "bad-stamp", "Q71", "A time stamp that is no time is none", ("DTSTAMP", "CREATED", "LAST-MODIFIED"), _bad_stamp
    ),
    LineQuirk(
        "stamp-without-zone",
        "Q71",
        "Small generators write time stamps without Z and mean UTC",
        ("DTSTAMP", "CREATED", "LAST-MODIFIED", "COMPLETED"),
        _stamp_without_zone,
    ),
    LineQuirk(
        "useless-rule", "Q79", "An empty RRULE, COUNT=0 or INTERVAL=0 repeats nothing", ("RRULE",), _useless_rule
    ),
    LineQuirk(
        "colon-in-tzid",
        "Q76",
        "Google echoes GMT+05:30, Exchange writes tzone://Microsoft/Utc, without the quotes that a colon needs",
        ("DTSTART", "DTEND", "DUE", "RECURRENCE-ID", "EXDATE", "RDATE"),
        _colon_in_tzid,
    ),
    LineQuirk("bad-sequence", "Q79", "A SEQUENCE that is no number counts as none", ("SEQUENCE",), _bad_sequence),
    LineQuirk(
        "inline-attachment", "Q20", "Large inline files do not belong into a calendar", ("ATTACH",), _inline_attachment
    ),
    LineQuirk("blank-text", "Q46", "Exchange sends an empty line for no text", ("COMMENT", "DESCRIPTION"), _blank_text),
    LineQuirk("unreadable-line", "Q19", "A line that is no content line says nothing", ("",), _unreadable_line),
)


def _duplicate_property(component: Component) -> Component:
    names = [item.name for item in component.items if item.name in _TWICE]
    if len(names) == len(set(names)):
        return component
    seen: set[str] = set()
    items: list[Prop | Component] = []
    for item in component.items:
        if item.name in SINGLE or (item.name == "DESCRIPTION" and component.name != "VJOURNAL"):
            if item.name in seen:
                continue
            seen.add(item.name)
        items.append(item)
    return component if len(items) == len(component.items) else component.with_items(items)


def _foreign_component(component: Component) -> Component:
    inside = [item for item in component.items if isinstance(item, Component)]
    if all(item.name in _INSIDE for item in inside):
        return component
    return component.with_items(item for item in component.items if isinstance(item, Prop) or item.name in _INSIDE)


def _two_ends(component: Component) -> Component:
    ends = component.first("DTEND") or component.first("DUE")
    return component if ends is None or component.first("DURATION") is None else component.without("DURATION")


def _end_before_start(component: Component) -> Component:
    start, duration = component.first("DTSTART"), component.value("DURATION")
    if duration is not None and duration.lstrip()[:1] == "-":
        return component.without("DURATION")
    end = component.first("DTEND") or component.first("DUE")
    if start is None or end is None or start.param("TZID") != end.param("TZID"):
        return component
    try:
        first, last = parse_moment(start), parse_moment(end)
    except Refused:
        return component
    if first.kind is not last.kind or last.wall > first.wall or (last.wall == first.wall and not first.is_date):
        return component
    return component.without(end.name)  # no end: a moment, or one day (RFC 5545 §3.6.1)


def _until_at_midnight(component: Component) -> Component:
    rule, start = component.first("RRULE"), component.first("DTSTART")
    found = _MIDNIGHT_UNTIL.search(rule.value) if rule is not None else None
    if rule is None or start is None or found is None or not component.all("X-MICROSOFT-CDO-BUSYSTATUS"):
        return component
    if start.value.strip()[8:].upper() in ("T000000", "T000000Z", ""):
        return component
    return component.with_prop(rule.with_value(_MIDNIGHT_UNTIL.sub(r"\g<1>\g<2>T235959Z", rule.value)))


def _excluded_day(component: Component) -> Component:
    start = component.first("DTSTART")
    if start is None or not any("T" not in line.value.upper() for line in component.all("EXDATE")):
        return component
    try:
        first = parse_moment(start)
        if first.is_date:
            return component
        return component.map_props(lambda line: _timed_exclusion(line, first) if line.name == "EXDATE" else line)
    except Refused:
        return component


def _timed_exclusion(line: Prop, first: Moment) -> Prop:
    days = parse_moments(line)
    if not all(day.is_date for day in days) or not days:
        return line
    time = first.wall - first.wall.replace(hour=0, minute=0, second=0)
    return moment_prop("EXDATE", *(replace(first, wall=day.wall + time) for day in days))


COMPONENTS: tuple[ComponentQuirk, ...] = (
    ComponentQuirk(
        "duplicate-property", "Q63 C12", "Yahoo sends two STATUS lines; the first wins", _duplicate_property
    ),
    ComponentQuirk("foreign-component", "Q20", "Components nested where none belong are left out", _foreign_component),
    ComponentQuirk("two-ends", "Q79", "Of an end and a duration the end counts", _two_ends),
    ComponentQuirk("end-before-start", "Q79", "An end before the start is no end", _end_before_start),
    ComponentQuirk("until-at-midnight", "Q53", "Outlook means the whole last day by midnight", _until_at_midnight),
    ComponentQuirk("excluded-day", "Q37", "Google excludes days, not times, from a timed series", _excluded_day),
)


def _by_line_name() -> dict[str, tuple[LineQuirk, ...]]:
    names = {name for quirk in LINES for name in quirk.lines}
    return {name: tuple(quirk for quirk in LINES if name in quirk.lines) for name in names}


_BY_LINE = _by_line_name()


def mend_calendar(calendar: Component) -> tuple[Component, tuple[str, ...]]:
    """Return the calendar with every known fault of its scheduling components mended, and the names of the repairs."""
    repairs: dict[str, None] = {}
    items: list[Prop | Component] = []
    for item in calendar.items:
        if isinstance(item, Component) and item.name in _SCHEDULING:
            items.append(_mend_component(item, repairs))
        else:
            items.append(item)
    return (calendar.with_items(items) if repairs else calendar), tuple(repairs)


def _mend_component(component: Component, repairs: dict[str, None]) -> Component:
    items: list[Prop | Component] = []
    changed = False
    for item in component.items:
        quirks = _BY_LINE.get(item.name)
        if quirks is None or not isinstance(item, Prop) or _is_sound_person(item):
            items.append(item)
            continue
        mended = _mend_line(item, quirks, repairs)
        changed = changed or mended is not item
        if mended is not None:
            items.append(mended)
    if changed:
        component = component.with_items(items)
    for quirk in COMPONENTS:
        better = quirk.mend(component)
        if better is not component:
            repairs[quirk.name] = None
            component = better
    return component


def _is_sound_person(line: Prop) -> bool:
    return line.name in ("ATTENDEE", "ORGANIZER") and not line.may_have_param(*_SUSPECT)


def _mend_line(line: Prop, quirks: tuple[LineQuirk, ...], repairs: dict[str, None]) -> Prop | None:
    for quirk in quirks:
        mended = quirk.mend(line)
        if mended is line:
            continue
        repairs[quirk.name] = None
        if mended is None:
            return None
        line = mended
    return line
