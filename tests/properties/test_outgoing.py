# SPDX-License-Identifier: Apache-2.0
"""What holds of every change of every meeting, whatever it was and became."""

import re
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.itip.address import normal_address
from gateway.itip.diff import diff
from gateway.itip.inbound import apply
from gateway.itip.instances import MASTER
from gateway.itip.model import Change, DiffSettings, ItipMessage
from gateway.itip.objects import read_object
from gateway.itip.tree import Component, build_tree, parse_tree
from tests.support.calendars import DANA, NOW
from tests.support.changes import changed
from tests.support.random_meetings import GUESTS, Meeting, meetings

few = settings(max_examples=150, deadline=None)
maybe = st.one_of(st.none(), meetings(), meetings(hour=12))


def text(meeting: Meeting | None) -> str | None:
    return None if meeting is None else meeting.text


@few
@given(meetings())
def test_what_did_not_change_owes_nothing(meeting: Meeting) -> None:
    assert not changed(meeting.text, meeting.text).messages
    first = changed(None, meeting.text)
    assert not changed(first.stored, first.stored).messages
    assert changed(first.stored, first.stored).stored == first.stored


@few
@given(meetings(), maybe)
def test_sequence_never_goes_down(old: Meeting, new: Meeting | None) -> None:
    before = changed(None, old.text).stored
    found = changed(before, text(new))
    known = read_object(parse_tree(before or ""))
    for message in found.messages:
        assert message.sequence >= known.sequence
        if message.method == "CANCEL":
            assert message.sequence > known.sequence
    if found.stored is not None:
        after = read_object(parse_tree(found.stored))
        for key, _ in after.instances():
            assert after.sequence_of(key) >= known.sequence_of(key)
            assert all(after.sequence >= message.sequence for message in found.messages)


@few
@given(meetings(), maybe, st.booleans())
def test_nobody_sees_what_is_not_theirs(old: Meeting, new: Meeting | None, hidden: bool) -> None:
    found = changed(old.text, text(new), settings=DiffSettings(hide_attendees=hidden))
    for message in found.messages:
        marks = set(re.findall(r"SUMMARY:Meeting (\w+)", message.calendar))
        for guest in message.to:
            allowed = {
                sitting.mark
                for version in (old, new)
                if version is not None
                for sitting in (version.master, *version.exceptions.values())
                if guest in sitting.guests
            }
            assert marks <= allowed
            if hidden:
                assert {
                    normal_address(line) for line in re.findall(r"ATTENDEE[^\r]*:mailto:(\S+)", unfolded(message))
                } <= {guest}


def unfolded(message: ItipMessage) -> str:
    return message.calendar.replace("\r\n ", "")


Copies = dict[str, Component | None]


def deliver(found: Change, copies: Copies, at: datetime) -> Copies:
    """Every guest's calendar after the messages, each applied in order by the other half of the engine."""
    copies = dict(copies)
    for message in found.messages:
        for guest in message.to:
            outcome = apply(
                parse_tree(message.calendar), copies[guest], sender_address=DANA, addresses=(guest,), now=at
            )
            assert outcome.outcome == "applied", outcome
            copies[guest] = None if outcome.stored is None else parse_tree(outcome.stored)
            again = apply(parse_tree(message.calendar), copies[guest], sender_address=DANA, addresses=(guest,), now=at)
            assert again.stored == outcome.stored, "applied twice is applied once"
    return copies


def agenda(copy: Component | None) -> dict[str, str]:
    """Start -> mark of everything that still takes place in a guest's calendar."""
    if copy is None:
        return {}
    found, agenda = read_object(copy), {}
    for each in found.series.occurrences(datetime(2026, 11, 1, tzinfo=UTC), datetime(2027, 6, 1, tzinfo=UTC)):
        if "STATUS:CANCELLED" not in build_tree(each.component):
            start = found.zones.wall(each.start_at, replace(each.span.start))
            agenda[f"{start:%Y%m%dT%H%M%S}"] = (each.component.text("SUMMARY") or "").removeprefix("Meeting ")
    return agenda


