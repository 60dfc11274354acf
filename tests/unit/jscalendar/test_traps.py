# SPDX-License-Identifier: Apache-2.0
"""Every known trap between JSCalendar and iCalendar, by its id in the interoperability notes (P01 to P71)."""

from typing import Any

import pytest

from gateway.itip.tree import Component, build_tree, parse_tree
from gateway.jscalendar.convert import from_ical, to_ical
from gateway.jscalendar.dialect import upgrade_patch
from gateway.jscalendar.parse import parse_event
from gateway.jscalendar.patch import apply_patch
from gateway.jscalendar.people import read_people

BASE: dict[str, Any] = {"@type": "Event", "uid": "u1", "start": "2026-06-07T12:00:00", "timeZone": "Europe/Berlin"}
WEEKLY: dict[str, Any] = {**BASE, "recurrenceRule": {"@type": "RecurrenceRule", "frequency": "weekly"}}
ORGANIZER = "mailto:o@example.org"


def good(**members: Any) -> dict[str, Any]:
    parsed = parse_event({**BASE, **members})
    assert parsed.faults == ()
    return parsed.event


def faulty(**members: Any) -> list[str]:
    return [fault.path for fault in parse_event({**BASE, **members}).faults]


def lines(event: dict[str, Any], existing: Component | None = None) -> list[str]:
    return build_tree(to_ical(event, existing)).replace("\r\n ", "").splitlines()


def read(*content: str, start: str = "DTSTART;TZID=Europe/Berlin:20260607T120000") -> dict[str, Any]:
    return from_ical(stored(*content, start=start))


def stored(*content: str, start: str = "DTSTART;TZID=Europe/Berlin:20260607T120000") -> Component:
    text = ["BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", "UID:u1", start, *content, "END:VEVENT", "END:VCALENDAR"]
    return parse_tree("\r\n".join(text))


# 6.1 three generations of names


@pytest.mark.parametrize(
    "person",
    [
        {"calendarAddress": "mailto:g@example.org"},
        {"scheduleId": "mailto:g@example.org"},
        {"sendTo": {"imip": "mailto:g@example.org"}},
        {"email": "g@example.org", "roles": {"attendee": True}},
        {"calendarAddress": "mailto:g@example.org", "sendTo": {"imip": "MAILTO:G@EXAMPLE.org"}},
    ],
)
def test_p01_every_generation_names_the_same_guest(person: dict[str, Any]) -> None:
    event = good(participants={"g": person}, organizerCalendarAddress=ORGANIZER)
    assert event["participants"]["g"]["calendarAddress"] == "mailto:g@example.org"
    assert "sendTo" not in event["participants"]["g"]
    assert any(line.startswith("ATTENDEE") and line.endswith("mailto:g@example.org") for line in lines(event))


def test_p01_two_addresses_for_one_guest_are_refused_not_guessed() -> None:
    person = {"calendarAddress": "mailto:a@example.org", "sendTo": {"imip": "mailto:b@example.org"}}
    assert faulty(participants={"g": person}) == ["participants/g"]


def test_p01_an_address_book_entry_alone_invites_nobody() -> None:
    event = good(participants={"g": {"email": "g@example.org"}})
    assert "calendarAddress" not in event["participants"]["g"]


def test_p02_reply_to_names_the_organizer() -> None:
    event = good(replyTo={"imip": ORGANIZER, "web": "https://x.example/"})
    assert event["organizerCalendarAddress"] == ORGANIZER
    assert event["replyTo"] == {"web": "https://x.example/"}
    assert faulty(replyTo={"imip": ORGANIZER}, organizerCalendarAddress="mailto:other@example.org") == ["replyTo"]


def test_p04_other_ways_to_reach_a_guest_are_kept() -> None:
    event = good(participants={"g": {"sendTo": {"web": "https://x.example/"}, "roles": {"attendee": True}}})
    assert event["participants"]["g"]["sendTo"] == {"web": "https://x.example/"}
    back = from_ical(to_ical(event))
    assert back["participants"]["g"] == event["participants"]["g"]


def test_p05_a_guest_with_only_a_name_is_kept_and_never_an_attendee() -> None:
    event = good(participants={"g": {"name": "Somebody", "roles": {"optional": True}}})
    assert not any(line.startswith("ATTENDEE") for line in lines(event))
    assert from_ical(to_ical(event))["participants"] == event["participants"]


