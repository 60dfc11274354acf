# SPDX-License-Identifier: Apache-2.0
"""The facts of an event as labelled rows, and the guest list: what every kind of mail has in common."""

from collections.abc import Iterable

from gateway.imip.changes import STATUSES
from gateway.imip.dates import render_for_reader, render_span
from gateway.imip.facts import EventFacts, Guest
from gateway.imip.facts import Link as Place
from gateway.imip.kinds import ANSWERS
from gateway.imip.letter import GuestLine, Line, Row, Section
from gateway.imip.presentation import SHOWN_GUESTS
from gateway.imip.repeats import render_dates, render_next_dates, render_recurrence
from gateway.imip.words import Words, mark
from gateway.itip.address import same_address

ROLES: dict[str, str] = {
    "OPT-PARTICIPANT": mark("optional"),
    "NON-PARTICIPANT": mark("for information"),
}


def render_rows(words: Words, facts: EventFacts, zone: str | None, *, brief: bool) -> Iterable[Row]:
    """Return when, how often, where and whose; unless `brief` also how to join, what it is about and so on."""
    if facts.span is not None:
        yield _row(words, mark("When"), render_span(words, facts.span))
        yield _row(words, mark("In your time zone"), render_for_reader(words, facts.span, zone))
    if facts.due is not None:
        yield _row(words, mark("Due"), render_span(words, facts.due))
    rule = (render_recurrence(words, facts), render_next_dates(words, facts))
    yield Row(words.label("Repeats"), tuple(Line(text) for text in rule if text))
    if not brief:
        yield _row(words, mark("Not on"), render_dates(words, facts.excluded))
        yield _row(words, mark("Also on"), render_dates(words, facts.extra, facts.span))
    yield _row(words, mark("Where"), facts.location)
    if not brief:
        yield Row(words.label("Join"), tuple(_pressable(join) for join in facts.joins))
        yield Row(words.label("Link"), (Line(facts.url, facts.url),) if facts.url else ())
    if facts.organizer is not None:
        yield _row(words, mark("Organizer"), _person(words, facts.organizer))
    if not brief:
        if facts.status in ("TENTATIVE", "CANCELLED"):
            yield _row(words, mark("Status"), words.label(STATUSES[facts.status]))
        yield Row(words.label("Attachments"), tuple(_pressable(link) for link in facts.attachments))
        yield Row(
            words.label("Description"), tuple(Line(line) for line in facts.description.split("\n") if facts.description)
        )


def render_guests(words: Words, facts: EventFacts, limit: int = SHOWN_GUESTS, *, hidden: bool) -> Section | None:
    """Return the guest list up to a limit, or the sentence that it is hidden."""
    if hidden:
        return Section(words.label("Guests"), more=words.say("The organizer does not show the guest list."))
    if not facts.guests:
        return None
    shown = [_guest(words, guest, facts) for guest in facts.guests[:limit]]
    rest = facts.guest_count - len(shown)
    more = words.count("and {number} more", "and {number} more", rest) if rest > 0 else ""
    return Section(words.label("Guests"), guests=tuple(shown), more=more)


def _guest(words: Words, guest: Guest, facts: EventFacts) -> GuestLine:
    is_organizer = facts.organizer is not None and same_address(guest.address, facts.organizer.address)
    role = words.label("organizer") if is_organizer else words.label(ROLES[guest.role]) if guest.role in ROLES else ""
    answer = words.label(ANSWERS[guest.partstat]) if guest.partstat in ANSWERS else ""
    notes = [note for note in (role, "" if is_organizer else answer) if note]
    name = guest.shown
    return GuestLine(name, guest.address if guest.address != name else "", words.comma.join(notes), guest.partstat)


def _row(words: Words, label: str, text: str) -> Row:
    return Row(words.label(label), (Line(text),) if text else ())


def _pressable(link: Place) -> Line:
    return Line(link.label or link.uri, link.uri)


def _person(words: Words, guest: Guest) -> str:
    return (
        f"{words.isolated(guest.name)} <{guest.address}>"
        if guest.name and guest.name != guest.address
        else guest.address
    )
