# SPDX-License-Identifier: Apache-2.0
"""Reading what senders call a calendar: every complaint is a value, nothing raises."""

import pytest

from gateway.itip.model import Fault, Method
from gateway.itip.parse import Reading, SchedulingMessage, parse_calendar, read_message, same_uid
from gateway.itip.tree import TreeLimits, build_tree, parse_tree

EVENT = "BEGIN:VEVENT\r\nUID:u1\r\nDTSTAMP:20261101T090000Z\r\nDTSTART:20261201T100000Z\r\n{}END:VEVENT\r\n"
OF_DANA = EVENT.replace("{}", "ORGANIZER:mailto:dana@example.org\r\n")


def calendar(*lines: str, method: str = "METHOD:REQUEST\r\n", event: str = EVENT) -> str:
    inside = event.replace("{}", "".join(line + "\r\n" for line in lines))
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//T//T//EN\r\n{method}{inside}END:VCALENDAR\r\n"


def read(text: str | bytes, **claims: str | None) -> SchedulingMessage | Fault:
    reading = parse_calendar(text, charset=claims.get("charset"), method=claims.get("method"))
    return reading if isinstance(reading, Fault) else read_message(reading.calendar)


def message(text: str | bytes, **claims: str | None) -> SchedulingMessage:
    found = read(text, **claims)
    assert isinstance(found, SchedulingMessage), found
    return found


def fault(text: str | bytes) -> str:
    found = read(text)
    assert isinstance(found, Fault), found
    assert found.reason
    return found.rule


def test_a_request_is_read() -> None:
    found = message(calendar("ORGANIZER:mailto:dana@example.org"))
    assert (found.method, found.kind, found.uid) == (Method.REQUEST, "VEVENT", "u1")
    assert found.organizer is not None
    assert found.organizer.value == "mailto:dana@example.org"
    assert found.repairs == ()


@pytest.mark.parametrize("written", ["METHOD:request", "METHOD: Request ", "METHOD:REQUEST\r\nMETHOD:REQUEST"])
def test_method_in_any_case(written: str) -> None:
    assert message(calendar(method=written + "\r\n")).method is Method.REQUEST


def test_method_of_the_mail_counts_only_where_there_is_none_inside() -> None:
    """Interop Q08 and Q10."""
    reading = parse_calendar(calendar(method=""), method="cancel")
    assert isinstance(reading, Reading)
    assert reading.repairs == ("method-from-mail",)
    assert message(calendar(method=""), method="cancel").method is Method.CANCEL
    assert message(calendar(method="METHOD:PUBLISH\r\n"), method="REQUEST").method is Method.PUBLISH


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "calendar.unreadable"),
        ("\x00\xff", "calendar.unreadable"),
        ("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VCALENDAR\r\n", "calendar.unreadable"),
        (calendar(method=""), "message.no-method"),
        (calendar(method="METHOD:\r\n"), "message.no-method"),
        (calendar(method="METHOD:REQUEST\r\nMETHOD:CANCEL\r\n"), "message.several-methods"),
        (calendar(method="METHOD:X-DANCE\r\n"), "message.unknown-method"),
        (calendar(event=""), "message.empty"),
        (calendar(event="BEGIN:VEVENT\r\nDTSTART:20261201T100000Z\r\nEND:VEVENT\r\n"), "message.no-uid"),
        (calendar(event=EVENT + EVENT.replace("u1", "u2")), "message.several-uids"),
        (calendar(event=EVENT + EVENT.replace("VEVENT", "VTODO")), "message.several-kinds"),
        (calendar(event=OF_DANA + OF_DANA.replace("dana@", "sam@")), "message.several-organizers"),
        (calendar("SEQUENCE:9999999999999999999"), "message.absurd-sequence"),
        (calendar(event=EVENT * 401), "message.too-many-instances"),
        (calendar(event=EVENT * 101, method="METHOD:REPLY\r\n"), "message.too-many-instances"),
        (calendar(event=EVENT * 51, method="METHOD:ADD\r\n"), "message.too-many-instances"),
        (calendar(*["ATTENDEE:mailto:a@b.example"] * 12_001), "message.too-many-attendees"),
        ("BEGIN:VCALENDAR\r\n" + "BEGIN:X\r\n" * 100_000, "calendar.unreadable"),
    ],
)
def test_complaints_are_values(text: str, rule: str) -> None:
    assert fault(text) == rule


def test_too_large_is_said_before_reading() -> None:
    found = parse_calendar(b"x" * 101, limits=TreeLimits(max_bytes=100))
    assert isinstance(found, Fault)
    assert found.rule == "calendar.too-large"


@pytest.mark.parametrize(
    ("octets", "charset", "repairs"),
    [
        (calendar("SUMMARY:Käse").encode(), "iso-8859-1", ()),
        (b"\xef\xbb\xbf" + calendar("SUMMARY:Käse").encode(), None, ()),
        (calendar("SUMMARY:Käse").encode("latin-1"), "iso-8859-15", ("charset-declared",)),
        (calendar("SUMMARY:Käse").encode("latin-1"), "no-such-charset", ("latin-1",)),
        (calendar("SUMMARY:Käse").encode("latin-1"), None, ("latin-1",)),
        (
            calendar("SUMMARY:K\r\n äse").encode().replace(b"\xc3\xa4", b"\xc3\r\n \xa4"),
            None,
            ("fold-inside-character",),
        ),
        (calendar("SUMMARY:Käse").encode("utf-16"), None, ("utf-16",)),
        (calendar("SUMMARY:K\x00äs\x07e").encode(), None, ("control-characters",)),
    ],
)
def test_charsets_that_lie(octets: bytes, charset: str | None, repairs: tuple[str, ...]) -> None:
    """Interop Q16 and Q17."""
    reading = parse_calendar(octets, charset=charset)
    assert isinstance(reading, Reading)
    assert reading.repairs == repairs
    assert reading.calendar.children("VEVENT")[0].text("SUMMARY") == "Käse"


def test_the_first_of_several_calendars_counts() -> None:
    """Interop Q18."""
    two = "text before\r\n" + calendar() + "text\r\n" + calendar(method="METHOD:CANCEL\r\n")
    assert message(two).method is Method.REQUEST


def test_zones_may_follow_the_event() -> None:
    zone = "BEGIN:VTIMEZONE\r\nTZID:Home\r\nEND:VTIMEZONE\r\n"
    found = message(calendar(event=EVENT + zone))
    assert [part.name for part in found.components] == ["VEVENT"]


@pytest.mark.parametrize("ends", ["\n", "\r", "\r\n"])
def test_line_ends(ends: str) -> None:
    assert message(calendar("SUMMARY:a").replace("\r\n", ends)).uid == "u1"


def test_global_object_ids_differ_only_in_the_date_of_the_instance() -> None:
    """Interop Q44."""
    prefix = "040000008200E00074C5B7101A82E008"
    series = prefix + "00000000" + "8076AAB4BBAA01"
    instance = prefix + "07EA0C01" + "8076AAB4BBAA01"
    assert same_uid(series, instance.lower())
    assert not same_uid(series, prefix + "00000000" + "8076AAB4BBAA02")
    assert not same_uid("a", "A")


def test_nothing_is_changed_where_nothing_is_wrong() -> None:
    text = calendar("SUMMARY:a", "X-ODD;X-P=1:keep", "BEGIN:VALARM", "TRIGGER:-PT5M", "END:VALARM")
    found = message(text)
    assert found.calendar is not None
    assert build_tree(found.calendar) == text
    assert build_tree(parse_tree(text)) == text
