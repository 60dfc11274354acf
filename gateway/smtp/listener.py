# SPDX-License-Identifier: Apache-2.0
"""One bound address and the sessions behind it: who may come in, how many, and how they end when we stop."""

import asyncio
import contextlib
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from gateway.config.listeners import Address, Network, is_within
from gateway.errors import Misconfigured
from gateway.metrics import Gauge
from gateway.replies import REPLIES
from gateway.smtp import answers
from gateway.smtp.door import Door, Limits, Visitor
from gateway.smtp.protocol import Session
from gateway.sockets import bind_unix, unbind_unix

_log = logging.getLogger(__name__)
_sessions = Gauge("smtp_sessions", "Open SMTP and LMTP sessions.")
_BACKLOG = 512


class ServerTls:
    """The server side of TLS, with a certificate that is read again when its file changes: renewals need no restart."""

    def __init__(self, cert: Path, key: Path) -> None:
        self._cert, self._key = cert, key
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
        self._looked_at = 0.0
        self._seen = self._times()
        try:
            self.context.load_cert_chain(cert, key)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured("tls", f"certificate {cert} and key {key} cannot be used: {error}") from error

    def look(self, now: float, every: float = 30.0) -> None:
        """Read the certificate again if it changed; one that cannot be used leaves the old one in force."""
        if now - self._looked_at < every:
            return
        self._looked_at = now
        times = self._times()
        if times == self._seen:
            return
        try:
            self.context.load_cert_chain(self._cert, self._key)
        except (OSError, ssl.SSLError):
            _log.exception("the new certificate cannot be used", extra={"facts": {"file": self._cert}})
            return
        self._seen = times

    def _times(self) -> tuple[int, ...]:
        try:
            return tuple(path.stat().st_mtime_ns for path in (self._cert, self._key))
        except OSError:
            return ()


@dataclass(frozen=True, slots=True)
class Binding:
    """Where and how a listener binds. `peers` None: anybody may come in."""

    address: Address
    peers: tuple[Network, ...] | None = None
    tls: ServerTls | None = None
    implicit_tls: bool = False
    socket_mode: int = 0o660
    reuse_port: bool = False  # several processes share the address, the kernel shares out the connections


class SmtpListener:
    """Serves one door on one address."""

    def __init__(self, binding: Binding, door: Door, limits: Limits, *, hostname: str) -> None:
        self._binding, self._door, self._limits, self._hostname = binding, door, limits, hostname
        self._server: asyncio.Server | None = None
        self.address = str(binding.address)  # `127.0.0.1:10025` or `unix:/path`; the port is known once bound
        self._visitors: set[Visitor] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return len(self._visitors)

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            Misconfigured: where the address cannot be bound.
        """
        address, loop = self._binding.address, asyncio.get_running_loop()
        implicit = self._binding.tls.context if self._binding.tls is not None and self._binding.implicit_tls else None
        try:
            if address.path:
                self._server = await loop.create_unix_server(
                    self._session, sock=bind_unix(address.path, self._binding.socket_mode), ssl=implicit
                )
            else:
                self._server = await loop.create_server(
                    self._session,
                    address.host,
                    address.port,
                    ssl=implicit,
                    backlog=_BACKLOG,
                    reuse_port=self._binding.reuse_port or None,
                )
                host, port = self._server.sockets[0].getsockname()[:2]
                self.address = str(Address(host=host, port=port))
        except OSError as error:
            raise Misconfigured("listen", f"cannot listen on {address}: {error.strerror or error}") from error

    async def drain(self, seconds: float) -> None:
        """Take no more connections, let mails in hand finish, then cut what is left."""
        if self._server is not None:
            self._server.close()
        for visitor in list(self._visitors):
            visitor.leave()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        for visitor in list(self._visitors):
            visitor.abort()
        if self._binding.address.path:
            unbind_unix(self._binding.address.path)

    # --- Roster -------------------------------------------------------------------------------------------------

    def enter(self, session: Visitor, address: str | None) -> bytes | None:
        """Note a new session; the reply that sends it away where it is not welcome."""
        crowded = len(self._visitors) >= self._limits.sessions
        self._visitors.add(session)
        self._empty.clear()
        _sessions.add()
        if crowded:
            return answers.render_error(REPLIES["overloaded"])
        peers = self._binding.peers
        return answers.PEER_UNWELCOME if peers is not None and not is_within(address, peers) else None

    def depart(self, session: Visitor) -> None:
        """Forget a session."""
        if session in self._visitors:
            self._visitors.discard(session)
            _sessions.add(-1)
        if not self._visitors:
            self._empty.set()

    def _session(self) -> Session:
        tls, implicit = self._binding.tls, self._binding.implicit_tls
        if tls is None:
            return Session(self._door, self._limits, self._hostname, self)
        tls.look(asyncio.get_running_loop().time())
        return Session(self._door, self._limits, self._hostname, self, tls=tls.context, encrypted=implicit)
