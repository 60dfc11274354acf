# SPDX-License-Identifier: Apache-2.0
"""Whatever comes in ends in one outcome with a rule and a sentence; nothing raises, nothing takes long."""

import pytest

from gateway.itip.inbound import METHODS, apply, apply_data
from gateway.itip.model import Method, Verdict
from gateway.itip.rules import RULES
from gateway.itip.tree import Component, Prop, parse_tree
from tests.support.calendars import DANA, LEE, NOW, SAM, calendar, component, incoming

MEETING = (
    "SEQUENCE:1",
    "SUMMARY:Budget",
    "DTSTART:20261201T100000Z",
    "DTEND:20261201T110000Z",
    f"ORGANIZER:mailto:{DANA}",
    f"ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:{LEE}",
)
STORED = calendar(component(*MEETING, "RRULE:FREQ=DAILY"))


def test_every_method_is_understood() -> None:
    assert set(METHODS) == set(Method)


@pytest.mark.parametrize("method", ["request", " Request", "REQUEST"])
def test_method_in_any_case(method: str) -> None:
    assert incoming(calendar(component(*MEETING), method=method), None, DANA, LEE).rule == "request.new"


def test_repairs_are_told() -> None:
    text = calendar(component(*MEETING, "STATUS:CONFIRMED", "STATUS:TENTATIVE"), method="REQUEST")
    outcome = apply_data(
        text.replace("METHOD:REQUEST\r\n", "").encode().replace(b"Budget", b"Budg\xe4t"),
        None,
        sender_address=DANA,
        addresses=[LEE],
        now=NOW,
        method="REQUEST",
    )
    assert outcome.repairs == ("latin-1", "method-from-mail", "duplicate-property")
    assert "Budgät" in (outcome.stored or "")
    assert (outcome.stored or "").count("STATUS") == 1


@pytest.mark.parametrize(
    ("text", "rule", "verdict"),
    [
        (calendar(component(*MEETING)), "message.no-method", Verdict.IGNORED),
        (calendar(component(*MEETING, uid="u2"), method="REQUEST"), "message.other-uid", Verdict.IGNORED),
        (calendar(component(*MEETING, kind="VFREEBUSY"), method="REQUEST"), "message.freebusy", Verdict.IGNORED),
        (calendar(component(*MEETING, uid=""), method="REQUEST"), "message.no-uid", Verdict.REFUSED),
        ("nonsense", "calendar.unreadable", Verdict.REFUSED),
        ("", "calendar.unreadable", Verdict.REFUSED),
    ],
)
def test_what_is_no_message_changes_nothing(text: str, rule: str, verdict: Verdict) -> None:
    outcome = incoming(text, STORED, DANA, LEE)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (verdict, rule, STORED)


def test_a_sentence_cannot_carry_line_ends_or_escape_codes() -> None:
    evil = "mailto:evil%0D%0ASubject:x\x1b[31m@evil.example"
    text = calendar(
        component("SEQUENCE:1", f"ORGANIZER:{evil}", *MEETING[2:4], f"ATTENDEE:mailto:{LEE}"), method="REQUEST"
    )
    for bearer in (DANA, evil, "a\r\nb@c"):
        assert all(char.isprintable() for char in incoming(text, None, bearer, LEE).reason)


