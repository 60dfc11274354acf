# SPDX-License-Identifier: Apache-2.0
"""Which alarms ask for mail, and what is read of them."""

from datetime import UTC, datetime

import pytest

from gateway.itip.alarms import (
    MAX_REPEAT,
    Absolute,
    Alarm,
    NoMail,
    Relative,
    has_marker,
    parse_alarms,
    without_alarms,
    without_marker,
)
from gateway.itip.tree import Component, build_tree, parse_tree
from gateway.itip.values import Duration


def event(*alarms: str, head: str = "") -> Component:
    """A VEVENT with these alarms, each written as lines between bars."""
    body = "".join(f"BEGIN:VALARM|{alarm}|END:VALARM|" for alarm in alarms)
    text = f"BEGIN:VCALENDAR|BEGIN:VEVENT|UID:u|{head}{body}END:VEVENT|END:VCALENDAR|"
    return parse_tree(text.replace("|", "\r\n")).children("VEVENT")[0]


def one(alarm: str) -> Alarm | NoMail:
    (found,) = parse_alarms(event(alarm))
    return found


def mailed(alarm: str) -> Alarm:
    found = one(alarm)
    assert isinstance(found, Alarm), found
    return found


@pytest.mark.parametrize("action", ["EMAIL", "email", "Email", " eMail "])
def test_email_in_any_case_asks_for_mail(action: str) -> None:
    assert mailed(f"ACTION:{action}|TRIGGER:-PT15M").trigger == Relative(Duration(seconds=-900))


@pytest.mark.parametrize("action", ["DISPLAY", "AUDIO", "PROCEDURE", "X-FANCY", "NONE"])
def test_any_other_action_makes_no_mail_and_says_so(action: str) -> None:
    found = one(f"ACTION:{action}|TRIGGER:-PT15M|DESCRIPTION:Reminder")
    assert isinstance(found, NoMail)
    assert found.rule == "alarm.not-mail"


@pytest.mark.parametrize("action", ["DISPLAY", "AUDIO", "X-FANCY"])
@pytest.mark.parametrize("text", ["SUMMARY:Rent @email", "DESCRIPTION:@email", "DESCRIPTION:Rent\\n@email"])
def test_the_marker_turns_any_alarm_into_mail(action: str, text: str) -> None:
    found = mailed(f"ACTION:{action}|TRIGGER:-PT15M|{text}")
    assert "@email" not in found.summary + found.description


@pytest.mark.parametrize(
    "text", ["@email", "Pay @email", "Pay@email", "(@email)", "@email.", "now@email, please", "bob@email.com or @email"]
)
def test_the_marker_is_the_literal_string_anywhere(text: str) -> None:
    assert has_marker(text)
    assert "@email" not in without_marker(text).replace("bob@email.com", "")


@pytest.mark.parametrize(
    "text", ["bob@email.com", "x+y@email.co.uk", "write to Bob@email.example.", "a@email-host.net"]
)
def test_an_address_at_a_domain_of_that_name_is_no_marker(text: str) -> None:
    assert not has_marker(text)
    assert without_marker(text) == text


@pytest.mark.parametrize("text", ["@Email", "@EMAIL", "@ email", "at email", "email"])
def test_the_marker_is_spelled_exactly(text: str) -> None:
    assert not has_marker(text)


def test_text_around_the_marker_stays() -> None:
    assert without_marker("Pay @email the rent\nand  keep this") == "Pay the rent\nand keep this"
    assert without_marker("\n@email\nLine") == "Line"


def test_every_alarm_of_a_component_is_read_and_an_exact_double_once() -> None:
    first, second = "ACTION:EMAIL|TRIGGER:-P1D|SUMMARY:a", "ACTION:EMAIL|TRIGGER:-PT15M|SUMMARY:a"
    found = parse_alarms(event(first, second, first, "ACTION:DISPLAY|TRIGGER:-PT5M|DESCRIPTION:x"))
    assert [type(alarm) for alarm in found] == [Alarm, Alarm, NoMail]
    assert len({alarm.key for alarm in found if isinstance(alarm, Alarm)}) == 2


def test_each_attendee_is_a_recipient_once_in_any_spelling() -> None:
    found = mailed(
        "ACTION:EMAIL|TRIGGER:-PT5M|ATTENDEE:mailto:Ann@example.org|ATTENDEE;CN=B:MAILTO:bob%2Bx@example.net"
        "|ATTENDEE:mailto:ann@EXAMPLE.org|ATTENDEE:urn:uuid:1|ATTENDEE:mailto:"
    )
    assert [each.casefold() for each in found.recipients] == ["ann@example.org", "bob+x@example.net", "urn:uuid:1"]


def test_related_to_the_end() -> None:
    assert mailed("ACTION:EMAIL|TRIGGER;RELATED=END:PT5M").trigger == Relative(Duration(seconds=300), from_end=True)


