# SPDX-License-Identifier: Apache-2.0
"""Bind the milter's socket, keep count of its sessions, and drain them at the end."""

import asyncio

from gateway.config import Listener
from gateway.errors import Misconfigured
from gateway.milter.session import MilterServices, MilterSession
from gateway.sockets import bind_unix, unbind_unix


class MilterListener:
    """A bound milter door."""

    def __init__(self, listener: Listener, services: MilterServices, *, shared: bool = False) -> None:
        self._listener = listener
        self._shared = shared or None  # several processes behind one port
        self._services = services
        self._sessions: set[MilterSession] = set()
        self._server: asyncio.Server | None = None
        self.address = listener.listen

    async def start(self) -> None:
        """Bind and begin to accept.

        Raises:
            Misconfigured: `listen` when the address cannot be bound.
        """
        loop, where = asyncio.get_running_loop(), self._listener.address
        try:
            if where.path:
                bound = bind_unix(where.path, int(self._listener.socket_mode, 8))
                self._server = await loop.create_unix_server(self._session, sock=bound)
            else:
                self._server = await loop.create_server(self._session, where.host, where.port, reuse_port=self._shared)
                host, port = self._server.sockets[0].getsockname()[:2]
                self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        except OSError as error:
            raise Misconfigured(
                "listen", f"Cannot listen on {self._listener.listen}: {error.strerror or error}"
            ) from error

    async def stop(self, grace: float) -> None:
        """Take no new connection, finish the mails at hand (at most `grace` seconds), close."""
        if self._server is None:
            return
        self._server.close()
        for session in tuple(self._sessions):
            session.drain()
        if work := {session.work for session in self._sessions if session.work is not None}:
            await asyncio.wait(work, timeout=grace)
        for session in tuple(self._sessions):
            session.close()
        if self._listener.address.path:
            unbind_unix(self._listener.address.path)

    def _session(self) -> MilterSession:
        return MilterSession(self._services, self._register)

    def _register(self, session: MilterSession, connected: bool) -> None:
        (self._sessions.add if connected else self._sessions.discard)(session)