BOMBS: dict[str, str] = {
    "description of a megabyte": calendar(component(*MEETING, "DESCRIPTION:" + "a" * 1_000_000), method="REQUEST"),
    "folded megabyte": calendar(
        component(*MEETING, "DESCRIPTION:" + "\r\n ".join(["ä" * 36] * 13_000)), method="REQUEST"
    ),
    "ten thousand attendees": calendar(
        component(
            *MEETING, *(f"ATTENDEE;CN=P{n};PARTSTAT=NEEDS-ACTION:mailto:p{n}@crowd.example" for n in range(10_000))
        ),
        method="REQUEST",
    ),
    "every second": calendar(component(*MEETING, "RRULE:FREQ=SECONDLY"), method="REQUEST"),
    "never matches": calendar(component(*MEETING, "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"), method="REQUEST"),
    "a century of dates": calendar(
        component(*MEETING, "RDATE:" + ",".join(["20261201T100000Z"] * 30_000)), method="REQUEST"
    ),
    "nested": "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\n" + "BEGIN:VEVENT\r\n" * 30_000,
    "two thousand occurrences": calendar(
        *(
            component(*MEETING, f"RECURRENCE-ID:{day.replace('-', '')}T100000Z")
            for day in (
                f"{year}-{month:02d}-{day:02d}"
                for year in range(2027, 2033)
                for month in range(1, 13)
                for day in range(1, 28)
            )
        ),
        method="REQUEST",
    ),
    "zone that changes every second": calendar(
        "BEGIN:VTIMEZONE\r\nTZID:Bomb\r\nBEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nRRULE:FREQ=SECONDLY\r\n"
        "TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n",
        component(*(line.replace("DTSTART:", "DTSTART;TZID=Bomb:").replace("0Z", "0") for line in MEETING)),
        method="REQUEST",
    ),
    "megabyte of escapes": calendar(component(*MEETING, "DESCRIPTION:" + "\\n\\," * 240_000), method="REQUEST"),
    "thousands of delegates": calendar(
        component(
            *MEETING, f"ATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO={'d@x.example,' * 20_000}d@x.example:mailto:{LEE}"
        ),
        method="REPLY",
    ),
    "thousands of parameters": calendar(component(*MEETING, "X-P" + ";A=b" * 100_000 + ":c"), method="REQUEST"),
    "quotes that never close": calendar(
        component(*MEETING, 'ATTENDEE;CN="' + '"a";' * 50_000 + ":x"), method="REQUEST"
    ),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("stored", [None, STORED], ids=["new", "known"])
def test_bombs_end_in_an_outcome(name: str, stored: str | None) -> None:
    """How long each takes is measured in bench; here a bomb that goes off is stopped."""
    outcome = apply_data(
        BOMBS[name], None if stored is None else parse_tree(stored), sender_address=DANA, addresses=[LEE], now=NOW
    )
    assert outcome.rule in RULES


@pytest.mark.timeout(20)
@pytest.mark.parametrize("rule", ["FREQ=SECONDLY", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=MINUTELY;BYSECOND=61"])
@pytest.mark.parametrize("method", ["REPLY", "CANCEL", "REQUEST", "COUNTER"])
def test_a_costly_stored_rule_is_followed_only_so_far(rule: str, method: str) -> None:
    stored = parse_tree(calendar(component(*MEETING, f"RRULE:{rule}")))
    text = calendar(component(*MEETING, "RECURRENCE-ID:20891201T100000Z"), method=method)
    organizes = method in ("REPLY", "COUNTER")
    outcome = apply_data(
        text,
        stored,
        sender_address=LEE if organizes else DANA,
        addresses=[DANA if organizes else LEE],
        now=NOW,
    )
    assert outcome.rule in RULES


def test_trees_made_by_hand_are_taken_too() -> None:
    event = Component("VEVENT", (Prop("UID", "u1"), Prop("DTSTART", "20261201T100000Z")))
    message = Component("VCALENDAR", (Prop("METHOD", "REQUEST"), event))
    outcome = apply(message, None, sender_address=DANA, addresses=[], now=NOW)
    assert outcome.rule == "request.no-organizer"
    assert apply(Component("VCALENDAR"), None, sender_address="", addresses=[], now=NOW).rule == "message.no-method"


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize(
    "stored",
    [
        calendar(),
        calendar(component("SUMMARY:no start", f"ORGANIZER:mailto:{DANA}")),
        calendar(component("DTSTART:soon", f"ORGANIZER:mailto:{DANA}", f"ATTENDEE:mailto:{LEE}", "RRULE:FREQ=OFTEN")),
        calendar(component(*MEETING), component(*MEETING, "RECURRENCE-ID:never")),
        calendar(component(*MEETING), component(*MEETING)),
        calendar(component(*MEETING[:-2], "ORGANIZER:", "ATTENDEE:")),
    ],
)
def test_a_broken_stored_object_breaks_nothing(method: Method, stored: str) -> None:
    for bearer, me in ((DANA, LEE), (LEE, DANA), (SAM, DANA)):
        for lines in ((), ("RECURRENCE-ID:20261202T100000Z",)):
            text = calendar(component(*MEETING, *lines, dtstamp="20261122T000000Z"), method=method)
            outcome = apply_data(text, parse_tree(stored), sender_address=bearer, addresses=[me], now=NOW)
            assert outcome.rule in RULES
