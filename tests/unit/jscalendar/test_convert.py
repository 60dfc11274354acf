# SPDX-License-Identifier: Apache-2.0
"""JSCalendar and iCalendar say the same both ways, and an edit keeps what it does not speak of."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.itip.tree import build_tree, parse_tree
from gateway.jscalendar.convert import events_from_ical, from_ical, to_ical
from gateway.jscalendar.overrides import build_instance
from gateway.jscalendar.parse import parse_event


def whole(event: dict[str, Any]) -> dict[str, Any]:
    parsed = parse_event({"uid": "u1", "start": "2026-06-07T12:00:00", **event})
    assert parsed.faults == ()
    return parsed.event


def there_and_back(event: dict[str, Any]) -> dict[str, Any]:
    calendar = to_ical(whole(event))
    again = parse_tree(build_tree(calendar))  # through the text, as the store keeps it
    back = from_ical(again)
    assert build_tree(to_ical(back, again)) == build_tree(again), "writing what was read changed something"
    back.pop("prodId")
    return back


IDS = st.text(st.sampled_from("abcXYZ019_-"), min_size=1, max_size=6)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n"), min_size=1, max_size=20)
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(str.strip)
STARTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda d: d.replace(microsecond=0).isoformat())
ZONES = st.sampled_from([None, "Europe/Berlin", "America/New_York", "Etc/UTC", "Asia/Kolkata", "Africa/Djibouti"])
LENGTHS = st.sampled_from(["PT30M", "PT1H30M", "P1D", "PT24H", "P1DT2H", "PT36H", "PT90S", "P7D"])
ADDRESSES = st.sampled_from(["a", "b", "c", "d", "e"]).map(lambda name: f"mailto:{name}@example.org")
PEOPLE = st.fixed_dictionaries(
    {"@type": st.just("Participant"), "calendarAddress": ADDRESSES},
    optional={
        "name": NAMES,
        "kind": st.sampled_from(["individual", "group", "resource", "location"]),
        "roles": st.dictionaries(
            st.sampled_from(["required", "optional", "chair", "informational"]), st.just(True), min_size=1
        ),
        "participationStatus": st.sampled_from(["needs-action", "accepted", "declined", "tentative"]),
        "expectReply": st.just(True),
        "example.com:note": st.dictionaries(NAMES, TEXTS, min_size=1, max_size=2),
    },
)
ALERTS = st.builds(
    lambda trigger, more: {"@type": "Alert", "trigger": trigger, **more},
    st.one_of(
        st.builds(
            lambda offset, end: {"@type": "OffsetTrigger", "offset": offset, **({"relativeTo": "end"} if end else {})},
            st.sampled_from(["-PT15M", "PT0S", "P1D", "-P1DT1H"]),
            st.booleans(),
        ),
        st.just({"@type": "AbsoluteTrigger", "when": "2026-06-01T08:00:00Z"}),
    ),
    st.fixed_dictionaries({}, optional={"action": st.just("email"), "acknowledged": st.just("2026-06-01T09:00:00Z")}),
)
EVENTS = st.fixed_dictionaries(
    {"@type": st.just("Event"), "uid": IDS, "start": STARTS, "timeZone": ZONES},
    optional={
        "duration": LENGTHS,
        "title": TEXTS,
        "description": TEXTS,
        "status": st.sampled_from(["confirmed", "tentative", "cancelled"]),
        "privacy": st.sampled_from(["public", "private", "secret"]),
        "freeBusyStatus": st.sampled_from(["free", "busy", "tentative", "unavailable"]),
        "priority": st.integers(0, 9),
        "color": st.sampled_from(["red", "#ff0000"]),
        "keywords": st.dictionaries(TEXTS.filter(lambda t: t.strip() == t), st.just(True), min_size=1, max_size=3),
        "locations": st.dictionaries(
            IDS, st.fixed_dictionaries({"@type": st.just("Location"), "name": NAMES}), min_size=1, max_size=3
        ),
        "virtualLocations": st.dictionaries(
            IDS,
            st.fixed_dictionaries(
                {"@type": st.just("VirtualLocation"), "uri": IDS.map(lambda i: f"https://meet.example/{i}")},
                optional={"name": NAMES, "features": st.just({"video": True})},
            ),
            max_size=2,
        ),
        "links": st.dictionaries(
            IDS,
            st.fixed_dictionaries(
                {"@type": st.just("Link"), "href": IDS.map(lambda i: f"https://files.example/{i}")},
                optional={"rel": st.sampled_from(["enclosure", "describedby", "icon", "alternate"]), "title": NAMES},
            ),
            max_size=2,
        ),
        "alerts": st.dictionaries(IDS, ALERTS, min_size=1, max_size=2),
        "participants": st.dictionaries(IDS, PEOPLE, min_size=1, max_size=3),
        "hideAttendees": st.just(True),
        "example.com:anything": st.recursive(st.integers(), lambda x: st.lists(x, max_size=2), max_leaves=3),
        "locale": st.just("de"),
    },
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EVENTS)
def test_nothing_that_was_said_is_lost(event: dict[str, Any]) -> None:
    wanted = whole(event)
    back = there_and_back(event)
    for name, value in wanted.items():
        if name in ("participants", "links", "virtualLocations"):  # two entries for one address or place are one
            assert set(back[name]) <= set(value)
            assert back[name]
            for key, member in back[name].items():
                if name == "participants":
                    member = {**member, "roles": {**value[key].get("roles", {}), **member["roles"]}}
                assert {k: member.get(k) for k in value[key] if k != "roles"} == {
                    k: v for k, v in value[key].items() if k != "roles"
                }
        else:
            assert back[name] == value, name
    assert there_and_back(back) == back, "the second round trip changed something"


SERIES = {
    "@type": "Event",
    "uid": "series",
    "start": "2026-06-01T09:00:00",
    "timeZone": "Europe/Berlin",
    "duration": "PT1H",
    "title": "Weekly",
    "recurrenceRule": {"@type": "RecurrenceRule", "frequency": "weekly", "count": 20},
    "participants": {
        "o": {"@type": "Participant", "calendarAddress": "mailto:o@example.org", "participationStatus": "accepted",
              "roles": {"owner": True, "required": True}},
        "g": {"@type": "Participant", "calendarAddress": "mailto:g@example.org", "roles": {"required": True},
              "participationStatus": "needs-action", "expectReply": True},
    },
    "organizerCalendarAddress": "mailto:o@example.org",
}  # fmt: skip
PATCHES = st.one_of(
    st.just({"excluded": True}),
    st.fixed_dictionaries(
        {"title": TEXTS},
        optional={
            "start": st.just("2026-06-10T15:00:00"),
            "duration": LENGTHS,
            "participants/g": st.none(),
            "status": st.just("cancelled"),
            "locations": st.just({"l": {"@type": "Location", "name": "Elsewhere"}}),
            "example.com:x": st.integers(),
        },
    ),
    st.just({"participants/g/participationStatus": "declined"}),
)
KEYS = st.integers(0, 19).map(lambda n: (datetime(2026, 6, 1, 9) + timedelta(weeks=n)).isoformat())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, PATCHES, max_size=4))
def test_each_instance_says_the_same_after_a_round_trip(overrides: dict[str, Any]) -> None:
    """A patch is a difference and a VEVENT is complete; the instances are what counts (P31)."""
    back = there_and_back({**SERIES, "recurrenceOverrides": overrides})
    wanted = whole({**SERIES, "recurrenceOverrides": overrides})
    kept = back.get("recurrenceOverrides", {})
    for key, patch in wanted.get("recurrenceOverrides", {}).items():
        if patch == {"excluded": True}:
            assert kept[key] == patch
        else:
            assert build_instance(back, key, kept.get(key, {})) == build_instance(wanted, key, patch)


STORED = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Other//EN
X-WR-CALNAME:Mine
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:STANDARD
DTSTART:19701025T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
DTSTAMP:20260101T000000Z
X-LONG:kept exactly as it was folded by the other progra
 m
UID:u1
SUMMARY;LANGUAGE=de:Alt
ATTENDEE;X-NUM-GUESTS=2;PARTSTAT=ACCEPTED;CN=A:MAILTO:A@example.org
ATTENDEE;CN=B;X-MS-OLK-RESPTIME=1:mailto:b@example.org
ORGANIZER;X-FOO=1:mailto:b@example.org
DTSTART;TZID=Europe/Berlin:20260607T120000
DTEND;TZID=Europe/Berlin:20260607T123000
X-APPLE-STRUCTURED-LOCATION;VALUE=URI:geo:1,2
BEGIN:VALARM
ACTION:AUDIO
ATTACH;VALUE=URI:Chord
REPEAT:2
DURATION:PT5M
TRIGGER:-PT10M
UID:alarm-1
END:VALARM
BEGIN:VALARM
ACTION:NONE
TRIGGER;VALUE=DATE-TIME:19760401T005545Z
END:VALARM
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")


def test_an_untouched_object_is_byte_for_byte_the_same() -> None:
    stored = parse_tree(STORED)
    assert build_tree(to_ical(from_ical(stored), stored)) == STORED


@pytest.mark.parametrize(
    ("member", "value", "gone"),
    [
        ("title", "Neu", ["SUMMARY;LANGUAGE=de:Alt"]),
        ("color", "red", []),
        ("duration", "PT1H", ["DTEND;TZID=Europe/Berlin:20260607T123000"]),
    ],
)
def test_an_edit_changes_only_its_own_lines(member: str, value: str, gone: list[str]) -> None:
    stored = parse_tree(STORED)
    edited = build_tree(to_ical({**from_ical(stored), member: value}, stored)).splitlines()
    assert [line for line in STORED.splitlines() if line not in edited] == gone
    assert from_ical(parse_tree("\r\n".join(edited)))[member] == value


def test_an_answer_changes_one_parameter_of_one_line() -> None:
    stored = parse_tree(STORED)
    event = from_ical(stored)
    key = next(key for key, person in event["participants"].items() if "a@" in person["calendarAddress"].lower())
    event["participants"][key]["participationStatus"] = "declined"
    edited = build_tree(to_ical(event, stored))
    assert edited == STORED.replace("PARTSTAT=ACCEPTED", "PARTSTAT=DECLINED")


def test_an_acknowledged_alarm_keeps_its_sound_and_its_repeats() -> None:
    stored = parse_tree(STORED)
    event = from_ical(stored)
    assert set(event["alerts"]) == {"alarm-1"}, "ACTION:NONE is nobody's alert"
    event["alerts"]["alarm-1"]["acknowledged"] = "2026-06-07T09:50:00Z"
    edited = build_tree(to_ical(event, stored))
    for line in ("ACTION:AUDIO", "ATTACH;VALUE=URI:Chord", "REPEAT:2", "ACTION:NONE", "ACKNOWLEDGED:20260607T095000Z"):
        assert line in edited


def test_a_stale_carried_member_never_hides_what_the_calendar_says_now() -> None:
    """Another door may change the line that a JSPROP once stood beside."""
    text = STORED.replace("X-WR-CALNAME:Mine\r\n", "").replace(
        "UID:u1\r\n",
        'UID:u1\r\nJSPROP;JSPTR=title:"Old"\r\nJSPROP;JSPTR=participants/gone/x:1\r\nJSPROP;JSPTR=x:{bad\r\n',
    )
    event = from_ical(parse_tree(text))
    assert event["title"] == "Alt"
    assert "gone" not in event["participants"]
    assert "x" not in event


@pytest.mark.parametrize("name", ["calendarIds", "isDraft", "id", "isOrigin", "method"])
def test_mail_cannot_plant_members_of_the_account(name: str) -> None:
    text = STORED.replace("UID:u1\r\n", f'UID:u1\r\nJSPROP;JSPTR={name}:{{"x":true}}\r\n')
    assert name not in from_ical(parse_tree(text))


def test_instances_without_their_series_are_events_of_their_own() -> None:
    alone = STORED.replace("UID:u1\r\n", "UID:u1\r\nRECURRENCE-ID;TZID=Europe/Berlin:20260607T120000\r\n")
    (event,) = events_from_ical(parse_tree(alone))
    assert (event["recurrenceId"], event["recurrenceIdTimeZone"]) == ("2026-06-07T12:00:00", "Europe/Berlin")
    stored = parse_tree(alone)
    assert build_tree(to_ical(event, stored)) == alone


def test_bytes_that_are_no_utf8_can_be_shown_and_stay_as_they_are() -> None:
    raw = STORED.encode().replace(b":Alt", b":Caf\xe9")
    stored = parse_tree(raw)
    event = from_ical(stored)
    event["title"].encode()
    edited = build_tree(to_ical({**event, "color": "red"}, stored)).encode("utf-8", "surrogateescape")
    assert b":Caf\xe9" in edited


def test_what_a_rule_says_beside_rrule_is_carried_with_it() -> None:
    """Unknown members survive in the rule as elsewhere, and go when it goes."""
    rule = {"@type": "RecurrenceRule", "frequency": "daily", "count": 3, "example.com:why": {"a": 1}}
    overrides = {"2026-06-08T12:00:00": {"title": "Other"}}
    event = {"title": "T", "example.com:x": 1, "recurrenceRule": rule, "recurrenceOverrides": overrides}
    back = there_and_back(event)
    assert back["recurrenceRule"] == rule
    assert back["recurrenceOverrides"] == overrides
    calendar = to_ical(whole(event))
    edited = from_ical(to_ical({**back, "title": "New"}, calendar))
    assert edited["recurrenceRule"] == rule
    once = to_ical({name: member for name, member in back.items() if not name.startswith("recurrence")}, calendar)
    assert "recurrenceRule" not in build_tree(once)
    large = parse_event({**back, "recurrenceRule": {**rule, "example.com:why": "y" * 70_000}})
    assert [fault.path for fault in large.faults] == ["recurrenceRule"]
