# SPDX-License-Identifier: Apache-2.0
"""Occurrences by the instant they were meant to be at, whatever they are called by."""

from datetime import UTC, datetime
from itertools import islice

import pytest

from gateway.errors import Refused
from gateway.itip.instances import Series
from gateway.itip.timezones import Zones
from gateway.itip.tree import Component, Prop, parse_tree
from gateway.itip.values import parse_moment, parse_moment_text


def series(*lines: str, overrides: tuple[str, ...] = (), extra: str = "") -> Series:
    text = "\n".join(("BEGIN:VCALENDAR", extra, "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR"))
    tree = parse_tree(text)
    parts = [parse_tree(f"BEGIN:VCALENDAR\nBEGIN:VEVENT\n{each}\nEND:VEVENT\nEND:VCALENDAR") for each in overrides]
    return Series(tree.children("VEVENT")[0], [part.children("VEVENT")[0] for part in parts], Zones(tree))


def at(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M").replace(tzinfo=UTC)


def starts(found: Series, after: str = "20260101T0000", count: int = 5) -> list[str]:
    return [each.start_at.strftime("%m%dT%H%M") for each in islice(found.occurrences(at(after)), count)]


ROME = (
    "DTSTART;TZID=Europe/Rome:20261103T100000",
    "DTEND;TZID=Europe/Rome:20261103T110000",
    "RRULE:FREQ=WEEKLY;COUNT=4",
)


def line(text: str) -> Prop:
    return parse_tree(f"BEGIN:VCALENDAR\n{text}\nEND:VCALENDAR").first("RECURRENCE-ID")  # type: ignore[return-value]


@pytest.mark.parametrize(
    "written",
    [
        "RECURRENCE-ID;TZID=Europe/Rome:20261110T100000",
        "RECURRENCE-ID:20261110T090000Z",
        "RECURRENCE-ID;TZID=America/New_York:20261110T040000",
        "RECURRENCE-ID;TZID=W. Europe Standard Time:20261110T100000",
        "RECURRENCE-ID:20261110T100000",
        "RECURRENCE-ID;VALUE=DATE:20261110",
    ],
)
def test_one_instance_in_every_spelling(written: str) -> None:
    found = series(*ROME)
    key = found.key_of(parse_moment(line(written)))
    assert key == "20261110T090000Z"
    assert found.exists(key)
    assert found.line_for("RECURRENCE-ID", key) == line("RECURRENCE-ID;TZID=Europe/Rome:20261110T100000")


def test_a_date_names_an_instance_only_where_there_is_one_that_day() -> None:
    found = series(*ROME)
    assert found.key_of(parse_moment_text("20261111")) is None
    twice = series("DTSTART:20261103T100000Z", "RRULE:FREQ=DAILY;BYHOUR=10,14")
    assert twice.key_of(parse_moment_text("20261104")) is None


def test_the_last_day_there_is_names_no_instance() -> None:
    assert series(*ROME).key_of(parse_moment_text("99991231")) is None


def test_all_day_and_floating_series_have_their_own_keys() -> None:
    days = series("DTSTART;VALUE=DATE:20261103", "RRULE:FREQ=DAILY")
    assert days.key_of(parse_moment_text("20261105")) == "20261105"
    assert days.key_of(parse_moment_text("20261105T000000Z")) == "20261105"
    floating = series("DTSTART:20261103T100000", "RRULE:FREQ=DAILY")
    assert floating.key_of(parse_moment_text("20261105T100000")) == "20261105T100000"
    assert floating.exists("20261105T100000")


@pytest.mark.parametrize(
    ("key", "exists"),
    [
        ("20261103T090000Z", True),
        ("20261124T090000Z", True),
        ("20261201T090000Z", False),
        ("20261110T091500Z", False),
        ("20251103T090000Z", False),
        ("", False),
        ("nonsense", False),
    ],
)
def test_which_occurrences_exist(key: str, *, exists: bool) -> None:
    assert series(*ROME).exists(key) is exists


def test_exdate_takes_out_and_rdate_adds_in_any_zone() -> None:
    found = series(
        *ROME, "EXDATE:20261110T090000Z", "RDATE;TZID=Europe/London:20261112T120000", "EXDATE;VALUE=DATE:20261117"
    )
    assert starts(found) == ["1103T0900", "1112T1200", "1124T0900"]
    assert not found.exists("20261110T090000Z")
    assert found.exists("20261112T120000Z")


def test_a_series_over_a_clock_change_keeps_its_wall_time() -> None:
    found = series("DTSTART;TZID=Europe/Berlin:20261024T023000", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=3")
    assert starts(found) == ["1024T0030", "1025T0030", "1026T0130"]
    gap = series("DTSTART;TZID=Europe/Berlin:20260328T023000", "RRULE:FREQ=DAILY;COUNT=3")
    assert starts(gap) == ["0328T0130", "0329T0130", "0330T0030"]
    assert all(gap.exists(key) for key in ("20260328T013000Z", "20260329T013000Z", "20260330T003000Z"))


def test_moved_overrides_are_found_where_they_are_now() -> None:
    moved = "RECURRENCE-ID:20261110T090000Z\nDTSTART:20261220T100000Z\nDTEND:20261220T110000Z"
    found = series(*ROME, overrides=(moved,))
    assert starts(found) == ["1103T0900", "1117T0900", "1124T0900", "1220T1000"]
    assert found.span_of("20261110T090000Z").start.wall == datetime(2026, 12, 20, 10)
    assert found.last_end() == at("20261220T1100")


def test_this_and_future_moves_the_rest() -> None:
    later = (
        "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Rome:20261117T100000\n"
        "DTSTART;TZID=Europe/Rome:20261117T140000\nDTEND;TZID=Europe/Rome:20261117T160000\nSUMMARY:Later"
    )
    found = series(*ROME, overrides=(later,))
    assert starts(found) == ["1103T0900", "1110T0900", "1117T1300", "1124T1300"]
    last = list(found.occurrences(at("20261101T0000")))[-1]
    assert last.key == "20261124T090000Z"
    assert last.component.value("SUMMARY") == "Later"
    assert last.end_at == at("20261124T1500")


@pytest.mark.parametrize(
    ("lines", "last"),
    [
        (ROME, "20261124T1000"),
        (("DTSTART:20260101T100000Z", "DURATION:PT30M"), "20260101T1030"),
        (("DTSTART;VALUE=DATE:20260101",), "20260102T0000"),
        (("DTSTART:20260101T100000Z", "RRULE:FREQ=WEEKLY;BYDAY=TH;UNTIL=20281231T000000Z"), "20281228T1000"),
        (("DTSTART:20260101T100000Z", "RRULE:FREQ=YEARLY;INTERVAL=10;UNTIL=20981231T000000Z"), "20960101T1000"),
        (("DTSTART:20260101T100000Z", "RDATE:20270101T100000Z/PT3H"), "20270101T1300"),
        (("DTSTART:20260101T100000Z", "RRULE:FREQ=DAILY"), None),
    ],
)
def test_the_end_of_a_series(lines: tuple[str, ...], last: str | None) -> None:
    assert series(*lines).last_end() == (None if last is None else at(last))


def test_until_as_a_date_includes_its_day() -> None:
    found = series("DTSTART;TZID=Europe/Rome:20261103T100000", "RRULE:FREQ=DAILY;UNTIL=20261105")
    assert starts(found) == ["1103T0900", "1104T0900", "1105T0900"]


def test_past_and_to_come() -> None:
    found = series(*ROME)
    assert found.ends_after(at("20261124T0930"))
    assert not found.ends_after(at("20261124T1000"))
    assert series("DTSTART:19700101T000000Z", "RRULE:FREQ=SECONDLY").ends_after(at("20261124T0930"))


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=300",
    ],
)
def test_what_cannot_be_followed_counts_as_to_come_and_is_believed(rule: str) -> None:
    found = series("DTSTART:19700101T000000Z", f"RRULE:{rule}")
    assert found.ends_after(at("20261124T0930"))
    with pytest.raises(Refused, match="recurrence-budget"):
        list(found.occurrences(at("20261124T0930")))