@pytest.mark.parametrize("trigger", ["TRIGGER;VALUE=DATE-TIME:20261201T080000Z", "TRIGGER:20261201T080000Z"])
def test_an_absolute_trigger(trigger: str) -> None:
    found = mailed(f"ACTION:EMAIL|{trigger}").trigger
    assert isinstance(found, Absolute)
    assert found.at.wall == datetime(2026, 12, 1, 8)


@pytest.mark.parametrize("trigger", ["SUMMARY:none", "TRIGGER:", "TRIGGER:soon", "TRIGGER:P9999999D"])
def test_an_alarm_without_a_usable_trigger_makes_no_mail(trigger: str) -> None:
    found = one(f"ACTION:EMAIL|{trigger}")
    assert isinstance(found, NoMail)
    assert found.rule == "alarm.no-trigger"


def test_a_proximity_alarm_never_fires_by_its_placeholder() -> None:
    found = one("ACTION:EMAIL|TRIGGER;VALUE=DATE-TIME:19760401T005545Z|PROXIMITY:DEPART")
    assert isinstance(found, NoMail)
    assert found.rule == "alarm.proximity"


@pytest.mark.parametrize(
    ("lines", "repeat"),
    [
        ("REPEAT:3|DURATION:PT5M", 3),
        ("REPEAT:3", 0),
        ("DURATION:PT5M", 0),
        ("REPEAT:-1|DURATION:PT5M", 0),
        ("REPEAT:3|DURATION:PT0S", 0),
        ("REPEAT:3|DURATION:-PT5M", 0),
        ("REPEAT:999999999999|DURATION:PT5M", MAX_REPEAT),
    ],
)
def test_repetitions_need_a_count_and_a_gap_that_leads_forward(lines: str, repeat: int) -> None:
    assert mailed(f"ACTION:EMAIL|TRIGGER:-PT15M|{lines}").repeat == repeat


def test_acknowledged_is_read_and_does_not_change_what_the_alarm_is() -> None:
    plain = mailed("UID:a|ACTION:EMAIL|TRIGGER:-PT15M")
    known = mailed("UID:a|ACTION:EMAIL|TRIGGER:-PT15M|ACKNOWLEDGED:20261123T100000Z")
    assert known.acknowledged_at == datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert known.key == plain.key
    assert (
        mailed("ACTION:EMAIL|TRIGGER:-PT1M").key
        == mailed("TRIGGER:-PT1M|ACTION:EMAIL|ACKNOWLEDGED:20260101T000000Z").key
    )


def test_a_snooze_is_silenced_by_the_acknowledgement_of_its_original() -> None:
    found = parse_alarms(
        event(
            "UID:a|ACTION:EMAIL|TRIGGER:-PT15M|ACKNOWLEDGED:20261123T100000Z",
            "UID:b|ACTION:EMAIL|TRIGGER:20261123T095500Z|RELATED-TO;RELTYPE=SNOOZE:a",
        )
    )
    assert [alarm.acknowledged_at for alarm in found if isinstance(alarm, Alarm)] == [
        datetime(2026, 11, 23, 10, tzinfo=UTC)
    ] * 2


def test_a_moved_trigger_is_another_alarm_even_under_the_same_uid() -> None:
    assert mailed("UID:a|ACTION:EMAIL|TRIGGER:-PT15M").id != mailed("UID:a|ACTION:EMAIL|TRIGGER:-PT10M").id


def test_an_alarm_copied_into_an_override_is_the_same_alarm_in_another_place() -> None:
    words = "UID:a|ACTION:EMAIL|TRIGGER:-PT15M"
    (master,) = parse_alarms(event(words))
    (override,) = parse_alarms(event(words, head="RECURRENCE-ID:20261123T100000Z|"))
    assert isinstance(master, Alarm)
    assert isinstance(override, Alarm)
    assert master.id == override.id
    assert master.key != override.key


def test_without_alarms_takes_them_from_every_component_and_leaves_zones_alone() -> None:
    text = (
        "BEGIN:VCALENDAR\r\nBEGIN:VTIMEZONE\r\nTZID:Z\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nEND:STANDARD\r\n"
        "END:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:u\r\nBEGIN:VALARM\r\nACTION:EMAIL\r\nEND:VALARM\r\nEND:VEVENT\r\n"
        "BEGIN:VTODO\r\nUID:v\r\nBEGIN:VALARM\r\nACTION:EMAIL\r\nEND:VALARM\r\nEND:VTODO\r\nEND:VCALENDAR\r\n"
    )
    stripped = build_tree(without_alarms(parse_tree(text)))
    assert "VALARM" not in stripped
    assert "BEGIN:STANDARD" in stripped
