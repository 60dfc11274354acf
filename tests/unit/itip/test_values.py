# SPDX-License-Identifier: Apache-2.0
"""Typed values: what is read, what is refused, and what is written back."""

from datetime import datetime, timedelta

import pytest

from gateway.errors import Refused
from gateway.itip.tree import Prop
from gateway.itip.values import (
    Duration,
    Kind,
    Moment,
    build_duration,
    build_moment,
    build_offset,
    moment_prop,
    parse_duration,
    parse_moment_text,
    parse_moments,
    parse_offset,
    parse_period,
    parse_sequence,
)

TEN = datetime(2026, 11, 3, 10)


@pytest.mark.parametrize(
    ("text", "tzid", "moment"),
    [
        ("20261103T100000", "", Moment(TEN, Kind.FLOATING)),
        ("20261103T100000", "Europe/Rome", Moment(TEN, Kind.ZONED, "Europe/Rome")),
        ("20261103T100000Z", "Europe/Rome", Moment(TEN, Kind.UTC)),
        ("20261103T120000+0200", "", Moment(TEN, Kind.UTC)),
        ("2026-11-03T10:00:00Z", "", Moment(TEN, Kind.UTC)),
        ("20261103T1000", "", Moment(TEN, Kind.FLOATING)),
        ("20261103", "", Moment(datetime(2026, 11, 3), Kind.DATE)),
        (" 20261103T095960Z", "", Moment(datetime(2026, 11, 3, 9, 59, 59), Kind.UTC)),
    ],
)
def test_moments_in_every_spelling(text: str, tzid: str, moment: Moment) -> None:
    assert parse_moment_text(text, tzid) == moment


@pytest.mark.parametrize("text", ["", "tomorrow", "20260230", "20261103T250000", "00000101T000000Z", "2026110"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="bad-value"):
        parse_moment_text(text)


@pytest.mark.parametrize("text", ["20261103", "20261103T100000", "20261103T100000Z"])
def test_moments_are_written_as_they_were_read(text: str) -> None:
    assert build_moment(parse_moment_text(text)) == text


def test_lists_and_the_lines_for_them() -> None:
    line = Prop("EXDATE", "20261103T100000,20261110T100000", (("TZID", ("Europe/Rome",)),))
    assert moment_prop("EXDATE", *parse_moments(line)) == line
    assert moment_prop("EXDATE", *parse_moments(Prop("RDATE", "20261103"))).params == (("VALUE", ("DATE",)),)
    assert len(parse_moments(Prop("RDATE", "20261103T100000Z/PT1H,20261104T100000Z/20261104T120000Z"))) == 2


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("PT30M", Duration(0, 1800)),
        ("P1W", Duration(7)),
        ("-P1DT2H", Duration(-1, -7200)),
        ("P1W2D", Duration(9)),
        ("PT0S", Duration()),
        ("PT", Duration()),
        ("+PT1H", Duration(0, 3600)),
    ],
)
def test_durations(text: str, duration: Duration) -> None:
    assert parse_duration(text) == duration
    assert parse_duration(build_duration(duration)) == duration


@pytest.mark.parametrize("text", ["", "P", "1H", "P1Y", "PT99999999999H", "P9999999W", "P1M"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        parse_duration(text)


def test_a_day_is_nominal_and_24_hours_are_not() -> None:
    assert parse_duration("P1D") != parse_duration("PT24H")
    assert parse_duration("P1D").exact == parse_duration("PT24H").exact


def test_periods_offsets_and_sequences() -> None:
    assert parse_period("20261103T100000Z/PT1H").duration == Duration(0, 3600)
    assert parse_period("20261103T100000Z/20261103T110000Z").end is not None
    assert parse_offset("-0430") == timedelta(hours=-4, minutes=-30)
    assert build_offset(parse_offset("0000")) == "+0000"
    assert [parse_sequence(text) for text in (None, "x", "-1", " 3", "99999999999999999999")] == [0, 0, 0, 3, 0]
