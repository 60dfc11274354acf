# SPDX-License-Identifier: Apache-2.0
"""Changes for tests: the engine's answer, looked at by another reader, with what must hold of every answer."""

import re
from datetime import datetime
from typing import Any

import icalendar

from gateway.itip.address import normal_address
from gateway.itip.diff import diff
from gateway.itip.model import Change, DiffSettings, ItipMessage
from gateway.itip.rules import RULES
from gateway.itip.tree import parse_tree
from tests.support.calendars import DANA, LEE, NOW, SAM, events, tree

KIM = "kim@partner.example"
CALDAV = DiffSettings(bump_every_change=False)
START = datetime(2026, 12, 3, 10)
ROME = "TZID=Europe/Rome"


def meeting(
    *more: str, start: str = "20261203T100000", end: str = "20261203T110000", guests: bool = True
) -> tuple[str, ...]:
    """The lines of Dana's meeting with Lee and Sam; a line in `more` takes the place of one with its name."""
    lines = [
        f"DTSTART;{ROME}:{start}",
        f"DTEND;{ROME}:{end}",
        "SUMMARY:Budget",
        f"ORGANIZER;CN=Dana:mailto:{DANA}",
        f"ATTENDEE;CN=Dana;ROLE=CHAIR;PARTSTAT=ACCEPTED:mailto:{DANA}",
    ]
    if guests:
        lines += [f"ATTENDEE;CN=Lee:mailto:{LEE}", f"ATTENDEE;CN=Sam;PARTSTAT=ACCEPTED:mailto:{SAM}"]
    names = {_name(line) for line in more} - {"ATTENDEE"}
    return tuple(line for line in lines if _name(line) not in names) + more


def occurrence(day: str, *more: str, hour: int = 10, guests: bool = True) -> tuple[str, ...]:
    """The lines of one occurrence of Dana's series at 10:00, moved to another hour where asked."""
    start, end = f"{day}T{hour:02d}0000", f"{day}T{hour + 1:02d}0000"
    return meeting(f"RECURRENCE-ID;{ROME}:{day}T100000", *more, start=start, end=end, guests=guests)


def _name(line: str) -> str:
    return line.partition(":")[0].partition(";")[0]


def without(lines: tuple[str, ...], who: str) -> tuple[str, ...]:
    """The lines without one attendee."""
    return tuple(line for line in lines if not (_name(line) == "ATTENDEE" and who in line))


def changed(
    old: str | None,
    new: str | None,
    *me: str,
    now: datetime = NOW,
    settings: DiffSettings | None = None,
) -> Change:
    """Diff, and look at the answer with another reader's eyes. Without `me` the user is Dana."""
    mine = me or (DANA,)
    found = diff(tree(old), tree(new), addresses=mine, now=now, settings=settings or DiffSettings())
    answers = [bool(found.messages), found.nothing is not None, found.error is not None]
    assert answers.count(True) == 1, answers
    assert (found.nothing is None) == (found.nothing_rule is None)
    for rule in [found.nothing_rule, found.error and found.error.rule, *(fault.rule for fault in found.skipped)]:
        assert rule is None or rule in RULES, rule
    if new is not None and found.error is None:
        assert found.stored is not None
        assert "METHOD:" not in found.stored
        assert "SCHEDULE-FORCE-SEND" not in found.stored
        events(found.stored)
    if new is None:
        assert found.stored is None
    stamps: dict[str, list[str]] = {}
    for message in found.messages:
        sound(message, mine)
        for person in message.to:
            stamps.setdefault(person, []).extend(sorted(set(re.findall(r"DTSTAMP:(\d{8}T\d{6}Z)", message.calendar))))
    for said in stamps.values():
        assert said == sorted(set(said)), "DTSTAMP rises strictly for each recipient"
    return found


def sound(message: ItipMessage, mine: tuple[str, ...]) -> None:
    """What must hold of every message."""
    text = message.calendar
    assert message.to
    assert not {normal_address(each) for each in message.to} & {normal_address(each) for each in mine}
    assert len(set(message.to)) == len(message.to)
    assert message.reason
    assert "SCHEDULE-" not in text
    assert "X-IMIP-GATEWAY" not in text
    assert "VALARM" not in text
    assert "REQUEST-STATUS" not in text
    assert "\n" not in text.replace("\r\n", "")
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    calendar = parse_tree(text)
    assert [line.name for line in calendar.properties] == ["VERSION", "PRODID", "CALSCALE", "METHOD"]
    assert calendar.value("METHOD") == message.method
    zones = {part.value("TZID") for part in calendar.children("VTIMEZONE")}
    used = set(re.findall(r"^[A-Z-]+;[^:]*TZID=([^:;]+)", text.replace("\r\n ", ""), re.MULTILINE))
    assert used == zones, "one VTIMEZONE for each TZID in use"
    parts = events(text)
    assert tuple(parts) == message.recurrence_ids
    assert max(int(part["SEQUENCE"]) for part in parts.values()) == message.sequence
    for part in parts.values():
        assert str(part["UID"]) == message.uid
        assert isinstance(part["ORGANIZER"], icalendar.vCalAddress)
        assert part["DTSTAMP"].dt.tzinfo is not None


def sent(found: Change) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Method, recipients and instances of each message, in order."""
    return [(str(each.method), each.to, each.recurrence_ids) for each in found.messages]


def people(message: ItipMessage, instance: str = "") -> dict[str, Any]:
    """Address -> parameters of the ATTENDEEs of one component."""
    found = events(message.calendar)[instance].get("ATTENDEE", [])
    lines = found if isinstance(found, list) else [found]
    return {str(line).lower().removeprefix("mailto:"): line.params for line in lines}


def skipped(found: Change) -> set[str]:
    return {fault.rule for fault in found.skipped}
