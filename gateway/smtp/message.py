# SPDX-License-Identifier: Apache-2.0
"""The message as it comes in after DATA: its end, its dots, its size; in memory when small, on disk when large.

Read in bulk, as the octets arrive, never line by line: one search for the end in each piece. Nothing is changed
but the transparency dots (RFC 5321 §4.5.2); lines may be of any length. Only CR LF . CR LF ends a message, and what
another server might take for such an end (a dot between bare line ends) is refused, so nothing is smuggled past us.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from tempfile import TemporaryFile
from typing import IO

from gateway.relay.hop import Body
from gateway.smtp import answers

_LONG_LINE = 64 * 1024
_SLICE = 256 * 1024
#: A dot after a line end of any kind. Written so that the search runs from dot to dot, not from octet to octet.
_FIRST_IN_LINE = re.compile(rb"\.(?<=[\r\n]\.)")
_SHAPES = (b"\n.\n", b"\n.\r", b"\r.\r", b"\r.\n")


class DataReader:
    """Takes the octets after DATA piece by piece and says where the message ends.

    `fault` becomes the reply where the message cannot be passed on as it is. With `strict`, every bare CR and bare
    LF is one (for those who should know better); else only what could be taken for an end.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.fault: bytes | None = None
        self._strict = strict
        self._tail = b""  # the beginning of a line whose end has not come
        self._line_start = True
        self._edge = b"\r\n"  # the last octets that were given out

    def feed(self, chunk: bytes) -> tuple[bytes, bytes | None]:
        """Return octets of the message, and what follows its end (None as long as the end has not come)."""
        window = self._tail + chunk if self._tail else chunk
        if self._line_start and window.startswith(b".\r\n"):
            self._tail = b""
            return b"", window[3:]
        end = self._find_end(window)
        if end >= 0:
            return self._clean(window[: end + 2]), window[end + 5 :]
        cut = window.rfind(b"\r\n") + 2
        if cut < 2:
            if len(window) < _LONG_LINE:
                self._tail = window
                return b"", None
            cut = len(window) - 5  # a line without end; keep what could be the beginning of the end
        self._tail = window[cut:]
        return self._clean(window[:cut]), None

    @staticmethod
    def _find_end(window: bytes) -> int:
        if b"." not in window:  # one memchr, and base64 is done
            return -1
        if window.endswith(b"\r\n.\r\n") and _FIRST_IN_LINE.search(window, 0, len(window) - 3) is None:
            return len(window) - 5  # the usual case: all of it is here and no line begins with a dot
        return window.find(b"\r\n.\r\n")

    def _clean(self, piece: bytes) -> bytes:
        """Take the transparency dots out of whole lines, and judge their line ends."""
        line_start, self._line_start = self._line_start, piece.endswith(b"\r\n")
        edge, self._edge = self._edge + piece[:2], piece[-2:]
        if self._strict and not piece.count(b"\r") == piece.count(b"\n") == piece.count(b"\r\n"):
            self.fault = self.fault or answers.BARE_LINE_END
        dotted = b"." in piece and _FIRST_IN_LINE.search(piece) is not None
        if not dotted and b"." not in edge:
            return piece
        if any(shape in edge or (dotted and shape in piece) for shape in _SHAPES):
            self.fault = self.fault or answers.SMUGGLING
        if line_start and piece.startswith(b"."):
            piece = piece[1:]
        return piece.replace(b"\r\n.", b"\r\n") if dotted else piece


class Message:
    """A received message. Beyond `spool_above` octets it waits in an unlinked file, not in memory."""

    def __init__(self, spool_above: int = 2 * 2**20) -> None:
        self.size = 0
        self._spool_above = spool_above
        self._pieces: list[bytes] = []
        self._held = 0  # octets in `_pieces`
        self._file: IO[bytes] | None = None

    @property
    def is_large(self) -> bool:
        """Does it wait on disk?"""
        return self._file is not None

    async def add(self, piece: bytes) -> None:
        """Append octets.

        Raises:
            OSError: where the disk is full.
        """
        self._pieces.append(piece)
        self._held += len(piece)
        self.size += len(piece)
        if self._held > self._spool_above:
            await asyncio.to_thread(self._spool)

    async def whole(self) -> bytes:
        """Return all octets at once."""
        if self._file is None:
            return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        return await asyncio.to_thread(self._read)

    async def head(self, most: int) -> bytes:
        """Return the first octets."""
        if self._file is None:
            return b"".join(self._pieces)[:most]
        return await asyncio.to_thread(self._read, most)

    def body(self, *heads: bytes) -> Body:
        """Return the octets with others on top, to be sent."""
        return [*heads, *self._pieces] if self._file is None else self._slices(heads)

    def close(self) -> None:
        """Forget the octets."""
        self._pieces = []
        if self._file is not None:
            self._file.close()

    def _spool(self) -> None:
        if self._file is None:
            self._file = TemporaryFile(prefix="imip-gateway-")  # noqa: SIM115 (closed by `close`)
        self._file.write(b"".join(self._pieces))
        self._pieces, self._held = [], 0

    def _read(self, most: int = -1) -> bytes:
        """Read from the beginning; the file is left at its end, where `_spool` goes on."""
        assert self._file is not None
        if self._pieces:
            self._spool()
        self._file.seek(0)
        octets = self._file.read(most)
        self._file.seek(0, os.SEEK_END)
        return octets

    async def _slices(self, heads: tuple[bytes, ...]) -> AsyncIterator[bytes]:
        assert self._file is not None
        if self._pieces:
            await asyncio.to_thread(self._spool)
        for head in heads:
            yield head
        self._file.seek(0)
        while piece := await asyncio.to_thread(self._file.read, _SLICE):
            yield piece
