# SPDX-License-Identifier: Apache-2.0
"""Who logs in, and which addresses that login may use; where passwords are kept is the authenticator's business."""

from dataclasses import dataclass
from typing import Protocol

from gateway.itip.address import normal_address


@dataclass(frozen=True, slots=True)
class Login:
    """A proven login. `addresses` are all it may write as, in their normal form."""

    name: str
    addresses: frozenset[str]

    def may_use(self, address: str) -> bool:
        """May this login write as `address`?"""
        return normal_address(address) in self.addresses


class Authenticator(Protocol):
    """Whoever knows passwords: our accounts, or a Dovecot auth socket."""

    async def authenticate(self, login: str, password: str) -> Login | None:
        """Return the login, None where name or password are wrong.

        Raises:
            Deferred: where it cannot be known just now.
        """
        ...
