# SPDX-License-Identifier: Apache-2.0
"""From facts to a letter: which sentences and rows a kind of mail shows, in the reader's language. No markup here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway.imip.changes import render_changes
from gateway.imip.dates import read_tile, render_day, render_short_span, render_span, render_until
from gateway.imip.facts import MAX_COMMENT, EventFacts, Span, clean_block
from gateway.imip.footer import Footer
from gateway.imip.kinds import ANSWER_TONES, ANSWERS, FORMS, Kind, Scope, find_guest, scope_of
from gateway.imip.letter import Button, Letter, Line, Question, Quote, Row, Section, Tile
from gateway.imip.mime import clean_line
from gateway.imip.presentation import Person, Presentation
from gateway.imip.render import render_question
from gateway.imip.rows import render_guests, render_rows
from gateway.imip.words import SOURCE, Words, load_words, mark
from gateway.itip.address import same_address
from gateway.itip.model import FieldChange

_INVITING = (Kind.INVITATION, Kind.DELEGATED_TO_YOU, Kind.UPDATE, Kind.REPEATED)
_ABOUT_ONE = (Kind.REPEATED, Kind.COUNTER, Kind.PROPOSAL_DECLINED)
_OVER = (Kind.CANCELLATION, Kind.REMOVED)
_FULL = (*_INVITING, Kind.PUBLISHED, Kind.ALARM, Kind.COUNTER, Kind.HELD, Kind.UNINVITED)
_ANSWERS = (Kind.ACCEPTED, Kind.DECLINED, Kind.TENTATIVE, Kind.DELEGATED, Kind.REPLY, Kind.ANSWER_RECORDED)
_MOMENT = timedelta(minutes=1)
_MAX_NAMED = 10
_KEEP_IT = mark("Please do not forward this message: whoever has it can answer in your name.")
#: A subject that stays ASCII is readable in every log and queue listing.
_FINE_TYPE = str.maketrans({"\xa0": " ", "–": "-"})


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why a mail is written: its kind, the event, and what only that kind knows."""

    kind: Kind
    reader: Person
    by: Person | None = None  # who did it
    facts: EventFacts | None = None
    calendar: str = ""
    changes: tuple[FieldChange, ...] = ()
    comment: str = ""
    partstat: str = ""
    address: str = ""  # whom a delivery report is about
    reason: str = ""  # what the mail system said
    failures: tuple[tuple[str, str], ...] = ()  # whom a mail did not reach, and what the mail system said of each
    at: datetime | None = None  # when this is written, for what is said relative to it
    starts_at: datetime | None = None  # when the event of an alarm begins, also where its own time is floating
    due_at: datetime | None = None  # when a late alarm should have come
    unreached: tuple[str, ...] = ()  # whom an alarm was for as well, and who may not be mailed
    also: tuple[EventFacts, ...] = ()  # further events that one alarm mail reminds of
    hide_guests: bool = False
    by_link: bool = False  # the answer came over the web page


def compose_letter(occasion: Occasion, presentation: Presentation) -> Letter:
    """Return everything that the mail says."""
    words = load_words(presentation.locale)
    facts = occasion.facts
    form = FORMS[occasion.kind]
    recorded = occasion.kind is Kind.ANSWER_RECORDED
    rows = _rows(words, occasion, presentation)
    return Letter(
        kind=occasion.kind.value,
        language=words.tag,
        direction=words.direction,
        tone=ANSWER_TONES.get(occasion.partstat, form.tone) if recorded else form.tone,
        subject=_subject(words, occasion, presentation),
        headline=_headline(words, occasion),
        title=_title(words, facts),
        before=words.label("Before"),
        now=words.label("Now") if occasion.kind is not Kind.COUNTER else words.label("Proposed"),
        colon=words.colon,
        is_over=occasion.kind in _OVER,
        tile=Tile(*read_tile(words, facts.span)) if facts and facts.span else None,
        details=tuple(_details(words, occasion)),
        quote=_quote(words, occasion),
        changes=_changes(words, occasion),
        rows=rows,
        also=_also(words, occasion),
        question=_question(words, occasion, presentation),
        guests=_guests(words, occasion, presentation),
        actions=tuple(_actions(words, occasion, presentation)),
        footer=tuple(_footer(words, occasion, presentation)),
        unsubscribe=_unsubscribe(words, presentation),
    )


def _rows(words: Words, occasion: Occasion, presentation: Presentation) -> tuple[Row, ...]:
    """Return the rows that say something; the organizer is not told who the organizer is."""
    facts, kind = occasion.facts, occasion.kind
    if facts is None:
        return ()
    brief = kind not in _FULL
    if brief and facts.organizer is not None and same_address(facts.organizer.address, occasion.reader.address):
        facts = replace(facts, organizer=None)
    rows = render_rows(words, facts, presentation.time_zone, brief=brief)
    return tuple(row for row in rows if row.lines)


