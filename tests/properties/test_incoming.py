# SPDX-License-Identifier: Apache-2.0
"""No message makes the engine raise, change what it does not own, or change anything without saying so."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.itip.inbound import apply_data
from gateway.itip.model import Method, Outcome, Verdict
from gateway.itip.objects import read_object
from gateway.itip.rules import RULES
from gateway.itip.tree import build_tree, parse_tree
from tests.support.calendars import DANA, LEE, NOW, SAM, calendar, component

PEOPLE = (DANA, LEE, SAM, "mallory@evil.example", "lee+x@partner.example", "")

LINES = st.sampled_from(
    [
        "DTSTART:20261201T100000Z",
        "DTSTART;TZID=Europe/Rome:20261201T110000",
        "DTSTART;VALUE=DATE:20261201",
        "DTSTART;TZID=Custom:20261201T100000",
        "DTSTART:00010101T000000",
        "DTSTART:never",
        "DTEND:20261201T110000Z",
        "DTEND:19990101T000000Z",
        "DURATION:PT1H",
        "DURATION:-P5D",
        "RECURRENCE-ID:20261208T100000Z",
        "RECURRENCE-ID;TZID=Europe/Rome:20261208T110000",
        "RECURRENCE-ID;VALUE=DATE:20261208",
        "RECURRENCE-ID;RANGE=THISANDFUTURE:20261215T100000Z",
        "RECURRENCE-ID:20300101T000000Z",
        "RECURRENCE-ID:99991231T235959Z",
        "RECURRENCE-ID:0",
        "RRULE:FREQ=WEEKLY;COUNT=5",
        "RRULE:FREQ=SECONDLY",
        "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "RRULE:",
        "RRULE:FREQ=WEEKLY;UNTIL=19000101T000000Z",
        "RDATE:20261210T100000Z,20261211T100000Z/PT2H",
        "RDATE;VALUE=PERIOD:x/y",
        "EXDATE:20261208T100000Z",
        "EXDATE;VALUE=DATE:20261208",
        "EXDATE:,;",
        "EXRULE:FREQ=MONTHLY",
        "SEQUENCE:0",
        "SEQUENCE:1",
        "SEQUENCE:2",
        "SEQUENCE:9999999999999999999999",
        "SEQUENCE:-3",
        "DTSTAMP:20261101T000000Z",
        "DTSTAMP:20261122T000000",
        "DTSTAMP:99991231T235959Z",
        "DTSTAMP:x",
        "STATUS:CANCELLED",
        "STATUS:confirmed",
        "SUMMARY:one\\, two\\; three\\n",
        "LOCATION:here",
        f"ORGANIZER:mailto:{DANA}",
        f"ORGANIZER;SENT-BY=\"mailto:{SAM}\":MAILTO:{DANA}",
        f"ORGANIZER:{LEE}",
        "ORGANIZER:",
        f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{LEE}",
        f"ATTENDEE;PARTSTAT=DECLINED:mailto:{SAM}",
        f"ATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO=\"mailto:{SAM}\",\"mailto:new@x.example\":mailto:{LEE}",
        f"ATTENDEE;DELEGATED-FROM=\"mailto:{LEE}\";PARTSTAT=TENTATIVE:mailto:{SAM}",
        "ATTENDEE;PARTSTAT=:mailto:mallory@evil.example",
        "ATTENDEE:urn:uuid:x",
        "ATTENDEE",
        "COMMENT:\\n",
        "COMMENT:why",
        "REQUEST-STATUS:2.0;Success",
        "REQUEST-STATUS:;;;",
        "UID:other",
        "UID:",
        "X-MICROSOFT-CDO-APPT-SEQUENCE:3",
        "X-MICROSOFT-CDO-ATTENDEE-CRITICAL-CHANGE:20261123T085900Z",
        "X-IMIP-GATEWAY-RESCHEDULED:99",
        "BEGIN:VALARM\r\nTRIGGER:-PT5M\r\nEND:VALARM",
        "BEGIN:VEVENT\r\nUID:inner\r\nEND:VEVENT",
        "not a line",
        ";=:",
        "ATTACH;VALUE=BINARY:" + "A" * 300,
    ]
)  # fmt: skip
PARTS = st.tuples(st.sampled_from(("VEVENT",) * 6 + ("VTODO", "VJOURNAL", "VFREEBUSY")), st.lists(LINES, max_size=10))
SOUND = ("DTSTART:20261201T100000Z", f"ORGANIZER:mailto:{DANA}", f"ATTENDEE:mailto:{LEE}", f"ATTENDEE:mailto:{SAM}")
ZONES = st.sampled_from(
    [
        "",
        "BEGIN:VTIMEZONE\r\nTZID:Custom\r\nBEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nTZOFFSETFROM:+0000\r\n"
        "TZOFFSETTO:+0117\r\nRRULE:FREQ=SECONDLY\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n",
        "BEGIN:VTIMEZONE\r\nTZID:Custom\r\nBEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nTZOFFSETFROM:+0000\r\n"
        "TZOFFSETTO:+0117\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n",
    ]
)


@st.composite
def rubbish(draw: st.DrawFn, method: str | None = None) -> str:
    """The right lines in the wrong places."""
    parts = []
    for kind, lines in draw(st.lists(PARTS, min_size=1, max_size=4)):
        sound = SOUND if draw(st.booleans()) else ()
        parts.append(component(*lines, *sound, kind=kind, dtstamp=draw(st.sampled_from(("20261120T000000Z", "x")))))
    return calendar(draw(ZONES), *parts, method=method)


many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
methods = st.sampled_from(list(Method))
people = st.sampled_from(PEOPLE)


def applied(text: str | bytes, stored: str | None, bearer: str, me: str) -> Outcome:
    outcome = apply_data(
        text, None if stored is None else parse_tree(stored), sender_address=bearer, addresses=[me], now=NOW
    )
    assert outcome.rule in RULES, outcome.rule
    assert outcome.reason
    assert all(char.isprintable() for char in outcome.reason)
    if outcome.stored is not None:
        assert parse_tree(outcome.stored).value("METHOD") is None
    if outcome.outcome is not Verdict.APPLIED:
        assert outcome.stored == (None if stored is None else build_tree(parse_tree(stored)))
        assert outcome.answers == ()
    for message in outcome.messages:
        assert parse_tree(message.calendar).value("METHOD") == message.method
    return outcome


@many
@given(methods.flatmap(rubbish), st.one_of(st.none(), rubbish()), people, people)
def test_nothing_raises(text: str, stored: str | None, bearer: str, me: str) -> None:
    applied(text, stored, bearer, me)


@many
@given(methods.flatmap(rubbish), st.one_of(st.none(), rubbish()), people, people)
def test_once_is_twice(text: str, stored: str | None, bearer: str, me: str) -> None:
    once = applied(text, stored, bearer, me)
    twice = applied(text, once.stored, bearer, me)
    assert twice.stored == once.stored, (once.rule, twice.rule)


MEETING = (*SOUND, "SEQUENCE:1", "DTEND:20261201T110000Z", "RRULE:FREQ=WEEKLY;COUNT=5", "SUMMARY:Budget")
STORED = calendar(component(*MEETING, "BEGIN:VALARM", "TRIGGER:-PT5M", "END:VALARM"))


@many
@given(rubbish(method="REPLY"), st.sampled_from((LEE, SAM)))
def test_an_answer_moves_only_its_own_line(text: str, bearer: str) -> None:
    """Whatever the reply says: times, words, alarms and other people's answers stay."""
    outcome = applied(text, STORED, bearer, DANA)
    found = read_object(parse_tree(outcome.stored or ""))
    for key, part in found.instances():
        for address, person in found.attendees(key).items():
            if address not in (bearer, "new@x.example"):
                assert person.partstat == "NEEDS-ACTION"
        assert part.text("SUMMARY") == "Budget"
        assert len(part.children("VALARM")) == 1
        if key == "":
            assert [line.value for line in part.all("DTSTART", "RRULE")] == ["20261201T100000Z", "FREQ=WEEKLY;COUNT=5"]
        else:
            assert found.series.exists(key)