@pytest.mark.parametrize(
    ("roles", "read_roles"),
    [
        ({"attendee": True}, {"required": True}),
        ({"attendee": True, "optional": True}, {"optional": True}),
        ({"attendee": True, "owner": True}, {"required": True, "owner": True}),
    ],
)
def test_p06_the_attendee_role_of_rfc_8984(roles: dict[str, bool], read_roles: dict[str, bool]) -> None:
    assert good(participants={"g": {"roles": roles}})["participants"]["g"]["roles"] == read_roles


def test_p06_a_contact_is_kept_and_not_invited() -> None:
    person = {"@type": "Participant", "calendarAddress": "mailto:c@example.org", "roles": {"contact": True}}
    event = good(participants={"c": person}, organizerCalendarAddress=ORGANIZER)
    assert not any(line.startswith("ATTENDEE") for line in lines(event))
    assert from_ical(to_ical(event))["participants"]["c"] == person


def test_older_patches_reach_the_newer_members() -> None:
    event = good(participants={"g": {"calendarAddress": "mailto:g@example.org", "roles": {"required": True}}})
    old_words = {
        "participants/g/sendTo/imip": "mailto:new@example.org",
        "participants/h": {"sendTo": {"imip": "mailto:h@example.org"}, "roles": {"attendee": True}},
        "replyTo": {"imip": ORGANIZER},
        "recurrenceRules": [{"frequency": "daily"}],
    }
    patch, faults = upgrade_patch(old_words)
    assert faults == []
    patched = apply_patch(event, patch)
    assert isinstance(patched, dict)
    assert patched["participants"]["g"]["calendarAddress"] == "mailto:new@example.org"
    assert patched["participants"]["h"]["roles"] == {"required": True}
    assert patched["organizerCalendarAddress"] == ORGANIZER
    assert patched["recurrenceRule"] == {"frequency": "daily"}


def test_one_rule_of_rfc_8984_is_the_rule_and_further_ended_ones_become_dates() -> None:
    daily = {"frequency": "daily", "count": 3}
    event = good(recurrenceRules=[{"frequency": "weekly"}, daily])
    assert event["recurrenceRule"]["frequency"] == "weekly"
    assert set(event["recurrenceOverrides"]) == {"2026-06-07T12:00:00", "2026-06-08T12:00:00", "2026-06-09T12:00:00"}
    assert faulty(recurrenceRules=[{"frequency": "weekly"}, {"frequency": "daily"}]) == ["recurrenceRules"]


def test_excluded_rules_become_excluded_dates_or_are_refused_by_name() -> None:
    event = good(
        recurrenceRules=[{"frequency": "daily"}], excludedRecurrenceRules=[{"frequency": "weekly", "count": 2}]
    )
    assert event["recurrenceOverrides"] == {
        "2026-06-07T12:00:00": {"excluded": True},
        "2026-06-14T12:00:00": {"excluded": True},
    }
    endless = {"recurrenceRules": [{"frequency": "daily"}], "excludedRecurrenceRules": [{"frequency": "weekly"}]}
    assert faulty(**endless) == ["excludedRecurrenceRules"]


def test_the_end_zone_of_rfc_8984_was_a_location() -> None:
    event = good(locations={"x": {"relativeTo": "end", "timeZone": "America/New_York", "name": "JFK"}})
    assert event["endTimeZone"] == "America/New_York"
    assert event["locations"]["x"]["name"] == "JFK"


# 6.2 participants


def test_p10_attendee_and_organizer_are_one_person() -> None:
    people = read_people(
        stored(
            "ORGANIZER;CN=O:MAILTO:O@Example.org",
            "ATTENDEE;ROLE=CHAIR:mailto:o@example.org",
            "ATTENDEE;CN=Again:mailto:o@example.org",
        ).children("VEVENT")[0]
    )["participants"]
    (person,) = people.values()
    assert person["roles"] == {"chair": True, "required": True, "owner": True}
    same = {
        "p": {"calendarAddress": ORGANIZER, "roles": {"owner": True}},
        "q": {"scheduleId": ORGANIZER, "expectReply": True},
    }
    assert list(good(participants=same)["participants"]) == ["p"]


def test_p11_who_only_owns_the_event_is_no_attendee() -> None:
    owner = {"calendarAddress": ORGANIZER, "name": "O", "roles": {"owner": True}}
    guest = {"calendarAddress": "mailto:g@example.org", "roles": {"required": True}}
    event = good(organizerCalendarAddress=ORGANIZER, participants={"o": owner, "g": guest})
    assert [line for line in lines(event) if ORGANIZER in line] == ["ORGANIZER;CN=O;JSID=o:mailto:o@example.org"]
    event["participants"]["o"]["participationStatus"] = "accepted"
    assert len([line for line in lines(event) if ORGANIZER in line]) == 2


