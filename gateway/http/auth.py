# SPDX-License-Identifier: Apache-2.0
"""Who is calling: Basic (RFC 7617) with an account's address and password, or one of its bearer tokens (RFC 6750).

Credentials travel only over TLS or on this machine. Guessing is braked by address and by name, one guess after the
other; a right password is remembered (as a keyed digest, for minutes from its last use), so that the slow hash is paid
once and not for every request, and others' guesses do not shut out who is in.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from starlette.requests import Request

from gateway.errors import Refused
from gateway.flows.accounts import may
from gateway.flows.context import Context
from gateway.itip.address import normal_address
from gateway.metrics import Counter
from gateway.store.accounts import Account, password_matches
from gateway.store.unit import Unit

READ_ONLY = "read-only"
_REMEMBERED = timedelta(minutes=5)
_WINDOW = timedelta(minutes=1)
_MAX_ENTRIES = 10_000
_MAX_CREDENTIAL = 4_096
_WRONG = "Address or password is wrong"

_logins = Counter("imip_http_logins_total", "Logins by kind and outcome.")


@dataclass(frozen=True, slots=True)
class Login:
    """An authenticated caller. `scopes` limits a token to doors (`jmap`, `admin`) and to `read-only`."""

    account: Account
    scopes: frozenset[str] = frozenset()
    token_id: str | None = None

    def allows(self, door: str) -> bool:
        """Tell whether the credential opens a door; one that names no door opens all that the account may."""
        doors = self.scopes - {READ_ONLY}
        return not doors or door in doors

    @property
    def read_only(self) -> bool:
        return READ_ONLY in self.scopes


class Authenticator:
    """Knows callers; one for each process."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._proven: OrderedDict[bytes, float] = OrderedDict()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._key = secrets.token_bytes(32)

    async def login(self, request: Request, door: str) -> Login:
        """Return who calls, allowed to use this door (`jmap`).

        Raises:
            Refused: `authentication-required`, `unauthenticated`, `not-permitted`, `tls-required` or `rate-limited`.
        """
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        if not credential.strip() or len(credential) > _MAX_CREDENTIAL:
            raise Refused("authentication-required", "Log in with your address and password, or a token")
        if not is_private(request):
            raise Refused("tls-required", "Credentials are taken only over TLS")
        where = f"from {request.client.host if request.client else 'local'}"  # nobody's name
        if scheme.lower() == "bearer":
            login = await self._by_token(where, credential.strip())
        elif scheme.lower() == "basic":
            login = await self._by_password(where, credential.strip())
        else:
            raise Refused("authentication-required", "Use Basic or Bearer authentication")
        if not may(login.account, door) or not login.allows(door):
            raise Refused("not-permitted", f"This account may not use {door}")
        return login

    async def _by_token(self, where: str, secret: str) -> Login:
        self._brake(where)
        now = self._context.clock.now()

        def fn(unit: Unit) -> Login | None:
            token = unit.accounts.token(secret)
            if token is None or (token.expires_at is not None and token.expires_at <= now):
                return None
            account = unit.accounts.get(token.account_id)
            return None if account is None or account.disabled else Login(account, frozenset(token.scopes), token.id)

        login = await self._context.store.read(fn)
        if login is None:
            self._fail("token", where)
            raise Refused("unauthenticated", "This token is not valid")
        _logins.add(kind="token", outcome="ok")
        return login

    async def _by_password(self, where: str, credential: str) -> Login:
        try:
            name, colon, password = base64.b64decode(credential, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise Refused("unauthenticated", "The credentials cannot be read") from None
        name = normal_address(name)
        account = await self._context.store.read(lambda unit: unit.accounts.by_address(name))
        stored = account.password_hash if account is not None and colon and not account.disabled else None
        if not self._is_proven(password, stored):
            async with self._turn(where), self._turn(name):
                await self._prove(where, name, password, stored)
        if account is None:
            raise Refused("unauthenticated", _WRONG)
        _logins.add(kind="password", outcome="ok")
        return Login(account)

    async def _prove(self, where: str, name: str, password: str, stored: str | None) -> None:
        """Pay the slow hash, unless somebody before us in the queue has shown the same."""
        if self._is_proven(password, stored):
            return
        self._brake(where, name)
        if not await asyncio.to_thread(password_matches, password, stored):
            self._fail("password", where, name)
            raise Refused("unauthenticated", _WRONG)
        self._proven[self._digest(password, stored)] = self._now()
        while len(self._proven) > _MAX_ENTRIES:
            self._proven.popitem(last=False)

    def _is_proven(self, password: str, stored: str | None) -> bool:
        digest, now = self._digest(password, stored), self._now()
        if stored is None or now - self._proven.get(digest, 0.0) > _REMEMBERED.total_seconds():
            return False
        self._proven[digest] = now
        self._proven.move_to_end(digest)
        return True

    def _digest(self, password: str, stored: str | None) -> bytes:
        return hmac.digest(self._key, f"{stored}\0{password}".encode("utf-8", "replace"), hashlib.sha256)

    def _now(self) -> float:
        return self._context.clock.now().timestamp()

    def _turn(self, name: str) -> asyncio.Lock:
        """Guesses from one address, or at one name, wait for each other: else many at once pass the brake together."""
        return self._turns.setdefault(name, asyncio.Lock())

    def _brake(self, *names: str) -> None:
        limit = self._context.config.http.login_failures_per_minute
        since = self._now() - _WINDOW.total_seconds()
        for name in names:
            failures = [at for at in self._failures.get(name, ()) if at > since]
            if len(failures) >= limit:
                _logins.add(kind="any", outcome="braked")
                raise Refused("rate-limited", "Too many failed logins; wait a minute")

    def _fail(self, kind: str, *names: str) -> None:
        _logins.add(kind=kind, outcome="failed")
        now = self._now()
        for name in names:
            recent = [at for at in self._failures.pop(name, []) if at > now - _WINDOW.total_seconds()]
            self._failures[name] = [*recent, now]
            while len(self._failures) > _MAX_ENTRIES:
                self._failures.popitem(last=False)


def is_valid(unit: Unit, login: Login, now: datetime) -> bool:
    """Tell whether a login still stands: for what goes on long after its request was let in."""
    account = unit.accounts.get(login.account.id)
    if account is None or account.disabled:
        return False
    if login.token_id is None:
        return account.password_hash == login.account.password_hash
    token = next((each for each in unit.accounts.tokens(account.id) if each.id == login.token_id), None)
    return token is not None and (token.expires_at is None or token.expires_at > now)


def is_private(request: Request) -> bool:
    """Tell whether the connection keeps a secret: TLS (ours or a trusted proxy's), or this very machine."""
    if request.url.scheme in ("https", "wss") or request.client is None:
        return True
    try:
        return ipaddress.ip_address(request.client.host.partition("%")[0]).is_loopback
    except ValueError:
        return request.client.host in ("", "testclient")