@many
@given(st.sampled_from((Method.REQUEST, Method.CANCEL, Method.ADD, Method.PUBLISH)).flatmap(rubbish))
def test_a_stranger_changes_nothing(text: str) -> None:
    for bearer in ("mallory@evil.example", SAM):
        outcome = applied(text, STORED, bearer, LEE)
        assert outcome.outcome is not Verdict.APPLIED
    assert applied(text, STORED, LEE, DANA).outcome is not Verdict.APPLIED


WHOLE = calendar(component(*MEETING), method="REQUEST").encode()
edits = st.lists(
    st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 12), st.binary(max_size=8)), min_size=1, max_size=4
)


@many
@given(edits, st.sampled_from((None, STORED)))
def test_damaged_octets(changes: list[tuple[int, int, bytes]], stored: str | None) -> None:
    data = WHOLE
    for at, gone, new in changes:
        data = data[:at] + new + data[at + gone :]
    applied(data, stored, DANA, LEE)


@many
@given(st.binary(max_size=200), st.text(max_size=200))
def test_any_octets(data: bytes, text: str) -> None:
    applied(data, STORED, DANA, LEE)
    applied(
        "BEGIN:VCALENDAR\r\nMETHOD:REPLY\r\nBEGIN:VEVENT\r\n" + text + "\r\nEND:VEVENT\r\nEND:VCALENDAR",
        None,
        LEE,
        DANA,
    )