def _title(words: Words, facts: EventFacts | None) -> str:
    if facts is None:
        return ""
    return facts.title or words.label("(no title)")


def _subject(words: Words, occasion: Occasion, presentation: Presentation) -> str:
    facts = occasion.facts
    title = clean_line(_title(words, facts), 80)
    when = render_short_span(words, facts.span).translate(_FINE_TYPE) if facts and facts.span else ""
    service = presentation.branding.name or occasion.reader.address.rpartition("@")[2]
    event = f"{title} @ {when}" if when else title
    if occasion.also:
        event = words.count("{event} and {number} more", "{event} and {number} more", len(occasion.also), event=event)
    return clean_line(
        words.label(FORMS[occasion.kind].subject, event=event, service=service, person=_shown(occasion.by)), 250
    )


def _headline(words: Words, occasion: Occasion) -> str:
    facts, kind = occasion.facts, occasion.kind
    values = {
        "person": _shown(occasion.by) or (facts.organizer.shown if facts and facts.organizer else ""),
        "date": render_day(words, facts.occurrence) if facts and facts.occurrence else "",
        "address": _named(words, [address for address, _ in occasion.failures])
        or occasion.address
        or occasion.reader.address,
        "answer": words.label(ANSWERS.get(occasion.partstat, ANSWERS["NEEDS-ACTION"])),
        "delegate": _delegate(occasion),
    }
    if kind is Kind.ALARM:
        is_to_do = facts is not None and facts.component == "VTODO"  # it is due, it does not begin
        span = facts.span if facts else None
        starts_at = occasion.starts_at or (span.start if span and not span.is_floating else None)
        return _begins(words, None if is_to_do else starts_at, occasion.at)
    scope = scope_of(facts) if facts else Scope.EVENT
    return words.say(FORMS[kind].headline_for(scope), **values)


def _begins(words: Words, starts_at: datetime | None, now: datetime | None) -> str:
    if starts_at is None or now is None:
        return words.say("This is the reminder you asked for.")
    until = starts_at - now
    if abs(until) < _MOMENT:
        return words.say("This event begins now.")
    if until < timedelta(0):
        return words.say("This event began {in_time}.", in_time=render_until(words, until))
    return words.say("This event begins {in_time}.", in_time=render_until(words, until))


def _details(words: Words, occasion: Occasion) -> Iterable[str]:
    facts, kind = occasion.facts, occasion.kind
    if facts is not None and facts.occurrence is not None:
        if kind in (Kind.UPDATE, Kind.CANCELLATION):
            yield words.say("The other events of the series stay as they are.")
        elif kind in _ANSWERS or kind in _ABOUT_ONE:
            yield words.say("This is about one event of a series: {date}.", date=render_day(words, facts.occurrence))
    if occasion.by_link:
        yield words.say("The answer was given on the web page of the invitation.")
    if kind is Kind.NOT_DELIVERED:
        yield words.say("No further attempt is made. Correct the address in the event or tell this person yourself.")
    if kind is Kind.CONSENT:
        yield words.say("Nothing is sent unless you agree. If you do nothing, you will not be asked again.")
    if kind is Kind.ANSWER_RECORDED:
        yield words.say("If this was not you, please change the answer and tell the organizer.")
    for reason in (*((occasion.reason,) if occasion.reason else ()), *_reports(occasion)):
        yield words.say("The mail system reports: {reason}", reason=clean_line(reason, 400))
    if occasion.due_at is not None:
        due = occasion.due_at.astimezone(facts.span.start.tzinfo) if facts and facts.span else occasion.due_at
        yield words.say("This reminder is late. It was due at this time: {date}", date=render_span(words, Span(due)))
    if occasion.unreached:
        yield words.say(
            "This reminder was also meant for: {addresses}. The rules of this service did not let it be sent there.",
            addresses=_named(words, occasion.unreached),
        )


def _named(words: Words, addresses: Sequence[str]) -> str:
    """Return the addresses that something did not reach, the later ones counted only."""
    shown = [clean_line(address, 254) for address in addresses[:_MAX_NAMED]]
    rest = len(addresses) - len(shown)
    if rest:
        shown.append(words.count("{number} more", "{number} more", rest))
    return words.list(shown) if shown else ""


def _reports(occasion: Occasion) -> Iterable[str]:
    """Yield what the mail system said: of one guest as it is, of several by address."""
    shown = occasion.failures[:_MAX_NAMED]
    return (reason if len(occasion.failures) == 1 else f"{address}: {reason}" for address, reason in shown)


def _quote(words: Words, occasion: Occasion) -> Quote | None:
    facts = occasion.facts
    text = clean_block(occasion.comment, MAX_COMMENT) or (facts.comment if facts else "")
    if not text:
        return None
    if occasion.kind is Kind.ALARM:
        return Quote(words.label("Note"), text)
    person = _shown(occasion.by) or (facts.organizer.shown if facts and facts.organizer else "")
    return Quote(words.say("Message from {person}", person=person), text)


