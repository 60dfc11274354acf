# SPDX-License-Identifier: Apache-2.0
"""Several processes behind the same listeners: the kernel shares out connections (SO_REUSEPORT), the database the work.

The parent only watches: it says `ready` when every child is, starts a child anew that died, and hands SIGTERM on.
"""

import ctypes
import logging
import os
import signal
import time
from collections.abc import Callable

from gateway.config import Config
from gateway.errors import Misconfigured

_log = logging.getLogger(__name__)
RESTART_PAUSE_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1


def process_count(config: Config) -> int:
    """Return how many processes are to serve; 0 in the configuration means one for each core.

    Raises:
        Misconfigured: several processes cannot share a port that each would choose for itself.
    """
    count = config.workers.processes or os.cpu_count() or 1
    shared = [listener.listen for listener in config.listeners]
    if count > 1 and any(address.endswith(":0") for address in shared):
        raise Misconfigured("listen", "Several processes cannot share port 0; name the port or set processes = 1")
    if count > 1 and any(address.startswith("unix:") for address in shared):
        raise Misconfigured("listen", "Several processes cannot share a unix socket; use a port or processes = 1")
    return count


def supervise(count: int, serve: Callable[[Callable[[str], None]], None], tell: Callable[[str], None]) -> int:
    """Run `serve` in so many children until SIGTERM or SIGINT; the first child's ready line is told once all are."""
    stopping = False
    children: set[int] = set()

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True
        for child in children:
            os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    lines = []
    for _ in range(count):
        child, line = _start(serve)
        children.add(child)
        lines.append(line)
    if all(lines):
        tell(lines[0])
    while children:
        try:
            dead, status = os.wait()
        except InterruptedError:
            continue
        children.discard(dead)
        code = os.waitstatus_to_exitcode(status)
        if stopping or not all(lines):
            stopping = True
            for child in children:
                os.kill(child, signal.SIGTERM)
            continue
        _log.error("a process died and is started anew", extra={"facts": {"pid": dead, "status": code}})
        time.sleep(RESTART_PAUSE_SECONDS)
        children.add(_start(serve)[0])
    return 0 if all(lines) else os.EX_CONFIG


def _end_with_parent() -> None:
    """Linux: a child whose parent is gone drains and ends, or it would hold the ports for ever (prctl(2))."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


def _start(serve: Callable[[Callable[[str], None]], None]) -> tuple[int, str]:
    """Fork one child; return its process id and its ready line, "" where it ended before it was ready."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        with os.fdopen(reading) as pipe:
            return child, pipe.readline().rstrip("\n")
    os.close(reading)
    _end_with_parent()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)

    def tell(line: str) -> None:
        with os.fdopen(writing, "w") as pipe:
            pipe.write(line + "\n")

    status = os.EX_SOFTWARE
    try:
        serve(tell)
        status = 0
    except Misconfigured as error:
        _log.error("cannot serve", extra={"facts": {"reason": str(error)}})
        status = os.EX_CONFIG
    finally:
        os._exit(status)
