# SPDX-License-Identifier: Apache-2.0
"""Each named repair of a vendor's calendar: what it mends, and that sound calendars are left alone."""

import pytest

from gateway.itip.quirks import COMPONENTS, LINES, mend_calendar
from gateway.itip.tree import Component, build_tree, parse_tree


def event(*lines: str) -> Component:
    inside = "".join(line + "\r\n" for line in lines)
    return parse_tree(f"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n{inside}END:VEVENT\r\nEND:VCALENDAR\r\n")


START = "DTSTART;TZID=Europe/Rome:20261201T100000"

#: repair -> (lines of the event, its lines afterwards)
MENDED: list[tuple[str, list[str], list[str]]] = [
    (
        "leaked-parameters",
        ["ATTENDEE;SCHEDULE-STATUS=1.1;PARTSTAT=ACCEPTED;X-IMIP-GATEWAY-SEQUENCE=9:mailto:a@b.example"],
        ["ATTENDEE;PARTSTAT=ACCEPTED:mailto:a@b.example"],
    ),
    (
        "leaked-parameters",
        ["ORGANIZER;received-dtstamp=20260101T000000Z;CN=D:mailto:d@b.example"],
        ["ORGANIZER;CN=D:mailto:d@b.example"],
    ),
    ("comma-in-name", ["ATTENDEE;CN=Roe, Jane:mailto:a@b.example"], ['ATTENDEE;CN="Roe,Jane":mailto:a@b.example']),
    ("colon-in-tzid", ["DTSTART;TZID=GMT+05:30:20261201T100000"], ['DTSTART;TZID="GMT+05:30":20261201T100000']),
    (
        "role-with-underscore",
        ["ATTENDEE;ROLE=REQ_PARTICIPANT:mailto:a@b.example"],
        ["ATTENDEE;ROLE=REQ-PARTICIPANT:mailto:a@b.example"],
    ),
    ("stamp-without-zone", ["DTSTAMP:20261101T090000"], ["DTSTAMP:20261101T090000Z"]),
    ("stamp-without-zone", ["DTSTAMP;TZID=Europe/Rome:20261101T090000"], ["DTSTAMP:20261101T090000Z"]),
    ("bad-stamp", ["DTSTAMP:yesterday", START], [START]),
    ("useless-rule", ["RRULE:"], []),
    ("useless-rule", ["RRULE:FREQ=DAILY;INTERVAL=0"], []),
    ("useless-rule", ["RRULE:FREQ=DAILY;COUNT=0"], []),
    ("bad-sequence", ["SEQUENCE:many"], []),
    ("bad-sequence", ["SEQUENCE:-1"], []),
    ("inline-attachment", ["ATTACH;VALUE=BINARY;ENCODING=BASE64:" + "A" * 70_000], []),
    ("blank-text", ["COMMENT:\\n", "DESCRIPTION:\\n "], []),
    ("unreadable-line", ["this is no line", "SUMMARY:a"], ["SUMMARY:a"]),
    ("duplicate-property", ["STATUS:CONFIRMED", "STATUS:CANCELLED"], ["STATUS:CONFIRMED"]),
    ("foreign-component", ["SUMMARY:a", "BEGIN:VEVENT", "UID:inner", "END:VEVENT"], ["SUMMARY:a"]),
    ("end-before-start", [START, "DTEND;TZID=Europe/Rome:20261201T090000"], [START]),
    ("end-before-start", ["DTSTART;VALUE=DATE:20261201", "DTEND;VALUE=DATE:20261201"], ["DTSTART;VALUE=DATE:20261201"]),
    ("end-before-start", [START, "DURATION:-PT1H"], [START]),
    ("end-before-start", [START, "DUE;TZID=Europe/Rome:20261201T090000"], [START]),
    (
        "two-ends",
        [START, "DURATION:PT5H", "DTEND;TZID=Europe/Rome:20261201T110000"],
        [START, "DTEND;TZID=Europe/Rome:20261201T110000"],
    ),
    (
        "until-at-midnight",
        [START, "RRULE:FREQ=DAILY;UNTIL=20261205T000000Z", "X-MICROSOFT-CDO-BUSYSTATUS:BUSY"],
        [START, "RRULE:FREQ=DAILY;UNTIL=20261205T235959Z", "X-MICROSOFT-CDO-BUSYSTATUS:BUSY"],
    ),
    (
        "excluded-day",
        [START, "RRULE:FREQ=DAILY", "EXDATE;VALUE=DATE:20261203,20261204"],
        [START, "RRULE:FREQ=DAILY", "EXDATE;TZID=Europe/Rome:20261203T100000,20261204T100000"],
    ),
]

SOUND = [
    [START, "DTEND;TZID=Europe/Rome:20261201T110000", "RRULE:FREQ=DAILY;UNTIL=20261205T000000Z"],
    [START, "DTEND;TZID=America/New_York:20261201T060000"],
    ["DTSTART;VALUE=DATE:20261201", "DTEND;VALUE=DATE:20261202", "EXDATE;VALUE=DATE:20261203"],
    ["DTSTART:20261201T100000Z", "DTEND:20261201T100000Z"],
    ["ATTACH:https://files.example.org/" + "a" * 2000, "ATTACH;VALUE=BINARY;ENCODING=BASE64:QQ=="],
    ['ATTENDEE;CN="Roe, Jane";ROLE=CHAIR;X-NUM-GUESTS=0:mailto:a@b.example', "SEQUENCE:0", "DTSTAMP:20261101T090000Z"],
    ["COMMENT:a", "COMMENT:b", "BEGIN:VALARM", "DESCRIPTION:", "END:VALARM"],
]


@pytest.mark.parametrize(("repair", "before", "after"), MENDED, ids=[f"{row[0]}-{n}" for n, row in enumerate(MENDED)])
def test_mended(repair: str, before: list[str], after: list[str]) -> None:
    mended, repairs = mend_calendar(event(*before))
    assert repairs == (repair,)
    assert mended == event(*after)
    assert mend_calendar(mended) == (mended, ())


@pytest.mark.parametrize("lines", SOUND)
def test_sound_calendars_are_left_alone(lines: list[str]) -> None:
    calendar = event(*lines)
    mended, repairs = mend_calendar(calendar)
    assert repairs == ()
    assert mended is calendar
    assert build_tree(mended) == build_tree(calendar)


def test_every_repair_has_a_test_a_reason_and_evidence() -> None:
    quirks = (*LINES, *COMPONENTS)
    assert {quirk.name for quirk in quirks} == {row[0] for row in MENDED}
    assert all(quirk.reason and quirk.evidence for quirk in quirks)