@settings(max_examples=200, deadline=None)
@given(meetings(), maybe, st.booleans())
def test_applying_every_message_to_every_copy_converges(old: Meeting, new: Meeting | None, bundled: bool) -> None:
    # who knew another series, and is invited to one occurrence of the new, has to ask (REFRESH): RFC 5546 §4.7.2
    assume(new is None or old.pattern == new.pattern or old.master.guests <= new.master.guests)
    mode = DiffSettings(one_instance_per_message=not bundled)
    first = diff(None, parse_tree(old.text), addresses=[DANA], now=NOW, settings=mode)
    assert first.stored is not None
    copies = deliver(first, dict.fromkeys(GUESTS), NOW)
    for guest in GUESTS:
        assert agenda(copies[guest]) == old.agenda(guest), guest
    later = NOW.replace(hour=12)
    after = None if new is None else parse_tree(new.text)
    second = diff(parse_tree(first.stored), after, addresses=[DANA], now=later, settings=mode)
    copies = deliver(second, copies, later)
    for guest in GUESTS:
        assert agenda(copies[guest]) == (new.agenda(guest) if new is not None else {}), guest


def gist(found: Change) -> list[tuple[str, tuple[str, ...], tuple[str, ...], int]]:
    """The messages in an order of their own, so that only what they say is compared."""
    return sorted(
        (str(each.method), tuple(sorted(map(normal_address, each.to))), each.recurrence_ids, each.sequence)
        for each in found.messages
    )


def reversed_parts(calendar: str) -> str:
    tree = parse_tree(calendar)
    components = tuple(tree.components)[::-1]
    flipped = [Component(part.name, tuple(part.items)[::-1]) for part in components]
    return build_tree(Component("VCALENDAR", (*tree.properties, *flipped)))


def refolded(calendar: str) -> str:
    lines = calendar.replace("\r\n ", "").split("\r\n")
    return "\n".join("\n ".join(line[at : at + 20] for at in range(0, max(len(line), 1), 20)) for line in lines)


def shouted(calendar: str) -> str:
    return re.sub(r"mailto:(\S+)", lambda found: f"MAILTO:{found[1].upper()}", calendar)


@few
@given(meetings(), maybe, st.sampled_from([reversed_parts, refolded, shouted]), st.booleans(), st.booleans())
def test_order_folds_and_case_do_not_matter(old: Meeting, new: Meeting | None, axis, before: bool, after: bool) -> None:  # type: ignore[no-untyped-def]
    plain = changed(old.text, text(new))
    first = axis(old.text) if before else old.text
    second = None if new is None else axis(new.text) if after else new.text
    assert gist(changed(first, second)) == gist(plain)


@few
@given(meetings())
def test_the_view_of_a_guest_is_their_agenda(meeting: Meeting) -> None:
    found = changed(None, meeting.text)
    for guest in GUESTS:
        told = {key for each in found.messages if guest in each.to for key in each.recurrence_ids}
        expected = bool(meeting.agenda(guest)) or (guest in meeting.master.guests and not meeting.master.is_cancelled)
        assert bool(told) == expected
        assert (MASTER in told) == (guest in meeting.master.guests)


