# SPDX-License-Identifier: Apache-2.0
"""When alarms are due: five zones over their changes, series, overrides, repetitions; all instants reckoned by hand."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.itip.alarms import quiet_reason
from gateway.itip.firings import AlarmPlan, Firing
from gateway.itip.tree import parse_tree

EARLY = datetime(1970, 1, 1, tzinfo=UTC)
LATE = datetime(2100, 1, 1, tzinfo=UTC)


def calendar(*events: str) -> str:
    """A calendar of events written as lines between bars; `!` stands for an EMAIL alarm with that trigger."""
    body = ""
    for event in events:
        lines, *alarms = event.split("!")
        body += f"BEGIN:VEVENT|UID:u|{lines}|" + "".join(
            f"BEGIN:VALARM|ACTION:EMAIL|{alarm}|END:VALARM|" for alarm in alarms
        )
        body += "END:VEVENT|"
    return f"BEGIN:VCALENDAR|{body}END:VCALENDAR|".replace("||", "|").replace("|", "\r\n")


def plan(*events: str, zone: str = "UTC") -> AlarmPlan:
    return AlarmPlan(parse_tree(calendar(*events)), ZoneInfo(zone))


def utc(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


def shown(firings: list[Firing]) -> list[str]:
    return [f"{firing.at:%Y-%m-%d %H:%M}" for firing in firings]


def fires(*events: str, zone: str = "UTC", after: datetime = EARLY, until: datetime = LATE) -> list[str]:
    return shown(list(plan(*events, zone=zone).firings(after, until)))


# Each line: the start in its zone, the trigger, when it is due in UTC. A change of clocks lies in between.
ACROSS_CHANGES = [
    # Berlin: 2026-03-29 01:00Z from +1 to +2, 2026-10-25 01:00Z back
    ("Europe/Berlin", "20260329T090000", "-P1D", "2026-03-28 08:00"),
    ("Europe/Berlin", "20260329T090000", "-PT24H", "2026-03-28 07:00"),
    ("Europe/Berlin", "20261025T090000", "-P1D", "2026-10-24 07:00"),
    ("Europe/Berlin", "20261025T090000", "-PT24H", "2026-10-24 08:00"),
    ("Europe/Berlin", "20260330T023000", "-P1D", "2026-03-29 01:30"),  # 02:30 does not exist on the 29th: 03:30
    ("Europe/Berlin", "20261026T023000", "-P1D", "2026-10-25 00:30"),  # 02:30 happens twice: the first
    ("Europe/Berlin", "20260329T090000", "-P1DT2H", "2026-03-28 06:00"),
    ("Europe/Berlin", "20260329T090000", "-P1W", "2026-03-22 08:00"),
    ("Europe/Berlin", "20261025T010000", "P1D", "2026-10-26 00:00"),
    # New York: 2026-03-08 07:00Z from -5 to -4, 2026-11-01 06:00Z back
    ("America/New_York", "20260308T090000", "-P1D", "2026-03-07 14:00"),
    ("America/New_York", "20260308T090000", "-PT24H", "2026-03-07 13:00"),
    ("America/New_York", "20261101T090000", "-P1D", "2026-10-31 13:00"),
    ("America/New_York", "20261101T090000", "-PT24H", "2026-10-31 14:00"),
    # Lord Howe: half an hour; 2026-04-04 15:00Z from +11 to +10:30, 2026-10-03 15:30Z back
    ("Australia/Lord_Howe", "20260405T090000", "-P1D", "2026-04-03 22:00"),
    ("Australia/Lord_Howe", "20260405T090000", "-PT24H", "2026-04-03 22:30"),
    ("Australia/Lord_Howe", "20261004T090000", "-P1D", "2026-10-02 22:30"),
    ("Australia/Lord_Howe", "20261004T090000", "-PT24H", "2026-10-02 22:00"),
    # Sao Paulo 2018-11-04: midnight does not exist (-3 to -2); 2018-02-18: back
    ("America/Sao_Paulo", "20181105T000000", "-P1D", "2018-11-04 03:00"),
    ("America/Sao_Paulo", "20181105T000000", "-PT24H", "2018-11-04 02:00"),
    ("America/Sao_Paulo", "20180218T090000", "-P1D", "2018-02-17 11:00"),
    ("America/Sao_Paulo", "20180218T090000", "-PT24H", "2018-02-17 12:00"),
    # Casablanca: +1, and +0 in Ramadan (2026-02-15 02:00Z to 2026-03-22 02:00Z): negative daylight saving
    ("Africa/Casablanca", "20260215T090000", "-P1D", "2026-02-14 08:00"),
    ("Africa/Casablanca", "20260215T090000", "-PT24H", "2026-02-14 09:00"),
    ("Africa/Casablanca", "20260322T090000", "-P1D", "2026-03-21 09:00"),
    ("Africa/Casablanca", "20260322T090000", "-PT24H", "2026-03-21 08:00"),
    # Kolkata never changes
    ("Asia/Kolkata", "20260329T090000", "-P1D", "2026-03-28 03:30"),
    ("Asia/Kolkata", "20260329T090000", "-PT24H", "2026-03-28 03:30"),
]


@pytest.mark.parametrize(("zone", "start", "trigger", "due"), ACROSS_CHANGES)
def test_a_day_is_a_day_and_24_hours_are_24_hours(zone: str, start: str, trigger: str, due: str) -> None:
    assert fires(f"DTSTART;TZID={zone}:{start}!TRIGGER:{trigger}") == [due]
    assert fires(f"DTSTART:{start}!TRIGGER:{trigger}", zone=zone) == [due], "floating, in the zone that is given"


@pytest.mark.parametrize(
    ("zone", "trigger", "due"),
    [
        ("UTC", "-PT15H", "2026-05-31 09:00"),
        ("Pacific/Kiritimati", "-PT15H", "2026-05-30 19:00"),  # UTC+14: 09:00 the day before, there
        ("America/Los_Angeles", "-PT15H", "2026-05-31 16:00"),
        ("America/Los_Angeles", "-P1D", "2026-05-31 07:00"),
        ("Pacific/Kiritimati", "PT9H", "2026-05-31 19:00"),
        ("Pacific/Kiritimati", "P0D", "2026-05-31 10:00"),
    ],
)
def test_whole_days_begin_at_midnight_where_the_person_is(zone: str, trigger: str, due: str) -> None:
    assert fires(f"DTSTART;VALUE=DATE:20260601!TRIGGER:{trigger}", zone=zone) == [due]


@pytest.mark.parametrize(
    ("event", "due"),
    [
        ("DTSTART:20260601T090000Z|DTEND:20260601T100000Z!TRIGGER;RELATED=END:-PT5M", "2026-06-01 09:55"),
        ("DTSTART:20260601T090000Z|DURATION:PT90M!TRIGGER;RELATED=END:PT0S", "2026-06-01 10:30"),
        ("DTSTART:20260601T090000Z!TRIGGER;RELATED=END:PT5M", "2026-06-01 09:05"),
        ("DTSTART;VALUE=DATE:20260601!TRIGGER;RELATED=END:PT0S", "2026-06-02 00:00"),
        # a flight: ends in another zone, over its own change of clocks (2026-03-08 in New York)
        (
            "DTSTART;TZID=Europe/Berlin:20260307T100000|DTEND;TZID=America/New_York:20260308T090000"
            "!TRIGGER;RELATED=END:-P1D",
            "2026-03-07 14:00",
        ),
    ],
)
def test_an_alarm_may_count_from_the_end(event: str, due: str) -> None:
    assert fires(event) == [due]


def test_an_end_that_a_change_of_clocks_skips_counts_from_its_own_clock_time() -> None:
    event = "DTSTART:20270328T013000|DTEND:20270328T023000!TRIGGER;RELATED=END:-P1W"
    assert fires(event, zone="Europe/Berlin", until=utc("2028-01-01 00:00")) == ["2027-03-21 01:30"]


def test_a_to_do_is_due_at_its_due_time() -> None:
    text = calendar("DUE:20260601T120000Z!TRIGGER;RELATED=END:-PT1H").replace("VEVENT", "VTODO")
    assert shown(list(AlarmPlan(parse_tree(text), UTC).firings(EARLY, LATE))) == ["2026-06-01 11:00"]


@pytest.mark.parametrize("days", ["DUE;VALUE=DATE:20260602", "DTSTART;VALUE=DATE:20260602|DUE;VALUE=DATE:20260602"])
@pytest.mark.parametrize("rule", ["", "|RRULE:FREQ=WEEKLY;COUNT=1"])
def test_a_due_date_is_the_beginning_of_its_day(days: str, rule: str) -> None:
    text = calendar(f"{days}{rule}!TRIGGER;RELATED=END:-PT6H").replace("VEVENT", "VTODO")
    assert shown(list(AlarmPlan(parse_tree(text), UTC).firings(EARLY, LATE))) == ["2026-06-01 18:00"]


def test_an_event_of_a_day_that_ends_where_it_begins_lasts_its_day() -> None:
    event = "DTSTART;VALUE=DATE:20260602|DTEND;VALUE=DATE:20260602!TRIGGER;RELATED=END:-PT6H"
    assert fires(event) == ["2026-06-02 18:00"]


def test_a_to_do_that_names_no_time_has_nothing_to_count_from() -> None:
    text = calendar("SUMMARY:x!TRIGGER:-PT1H!TRIGGER;VALUE=DATE-TIME:20260601T080000Z").replace("VEVENT", "VTODO")
    found = AlarmPlan(parse_tree(text), UTC)
    assert [no_mail.rule for no_mail in found.without_mail] == ["alarm.no-start"]
    assert shown(list(found.firings(EARLY, LATE))) == ["2026-06-01 08:00"]


def test_a_to_do_without_an_end_cannot_count_from_it() -> None:
    text = calendar("DTSTART:20260601T120000Z!TRIGGER;RELATED=END:-PT1H").replace("VEVENT", "VTODO")
    found = AlarmPlan(parse_tree(text), UTC)
    assert [no_mail.rule for no_mail in found.without_mail] == ["alarm.no-end"]
    assert list(found.firings(EARLY, LATE)) == []


def test_an_absolute_trigger_fires_once_for_a_whole_series() -> None:
    event = "DTSTART:20260601T090000Z|RRULE:FREQ=DAILY!TRIGGER;VALUE=DATE-TIME:20260610T080000Z"
    (firing,) = plan(event).firings(EARLY, LATE)
    assert firing.recurrence_id == ""
    assert (firing.at, firing.starts_at) == (utc("2026-06-10 08:00"), utc("2026-06-10 09:00"))


def test_repetitions_follow_the_first_by_the_gap() -> None:
    event = "DTSTART:20260601T090000Z!TRIGGER:-PT30M|REPEAT:2|DURATION:PT10M"
    assert fires(event) == ["2026-06-01 08:30", "2026-06-01 08:40", "2026-06-01 08:50"]
    assert [firing.repetition for firing in plan(event).firings(EARLY, LATE)] == [0, 1, 2]


@pytest.mark.parametrize("gap", ["soon", "-PT10M", "PT0S"])
def test_a_gap_that_cannot_be_followed_leaves_the_first(gap: str) -> None:
    assert fires(f"DTSTART:20260601T090000Z!TRIGGER:-PT30M|REPEAT:2|DURATION:{gap}") == ["2026-06-01 08:30"]


def test_repetitions_by_days_keep_the_clock_time_over_a_change() -> None:
    event = "DTSTART;TZID=Europe/Berlin:20260331T090000!TRIGGER:-P3D|REPEAT:2|DURATION:P1D"
    assert fires(event) == ["2026-03-28 08:00", "2026-03-29 07:00", "2026-03-30 07:00"]


def test_repetitions_by_hours_do_not() -> None:
    event = "DTSTART;TZID=Europe/Berlin:20260331T090000!TRIGGER:-P3D|REPEAT:2|DURATION:PT24H"
    assert fires(event) == ["2026-03-28 08:00", "2026-03-29 08:00", "2026-03-30 08:00"]


def test_repetitions_that_reach_into_the_next_occurrence_come_in_order() -> None:
    event = "DTSTART:20260601T000000Z|RRULE:FREQ=HOURLY;COUNT=3!TRIGGER:PT0S|REPEAT:2|DURATION:PT40M"
    found = fires(event)
    assert found == sorted(found)
    assert len(found) == 9


def test_each_repetition_is_acknowledged_by_its_own_instant() -> None:
    event = "DTSTART:20260601T090000Z!TRIGGER:-PT30M|REPEAT:2|DURATION:PT10M|ACKNOWLEDGED:20260601T083000Z"
    assert fires(event) == ["2026-06-01 08:40", "2026-06-01 08:50"]


def test_acknowledging_a_series_covers_what_lies_before_and_nothing_after() -> None:
    event = "DTSTART:20260601T090000Z|RRULE:FREQ=DAILY;COUNT=4!TRIGGER:-PT30M|ACKNOWLEDGED:20260602T083500Z"
    assert fires(event) == ["2026-06-03 08:30", "2026-06-04 08:30"]


def test_a_snooze_fires_at_its_own_time() -> None:
    event = (
        "DTSTART:20260601T090000Z!UID:a|TRIGGER:-PT30M|ACKNOWLEDGED:20260601T083100Z"
        "!UID:b|TRIGGER;VALUE=DATE-TIME:20260601T084500Z|RELATED-TO;RELTYPE=SNOOZE:a"
    )
    assert fires(event) == ["2026-06-01 08:45"]


SERIES = [
    ("RRULE:FREQ=DAILY;COUNT=3", ["2026-06-01 08:45", "2026-06-02 08:45", "2026-06-03 08:45"]),
    ("RRULE:FREQ=DAILY;UNTIL=20260602T090000Z", ["2026-06-01 08:45", "2026-06-02 08:45"]),
    ("RRULE:FREQ=DAILY;COUNT=3|EXDATE:20260602T090000Z", ["2026-06-01 08:45", "2026-06-03 08:45"]),
    ("RDATE:20260605T120000Z", ["2026-06-01 08:45", "2026-06-05 11:45"]),
    ("RRULE:FREQ=MONTHLY;BYDAY=MO;BYSETPOS=-1;COUNT=2", ["2026-06-01 08:45", "2026-06-29 08:45"]),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "due"), SERIES)
def test_every_occurrence_has_its_alarm(rule: str, due: list[str]) -> None:
    assert fires(f"DTSTART:20260601T090000Z|{rule}!TRIGGER:-PT15M") == due


def test_the_29th_of_february_alarms_in_leap_years() -> None:
    event = "DTSTART:20240229T090000Z|RRULE:FREQ=YEARLY!TRIGGER:-P1D"
    until = utc("2033-01-01 00:00")
    assert fires(event, until=until) == ["2024-02-28 09:00", "2028-02-28 09:00", "2032-02-28 09:00"]


def test_an_override_brings_its_own_alarms_and_loses_those_of_the_series() -> None:
    master = "DTSTART:20260601T090000Z|RRULE:FREQ=DAILY;COUNT=4!TRIGGER:-PT15M"
    moved = "RECURRENCE-ID:20260602T090000Z|DTSTART:20260602T150000Z!TRIGGER:-PT1H"
    silent = "RECURRENCE-ID:20260603T090000Z|DTSTART:20260603T090000Z"
    found = list(plan(master, moved, silent).firings(EARLY, LATE))
    assert shown(found) == ["2026-06-01 08:45", "2026-06-02 14:00", "2026-06-04 08:45"]
    assert [firing.recurrence_id for firing in found] == ["20260601T090000Z", "20260602T090000Z", "20260604T090000Z"]


def test_an_override_that_moves_over_a_change_of_clocks() -> None:
    master = "DTSTART;TZID=Europe/Berlin:20260326T090000|RRULE:FREQ=DAILY;COUNT=2!TRIGGER:-P1D"
    moved = "RECURRENCE-ID;TZID=Europe/Berlin:20260327T090000|DTSTART;TZID=Europe/Berlin:20260329T090000!TRIGGER:-P1D"
    assert fires(master, moved) == ["2026-03-25 08:00", "2026-03-28 08:00"]


def test_an_override_far_ahead_of_its_place_is_found_where_it_is() -> None:
    master = "DTSTART:20260601T090000Z|RRULE:FREQ=WEEKLY;COUNT=3!TRIGGER:-PT15M"
    moved = "RECURRENCE-ID:20260608T090000Z|DTSTART:20270601T090000Z!TRIGGER:-PT15M"
    assert fires(master, moved) == ["2026-06-01 08:45", "2026-06-15 08:45", "2027-06-01 08:45"]


def test_this_and_future_speaks_for_all_that_follow() -> None:
    master = "DTSTART:20260601T090000Z|RRULE:FREQ=DAILY;COUNT=4!TRIGGER:-PT15M"
    split = "RECURRENCE-ID;RANGE=THISANDFUTURE:20260603T090000Z|DTSTART:20260603T100000Z!TRIGGER:-PT30M"
    assert fires(master, split) == ["2026-06-01 08:45", "2026-06-02 08:45", "2026-06-03 09:30", "2026-06-04 09:30"]


def test_instances_without_a_master_alarm_too() -> None:
    alone = "RECURRENCE-ID:20260602T090000Z|DTSTART:20260602T150000Z!TRIGGER:-PT1H"
    assert fires(alone) == ["2026-06-02 14:00"]


def test_every_alarm_of_the_event_not_the_first_alone() -> None:
    event = "DTSTART:20260601T090000Z!TRIGGER:-PT15M!TRIGGER:-P1D!TRIGGER:-PT1H"
    assert fires(event) == ["2026-05-31 09:00", "2026-06-01 08:00", "2026-06-01 08:45"]
    assert len(plan(event).next_firings(EARLY, LATE)) == 3


def test_the_window_is_open_at_its_beginning_and_closed_at_its_end() -> None:
    event = "DTSTART:20260601T090000Z|RRULE:FREQ=DAILY!TRIGGER:PT0S"
    assert fires(event, after=utc("2026-06-02 09:00"), until=utc("2026-06-03 09:00")) == ["2026-06-03 09:00"]


def test_what_is_cancelled_or_declined_alarms_nobody() -> None:
    own = frozenset({"ann@example.org"})
    master = "DTSTART:20260601T090000Z|RRULE:FREQ=DAILY;COUNT=3!TRIGGER:-PT15M"
    gone = "RECURRENCE-ID:20260602T090000Z|DTSTART:20260602T090000Z|STATUS:CANCELLED!TRIGGER:-PT15M"
    refused = (
        "RECURRENCE-ID:20260603T090000Z|DTSTART:20260603T090000Z"
        "|ATTENDEE;PARTSTAT=DECLINED:mailto:Ann@Example.org!TRIGGER:-PT15M"
    )
    text = parse_tree(calendar(master, gone, refused))
    found = AlarmPlan(text, UTC, quiet=lambda component: quiet_reason(component, own))
    assert shown(list(found.firings(EARLY, LATE))) == ["2026-06-01 08:45"]
    assert [no_mail.rule for no_mail in found.without_mail] == ["alarm.cancelled", "alarm.declined"]


def test_another_guest_s_refusal_is_not_ours() -> None:
    event = "DTSTART:20260601T090000Z|ATTENDEE;PARTSTAT=DECLINED:mailto:bob@example.org!TRIGGER:-PT15M"
    found = AlarmPlan(parse_tree(calendar(event)), UTC, quiet=lambda c: quiet_reason(c, frozenset({"ann@example.org"})))
    assert shown(list(found.firings(EARLY, LATE))) == ["2026-06-01 08:45"]


def test_whether_anything_may_fire_beyond_the_horizon() -> None:
    horizon = utc("2026-07-01 00:00")
    assert plan("DTSTART:20200601T090000Z|RRULE:FREQ=YEARLY!TRIGGER:-PT15M").may_fire_after(horizon)
    assert not plan("DTSTART:20200601T090000Z|RRULE:FREQ=YEARLY;COUNT=3!TRIGGER:-PT15M").may_fire_after(horizon)
    assert not plan("DTSTART:20260601T090000Z!TRIGGER:-PT15M").may_fire_after(horizon)
    assert plan("DTSTART:20260601T090000Z!TRIGGER;VALUE=DATE-TIME:20260801T000000Z").may_fire_after(horizon)
    assert plan("DTSTART:20261201T090000Z!TRIGGER:-P1W").may_fire_after(horizon)


@pytest.mark.parametrize(
    "event",
    [
        "SUMMARY:no start!TRIGGER:-PT15M",
        "DTSTART:tomorrow!TRIGGER:-PT15M",
        "DTSTART:20260601T090000Z|RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30!TRIGGER:-PT15M",
        "DTSTART:20260601T090000Z|RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30!TRIGGER:-PT15M",
        "DTSTART:00010101T000000Z!TRIGGER:-P4000D",
        "DTSTART:99991231T235959Z!TRIGGER:P4000D",
        "DTSTART:99991231T235959Z|RRULE:FREQ=DAILY!TRIGGER:P1D|REPEAT:100|DURATION:P900D",
    ],
)
def test_hostile_calendars_end_quietly(event: str) -> None:
    found = plan(event)
    assert len(fires(event)) <= 1
    assert len(found.next_firings(EARLY, LATE)) <= 1
    found.may_fire_after(LATE)


def test_how_old_a_series_is_does_not_matter() -> None:
    for year in (1980, 2020, 2026):
        event = f"DTSTART;TZID=Europe/Berlin:{year}0105T090000|RRULE:FREQ=WEEKLY!TRIGGER:-PT15M"
        (first,) = plan(event).next_firings(utc("2026-11-23 12:00"), utc("2026-12-23 12:00"))
        assert first.at - utc("2026-11-23 12:00") < timedelta(days=7)
