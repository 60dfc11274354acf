# SPDX-License-Identifier: Apache-2.0
"""The milter door over a real socket: what Postfix would see, three mails in a session, trouble, hostile packets."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.config import Listener
from gateway.errors import Deferred, Misconfigured
from gateway.imip.mail import Disposition, Mail
from gateway.imip.scan import may_hold_calendar
from gateway.milter.edits import parse_header_lines
from gateway.milter.listener import MilterListener
from gateway.milter.session import MilterServices

CALENDAR = [("From", " ann@example.org"), ("Content-Type", " text/calendar; method=REPLY")]
PLAIN = [("From", " ann@example.org"), ("Content-Type", " text/plain")]


@dataclass
class Postfix:
    """The other half of the conversation, with Postfix's negotiation."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    macros: bytes = b""  # what we are asked to send

    def send(self, command: str, data: bytes = b"") -> None:
        self.writer.write(struct.pack("!I", len(data) + 1) + command.encode() + data)

    async def receive(self) -> tuple[str, bytes]:
        (length,) = struct.unpack("!I", await self.reader.readexactly(4))
        packet = await self.reader.readexactly(length)
        return chr(packet[0]), packet[1:]

    async def negotiate(self) -> tuple[int, int, int]:
        self.send("O", struct.pack("!III", 6, 0x1FF, 0x1FFFFF))
        answer, data = await self.receive()
        assert answer == "O"
        self.macros = data[12:]
        return struct.unpack_from("!III", data)

    async def mail(
        self, fields: list[tuple[str, str]], body: bytes, *rcpt: str, macros: dict[str, str] | None = None
    ) -> list[tuple[str, bytes]]:
        """Send one mail and return what came back at its end."""
        pairs = b"".join(f"{{{k}}}\0{v}\0".encode() for k, v in (macros or {}).items())
        self.send("D", b"M" + pairs)
        self.send("M", b"<bob@example.net>\0")
        for address in rcpt or ("ann@example.org",):
            self.send("R", f"<{address}>\0".encode())
        for name, value in fields:
            self.send("L", f"{name}\0{value}\0".encode())
        self.send("N")
        answer = await self.receive()
        if answer[0] == "a":
            return [answer]
        assert answer[0] == "c"
        if body:
            self.send("B", body)
        self.send("E")
        answers = [await self.receive()]
        while answers[-1][0] not in "acdty":
            answers.append(await self.receive())
        return answers


@dataclass
class Flow:
    """Stands where the flow is: keeps what it was given, answers what the test says."""

    mails: list[Mail] = field(default_factory=list)
    answer: Callable[[Mail], Disposition] = lambda mail: Disposition(headers=b"X-iMIP-Gateway: outcome=applied\r\n")

    async def examine(self, mail: Mail) -> Disposition:
        self.mails.append(mail)
        return self.answer(mail)


@pytest.fixture
def flow() -> Flow:
    return Flow()


@pytest.fixture(params=["tcp", "unix"])
async def postfix(request: pytest.FixtureRequest, flow: Flow, tmp_path: Path) -> AsyncIterator[Postfix]:
    listen = f"unix:{tmp_path}/milter.sock" if request.param == "unix" else "127.0.0.1:0"

    async def addresses(login: str) -> frozenset[str]:
        return frozenset({login})

    services = MilterServices(
        examine=flow.examine, may_hold_calendar=may_hold_calendar, is_ours=lambda address: "bounce+" in address,
        addresses_of_login=addresses, new_id=lambda: "m1", max_message_size=100_000,
    )  # fmt: skip
    listener = MilterListener(Listener(kind="milter", listen=listen), services)
    await listener.start()
    if request.param == "unix":
        reader, writer = await asyncio.open_unix_connection(f"{tmp_path}/milter.sock")
    else:
        host, _, port = listener.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
    yield Postfix(reader, writer)
    writer.close()
    await listener.stop(1)


