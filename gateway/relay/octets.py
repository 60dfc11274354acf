# SPDX-License-Identifier: Apache-2.0
"""A message on the wire: dot-stuffed after DATA (RFC 5321 §4.5.2), or as it is after BDAT (RFC 3030 §2).

Byte-exact either way: libraries that normalise line ends or stuff after a bare LF would break DKIM signatures.
A message that does not end its last line gets that line ended, and nothing else is changed.
"""

from collections.abc import AsyncIterator, Sequence

from gateway.relay.hop import Body


def as_chunk(body: Sequence[bytes]) -> bytes:
    """Return a whole message as one chunk that is also the last, its command on top."""
    octets = b"".join(body)
    if octets and not octets.endswith(b"\r\n"):
        octets += b"\r\n"
    return b"BDAT %d LAST\r\n%b" % (len(octets), octets)


async def pieces_of(body: Body) -> AsyncIterator[bytes]:
    """Yield the octets of a message, wherever it waits."""
    if isinstance(body, Sequence):
        for piece in body:
            yield piece
        return
    async for piece in body:
        yield piece


class Stuffer:
    """Doubles the dot at the beginning of a line, however the message is cut into pieces."""

    def __init__(self) -> None:
        self._tail = b"\r\n"

    def __call__(self, piece: bytes) -> bytes:
        if not piece:
            return piece
        tail = self._tail
        self._tail = piece[-2:] if len(piece) > 1 else tail[-1:] + piece
        if b"." not in piece:  # one memchr: base64 never pays for the rest
            return piece
        if b"\r\n." in tail + piece[:2]:
            return (tail + piece).replace(b"\r\n.", b"\r\n..")[len(tail) :]
        return piece.replace(b"\r\n.", b"\r\n..")

    def end(self) -> bytes:
        """Return the end of data."""
        return b".\r\n" if self._tail == b"\r\n" else b"\r\n.\r\n"
