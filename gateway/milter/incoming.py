# SPDX-License-Identifier: Apache-2.0
"""The mail that a milter connection is receiving, kept as it came: most mail goes by and is never read closer."""

from dataclasses import dataclass, field

from gateway.imip.mail import Envelope, Rcpt
from gateway.milter.wire import Packet, parse_path


@dataclass(slots=True)
class Incoming:
    """One mail, packet by packet."""

    sender: Packet
    recipients: list[Packet] = field(default_factory=list)
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)  # name, and the whole field as in the mail
    body: list[bytes] = field(default_factory=list)
    size: int = 0

    @property
    def header(self) -> bytes:
        """The header as it is in the mail, without the empty line."""
        return b"".join([whole for _, whole in self.fields])

    @property
    def rcpt_to(self) -> tuple[Rcpt, ...]:
        """The recipients with their parameters."""
        paths = [packet.texts() or [b""] for packet in self.recipients]
        return tuple(Rcpt(parse_path(path), _parameters(words)) for path, *words in paths)

    @property
    def envelope(self) -> Envelope:
        """Sender and recipients."""
        path, *words = self.sender.texts() or [b"<>"]
        return Envelope(parse_path(path), self.rcpt_to, _parameters(words))


def _parameters(words: list[bytes]) -> tuple[str, ...]:
    return tuple(word.decode("utf-8", "surrogateescape") for word in words)