def test_p12_p13_a_person_without_an_id_always_gets_the_same_and_it_is_not_the_address() -> None:
    (first,) = read("ATTENDEE:mailto:g@example.org")["participants"]
    (second,) = read("X-OTHER:1", "ATTENDEE;PARTSTAT=ACCEPTED:MAILTO:G@EXAMPLE.ORG")["participants"]
    assert first == second
    assert "@" not in first
    assert faulty(participants={"g@example.org": {}}) == ["participants/g@example.org"]


@pytest.mark.parametrize(
    ("role", "wire"),
    [("chair", "CHAIR"), ("required", None), ("optional", "OPT-PARTICIPANT"), ("informational", "NON-PARTICIPANT")],
)
def test_p14_roles(role: str, wire: str | None) -> None:
    person = {"calendarAddress": "mailto:g@example.org", "roles": {role: True}}
    (line,) = (line for line in lines(good(participants={"g": person})) if line.startswith("ATTENDEE"))
    assert (f"ROLE={wire}" in line) if wire else ("ROLE" not in line)


def test_p15_a_room_is_a_location_and_unknown_is_nothing() -> None:
    people = read("ATTENDEE;CUTYPE=ROOM:mailto:r@example.org", "ATTENDEE;CUTYPE=UNKNOWN:mailto:u@example.org")[
        "participants"
    ]
    assert sorted(str(person.get("kind")) for person in people.values()) == ["None", "location"]


def test_p18_sent_by_is_a_uri_on_the_wire_and_an_address_in_json() -> None:
    event = read('ATTENDEE;SENT-BY="mailto:s@example.org";EMAIL=g2@example.org:mailto:g@example.org')
    (person,) = event["participants"].values()
    assert (person["sentBy"], person["email"]) == ("s@example.org", "g2@example.org")


def test_p19_several_delegates() -> None:
    event = read('ATTENDEE;DELEGATED-TO="mailto:x@example.org","mailto:y@example.org":mailto:g@example.org')
    (person,) = event["participants"].values()
    assert person["delegatedTo"] == {"mailto:x@example.org": True, "mailto:y@example.org": True}


def test_p20_empty_maps_and_nulls_are_left_out() -> None:
    event = good(participants={}, locations={}, keywords=None, alerts={}, title=None)
    assert not {"participants", "locations", "keywords", "alerts", "title"} & event.keys()


def test_p21_unknown_parameters_stay_on_their_line() -> None:
    calendar = stored("ORGANIZER:mailto:o@example.org", "ATTENDEE;X-NUM-GUESTS=3:mailto:g@example.org")
    event = from_ical(calendar)
    next(iter(event["participants"].values()))["name"] = "New"
    assert any("X-NUM-GUESTS=3" in line and "CN=New" in line for line in lines(event, calendar))


def test_p23_hide_attendees_and_its_kin_survive_in_the_calendar() -> None:
    event = good(hideAttendees=True, mayInviteOthers=True)
    back = from_ical(to_ical(event))
    assert (back["hideAttendees"], back["mayInviteOthers"]) == (True, True)


def test_p24_one_address_in_many_spellings() -> None:
    event = read("ORGANIZER:mailto:jane%2Bcal@example.org", "ATTENDEE:MAILTO:jane+cal@EXAMPLE.org?subject=x")
    (person,) = event["participants"].values()
    assert person["roles"] == {"required": True, "owner": True}


# 6.3 overrides and recurrence


@pytest.mark.parametrize(
    ("start", "rid", "key"),
    [
        ("DTSTART;TZID=Europe/Berlin:20260607T120000", "RECURRENCE-ID:20260614T100000Z", "2026-06-14T12:00:00"),
        (
            "DTSTART;TZID=Europe/Berlin:20260607T120000",
            "RECURRENCE-ID;TZID=America/New_York:20260614T060000",
            "2026-06-14T12:00:00",
        ),
        ("DTSTART;VALUE=DATE:20260607", "RECURRENCE-ID;VALUE=DATE:20260614", "2026-06-14T00:00:00"),
        ("DTSTART:20260607T120000Z", "RECURRENCE-ID:20260614T120000Z", "2026-06-14T12:00:00"),
    ],
)
def test_p30_override_keys_are_wall_times_of_the_event(start: str, rid: str, key: str) -> None:
    calendar = stored("RRULE:FREQ=WEEKLY", "END:VEVENT", "BEGIN:VEVENT", "UID:u1", rid, start, "SUMMARY:x", start=start)
    event = from_ical(calendar)
    assert list(event["recurrenceOverrides"]) == [key]
    assert build_tree(to_ical(event, calendar)) == build_tree(calendar)


