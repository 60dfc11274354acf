# SPDX-License-Identifier: Apache-2.0
"""Run a function on somebody else's template in a process of its own, which the system bounds in time and memory.

A sandbox keeps a template from reaching our data, not from looping or growing. No check of its text can tell how much
it will do, so the kernel holds the bounds (RLIMIT_CPU, RLIMIT_AS), and what goes beyond them ends that process alone.
One such process serves all calls until one of them ends it. Arguments are pickled to it; only JSON comes back.
"""

import atexit
import contextlib
import json
import pickle
import resource
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Hashable
from functools import cache
from typing import IO, Any

_LENGTH = struct.Struct("!I")
_MAX_ANSWER = 8 << 20
_MAX_GIVEN_UP = 64
_SET_ASIDE = 600.0
_SERVE = "from gateway.bounded import serve; serve()"


class OutOfBounds(ValueError):
    """It took more time or memory than it may, or failed in a way that is no template's usual fault."""


class Bounded:
    """A process for calls that may go wrong. `cpu_seconds` and `memory` hold per call, `patience` is by the clock."""

    def __init__(self, *, cpu_seconds: int = 2, memory: int = 1 << 30, patience: float = 30) -> None:
        self._limits = cpu_seconds, memory
        self._patience = patience
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._given_up: dict[Hashable, tuple[float, str]] = {}

    def call(self, function: Callable[..., Any], *args: Any, key: Hashable) -> Any:
        """Return what a module's function returns, as JSON holds it. What went out of bounds is set aside for a while.

        Raises:
            OutOfBounds: with what is to be told of it.
        """
        until, fault = self._given_up.get(key, (0.0, ""))
        if time.monotonic() < until:
            raise OutOfBounds(fault)
        with self._lock:
            answer = self._asked(pickle.dumps((function, args)))
        if not answer:
            fault = f"it failed, or took over {self._limits[0]} s of processor time or {self._limits[1] >> 20} MiB"
            if len(self._given_up) >= _MAX_GIVEN_UP:
                self._given_up.clear()
            self._given_up[key] = time.monotonic() + _SET_ASIDE, fault
            raise OutOfBounds(fault)
        return answer[0]

    def close(self) -> None:
        """End the process, if one runs."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            for end in (process.stdin, process.stdout):
                if end is not None:
                    with contextlib.suppress(OSError):
                        end.close()
            process.wait()

    def _asked(self, question: bytes) -> tuple[Any, ...]:
        """Return the answer, nothing where the process ended or had to be ended over it."""
        try:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(_LENGTH.pack(len(question)) + question)
            process.stdin.flush()
            until = time.monotonic() + self._patience
            (length,) = _LENGTH.unpack(_read(process.stdout, _LENGTH.size, until))
            if length <= _MAX_ANSWER:
                return (json.loads(_read(process.stdout, length, until)),)
        except (OSError, EOFError):
            pass
        self.close()
        return ()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            command = [sys.executable, "-P", "-c", _SERVE, *map(str, self._limits)]
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
            )
        return self._process


@cache
def _one() -> Bounded:
    one = Bounded()
    atexit.register(one.close)
    return one


def run_bounded(function: Callable[..., Any], *args: Any, key: Hashable) -> Any:
    """Call a function in the one bounded process that serves this one (see `Bounded.call`).

    Raises:
        OutOfBounds: with what is to be told of it.
    """
    return _one().call(function, *args, key=key)


def _read(end: IO[bytes], size: int, until: float) -> bytes:
    data = b""
    while len(data) < size:
        ready = select.poll()  # unlike select it takes any file number
        ready.register(end, select.POLLIN)
        if not ready.poll(max(0.0, until - time.monotonic()) * 1000):
            raise EOFError
        piece = end.read(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def serve() -> None:
    """Answer calls on standard input until it ends: what runs in the other process."""
    cpu_seconds, memory = map(int, sys.argv[1:3])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    asked, told = sys.stdin.buffer, sys.stdout.buffer
    while len(head := asked.read(_LENGTH.size)) == _LENGTH.size:
        function, args = pickle.loads(asked.read(_LENGTH.unpack(head)[0]))  # noqa: S301 - from our own process
        used = resource.getrusage(resource.RUSAGE_SELF)
        until = int(used.ru_utime + used.ru_stime) + 1 + cpu_seconds
        resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))
        answer = json.dumps(function(*args)).encode()  # whatever it raises ends this process; the next is a new one
        told.write(_LENGTH.pack(len(answer)) + answer)
        told.flush()