async def test_negotiates_away_what_it_does_not_need(postfix: Postfix) -> None:
    version, actions, steps = await postfix.negotiate()
    assert version == 6
    assert actions == 0x01 | 0x08 | 0x10 | 0x100
    assert steps & 0x03 == 0x03  # neither connect nor helo
    assert not steps & (0x04 | 0x08 | 0x10 | 0x20 | 0x40)  # mail, rcpt, body, header and end of header are wanted
    assert not steps & 0x40000  # the end of the header is answered: there the mail may go by


async def test_asks_for_the_macros_it_reads_and_leaves_none_to_the_configuration(postfix: Postfix) -> None:
    """An empty list is "as configured" to Postfix, whose defaults name neither the client nor, in some, the login."""
    await postfix.negotiate()
    asked, at = {}, 0
    while at < len(postfix.macros):
        end = postfix.macros.index(b"\0", at + 4)
        asked[struct.unpack_from("!I", postfix.macros, at)[0]] = postfix.macros[at + 4 : end].decode()
        at = end + 1
    assert sorted(asked) == list(range(7))
    assert all(asked.values())
    names = " ".join(asked.values())
    assert all(name in names for name in ("i", "{auth_authen}", "{client_addr}", "{client_name}"))


async def test_what_was_said_of_one_mail_is_not_said_of_the_next(postfix: Postfix, flow: Flow) -> None:
    """A queue id and a login belong to a mail, the client to the connection."""
    await postfix.negotiate()
    postfix.send("D", b"C{client_addr}\x00192.0.2.1\0")
    for login, queue_id in ((b"{auth_authen}\0bob@example.net\0", b"i\x004AbC\0"), (b"", b"")):
        postfix.send("D", b"M" + login)
        postfix.send("M", b"<bob@example.net>\0")
        postfix.send("R", b"<ann@example.org>\0")
        postfix.send("D", b"L" + queue_id)
        for name, value in CALENDAR:
            postfix.send("L", f"{name}\0{value}\0".encode())
        postfix.send("N")
        assert (await postfix.receive())[0] == "c"
        postfix.send("E")
        while (await postfix.receive())[0] != "a":
            pass
    first, second = (mail.origin for mail in flow.mails)
    assert (first.login, first.queue_id, first.client_address) == ("bob@example.net", "4AbC", "192.0.2.1")
    assert (second.login, second.queue_id, second.client_address) == (None, None, "192.0.2.1")


async def test_never_asks_for_what_was_not_offered(postfix: Postfix) -> None:
    postfix.send("O", struct.pack("!III", 2, 0x01, 0x00))
    _, data = await postfix.receive()
    assert struct.unpack("!III", data) == (2, 0x01, 0)


async def test_mail_without_a_calendar_goes_by_at_the_end_of_the_header(postfix: Postfix, flow: Flow) -> None:
    await postfix.negotiate()
    assert await postfix.mail(PLAIN, b"hello\r\n") == [("a", b"")]
    assert flow.mails == []


