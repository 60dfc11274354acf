# SPDX-License-Identifier: Apache-2.0
"""A folder as the next hop: keeps each mail as a file, one for each recipient, for the demo and for tests.

Maildir's rules: written under `tmp`, flushed to disk, then renamed into `new`, so that nobody ever reads half
a mail. `Return-Path` and `Delivered-To` on top show the envelope; below stand the octets as they came.
"""

import asyncio
import os
import socket
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from gateway.clock import Clock, SystemClock
from gateway.errors import Misconfigured
from gateway.imip.mail import Envelope, Rcpt
from gateway.relay.hop import Body, Handover, HopReply, RcptResult, Stage, XForward


class MaildirRelay:
    """A next hop that keeps mail in a folder."""

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self.path = path
        self._clock = clock or SystemClock()
        self._count = count(1)
        self._host = socket.gethostname().replace("/", "_").replace(":", "_")
        try:
            for name in ("tmp", "new", "cur"):
                (path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured("relay-url", f"maildir {path}: cannot be made", (str(error),)) from error

    async def deliver(
        self, envelope: Envelope, data: bytes, *, xforward: XForward | None = None
    ) -> tuple[RcptResult, ...]:
        """Keep a mail."""
        handover = self.begin(envelope.mail_from, envelope.parameters, xforward=xforward)
        for rcpt in envelope.rcpt_to:
            await handover.rcpt(rcpt)
        return await handover.data((data,))

    def begin(self, mail_from: str, parameters: tuple[str, ...] = (), *, xforward: XForward | None = None) -> Handover:
        """Begin a transaction; every recipient is welcome."""
        return MaildirHandover(self, mail_from)

    async def probe(self) -> HopReply:
        """Can we write there?"""
        if await asyncio.to_thread(os.access, self.path / "tmp", os.W_OK):
            return HopReply(250, "2.0.0", str(self.path))
        return HopReply(451, "4.3.0", f"{self.path} is not writable")

    async def close(self) -> None:
        """Nothing is open."""

    def write(self, mail_from: str, rcpt: Rcpt, data: bytes) -> str:
        """Keep one recipient's copy and return its file name; blocking."""
        seconds = self._clock.now().timestamp()
        name = f"{seconds:.6f}.P{os.getpid()}Q{next(self._count)}.{self._host}"
        top = f"Return-Path: <{mail_from}>\r\nDelivered-To: {rcpt.address}\r\n".encode("utf-8", "surrogateescape")
        draft = self.path / "tmp" / name
        with draft.open("xb") as file:
            file.write(top)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self.path / "new" / name)
        folder = os.open(self.path / "new", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return name


class MaildirHandover:
    """One mail on its way into the folder."""

    def __init__(self, relay: MaildirRelay, mail_from: str) -> None:
        self._relay = relay
        self._mail_from = mail_from
        self._rcpts: list[Rcpt] = []

    async def rcpt(self, rcpt: Rcpt) -> RcptResult:
        """Note a recipient."""
        self._rcpts.append(rcpt)
        return RcptResult(rcpt.address, 250, "2.1.5", "Ok", Stage.RCPT)

    async def data(self, body: Body) -> tuple[RcptResult, ...]:
        """Keep the mail; a full disk is the world's trouble, not the mail's."""
        data = b"".join(body) if isinstance(body, Sequence) else b"".join([piece async for piece in body])
        return tuple([await self._keep(rcpt, data) for rcpt in self._rcpts])

    async def abandon(self) -> None:
        """Nothing was written yet."""

    async def _keep(self, rcpt: Rcpt, data: bytes) -> RcptResult:
        try:
            name = await asyncio.to_thread(self._relay.write, self._mail_from, rcpt, data)
        except OSError as error:
            return RcptResult(rcpt.address, 452, "4.3.1", f"maildir: {error.strerror or error}", Stage.DOT)
        return RcptResult(rcpt.address, 250, "2.0.0", f"Ok: kept as {name}", Stage.DOT)
