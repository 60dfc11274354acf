# SPDX-License-Identifier: Apache-2.0
"""Octets that a peer has sent and we have not read: whole lines for commands, whole chunks for messages."""

import asyncio


class Inbox:
    """The reading side of one connection. One reader; `feed` and `end` come from the transport."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._octets = b""
        self._at = 0  # how far it was read; cutting for each line would cost the square of a flood
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._octets) - self._at

    @property
    def ended(self) -> bool:
        """Nothing more will come."""
        return self._ended

    def feed(self, data: bytes) -> None:
        """Take what arrived."""
        self._octets = self.take_all() + data if self._octets else data
        self._wake()

    def end(self) -> None:
        """Nothing more will come: half-closed or lost."""
        self._ended = True
        self._wake()

    def clear(self) -> None:
        """Forget what was not read: what came before TLS is not believed after it (RFC 3207 §4.2)."""
        self._octets, self._at = b"", 0

    def put_back(self, octets: bytes) -> None:
        """Give back what was read too far."""
        self._octets = octets + self.take_all()

    def take_line(self) -> bytes | None:
        """Return a line with its end, None where there is none yet."""
        start, end = self._at, self._octets.find(b"\n", self._at) + 1
        if not end:
            return None
        line, self._at = self._octets[start:end], end
        if end == len(self._octets):
            self._octets, self._at = b"", 0
        return line

    def take_all(self) -> bytes:
        """Return everything that is here, perhaps nothing."""
        octets = self._octets[self._at :] if self._at else self._octets
        self._octets, self._at = b"", 0
        return octets

    async def more(self) -> None:
        """Wait until something arrived or the connection ended."""
        if self._ended:
            return
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
