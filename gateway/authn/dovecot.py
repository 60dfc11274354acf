# SPDX-License-Identifier: Apache-2.0
"""Ask Dovecot whether a password is right, over its auth client socket (the one that Postfix uses).

Dovecot's auth protocol 1.x: both sides greet, we send `AUTH id PLAIN service=smtp secured resp=...`, it answers OK
or FAIL. One connection for each question: logins are rare, and a connection kept is a connection to be watched.
"""

import asyncio
import os
from base64 import b64encode
from collections.abc import Awaitable, Callable

from gateway.authn.login import Login
from gateway.errors import Deferred
from gateway.itip.address import normal_address

_LINE = 8192
_FORBIDDEN = frozenset("\0\t\r\n")

#: Which addresses a Dovecot user may write as.
AddressesOf = Callable[[str], Awaitable[frozenset[str]]]


async def own_address(user: str) -> frozenset[str]:
    """A user named like an address may use that address, and no other."""
    return frozenset({normal_address(user)} if "@" in user else ())


class DovecotAuthenticator:
    """Passwords as Dovecot knows them."""

    def __init__(self, path: str, *, addresses_of: AddressesOf = own_address, seconds: float = 10.0) -> None:
        self._path = path
        self._addresses_of = addresses_of
        self._seconds = seconds

    async def authenticate(self, login: str, password: str) -> Login | None:
        """Ask Dovecot.

        Raises:
            Deferred: where it does not answer, or answers that it cannot know now.
        """
        if not login or _FORBIDDEN & set(login) or "\0" in password:
            return None
        try:
            async with asyncio.timeout(self._seconds):
                user = await self._ask(login, password)
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:  # a timeout is an OSError
            raise Deferred("auth-unavailable", "Logins cannot be verified just now", error=repr(error)) from error
        return None if user is None else Login(user, await self._addresses_of(user))

    async def _ask(self, login: str, password: str) -> str | None:
        reader, writer = await asyncio.open_unix_connection(self._path, limit=_LINE)
        try:
            response = b64encode(b"\0".join((b"", login.encode(), password.encode()))).decode("ascii")
            question = f"AUTH\t1\tPLAIN\tservice=smtp\tsecured\tnologin\tresp={response}\n"
            writer.write(f"VERSION\t1\t1\nCPID\t{os.getpid()}\n{question}".encode())
            while True:
                verb, *words = (await reader.readuntil(b"\n")).decode("utf-8", "replace").rstrip("\n").split("\t")
                if verb == "VERSION" and words[:1] != ["1"]:
                    raise ValueError(f"auth protocol {words}")
                if verb == "OK" and words[:1] == ["1"]:
                    return next((word[5:] for word in words if word.startswith("user=")), login)
                if verb == "FAIL" and words[:1] == ["1"]:
                    if {"temp", "code=temp_fail"} & set(words):
                        raise ValueError("temporary failure")
                    return None
        finally:
            writer.close()
