# SPDX-License-Identifier: Apache-2.0
"""How long and how much a connection may take before it has said what it wants.

uvicorn waits for ever for the first octet and for the end of a request's head, and reads heads of any length; a few
hundred silent connections would close the door for everybody. What comes after the head has its own limits
(`server.Deadline`, `gateway.http.body`).
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.metrics import Counter

#: A request line and header fields; a token and a browser's fields take two thousand octets.
MAX_HEAD = 64 * 1024

_closed = Counter("imip_http_impatience_total", "Connections closed before a whole request head came, by reason.")


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a deadline and a size for the head of every request."""

    seconds = 30.0
    _alarm: asyncio.TimerHandle | None = None
    _head = 0
    _in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._calm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head += len(data)
            if self._alarm is None:  # empty lines begin no request, and end uvicorn's own wait for the next one
                self._expect()
        super().data_received(data)
        if self._in_head and self._head > MAX_HEAD and not self.transport.is_closing():
            self._close(431, "size")

    def on_message_begin(self) -> None:
        self._expect()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._calm()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head, self._head = True, 0
        super().on_message_complete()

    def _expect(self) -> None:
        self._calm()
        self._alarm = self.loop.call_later(self.seconds, self._close, 408, "time")

    def _calm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _close(self, status: int, reason: str) -> None:
        """Say why where a head had begun, and close (RFC 9110 §15.5.9; RFC 6585 §5)."""
        if self.transport.is_closing():
            return
        _closed.add(reason=reason)
        if self._head:
            self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()


def patient(seconds: float) -> type[asyncio.Protocol]:
    """Return the protocol with this deadline; uvicorn makes one for each connection."""
    members: dict[str, Any] = {"seconds": seconds}
    return type("PatientProtocol", (PatientProtocol,), members)
