# SPDX-License-Identifier: Apache-2.0
"""What has changed, old beside new, in a person's words (the facts of `FieldChange`)."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gateway.imip.dates import render_day, render_span
from gateway.imip.facts import MAX_PLACE, EventFacts, clean_block, parse_source, read_dates, read_moment, read_span
from gateway.imip.letter import ChangeRow
from gateway.imip.mime import clean_line
from gateway.imip.repeats import render_dates, render_recurrence
from gateway.imip.words import Words, mark
from gateway.itip.model import FieldChange
from gateway.itip.timezones import Zones
from gateway.itip.tree import Component, Prop, unescape_text

MAX_CHANGES = 12
_MAX_TEXT = 400
_WHEN = ("DTSTART", "DTEND", "DURATION")
_PARAMETERS = re.compile(r";?(?:(?P<name>[A-Z-]+)=(?P<value>\"[^\"]*\"|[^:;\"]*))")

STATUSES: dict[str, str] = {
    "CONFIRMED": mark("confirmed"),
    "TENTATIVE": mark("not confirmed yet"),
    "CANCELLED": mark("canceled"),
}
_LABELS: dict[str, str] = {
    "DUE": mark("Due"),
    "RRULE": mark("Repeats"),
    "RDATE": mark("Also on"),
    "EXDATE": mark("Not on"),
    "STATUS": mark("Status"),
    "SUMMARY": mark("Title"),
    "LOCATION": mark("Where"),
    "DESCRIPTION": mark("Description"),
    "CONFERENCE": mark("Join"),
    "URL": mark("Link"),
    "ATTACH": mark("Attachments"),
}


def render_changes(
    words: Words, changes: Sequence[FieldChange], facts: EventFacts, calendar: str
) -> tuple[ChangeRow, ...]:
    """Return the changes that a reader can be told about, each with the value before and now."""
    source = parse_source(calendar)
    if source is None:
        return ()
    rows: list[ChangeRow] = []
    for instance in dict.fromkeys(change.recurrence_id for change in changes):
        own = [change for change in changes if change.recurrence_id == instance]
        event = source.component(instance)
        place = read_moment(event.first("RECURRENCE-ID"), source.zones) if event is not None else None
        suffix = f" ({render_day(words, place)})" if place is not None and facts.occurrence is None else ""
        found = [*_when_changed(words, own, event, source.zones), *_others_changed(words, own, facts, source.zones)]
        rows += (replace(row, label=row.label + suffix) for row in found if row.old != row.new)
    return tuple(rows[:MAX_CHANGES])


def _when_changed(
    words: Words, changes: Iterable[FieldChange], event: Component | None, zones: Zones
) -> Iterable[ChangeRow]:
    """Start and end are one fact to a person, whichever of DTSTART, DTEND and DURATION moved."""
    moved = {change.name: change for change in changes if change.name in _WHEN}
    if not moved or event is None:
        return
    before, after = event, event
    for name, change in moved.items():
        before = _with_line(before, name, change.old, event.first(name))
        after = _with_line(after, name, change.new, event.first(name))
    old, new = read_span(before, zones), read_span(after, zones)
    yield ChangeRow(words.label("When"), render_span(words, old) if old else "", render_span(words, new) if new else "")


def _with_line(event: Component, name: str, text: str | None, like: Prop | None) -> Component:
    return event.without(name) if text is None else event.without(name).adding(_line(name, text, like))


def _line(name: str, text: str, like: Prop | None) -> Prop:
    """Return a change's text as a line: with its own parameters (`;TZID=...:value`) or those the line has now."""
    head, colon, value = text.rpartition(":")
    if colon and "=" in head:
        params = tuple((m["name"], (m["value"].strip('"'),)) for m in _PARAMETERS.finditer(head.removeprefix(name)))
        return Prop(name, value, params)
    return Prop(name, text, like.params if like is not None else ())


def _others_changed(
    words: Words, changes: Iterable[FieldChange], facts: EventFacts, zones: Zones
) -> Iterable[ChangeRow]:
    for change in changes:
        label = _LABELS.get(change.name)
        if label is not None:
            old, new = (_shown(words, change.name, text or "", facts, zones) for text in (change.old, change.new))
            yield ChangeRow(words.label(label), old, new)


def _shown(words: Words, name: str, text: str, facts: EventFacts, zones: Zones) -> str:
    if not text:
        return ""
    if name == "RRULE":
        return render_recurrence(words, replace(facts, rule=text))
    if name in ("RDATE", "EXDATE"):
        lines = (Prop(name, item.partition("/")[0]) for item in re.split(r"[,\s]+", text.rpartition(":")[2])[:50])
        return render_dates(words, read_dates(lines, zones, facts.span), facts.span)
    if name == "DUE":
        span = read_moment(_line(name, text, None), zones)
        return render_span(words, span) if span else ""
    if name == "STATUS" and (known := STATUSES.get(text.strip().upper())):
        return words.label(known)
    if name == "DESCRIPTION":
        return clean_block(unescape_text(text), _MAX_TEXT)
    return clean_line(unescape_text(text).replace("\n", ", "), MAX_PLACE)
