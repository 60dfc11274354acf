# SPDX-License-Identifier: Apache-2.0
"""The outgoing mail: headers, text, HTML and calendar parts, laid out so that every client shows its buttons.

Layout (RFC 6047 §2.4, and what Outlook, Gmail and Apple Mail were seen to need): `mixed( alternative( text/plain,
text/html, text/calendar; method ), application/ics )`. Outlook looks for the calendar only in the first child of mixed
and takes a part with a disposition for an attachment. A logo wraps the HTML alone in `related` (RFC 2392).

Pure: who signs for which domain, which recipients may be mailed and what the ids are is decided by the caller.
One mail has one recipient (RFC 6047 §2.4 permits it; tokens, hidden guests and bounces need it).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from gateway.imip.compose import Occasion, compose_letter
from gateway.imip.facts import MAX_COMMENT, EventFacts, Span, clean_block, parse_facts, parse_source
from gateway.imip.files import build_file_part, read_files
from gateway.imip.kinds import Kind, classify, find_guest
from gateway.imip.letter import Letter
from gateway.imip.mime import (
    Part,
    build_addresses,
    build_base64_part,
    build_date,
    build_header,
    build_message,
    build_multipart,
    build_text_part,
    clean_line,
)
from gateway.imip.presentation import Logo, Person, Presentation
from gateway.imip.render import LOGO_ID, render_letter
from gateway.itip.address import same_address
from gateway.itip.model import ItipMessage, Method
from gateway.itip.tree import Prop

#: Which messages carry the calendar once more as an attachment, for programs that know nothing else. On an answer it
#: would be noise.
ATTACHED: frozenset[Method] = frozenset({Method.REQUEST, Method.PUBLISH, Method.ADD, Method.CANCEL})
_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_MAX_LOGO = 64 * 1024
_HALF = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # not what stands for an octet outside UTF-8


class AutoSubmitted(StrEnum):
    """Values of Auto-Submitted (RFC 3834 §5)."""

    GENERATED = "auto-generated"
    REPLIED = "auto-replied"


@dataclass(frozen=True, slots=True)
class Headers:
    """What the caller decides about a mail's header. `from_` is the organizer only where we sign for the domain."""

    from_: Person
    message_id: str
    date: datetime
    mail_sender: Person | None = None  # Sender, where it is not From (RFC 5322 §3.6.2)
    reply_to: Person | None = None
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    auto_submitted: AutoSubmitted | None = None
    trace_id: str = ""  # our outbox id; nothing personal


@dataclass(frozen=True, slots=True)
class BuiltMail:
    """A mail ready to be signed and sent. `fault` says why an operator's template was not used."""

    message_id: str
    subject: str
    data: bytes
    needs_smtputf8: bool = False
    fault: str = ""


@dataclass(frozen=True, slots=True)
class AlarmFacts:
    """What an alarm mail says beside the event: `span` is the occurrence it is about."""

    calendar: str
    recurrence_id: str = ""
    span: Span | None = None
    summary: str = ""  # of the VALARM; the event's own where empty
    description: str = ""
    late_due_at: datetime | None = None  # set where the reminder comes late
    told_at: datetime | None = None  # when it was decided, for "begins in ..."; the mail's own date where later
    starts_at: datetime | None = None  # the instant of a floating start, by the clock of whose calendar it is
    unreached: tuple[str, ...] = ()  # who was to have it as well and may not


@dataclass(frozen=True, slots=True)
class Notice:
    """What a notice tells: one of NOT_DELIVERED, DELAYED, ANSWER_RECORDED, HELD, TEST or an answer given by link."""

    kind: Kind
    calendar: str = ""
    recurrence_id: str = ""
    by: Person | None = None  # whose answer or change it is
    partstat: str = ""
    comment: str = ""
    address: str = ""  # whom a delivery report is about
    reason: str = ""  # the mail system's own words
    failures: tuple[tuple[str, str], ...] = ()  # whom the mail did not reach, each with those words
    by_link: bool = False
    attached: str = ""  # the event as a file to keep, no message to act on


