# SPDX-License-Identifier: Apache-2.0
"""How long may a stranger's mail hold the loop? Goal: 50 ms for every case, made to hurt one of the readers.

What the email package, dkimpy and the like take for such mails is minutes; none of them is asked here. Hashing a
big body runs in a thread; what is measured for it is the longest time that the loop was kept from turning.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter

from bench.measure import Line, best_of
from gateway.authn.dkim import verify_dkim
from gateway.errors import Refused
from gateway.imip.authres import read_trusted
from gateway.imip.headers import parse_facts, parse_headers
from gateway.imip.parse import find_calendar_parts
from gateway.relay.sign import DkimSigner, dns_record, make_key, parse_key

GOAL = 50.0
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BIG = 10_000_000  # Postfix's message_size_limit, nearly


def headers() -> dict[str, bytes]:
    """Headers that are long in every direction."""
    return {
        "a From of brackets": b"From: " + b"(" * BIG + b"\r\n\r\n",
        "a To of a megabyte": b"To: " + b"a@b.example, " * 80_000 + b"\r\nFrom: a@b.example\r\n\r\n",
        "one word of 10 MB": b"a" * BIG,
        "fields without end": b"X: y\r\n" * (BIG // 6),
        "one field of many lines": b"X:" + b"\r\n " * (BIG // 3),
        "References of brackets": b"References: " + b"<" * BIG + b"\r\n\r\n",
        "many Authentication-Results": b"Authentication-Results: mx.example.net; a=b\r\n" * 6000 + b"\r\n",
        "deep Authentication-Results": (b"Authentication-Results: mx.example.net; " + b"(" * 4000 + b"\r\n") * 60,
    }


def structures() -> dict[str, bytes]:
    """Bodies whose structure is the attack."""
    mixed = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    calendar = b"Content-Type: text/calendar; method=REQUEST\r\n\r\n"
    nested = b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(20_000))
    deep = b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(20))
    long_line = b"BEGIN:VCALENDAR\r\nX:" + b"y" * 500_000 + b"\r\n"
    encoded = calendar.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n")
    return {
        "20,000 nested multiparts": nested,
        "20 nested multiparts around 10 MB": deep + b"A" * BIG,
        "two million boundary lines": mixed + b"--x\r\n" * (BIG // 5),
        "lines that begin like a boundary": mixed + b"--x-\r\n" * (BIG // 6),
        "200 parts of 5,000 fields": mixed + (b"--x\r\n" + b"a:\r\n" * 12_000) * 200,
        "20,000 parameters": b"Content-Type: text/calendar" + b"; a=b" * 20_000 + b"\r\n\r\n",
        "a parameter of blanks": b"Content-Type: text/calendar; x=" + b" " * 250_000 + b"\r\n\r\n",
        "base64 of nothing": encoded + b"=" * 2_000_000,
        "base64 of noise": encoded + b"!A" * 1_000_000,
        "a calendar of BEGINs": calendar + b"BEGIN:VCALENDAR\r\n" * 30_000,
        "a calendar of ATTACHes": calendar + b"BEGIN:VCALENDAR\r\n" + b"ATTACH;\r\n" * 28_000,
        "an ATTACH of folds": calendar + b"BEGIN:VCALENDAR\r\nATTACH;" + b"\r\n " * 28_000,
        "20 calendars of 500 KB": mixed + (b"--x\r\n" + calendar + long_line) * 20,
    }  # fmt: skip


def bodies() -> dict[str, bytes]:
    """Bodies that hurt whoever puts them into DKIM's relaxed form."""
    return {
        "10 MB of blanks": b" " * BIG,
        "10 MB of blank lines": b" \r\n" * (BIG // 3),
        "10 MB of empty lines": b"\r\n" * (BIG // 2),
        "10 MB of tabs": b"a \t" * (BIG // 3),
        "10 MB of text": (b"some words and others " * 4 + b"\r\n") * (BIG // 90),
    }


class _NoDns:
    """Answers with one key, at once."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def txt(self, name: str) -> tuple[str, ...]:
        return (self._text,)


def _read_header(data: bytes) -> None:
    block = parse_headers(data)
    parse_facts(block)
    read_trusted(block, ("mx.example.net",))


def _walk(data: bytes) -> None:
    find_calendar_parts(data)


async def _longest_stop(data: bytes, resolver: _NoDns) -> float:
    """Verify in one task and see in another for how long the loop did not turn."""
    longest = 0.0
    done = False

    async def watch() -> None:
        nonlocal longest
        last = perf_counter()
        while not done:
            await asyncio.sleep(0)
            now = perf_counter()
            longest, last = max(longest, now - last), now

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    block = parse_headers(data)
    verdicts = await verify_dkim(data, block, resolver, now=NOW)
    done = True
    await watching
    if not verdicts:
        raise Refused("bad-signature", "nothing was verified")
    return longest


def run() -> list[Line]:
    """Measure each case."""
    lines = []
    readers: tuple[tuple[dict[str, bytes], Callable[[bytes], None]], ...] = (
        (headers(), _read_header),
        (structures(), _walk),
    )
    for cases, work in readers:
        for name, data in cases.items():
            seconds = best_of(lambda work=work, data=data: work(data), number=1, repeat=3)
            lines.append(Line(name, seconds * 1e3, "ms", GOAL, above=False))
    pem = make_key("ed25519")
    head = b"From: a@example.org\r\nSubject: x\r\n\r\n"
    signature = DkimSigner([parse_key(pem, "s", "example.org")]).sign(head, NOW)
    resolver = _NoDns(dns_record(pem, "s", "example.org").text)
    for name, body in bodies().items():
        stop = min(asyncio.run(_longest_stop(signature + head + body, resolver)) for _ in range(3))
        lines.append(Line(f"DKIM, {name}", stop * 1e3, "ms", GOAL, above=False))
    return lines
