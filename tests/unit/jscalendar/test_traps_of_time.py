# SPDX-License-Identifier: Apache-2.0
"""The traps of time, alerts and texts (P50 to P71)."""

from typing import Any

import pytest

from gateway.itip.tree import Component, build_tree, parse_tree
from gateway.jscalendar.carry import MAX_BYTES
from gateway.jscalendar.convert import from_ical, to_ical
from gateway.jscalendar.parse import parse_event
from gateway.jscalendar.texts import plain_from_html

BASE: dict[str, Any] = {"@type": "Event", "uid": "u1", "start": "2026-06-07T12:00:00", "timeZone": "Europe/Berlin"}
DAY: dict[str, Any] = {"start": "2026-06-07T00:00:00", "timeZone": None, "showWithoutTime": True, "duration": "P2D"}


def good(**members: Any) -> dict[str, Any]:
    parsed = parse_event({**BASE, **members})
    assert parsed.faults == ()
    return parsed.event


def faulty(**members: Any) -> list[str]:
    return [fault.path for fault in parse_event({**BASE, **members}).faults]


def lines(event: dict[str, Any], existing: Component | None = None) -> list[str]:
    return build_tree(to_ical(event, existing)).replace("\r\n ", "").splitlines()


def stored(*content: str) -> Component:
    text = ["BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", "UID:u1", *content, "END:VEVENT", "END:VCALENDAR"]
    return parse_tree("\r\n".join(text))


def test_p50_all_day_is_a_date() -> None:
    assert {"DTSTART;VALUE=DATE:20260607", "DTEND;VALUE=DATE:20260609"} <= set(lines(good(**DAY)))


@pytest.mark.parametrize(
    "change", [{"timeZone": "Europe/Berlin"}, {"start": "2026-06-07T09:00:00"}, {"duration": "PT36H"}]
)
def test_p50_one_member_off_and_it_is_a_time_that_is_shown_without_one(change: dict[str, Any]) -> None:
    event = good(**{**DAY, **change})
    written = lines(event)
    assert "SHOW-WITHOUT-TIME:TRUE" in written
    assert not any("VALUE=DATE" in line for line in written)
    back = from_ical(to_ical(event))
    assert {name: back.get(name) for name in DAY} == {name: event.get(name) for name in DAY}


def test_p51_every_time_changes_form_together() -> None:
    rule = {"frequency": "daily", "until": "2026-06-30T12:00:00"}
    overrides = {"2026-06-08T12:00:00": {"excluded": True}, "2026-06-09T12:00:00": {"title": "x"}}
    calendar = to_ical(good(recurrenceRule=rule, recurrenceOverrides=overrides))
    whole_day = {"frequency": "daily", "until": "2026-06-30T00:00:00"}
    dates = {"2026-06-08T00:00:00": {"excluded": True}, "2026-06-09T00:00:00": {"title": "x"}}
    written = lines(good(**{**DAY, "recurrenceRule": whole_day, "recurrenceOverrides": dates}), calendar)
    assert {
        "EXDATE;VALUE=DATE:20260608",
        "RECURRENCE-ID;VALUE=DATE:20260609",
        "RRULE:FREQ=DAILY;UNTIL=20260630",
    } <= set(written)
    assert not any("Europe/Berlin" in line for line in written)


def test_p52_utc_is_written_with_a_z_everywhere() -> None:
    event = good(timeZone="Etc/UTC", duration="PT1H", recurrenceRule={"frequency": "daily"},
                 recurrenceOverrides={"2026-06-08T12:00:00": {"title": "x"}})  # fmt: skip
    written = lines(event)
    assert {"DTSTART:20260607T120000Z", "DTEND:20260607T130000Z", "RECURRENCE-ID:20260608T120000Z"} <= set(written)


def test_p53_an_end_in_another_zone() -> None:
    event = good(duration="PT9H", endTimeZone="America/New_York")
    assert "DTEND;TZID=America/New_York:20260607T150000" in lines(event)
    back = from_ical(to_ical(event))
    assert (back["duration"], back["endTimeZone"]) == ("PT9H", "America/New_York")
    assert faulty(timeZone=None, endTimeZone="Europe/Rome") == ["endTimeZone"]


@pytest.mark.parametrize("duration", ["P1D", "PT24H", "PT23H", "PT25H"])
@pytest.mark.parametrize("start", ["2026-03-28T12:00:00", "2026-10-24T12:00:00", "2026-06-07T12:00:00"])
def test_p54_a_day_is_not_24_hours_when_the_clock_moves(start: str, duration: str) -> None:
    back = from_ical(to_ical(good(start=start, duration=duration)))
    if duration == "P1D" or start.startswith("2026-06"):
        assert back.get("duration") == duration
    elif back["duration"] != duration:  # the same instant, said otherwise
        assert (duration, start[:10]) in {("PT23H", "2026-03-28"), ("PT25H", "2026-10-24")}
        assert back["duration"] == "P1D"


