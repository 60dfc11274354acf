# SPDX-License-Identifier: Apache-2.0
"""What a guest answered here stays, whatever an organizer's program remembers of it."""

import pytest

from gateway.itip.known_answers import with_known_answers
from gateway.itip.tree import Component, parse_tree
from tests.support.calendars import DANA, LEE, SAM, calendar, component

HEAD = ("DTSTART;TZID=Europe/Berlin:20261207T100000", "DURATION:PT1H", f"ORGANIZER:mailto:{DANA}")
WEEKLY = (*HEAD, "RRULE:FREQ=WEEKLY;COUNT=4")
WAITING = f"ATTENDEE;RSVP=TRUE:mailto:{LEE}"
SECOND = "RECURRENCE-ID;TZID=Europe/Berlin:20261214T100000"
DECLINED = component(
    SECOND, SECOND.replace("RECURRENCE-ID", "DTSTART"), *HEAD[1:], "SUMMARY:Plan",
    f"ATTENDEE;PARTSTAT=DECLINED:mailto:{LEE}",
)  # fmt: skip


def answered(partstat: str = "ACCEPTED", *more: str) -> str:
    return calendar(component(*HEAD, "SUMMARY:Plan", f"ATTENDEE;PARTSTAT={partstat}{''.join(more)}:mailto:{LEE}"))


def kept(new: str, stored: str) -> Component:
    return with_known_answers(parse_tree(new), parse_tree(stored))


def events(calendar: Component) -> list[Component]:
    return list(calendar.components)


def partstats(calendar: Component) -> list[tuple[str, str | None]]:
    return [
        (line.value.removeprefix("mailto:"), line.param("PARTSTAT"))
        for part in calendar.components
        for line in part.all("ATTENDEE")
    ]


def test_an_answer_outlives_another_title() -> None:
    calendar_ = kept(calendar(component(*HEAD, "SUMMARY:Another plan", WAITING)), answered())
    assert partstats(calendar_) == [(LEE, "ACCEPTED")]
    assert events(calendar_)[0].value("SUMMARY") == "Another plan"


def test_what_the_program_knows_better_counts() -> None:
    told_by_phone = calendar(component(*HEAD, "SUMMARY:Plan", f"ATTENDEE;PARTSTAT=DECLINED:mailto:{LEE}"))
    assert partstats(kept(told_by_phone, answered())) == [(LEE, "DECLINED")]


@pytest.mark.parametrize(
    "start", ["DTSTART;TZID=Europe/Berlin:20261207T150000", "DTSTART;TZID=America/New_York:20261207T100000"]
)
def test_a_yes_to_another_time_is_no_yes(start: str) -> None:
    new = calendar(component(start, *HEAD[1:], "SUMMARY:Plan", WAITING))
    assert partstats(kept(new, answered())) == [(LEE, None)]


def test_the_same_time_in_other_words_is_the_same_time() -> None:
    new = calendar(component("DTSTART:20261207T090000Z", "DTEND:20261207T100000Z", HEAD[2], WAITING))
    assert partstats(kept(new, answered())) == [(LEE, "ACCEPTED")]


def test_a_calendar_that_knows_everything_stays_octet_for_octet() -> None:
    assert kept(answered(), answered()) == parse_tree(answered())


def test_an_answer_to_one_occurrence_outlives_a_copy_without_it() -> None:
    master = component(*WEEKLY, "SUMMARY:Plan", WAITING)
    new = kept(calendar(component(*WEEKLY, "SUMMARY:Another plan", WAITING)), calendar(master, DECLINED))
    assert partstats(new) == [(LEE, None), (LEE, "DECLINED")]
    assert events(new)[1].value("SUMMARY") == "Another plan", "the occurrence follows its series"


def test_an_exception_that_the_program_took_back_is_gone() -> None:
    moved = DECLINED.replace("SUMMARY:Plan", "SUMMARY:Elsewhere")
    master = component(*WEEKLY, "SUMMARY:Plan", WAITING)
    assert partstats(kept(calendar(master), calendar(master, moved))) == [(LEE, None)]


def test_an_occurrence_that_does_not_take_place_any_more_has_no_answer() -> None:
    master = component(*WEEKLY, "SUMMARY:Plan", WAITING)
    without = component(*WEEKLY, "EXDATE;TZID=Europe/Berlin:20261214T100000", "SUMMARY:Plan", WAITING)
    assert partstats(kept(calendar(without), calendar(master, DECLINED))) == [(LEE, None)]


def test_a_delegate_whom_a_guest_named_stays() -> None:
    stored = answered("DELEGATED", f';DELEGATED-TO="mailto:{SAM}"').replace(
        "END:VEVENT", f'ATTENDEE;PARTSTAT=ACCEPTED;DELEGATED-FROM="mailto:{LEE}":mailto:{SAM}\r\nEND:VEVENT'
    )
    new = kept(calendar(component(*HEAD, "SUMMARY:Plan", WAITING)), stored)
    assert partstats(new) == [(LEE, "DELEGATED"), (SAM, "ACCEPTED")]
    assert events(new)[0].all("ATTENDEE")[0].param("DELEGATED-TO") == f"mailto:{SAM}"


def test_a_guest_who_is_not_invited_any_more_is_not_brought_back() -> None:
    new = calendar(component(*HEAD, "SUMMARY:Plan", f"ATTENDEE:mailto:{SAM}"))
    assert partstats(kept(new, answered())) == [(SAM, None)]
