# SPDX-License-Identifier: Apache-2.0
"""What is fuzzed: each reader of strangers' octets as one function that must neither crash nor hang.

Only the errors that a reader declares may leave it. A target that finds something new becomes a unit test.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from gateway.errors import Refused
from gateway.imip.authres import read_trusted, sealers
from gateway.imip.dkim import body_digest, parse_key_record, parse_signature
from gateway.imip.dsn import parse_report
from gateway.imip.headers import Field, parse_facts, parse_from, parse_headers
from gateway.imip.parse import Standing, find_calendar_parts
from gateway.imip.scan import may_hold_calendar
from gateway.itip.inbound import apply_data
from gateway.itip.tree import build_tree, parse_tree
from gateway.milter.wire import PacketReader, parse_macros, parse_negotiation, parse_path
from gateway.smtp.message import DataReader
from gateway.smtp.paths import BadPath, parse_mail, parse_rcpt
from tests.support.spoofs import BOB, CAROL, TEA

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
STORED = parse_tree(TEA)


def mail(data: bytes) -> None:
    """Header, structure, and the quick look that must not miss what the slow one finds."""
    block = parse_headers(data)
    parse_facts(block)
    sealers(block)
    read_trusted(block, ("mx.example.net",), received_above=1)
    found = find_calendar_parts(data, block)
    assert all(part.reason for part in found.parts if part.standing is Standing.IGNORED)
    assert may_hold_calendar(data) or not found.parts


def author(data: bytes) -> None:
    """A From field has an address or a reason."""
    found = parse_from(parse_headers(b"From: " + data + b"\r\n\r\n"))
    assert (found.address is None) != (found.fault is None)


def results(data: bytes) -> None:
    """An Authentication-Results field below our border's line is never believed."""
    block = parse_headers(b"Received: x\r\nAuthentication-Results: " + data.replace(b"\n", b" ") + b"\r\n\r\n")
    assert not read_trusted(block, ("mx.example.net",)).results


def signature(data: bytes) -> None:
    """DKIM's tags, keys and canonical bodies."""
    text = data.decode("utf-8", "replace")
    with suppress(Refused):
        parse_signature(Field("dkim-signature", text, 0, 0))
    with suppress(Refused):
        parse_key_record(text)
    body_digest(data, 0, "relaxed")


def calendar(data: bytes) -> None:
    """A calendar is read, applied and written without an exception."""
    outcome = apply_data(data, STORED, sender_address=BOB, addresses=(CAROL,), now=NOW)
    assert outcome.rule
    with suppress(Refused):
        tree = parse_tree(data)
        assert parse_tree(build_tree(tree)) == tree


def report(data: bytes) -> None:
    """A delivery report is read or is none."""
    parse_report(data)


def milter(data: bytes) -> None:
    """Packets of a milter client."""
    reader = PacketReader()
    with suppress(Refused):
        for packet in reader.feed(data):
            parse_macros(packet)
            parse_path(packet.data)
            with suppress(Refused):
                parse_negotiation(packet)


def command(data: bytes) -> None:
    """Arguments of MAIL and RCPT."""
    argument = data.decode("utf-8", "surrogateescape")
    for parse in (parse_mail, parse_rcpt):
        with suppress(BadPath):
            parse(argument)


def message(data: bytes) -> None:
    """The octets after DATA: however they are cut, the message, its end and its faults are the same."""
    wire = data[1:] + b"\r\n.\r\n"
    whole, one = DataReader(), DataReader()
    octets, rest = whole.feed(wire)
    pieces, size = b"", data[0] % 9 + 1 if data else 1
    for at in range(0, len(wire), size):
        piece, after = one.feed(wire[at : at + size])
        pieces += piece
        if after is not None:
            assert (pieces, after + wire[at + size :], one.fault) == (octets, rest, whole.fault)
            return
    raise AssertionError("no end was found")


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (mail, author, results, signature, calendar, report, milter, command, message)
}