@pytest.mark.parametrize(
    ("start", "duration"), [("DTSTART;VALUE=DATE:20260607", "P1D"), ("DTSTART:20260607T120000Z", None)]
)
def test_p55_without_an_end(start: str, duration: str | None) -> None:
    assert from_ical(stored(start)).get("duration") == duration


def test_p56_a_zone_nobody_knows_stays_in_the_calendar() -> None:
    calendar = stored("DTSTART;TZID=Nowhere/At All:20260607T120000", "DTEND;TZID=Nowhere/At All:20260607T130000")
    event = from_ical(calendar)
    assert event["start"] == "2026-06-07T12:00:00"
    assert "DTSTART;TZID=Nowhere/At All:20260607T120000" in lines({**event, "title": "x"}, calendar)
    assert faulty(timeZone="Nowhere/At_All") == ["timeZone"]


def test_p56_rules_of_the_calendars_own_are_shown_in_utc_and_kept() -> None:
    text = build_tree(stored("DTSTART;TZID=Odd:20260607T120000", "RRULE:FREQ=DAILY", "EXDATE;TZID=Odd:20260608T120000"))
    rules = ["BEGIN:VTIMEZONE", "TZID:Odd", "BEGIN:STANDARD", "DTSTART:19700101T000000", "TZOFFSETFROM:+0107",
             "TZOFFSETTO:+0107", "END:STANDARD", "END:VTIMEZONE"]  # fmt: skip
    calendar = parse_tree(text.replace("BEGIN:VEVENT", "\r\n".join([*rules, "BEGIN:VEVENT"])))
    event = from_ical(calendar)
    assert (event["start"], event["timeZone"]) == ("2026-06-07T10:53:00", "Etc/UTC")
    assert event["recurrenceOverrides"] == {"2026-06-08T10:53:00": {"excluded": True}}
    assert build_tree(to_ical(event, calendar)) == build_tree(calendar)


def test_a_windows_zone_name_is_the_zone_it_means() -> None:
    calendar = stored(
        "DTSTART;TZID=W. Europe Standard Time:20260607T120000", "DTEND;TZID=W. Europe Standard Time:20260607T130000"
    )
    event = from_ical(calendar)
    assert (event["timeZone"], event["duration"]) == ("Europe/Berlin", "PT1H")
    edited = lines({**event, "start": "2026-06-08T12:00:00"}, calendar)
    assert "DTSTART;TZID=W. Europe Standard Time:20260608T120000" in edited


def test_p57_updated_is_the_stamp_that_messages_go_by() -> None:
    calendar = stored("DTSTART:20260607T120000Z", "DTSTAMP:20260101T000000Z", "LAST-MODIFIED:20270101T000000Z")
    assert from_ical(calendar)["updated"] == "2026-01-01T00:00:00Z"


def test_p59_no_fractions_and_floating_times_have_no_zone() -> None:
    assert faulty(start="2026-06-07T12:00:00.5") == ["start"]
    assert faulty(duration="PT1.5S") == ["duration"]
    event = good(timeZone=None)
    assert "DTSTART:20260607T120000" in lines(event)
    assert "timeZone" not in from_ical(to_ical(event))


@pytest.mark.parametrize("member", ["start", "duration"])
def test_times_outside_the_calendar_are_named(member: str) -> None:
    assert faulty(**{member: {"start": "9999-12-31T23:00:00", "duration": "P3000000D"}[member]}) in (
        ["start"],
        ["duration"],
    )
    assert faulty(duration="P999999W")


def test_p60_triggers() -> None:
    calendar = stored(
        "DTSTART:20260607T120000Z",
        *(
            "BEGIN:VALARM",
            "UID:a",
            "ACTION:DISPLAY",
            "TRIGGER;RELATED=END:-PT5M",
            "REPEAT:3",
            "DURATION:PT1M",
            "END:VALARM",
        ),
        *("BEGIN:VALARM", "UID:b", "ACTION:EMAIL", "TRIGGER;VALUE=DATE-TIME:20260607T110000Z", "END:VALARM"),
    )
    alerts = from_ical(calendar)["alerts"]
    assert alerts["a"]["trigger"] == {"@type": "OffsetTrigger", "offset": "-PT5M", "relativeTo": "end"}
    assert alerts["b"]["trigger"] == {"@type": "AbsoluteTrigger", "when": "2026-06-07T11:00:00Z"}
    assert "REPEAT:3" in lines({**from_ical(calendar), "title": "x"}, calendar)