async def test_a_multipart_without_calendar_goes_by_at_its_end(postfix: Postfix, flow: Flow) -> None:
    await postfix.negotiate()
    fields = [("Content-Type", ' multipart/mixed; boundary="b"')]
    assert await postfix.mail(fields, b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--\r\n") == [("a", b"")]
    assert flow.mails == []


@pytest.mark.parametrize(
    "fields",
    [
        [("Content-Type", " text/plain; name=invite.ics")],
        [("Content-Type", " text/plain"), ("Content-Disposition", " attachment;\n filename=invite.ics")],
        [("Content-Disposition", ' attachment; filename="invite.ics"')],
        [("Content-Type", "\n (ours) text/calendar; method=REPLY")],
        [("Content-Type", ' application/octet-stream; name="=?utf-8?B?aW52aXRlLmljcw==?="')],
        [("Content-Type", "\n\tMultipart/Mixed; boundary=b")],
    ],
)
async def test_a_header_that_leaves_a_calendar_open_lets_the_body_come(
    postfix: Postfix, flow: Flow, fields: list[tuple[str, str]]
) -> None:
    await postfix.negotiate()
    body = b"--b\r\nContent-Type: text/calendar\r\n\r\nx\r\n--b--\r\n"
    await postfix.mail([*fields, ("From", " ann@example.org")], body)
    assert len(flow.mails) == 1


async def test_the_flow_sees_the_mail_as_it_came(postfix: Postfix, flow: Flow) -> None:
    await postfix.negotiate()
    fields = [("X-Folded", " one\n\ttwo"), *CALENDAR]
    macros = {"i": "4AbC", "auth_authen": "bob@example.net", "client_addr": "192.0.2.1"}
    answers = await postfix.mail(fields, b"BEGIN:VCALENDAR\r\n", "ann@example.org", "eve@example.org", macros=macros)
    assert [answer for answer, _ in answers] == ["i", "a"]
    assert answers[0][1] == struct.pack("!I", 0) + b"X-iMIP-Gateway\0 outcome=applied\0"
    (mail,) = flow.mails
    assert mail.data == (
        b"X-Folded: one\r\n\ttwo\r\nFrom: ann@example.org\r\n"
        b"Content-Type: text/calendar; method=REPLY\r\n\r\nBEGIN:VCALENDAR\r\n"
    )
    assert mail.envelope.mail_from == "bob@example.net"
    assert mail.envelope.recipients == ("ann@example.org", "eve@example.org")
    assert mail.origin.queue_id == "4AbC"
    assert mail.origin.login_addresses == {"bob@example.net"}


async def test_three_mails_in_one_session_do_not_mix(postfix: Postfix, flow: Flow) -> None:
    await postfix.negotiate()
    for number in range(3):
        flow.answer = lambda mail, n=number: Disposition(headers=f"X-iMIP-Gateway: n={n}\r\n".encode())
        answers = await postfix.mail(CALENDAR, f"mail {number}\r\n".encode(), f"r{number}@example.org")
        assert answers[0][1].endswith(f"n={number}\0".encode())
        assert len(answers) == 2
        postfix.send("A")
    bodies = [mail.data.rpartition(b"\r\n\r\n")[2] for mail in flow.mails]
    assert bodies == [b"mail 0\r\n", b"mail 1\r\n", b"mail 2\r\n"]
    assert [mail.envelope.recipients for mail in flow.mails] == [(f"r{n}@example.org",) for n in range(3)]


async def test_an_aborted_mail_leaves_nothing_behind(postfix: Postfix, flow: Flow) -> None:
    await postfix.negotiate()
    postfix.send("M", b"<evil@example.net>\0")
    postfix.send("L", b"X-Old\0 yes\0")
    postfix.send("A")
    await postfix.mail(CALENDAR, b"x\r\n")
    assert b"X-Old" not in flow.mails[0].data
    assert flow.mails[0].envelope.mail_from == "bob@example.net"


async def test_forged_headers_are_removed_by_name_and_number(postfix: Postfix, flow: Flow) -> None:
    await postfix.negotiate()

    def drop_both(mail: Mail) -> Disposition:
        spans = []
        position = 0
        for line in mail.data.split(b"\r\n\r\n")[0].split(b"\r\n"):
            end = position + len(line) + 2
            if line.lower().startswith(b"x-imip-gateway"):
                spans.append((position, end))
            position = end
        return Disposition(drop=tuple(spans))

    flow.answer = drop_both
    fields = [("X-iMIP-Gateway", " forged"), ("Subject", " x"), ("x-imip-gateway", " again"), *CALENDAR]
    answers = await postfix.mail(fields, b"x\r\n")
    changes = [(struct.unpack("!I", data[:4])[0], data[4:]) for answer, data in answers if answer == "m"]
    assert [number for number, _ in changes] == [2, 1]  # the last first, so that numbers stay true
    assert all(rest.lower().startswith(b"x-imip-gateway\0") and rest.endswith(b"\0\0") for _, rest in changes)


async def test_a_report_to_our_own_address_is_taken_whole(postfix: Postfix, flow: Flow) -> None:
    await postfix.negotiate()
    flow.answer = lambda mail: Disposition(consumed=frozenset(mail.envelope.recipients))
    assert await postfix.mail(PLAIN, b"failed\r\n", "bounce+x@example.org") == [("d", b"")]


async def test_some_recipients_are_ours(postfix: Postfix, flow: Flow) -> None:
    await postfix.negotiate()
    flow.answer = lambda mail: Disposition(consumed=frozenset({"bounce+x@example.org"}))
    answers = await postfix.mail(PLAIN, b"failed\r\n", "bounce+x@example.org", "ann@example.org")
    assert answers == [("-", b"<bounce+x@example.org>\0"), ("a", b"")]


@pytest.mark.parametrize("error", [Deferred("store-busy", "Storage is busy"), ZeroDivisionError("secret text")])
async def test_trouble_of_ours_is_temporary_and_says_nothing_private(
    postfix: Postfix, flow: Flow, error: Exception
) -> None:
    await postfix.negotiate()

    def fail(mail: Mail) -> Disposition:
        raise error

    flow.answer = fail
    ((answer, data),) = await postfix.mail(CALENDAR, b"x\r\n")
    assert answer == "y"
    assert data.startswith(b"451 4.3.0 ")
    assert b"secret" not in data
    flow.answer = lambda mail: Disposition()
    assert await postfix.mail(CALENDAR, b"x\r\n") == [("a", b"")]  # the session goes on


async def test_a_mail_too_large_to_look_at_goes_by(postfix: Postfix, flow: Flow) -> None:
    await postfix.negotiate()
    assert await postfix.mail(CALENDAR, b"x" * 60_000 + b"y" * 5_000) != [("a", b"")]
    flow.mails.clear()
    postfix.send("M", b"<a@example.net>\0")
    postfix.send("R", b"<b@example.org>\0")
    postfix.send("L", b"Content-Type\0 text/calendar\0")
    postfix.send("N")
    assert await postfix.receive() == ("c", b"")
    for _ in range(4):
        postfix.send("B", b"z" * 60_000)
    postfix.send("E")
    assert await postfix.receive() == ("a", b"")
    assert flow.mails == []


@pytest.mark.parametrize("octets", [b"\0\0\0\0", b"\xff\xff\xff\xffL", b"\0\0\0\x03O\0\0"])
async def test_hostile_packets_end_the_session_and_nothing_else(postfix: Postfix, octets: bytes) -> None:
    postfix.writer.write(octets)
    assert await postfix.reader.read() == b""


async def test_unknown_commands_are_gone_past(postfix: Postfix) -> None:
    await postfix.negotiate()
    postfix.send("Z", b"of a later protocol")
    assert await postfix.receive() == ("c", b"")


def test_header_lines_keep_their_folds() -> None:
    assert parse_header_lines(b"A: one\r\n\ttwo\r\nB: x\r\n") == [("A", " one\n\ttwo"), ("B", " x")]


async def test_a_peer_from_elsewhere_is_not_heard(flow: Flow) -> None:
    async def addresses(login: str) -> frozenset[str]:
        return frozenset()

    services = MilterServices(
        flow.examine, may_hold_calendar, lambda _: False, addresses, lambda: "m1", admits=lambda address: False
    )
    listener = MilterListener(Listener(kind="milter", listen="127.0.0.1:0"), services)
    await listener.start()
    try:
        host, _, port = listener.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(struct.pack("!IcIII", 13, b"O", 6, 0x1FF, 0x1FFFFF))
        assert await reader.read() == b""
        writer.close()
    finally:
        await listener.stop(1)


async def test_a_file_that_is_no_socket_is_not_taken_away(flow: Flow, tmp_path: Path) -> None:
    async def addresses(login: str) -> frozenset[str]:
        return frozenset()

    (tmp_path / "notes").write_text("keep")
    services = MilterServices(flow.examine, may_hold_calendar, lambda _: False, addresses, lambda: "m1")
    with pytest.raises(Misconfigured):
        await MilterListener(Listener(kind="milter", listen=f"unix:{tmp_path}/notes"), services).start()
    assert (tmp_path / "notes").read_text() == "keep"


async def test_an_mta_that_permits_no_change_gets_none(postfix: Postfix, flow: Flow) -> None:
    postfix.send("O", struct.pack("!III", 6, 0, 0x1FFFFF))
    assert (await postfix.receive())[0] == "O"
    assert await postfix.mail(CALENDAR, b"x") == [("a", b"")]
    assert len(flow.mails) == 1
