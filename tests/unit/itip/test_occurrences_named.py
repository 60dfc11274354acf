# SPDX-License-Identifier: Apache-2.0
"""Occurrences as messages name them: tasks only due, periods, days, midnights in UTC; and what is not there."""

import pytest

from gateway.itip.model import Outcome, Verdict
from tests.support.calendars import DANA, LEE, SAM, calendar, component, incoming

WHO = (f"ORGANIZER:mailto:{DANA}", f"ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:{LEE}", f"ATTENDEE:mailto:{SAM}")
WHEN = ("DTSTART;TZID=Europe/Rome:20261201T100000", "DTEND;TZID=Europe/Rome:20261201T110000")


def series(*lines: str, when: tuple[str, ...] = WHEN, kind: str = "VEVENT", sequence: int = 2) -> str:
    return calendar(component(f"SEQUENCE:{sequence}", *when, "SUMMARY:Budget", *WHO, *lines, kind=kind))


def answer(recurrence: str, partstat: str = "DECLINED", *, kind: str = "VEVENT", sequence: int = 2) -> str:
    lines = (f"SEQUENCE:{sequence}", recurrence, WHO[0], f"ATTENDEE;PARTSTAT={partstat}:mailto:{LEE}")
    return calendar(component(*lines, kind=kind, dtstamp="20261122T080000Z"), method="REPLY")


def from_organizer(method: str, *lines: str, sequence: int = 3) -> str:
    return calendar(component(f"SEQUENCE:{sequence}", *WHO, *lines, dtstamp="20261122T080000Z"), method=method)


def answered(message: str, stored: str) -> Outcome:
    return incoming(message, stored, LEE, DANA)


def received(message: str, stored: str) -> Outcome:
    return incoming(message, stored, DANA, LEE)


def made(outcome: Outcome) -> str:
    """The occurrence that was made, unfolded."""
    assert outcome.rule == "reply.applied"
    return (outcome.stored or "").replace("\r\n ", "").rpartition("BEGIN:V")[2]


def test_a_task_that_is_only_due() -> None:
    stored = series("RRULE:FREQ=WEEKLY;COUNT=4", when=("DUE;TZID=Europe/Rome:20261201T110000",), kind="VTODO")
    task = made(answered(answer("RECURRENCE-ID:20261208T100000Z", "COMPLETED", kind="VTODO"), stored))
    assert "RECURRENCE-ID;TZID=Europe/Rome:20261208T110000" in task
    assert "DUE;TZID=Europe/Rome:20261208T110000" in task
    assert "DTSTART" not in task


@pytest.mark.parametrize("end", [WHEN[1], "DURATION:PT1H", ""])
def test_a_period_keeps_its_own_length(end: str) -> None:
    stored = series("RDATE;VALUE=PERIOD;TZID=Europe/Rome:20261204T100000/PT3H", when=(WHEN[0], *([end] if end else [])))
    occurrence = made(answered(answer("RECURRENCE-ID:20261204T090000Z"), stored))
    assert "DTEND;TZID=Europe/Rome:20261204T130000" in occurrence
    assert "DURATION" not in occurrence


@pytest.mark.parametrize(
    "recurrence",
    [
        "RECURRENCE-ID;VALUE=DATE:20261208",
        "RECURRENCE-ID:20261207T230000Z",  # midnight in Rome
        "RECURRENCE-ID:20261208T080000Z",  # midnight in Los Angeles
        "RECURRENCE-ID;TZID=Europe/Rome:20261208T000000",
    ],
)
def test_a_day_whose_midnight_is_written(recurrence: str) -> None:
    stored = series("RRULE:FREQ=WEEKLY;COUNT=4", when=("DTSTART;VALUE=DATE:20261201", "DTEND;VALUE=DATE:20261202"))
    assert "RECURRENCE-ID;VALUE=DATE:20261208" in made(answered(answer(recurrence), stored))


def test_days_taken_out_in_utc_stay_out() -> None:
    when = ("DTSTART;VALUE=DATE:20261201", "DTEND;VALUE=DATE:20261202")
    stored = series("RRULE:FREQ=WEEKLY;COUNT=4", "EXDATE:20261207T230000Z", when=when)
    assert answered(answer("RECURRENCE-ID;VALUE=DATE:20261208"), stored).rule == "reply.no-such-instance"


