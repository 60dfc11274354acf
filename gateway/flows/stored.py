# SPDX-License-Identifier: Apache-2.0
"""From a calendar's text to the row that is stored: the text is the truth, the columns are what is searched."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.errors import Refused
from gateway.flows.context import Context
from gateway.itip.address import normal_address, same_address
from gateway.itip.objects import SchedulingObject, read_object
from gateway.itip.parse import series_uid
from gateway.itip.spans import read_span
from gateway.itip.timezones import used_tzids
from gateway.itip.tree import Component, Prop
from gateway.itip.values import parse_utc
from gateway.jscalendar.alone import alone_parts
from gateway.jscalendar.convert import events_from_ical
from gateway.jscalendar.searched import searched_text
from gateway.jscalendar.values import Json
from gateway.store.accounts import Account
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit

_LONGEST_UID, _LONGEST_ADDRESS = 1024, 320  # characters; RFC 5321 §4.5.3.1 has no longer address


def known_object(unit: Unit, account_id: str, uid: str) -> StoredObject | None:
    """Return what an account has of the object that a message names; Exchange dates the UID of an occurrence."""
    spellings = dict.fromkeys((uid, series_uid(uid))) if uid else ()
    return next((item for each in spellings for item in unit.objects.by_uid(account_id, each)), None)


@dataclass(frozen=True, slots=True)
class Guest:
    """One attendee of the series ("") or of one instance."""

    address: str
    recurrence_id: str
    partstat: str


def stored_object(
    text: str,
    *,
    account: Account,
    addresses: tuple[str, ...],
    context: Context,
    old: StoredObject | None,
    source: str,
) -> StoredObject:
    """Return the row for an object's text; id, creation time and schedule tag go on from `old`.

    Raises:
        Refused: `bad-calendar` when it is no scheduling object.
    """
    tree = context.trees.read(text)
    if old is not None and _is_only_answered(context.trees.read(old.ical), tree):
        return replace(
            old, ical=text, etag=etag_of(text), updated_at=context.clock.now(), schedule_tag=old.schedule_tag + 1
        )
    subject = read_object(tree)
    if subject.faults:
        raise Refused("bad-calendar", subject.faults[0].reason, rule=subject.faults[0].rule)
    if len(subject.uid) > _LONGEST_UID or any(len(address) > _LONGEST_ADDRESS for address in subject.everyone):
        raise Refused("bad-calendar", "The UID, or the address of a guest, is longer than what is stored")
    first = subject.components[0]
    now = context.clock.now()
    organizer = subject.organizer
    starts_at, ends_at = _window(subject)
    shown = _shown_as(subject)
    return StoredObject(
        id=old.id if old else context.ids.row("evt"),
        account_id=account.id,
        uid=subject.uid,
        kind=subject.kind,
        ical=text,
        summary=(first.text("SUMMARY") or "")[:1000],
        etag=etag_of(text),
        created_at=old.created_at if old else now,
        updated_at=now,
        sequence=subject.sequence,
        dtstamp=dtstamp_of(first),
        organizer=organizer.address if organizer else None,
        is_origin=organizer is None or organizer.address in {normal_address(address) for address in addresses},
        is_draft=old.is_draft if old else False,
        hide_attendees=old.hide_attendees if old else False,
        is_recurring=subject.series.is_recurring,
        status=(first.value("STATUS") or "").upper()[:16],
        starts_at=starts_at,
        ends_at=ends_at,
        schedule_tag=(old.schedule_tag if old else 0) + 1,
        properties=old.properties if old else {},
        source=old.source if old else source,
        alone=tuple(alone_parts(subject.calendar)),
        privacy=_privacy(shown),
        searched=searched_text(shown),
    )


def etag_of(text: str) -> str:
    """Return the entity tag of an object's text."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _is_only_answered(old: Component, new: Component) -> bool:
    """Whether nothing but lines of guests are other ones, so that no column but the text says anything new."""
    if len(old.items) != len(new.items):
        return False
    pairs = ((before, now) for before, now in zip(old.items, new.items, strict=True) if before is not now)
    return all(
        _is_only_answered(before, now)
        if isinstance(before, Component) and isinstance(now, Component) and before.name == now.name
        else isinstance(before, Prop) and isinstance(now, Prop) and _is_answer(before, now)
        for before, now in pairs
    )


