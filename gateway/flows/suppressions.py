# SPDX-License-Identifier: Apache-2.0
"""Addresses that a delivery report called dead: nothing is sent to them, until the time is over or an operator knows
better."""

from gateway.errors import Refused
from gateway.flows.context import Context
from gateway.itip.address import normal_address
from gateway.store.sent import Suppression


async def suppressed(context: Context) -> tuple[Suppression, ...]:
    """Return the addresses that get no mail now, each with the reason."""
    return await context.store.read(lambda unit: unit.sent.suppressions(context.clock.now()))


async def unsuppress(context: Context, address: str) -> None:
    """Write to an address again.

    Raises:
        Refused: `not-found`.
    """
    if not await context.store.write(lambda unit: unit.sent.unsuppress(normal_address(address))):
        raise Refused("not-found", f"Mail to {address} is not stopped")
