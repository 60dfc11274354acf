# SPDX-License-Identifier: Apache-2.0
"""Alarms from the stored event to the owed mail: once, on time, gathered, and never stale."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.flows.alarm_clock import notice_clock
from gateway.store.engine import Store
from gateway.store.unit import Unit
from tests.support.alarms import AlarmWorld, utc

MEETING = "DTSTART:20260601T100000Z|DTEND:20260601T110000Z|SUMMARY:Meeting"
ANN = "ann@example.org"


@pytest.fixture
async def world(any_store: Store) -> AlarmWorld:
    return await AlarmWorld(any_store).open()


async def test_an_alarm_fires_at_its_time_and_once(world: AlarmWorld) -> None:
    await world.put(f"{MEETING}!TRIGGER:-PT15M")
    assert await world.at("2026-06-01 09:44") == []
    assert await world.at("2026-06-01 09:45") == [f"09:45 sent alarm.due {ANN}"]
    assert await world.at("2026-06-01 09:46") == []
    assert await world.mails() == [(ANN, ["2026-06-01 09:45"])]
    assert await world.planned() == []


async def test_every_alarm_fires_and_a_series_goes_on(world: AlarmWorld) -> None:
    await world.set("alarms.min_trigger_interval", "0s")
    await world.put(f"{MEETING}|RRULE:FREQ=DAILY;COUNT=3!TRIGGER:-PT15M!TRIGGER:-PT1H")
    outcomes = await world.until("2026-12-01 00:00")
    assert outcomes == [
        f"09:00 sent alarm.due {ANN}",
        f"09:45 sent alarm.due {ANN}",
        f"2026-06-02 09:00 sent alarm.due {ANN}",
        f"2026-06-02 09:45 sent alarm.due {ANN}",
        f"2026-06-03 09:00 sent alarm.due {ANN}",
        f"2026-06-03 09:45 sent alarm.due {ANN}",
    ]
    assert await world.planned() == []


async def test_a_display_alarm_without_the_marker_makes_no_mail(world: AlarmWorld) -> None:
    await world.put(f"{MEETING}?TRIGGER:-PT15M|DESCRIPTION:Reminder?TRIGGER:-PT10M|DESCRIPTION:@email")
    assert await world.until("2026-06-02 00:00") == [f"09:50 sent alarm.due {ANN}"]


async def test_what_is_past_when_it_is_set_never_fires(world: AlarmWorld) -> None:
    await world.put(f"{MEETING}!TRIGGER:-PT3H!TRIGGER:-PT2H")
    assert await world.until("2026-06-02 00:00") == []


async def test_a_moved_event_fires_at_its_new_time_only(world: AlarmWorld) -> None:
    await world.put(f"{MEETING}!TRIGGER:-PT15M")
    await world.put("DTSTART:20260601T120000Z|SUMMARY:Meeting!TRIGGER:-PT15M")
    assert await world.until("2026-06-02 00:00") == [f"11:45 sent alarm.due {ANN}"]


async def test_a_deleted_event_leaves_no_alarm(world: AlarmWorld) -> None:
    await world.put(f"{MEETING}!TRIGGER:-PT15M")
    await world.delete()
    assert await world.planned() == []
    assert await world.until("2026-06-02 00:00") == []


async def test_a_removed_alarm_leaves_no_row(world: AlarmWorld) -> None:
    await world.put(f"{MEETING}!TRIGGER:-PT15M")
    await world.put(MEETING)
    assert await world.planned() == []


async def test_an_edit_at_the_moment_of_firing_does_not_lose_the_alarm(world: AlarmWorld) -> None:
    await world.put(f"{MEETING}!TRIGGER:-PT15M")
    world.clock.advance(timedelta(hours=1, minutes=45, seconds=3))  # due for three seconds, the worker has not looked
    await world.put(f"{MEETING}|LOCATION:Room 2!TRIGGER:-PT15M")
    assert await world.at("2026-06-01 09:45:05") == [f"09:45 sent alarm.due {ANN}"]


async def test_an_edit_after_the_firing_does_not_repeat_it(world: AlarmWorld) -> None:
    await world.put(f"{MEETING}!TRIGGER:-PT15M")
    await world.at("2026-06-01 09:45")
    await world.put(f"{MEETING}|LOCATION:Room 2!TRIGGER:-PT15M")
    assert await world.until("2026-06-02 00:00") == []


async def test_the_clock_put_back_does_not_repeat_what_was_sent(world: AlarmWorld) -> None:
    await world.set("alarms.min_trigger_interval", "0s")
    await world.put(f"{MEETING}!TRIGGER:-PT15M")
    await world.at("2026-06-01 09:45")
    world.clock.advance(timedelta(hours=-2))
    await world.put(f"{MEETING}|LOCATION:Room 2!TRIGGER:-PT15M")
    await world.until("2026-06-02 00:00")
    assert len(await world.mails()) == 1


async def test_after_downtime_late_ones_are_marked_late_while_the_event_lies_ahead(world: AlarmWorld) -> None:
    await world.put("DTSTART:20260601T200000Z!TRIGGER:-PT10H", uid="ahead")
    await world.put(f"{MEETING}!TRIGGER:-PT15M", uid="over")
    assert await world.at("2026-06-01 15:00") == ["09:45 missed alarm.over", f"10:00 sent alarm.late {ANN}"]
    (task,) = await world.tasks()
    assert [alarm["is_late"] for alarm in task.payload["alarms"]] == [True]


async def test_after_downtime_only_the_newest_repetition_is_sent(world: AlarmWorld) -> None:
    await world.put("DTSTART:20260601T200000Z!TRIGGER:-PT10H|REPEAT:5|DURATION:PT10M")
    outcomes = await world.at("2026-06-01 15:00")
    assert [line.split()[1:3] for line in outcomes] == [["skip", "alarm.repeated"]] * 5 + [["sent", "alarm.late"]]
    assert await world.mails() == [(ANN, ["2026-06-01 10:50"])]


async def test_a_year_of_downtime_is_recorded_and_the_series_goes_on(world: AlarmWorld) -> None:
    await world.put(f"{MEETING}|RRULE:FREQ=DAILY!TRIGGER:-PT15M")
    outcomes = await world.at("2027-06-01 08:00")
    assert {line.split()[-1] for line in outcomes} == {"alarm.over"}
    assert await world.until("2027-06-01 12:00") == [f"2027-06-01 09:45 sent alarm.due {ANN}"]


async def test_alarms_within_the_interval_are_gathered_into_the_next_mail(world: AlarmWorld) -> None:
    await world.put("DTSTART:20260601T100000Z!TRIGGER:-PT1H", uid="a")  # 09:00
    await world.put("DTSTART:20260601T120000Z!TRIGGER:-PT150M", uid="b")  # 09:30, helps still at 10:00
    await world.put("DTSTART:20260601T130000Z!TRIGGER:-PT190M", uid="c")  # 09:50, helps still at 10:00
    await world.put("DTSTART:20260601T095500Z!TRIGGER:-PT15M", uid="d")  # 09:40, at 10:00 it would not help
    outcomes = await world.until("2026-06-02 00:00")
    assert outcomes == [
        f"09:00 sent alarm.due {ANN}",
        "09:30 gather alarm.gathered",
        "09:40 skip alarm.no-help",
        "09:50 gather alarm.gathered",
        f"09:30 sent alarm.due {ANN}",
        f"09:50 sent alarm.due {ANN}",
    ]
    assert await world.mails() == [(ANN, ["2026-06-01 09:00"]), (ANN, ["2026-06-01 09:30", "2026-06-01 09:50"])]


async def test_a_shorter_interval_set_at_run_time_lets_the_gathered_go(world: AlarmWorld) -> None:
    await world.put("DTSTART:20260601T100000Z!TRIGGER:-PT1H", uid="a")
    await world.put("DTSTART:20260601T120000Z!TRIGGER:-PT150M", uid="b")
    await world.put("DTSTART:20260601T120000Z!TRIGGER:-PT140M", uid="c")
    assert await world.at("2026-06-01 09:00") == [f"09:00 sent alarm.due {ANN}"]
    assert await world.at("2026-06-01 09:30") == ["09:30 gather alarm.gathered"]
    await world.set("alarms.min_trigger_interval", "10m")
    assert await world.at("2026-06-01 09:40") == [f"09:30 sent alarm.due {ANN}", f"09:40 sent alarm.due {ANN}"]


async def test_the_interval_of_one_account_does_not_touch_another(world: AlarmWorld) -> None:
    await world.put(f"{MEETING}!TRIGGER:-PT15M")
    await world.put(f"{MEETING}!TRIGGER:-PT10M", account="bob")
    assert await world.until("2026-06-02 00:00") == [
        f"09:45 sent alarm.due {ANN}",
        "09:50 sent alarm.due bob@example.org",
    ]


async def test_the_switch_works_at_once(world: AlarmWorld) -> None:
    await world.put(f"{MEETING}|RRULE:FREQ=DAILY!TRIGGER:-PT15M")
    await world.set("alarms.enable", False)
    assert await world.at("2026-06-01 09:45") == ["09:45 skip alarm.disabled"]
    await world.set("alarms.enable", True)
    assert await world.at("2026-06-02 09:45") == [f"2026-06-02 09:45 sent alarm.due {ANN}"]


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"permissions": {"alarms-send": False}}, "alarm.not-permitted"),
        ({"settings": {"alarmMails": False}}, "alarm.unwanted"),
        ({"disabled": True}, "alarm.not-permitted"),
    ],
)
async def test_an_account_that_may_not_or_will_not_gets_none(world: AlarmWorld, changed: dict, rule: str) -> None:
    await world.put(f"{MEETING}!TRIGGER:-PT15M")
    await world.store.write(lambda unit: unit.accounts.update("ann", **changed))
    assert await world.at("2026-06-01 09:45") == [f"09:45 skip {rule}"]
    assert await world.mails() == []


async def test_a_calendar_nobody_subscribes_to_is_silent(world: AlarmWorld) -> None:
    await world.put(f"{MEETING}!TRIGGER:-PT15M")

    def leave(unit: Unit) -> None:
        calendar = unit.calendars.get("cal-ann")
        assert calendar is not None
        unit.calendars.put(replace(calendar, is_subscribed=False))

    await world.store.write(leave)
    assert await world.at("2026-06-01 09:45") == ["09:45 skip alarm.unsubscribed"]


async def test_a_draft_and_cancelled_and_declined_events_are_silent(world: AlarmWorld) -> None:
    await world.put(f"{MEETING}!TRIGGER:-PT15M", uid="draft", is_draft=True)
    await world.put(f"{MEETING}|STATUS:CANCELLED!TRIGGER:-PT15M", uid="cancelled")
    refused = "ATTENDEE;PARTSTAT=DECLINED:mailto:ann.alias@example.org"
    await world.put(f"{MEETING}|{refused}!TRIGGER:-PT15M", uid="declined")
    assert await world.until("2026-06-02 00:00") == ["09:45 skip alarm.draft"]


async def test_whole_days_follow_the_account_s_zone_and_its_change(any_store: Store) -> None:
    from gateway.flows.alarm_plans import plan_account

    world = await AlarmWorld(any_store).open(time_zone="Pacific/Kiritimati")
    await world.put("DTSTART;VALUE=DATE:20260605!TRIGGER:-PT15H")
    assert await world.planned() == ["2026-06-03 19:00"]

    def move(unit: Unit) -> None:
        unit.accounts.update("ann", time_zone="America/Los_Angeles")
        account = unit.accounts.get("ann")
        assert account is not None
        assert plan_account(unit, world.context, account) == 1

    await world.store.write(move)
    assert await world.planned() == ["2026-06-04 16:00"]


async def test_what_lies_beyond_the_horizon_is_looked_at_in_time(world: AlarmWorld) -> None:
    await world.put("DTSTART:20280601T100000Z!TRIGGER:-PT15M", uid="far")
    await world.put("DTSTART:20200301T100000Z|RRULE:FREQ=YEARLY!TRIGGER:-P1D", uid="yearly")
    assert len(await world.planned()) == 2
    outcomes = await world.until("2028-12-31 00:00")
    assert outcomes == [
        f"2027-02-28 10:00 sent alarm.due {ANN}",
        f"2028-02-29 10:00 sent alarm.due {ANN}",
        f"2028-06-01 09:45 sent alarm.due {ANN}",
    ]


async def test_the_cap_of_a_day(world: AlarmWorld) -> None:
    await world.set("alarms.max_mails_per_day", 2)
    await world.set("alarms.min_trigger_interval", "0s")
    await world.put("DTSTART:20260601T120000Z!TRIGGER:-PT1H|REPEAT:3|DURATION:PT10M")
    outcomes = await world.until("2026-06-02 00:00")
    assert [line.split()[1] for line in outcomes] == ["sent", "sent", "skip", "skip"]


async def test_the_cap_counts_mails_of_one_moment_and_of_twenty_four_hours(world: AlarmWorld) -> None:
    await world.set("alarms.max_mails_per_day", 2)
    await world.set("alarms.min_trigger_interval", "0s")
    for uid in "abc":
        await world.put("DTSTART:20260601T233000Z!TRIGGER:-PT15M", uid=uid)
    await world.put("DTSTART:20260602T003000Z!TRIGGER:-PT15M", uid="after midnight")
    await world.put("DTSTART:20260602T234000Z!TRIGGER:-PT15M", uid="a day later")
    outcomes = await world.until("2026-06-03 00:00")
    settled = [next(word for word in line.split() if word in ("sent", "skip")) for line in outcomes]
    assert settled == ["skip", "sent", "sent", "skip", "sent"]


async def test_however_many_are_due_at_one_moment_they_share_one_mail(world: AlarmWorld) -> None:
    for number in range(130):
        await world.put(f"{MEETING}!TRIGGER:-PT15M", uid=f"u{number}")
    assert len(await world.until("2026-06-02 00:00")) == 130
    ((_, told),) = await world.mails()
    assert len(told) == 130


async def test_everything_is_in_the_journal_with_its_reason(world: AlarmWorld) -> None:
    await world.put(f"{MEETING}!TRIGGER:-PT15M")
    await world.at("2026-06-01 09:45")
    (entry,) = await world.store.read(lambda unit: unit.journal.of_uid("ann", "u"))
    assert (entry.stage, entry.outcome, entry.rule, entry.recipient) == ("alarm", "sent", "alarm.due", ANN)
    assert entry.reason


async def test_a_clock_that_ran_ahead_and_was_put_back_loses_nothing(world: AlarmWorld) -> None:
    await world.set("alarms.min_trigger_interval", "0s")
    await world.put("DTSTART:20260601T100000Z|RRULE:FREQ=DAILY;COUNT=5!TRIGGER:-PT15M", uid="series")
    await world.put("DTSTART:20260603T100000Z!TRIGGER:-PT1H|UID:1", uid="once")
    await notice_clock(world.context)
    assert len(await world.at("2026-06-01 09:45")) == 1
    world.clock.set(utc("2026-06-03 09:30"))
    await notice_clock(world.context)
    assert {line.split()[2] for line in await world.at("2026-06-03 09:30")} == {"missed", "sent"}
    world.clock.set(utc("2026-06-01 09:50"))
    assert await notice_clock(world.context) == 2
    assert await notice_clock(world.context) == 0
    assert await world.until("2026-06-06 00:00") == [
        f"2026-06-{day:02} 09:45 sent alarm.due ann@example.org" for day in (2, 3, 4, 5)
    ], "what was sent ahead of its time is not sent again, and nothing else is lost"


async def test_a_clock_that_goes_as_it_should_plans_nothing_anew(world: AlarmWorld) -> None:
    await world.put("DTSTART:20260605T100000Z!TRIGGER:-PT15M")
    for minute in ("08:00", "08:10", "08:09", "09:30"):
        world.clock.set(utc(f"2026-06-01 {minute}"))
        assert await notice_clock(world.context) == 0
