# SPDX-License-Identifier: Apache-2.0
"""The milter protocol's octets: packets to commands and answers to packets. No sockets, no decisions.

A packet is a 32-bit length, one command octet, and data; texts end with NUL. Postfix speaks version 6 and
sends at most 65,535 octets of data in one packet.
"""

import struct
from collections.abc import Iterator
from enum import IntFlag, StrEnum
from functools import lru_cache
from typing import NamedTuple

from gateway.errors import Refused

MAX_PACKET = 1 << 20
_LENGTH = struct.Struct("!I")
VERSION = 6


class Command(StrEnum):
    """What the MTA says."""

    ABORT = "A"
    BODY = "B"
    CONNECT = "C"
    MACRO = "D"
    BODY_END = "E"
    HELO = "H"
    QUIT_NEW = "K"
    HEADER = "L"
    MAIL = "M"
    HEADERS_END = "N"
    NEGOTIATE = "O"
    QUIT = "Q"
    RCPT = "R"
    DATA = "T"
    UNKNOWN = "U"


class Answer(StrEnum):
    """What we say."""

    ADD_HEADER = "h"
    INSERT_HEADER = "i"
    CHANGE_HEADER = "m"
    DELETE_RCPT = "-"
    CONTINUE = "c"
    ACCEPT = "a"
    DISCARD = "d"
    TEMPFAIL = "t"
    REPLY = "y"
    PROGRESS = "p"
    NEGOTIATE = "O"


class Actions(IntFlag):
    """What a filter may do to a mail."""

    ADD_HEADERS = 0x01
    DELETE_RCPT = 0x08
    CHANGE_HEADERS = 0x10
    SET_MACROS = 0x100


class Steps(IntFlag):
    """Steps that a filter does not want, or does not answer."""

    NO_CONNECT = 0x01
    NO_HELO = 0x02
    NO_UNKNOWN = 0x100
    NO_DATA = 0x200
    NO_REPLY_HEADER = 0x80
    NO_REPLY_MAIL = 0x4000
    NO_REPLY_RCPT = 0x8000
    NO_REPLY_BODY = 0x80000
    HEADER_LEADING_SPACE = 0x100000


#: Needed: without these the door cannot do its work.
WANTED_ACTIONS = Actions.ADD_HEADERS | Actions.CHANGE_HEADERS | Actions.DELETE_RCPT | Actions.SET_MACROS
#: Negotiated away or left unanswered where the MTA offers it; each saves a round trip.
WANTED_STEPS = (
    Steps.NO_CONNECT
    | Steps.NO_HELO
    | Steps.NO_UNKNOWN
    | Steps.NO_DATA
    | Steps.NO_REPLY_HEADER
    | Steps.NO_REPLY_MAIL
    | Steps.NO_REPLY_RCPT
    | Steps.NO_REPLY_BODY
    | Steps.HEADER_LEADING_SPACE
)
#: The macros we read, by the protocol's number of a stage: whatever the MTA is set up to send, it sends these.
#: None is left empty: Postfix takes that for "as set up".
WANTED_MACROS = {
    0: "{client_addr} {client_name}",  # connect
    1: "i",  # HELO
    2: "{auth_authen}",  # MAIL
    3: "i",  # RCPT
    4: "i",  # DATA
    5: "i",  # end of message
    6: "i",  # end of header
}
#: Where a command goes unanswered if the MTA grants the step.
_UNANSWERED = {
    Command.MAIL: Steps.NO_REPLY_MAIL,
    Command.RCPT: Steps.NO_REPLY_RCPT,
    Command.HEADER: Steps.NO_REPLY_HEADER,
    Command.BODY: Steps.NO_REPLY_BODY,
}


class Packet(NamedTuple):
    """One command of the MTA with its data."""

    command: str
    data: bytes

    def texts(self) -> list[bytes]:
        """Return the data as NUL-ended texts."""
        return self.data.removesuffix(b"\0").split(b"\0") if self.data else []


