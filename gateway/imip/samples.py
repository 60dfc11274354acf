# SPDX-License-Identifier: Apache-2.0
"""One made-up event, and a mail of every kind about it: for `mail preview`, for trying templates, for tests."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.imip.build import (
    AlarmFacts,
    AutoSubmitted,
    BuiltMail,
    Headers,
    Notice,
    build_alarm_mail,
    build_itip_mail,
    build_notice,
)
from gateway.imip.facts import Span, parse_facts
from gateway.imip.kinds import Kind
from gateway.imip.message_id import build_keyed_id
from gateway.imip.presentation import Links, Person, Presentation, Runner, Templates, run_here
from gateway.imip.render import MAX_HTML
from gateway.itip.model import FieldChange, ItipMessage, Method

WRITTEN_AT = datetime(2026, 10, 26, 8, 12, 44, tzinfo=UTC)
_SECRET = b"a sample is no secret"
_UID = "2f0b1c9e-6d0f-4a7e-9a54-0d8a4d0d7c11"
_INSTANCE = "20261110T100000"
_RULE = "RRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL=20261222T090000Z"
_HEAD = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//imip-gateway//sample//EN
CALSCALE:GREGORIAN
METHOD:{method}
BEGIN:VTIMEZONE
TZID:Europe/Rome
BEGIN:DAYLIGHT
DTSTART:20260329T020000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
TZNAME:CEST
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:20251026T030000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
TZNAME:CET
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:{uid}
SEQUENCE:{sequence}
DTSTAMP:20261026T081244Z
"""
_EVENT = """DTSTART;TZID=Europe/Rome:{start}
DTEND;TZID=Europe/Rome:{end}
SUMMARY:Budget review
LOCATION:Room Aurora\\, Via Roma 12
CONFERENCE;VALUE=URI;FEATURE=VIDEO;LABEL="Video call":https://meet.example.org/budget
DESCRIPTION:Please bring the figures of your team.\\n\\nLast year's slides: https://files.example.org/2025/budget
STATUS:{status}
TRANSP:OPAQUE
ORGANIZER;CN="Dana Rossi":mailto:dana@{domain}
"""
_GUESTS = """ATTENDEE;CN="Dana Rossi";ROLE=CHAIR;PARTSTAT=ACCEPTED:mailto:dana@{domain}
ATTENDEE;CN="Lee Chan";ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE{delegated}:mailto:lee@partner.example
ATTENDEE;CN="Noor Haddad";ROLE=OPT-PARTICIPANT;PARTSTAT=TENTATIVE;RSVP=TRUE:mailto:noor@partner.example
"""
_TAIL = "END:VEVENT\nEND:VCALENDAR\n"
_RESCHEDULED = (
    FieldChange("DTSTART", ";TZID=Europe/Rome:20261103T090000", ";TZID=Europe/Rome:20261103T100000"),
    FieldChange("DTEND", ";TZID=Europe/Rome:20261103T100000", ";TZID=Europe/Rome:20261103T110000"),
    FieldChange("LOCATION", "Room Borea", "Room Aurora\\, Via Roma 12"),
)


@dataclass(frozen=True, slots=True)
class Scene:
    """Who looks at the sample and how: the organizer's domain and the reader's presentation."""

    domain: str
    presentation: Presentation
    at: datetime

    @property
    def dana(self) -> Person:
        return Person(f"dana@{self.domain}", "Dana Rossi")

    def calendar(self, method: Method, *lines: str, **values: str) -> str:
        """Return the sample event as a calendar; `lines` stand before END:VEVENT."""
        known = {
            "method": method.value, "uid": _UID, "sequence": "0", "status": "CONFIRMED", "domain": self.domain,
            "start": "20261103T100000", "end": "20261103T110000", "delegated": "",
        }  # fmt: skip
        guests = _GUESTS if method not in (Method.REPLY, Method.COUNTER, Method.REFRESH) else ""
        text = (_HEAD + _EVENT + guests).format(**{**known, **values}) + "".join(f"{line}\n" for line in lines) + _TAIL
        return text.replace("\n", "\r\n")

    def headers(self, name: str, who: Person, *, auto: AutoSubmitted | None = None) -> Headers:
        """Return headers with an id that says only which sample it is."""
        message_id = build_keyed_id("sample", (name,), who.address, secret=_SECRET, domain=self.domain)
        return Headers(who, message_id, self.at, auto_submitted=auto)


_LEE = Person("lee@partner.example", "Lee Chan")


