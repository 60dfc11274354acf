# SPDX-License-Identifier: Apache-2.0
"""A gateway that is a process of its own behind a real Postfix: it can be stopped, killed, paused and starved."""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.app import open_context
from gateway.config import load_config
from gateway.flows.context import Context
from tests.conftest import missing
from tests.support.nexthop import NextHop
from tests.support.postfix import Postfix, free_port, installed, private_postfix
from tests.support.site import ANN, GUEST, config_text, submit, until, wire


@dataclass
class Served:
    """A gateway in a process of its own, found by its configuration file."""

    file: Path
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start, and come back when every door is open."""
        words = [sys.executable, "-m", "gateway", "--config", str(self.file), "serve", "--json"]
        self.process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=self.file.with_suffix(".log").open("a"), text=True
        )
        assert self.process.stdout is not None
        assert json.loads(self.process.stdout.readline() or "{}").get("ready"), self.log[-4000:]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it in this way and return its status."""
        assert self.process is not None
        self.process.send_signal(how)
        status = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    def fill_disk(self, most: int = 0) -> None:
        """Let no write reach beyond so many octets of a file, as on a disk that is full."""
        assert self.process is not None
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def free_disk(self) -> None:
        self.fill_disk(resource.RLIM_INFINITY)

    def pause(self) -> None:
        """Let it stand still: its doors accept connections and nobody answers."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)

    @property
    def log(self) -> str:
        return self.file.with_suffix(".log").read_text()


@dataclass
class House:
    """A Postfix, a gateway that is a process of its own, and the mailbox behind both."""

    postfix: Postfix
    gateway: Served
    mailbox: NextHop

    async def send(self, data: bytes) -> None:
        await asyncio.to_thread(submit, self.postfix.port, data, GUEST, (ANN,))

    async def until(self, what: Callable[[], bool], seconds: float = 60) -> None:
        await until(what, self.postfix, seconds)

    async def deferred(self, count: int = 1) -> None:
        """Wait until Postfix put mail off; nothing of it may have arrived."""
        await self.until(lambda: self.postfix.statuses().count("deferred") >= count)
        assert self.mailbox.taken == []


@asynccontextmanager
async def context_of(file: Path) -> AsyncIterator[Context]:
    """Look into the gateway's store from beside it, as the command line does."""
    context = await open_context(load_config(file, {}))
    try:
        yield context
    finally:
        await context.store.close()


@asynccontextmanager
async def house(
    folder: Path, mode: str, people: Callable[[Context], Awaitable[None]], more: Callable[[NextHop], str] = lambda _: ""
) -> AsyncIterator[House]:
    """Run everything; `people` fills the store before the gateway starts."""
    if not installed():
        missing("Postfix (as root)")
    gateway = Served(folder / "gateway.toml")
    async with NextHop() as mailbox:
        back = f"127.0.0.1:{free_port()}"
        gateway.file.write_text(config_text(mode, folder, f"127.0.0.1:{free_port()}", back, more(mailbox)))
        async with context_of(gateway.file) as context:
            await people(context)
        final = f"smtp:[127.0.0.1]:{mailbox.port}"
        manager = private_postfix(final, lambda instance: wire(mode, instance, gateway.file, back))
        instance = await asyncio.to_thread(manager.__enter__)
        try:
            await asyncio.to_thread(gateway.start)
            yield House(instance, gateway, mailbox)
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)
            if gateway.process is not None and gateway.process.poll() is None:
                gateway.process.kill()
