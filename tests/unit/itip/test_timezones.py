# SPDX-License-Identifier: Apache-2.0
"""One identity for a time zone in every spelling, and no harm from rules that a stranger sends."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import icalendar
import pytest

from gateway.errors import Refused
from gateway.itip.timezones import Zones, needed_vtimezones
from gateway.itip.tree import Component, build_tree, parse_tree
from gateway.itip.values import Duration, parse_moment_text
from gateway.itip.vtimezone import build_vtimezone, parse_vtimezone

RULE = "DTSTART:16010101T{time}\nTZOFFSETFROM:{before}\nTZOFFSETTO:{after}\n{rrule}"


def calendar(*lines: str, event: str = "DTSTART:20260702T120000Z") -> Component:
    body = "\n".join(("BEGIN:VCALENDAR", *lines, "BEGIN:VEVENT", event, "END:VEVENT", "END:VCALENDAR"))
    return parse_tree(body)


def vtimezone(tzid: str, standard: str, daylight: str | None = None) -> str:
    day = f"BEGIN:DAYLIGHT\n{daylight}\nEND:DAYLIGHT\n" if daylight else ""
    return f"BEGIN:VTIMEZONE\nTZID:{tzid}\nBEGIN:STANDARD\n{standard}\nEND:STANDARD\n{day}END:VTIMEZONE"


def fixed(tzid: str, offset: str) -> str:
    return vtimezone(tzid, RULE.format(time="000000", before=offset, after=offset, rrule=""))


BERLIN_RULES = (
    RULE.format(time="030000", before="+0200", after="+0100", rrule="RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10"),
    RULE.format(time="020000", before="+0100", after="+0200", rrule="RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3"),
)


@pytest.mark.parametrize(
    ("tzid", "iana"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("/mozilla.org/20050126_1/Europe/Berlin", "Europe/Berlin"),
        ("/freeassociation.sourceforge.net/America/Indiana/Knox", "America/Indiana/Knox"),
        ("(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna", "Europe/Amsterdam"),
        ("(UTC-05:00) Eastern Time (US & Canada)", "America/New_York"),
        ("(GMT) Coordinated Universal Time", "Etc/UTC"),
        ("tzone://Microsoft/Utc", "Etc/UTC"),
        ("Nowhere/Atall", None),
        ("../../etc/passwd", None),
        ("Europe", None),
    ],
)
def test_names(tzid: str, iana: str | None) -> None:
    assert Zones().zone(tzid).iana == iana


def test_an_unknown_zone_is_utc_with_a_complaint() -> None:
    zone = Zones().zone("Nowhere/Atall")
    assert zone.tzinfo is UTC
    assert "Nowhere/Atall" in (zone.complaint or "")


def test_a_custom_zone_with_known_rules_is_the_known_zone() -> None:
    zones = Zones(calendar(vtimezone("Customized Time Zone", *BERLIN_RULES)))
    assert zones.zone("Customized Time Zone").iana == "Europe/Berlin"


def test_custom_zones_do_not_leak_from_one_mail_to_the_next() -> None:
    noon = parse_moment_text("20260702T120000", "Customized Time Zone")
    first = Zones(calendar(fixed("Customized Time Zone", "-0517")))
    second = Zones(calendar(fixed("Customized Time Zone", "+0317")))
    assert first.utc(noon).hour == 17
    assert second.utc(noon).hour == 8
    assert Zones(calendar()).utc(noon).hour == 12
    assert Zones(calendar()).zone("Customized Time Zone").complaint


def test_a_known_name_wins_over_bogus_rules() -> None:
    zones = Zones(calendar(fixed("Europe/Berlin", "-0500")))
    assert zones.utc(parse_moment_text("20260702T120000", "Europe/Berlin")).hour == 10


@pytest.mark.parametrize(
    "standard",
    [
        RULE.format(time="000000", before="+0000", after="+0100", rrule="RRULE:FREQ=SECONDLY"),
        RULE.format(time="000000", before="+0000", after="+0100", rrule="RRULE:FREQ=DAILY"),
        RULE.format(time="000000", before="+0000", after="+0100", rrule="RRULE:FREQ=YEARLY;BYSECOND=1,2,3"),
        RULE.format(time="000000", before="+0000", after="+0100", rrule="RRULE:FREQ=YEARLY;BYDAY=MO,TU,WE"),
        RULE.format(time="000000", before="+0000", after="+0100", rrule="RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=MO,TU"),
        RULE.format(
            time="000000", before="+0000", after="+0100", rrule="RDATE:" + ",".join(["20260101T000000"] * 2000)
        ),
        "DTSTART:20260101T000000\nTZOFFSETTO:nonsense",
        "TZOFFSETTO:+0100",
    ],
)
def test_bombs_and_broken_rules_are_refused_before_they_run(standard: str) -> None:
    tree = calendar(vtimezone("Custom", standard))
    with pytest.raises(Refused, match="bad-timezone"):
        parse_vtimezone(tree.children("VTIMEZONE")[0])
    assert Zones(tree).zone("Custom").complaint
    assert Zones(tree).component("Custom") is None


def test_nonexistent_and_ambiguous_times_take_the_earlier_offset() -> None:
    for tzid, source in (("Europe/Berlin", calendar()), ("Own", calendar(vtimezone("Own", *BERLIN_RULES)))):
        zones = Zones(source)
        assert zones.utc(parse_moment_text("20260329T023000", tzid)) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
        assert zones.utc(parse_moment_text("20261025T023000", tzid)) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "name",
    [
        "Europe/Berlin",
        "America/New_York",
        "Africa/Casablanca",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "Africa/Djibouti",
    ],
)
def test_written_rules_keep_the_zones_time(name: str) -> None:
    written = build_vtimezone(name, ZoneInfo(name), 2026, 2027)
    rules, hour = parse_vtimezone(written), datetime(2026, 1, 1)
    while hour < datetime(2028, 1, 1):
        assert rules.utcoffset(hour) == ZoneInfo(name).utcoffset(hour), hour
        at = hour.replace(tzinfo=UTC)
        assert at.astimezone(rules).replace(tzinfo=None) == at.astimezone(ZoneInfo(name)).replace(tzinfo=None)
        hour += timedelta(hours=1)
    icalendar.use_zoneinfo()
    text = build_tree(Component("VCALENDAR", [written])).replace(name, "Custom Name")
    theirs = icalendar.Calendar.from_ical(text).walk("VTIMEZONE")[0].to_tz()
    for month in range(1, 13):
        noon = datetime(2026, month, 15, 12)
        assert theirs.utcoffset(noon) == ZoneInfo(name).utcoffset(noon)


def test_a_simple_zone_is_written_as_two_rules_without_dates() -> None:
    text = build_tree(build_vtimezone("Europe/Rome", ZoneInfo("Europe/Rome"), 2026, 2030))
    assert text.count("BEGIN:STANDARD") == text.count("BEGIN:DAYLIGHT") == 1
    assert text.count("RRULE:FREQ=YEARLY") == 2
    assert "RDATE" not in text


def test_each_zone_in_use_gets_one_vtimezone() -> None:
    tree = calendar(fixed("Own", "+0117"), fixed("Unused", "+0118"), event="DTSTART;TZID=Own:20260702T120000")
    zones = Zones(tree)
    written = needed_vtimezones(tree.children("VEVENT"), zones, 2026, 2027)
    assert [component.value("TZID") for component in written] == ["Own"]
    berlin = calendar(event="DTSTART;TZID=Europe/Berlin:20260702T120000").children("VEVENT")
    assert [c.value("TZID") for c in needed_vtimezones(berlin, Zones(), 2026, 2027)] == ["Europe/Berlin"]
    unknown = calendar(event="DTSTART;TZID=Nowhere:20260702T120000").children("VEVENT")
    assert needed_vtimezones(unknown, Zones(), 2026, 2027) == ()


def test_days_are_nominal_and_hours_are_not() -> None:
    zones, start = Zones(), parse_moment_text("20261024T120000", "Europe/Berlin")
    assert zones.shifted(start, Duration(1)).wall == datetime(2026, 10, 25, 12)
    assert zones.shifted(start, Duration(0, 86400)).wall == datetime(2026, 10, 25, 11)


def test_outlooks_commas_are_one_name_escaped_or_quoted() -> None:
    tree = calendar(fixed("Home\\, Sweet", "+0117"))
    assert Zones(tree).utc(parse_moment_text("20260702T120000", "Home, Sweet")).minute == 43


def test_rules_of_1601_are_not_walked_from_1601() -> None:
    rules = parse_vtimezone(calendar(vtimezone("Own", *BERLIN_RULES)).children("VTIMEZONE")[0])
    years = list(islice(range(2026, 2100), 74))
    assert {rules.utcoffset(datetime(year, 7, 1)) for year in years} == {timedelta(hours=2)}


def test_of_a_thousand_zones_only_the_first_few_are_read() -> None:
    """Each is compared with every zone there is; a mail that names a thousand would hold a process for a second."""
    zones = Zones(calendar(*(fixed(f"Mine {number}", "+0517") for number in range(20))))
    read = [zones.zone(f"Mine {number}").complaint for number in range(20)]
    assert read[0] is None
    assert (read[-1] or "").endswith("were read as UTC")
