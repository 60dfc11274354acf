# SPDX-License-Identifier: Apache-2.0
"""REPLYs authenticated by trusted results and applied durably: per second and process, on SQLite (FULL, group commit).

The baseline in the same run is what the machine needs to read and write the same calendars with icalendar, so the
ratio says how much of an answer's cost is ours, whatever the machine does to its clock.
"""

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import icalendar

from bench.measure import Line
from gateway.app import open_context
from gateway.clock import SettableClock
from gateway.config import parse_config
from gateway.flows.accounts import NewAccount, add_account
from gateway.flows.context import Context
from gateway.flows.events import import_calendar
from gateway.flows.incoming_mail import examine
from gateway.imip.mail import Direction, Door, Envelope, Mail, Origin, Rcpt

COUNT, AT_ONCE = 600, 40


class NoDns:
    """A resolver that nobody should need: trusted results settle everything."""

    async def txt(self, name: str) -> tuple[str, ...]:
        raise AssertionError(f"the DNS was asked for {name}")


def event(number: int) -> str:
    lines = (
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//bench//EN", "BEGIN:VEVENT", f"UID:bench-{number}",
        "DTSTAMP:20260601T080000Z", "SEQUENCE:0", "DTSTART:20260701T100000Z", "DTEND:20260701T110000Z", "SUMMARY:Bench",
        "ORGANIZER;CN=Ann:mailto:ann@example.org", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:ann@example.org",
        "ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:guest@partner.example", "END:VEVENT", "END:VCALENDAR", "",
    )  # fmt: skip
    return "\r\n".join(lines)


def reply(number: int) -> Mail:
    lines = (
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//guest//EN", "METHOD:REPLY", "BEGIN:VEVENT",
        f"UID:bench-{number}", "DTSTAMP:20260601T090000Z", "SEQUENCE:0", "DTSTART:20260701T100000Z",
        "ORGANIZER:mailto:ann@example.org", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:guest@partner.example",
        "END:VEVENT", "END:VCALENDAR", "",
    )  # fmt: skip
    head = (
        "Authentication-Results: mx.example.org; dmarc=pass header.from=partner.example\r\n"
        "Received: from mail.partner.example by mx.example.org; Mon, 1 Jun 2026 08:00:00 +0000\r\n"
        f"From: guest@partner.example\r\nTo: ann@example.org\r\nMessage-ID: <{number}@partner.example>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/calendar; charset=utf-8; method=REPLY\r\n\r\n"
    )
    return Mail(
        id=f"m{number}",
        envelope=Envelope("guest@partner.example", (Rcpt("ann@example.org"),)),
        origin=Origin(door=Door.FILTER, direction=Direction.INBOUND),
        data=(head + "\r\n".join(lines)).encode(),
    )


async def prepare(folder: Path) -> Context:
    """An account with as many events as there will be answers."""
    config = parse_config(f'[gateway]\ndata_dir = "{folder}"\n[authn]\ntrusted_authserv_ids = ["mx.example.org"]\n')
    context = await open_context(config, clock=SettableClock(datetime(2026, 6, 1, 9, 30, tzinfo=UTC)))
    ann = await add_account(context, NewAccount("ann@example.org", "Ann"))
    for number in range(COUNT):
        await import_calendar(context, ann, event(number), send=False)
    return context


async def apply_all(context: Context) -> float:
    """Seconds for all answers, so many at once."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with gate:
            disposition = await examine(context, NoDns(), reply(number))
            if disposition.outcomes[0].outcome != "applied":
                raise AssertionError(disposition.outcomes)

    started = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(COUNT)))
    return time.perf_counter() - started


def baseline() -> float:
    """Seconds to parse stored and reply and write stored with icalendar, as many times."""
    stored, answer = event(1), reply(1).data.partition(b"\r\n\r\n")[2]
    started = time.perf_counter()
    for _ in range(COUNT):
        icalendar.Calendar.from_ical(answer)
        icalendar.Calendar.from_ical(stored).to_ical()
    return time.perf_counter() - started


async def measure() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        context = await prepare(Path(folder))
        before = baseline()
        seconds = await apply_all(context)
        after = baseline()
        await context.store.close()
    return seconds, (before + after) / 2


def run() -> list[Line]:
    """Measure the rate, and the ratio to what reading and writing the same calendars costs."""
    seconds, base = asyncio.run(measure())
    return [
        Line("REPLY applied durably", COUNT / seconds, "/s", goal=500),
        Line("cost against icalendar reading and writing", seconds / base, "x"),
    ]
