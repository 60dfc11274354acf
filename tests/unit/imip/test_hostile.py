# SPDX-License-Identifier: Apache-2.0
"""What a stranger writes into any field of an event reaches a mail as text, and as nothing else."""

import email
import email.policy
import re
from dataclasses import replace
from email.message import EmailMessage
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.imip.build import AlarmFacts, BuiltMail, Notice, build_alarm_mail, build_itip_mail, build_notice
from gateway.imip.facts import MAX_COMMENT, MAX_TEXT, MAX_TITLE
from gateway.imip.kinds import Kind
from gateway.imip.presentation import Branding, Links, Logo, Person, Presentation
from gateway.imip.samples import WRITTEN_AT, Scene, sample_links
from gateway.itip.model import FieldChange, ItipMessage, Method

SHOWN = Presentation(links=sample_links("https://calendar.example.org"))
SCENE = Scene("example.org", SHOWN, WRITTEN_AT)
LEE = Person("lee@partner.example", "Lee Chan")
EVIL = (
    "x\r\nBcc: all@example.org\r\n\r\n<html>",
    "x\nSubject: other",
    "x\x0bX-Evil: 1\x85X-Evil: 2\u2028X-Evil: 3",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    '"><a href="javascript:alert(1)">press</a>',
    "{{ 7*7 }}{% for x in range(10**9) %}{% endfor %}{{ letter.__class__.__mro__ }}",
    "{person}{0}{event.__class__}%s%(x)s",
    "=?utf-8?q?=0d=0aBcc:=20all@example.org?=",
    "\u202egnp.exe\u2066\u2067 ]]> --> \x00 \ud800",
    "A" * 100_000,
    "é" * 50_000,
    "[a|b|c] \u2068 {weekday}",
    "--=_sample\r\n--=_sample.a--",
)
FIELDS = ("SUMMARY", "LOCATION", "DESCRIPTION", "COMMENT", "URL", "UID", "STATUS", "RRULE", "X-NAME", "CONFERENCE")