def sample_links(base: str) -> Links:
    """Return links as an invitation has them."""
    token = f"{base}/rsvp/kVJ8uXo2mN4pQ7rT9wYzBcDf"
    return Links(f"{token}/accept", f"{token}/tentative", f"{token}/decline", token)


def build_sample(name: str, *, domain: str, presentation: Presentation, at: datetime = WRITTEN_AT) -> BuiltMail:
    """Build the sample of this name; names are the keys of `SAMPLES`."""
    return SAMPLES[name](Scene(domain, presentation, at), name)


def _from_organizer(
    method: Method,
    *lines: str,
    instance: bool = False,
    changes: tuple[FieldChange, ...] = (),
    kind: Kind | None = None,
    **values: str,
) -> Callable[[Scene, str], BuiltMail]:
    def build(scene: Scene, name: str) -> BuiltMail:
        own = (f"RECURRENCE-ID;TZID=Europe/Rome:{_INSTANCE}", *lines) if instance else lines
        calendar = scene.calendar(method, *own, **values)
        message = ItipMessage(
            method, _UID, 0, scene.dana.address, (_LEE.address,), (_INSTANCE if instance else "",), True, "", calendar,
            changes,
        )  # fmt: skip
        headers = scene.headers(name, scene.dana)
        return build_itip_mail(message, _LEE, headers=headers, presentation=scene.presentation, kind=kind)

    return build


def _from_guest(
    method: Method, partstat: str = "", *lines: str, changes: tuple[FieldChange, ...] = ()
) -> Callable[[Scene, str], BuiltMail]:
    def build(scene: Scene, name: str) -> BuiltMail:
        attendee = f'ATTENDEE;CN="Lee Chan"{f";PARTSTAT={partstat}" if partstat else ""}:mailto:{_LEE.address}'
        calendar = scene.calendar(method, attendee, *lines)
        message = ItipMessage(method, _UID, 0, _LEE.address, (scene.dana.address,), ("",), True, "", calendar, changes)
        presentation = replace(scene.presentation, links=Links())
        return build_itip_mail(message, scene.dana, headers=scene.headers(name, _LEE), presentation=presentation)

    return build


def _alarm(*, late: bool, outside: bool = False, also: bool = False) -> Callable[[Scene, str], BuiltMail]:
    def build(scene: Scene, name: str) -> BuiltMail:
        calendar = scene.calendar(Method.PUBLISH)
        facts = parse_facts(calendar)
        at = datetime(2026, 11, 3, 8, 45, tzinfo=UTC)
        alarm = AlarmFacts(calendar, span=facts.span if facts else None, description="Print the agenda.")
        if late:
            alarm = replace(alarm, late_due_at=datetime(2026, 11, 3, 8, 0, tzinfo=UTC))
        starts = datetime(2026, 11, 3, 11, 30, tzinfo=ZoneInfo("Europe/Rome"))
        lunch = AlarmFacts(calendar, span=Span(starts, starts + timedelta(hours=1)), summary="Lunch with Noor")
        links = Links(unsubscribe=f"https://calendar.{scene.domain}/stop/kVJ8uXo2mN4p") if outside else Links()
        calendar_service = Person(f"calendar-notification@{scene.domain}", "Calendar")
        headers = scene.headers(name, calendar_service, auto=AutoSubmitted.GENERATED)
        return build_alarm_mail(
            alarm,
            _LEE if outside else scene.dana,
            headers=replace(headers, date=at),
            presentation=replace(scene.presentation, links=links),
            also=(lunch,) if also else (),
        )

    return build


def _notice(kind: Kind, *, to_guest: bool = False, **said: object) -> Callable[[Scene, str], BuiltMail]:
    def build(scene: Scene, name: str) -> BuiltMail:
        calendar = "" if kind in (Kind.TEST, Kind.CONSENT) else scene.calendar(Method.PUBLISH)
        notice = replace(Notice(kind, calendar, by=scene.dana if to_guest else _LEE), **said)  # type: ignore[arg-type]  # names and types as above
        page = Links(page=scene.presentation.links.page) if to_guest else Links()
        service = Person(f"calendar@{scene.domain}", "Calendar")
        headers = scene.headers(name, service, auto=AutoSubmitted.GENERATED)
        return build_notice(
            notice,
            _LEE if to_guest else scene.dana,
            headers=headers,
            presentation=replace(scene.presentation, links=page),
        )

    return build