def test_p31_what_an_override_lacks_is_null_in_the_patch() -> None:
    override = ["END:VEVENT", "BEGIN:VEVENT", "UID:u1", "RECURRENCE-ID;TZID=Europe/Berlin:20260614T120000"]
    event = read("RRULE:FREQ=WEEKLY", "SUMMARY:x", "LOCATION:y", *override,
                 "DTSTART;TZID=Europe/Berlin:20260614T120000", "SUMMARY:x")  # fmt: skip
    assert event["recurrenceOverrides"] == {"2026-06-14T12:00:00": {"locations": None}}


def test_p32_start_moves_with_the_key_and_duration_does_not() -> None:
    event = good(**WEEKLY, duration="PT1H", recurrenceOverrides={"2026-06-14T12:00:00": {"title": "x"}})
    assert "DTSTART;TZID=Europe/Berlin:20260614T120000" in lines(event)
    assert "DTEND;TZID=Europe/Berlin:20260614T130000" in lines(event)


def test_p33_an_instance_has_no_say_in_who_a_guest_is() -> None:
    people = {"g": {"calendarAddress": "mailto:g@example.org", "roles": {"required": True}}}
    patch = {
        "participants/g/calendarAddress": "mailto:evil@example.org",
        "uid": "other",
        "title": "x",
        "privacy": "secret",
    }
    event = good(**WEEKLY, participants=people, recurrenceOverrides={"2026-06-14T12:00:00": patch})
    assert event["recurrenceOverrides"]["2026-06-14T12:00:00"] == {"title": "x"}
    assert not any("evil" in line or "CLASS" in line for line in lines(event))


def test_p34_excluded_stands_alone() -> None:
    key = "2026-06-14T12:00:00"
    assert faulty(**WEEKLY, recurrenceOverrides={key: {"excluded": True, "title": "x"}}) == [
        f"recurrenceOverrides/{key}/excluded"
    ]
    event = good(**WEEKLY, recurrenceOverrides={key: {"excluded": True}})
    assert "EXDATE;TZID=Europe/Berlin:20260614T120000" in lines(event)


def test_p35_an_empty_patch_off_the_rule_is_a_date_and_on_it_nothing() -> None:
    event = good(**WEEKLY, recurrenceOverrides={"2026-06-14T12:00:00": {}, "2026-06-15T12:00:00": {}})
    assert [line for line in lines(event) if line.startswith("RDATE")] == ["RDATE;TZID=Europe/Berlin:20260615T120000"]
    assert from_ical(to_ical(event))["recurrenceOverrides"] == {"2026-06-15T12:00:00": {}}


def test_p36_removing_a_patch_entry_is_not_removing_the_guest() -> None:
    people = {"g": {"calendarAddress": "mailto:g@example.org", "roles": {"required": True}}}
    key = "2026-06-14T12:00:00"
    event = good(**WEEKLY, participants=people, recurrenceOverrides={key: {"title": "x", "participants/g": None}})
    back = apply_patch(event, {f"recurrenceOverrides/{key}/participants~1g": None})
    assert isinstance(back, dict)
    assert back["recurrenceOverrides"][key] == {"title": "x"}
    gone = apply_patch(back, {f"recurrenceOverrides/{key}": {"participants/g": None}})
    assert isinstance(gone, dict)
    assert sum(line.startswith("ATTENDEE") for line in lines(gone)) == 1, "only the series has the guest"


def test_p37_a_pointer_without_its_parent_spoils_the_override() -> None:
    key = "2026-06-14T12:00:00"
    assert faulty(**WEEKLY, recurrenceOverrides={key: {"locations/l/name": "x"}}) == [
        f"recurrenceOverrides/{key}/locations/l/name"
    ]


def test_p37_on_import_a_missing_parent_comes_whole() -> None:
    override = ["END:VEVENT", "BEGIN:VEVENT", "UID:u1", "RECURRENCE-ID;TZID=Europe/Berlin:20260614T120000"]
    event = read("RRULE:FREQ=WEEKLY", *override, "DTSTART;TZID=Europe/Berlin:20260614T120000", "LOCATION:y")
    assert list(event["recurrenceOverrides"]["2026-06-14T12:00:00"]) == ["locations"]


def test_p38_one_pointer_may_not_be_the_prefix_of_another() -> None:
    key = "2026-06-14T12:00:00"
    patch = {"locations": {"l": {"name": "a"}}, "locations/l/name": "b"}
    assert faulty(**WEEKLY, recurrenceOverrides={key: patch}) == [f"recurrenceOverrides/{key}/locations/l/name"]


