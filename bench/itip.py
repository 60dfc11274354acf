# SPDX-License-Identifier: Apache-2.0
"""What does a change cost? Against icalendar reading and writing the same two calendars, and as guests are added.

A diff is counted with everything around it: reading the old and the new object, writing the messages and the stored
object. Goals: a fifth of icalendar's parse and write for a plain invitation; linear in guests and overrides.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import process_time

import icalendar

from bench.measure import Line, best_of
from gateway.itip.diff import diff
from gateway.itip.model import Change
from gateway.itip.tree import parse_tree

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DANA = "dana@example.org"
_START = datetime(2026, 12, 3, 10, 0)
_ZONE = """BEGIN:VTIMEZONE
TZID:Europe/Rome
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
TZNAME:CEST
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
TZNAME:CET
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
"""
_BOMB = (
    "BEGIN:VTIMEZONE\nTZID:Bomb\nBEGIN:STANDARD\nDTSTART:16010101T000000\nTZOFFSETFROM:+0000\nTZOFFSETTO:+0100\n"
    "RRULE:FREQ=SECONDLY\nEND:STANDARD\nBEGIN:DAYLIGHT\nDTSTART:16010101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0000\n"
    "RRULE:FREQ=SECONDLY\nEND:DAYLIGHT\nEND:VTIMEZONE\n"
)
HOSTILE = {
    "every second since 1970": "DTSTART:19700101T000000Z\nRRULE:FREQ=SECONDLY",
    "30 February, daily": "DTSTART:19700101T000000Z\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    "a thousand million Mondays": "DTSTART:19700105T000000Z\nRRULE:FREQ=WEEKLY;BYDAY=MO,TU;COUNT=1000000000",
    "a zone that changes every second": "DTSTART;TZID=Bomb:20261203T100000\nRRULE:FREQ=DAILY",
}


def meeting(*, guests: int = 2, overrides: int = 0, hour: int = 10, moved: int | None = None) -> str:
    """A calendar as a client stores it; `moved` is the override that lies two hours later."""
    rule = f"RRULE:FREQ=WEEKLY;COUNT={overrides + 10}\n" if overrides else ""
    parts = [_component(_START.replace(hour=hour), guests, rule)]
    for week in range(1, overrides + 1):
        original = _START.replace(hour=hour) + timedelta(weeks=week)
        start = original + timedelta(hours=3 if week == moved else 1)
        parts.append(_component(start, guests, f"RECURRENCE-ID;TZID=Europe/Rome:{original:%Y%m%dT%H%M%S}\n"))
    text = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Example//Client//EN\nCALSCALE:GREGORIAN\n" + _ZONE
    return (text + "".join(parts) + "END:VCALENDAR\n").replace("\n", "\r\n")


def _component(start: datetime, guests: int, more: str) -> str:
    people = "".join(
        f"ATTENDEE;CN=Guest {n};ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED:mailto:g{n}@partner.example\n"
        for n in range(guests)
    )
    return (
        "BEGIN:VEVENT\nUID:2f0b1c9e-6d0f-4a7e-9a54-0d8a4d0d7c11\nSEQUENCE:3\nDTSTAMP:20261101T081244Z\n"
        "CREATED:20261026T081200Z\nLAST-MODIFIED:20261101T081244Z\n"
        f"DTSTART;TZID=Europe/Rome:{start:%Y%m%dT%H%M%S}\n"
        f"DTEND;TZID=Europe/Rome:{start + timedelta(hours=1):%Y%m%dT%H%M%S}\n{more}"
        "SUMMARY:Budget review\nLOCATION:Room Aurora\\, Via Roma 12\n"
        "DESCRIPTION:Please bring the numbers of the third quarter\\nand an idea for the \n fourth.\n"
        "STATUS:CONFIRMED\nTRANSP:OPAQUE\nCLASS:PUBLIC\n"
        f"ORGANIZER;CN=Dana Rossi:mailto:{DANA}\n"
        f"ATTENDEE;CN=Dana Rossi;ROLE=CHAIR;PARTSTAT=ACCEPTED:mailto:{DANA}\n{people}"
        "BEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:Reminder\nTRIGGER:-PT15M\nEND:VALARM\nEND:VEVENT\n"
    )


def run() -> list[Line]:
    """Measure the changes that servers see most, the big ones, and what hostile ones cost."""
    cases: dict[str, tuple[str | None, str, int]] = {
        "plain invitation, new": (None, meeting(), 60),
        "plain invitation, moved": (meeting(), meeting(hour=12), 60),
        "plain invitation, nothing changed": (meeting(), meeting(), 60),
        "series, one of 30 overrides moved": (meeting(overrides=30), meeting(overrides=30, moved=7), 4),
        "500 guests, moved": (meeting(guests=500), meeting(guests=500, hour=12), 2),
    }
    lines = [_against_icalendar(what, old, new, number) for what, (old, new, number) in cases.items()]
    lines.append(_growth("guests", lambda size: (meeting(guests=size), meeting(guests=size, hour=12)), 250))
    lines.append(_growth("overrides", lambda size: (meeting(overrides=size), meeting(overrides=size, moved=3)), 60))
    return lines + [_hostile(what, times) for what, times in HOSTILE.items()]


def _against_icalendar(what: str, old: str | None, new: str, number: int) -> Line:
    """The two take turns, so that both meet the same mood of the machine."""
    assert _ours(old, new).error is None
    shares, best = [], float("inf")
    for _ in range(7):
        ours = best_of(lambda: _ours(old, new), number=number, repeat=1, clock=process_time)
        theirs = best_of(lambda: _theirs(old, new), number=max(number // 3, 1), repeat=1, clock=process_time)
        shares.append(ours / theirs)
        best = min(best, ours)
    return Line(what, sorted(shares)[3], "of icalendar", 0.2, above=False, note=f"{1 / best:.0f} a second")


def _ours(old: str | None, new: str) -> Change:
    return diff(None if old is None else parse_tree(old), parse_tree(new), addresses=[DANA], now=NOW)


def _theirs(*texts: str | None) -> None:
    for text in filter(None, texts):
        icalendar.Calendar.from_ical(text).to_ical()


def _growth(what: str, texts: Callable[[int], tuple[str, str]], size: int) -> Line:
    small, large = texts(size), texts(2 * size)
    shares = sorted(
        best_of(lambda: _ours(*large), number=1, repeat=3, clock=process_time)
        / best_of(lambda: _ours(*small), number=1, repeat=3, clock=process_time)
        for _ in range(5)
    )
    return Line(f"{2 * size} {what} against {size}", shares[2], "times the cost", 2.6, above=False)


def _hostile(what: str, times: str) -> Line:
    lines = f"UID:x\n{times}\nORGANIZER:mailto:{DANA}\nATTENDEE:mailto:g@partner.example\n"
    old = f"BEGIN:VCALENDAR\n{_BOMB}BEGIN:VEVENT\n{lines}END:VEVENT\nEND:VCALENDAR\n".replace("\n", "\r\n")
    new = old.replace("UID:x", "UID:x\r\nSUMMARY:y\r\nEXDATE:20261210T100000Z")
    cost = best_of(lambda: _ours(old, new), number=1, repeat=3, clock=process_time)
    return Line(f"hostile: {what}", cost * 1e3, "ms", 50, above=False)
