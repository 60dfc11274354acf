# SPDX-License-Identifier: Apache-2.0
"""Zones that come by mail: one name for two of them, and names that nobody knows."""

from datetime import UTC, datetime

import pytest

from gateway.itip.model import Outcome, Verdict
from gateway.itip.objects import read_object
from tests.support.calendars import DANA, LEE, calendar, component, events, incoming, partstats, tree

CUSTOM = "Customized Time Zone"
WHO = (f"ORGANIZER:mailto:{DANA}", f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{LEE}", "SUMMARY:Budget")


def zone(offset: str, tzid: str = CUSTOM) -> str:
    lines = ("DTSTART:16010101T000000", f"TZOFFSETFROM:{offset}", f"TZOFFSETTO:{offset}")
    inner = ("BEGIN:STANDARD", *lines, "END:STANDARD")
    return "".join(f"{line}\r\n" for line in ("BEGIN:VTIMEZONE", f"TZID:{tzid}", *inner, "END:VTIMEZONE"))


def meeting(*lines: str, at: str = "20261201T100000", tzid: str = CUSTOM, sequence: int = 0) -> str:
    return component(f"SEQUENCE:{sequence}", *WHO, f"DTSTART;TZID={tzid}:{at}", *lines)


def starts(outcome: Outcome) -> set[datetime]:
    found = read_object(tree(outcome.stored) or pytest.fail("nothing is stored"))
    series = found.series
    last = datetime(2027, 1, 1, tzinfo=UTC)
    return {each.start_at for each in series.occurrences(datetime(2026, 1, 1, tzinfo=UTC), last)}


def at(text: str) -> datetime:
    return datetime.strptime(f"{text}Z", "%Y%m%dT%H%M%z")


def test_a_meeting_moves_where_only_the_rules_of_its_zone_change() -> None:
    """Outlook gives every zone of its own one name: 10:00 there is not always the same 10:00."""
    stored = calendar(zone("-0517"), meeting())
    outcome = incoming(calendar(zone("+0317"), meeting(sequence=1), method="REQUEST"), stored, DANA, LEE)
    assert outcome.rule == "request.updated"
    assert partstats(outcome.stored)[LEE] == "NEEDS-ACTION"
    assert starts(outcome) == {at("20261201T0643")}
    assert events(outcome.stored)[""]["DTSTART"].params["TZID"] == CUSTOM


def test_one_occurrence_in_another_zone_of_the_same_name_leaves_the_series_where_it_is() -> None:
    stored = calendar(zone("-0517"), meeting("RRULE:FREQ=WEEKLY;COUNT=2"))
    moved = meeting("RECURRENCE-ID:20261208T151700Z", at="20261208T230000", sequence=1)
    outcome = incoming(calendar(zone("+0317"), moved, method="REQUEST"), stored, DANA, LEE)
    assert outcome.rule == "request.updated"
    assert starts(outcome) == {at("20261201T1517"), at("20261208T1943")}
    again = incoming(calendar(zone("+0317"), moved, method="REQUEST"), outcome.stored, DANA, LEE)
    assert (again.rule, again.stored) == ("request.duplicate", outcome.stored)
    third = meeting("RECURRENCE-ID:20261208T151700Z", at="20261208T230000", sequence=2)
    third_zone = incoming(calendar(zone("+0717"), third, method="REQUEST"), outcome.stored, DANA, LEE)
    assert starts(third_zone) == {at("20261201T1517"), at("20261208T1543")}
    back = calendar(zone("+0317"), meeting("RECURRENCE-ID:20261201T151700Z", sequence=1), method="REQUEST")
    assert starts(incoming(back, outcome.stored, DANA, LEE)) == {at("20261201T0643"), at("20261208T1943")}


def test_a_series_in_another_zone_of_the_same_name_leaves_its_exceptions_where_they_are() -> None:
    one = meeting(f"RECURRENCE-ID;TZID={CUSTOM}:20261208T100000", at="20261208T120000")
    stored = calendar(zone("-0517"), meeting("RRULE:FREQ=WEEKLY;COUNT=2"), one)
    series = meeting("RRULE:FREQ=WEEKLY;COUNT=2", "LOCATION:Room 9", at="20261201T183400", sequence=1)
    outcome = incoming(calendar(zone("+0317"), series, method="REQUEST"), stored, DANA, LEE)
    assert starts(outcome) == {at("20261201T1517"), at("20261208T1717")}
    assert partstats(outcome.stored)[LEE] == "ACCEPTED"


def test_an_exception_that_cannot_be_placed_keeps_its_zone() -> None:
    stored = calendar(zone("-0517"), meeting(), meeting("RECURRENCE-ID:20261208T250000Z"))
    moved = component("SEQUENCE:1", *WHO, "DTSTART;TZID=Other:20261201T100000")
    outcome = incoming(calendar(zone("+0317", "Other"), moved, method="REQUEST"), stored, DANA, LEE)
    assert {f"TZID:{CUSTOM}", "TZID:Other"} <= set((outcome.stored or "").splitlines())


def test_rules_that_cannot_be_used_do_not_take_the_place_of_ours() -> None:
    stored = calendar(zone("-0517"), meeting())
    bomb = zone("+0317").replace("TZOFFSETFROM", "RRULE:FREQ=SECONDLY\r\nTZOFFSETFROM")
    outcome = incoming(calendar(bomb, meeting("LOCATION:Room 9", sequence=1), method="REQUEST"), stored, DANA, LEE)
    assert (outcome.rule, starts(outcome)) == ("request.updated", {at("20261201T1517")})
    assert "SECONDLY" not in (outcome.stored or "")


def test_a_zone_that_nobody_knows_is_said_to_be_unknown() -> None:
    """Interop Q80: what is read into it is a guess, and a person must be able to see that."""
    outcome = incoming(calendar(meeting(tzid="Nowhere/Atall"), method="REQUEST"), None, DANA, LEE)
    assert (outcome.outcome, outcome.rule) == (Verdict.APPLIED, "request.new")
    assert outcome.repairs == ("unknown-time-zone",)
    assert "'Nowhere/Atall' is not known; its times were read as UTC" in outcome.reason
    assert events(outcome.stored)[""]["DTSTART"].params["TZID"] == "Nowhere/Atall"
    known = incoming(calendar(meeting(tzid="W. Europe Standard Time"), method="REQUEST"), None, DANA, LEE)
    assert known.repairs == ()


def test_an_occurrence_named_in_a_zone_that_nobody_knows_is_read_by_the_clock_of_the_series() -> None:
    stored = calendar(meeting("RRULE:FREQ=WEEKLY;COUNT=2", tzid="Europe/Rome"))
    lines = ("SEQUENCE:0", *WHO[:1], f"ATTENDEE;PARTSTAT=DECLINED:mailto:{LEE}")
    reply = component(*lines, "RECURRENCE-ID;TZID=Nowhere/Atall:20261208T100000")
    outcome = incoming(calendar(reply, method="REPLY"), stored, LEE, DANA)
    assert (outcome.outcome, outcome.rule, outcome.repairs) == (
        Verdict.APPLIED,
        "reply.applied",
        ("unknown-time-zone",),
    )
    assert partstats(outcome.stored, "20261208T100000") == {LEE: "DECLINED"}


@pytest.mark.parametrize("written", ["GMT+05:30:20261201T100000", "tzone://Microsoft/Utc:20261201T100000"])
def test_a_colon_in_the_name_of_a_zone_may_stand_without_quotes(written: str) -> None:
    text = calendar(component("SEQUENCE:0", *WHO, f"DTSTART;TZID={written}"), method="REQUEST")
    outcome = incoming(text, None, DANA, LEE)
    assert (outcome.rule, outcome.repairs) == ("request.new", ("colon-in-tzid",))
    assert starts(outcome) == {at("20261201T0430" if "+05" in written else "20261201T1000")}
