# SPDX-License-Identifier: Apache-2.0
"""Mails that a person's own mail program writes and sends through us, as Thunderbird and its kind lay them out."""

from gateway.flows.incoming_mail import examine
from gateway.imip.mail import Direction, Disposition, Door, Envelope, Mail, Origin, Rcpt
from tests.support.world import UID, World, event
from tests.support.zone import Zone

GUEST, OTHER = "guest@partner.example", "other@partner.example"
ANN = "ann@example.org"
_numbers = iter(range(1, 1_000_000))


def said(ical: str, method: str) -> str:
    """The calendar as a message."""
    return ical.replace("PRODID:", f"METHOD:{method}\r\nPRODID:")


def answer(partstat: str, *, sequence: int = 0, organizer: str = "boss@partner.example") -> str:
    """What Ann's program answers to an invitation of somebody else."""
    lines = (
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "BEGIN:VEVENT", f"UID:{UID}", f"SEQUENCE:{sequence}",
        "DTSTAMP:20260601T081500Z", "DTSTART;TZID=Europe/Berlin:20260607T120000", "SUMMARY:Plan",
        f"ORGANIZER:mailto:{organizer}", f"ATTENDEE;PARTSTAT={partstat}:mailto:{ANN}", "END:VEVENT", "END:VCALENDAR",
        "",
    )  # fmt: skip
    return "\r\n".join(lines)


def letter(
    ical: str, method: str, *, header: str = "", plain: str = "Please come.\r\n", html: str = "", to: str = GUEST
) -> bytes:
    """The mail: text, perhaps HTML, the calendar, and the calendar once more as a file."""
    number, calendar = next(_numbers), said(ical, method)
    page = f"--a\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n" if html else ""
    text = (
        f"{header}From: Ann <{ANN}>\r\nTo: {to}\r\nSubject: Plan\r\nMessage-ID: <own-{number}@ann.example.org>\r\n"
        "Date: Mon, 1 Jun 2026 08:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="m"\r\n\r\n'
        '--m\r\nContent-Type: multipart/alternative; boundary="a"\r\n\r\n'
        f"--a\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{plain}\r\n{page}"
        f"--a\r\nContent-Type: text/calendar; charset=utf-8; method={method}\r\n\r\n{calendar}\r\n--a--\r\n"
        '--m\r\nContent-Type: application/ics; name="invite.ics"\r\n'
        f'Content-Disposition: attachment; filename="invite.ics"\r\n\r\n{calendar}\r\n--m--\r\n'
    )
    return text.encode()


async def submit(
    world: World, data: bytes, *to: str, direction: Direction = Direction.OUTBOUND, door: Door = Door.SUBMISSION
) -> Disposition:
    """Ann's program hands a mail in; what her mail system is to do with it."""
    login = "ann@example.org" if door is Door.SUBMISSION else None
    own = frozenset({ANN}) if login else frozenset()
    origin = Origin(door, direction, login=login, login_addresses=own)
    envelope = Envelope(ANN, tuple(Rcpt(address) for address in to or (GUEST,)))
    return await examine(world.context, Zone(), Mail(f"own{next(_numbers)}", envelope, origin, data))


__all__ = ["ANN", "GUEST", "OTHER", "answer", "event", "letter", "said", "submit"]
