# SPDX-License-Identifier: Apache-2.0
"""From arguments to an open context: configuration read, database at the present schema, closed afterwards."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from gateway.app import open_context
from gateway.cli.settings import loaded
from gateway.flows.context import Context


@asynccontextmanager
async def opened(args: argparse.Namespace) -> AsyncIterator[Context]:
    """Open the store that the configuration names, for one command."""
    context = await open_context(loaded(args))
    try:
        yield context
    finally:
        await context.store.close()


def run(verb: Callable[[argparse.Namespace], Awaitable[int]]) -> Callable[[argparse.Namespace], int]:
    """Make a plain function of a verb that is a coroutine."""

    async def call(args: argparse.Namespace) -> int:
        return await verb(args)

    return lambda args: asyncio.run(call(args))
