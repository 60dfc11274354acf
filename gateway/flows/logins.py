# SPDX-License-Identifier: Apache-2.0
"""Logins at the mail doors: our accounts' passwords, and which addresses a login may write as."""

import asyncio

from gateway.authn.login import Login
from gateway.flows.accounts import may
from gateway.flows.context import Context
from gateway.itip.address import normal_address
from gateway.store.accounts import password_matches
from gateway.store.unit import Unit


class AccountAuthenticator:
    """Proves a login against our own accounts (`Authenticator`)."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def authenticate(self, login: str, password: str) -> Login | None:
        """Return the login, None where name or password are wrong or submission is not permitted.

        Raises:
            Deferred: the store cannot be asked just now.
        """
        address = normal_address(login)
        account = await self._context.store.read(lambda unit: unit.accounts.by_address(address))
        matches = await asyncio.to_thread(password_matches, password, account.password_hash if account else None)
        if account is None or not matches or not may(account, "submission"):
            return None
        return Login(account.address, await addresses_of_login(self._context, account.address))


async def addresses_of_login(context: Context, login: str) -> frozenset[str]:
    """Return every address that a login may write as; a login of somebody unknown here is its own address."""
    address = normal_address(login)

    def fn(unit: Unit) -> frozenset[str]:
        account = unit.accounts.by_address(address)
        return frozenset(unit.accounts.addresses(account.id)) if account else frozenset({address} - {""})

    return await context.store.read(fn)
