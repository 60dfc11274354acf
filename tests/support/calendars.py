# SPDX-License-Identifier: Apache-2.0
"""Calendars for tests in few words, and an independent reader (icalendar) for what comes out."""

from datetime import UTC, datetime
from typing import Any

import icalendar

from gateway.itip.inbound import apply_data
from gateway.itip.model import ApplySettings, History, Outcome
from gateway.itip.tree import Component, parse_tree

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DANA, LEE, SAM = "dana@example.org", "lee@partner.example", "sam@other.example"


def component(*lines: str, kind: str = "VEVENT", uid: str = "u1", dtstamp: str = "20261101T090000Z") -> str:
    """A component as text; UID and DTSTAMP are added where they are missing."""
    names = {line.partition(":")[0].partition(";")[0] for line in lines}
    added = [f"UID:{uid}"] * ("UID" not in names and bool(uid)) + [f"DTSTAMP:{dtstamp}"] * ("DTSTAMP" not in names)
    return "".join(f"{line}\r\n" for line in (f"BEGIN:{kind}", *added, *lines, f"END:{kind}"))


def calendar(*components: str, method: str | None = None) -> str:
    """A VCALENDAR as text."""
    head = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Test//EN\r\n" + (f"METHOD:{method}\r\n" if method else "")
    return head + "".join(components) + "END:VCALENDAR\r\n"


def tree(text: str | None) -> Component | None:
    return None if text is None else parse_tree(text)


def incoming(
    message: str,
    stored: str | None,
    bearer: str,
    me: str | tuple[str, ...],
    *,
    now: datetime = NOW,
    settings: ApplySettings | None = None,
    history: History | None = None,
) -> Outcome:
    """Apply a message and look at the outcome with another reader's eyes."""
    outcome = apply_data(
        message,
        tree(stored),
        sender_address=bearer,
        addresses=(me,) if isinstance(me, str) else me,
        now=now,
        settings=settings,
        history=history,
    )
    assert outcome.rule
    assert outcome.reason
    assert "\n" not in outcome.reason
    if outcome.stored is not None:
        assert "METHOD:" not in outcome.stored
        assert outcome.stored.startswith("BEGIN:VCALENDAR\r\n")
        assert outcome.stored.endswith("END:VCALENDAR\r\n")
        icalendar.use_zoneinfo()
        icalendar.Calendar.from_ical(outcome.stored)
    return outcome


def events(text: str | None) -> dict[str, Any]:
    """What icalendar reads: RECURRENCE-ID as written ("" for the master) -> component."""
    assert text is not None
    icalendar.use_zoneinfo()
    found = {}
    for event in icalendar.Calendar.from_ical(text).walk():
        if event.name in ("VEVENT", "VTODO", "VJOURNAL"):
            recurrence = event.get("RECURRENCE-ID")
            found["" if recurrence is None else recurrence.to_ical().decode()] = event
    return found


def partstats(text: str | None, instance: str = "") -> dict[str, str]:
    """Address -> PARTSTAT of one component."""
    attendees = events(text)[instance].get("ATTENDEE", [])
    lines = attendees if isinstance(attendees, list) else [attendees]
    return {
        str(line).lower().removeprefix("mailto:"): str(line.params.get("PARTSTAT", "NEEDS-ACTION")) for line in lines
    }