class PacketReader:
    """Collects octets and gives whole packets."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, octets: bytes) -> Iterator[Packet]:
        """Add what arrived and yield what is complete.

        Raises:
            Refused: `bad-packet` for a length that is zero or beyond any sense.
        """
        octets = self._rest + octets if self._rest else octets
        at, end = 0, len(octets)
        self._rest = b""
        while end - at >= 4:
            (length,) = _LENGTH.unpack_from(octets, at)
            if not 1 <= length <= MAX_PACKET:
                raise Refused("bad-packet", f"A milter packet of {length} octets")
            if end - at < 4 + length:
                break
            begin, at = at, at + 4 + length
            yield Packet(chr(octets[begin + 4]), octets[begin + 5 : at])
        self._rest = octets[at:]


def build_packet(answer: Answer, data: bytes = b"") -> bytes:
    """Return one packet."""
    return struct.pack("!I", len(data) + 1) + answer.encode("ascii") + data


def parse_negotiation(packet: Packet) -> tuple[int, Actions, Steps]:
    """Return what the MTA offers: version, actions, steps.

    Raises:
        Refused: `bad-packet`.
    """
    if len(packet.data) < 12:
        raise Refused("bad-packet", "A negotiation that is cut short")
    version, actions, steps = struct.unpack_from("!III", packet.data)
    return version, Actions(actions), Steps(steps)


def build_negotiation(version: int, actions: Actions, steps: Steps) -> bytes:
    """Return our half of the negotiation."""
    half = struct.pack("!III", min(version, VERSION), actions, steps)
    if actions & Actions.SET_MACROS:
        half += b"".join(struct.pack("!I", stage) + _texts(names) for stage, names in WANTED_MACROS.items())
    return build_packet(Answer.NEGOTIATE, half)


class Bargain(NamedTuple):
    """What was agreed at the beginning of a connection."""

    answer: bytes  # our half of the negotiation
    actions: Actions
    leading_space: bool  # values come with the blank behind the colon
    answered: frozenset[str]  # commands that wait for CONTINUE, of those that need not


@lru_cache(16)
def negotiate(offer: bytes) -> Bargain:
    """Take of what the MTA offers what we want. It offers the same each time.

    Raises:
        Refused: `bad-packet`.
    """
    version, actions, steps = parse_negotiation(Packet(Command.NEGOTIATE, offer))
    actions, steps = WANTED_ACTIONS & actions, WANTED_STEPS & steps
    answered = frozenset(command.value for command, step in _UNANSWERED.items() if not steps & step)
    return Bargain(
        build_negotiation(version, actions, steps), actions, bool(steps & Steps.HEADER_LEADING_SPACE), answered
    )


def parse_macros(packet: Packet) -> tuple[str, dict[str, str]]:
    """Return the command that macros belong to, and the macros by name without braces."""
    stage, texts = packet.data[:1].decode("latin-1"), Packet("", packet.data[1:]).texts()
    names, values = texts[0::2], texts[1::2]
    pairs = zip(names, values, strict=False)
    return stage, {_text(name).strip("{}"): _text(value) for name, value in pairs}


def parse_path(text: bytes) -> str:
    """Return the address of a MAIL or RCPT argument without its angle brackets."""
    path = _text(text).strip()
    return path[1:-1] if path[:1] == "<" and path[-1:] == ">" else path


def build_insert_header(index: int, name: str, value: str) -> bytes:
    """Insert a header field before the one at `index`, 0 being the top."""
    return build_packet(Answer.INSERT_HEADER, struct.pack("!I", index) + _texts(name, value))


def build_delete_header(name: str, occurrence: int) -> bytes:
    """Delete the so manieth field of a name, counted from 1."""
    return build_packet(Answer.CHANGE_HEADER, struct.pack("!I", occurrence) + _texts(name, ""))


def build_delete_rcpt(address: str) -> bytes:
    """Take one recipient off the mail."""
    return build_packet(Answer.DELETE_RCPT, _texts(f"<{address}>"))


def build_reply(line: str) -> bytes:
    """Answer with an SMTP reply of our own; `%` is doubled, as the protocol has it."""
    return build_packet(Answer.REPLY, _texts(line.replace("%", "%%")))


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def _texts(*texts: str) -> bytes:
    return b"".join(text.replace("\0", "").encode("utf-8", "surrogateescape") + b"\0" for text in texts)