def build_itip_mail(
    message: ItipMessage,
    recipient: Person,
    *,
    headers: Headers,
    presentation: Presentation,
    by: Person | None = None,
    comment: str = "",
    kind: Kind | None = None,
    hide_guests: bool = False,
    attached: frozenset[Method] = ATTACHED,
) -> BuiltMail:
    """Build the mail that carries one iTIP message to one recipient. `by` is who acted, where not the obvious person.

    Raises:
        Refused: `bad-address`.
    """
    facts = parse_facts(message.calendar, message.recurrence_ids)
    chosen = kind or (classify(message, facts, recipient.address) if facts else Kind.PUBLISHED)
    occasion = Occasion(
        chosen,
        recipient,
        by=by or (_delegator(facts, recipient) if chosen is Kind.DELEGATED_TO_YOU else None) or _actor(message, facts),
        facts=facts,
        calendar=message.calendar,
        changes=message.changes,
        comment=comment,
        at=headers.date,
        hide_guests=hide_guests,
    )
    return _build(occasion, headers, presentation, _calendar_parts(message, facts, attached))


def build_alarm_mail(
    alarm: AlarmFacts,
    recipient: Person,
    *,
    headers: Headers,
    presentation: Presentation,
    also: Sequence[AlarmFacts] = (),
    owner: Person | None = None,
) -> BuiltMail:
    """Build a reminder, with the files that its calendar holds (RFC 5545 §3.6.6).

    It carries no calendar part: nothing is asked, and an outsider gets no copy of the event.
    `also` are further events that the same mail reminds of, each with a row of its own; `owner` is whose calendar
    it is, where that is not the recipient.

    Raises:
        Refused: `bad-address`.
    """
    occasion = Occasion(
        Kind.ALARM,
        recipient,
        by=owner,
        unreached=tuple(dict.fromkeys(address for each in (alarm, *also) for address in each.unreached)),
        facts=_occurrence_facts(alarm),
        at=max(headers.date, alarm.told_at or headers.date),
        starts_at=alarm.starts_at,
        due_at=alarm.late_due_at,
        also=tuple(facts for each in also if (facts := _occurrence_facts(each)) is not None),
    )
    files = read_files(line for each in (alarm, *also) for line in _attached(each))
    parts = tuple(map(build_file_part, files))
    return _build(occasion, headers, presentation, (), parts)


def build_notice(notice: Notice, recipient: Person, *, headers: Headers, presentation: Presentation) -> BuiltMail:
    """Build a mail of our own about an event: a bounce told to the organizer, a confirmation, a test.

    Raises:
        Refused: `bad-address`.
    """
    occasion = Occasion(
        notice.kind,
        recipient,
        by=notice.by,
        facts=parse_facts(notice.calendar, (notice.recurrence_id,)) if notice.calendar else None,
        calendar=notice.calendar,
        comment=notice.comment,
        partstat=notice.partstat,
        address=clean_line(notice.address, 254),
        reason=notice.reason,
        failures=notice.failures,
        at=headers.date,
        by_link=notice.by_link,
    )
    file = (_file_part(notice.attached),) if notice.attached else ()
    return _build(occasion, headers, presentation, (), file)


def _attached(alarm: AlarmFacts) -> tuple[Prop, ...]:
    source = parse_source(alarm.calendar)
    event = source.component(alarm.recurrence_id) if source else None
    return event.all("ATTACH") if event else ()


def _occurrence_facts(alarm: AlarmFacts) -> EventFacts | None:
    """Return the event as this alarm is about it: at this occurrence, under the alarm's own title and words if any."""
    facts = parse_facts(alarm.calendar, (alarm.recurrence_id,))
    if facts is None:
        return None
    title = clean_line(alarm.summary, 200) or facts.title
    words = clean_block(alarm.description, MAX_COMMENT)
    repeated = words in (title, facts.title, facts.description)  # programs copy the title where an alarm needs a text
    return replace(
        facts, span=alarm.span or facts.span, title=title, comment=facts.comment if repeated or not words else words
    )


def _delegator(facts: EventFacts | None, recipient: Person) -> Person | None:
    own = find_guest(facts, recipient.address) if facts else None
    other = find_guest(facts, own.delegated_from) if facts and own else None
    return Person(other.address, other.name) if other else Person(own.delegated_from) if own else None


def _actor(message: ItipMessage, facts: EventFacts | None) -> Person | None:
    """Return who the message comes from: the organizer, or the attendee who answers."""
    if facts is None:
        return Person(message.from_address)
    organizer = facts.organizer
    if organizer is not None and same_address(organizer.address, message.from_address):
        return Person(organizer.address, organizer.name)
    guest = find_guest(facts, message.from_address)
    return Person(message.from_address, guest.name if guest else "")


