# SPDX-License-Identifier: Apache-2.0
"""What a next hop is, whatever it speaks: hand over a mail, learn for each recipient what became of it.

Two ways to hand over. `Relay.deliver` takes a whole mail (our own outgoing mail). `Relay.begin` opens a
`Handover` that follows somebody else's dialog recipient by recipient, so that a door can answer each RCPT
with the next hop's own words and answer the final dot only after the next hop did (RFC 5321 §4.2.5).

Trouble on the way is never an exception: it is a 4xx result for the recipients concerned, with the stage
at which it struck. Only bugs raise.
"""

from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.imip.mail import Envelope, Rcpt

#: A message on its way: in memory as pieces, or read piece by piece from where it was spooled.
Body = Sequence[bytes] | AsyncIterable[bytes]


class Stage(StrEnum):
    """How far a hand-over had come when its result was known."""

    CONNECT = "connect"  # no usable connection: refused, timed out, greeting, EHLO, TLS, AUTH
    KEYWORD = "keyword"  # the hop does not offer an extension that this mail cannot do without
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"  # after the end of data: the final word
    OURS = "ours"  # never got there: the mail ended with us


@dataclass(frozen=True, slots=True)
class HopReply:
    """One reply of an SMTP or LMTP server; `text` keeps several lines apart by a line feed."""

    code: int
    enhanced: str
    text: str

    @property
    def ok(self) -> bool:
        return 200 <= self.code < 300


@dataclass(frozen=True, slots=True)
class RcptResult:
    """What became of one recipient: the next hop's code, enhanced status ("" if it gave none) and words."""

    address: str
    code: int
    enhanced: str
    text: str
    stage: Stage

    @property
    def ok(self) -> bool:
        return 200 <= self.code < 300

    @property
    def temporary(self) -> bool:
        return 400 <= self.code < 500

    def __str__(self) -> str:
        return " ".join(word for word in (str(self.code), self.enhanced, self.text.replace("\n", " ")) if word)


@dataclass(frozen=True, slots=True)
class XForward:
    """What Postfix told us of the real client (XFORWARD_README): attribute names and raw xtext values, in order."""

    attributes: tuple[tuple[str, str], ...] = ()

    def value(self, name: str) -> str | None:
        """Return an attribute decoded, None where it was not given or is `[UNAVAILABLE]`."""
        for known, raw in self.attributes:
            if known == name:
                return None if raw.upper() == "[UNAVAILABLE]" else decode_xtext(raw)
        return None

    def merged(self, later: "XForward") -> "XForward":
        """Return these attributes with `later` ones put over them."""
        return XForward(tuple({**dict(self.attributes), **dict(later.attributes)}.items()))


def decode_xtext(raw: str) -> str:
    """Decode xtext (RFC 3461 §4): `+3D` is `=`. What does not decode stays as it is."""
    if "+" not in raw:
        return raw
    head, *rest = raw.encode("utf-8", "surrogateescape").split(b"+")
    decoded = head
    for piece in rest:
        try:
            decoded += bytes.fromhex(piece[:2].decode("ascii")) + piece[2:]
        except ValueError:
            decoded += b"+" + piece
    return decoded.decode("utf-8", "replace")


class Handover(Protocol):
    """One mail transaction with the next hop, in step with the dialog at our own door."""

    async def rcpt(self, rcpt: Rcpt) -> RcptResult:
        """Offer one recipient and return the next hop's answer, word for word where there is one."""
        ...

    async def data(self, body: Body) -> tuple[RcptResult, ...]:
        """Send the message and return a result for each recipient that was accepted, in order."""
        ...

    async def abandon(self) -> None:
        """Give the transaction up: nothing was delivered, nothing will be. Harmless after `data`."""
        ...


class Relay(Protocol):
    """A next hop."""

    async def deliver(
        self, envelope: Envelope, data: bytes, *, xforward: XForward | None = None
    ) -> tuple[RcptResult, ...]:
        """Hand over a whole mail; one result for each recipient, in order."""
        ...

    def begin(self, mail_from: str, parameters: tuple[str, ...] = (), *, xforward: XForward | None = None) -> Handover:
        """Begin a transaction that follows somebody else's dialog."""
        ...

    async def probe(self) -> HopReply:
        """Greet the hop and say good-bye: is it there, does it speak, does it let us in?"""
        ...

    async def close(self) -> None:
        """Say good-bye on idle connections; for the end of the program."""
        ...