PIECES = st.sampled_from(
    [
        "DTSTART:20261203T100000Z",
        "DTSTART;VALUE=DATE:20261203",
        "DTSTART;TZID=Nowhere:99991231T235959",
        "DTSTART:00010101T000000",
        "DTSTART:soon",
        "DTEND:19700101T000000Z",
        "DTEND;TZID=Custom:20261203T110000",
        "DURATION:-P1D",
        "DURATION:P999D",
        "DURATION:PT",
        "DUE:20261203T100000",
        "RECURRENCE-ID:20261210T100000Z",
        "RECURRENCE-ID;VALUE=DATE:20261210",
        "RECURRENCE-ID;RANGE=THISANDFUTURE:20261217T100000Z",
        "RECURRENCE-ID:never",
        "RRULE:FREQ=SECONDLY",
        "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "RRULE:FREQ=WEEKLY;COUNT=3",
        "RRULE:FREQ=YEARLY;UNTIL=99991231T235959Z",
        "RRULE:NONSENSE",
        "RDATE:20261211T100000Z,20261212T100000Z/PT1H",
        "RDATE;VALUE=DATE:20261213",
        "EXDATE:20261210T100000Z",
        "EXDATE;VALUE=DATE:20261210",
        "EXDATE:,,,",
        "EXRULE:FREQ=WEEKLY;INTERVAL=2",
        "SEQUENCE:99999999999999999999",
        "SEQUENCE:-1",
        "SEQUENCE:7",
        "DTSTAMP:gone",
        "STATUS:CANCELLED",
        "STATUS:",
        "SUMMARY:a\\,b\\nc",
        "UID:",
        "UID:other",
        f"ORGANIZER:mailto:{DANA}",
        "ORGANIZER:",
        "ORGANIZER;SCHEDULE-AGENT=CLIENT:mailto:x@y.example",
        "ATTENDEE:mailto:lee@partner.example",
        f"ATTENDEE;PARTSTAT=ACCEPTED:MAILTO:{DANA}",
        'ATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO="mailto:a@b.example","x":mailto:lee@partner.example',
        "ATTENDEE;SCHEDULE-FORCE-SEND=REQUEST;PARTSTAT=:mailto:sam@other.example",
        "ATTENDEE:urn:uuid:1",
        "ATTENDEE",
        "no line at all",
        "ATTACH;VALUE=BINARY:AAAA",
    ]
)
PARTS = st.tuples(st.sampled_from(["VEVENT", "VEVENT", "VEVENT", "VTODO", "VJOURNAL"]), st.lists(PIECES, max_size=12))
ZONE = st.sampled_from(
    [
        "",
        "BEGIN:VTIMEZONE\r\nTZID:Custom\r\nBEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nTZOFFSETFROM:+0000\r\n"
        "TZOFFSETTO:+0117\r\nRRULE:FREQ=SECONDLY\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n",
        "BEGIN:VTIMEZONE\r\nTZID:Custom\r\nBEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nTZOFFSETFROM:+0000\r\n"
        "TZOFFSETTO:+0117\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n",
    ]
)


@st.composite
def rubbish(draw: st.DrawFn) -> str:
    """Components of the right words in the wrong places."""
    base = ("UID:u1", f"ORGANIZER:mailto:{DANA}", "ATTENDEE:mailto:lee@partner.example", "DTSTART:20261203T100000Z")
    parts = []
    for kind, lines in draw(st.lists(PARTS, max_size=4)):
        kept = base if draw(st.booleans()) else base[:1]
        parts.append("".join(f"{line}\r\n" for line in (f"BEGIN:{kind}", *lines, *kept, f"END:{kind}")))
    return "BEGIN:VCALENDAR\r\n" + draw(ZONE) + "".join(parts) + "END:VCALENDAR\r\n"


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.none(), rubbish()), st.one_of(st.none(), rubbish()), st.sampled_from([DANA, "lee@partner.example"]))
def test_no_calendar_makes_it_raise_or_fall_silent(old: str | None, new: str | None, me: str) -> None:
    tree = [None if text is None else parse_tree(text) for text in (old, new)]
    found = diff(tree[0], tree[1], addresses=[me], now=NOW)
    assert [bool(found.messages), found.nothing is not None, found.error is not None].count(True) == 1
    if found.stored is not None:
        parse_tree(found.stored)
    for message in found.messages:
        assert parse_tree(message.calendar).value("METHOD") == message.method
