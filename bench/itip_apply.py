# SPDX-License-Identifier: Apache-2.0
"""How much does an incoming iTIP message cost, reading and writing included, next to icalendar's parse and write?

Goal: at most 0.2 of what icalendar needs for the same calendars in the same run; hostile ones within 50 ms. Counted in
processor time: what else the machine does is no cost of ours.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from time import process_time

import icalendar

from bench.measure import Line, best_of, ratio_of
from gateway.itip.content_lines import fold
from gateway.itip.inbound import apply_data
from gateway.itip.model import Outcome
from gateway.itip.parse import Reading, parse_calendar

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DANA, LEE = "dana@example.org", "lee@partner.example"
_ZONE = (
    "BEGIN:VTIMEZONE", "TZID:Europe/Rome", "BEGIN:STANDARD", "DTSTART:19701025T030000",
    "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10", "TZOFFSETFROM:+0200", "TZOFFSETTO:+0100", "END:STANDARD",
    "BEGIN:DAYLIGHT", "DTSTART:19700329T020000", "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3", "TZOFFSETFROM:+0100",
    "TZOFFSETTO:+0200", "END:DAYLIGHT", "END:VTIMEZONE",
)  # fmt: skip


def _calendar(*lines: str, method: str = "") -> str:
    head = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Bench//EN", *([f"METHOD:{method}"] if method else []))
    return "".join(fold(line) + "\r\n" for line in (*head, *lines, "END:VCALENDAR"))


def _event(
    *more: str, guests: int = 5, sequence: int = 1, summary: str = "Budget review", day: str = "20261201"
) -> list[str]:
    people = [LEE, *(f"guest{number}@partner.example" for number in range(1, guests))]
    return [
        "BEGIN:VEVENT", "UID:2f0b1c9e-6d0f-4a7e-9a54-0d8a4d0d7c11", f"SEQUENCE:{sequence}", "DTSTAMP:20261101T090000Z",
        f"SUMMARY:{summary}", "DESCRIPTION:" + "What we shall speak of\\, and who brings the figures.\\n" * 6,
        "LOCATION:Room 12\\, second floor", f"DTSTART;TZID=Europe/Rome:{day}T100000",
        f"DTEND;TZID=Europe/Rome:{day}T110000", "STATUS:CONFIRMED", "TRANSP:OPAQUE", "CREATED:20261001T080000Z",
        "LAST-MODIFIED:20261001T080000Z", f'ORGANIZER;CN="Rossi, Dana":mailto:{DANA}', *more,
        *(
            f'ATTENDEE;CN="{person}";CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{person}'
            for person in people
        ),
        "END:VEVENT",
    ]  # fmt: skip


def _series(overrides: int, *, sequence: int = 1, summary: str = "Budget review") -> list[str]:
    lines = _event("RRULE:FREQ=WEEKLY;COUNT=100", sequence=sequence, summary=summary)
    for week in range(1, overrides + 1):
        at = date(2026, 12, 1) + timedelta(weeks=week)
        recurrence = f"RECURRENCE-ID;TZID=Europe/Rome:{at:%Y%m%d}T100000"
        moved = f"{at + timedelta(days=1):%Y%m%d}"
        lines += _event(recurrence, sequence=sequence, summary=summary, day=moved)
    return lines


def _reply(*more: str) -> str:
    own = f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{LEE}"
    head = ("BEGIN:VEVENT", "UID:2f0b1c9e-6d0f-4a7e-9a54-0d8a4d0d7c11", "SEQUENCE:1", "DTSTAMP:20261122T080000Z")
    return _calendar(*head, f"ORGANIZER:mailto:{DANA}", own, *more, "END:VEVENT", method="REPLY")


def _request(lines: list[str]) -> str:
    return _calendar(*_ZONE, *lines, method="REQUEST")


def _stored(lines: list[str]) -> str:
    return _calendar(*_ZONE, *lines)


#: what -> message, stored object, whether the account organizes it
CASES: dict[str, tuple[str, str | None, bool]] = {
    "REQUEST, new": (_request(_event()), None, False),
    "REQUEST, update": (_request(_event(sequence=2, summary="Other")), _stored(_event()), False),
    "REPLY": (_reply(), _stored(_event()), True),
    "REPLY, one occurrence": (
        _reply("RECURRENCE-ID:20261215T090000Z"),
        _stored(_event("RRULE:FREQ=WEEKLY;COUNT=100")),
        True,
    ),
    "REPLY, 30 overrides": (_reply("RECURRENCE-ID:20261215T090000Z"), _stored(_series(30)), True),
    "REQUEST, 30 overrides": (_request(_series(30, sequence=2, summary="Other")), _stored(_series(30)), False),
    "REPLY, 500 guests": (_reply(), _stored(_event(guests=500)), True),
    "REQUEST, 500 guests": (
        _request(_event(guests=500, sequence=2, summary="Other")),
        _stored(_event(guests=500)),
        False,
    ),
}

_EXDATES = [f"EXDATE:{date(2026, 12, 2) + timedelta(days=day):%Y%m%d}T090000Z" for day in range(2_000)]
_MANY_ZONES = [line.replace("Europe/Rome", f"Zone {zone}") for zone in range(500) for line in _ZONE]
_IN_MANY_ZONES = ["RRULE:FREQ=DAILY", *(f"EXDATE;TZID=Zone {zone}:20261202T100000" for zone in range(500))]
_DELEGATES = ",".join(f'"mailto:d{number}@crowd.example"' for number in range(20_000))
_NEVER = [f"{date(2027, 1, 1) + timedelta(days=day):%Y%m%d}T093000Z" for day in range(100)]
_MISSED = [line for at in _NEVER for line in _event(f"RECURRENCE-ID:{at}", sequence=9)]
#: what a stranger may send; new to the account
HOSTILE: dict[str, str] = {
    "description of 1 MB": _request(_event(f"COMMENT:{'a' * 1_000_000}")),
    "10,000 attendees": _request(_event(guests=10_000)),
    "a rule for every second": _request(_event("RRULE:FREQ=SECONDLY")),
    "a rule that never matches": _request(_event("RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30")),
    "400 changed occurrences": _request(_series(399)),
    "2,000 excluded dates": _request(_event("RRULE:FREQ=DAILY", *_EXDATES)),
    "500 time zones": _calendar(*_MANY_ZONES, *_event(*_IN_MANY_ZONES), method="REQUEST"),
    "30,000 components": "BEGIN:VCALENDAR\r\n" + "BEGIN:VEVENT\r\n" * 30_000,
    "100,000 parameters": _calendar(*_event("X-A" + ";P=v" * 100_000 + ":x"), method="REQUEST"),
}
#: what somebody may send about an event that is here
HOSTILE_UPDATES: dict[str, tuple[str, str, bool]] = {
    "10,000 attendees, update": (
        _request(_event(guests=10_000, sequence=2, summary="Other")),
        _stored(_event(guests=10_000)),
        False,
    ),
    "10,000 attendees, REPLY": (_reply(), _stored(_event(guests=10_000)), True),
    "1 MB of escapes": (_request(_event("DESCRIPTION:" + "\\n\\," * 240_000, sequence=2)), _stored(_event()), False),
    "20,000 delegates": (
        _reply().replace("PARTSTAT=ACCEPTED", f"PARTSTAT=DELEGATED;DELEGATED-TO={_DELEGATES}"),
        _stored(_event()),
        True,
    ),
    "100 occurrences that are not there": (_request(_MISSED), _stored(_series(330)), False),
}


def _applied(message: str, stored: str | None, *, organizes: bool) -> Outcome:
    reading = None if stored is None else parse_calendar(stored.encode())
    assert reading is None or isinstance(reading, Reading)
    bearer, me = (LEE, DANA) if organizes else (DANA, LEE)
    return apply_data(
        message.encode(),
        None if reading is None else reading.calendar,
        sender_address=bearer,
        addresses=[me],
        now=NOW,
    )


def _read_and_written(*texts: str | None) -> None:
    for text in texts:
        if text is not None:
            icalendar.use_zoneinfo()
            icalendar.Calendar.from_ical(text).to_ical()


def run() -> list[Line]:
    """Measure every case against icalendar, and the hostile ones by themselves."""
    lines: list[Line] = []
    for what, (message, stored, organizes) in CASES.items():

        def ours(message: str = message, stored: str | None = stored, organizes: bool = organizes) -> Outcome:
            return _applied(message, stored, organizes=organizes)

        assert ours().outcome == "applied", what
        mine, theirs = _rounds(ours, lambda message=message, stored=stored: _read_and_written(message, stored))
        best = min(mine)
        note = f"{best * 1e3:.2f} ms, {1 / best:.0f}/s; icalendar {min(theirs) * 1e3:.2f} ms"
        lines.append(Line(what, ratio_of(mine, theirs), "of icalendar", goal=0.2, above=False, note=note))
    for what, text in HOSTILE.items():
        seconds = best_of(lambda text=text: _applied(text, None, organizes=False), number=1, clock=process_time)
        lines.append(Line(what, seconds * 1e3, "ms", goal=50, above=False))
    for what, case in HOSTILE_UPDATES.items():
        lines.append(Line(what, _longest(*case) * 1e3, "ms", goal=50, above=False))
    return lines


def _longest(message: str, stored: str, organizes: bool) -> float:
    """Return what deciding costs; the stored object was read before."""
    reading = parse_calendar(stored.encode())
    assert isinstance(reading, Reading)
    bearer, me = (LEE, DANA) if organizes else (DANA, LEE)

    def decide() -> Outcome:
        return apply_data(message.encode(), reading.calendar, sender_address=bearer, addresses=[me], now=NOW)

    return best_of(decide, number=1, clock=process_time)


def _rounds(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[list[float], list[float]]:
    once = best_of(theirs, number=1, repeat=1, clock=process_time)
    number = max(1, int(0.05 / once))
    mine, other = [], []
    for _ in range(5):
        mine.append(best_of(ours, number=number * 3, repeat=1, clock=process_time))
        other.append(best_of(theirs, number=number, repeat=1, clock=process_time))
    return mine, other
