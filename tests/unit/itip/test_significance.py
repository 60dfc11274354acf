# SPDX-License-Identifier: Apache-2.0
"""What is a change to somebody, and what only another spelling (interop checklist O02, O03, O19, O21)."""

import pytest

from gateway.itip.model import DiffSettings
from tests.support.calendars import LEE, SAM, calendar, component
from tests.support.changes import changed, meeting, sent

WEEKLY = "RRULE:FREQ=WEEKLY;COUNT=5"


def one(*more: str) -> str:
    return calendar(component(*meeting(*more)))


@pytest.mark.parametrize(
    ("more", "names"),
    [
        (("DTSTART;TZID=Europe/Rome:20261203T093000",), {"DTSTART"}),
        (("DTEND;TZID=Europe/Rome:20261203T113000",), {"DTEND"}),
        (
            ("DTSTART;TZID=America/New_York:20261203T100000", "DTEND;TZID=America/New_York:20261203T110000"),
            {"DTSTART", "DTEND"},
        ),
        ((WEEKLY,), {"RRULE"}),
        (("RDATE;TZID=Europe/Rome:20261204T100000",), {"RDATE"}),
        (("STATUS:TENTATIVE",), {"STATUS"}),
        (("SUMMARY:Money",), {"SUMMARY"}),
        (("LOCATION:Room 1",), {"LOCATION"}),
        (("DESCRIPTION:Bring numbers",), {"DESCRIPTION"}),
        (("URL:https://example.org/1",), {"URL"}),
        (("CONFERENCE;VALUE=URI:https://meet.example.org/1",), {"CONFERENCE"}),
        (("ATTACH:https://example.org/a.pdf",), {"ATTACH"}),
    ],
)
def test_what_matters_is_sent_to_all_and_named(more: tuple[str, ...], names: set[str]) -> None:
    found = changed(one(), one(*more))
    assert sent(found) == [("REQUEST", (LEE, SAM), ("",))]
    assert {change.name for change in found.messages[0].changes} == names
    assert found.messages[0].sequence == 1
    assert found.stored is not None
    assert "SEQUENCE:1" in found.stored


@pytest.mark.parametrize(
    "more",
    [
        ("DTSTART:20261203T090000Z", "DTEND:20261203T100000Z"),
        ("DTSTART;TZID=America/New_York:20261203T040000",),
        ("DTSTART;TZID=W. Europe Standard Time:20261203T100000",),
        ("SUMMARY;LANGUAGE=en:Budget",),
        ("STATUS:CONFIRMED",),
        ("SEQUENCE:0",),
        ("CREATED:20260101T000000Z", "LAST-MODIFIED:20261122T000000Z"),
        ("TRANSP:TRANSPARENT",),
        ("COLOR:red", "CATEGORIES:Work", "X-MINE:1"),
        ("X-MOZ-LASTACK:20261122T000000Z",),
    ],
)
def test_another_spelling_and_the_users_own_things_are_nobodys_business(more: tuple[str, ...]) -> None:
    found = changed(one(), one(*more))
    assert found.nothing_rule == "change.not-significant"
    assert found.stored is not None
    assert "SEQUENCE:1" not in found.stored


def test_duration_and_end_say_the_same() -> None:
    lines = tuple(line for line in meeting("DURATION:PT1H") if not line.startswith("DTEND"))
    assert changed(one(), calendar(component(*lines))).nothing_rule == "change.not-significant"


def test_an_alarm_is_nobodys_business() -> None:
    alarm = component("TRIGGER:-PT15M", "ACTION:DISPLAY", kind="VALARM", uid="")
    with_alarm = calendar(component(*meeting()).replace("END:VEVENT", f"{alarm}END:VEVENT"))
    assert changed(one(), with_alarm).nothing_rule == "change.not-significant"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("RRULE:FREQ=WEEKLY;COUNT=5", "RRULE:COUNT=5;INTERVAL=1;FREQ=WEEKLY"),
        ("RRULE:FREQ=WEEKLY;BYDAY=MO,TH", "RRULE:FREQ=WEEKLY;BYDAY=TH,MO"),
        ("RRULE:FREQ=WEEKLY", "RRULE:FREQ=WEEKLY;BYDAY=TH;WKST=SU"),
        ("RRULE:FREQ=MONTHLY", "RRULE:FREQ=MONTHLY;BYMONTHDAY=3"),
        ("RRULE:FREQ=YEARLY", "RRULE:FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=3"),
        ("RRULE:FREQ=DAILY;UNTIL=20261224T090000Z", "RRULE:FREQ=DAILY;UNTIL=20261224T100000"),
    ],
)
def test_one_rule_in_two_spellings(before: str, after: str) -> None:
    assert changed(one(before), one(after)).nothing_rule == "change.not-significant"


def test_of_a_series_the_zone_counts_beside_the_instant() -> None:
    utc = one("DTSTART:20261203T090000Z", "DTEND:20261203T100000Z", WEEKLY)
    assert [change.name for change in changed(one(WEEKLY), utc).messages[0].changes] == ["DTSTART"]


def test_the_same_lines_in_a_zone_with_other_rules_are_another_time() -> None:
    def in_own_zone(offset: str) -> str:
        zone = (
            "BEGIN:VTIMEZONE\r\nTZID:Ours\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n"
            f"TZOFFSETFROM:{offset}\r\nTZOFFSETTO:{offset}\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
        )
        lines = meeting("DTSTART;TZID=Ours:20261203T100000", "DTEND;TZID=Ours:20261203T110000")
        return calendar(zone, component(*lines))

    found = changed(in_own_zone("+0517"), in_own_zone("+0623"))
    assert [change.name for change in found.messages[0].changes] == ["DTSTART", "DTEND"]
    assert changed(in_own_zone("+0517"), in_own_zone("+0517")).nothing_rule == "change.not-significant"


def test_a_duration_is_an_end() -> None:
    short, long = (
        calendar(component(*(line for line in meeting(f"DURATION:{length}") if not line.startswith("DTEND"))))
        for length in ("PT1H", "PT2H")
    )
    found = changed(short, long, settings=DiffSettings(significant=("DTEND",)))
    assert [change.name for change in found.messages[0].changes] == ["DTEND"]


def test_only_answers_changed_so_nobody_is_told() -> None:
    answered = one().replace("CN=Lee", "CN=Lee;PARTSTAT=DECLINED")
    found = changed(one(), answered)
    assert found.nothing_rule == "change.not-significant"
    assert "SEQUENCE:1" not in (found.stored or "")


def test_the_list_of_what_matters_is_a_setting() -> None:
    settings = DiffSettings(significant=("DTSTART",))
    assert changed(one(), one("SUMMARY:Money"), settings=settings).nothing_rule == "change.not-significant"
    settings = DiffSettings(significant=("PRIORITY",))
    assert changed(one(), one("PRIORITY:1"), settings=settings).messages


def test_a_restored_meeting_is_an_invitation_above_the_cancellation() -> None:
    found = changed(one("STATUS:CANCELLED", "SEQUENCE:4"), one("SEQUENCE:4"))
    assert sent(found) == [("REQUEST", (LEE, SAM), ("",))]
    assert found.messages[0].sequence == 5