def _is_answer(before: Prop, now: Prop) -> bool:
    """Whether a guest's line names the same person in the same way."""
    same = before.name == now.name == "ATTENDEE" and before.value == now.value
    return same and all(before.param(name) == now.param(name) for name in ("CN", "EMAIL"))


def answered_lines(old: Component, new: Component) -> tuple[tuple[Prop, Prop], ...] | None:
    """Return the guests' lines that an answer changed, as they were and are; None where more than lines changed."""
    return tuple(_answered(old, new)) if _is_only_answered(old, new) else None


def _answered(old: Component, new: Component) -> Iterator[tuple[Prop, Prop]]:
    for before, now in zip(old.items, new.items, strict=True):
        if before is now:
            continue
        if isinstance(before, Component) and isinstance(now, Component):
            yield from _answered(before, now)
        elif isinstance(before, Prop) and isinstance(now, Prop):
            yield before, now


def guests_of(calendar: Component, people: Iterable[str] | None = None) -> tuple[Guest, ...]:
    """Return every attendee of every component, or those of these people; the organizer's own line left out."""
    subject = read_object(calendar)
    organizer = subject.organizer
    return tuple(
        Guest(address, key, on[address].partstat)
        for key, _ in subject.instances()
        for on in (subject.attendees(key),)
        for address in (on if people is None else people)
        if address in on and (organizer is None or address != organizer.address)
    )


def attendee_line(calendar: Component, address: str) -> Prop | None:
    """Return the line of a person, as attendee or organizer, in the first component that names them."""
    for component in calendar.components:
        for line in component.all("ATTENDEE", "ORGANIZER"):
            if same_address(line.value, address):
                return line
    return None


def split_by_uid(calendar: Component) -> tuple[tuple[str, Component], ...]:
    """Return each scheduling object of a calendar as a calendar of its own, with the time zones that it uses."""
    frame = [item for item in calendar.items if isinstance(item, Prop) and item.name != "METHOD"]
    zones = {(zone.value("TZID") or ""): zone for zone in calendar.children("VTIMEZONE")}
    groups: dict[str, list[Component]] = {}
    for component in calendar.children("VEVENT", "VTODO", "VJOURNAL"):
        groups.setdefault((component.text("UID") or "").strip(), []).append(component)
    found = []
    for uid, components in groups.items():
        alone = calendar.with_items([*frame, *components])
        used = [zones[tzid] for tzid in used_tzids(alone) if tzid in zones]
        found.append((uid, calendar.with_items([*frame, *used, *components])))
    return tuple(found)


def _shown_as(subject: SchedulingObject) -> tuple[Json, ...]:
    """The object as CalendarEvents; none where it is no event, or not to be read as one."""
    try:
        return events_from_ical(subject.calendar)
    except Refused:
        return ()


def _privacy(events: tuple[Json, ...]) -> str:
    """The strictest privacy that any of the events asks for."""
    asked = {event.get("privacy", "public") for event in events}
    return next((kind for kind in ("secret", "private") if kind in asked), "public")


def _window(subject: SchedulingObject) -> tuple[datetime | None, datetime | None]:
    """Start of the first and end of the last occurrence; None where there is none or no end."""
    starts = []
    for _, component in subject.instances():
        try:
            starts.append(subject.zones.utc(read_span(component, subject.zones).start))
        except Refused:
            continue
    try:
        ends_at = subject.series.last_end() if starts else None
    except Refused:
        ends_at = None
    return (min(starts) if starts else None), ends_at


def dtstamp_of(component: Component) -> datetime | None:
    """Return a component's DTSTAMP where it has one that can be read."""
    stamp = component.value("DTSTAMP")
    try:
        return parse_utc(stamp) if stamp else None
    except Refused:
        return None