def test_the_implied_instance_is_the_master_at_another_time() -> None:
    found = series(*ROME, "SUMMARY:Budget", "EXDATE:20261124T090000Z")
    implied = found.implied("20261110T090000Z")
    assert [(prop.name, prop.value) for prop in implied.properties] == [
        ("RECURRENCE-ID", "20261110T100000"),
        ("DTSTART", "20261110T100000"),
        ("DTEND", "20261110T110000"),
        ("SUMMARY", "Budget"),
    ]


def test_broken_values_are_complaints_not_errors() -> None:
    found = series(
        "DTSTART:soon", "RRULE:FREQ=SOMETIMES", "EXDATE:never", "RDATE:perhaps", overrides=("RECURRENCE-ID:x",)
    )
    assert found.rules == ()
    assert found.excluded == found.extra == frozenset()
    assert len(found.complaints) == 5
    assert found.ends_after(at("20261124T0930"))


def test_two_overrides_for_one_instance_are_one() -> None:
    found = series(
        *ROME,
        overrides=(
            "RECURRENCE-ID:20261110T090000Z\nSUMMARY:A",
            "RECURRENCE-ID;TZID=Europe/Rome:20261110T100000\nSUMMARY:B",
        ),
    )
    assert [part.value("SUMMARY") for part in found.overrides.values()] == ["A"]
    assert isinstance(found.overrides["20261110T090000Z"], Component)