SAMPLES: dict[str, Callable[[Scene, str], BuiltMail]] = {
    "invitation": _from_organizer(Method.REQUEST),
    "invitation-series": _from_organizer(Method.REQUEST, _RULE, "EXDATE;TZID=Europe/Rome:20261117T100000"),
    "invitation-occurrence": _from_organizer(Method.REQUEST, instance=True, start=_INSTANCE, end="20261110T110000"),
    "delegated-to-you": _from_organizer(Method.REQUEST, delegated=';DELEGATED-FROM="mailto:sam@partner.example"'),
    "update": _from_organizer(Method.REQUEST, "COMMENT:Sorry for the short notice.", changes=_RESCHEDULED),
    "update-series": _from_organizer(
        Method.REQUEST, _RULE, changes=(*_RESCHEDULED, FieldChange("RRULE", "FREQ=DAILY;COUNT=5", _RULE[6:]))
    ),
    "occurrence-changed": _from_organizer(
        Method.REQUEST,
        instance=True,
        start="20261111T140000",
        end="20261111T150000",
        changes=(
            FieldChange("DTSTART", ";TZID=Europe/Rome:20261110T100000", ";TZID=Europe/Rome:20261111T140000", _INSTANCE),
            FieldChange("DTEND", ";TZID=Europe/Rome:20261110T110000", ";TZID=Europe/Rome:20261111T150000", _INSTANCE),
        ),
    ),
    "occurrence-repeated": _from_organizer(
        Method.REQUEST, instance=True, start="20261111T140000", end="20261111T150000", kind=Kind.REPEATED
    ),
    "cancellation": _from_organizer(Method.CANCEL, status="CANCELLED"),
    "cancellation-series": _from_organizer(Method.CANCEL, _RULE, status="CANCELLED"),
    "occurrence-cancelled": _from_organizer(
        Method.CANCEL, instance=True, start=_INSTANCE, end="20261110T110000", status="CANCELLED"
    ),
    "removed": _from_organizer(Method.CANCEL),
    "published": _from_organizer(Method.PUBLISH),
    "accepted": _from_guest(Method.REPLY, "ACCEPTED", "COMMENT:Looking forward to it!"),
    "declined": _from_guest(Method.REPLY, "DECLINED", "COMMENT:I am on leave that week."),
    "tentative": _from_guest(Method.REPLY, "TENTATIVE"),
    "delegated": _from_guest(Method.REPLY, 'DELEGATED;DELEGATED-TO="mailto:noor@partner.example"'),
    "reply": _from_guest(Method.REPLY, "NEEDS-ACTION"),
    "counter": _from_guest(
        Method.COUNTER, "TENTATIVE", "COMMENT:Could we meet an hour later?", changes=_RESCHEDULED[:2]
    ),
    "proposal-declined": _from_organizer(Method.DECLINECOUNTER, "COMMENT:The room is taken at ten."),
    "refresh": _from_guest(Method.REFRESH),
    "alarm": _alarm(late=False),
    "alarm-late": _alarm(late=True),
    "alarm-outside": _alarm(late=False, outside=True),
    "alarm-several": _alarm(late=False, also=True),
    "not-delivered": _notice(
        Kind.NOT_DELIVERED, address=_LEE.address, reason="550 5.1.1 <lee@partner.example>: Recipient address rejected"
    ),
    "not-delivered-several": _notice(
        Kind.NOT_DELIVERED,
        failures=((_LEE.address, "550 5.1.1 no such user"), ("noor@partner.example", "552 5.2.2 mailbox full")),
    ),
    "delayed": _notice(Kind.DELAYED, address=_LEE.address, reason="451 4.4.1 Connection timed out"),
    "answer-recorded": _notice(Kind.ANSWER_RECORDED, to_guest=True, partstat="ACCEPTED"),
    "link-answer": _notice(Kind.ACCEPTED, partstat="ACCEPTED", comment="I may be five minutes late.", by_link=True),
    "answers": _notice(Kind.ANSWERS),
    "wrong-address": _notice(Kind.WRONG_ADDRESS, address=_LEE.address),
    "held": _notice(Kind.HELD),
    "uninvited": _notice(Kind.UNINVITED, comment="Sam passed this on to me. May I come?"),
    "consent": _notice(Kind.CONSENT, to_guest=True),
    "test": _notice(Kind.TEST),
}


def template_fault(source: str, *names: str, run: Runner = run_here) -> str | None:
    """Return why an own HTML template cannot be kept: tried on samples, with and without what may be absent."""
    if len(source) > MAX_HTML:
        return f"the template is longer than {MAX_HTML} characters"
    templates = Templates((("mail.html.j2", source),))
    for name in names:
        fault = build_sample(name, domain="example.org", presentation=Presentation(templates=templates, run=run)).fault
        if fault:
            return fault
    return None