def test_p62_an_alarm_without_an_id_is_the_same_after_it_was_acknowledged() -> None:
    calendar = stored("DTSTART:20260607T120000Z", "BEGIN:VALARM", "ACTION:DISPLAY", "TRIGGER:-PT5M", "END:VALARM")
    event = from_ical(calendar)
    (key,) = event["alerts"]
    event["alerts"][key]["acknowledged"] = "2026-06-07T11:56:00Z"
    again = to_ical(event, calendar)
    assert list(from_ical(again)["alerts"]) == [key]


def test_p63_a_mail_alarm_has_what_icalendar_demands() -> None:
    alert = {"trigger": {"@type": "OffsetTrigger", "offset": "-PT15M"}, "action": "email"}
    written = lines(good(title="Talk", alerts={"a": alert}))
    assert {"ACTION:EMAIL", "SUMMARY:Talk", "DESCRIPTION:Talk"} <= set(written)


def test_p64_html_goes_beside_a_plain_text() -> None:
    event = good(description="<p>Hello &amp; <b>you</b></p>", descriptionContentType="text/html")
    written = lines(event)
    assert "DESCRIPTION;DERIVED=TRUE:Hello & you" in written
    back = from_ical(to_ical(event))
    assert (back["description"], back["descriptionContentType"]) == (event["description"], "text/html")
    calendar = stored("DTSTART:20260607T120000Z", "DESCRIPTION:old", "X-ALT-DESC;FMTTYPE=text/html:<p>old</p>")
    assert not any("old" in line for line in lines({**from_ical(calendar), "description": "new"}, calendar))


def test_p64_plain_text_of_hostile_html() -> None:
    assert plain_from_html("<style>x</style><script>alert(1)</script>a<br>b<p></p><p></p><p>c") == "a\nb\n\nc"


def test_p65_places() -> None:
    event = good(
        locations={"a": {"name": "Room A"}, "b": {"name": "Room B", "locationTypes": {"office": True}}},
        mainLocationId="b",
        virtualLocations={"v": {"uri": "https://meet.example/1", "name": "Call", "features": {"video": True}}},
    )
    written = lines(event)
    assert "LOCATION;JSID=b:Room B" in written
    assert "CONFERENCE;VALUE=URI;LABEL=Call;FEATURE=VIDEO;JSID=v:https://meet.example/1" in written
    back = from_ical(to_ical(event))
    assert back["locations"] == event["locations"]
    assert back["virtualLocations"] == event["virtualLocations"]


def test_p66_attachments_inline_and_by_reference() -> None:
    calendar = stored("DTSTART:20260607T120000Z", "ATTACH;FMTTYPE=text/plain;ENCODING=BASE64;VALUE=BINARY:aGk=",
                      "ATTACH;FMTTYPE=application/pdf;FILENAME=a.pdf:https://x.example/a.pdf")  # fmt: skip
    links = sorted(from_ical(calendar)["links"].values(), key=lambda link: link["href"])
    assert [link["href"] for link in links] == ["data:text/plain;base64,aGk=", "https://x.example/a.pdf"]
    assert links[1] == {"@type": "Link", "href": "https://x.example/a.pdf", "rel": "enclosure", "title": "a.pdf",
                        "contentType": "application/pdf"}  # fmt: skip
    inline = good(links={"l": {"href": "data:text/plain;base64,aGk=", "rel": "enclosure"}})
    assert any(
        line.startswith("ATTACH;VALUE=BINARY;ENCODING=BASE64") and line.endswith(":aGk=") for line in lines(inline)
    )


@pytest.mark.parametrize(("privacy", "wire"), [("private", "CLASS:PRIVATE"), ("secret", "CLASS:CONFIDENTIAL")])
def test_p67_privacy(privacy: str, wire: str) -> None:
    assert wire in lines(good(privacy=privacy))
    assert from_ical(stored("DTSTART:20260607T120000Z", "CLASS:X-ODD"))["privacy"] == "private"


def test_p68_a_cancelled_instance_is_not_an_excluded_one() -> None:
    event = good(
        recurrenceRule={"frequency": "weekly"}, recurrenceOverrides={"2026-06-14T12:00:00": {"status": "cancelled"}}
    )
    written = lines(event)
    assert "STATUS:CANCELLED" in written
    assert not any(line.startswith("EXDATE") for line in written)