@pytest.mark.parametrize(
    ("members", "until", "wire"),
    [
        ({}, "2026-10-25T12:00:00", "UNTIL=20261025T110000Z"),
        ({}, "2026-10-24T12:00:00", "UNTIL=20261024T100000Z"),
        ({"timeZone": None}, "2026-10-24T12:00:00", "UNTIL=20261024T120000"),
        (
            {"timeZone": None, "showWithoutTime": True, "start": "2026-06-07T00:00:00", "duration": "P1D"},
            "2026-10-25T00:00:00",
            "UNTIL=20261025",
        ),
    ],
)
def test_p39_until_changes_form_with_the_start(members: dict[str, Any], until: str, wire: str) -> None:
    event = good(**{**members, "recurrenceRule": {"frequency": "weekly", "until": until}})
    (rule,) = (line for line in lines(event) if line.startswith("RRULE"))
    assert rule.endswith(wire)
    assert from_ical(to_ical(event))["recurrenceRule"]["until"] == until


def test_p39_a_date_until_under_a_timed_start_means_that_whole_day() -> None:
    assert read("RRULE:FREQ=DAILY;UNTIL=20260610")["recurrenceRule"]["until"] == "2026-06-10T23:59:59"


@pytest.mark.parametrize(
    "line",
    [
        "EXDATE:20260614T100000Z",
        "EXDATE;TZID=America/New_York:20260614T060000",
        "EXDATE;TZID=Europe/Berlin:20260614T120000",
    ],
)
def test_p40_exdates_of_any_zone_name_the_same_instance(line: str) -> None:
    assert read("RRULE:FREQ=WEEKLY", line)["recurrenceOverrides"] == {"2026-06-14T12:00:00": {"excluded": True}}


def test_p40_one_date_per_line_outbound() -> None:
    excluded = {f"2026-06-{day}T12:00:00": {"excluded": True} for day in (14, 21, 28)}
    assert sum(line.startswith("EXDATE") for line in lines(good(**WEEKLY, recurrenceOverrides=excluded))) == 3


def test_p41_a_period_is_an_instance_with_its_own_length() -> None:
    event = read("DURATION:PT1H", "RDATE;VALUE=PERIOD:20260610T100000Z/PT2H,20260611T100000Z/20260611T110000Z")
    assert event["recurrenceOverrides"] == {"2026-06-10T12:00:00": {"duration": "PT2H"}, "2026-06-11T12:00:00": {}}


def test_p41_what_json_cannot_say_stays_in_the_calendar() -> None:
    calendar = stored("RRULE:FREQ=WEEKLY", "RRULE:FREQ=MONTHLY", "EXRULE:FREQ=YEARLY")
    assert {"RRULE:FREQ=MONTHLY", "EXRULE:FREQ=YEARLY"} <= set(lines({**from_ical(calendar), "title": "x"}, calendar))


def test_p43_an_instance_keeps_its_own_sequence() -> None:
    override = ["END:VEVENT", "BEGIN:VEVENT", "UID:u1", "RECURRENCE-ID;TZID=Europe/Berlin:20260614T120000"]
    calendar = stored("RRULE:FREQ=WEEKLY", "SEQUENCE:2", *override,
                      "DTSTART;TZID=Europe/Berlin:20260614T120000", "SEQUENCE:5", "SUMMARY:x")  # fmt: skip
    event = from_ical(calendar)
    assert event["recurrenceOverrides"]["2026-06-14T12:00:00"]["sequence"] == 5
    assert "SEQUENCE:5" in lines({**event, "title": "y"}, calendar)


@pytest.mark.parametrize("rule", [{"rscale": "hebrew"}, {"skip": "forward"}])
def test_p44_only_the_calendar_that_guests_can_read(rule: dict[str, str]) -> None:
    assert faulty(recurrenceRule={"frequency": "yearly", **rule})


def test_p44_week_start_and_positions_survive() -> None:
    rule = {"@type": "RecurrenceRule", "frequency": "monthly", "firstDayOfWeek": "su", "bySetPosition": [-1],
            "byDay": [{"@type": "NDay", "day": "mo"}, {"@type": "NDay", "day": "fr", "nthOfPeriod": -1}]}  # fmt: skip
    assert from_ical(to_ical(good(recurrenceRule=rule)))["recurrenceRule"] == rule


def test_p45_count_and_until_exclude_each_other() -> None:
    assert faulty(recurrenceRule={"frequency": "daily", "count": 2, "until": "2026-07-01T00:00:00"}) == [
        "recurrenceRule"
    ]
