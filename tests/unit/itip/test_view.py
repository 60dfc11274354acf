# SPDX-License-Identifier: Apache-2.0
"""What leaves the house of a component, and what does not."""

import pytest

from tests.support.calendars import DANA, LEE, SAM, calendar, component, events
from tests.support.changes import KIM, changed, meeting, occurrence, people, without

PRIVATE = (
    "TRANSP:TRANSPARENT",
    "COLOR:red",
    "CATEGORIES:Secret",
    "X-APPLE-TRAVEL-ADVISORY-BEHAVIOR:AUTOMATIC",
    "X-MOZ-GENERATION:4",
    "X-IMIP-GATEWAY-RESCHEDULED:0",
    "STRUCTURED-DATA;VALUE=TEXT:secret",
    "STYLED-DESCRIPTION:<p>secret</p>",
    "REQUEST-STATUS:2.0;Success",
    "UNHEARD-OF:secret",
)
SHARED = (
    "DESCRIPTION:Bring numbers",
    "LOCATION:Room 1",
    "URL:https://example.org/1",
    "CLASS:CONFIDENTIAL",
    "PRIORITY:1",
    "GEO:45;9",
    "CONFERENCE;VALUE=URI;FEATURE=VIDEO:https://meet.example.org/1",
    "ATTACH;FMTTYPE=application/pdf:https://example.org/a.pdf",
    "CONTACT:Reception",
    "RELATED-TO:other",
    "X-MICROSOFT-DISALLOW-COUNTER:TRUE",
)


def one(*more: str) -> str:
    return calendar(component(*meeting(*more)))


@pytest.mark.parametrize("line", PRIVATE)
def test_the_users_own_things_stay_at_home(line: str) -> None:
    found = changed(None, one(line))
    assert line not in found.messages[0].calendar
    assert line in (found.stored or "")
    gone = changed(one(line), None)
    assert line not in gone.messages[0].calendar


@pytest.mark.parametrize("line", SHARED)
def test_what_says_something_about_the_meeting_goes_out_as_written(line: str) -> None:
    assert f"\r\n{line}\r\n" in changed(None, one(line)).messages[0].calendar


def test_alarms_and_other_parts_stay_at_home() -> None:
    parts = component("TRIGGER:-PT5M", "ACTION:EMAIL", kind="VALARM") + component("UID:r", kind="VRESOURCE")
    text = calendar(component(*meeting()).replace("END:VEVENT", f"{parts}END:VEVENT"))
    found = changed(None, text)
    assert "BEGIN:VALARM" not in found.messages[0].calendar
    assert "BEGIN:VRESOURCE" not in found.messages[0].calendar
    assert "BEGIN:VALARM" in (found.stored or "")


def test_parameters_of_the_server_and_the_client_stay_at_home() -> None:
    person = (
        "ATTENDEE;CN=Kim;X-NUM-GUESTS=0;SCHEDULE-STATUS=1.2;X-IMIP-GATEWAY-SEQUENCE=1;RECEIVED-SEQUENCE=0;"
        f'CUTYPE=INDIVIDUAL;MEMBER="mailto:team@example.org";SENT-BY="mailto:pa@example.org":mailto:{KIM}'
    )
    organizer = f'ORGANIZER;CN=Dana;SCHEDULE-STATUS=1.2;X-OWN=1;SENT-BY="mailto:pa@example.org":mailto:{DANA}'
    found = changed(None, one(person, organizer))
    assert set(people(found.messages[0])[KIM]) == {"CN", "CUTYPE", "MEMBER", "SENT-BY", "PARTSTAT", "RSVP"}
    assert set(events(found.messages[0].calendar)[""]["ORGANIZER"].params) == {"CN", "SENT-BY"}


def test_what_receivers_count_on_is_there_even_where_the_client_left_it_out() -> None:
    lines = tuple(line for line in meeting() if not line.startswith("SUMMARY"))
    event = events(changed(None, calendar(component(*lines))).messages[0].calendar)[""]
    assert {"UID", "DTSTAMP", "SEQUENCE", "SUMMARY", "STATUS", "TRANSP", "ORGANIZER", "ATTENDEE"} <= set(event)


@pytest.mark.parametrize(
    ("written", "sent"),
    [("TENTATIVE", "TENTATIVE"), ("tentative", "tentative"), ("BUSY", "CONFIRMED"), ("", "CONFIRMED")],
)
def test_an_invitation_has_a_status_that_invitations_may_have(written: str, sent: str) -> None:
    text = changed(None, one(f"STATUS:{written}")).messages[0].calendar
    assert f"\r\nSTATUS:{sent}\r\n" in text


@pytest.mark.parametrize(
    ("written", "sent"), [("THISANDFUTURE", True), ("thisandfuture", True), ("THISANDPRIOR", False)]
)
def test_a_change_of_all_earlier_occurrences_is_never_sent(written: str, sent: bool) -> None:
    moved = [
        line.replace("RECURRENCE-ID", f"RECURRENCE-ID;RANGE={written}") for line in occurrence("20261210", hour=14)
    ]
    series = component(*meeting("RRULE:FREQ=WEEKLY;COUNT=5"))
    text = changed(calendar(series), calendar(series, component(*moved))).messages[0].calendar
    assert ("RANGE=" in text) == ("RANGE=THISANDFUTURE" in text) == sent


def test_a_cancellation_says_what_and_when_and_no_more() -> None:
    text = changed(one("DESCRIPTION:Long", "LOCATION:Room 1"), None).messages[0].calendar
    assert "DESCRIPTION" not in text
    assert all(f"\r\n{name}" in text for name in ("SUMMARY", "DTSTART", "DTEND", "LOCATION", "ORGANIZER", "STATUS"))
    assert "RSVP" not in text


def test_an_answer_says_nothing_of_other_guests() -> None:
    answered = one("DESCRIPTION:Long").replace("CN=Lee", "CN=Lee;PARTSTAT=ACCEPTED")
    text = changed(one("DESCRIPTION:Long"), answered, LEE).messages[0].calendar
    assert SAM not in text
    assert "DESCRIPTION" not in text


def test_a_guest_taken_off_learns_of_no_other() -> None:
    text = changed(one(), calendar(component(*without(meeting(), LEE)))).messages[0].calendar
    assert SAM not in text


@pytest.mark.parametrize("name", ["Röss, Dana", 'Dana "D" Rossi', "Dana\\nBcc: x@example.org", "Dana: the boss"])
def test_names_are_quoted_as_they_must(name: str) -> None:
    written = name.replace('"', "^'").replace("\\n", "^n")
    text = changed(None, one(f'ATTENDEE;CN="{written}";X-A=1:mailto:{KIM}')).messages[0].calendar
    assert "\nBcc" not in text
    assert people(changed(None, one(f'ATTENDEE;CN="{written}";X-A=1:mailto:{KIM}')).messages[0])[KIM]["CN"]


def test_folded_lines_of_clients_go_out_folded_anew() -> None:
    long = "DESCRIPTION:" + "0123456789" * 30
    text = calendar(component(*meeting(long))).replace("0123456789" * 30, "\r\n ".join(["0123456789" * 15] * 2))
    found = changed(None, text)
    assert long in found.messages[0].calendar.replace("\r\n ", "")
