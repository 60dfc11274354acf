# SPDX-License-Identifier: Apache-2.0
"""A supervised periodic task: runs its job, rests until woken or its interval is over, and survives every failure."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable

from gateway.errors import Deferred
from gateway.metrics import Counter

_log = logging.getLogger(__name__)
RUNS = Counter("imip_worker_runs_total", "Runs of each worker's job, by result (ok, deferred, failed).")

MAX_BACKOFF_SECONDS = 60.0


class Worker:
    """One job of the process. `job` returns how much it did: something = look again at once, nothing = rest."""

    def __init__(self, name: str, job: Callable[[], Awaitable[int]], interval: float) -> None:
        self.name = name
        self._job = job
        self._interval = interval
        self._wake = asyncio.Event()
        self._stopping = False
        self._failures = 0

    def wake(self) -> None:
        """Look for work now. Safe to call from the event loop at any time."""
        self._wake.set()

    def stop(self) -> None:
        """End after the present run: a claimed piece of work is finished, no new one is begun."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Run until stopped."""
        while not self._stopping:
            self._wake.clear()
            done = await self._once()
            if done == 0 and not self._stopping:
                await self._rest()

    async def _once(self) -> int:
        try:
            done = await self._job()
        except Deferred as error:
            _log.warning("worker deferred", extra={"facts": {"worker": self.name, "reason": str(error)}})
            RUNS.add(worker=self.name, result="deferred")
        except Exception:
            _log.exception("worker failed", extra={"facts": {"worker": self.name}})
            RUNS.add(worker=self.name, result="failed")
        else:
            RUNS.add(worker=self.name, result="ok")
            self._failures = 0
            return done
        self._failures += 1
        return 0

    async def _rest(self) -> None:
        """Wait for a wake-up or the interval; longer after failures, and never in step with other nodes."""
        seconds = min(self._interval * 2.0**self._failures, MAX_BACKOFF_SECONDS) if self._failures else self._interval
        seconds *= random.uniform(0.8, 1.2)  # noqa: S311  # spreads load, guards nothing
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