def test_a_day_with_two_occurrences_is_for_a_person() -> None:
    stored = series("RRULE:FREQ=DAILY;BYHOUR=10,15;COUNT=8")
    outcome = answered(answer("RECURRENCE-ID;VALUE=DATE:20261203"), stored)
    assert (outcome.outcome, outcome.rule) == (Verdict.HELD, "reply.which-instance")
    for method in ("REQUEST", "CANCEL"):
        found = received(from_organizer(method, "RECURRENCE-ID;VALUE=DATE:20261203", *WHEN), stored)
        assert (found.outcome, found.rule) == (Verdict.HELD, f"{method.lower()}.which-instance")
        old = from_organizer(method, "RECURRENCE-ID;VALUE=DATE:20261203", *WHEN, sequence=1)
        assert received(old, stored).rule == f"{method.lower()}.stale"
    proposal = answer("RECURRENCE-ID;VALUE=DATE:20261203").replace("METHOD:REPLY", "METHOD:COUNTER")
    assert answered(proposal, stored).rule == "counter.which-instance"


def test_an_answer_to_an_occurrence_of_an_older_version_is_told_the_present() -> None:
    """The series has moved to another day: the guest said no to a Tuesday that is none of it any more."""
    stored = series("RRULE:FREQ=WEEKLY;COUNT=4", when=("DTSTART:20261202T090000Z", "DTEND:20261202T100000Z"))
    outcome = answered(answer("RECURRENCE-ID:20261208T090000Z", sequence=1), stored)
    assert (outcome.outcome, outcome.rule) == (Verdict.IGNORED, "reply.stale-sequence")
    assert [(message.method, message.to) for message in outcome.messages] == [("REQUEST", (LEE,))]


@pytest.mark.parametrize("method", ["REQUEST", "CANCEL"])
def test_what_is_not_there_is_asked_for_or_old(method: str) -> None:
    """RFC 5546 §4.7.2, interop T20."""
    stored = series("RRULE:FREQ=WEEKLY;COUNT=4")
    lines = ("RECURRENCE-ID:20261209T090000Z", "DTSTART:20261209T090000Z", "DTEND:20261209T100000Z")
    new = received(from_organizer(method, *lines), stored)
    assert (new.outcome, new.rule) == (Verdict.REFUSED, f"{method.lower()}.no-such-instance")
    assert [(message.method, message.to) for message in new.messages] == [("REFRESH", (DANA,))]
    old = received(from_organizer(method, *lines, sequence=1), stored)
    assert (old.outcome, old.rule, old.messages) == (Verdict.IGNORED, f"{method.lower()}.stale", ())
    assert new.stored == old.stored == stored


def test_an_occurrence_without_its_series_keeps_the_form_it_is_known_by() -> None:
    stored = series("RECURRENCE-ID;TZID=Europe/Rome:20261201T100000")
    outcome = received(from_organizer("REQUEST", "RECURRENCE-ID:20261201T090000Z", *WHEN, "SUMMARY:New"), stored)
    assert outcome.rule == "request.updated"
    assert outcome.reason.endswith("on 2026-12-01 at 10:00")
    assert "RECURRENCE-ID;TZID=Europe/Rome:20261201T100000" in (outcome.stored or "")


@pytest.mark.parametrize("own", ["ACCEPTED", "NEEDS-ACTION", ""])
def test_a_move_that_comes_twice_is_known_the_second_time(own: str) -> None:
    """The organizer writes an answer down for me, or none; either way the time is new and I have not answered it."""
    me = f"ATTENDEE{f';PARTSTAT={own}' if own else ''}:mailto:{LEE}"
    moved = calendar(
        component(
            "SEQUENCE:3", "DTSTART:20261202T090000Z", "DTEND:20261202T100000Z", "SUMMARY:Budget", WHO[0], me,
            dtstamp="20261122T080000Z",
        ),
        method="REQUEST",
    )  # fmt: skip
    first = received(moved, series().replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=TENTATIVE"))
    assert first.rule == "request.updated"
    assert "PARTSTAT=NEEDS-ACTION;RSVP=TRUE" in (first.stored or "")
    second = received(moved, first.stored or "")
    assert (second.rule, second.stored) == ("request.duplicate", first.stored)


def test_an_occurrence_whose_uid_exchange_has_dated_goes_into_its_series() -> None:
    """Interop Q44: bytes 16 to 19 of a Global Object ID are the day of the occurrence."""
    plain, dated = (f"040000008200E00074C5B7101A82E008{day}11223344AABB" for day in ("00000000", "07EA0C08"))
    stored = series("RRULE:FREQ=WEEKLY;COUNT=4").replace("UID:u1", f"UID:{plain}")
    change = from_organizer("REQUEST", "RECURRENCE-ID:20261208T090000Z", *WHEN, "SUMMARY:New")
    outcome = received(change.replace("UID:u1", f"UID:{dated}"), stored)
    assert (outcome.rule, outcome.uid) == ("request.updated", plain)
    assert (outcome.stored or "").count(f"UID:{plain}") == 2
    assert dated not in (outcome.stored or "")
