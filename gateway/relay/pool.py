# SPDX-License-Identifier: Apache-2.0
"""Open connections to one next hop, kept for a few seconds between mails.

Servers close what is idle (Postfix after 300 s, under stress after 10), so ours expire earlier, and
a connection that was used before is never trusted blindly: `client` retries once on a fresh one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from gateway.errors import Deferred
from gateway.metrics import Counter
from gateway.relay.wire import HopConnection

_opened = Counter("relay_connections_total", "Connections opened to the next hop.")
_reused = Counter("relay_connections_reused_total", "Mails that went over a connection already open.")


class Pool:
    """At most `limit` connections, the most recently used first."""

    def __init__(self, connect: Callable[[], Awaitable[HopConnection]], *, limit: int, idle: float, slot: float):
        self._connect = connect
        self._slots = asyncio.Semaphore(limit)
        self._idle_seconds = idle
        self._slot_seconds = slot
        self._idle: list[HopConnection] = []
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    async def take(self, *, fresh: bool = False) -> HopConnection:
        """Return a connection that is ours until `give_back`.

        Raises:
            Deferred: where none is free in time, or no new one can be opened.
        """
        await self._take_slot()
        taken = None
        try:
            if fresh:
                self._drop_idle()  # the hop was restarted or is tired of us: the others are as stale
            taken = self._fit() or await self._open()
            return taken
        finally:
            if taken is None:
                self._slots.release()

    def _fit(self) -> HopConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.stale and monotonic() - connection.idle_since < self._idle_seconds:
                _reused.add()
                return connection
            connection.quit()
        return None

    async def _open(self) -> HopConnection:
        connection = await self._connect()
        _opened.add()
        return connection

    def give_back(self, connection: HopConnection) -> None:
        """Take a connection back; a dead one is forgotten."""
        self._slots.release()
        if not connection.alive:
            return
        if self._closed:
            connection.quit()
            return
        connection.idle_since = monotonic()
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self._idle_seconds, self._expire)

    def close(self) -> None:
        """Say good-bye on all idle connections; those in use follow when they are given back."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        self._drop_idle()

    async def _take_slot(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            async with asyncio.timeout(self._slot_seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise Deferred("next-hop-down", "next hop: all connections are in use") from None

    def _expire(self) -> None:
        self._sweep = None
        horizon = monotonic() - self._idle_seconds
        kept = [connection for connection in self._idle if connection.alive and connection.idle_since > horizon]
        for connection in self._idle:
            if connection not in kept:
                connection.quit()
        self._idle = kept
        if kept:
            wait = max(0.05, kept[0].idle_since - horizon)
            self._sweep = asyncio.get_running_loop().call_later(wait, self._expire)

    def _drop_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.quit()
