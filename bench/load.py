# SPDX-License-Identifier: Apache-2.0
"""Load and sink for the mail benchmarks: Postfix's smtp-source and smtp-sink, which cost next to nothing themselves."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from time import perf_counter, sleep


def tool(name: str) -> str | None:
    """Find one of Postfix's tools."""
    return which(name, path="/usr/sbin:/usr/lib/postfix/sbin:/usr/bin")


@contextmanager
def sink() -> Iterator[int]:
    """Run smtp-sink on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([str(tool("smtp-sink")), *user, f"127.0.0.1:{port}", "1000"])
    try:
        _await_port(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def _await_port(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        sleep(0.05)
    raise TimeoutError("smtp-sink does not come up")


class Relay:
    """A relay process under test, with what `bench.relays` asks for."""

    def __init__(self, name: str, *places: str) -> None:
        command = [sys.executable, "-m", "bench.relays", name, *places]
        root = Path(__file__).resolve().parent.parent
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=root
        )
        self.port = int(self._line())

    def cpu(self) -> float:
        """Return processor seconds used so far."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self._line())

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


def send(port: int, message: Path, *, count: int, sessions: int, kept: bool = False) -> float:
    """Send mails and return the seconds it took."""
    options = ["-s", str(sessions), "-m", str(count), "-f", "a@example.org", "-t", "b@example.net", "-F", str(message)]
    began = perf_counter()
    subprocess.run(
        [str(tool("smtp-source")), *options, *(["-d"] if kept else []), f"127.0.0.1:{port}"], check=True, timeout=300
    )
    return perf_counter() - began
