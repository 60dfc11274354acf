# SPDX-License-Identifier: Apache-2.0
"""Whatever a calendar holds can be shown, and whatever is shown can be sent back; nothing ever raises."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.itip.tree import Component, Prop, build_tree, parse_tree
from gateway.jscalendar.convert import events_from_ical, from_ical, to_ical
from gateway.jscalendar.parse import parse_event

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

NAMES = st.sampled_from(
    [
        "SUMMARY", "DESCRIPTION", "STYLED-DESCRIPTION", "LOCATION", "GEO", "ATTENDEE", "ORGANIZER", "DTEND",
        "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "STATUS", "CLASS", "TRANSP", "PRIORITY",
        "COLOR", "CATEGORIES", "CONCEPT", "RELATED-TO", "ATTACH", "URL", "IMAGE", "LINK", "CONFERENCE",
        "REQUEST-STATUS", "SEQUENCE", "CREATED", "DTSTAMP", "JSPROP", "SHOW-WITHOUT-TIME", "UID",
    ]
)  # fmt: skip
PARAMS = st.sampled_from(
    [
        "CN", "PARTSTAT", "ROLE", "CUTYPE", "RSVP", "EMAIL", "SENT-BY", "DELEGATED-TO", "JSID", "JSPTR",
        "TZID", "VALUE", "RELTYPE", "FMTTYPE", "SIZE", "LABEL", "FEATURE", "LINKREL", "ENCODING",
        "SCHEDULE-STATUS", "SCHEDULE-AGENT", "LANGUAGE", "DISPLAY", "RANGE",
    ]
)  # fmt: skip
WORDS = st.one_of(
    st.sampled_from(
        [
            "", "mailto:a@b.example", "mailto:a b@c", "a@b", "urn:uuid:1", "20260607T120000", "20260607",
            "20260607T120000Z", "PT1H", "-P1D", "FREQ=WEEKLY", "FREQ=DAILY;COUNT=3;UNTIL=20270101",
            "FREQ=YEARLY;RSCALE=HEBREW;SKIP=FORWARD", "FREQ=SECONDLY;BYHOUR=99", "https://x.example/a b", "1;2",
            "TRUE", "DATE", "PERIOD", "Europe/Berlin", "Nowhere", "20260607T120000Z/PT1H",
            "99999999999999999999", '"x"', "[1,2]", '{"a":null}', "null", "participants/x/y", "recurrenceRule",
            "start", "THISANDFUTURE", "00010101T000000", "99991231T235959Z", "text/html", "BINARY",
        ]
    ),
    st.text(max_size=12),
)  # fmt: skip
LINES = st.builds(
    lambda name, params, value: Prop(
        name, value.replace("\n", " ").replace("\r", " "), tuple((k, (v,)) for k, v in params)
    ),
    NAMES,
    st.lists(st.tuples(PARAMS, WORDS), max_size=3),
    WORDS,
)
STARTS = st.sampled_from(
    ["20260607T120000Z", "20260607", "20260607T120000", "nonsense", "00010101T000000", "99991231T235959"]
)
ALARMS = st.lists(
    st.builds(
        lambda name, value: Prop(name, value), st.sampled_from(["TRIGGER", "ACTION", "UID", "ACKNOWLEDGED"]), WORDS
    ),
    max_size=4,
)
EVENTS = st.builds(
    lambda start, lines, alarm: Component(
        "VEVENT", (Prop("UID", "u"), Prop("DTSTART", start), *lines, Component("VALARM", alarm))
    ),
    STARTS,
    st.lists(LINES, max_size=6),
    ALARMS,
)
CALENDARS = st.lists(EVENTS, min_size=1, max_size=3).map(lambda events: Component("VCALENDAR", events))


@QUICK
@given(CALENDARS)
def test_what_is_read_can_be_sent_back(calendar: Component) -> None:
    for event in events_from_ical(calendar):
        json.dumps(event, ensure_ascii=False).encode()
        parsed = parse_event(event)
        faults = [fault for fault in parsed.faults if fault.path.rpartition("/")[2] not in ("start", "duration")]
        assert faults == [], "what is shown was refused"


@QUICK
@given(CALENDARS)
def test_writing_what_was_read_changes_nothing(calendar: Component) -> None:
    text = build_tree(calendar)
    try:
        stored = parse_tree(text)
        event = from_ical(stored)
    except Refused:
        return
    parsed = parse_event(event)
    if not parsed.faults:
        again = to_ical(event, stored)
        assert from_ical(again) == event


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-10, 2**60), st.floats(allow_nan=False, allow_infinity=False), WORDS
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    [
        "@type", "uid", "start", "duration", "timeZone", "endTimeZone", "title", "description", "locations",
        "participants", "recurrenceRule", "recurrenceRules", "excludedRecurrenceRules",
        "recurrenceOverrides", "alerts", "links", "replyTo", "virtualLocations", "keywords", "relatedTo",
        "status", "organizerCalendarAddress", "recurrenceId", "sequence", "updated", "localizations",
        "priority", "showWithoutTime", "x",
    ]
)  # fmt: skip


@QUICK
@given(st.dictionaries(MEMBERS, JSON, max_size=6))
def test_any_json_is_judged_and_what_passes_can_be_stored(given_: dict[str, Any]) -> None:
    event = {"start": "2026-06-07T12:00:00", "uid": "u", **given_}
    parsed = parse_event(event)
    if parsed.faults:
        assert all(fault.reason for fault in parsed.faults)
        return
    calendar = to_ical(parsed.event)
    text = build_tree(calendar)
    text.encode()
    back = from_ical(parse_tree(text))
    assert parse_event(back).faults == ()