@pytest.mark.parametrize(
    ("busy", "wire"),
    [("free", ["TRANSP:TRANSPARENT"]), ("unavailable", ["TRANSP:OPAQUE", "X-MICROSOFT-CDO-BUSYSTATUS:OOF"])],
)
def test_p69_free_and_busy(busy: str, wire: list[str]) -> None:
    assert set(wire) <= set(lines(good(freeBusyStatus=busy)))
    assert from_ical(to_ical(good(freeBusyStatus=busy)))["freeBusyStatus"] == busy


def test_p70_keywords_with_commas() -> None:
    event = good(keywords={"a,b": True, "c": True, "back\\slash,": True})
    assert from_ical(to_ical(event))["keywords"] == event["keywords"]


def test_p71_unknown_data_is_kept_up_to_a_size() -> None:
    assert faulty(**{"example.com:x": "y" * (MAX_BYTES + 1)}) == ["example.com:x"]


@pytest.mark.parametrize(
    "members",
    [
        {"title": "a\r\nATTENDEE:mailto:evil@example.org"},
        {"participants": {"g": {"calendarAddress": "mailto:g@example.org", "name": 'x"\r\nX-EVIL:1'}}},
        {"example.com:x": "a\r\nX-EVIL:1"},
        {"keywords": {"a\r\nX-EVIL:1": True}},
        {
            "alerts": {
                "a": {"trigger": {"offset": "-PT5M"}, "relatedTo": {"x\r\nX-EVIL:1": {"relation": {"parent": True}}}}
            }
        },
        {"locations": {"l": {"name": "x", "coordinates": "geo:1,2\r\nX-EVIL:1"}}},
        {"virtualLocations": {"v": {"uri": "https://x/\r\nX-EVIL:1"}}},
        {"organizerCalendarAddress": "mailto:o@example.org\r\nX-EVIL:1"},
        {"color": "red\r\nX-EVIL:1"},
        {"requestStatus": "2.0;ok\r\nX-EVIL:1"},
        {
            "participants": {
                "g": {"calendarAddress": "mailto:g@example.org", "delegatedTo": {"mailto:x\r\nX-EVIL:1": True}}
            }
        },
        {"uid": "u\r\nX-EVIL:1"},
    ],
)
def test_no_value_makes_a_line_of_its_own(members: dict[str, Any]) -> None:
    parsed = parse_event({**BASE, **members})
    if parsed.faults:
        return
    written = build_tree(to_ical(parsed.event)).replace("\r\n ", "").splitlines()
    assert not any(line.startswith(("X-EVIL", "ATTENDEE:mailto:evil")) for line in written)


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"@type": "Task"}, "@type"),
        ({"start": None}, "start"),
        ({"start": "tomorrow"}, "start"),
        ({"title": 5}, "title"),
        ({"priority": True}, "priority"),
        ({"participants": []}, "participants"),
        ({"participants": {"g": {"roles": {"owner": "yes"}}}}, "participants/g/roles/owner"),
        ({"participants": {"g": {"participationStatus": "attending"}}}, "participants/g/participationStatus"),
        ({"alerts": {"a": {"trigger": {"@type": "OffsetTrigger"}}}}, "alerts/a/trigger/offset"),
        ({"recurrenceRule": {"frequency": "fortnightly"}}, "recurrenceRule/frequency"),
        ({"recurrenceRule": {"frequency": "daily", "byDay": [{"day": "xx"}]}}, "recurrenceRule/byDay/0/day"),
        ({"recurrenceOverrides": {"soon": {}}}, "recurrenceOverrides/soon"),
        ({"recurrenceId": "2026-06-07T12:00:00", "recurrenceRule": {"frequency": "daily"}}, "recurrenceRule"),
        ({"mainLocationId": "x"}, "mainLocationId"),
        ({"title": "\ud800"}, "title"),
    ],
)
def test_each_fault_is_named(members: dict[str, Any], path: str) -> None:
    assert path in faulty(**members)


def test_a_start_that_the_clock_skips_is_the_start_of_a_series_all_the_same() -> None:
    """02:30 on the day that summer time begins: an edit of the title must not move the other days to 03:30."""
    rule = {"frequency": "daily", "count": 3}
    calendar = to_ical(good(start="2027-03-28T02:30:00", duration="PT1H", recurrenceRule=rule))
    shown = from_ical(calendar)
    assert (shown["start"], shown["duration"]) == ("2027-03-28T02:30:00", "PT1H")
    after = lines({**shown, "title": "Edited"}, calendar)
    assert "DTSTART;TZID=Europe/Berlin:20270328T023000" in after
    assert "SUMMARY:Edited" in after


def test_a_uid_is_one_line() -> None:
    for uid in ("", "a\nb", "\x00", "u" * 256):
        assert faulty(uid=uid) == ["uid"]
