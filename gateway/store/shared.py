# SPDX-License-Identifier: Apache-2.0
"""One read for all who ask the same at the same time."""

import asyncio
from typing import Generic, TypeVar

from gateway.store.engine import Store
from gateway.store.sqlite import Transaction

T = TypeVar("T")


class SharedRead(Generic[T]):
    """A read that many mails need: one runs at a time, and whoever asks meanwhile shares the next.

    So nobody is told what was true before they asked, and a mail that comes alone waits for nobody.
    """

    def __init__(self, store: Store, fn: Transaction[T]) -> None:
        self._store = store
        self._fn = fn
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """Return what the database says now.

        Raises:
            Deferred: as `Store.read`.
        """
        if self._next is None or self._next.done():
            self._next = asyncio.get_running_loop().create_task(self._read())
        return await asyncio.shield(self._next)

    async def _read(self) -> T:
        if self._running is not None and not self._running.done():
            await asyncio.wait((self._running,))
        self._running, self._next = self._next, None
        return await self._store.read(self._fn)