def _changes(words: Words, occasion: Occasion) -> Section | None:
    if not occasion.changes or occasion.facts is None:
        return None
    rows = render_changes(words, occasion.changes, occasion.facts, occasion.calendar)
    proposed = occasion.kind is Kind.COUNTER
    heading = words.label("Proposed change") if proposed else words.label("What has changed")
    return Section(heading, changes=rows) if rows else None


def _also(words: Words, occasion: Occasion) -> Section | None:
    """Return the further events of a mail, a row each: the title, and below it when, where and what the alarm says."""
    rows = tuple(_also_row(words, facts) for facts in occasion.also)
    return Section(words.label("More reminders"), rows=rows) if rows else None


def _also_row(words: Words, facts: EventFacts) -> Row:
    when = render_span(words, facts.span) if facts.span else ""
    return Row(_title(words, facts), tuple(Line(text) for text in (when, facts.location, facts.comment) if text))


def compose_footer(facts: EventFacts | None, reader: Person, presentation: Presentation) -> Footer | None:
    """Return the question with its links as a footer for a mail that the organizer's own program wrote."""
    occasion = Occasion(Kind.INVITATION, reader, facts=facts)
    shown = []
    for words in (load_words(presentation.locale), load_words(SOURCE)):
        question = _question(words, occasion, presentation)
        if question is None:
            return None
        question = replace(question, notes=(*question.notes, words.say(_KEEP_IT)))
        shown.append(render_question(question, presentation.branding, language=words.tag, direction=words.direction))
    return Footer(plain=tuple(each.text for each in shown), html=shown[0].html)


def _question(words: Words, occasion: Occasion, presentation: Presentation) -> Question | None:
    links = presentation.links
    if occasion.kind not in _INVITING or not links.can_answer:
        return None
    choices = (
        (words.context("answer", "Yes"), links.accept, "accept"),
        (words.context("answer", "Maybe"), links.tentative, "tentative"),
        (words.context("answer", "No"), links.decline, "decline"),
    )
    buttons = tuple(Button(text, href, name) for text, href, name in choices if href)
    notes = [words.say("Each choice opens a page on which you confirm your answer.")]
    if occasion.facts is not None and scope_of(occasion.facts) is Scope.SERIES:
        notes.append(words.say("Your answer is for the whole series."))
    return Question(words.label("Will you attend?"), buttons, tuple(notes))


def _guests(words: Words, occasion: Occasion, presentation: Presentation) -> Section | None:
    if occasion.facts is None or occasion.kind not in (*_INVITING, Kind.PUBLISHED, Kind.ALARM, Kind.ANSWERS):
        return None
    return render_guests(words, occasion.facts, presentation.max_guests, hidden=occasion.hide_guests)


def _actions(words: Words, occasion: Occasion, presentation: Presentation) -> Iterable[Line]:
    links = presentation.links
    if links.event:
        yield Line(words.label("Open the event"), links.event)
    if links.page and occasion.kind is Kind.ANSWER_RECORDED:
        yield Line(words.label("Change the answer"), links.page)
    elif links.page and occasion.kind is Kind.CONSENT:
        yield Line(words.label("Agree or refuse"), links.page)
    elif links.page and not links.can_answer:
        yield Line(words.label("Open the answer page"), links.page)


def _footer(words: Words, occasion: Occasion, presentation: Presentation) -> Iterable[str]:
    facts, reader = occasion.facts, occasion.reader.address
    organizer = facts.organizer if facts else None
    if occasion.kind is Kind.ALARM and occasion.by is not None:
        yield words.say(
            "You receive this message because the calendar of {person} has a reminder for {address}.",
            person=_shown(occasion.by),
            address=reader,
        )
    elif occasion.kind is Kind.ALARM:
        yield words.say("You receive this message because a calendar has a reminder for {address}.", address=reader)
    elif organizer is not None and same_address(organizer.address, reader):
        yield words.say("You receive this message because you organize this event.")
    elif organizer is not None and occasion.kind in (*_INVITING, Kind.CANCELLATION):
        yield words.say(
            "You receive this message because {person} has put {address} on the guest list.",
            person=organizer.shown,
            address=reader,
        )
    if occasion.kind in _INVITING and presentation.links.can_answer:
        yield words.say(_KEEP_IT)
    if presentation.branding.footer:
        yield clean_block(presentation.branding.footer, MAX_COMMENT)


def _unsubscribe(words: Words, presentation: Presentation) -> Line | None:
    href = presentation.links.unsubscribe
    return Line(words.label("Stop these reminders"), href) if href else None


def _delegate(occasion: Occasion) -> str:
    if occasion.facts is None or occasion.by is None:
        return ""
    own = find_guest(occasion.facts, occasion.by.address)
    other = find_guest(occasion.facts, own.delegated_to) if own and own.delegated_to else None
    return other.shown if other else own.delegated_to if own else ""


def _shown(person: Person | None) -> str:
    return clean_line(person.shown, 120) if person else ""