def _build(
    occasion: Occasion,
    headers: Headers,
    presentation: Presentation,
    calendar: tuple[Part, ...],
    files: tuple[Part, ...] = (),
) -> BuiltMail:
    letter = compose_letter(occasion, presentation)
    logo = _usable(presentation.branding.logo)
    token = headers.message_id.strip("<>")
    cid = f"{LOGO_ID}.{token}" if logo else ""
    shown = render_letter(letter, presentation.branding, presentation.templates, logo_cid=cid, run=presentation.run)
    boundary = "=_" + "".join(char for char in token.partition("@")[0] if char.isalnum())[-40:]
    html = build_text_part(shown.html, "html")
    if logo is not None:
        html = build_multipart("related", (html, _logo_part(logo, cid)), f"{boundary}.r", ' type="text/html";')
    body = (build_text_part(shown.text, "plain"), html, *calendar[:1])
    content = build_multipart("alternative", body, f"{boundary}.a")
    if len(calendar) > 1 or files:
        content = build_multipart("mixed", (content, *calendar[1:], *files), f"{boundary}.m")
    lines, utf8 = _header_lines(occasion, headers, presentation, letter)
    return BuiltMail(headers.message_id, letter.subject, build_message(lines, content), utf8, shown.fault)


def _header_lines(
    occasion: Occasion, headers: Headers, presentation: Presentation, letter: Letter
) -> tuple[Sequence[str], bool]:
    people = (
        ("From", headers.from_),
        ("Sender", headers.mail_sender),
        ("Reply-To", headers.reply_to),
        ("To", occasion.reader),
    )
    addressed = [build_addresses(name, (person,)) for name, person in people if person is not None]
    lines = [line for line, _ in addressed]
    lines += (build_header("Subject", letter.subject), build_date(headers.date))
    lines.append(f"Message-ID: {clean_line(headers.message_id)}")
    if headers.in_reply_to:
        lines.append(f"In-Reply-To: {clean_line(headers.in_reply_to)}")
    if headers.references:
        lines.append("References: " + "\r\n ".join(map(clean_line, headers.references[-20:])))
    if headers.auto_submitted is not None:
        lines.append(f"Auto-Submitted: {headers.auto_submitted}")
        lines.append("X-Auto-Response-Suppress: OOF, AutoReply")  # not All: Exchange would keep its delivery reports
    if presentation.links.unsubscribe:  # RFC 8058 §3.1: both, and only https
        lines.append(f"List-Unsubscribe: <{clean_line(presentation.links.unsubscribe)}>")
        lines.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
    lines.append(f"Content-Language: {letter.language}")
    if headers.trace_id:
        lines.append(build_header("X-iMIP-Gateway-Id", headers.trace_id))
    return lines, any(utf8 for _, utf8 in addressed)


def _calendar_parts(message: ItipMessage, facts: EventFacts | None, attached: frozenset[Method]) -> tuple[Part, ...]:
    """Return the calendar for programs, and the same octets as a file (RFC 6047 §2.4, §4)."""
    data = _octets(message.calendar)
    component = facts.component if facts else "VEVENT"
    kind = f"text/calendar; charset=utf-8; method={message.method};\r\n component={component}"
    part = build_base64_part(kind, data)
    if message.method not in attached:
        return (part,)
    disposition = 'Content-Disposition: attachment; filename="invite.ics"'
    return part, build_base64_part('application/ics; name="invite.ics"', data, disposition)


def _file_part(calendar: str) -> Part:
    """Return an event to keep. No METHOD, so no program asks its reader for the answer that was just given."""
    data = _octets(calendar)
    disposition = 'Content-Disposition: attachment; filename="event.ics"'
    return build_base64_part('text/calendar; charset=utf-8; name="event.ics"', data, disposition)


def _octets(calendar: str) -> bytes:
    """Return the octets that a calendar was read from; half a surrogate, which JSON can bring in, becomes U+FFFD."""
    return _HALF.sub("\ufffd", calendar).encode("utf-8", "surrogateescape")


def _usable(logo: Logo | None) -> Logo | None:
    return logo if logo and logo.media_type in _PICTURES and 0 < len(logo.data) <= _MAX_LOGO else None


def _logo_part(logo: Logo, cid: str) -> Part:
    name = f"logo.{logo.media_type.partition('/')[2]}"
    return build_base64_part(
        f'{logo.media_type}; name="{name}"',
        logo.data,
        f"Content-ID: <{cid}>",
        f'Content-Disposition: inline; filename="{name}"',
    )