class Page(HTMLParser):
    """Every tag that a program would obey, and every place that could run something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {str(value) for name, value in attrs if name in ("href", "src")}


def message(calendar: str, changes: tuple[FieldChange, ...] = ()) -> ItipMessage:
    return ItipMessage(Method.REQUEST, "u", 0, "dana@example.org", (LEE.address,), ("",), True, "", calendar, changes)


def request(calendar: str, *, changes: tuple[FieldChange, ...] = (), to: Person = LEE) -> BuiltMail:
    headers = SCENE.headers("u", SCENE.dana)
    return build_itip_mail(message(calendar, changes), to, headers=headers, presentation=SHOWN)


def escaped(text: str) -> str:
    """Write a value as RFC 5545 TEXT, so that it arrives whole."""
    found = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return re.sub(r"\r\n|[\r\n]", r"\\n", found)


INNOCENT = request(SCENE.calendar(Method.REQUEST))


def harmless(built: BuiltMail, names: set[str] | None = None) -> EmailMessage:
    """Read a mail as its receiver would, and hold it against an innocent one."""
    assert b"\n" not in built.data.replace(b"\r\n", b"")
    assert b"\r" not in built.data.replace(b"\r\n", b"")
    assert b"\x00" not in built.data
    assert max(map(len, built.data.split(b"\r\n"))) <= 998
    mail = email.message_from_bytes(built.data, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    innocent = email.message_from_bytes(INNOCENT.data, policy=email.policy.default)
    assert set(mail.keys()) <= set(names or innocent.keys())
    assert len(mail.keys()) == len(set(mail.keys()))
    html = mail.get_body(("html",))
    text = mail.get_body(("plain",))
    assert html is not None
    assert text is not None
    page = Page(html.get_content())
    assert page.tags <= INNOCENT_PAGE.tags | {"del", "ins", "br", "img"}
    assert page.attributes <= INNOCENT_PAGE.attributes | {"src", "alt"}
    assert {link.partition(":")[0] for link in page.links} <= {"https", "http", "mailto", "cid", "tel"}
    assert "49" not in str(mail["Subject"])
    assert len(html.get_content()) < 60_000
    return mail


INNOCENT_PAGE = Page(
    str(email.message_from_bytes(INNOCENT.data, policy=email.policy.default).get_body(("html",)).get_content())  # type: ignore[union-attr]  # an innocent mail has HTML
)


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
@pytest.mark.parametrize("field", FIELDS)
def test_no_property_does_more_than_be_shown(field: str, evil: str) -> None:
    calendar = SCENE.calendar(Method.REQUEST, f"{field}:{escaped(evil)}")
    calendar = re.sub(rf"(?m)^{field}[;:].*\r\n(?=(?:.*\r\n)*?{field}:)", "", calendar, count=1)
    harmless(request(calendar))


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
@pytest.mark.parametrize(
    "line",
    [
        'ATTENDEE;CN="{}";PARTSTAT=ACCEPTED:mailto:x@example.org',
        "ATTENDEE;CN=X;PARTSTAT=ACCEPTED:mailto:{}",
        'ATTENDEE;CN="{}";ROLE="{}";PARTSTAT="{}":{}',
        'CONFERENCE;VALUE=URI;LABEL="{}":https://meet.example.org/x',
        "CONFERENCE;VALUE=URI:{}",
        'ATTACH;FILENAME="{}":https://files.example.org/x',
        "EXDATE;TZID={}:20261117T100000",
    ],
)
def test_no_parameter_or_address_does_more_than_be_shown(line: str, evil: str) -> None:
    value = re.sub(r"[\r\n]+", " ", evil).replace('"', "^'")
    harmless(request(SCENE.calendar(Method.REQUEST, line.replace("{}", value))))


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_names_hidden_behind_rfc_6868_line_ends_stay_on_their_line(evil: str) -> None:
    hidden = re.sub(r"\r\n|[\r\n]", "^n", evil).replace('"', "^'")
    calendar = SCENE.calendar(Method.REQUEST).replace('CN="Dana Rossi"', f'CN="{hidden}"')
    harmless(request(calendar))


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_the_recipients_name_stays_a_name(evil: str) -> None:
    mail = harmless(request(SCENE.calendar(Method.REQUEST), to=Person(LEE.address, evil)))
    assert [address.addr_spec for address in mail["To"].addresses] == [LEE.address]


@pytest.mark.parametrize(
    "address",
    [
        "lee@partner.example\r\nBcc: all@example.org",
        "lee@",
        "@partner.example",
        "",
        "lee@partner..example",
        "lee\x00@partner.example",
        "lee@-",
        "lee@" + "a" * 300,
    ],
)
def test_what_is_no_address_gets_no_mail(address: str) -> None:
    with pytest.raises(Refused) as caught:
        request(SCENE.calendar(Method.REQUEST), to=Person(address))
    assert caught.value.code == "bad-address"


@pytest.mark.parametrize("address", ["lee@partner.example>, <all@example.org", "a, b@example.org", "a:b;@example.org"])
def test_an_odd_local_part_is_quoted_and_makes_no_second_recipient(address: str) -> None:
    mail = harmless(request(SCENE.calendar(Method.REQUEST), to=Person(address)))
    (found,) = mail["To"].addresses
    assert (found.username, found.domain) == tuple(address.rsplit("@", 1))


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_old_and_new_values_are_only_shown(evil: str) -> None:
    names = ("SUMMARY", "LOCATION", "DTSTART", "DTEND", "RRULE", "EXDATE", "STATUS", "DESCRIPTION", "URL", "DUE", "X-A")
    changes = tuple(FieldChange(name, evil, evil[::-1]) for name in names)
    harmless(request(SCENE.calendar(Method.REQUEST), changes=changes))


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_notices_and_reminders_only_show_what_they_are_told(evil: str) -> None:
    headers, names = SCENE.headers("n", SCENE.dana), set(harmless(INNOCENT).keys())
    for kind in (Kind.NOT_DELIVERED, Kind.DELAYED, Kind.ACCEPTED, Kind.ANSWER_RECORDED, Kind.HELD, Kind.CONSENT):
        notice = Notice(
            kind,
            SCENE.calendar(Method.PUBLISH),
            evil,
            Person(LEE.address, evil),
            evil,
            evil,
            evil,
            reason=evil,
            by_link=True,
        )
        harmless(build_notice(notice, LEE, headers=headers, presentation=SHOWN), names)
    alarm = AlarmFacts(SCENE.calendar(Method.PUBLISH), summary=evil, description=evil)
    harmless(build_alarm_mail(alarm, LEE, headers=headers, presentation=SHOWN, also=(alarm, alarm)), names)


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_a_domains_own_words_are_only_shown(evil: str) -> None:
    branding = Branding(evil, logo=Logo(b"\x89PNG", "image/png", evil), footer=evil)
    headers = SCENE.headers("b", SCENE.dana)
    calendar = SCENE.calendar(Method.REQUEST)
    harmless(build_itip_mail(message(calendar), LEE, headers=headers, presentation=replace(SHOWN, branding=branding)))


@pytest.mark.parametrize("evil", [evil for evil in EVIL if len(evil) < 900])
def test_ids_and_links_stay_in_their_line(evil: str) -> None:
    headers = replace(
        SCENE.headers("i", SCENE.dana), message_id=evil, in_reply_to=evil, references=(evil, evil), trace_id=evil
    )
    presentation = replace(SHOWN, links=Links(unsubscribe=evil), locale=evil, time_zone=evil)
    calendar = SCENE.calendar(Method.REQUEST)
    built = build_itip_mail(message(calendar), LEE, headers=headers, presentation=presentation)
    mail = email.message_from_bytes(built.data, policy=email.policy.compat32)
    assert "Bcc" not in mail
    assert "X-Evil" not in mail
    assert mail.get_all("Subject", []) == [mail["Subject"]]


def test_template_marks_are_shown_as_they_stand() -> None:
    title = "{{ 7*7 }} {person} [a|b] %s"
    calendar = SCENE.calendar(Method.REQUEST).replace("Budget review", title)
    mail = harmless(request(calendar))
    text = mail.get_body(("plain",))
    assert text is not None
    assert title in text.get_content()
    assert title in str(mail["Subject"])


def test_huge_values_are_cut_where_people_see_them_and_whole_for_programs() -> None:
    long = "A" * 100_000
    calendar = SCENE.calendar(Method.REQUEST, f"COMMENT:{long}").replace("Budget review", long)
    calendar = calendar.replace("Please bring", long)
    mail = harmless(request(calendar))
    text = mail.get_body(("plain",))
    assert text is not None
    assert len(text.get_content()) < MAX_TITLE * 3 + MAX_COMMENT + MAX_TEXT + 3000
    assert len(str(mail["Subject"])) <= 250
    (part,) = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    assert part.get_content() == calendar


def test_many_guests_dates_and_changes_are_counted_not_listed() -> None:
    guests = [f"ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:guest{n}@example.org" for n in range(5000)]
    dates = ",".join(f"2027{month:02}{day:02}T100000" for month in range(1, 13) for day in range(1, 29))
    calendar = SCENE.calendar(Method.REQUEST, "RRULE:FREQ=DAILY", f"EXDATE;TZID=Europe/Rome:{dates}", *guests)
    changes = tuple(FieldChange("SUMMARY", str(n), str(n + 1), f"2027010{n % 9 + 1}T100000") for n in range(1000))
    mail = harmless(request(calendar, changes=changes))
    text = mail.get_body(("plain",))
    assert text is not None
    assert "and 4,983 more" in text.get_content() or "and 4983 more" in text.get_content()


@settings(deadline=None)
@given(st.text(max_size=60), st.sampled_from(["SUMMARY", "LOCATION", "DESCRIPTION", "COMMENT"]))
def test_any_text_at_all_is_harmless(text: str, field: str) -> None:
    calendar = SCENE.calendar(Method.REQUEST, f"{field}:{escaped(text)}")
    harmless(request(calendar))
