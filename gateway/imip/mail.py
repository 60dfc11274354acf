# SPDX-License-Identifier: Apache-2.0
"""One mail as every door sees it: envelope, octets, and what the transport knows about who brought it.

The octets are never re-serialised: what leaves is `Disposition.headers` + the received bytes (minus `drop`).
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Door(StrEnum):
    """Where a mail came in; the kinds of `[[listener]]`."""

    FILTER = "filter"
    LMTP = "lmtp"
    MILTER = "milter"
    SUBMISSION = "submission"


class Direction(StrEnum):
    """Which way a mail goes; `BOTH` means: look at recipient and sender domain."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Rcpt:
    """One envelope recipient: address without angle brackets, ESMTP parameters as received (RFC 3461 case kept)."""

    address: str
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Envelope:
    """The SMTP envelope (RFC 5321 §2.3.1). `mail_from` is "" for the null reverse-path."""

    mail_from: str
    rcpt_to: tuple[Rcpt, ...]
    parameters: tuple[str, ...] = ()  # of MAIL: BODY=, SMTPUTF8, RET=, ENVID=, AUTH=; SIZE= is recomputed

    @property
    def recipients(self) -> tuple[str, ...]:
        return tuple(rcpt.address for rcpt in self.rcpt_to)


@dataclass(frozen=True, slots=True)
class Origin:
    """What the transport knows: the door, XFORWARD's words (Postfix), and the login if there was one."""

    door: Door
    direction: Direction
    queue_id: str | None = None  # XFORWARD IDENT or milter macro {i}
    client_name: str | None = None
    client_address: str | None = None
    helo: str | None = None
    login: str | None = None  # SASL user, where the session was authenticated
    login_addresses: frozenset[str] = frozenset()  # every address that login may use


@dataclass(frozen=True, slots=True)
class Mail:
    """A received mail. `data` is the message exactly as received, dots unstuffed, CRLF line ends."""

    id: str
    envelope: Envelope
    origin: Origin
    data: bytes
    trace: bytes = b""  # header lines that the door puts on top of whatever leaves; nothing where Postfix does that


@dataclass(frozen=True, slots=True)
class PartOutcome:
    """What became of one calendar part for one recipient; journal row, log line and header say the same."""

    recipient: str
    method: str
    uid: str
    outcome: str  # applied | held | ignored | refused | none
    rule: str
    reason: str
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Disposition:
    """What to do with the mail after it was looked at.

    `headers` (complete lines, CRLF each) go on top; `drop` are byte ranges of the received data to leave out
    (forged headers only, ascending, disjoint); recipients in `consumed` are ours and are not passed on.
    """

    headers: bytes = b""
    drop: tuple[tuple[int, int], ...] = ()
    consumed: frozenset[str] = frozenset()
    outcomes: tuple[PartOutcome, ...] = field(default=())

    def apply_to(self, data: bytes) -> bytes:
        """Return the octets to pass on."""
        pieces, position = [self.headers], 0
        for start, end in self.drop:
            pieces.append(data[position:start])
            position = end
        pieces.append(data[position:])
        return b"".join(pieces)


#: Nothing to do: the mail leaves byte for byte as it came.
PASS = Disposition()
