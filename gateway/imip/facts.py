# SPDX-License-Identifier: Apache-2.0
"""What a calendar says about one event, as facts a person asks for: which, when, where, who. No words, no layout.

Read from the lossless tree, leniently: what cannot be read is absent, nothing raises. Texts are hostile and come
out cleaned and cut; links come out only with schemes that are safe to press.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeVar

import nh3

from gateway.errors import Refused
from gateway.imip.mime import clean_line
from gateway.itip.address import plain_address
from gateway.itip.timezones import Zones
from gateway.itip.tree import Component, Prop, parse_tree
from gateway.itip.values import Kind, Moment, parse_duration, parse_moment, parse_moments

#: Longest texts that reach a mail; the calendar part carries the whole.
MAX_TITLE, MAX_NAME, MAX_PLACE, MAX_TEXT, MAX_COMMENT, MAX_URI = 200, 80, 300, 3000, 1000, 2000
#: How many of each are read; the rest is counted only.
MAX_GUESTS, MAX_DATES, MAX_LINKS = 100, 400, 5

_SAFE_URI = re.compile(r"(?:https?://|mailto:|tel:|sips?:|xmpp:)[^\s<>\"\\^`{}|\x00-\x20\x7f]+", re.IGNORECASE)
_HTML = re.compile(r"</?(?:html|body|div|span|p|br|a|b|i|u|ul|ol|li|strong|em|font|table)\b[^>]*>", re.IGNORECASE)
_HTML_BREAK = re.compile(r"<(?:br|/p|/div|/li|/tr)\b[^>]*>", re.IGNORECASE)
T = TypeVar("T")
_EVENTS = ("VEVENT", "VTODO", "VJOURNAL")


@dataclass(frozen=True, slots=True)
class Span:
    """When something is. Aware where a zone is known, naive where floating; whole days are midnights, end exclusive."""

    start: datetime
    end: datetime | None = None
    all_day: bool = False

    @property
    def is_floating(self) -> bool:
        return self.start.tzinfo is None


@dataclass(frozen=True, slots=True)
class Guest:
    """One calendar user of the event: a person, room or list."""

    address: str
    name: str
    partstat: str = ""
    role: str = ""
    delegated_from: str = ""
    delegated_to: str = ""

    @property
    def shown(self) -> str:
        return self.name or self.address


@dataclass(frozen=True, slots=True)
class Link:
    """Something to press: `label` may be empty."""

    uri: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class EventFacts:
    """One event, to-do or occurrence as it stands in a message."""

    uid: str
    title: str
    component: str
    span: Span | None
    due: Span | None
    occurrence: Span | None  # which one of a series: its place by RECURRENCE-ID
    is_series: bool
    rule: str  # RRULE as written, "" for none
    extra: tuple[Span, ...]  # RDATE
    excluded: tuple[Span, ...]  # EXDATE
    location: str
    joins: tuple[Link, ...]
    url: str
    attachments: tuple[Link, ...]
    description: str
    comment: str
    status: str
    organizer: Guest | None
    guests: tuple[Guest, ...]
    guest_count: int


@dataclass(frozen=True, slots=True)
class Source:
    """A calendar as read, and its time zones."""

    root: Component
    zones: Zones

    def component(self, recurrence_id: str) -> Component | None:
        """Return the event of this RECURRENCE-ID ("" for the master), or the first there is."""
        events = self.root.children(*_EVENTS)
        own = (event for event in events if (event.value("RECURRENCE-ID") or "") == recurrence_id)
        return next(own, events[0] if events else None)


@lru_cache(maxsize=32)
def parse_source(calendar: str) -> Source | None:
    """Return a calendar text as read, None where it is none; kept, because one calendar goes to many people."""
    try:
        root = parse_tree(calendar)
    except Refused:
        return None
    return Source(root, Zones(root))


@lru_cache(maxsize=32)
def parse_facts(calendar: str, recurrence_ids: tuple[str, ...] = ("",)) -> EventFacts | None:
    """Return the facts of the component a message is about (master first), or None where there is no event at all."""
    source = parse_source(calendar)
    event = source.component(recurrence_ids[0] if recurrence_ids else "") if source else None
    return _event_facts(event, source.zones) if source and event else None


def read_span(event: Component, zones: Zones) -> Span | None:
    """Return when a component takes place, or None where that cannot be read."""
    begin = _quietly(parse_moment, event.first("DTSTART"))
    if begin is None:
        return None
    finish = _quietly(parse_moment, event.first("DTEND"))
    if finish is None and (length := event.value("DURATION")):
        try:
            finish = zones.shifted(begin, parse_duration(length))
        except Refused:
            finish = None
    starts, ends = placed(begin, zones), placed(finish, zones) if finish else None
    if ends is not None and ((ends.tzinfo is None) != (starts.tzinfo is None) or ends <= starts):
        ends = None
    return Span(starts, ends, begin.is_date)


def read_moment(prop: Prop | None, zones: Zones) -> Span | None:
    """Return the moment that a property names, as a span without end."""
    moment = _quietly(parse_moment, prop)
    return None if moment is None else Span(placed(moment, zones), None, moment.is_date)


def read_dates(props: Iterable[Prop], zones: Zones, series: Span | None) -> tuple[Span, ...]:
    """Return the moments of list properties in order, in the zone of the series: UTC says little to a person."""
    found = [moment for prop in props for moment in _quietly(parse_moments, prop) or ()][:MAX_DATES]
    spans = [Span(placed(moment, zones), None, moment.is_date) for moment in found]
    if series is not None and series.start.tzinfo is not None:
        zone = series.start.tzinfo
        spans = [Span(s.start.astimezone(zone)) if s.start.tzinfo is not None else s for s in spans]
    return tuple(sorted(spans, key=lambda span: span.start.replace(tzinfo=None)))


def safe_uri(text: str) -> str:
    """Return a link that is safe to press, or "": no script, no data, no file, nothing that breaks out of markup."""
    text = text.strip()
    return text if len(text) <= MAX_URI and _SAFE_URI.fullmatch(text) else ""


def clean_block(text: str, limit: int) -> str:
    """Return text of several lines, cleaned and cut; markup that some programs put in DESCRIPTION is undone."""
    text = text[: limit * 4].replace("\r\n", "\n").replace("\r", "\n")
    if _HTML.search(text):
        text = nh3.clean(_HTML_BREAK.sub("\n", text), tags=set())
        text = text.replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    lines = [clean_line(line) for line in text.split("\n")]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def read_guest(prop: Prop) -> Guest:
    """Return the calendar user that an ORGANIZER or ATTENDEE line names."""
    address = clean_line(prop.param("EMAIL") or plain_address(prop.value), 254)
    return Guest(
        address,
        clean_line(prop.param("CN") or "", MAX_NAME).removeprefix("mailto:"),
        (prop.param("PARTSTAT") or "NEEDS-ACTION").upper(),
        (prop.param("ROLE") or "REQ-PARTICIPANT").upper(),
        plain_address(prop.param("DELEGATED-FROM") or ""),
        plain_address(prop.param("DELEGATED-TO") or ""),
    )


def _event_facts(event: Component, zones: Zones) -> EventFacts:
    organizer = event.first("ORGANIZER")
    attendees = event.all("ATTENDEE")
    span = read_span(event, zones)
    return EventFacts(
        uid=event.value("UID") or "",
        title=clean_line(event.text("SUMMARY") or "", MAX_TITLE),
        component=event.name,
        span=span,
        due=read_moment(event.first("DUE"), zones),
        occurrence=read_moment(event.first("RECURRENCE-ID"), zones),
        is_series=any(event.first(name) for name in ("RRULE", "RDATE")),
        rule=event.value("RRULE") or "",
        extra=read_dates(event.all("RDATE"), zones, span),
        excluded=read_dates(event.all("EXDATE"), zones, span),
        location=clean_line((event.text("LOCATION") or "").replace("\n", ", "), MAX_PLACE),
        joins=_links(event.all("CONFERENCE"), "LABEL"),
        url=safe_uri(event.value("URL") or ""),
        attachments=_links(event.all("ATTACH"), "FILENAME"),
        description=clean_block(event.text("DESCRIPTION") or "", MAX_TEXT),
        comment=clean_block(event.text("COMMENT") or "", MAX_COMMENT),
        status=(event.value("STATUS") or "").upper(),
        organizer=read_guest(organizer) if organizer else None,
        guests=tuple(map(read_guest, attendees[:MAX_GUESTS])),
        guest_count=len(attendees),
    )


def _links(props: Iterable[Prop], label: str) -> tuple[Link, ...]:
    found = ((safe_uri(prop.value), clean_line(prop.param(label) or "", MAX_NAME)) for prop in props)
    return tuple(Link(uri, text) for uri, text in found if uri)[:MAX_LINKS]


def _quietly(parse: Callable[[Prop], T], prop: Prop | None) -> T | None:
    try:
        return parse(prop) if prop is not None else None
    except Refused:
        return None


def placed(moment: Moment, zones: Zones) -> datetime:
    """Return a moment as a datetime: aware in its own zone, or naive where it floats or is a day."""
    if moment.kind is Kind.UTC:
        return moment.wall.replace(tzinfo=UTC)
    if moment.kind is Kind.ZONED:
        return moment.wall.replace(tzinfo=zones.zone(moment.tzid).tzinfo)
    return moment.wall
