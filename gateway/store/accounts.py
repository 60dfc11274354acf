# SPDX-License-Identifier: Apache-2.0
"""Domains, accounts with their addresses, credentials, identities, and whom an account knows."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.errors import Refused
from gateway.store import schema
from gateway.store.changes import Changes, Kind
from gateway.store.directory import PeopleLog, domain_key
from gateway.store.rows import insert, insert_new, record, records, upsert, values

#: What others are shown of a person.
_SHOWN = frozenset({"address", "name", "time_zone", "disabled"})
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}  # about 50 ms: slow for a guesser, bearable at a login


@dataclass(frozen=True, slots=True)
class Domain:
    """A mail domain we are responsible for, with its own presentation."""

    name: str
    settings: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A signing key of a domain; the active ones sign, retired ones stay published for a while."""

    domain: str
    selector: str
    algorithm: str
    private_pem: str
    active: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """A person (or room) whose calendar is here. `address` is in normal form."""

    id: str
    address: str
    name: str
    password_hash: str | None
    locale: str | None
    time_zone: str | None
    permissions: Mapping[str, bool]
    settings: Mapping[str, Any]
    is_admin: bool
    disabled: bool
    created_at: datetime
    modseq: int = 0


@dataclass(frozen=True, slots=True)
class Identity:
    """An address an account takes part as (JMAP ParticipantIdentity)."""

    id: str
    account_id: str
    name: str
    calendar_address: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token of an account; only its hash is kept."""

    id: str
    account_id: str
    hash: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


class Accounts:
    """Who is here. Within one transaction the same question is asked of the database once."""

    def __init__(self, connection: sa.Connection, changes: Changes, people: PeopleLog) -> None:
        self._connection = connection
        self._changes = changes
        self._people = people
        self._by_address: dict[str, Account | None] = {}
        self._addresses: dict[str, tuple[str, ...]] = {}
        self._known: dict[tuple[str, str], bool] = {}
        self._domains: tuple[Domain, ...] | None = None

    def _forget(self) -> None:
        """Something was written: ask again."""
        self._by_address.clear()
        self._addresses.clear()

    # domains and keys

    def put_domain(self, domain: Domain) -> None:
        self._domains = None
        upsert(self._connection, schema.domains, values(domain), keep=("created_at",))

    def domain(self, name: str) -> Domain | None:
        row = self._connection.execute(sa.select(schema.domains).where(schema.domains.c.name == name)).first()
        return record(Domain, row)

    def domains(self) -> tuple[Domain, ...]:
        if self._domains is None:
            self._domains = records(Domain, self._connection.execute(_DOMAINS))
        return self._domains

    def put_dkim_key(self, key: DkimKey) -> None:
        upsert(self._connection, schema.dkim_keys, values(key), keep=("created_at",))

    def dkim_keys(self, domain: str) -> tuple[DkimKey, ...]:
        table = schema.dkim_keys
        query = sa.select(table).where(table.c.domain == domain).order_by(table.c.created_at, table.c.selector)
        return records(DkimKey, self._connection.execute(query))

    # accounts and addresses

    def add(self, account: Account, aliases: tuple[str, ...] = ()) -> None:
        """Store a new account.

        Raises:
            Refused: `address-taken` when it, or an alias of it, belongs to somebody already.
        """
        for address in (account.address, *aliases):
            if self.by_address(address) is not None:
                raise Refused("address-taken", f"The address {address} is taken")
        self._forget()
        insert(self._connection, schema.accounts, account)
        self._tell(account.id, None)
        self.set_aliases(account.id, aliases)

    def update(self, account_id: str, **changed: object) -> None:
        self._forget()
        before = self.get(account_id)
        self._connection.execute(sa.update(schema.accounts).where(schema.accounts.c.id == account_id).values(**changed))
        if not _SHOWN.isdisjoint(changed):
            self._tell(account_id, before)

    def remove(self, account_id: str) -> None:
        self._forget()
        before = self.get(account_id)
        self._connection.execute(sa.delete(schema.accounts).where(schema.accounts.c.id == account_id))
        self._tell(account_id, before)

    def _tell(self, account_id: str, before: Account | None) -> None:
        """Count for the people of a domain who came, went, or is to be shown otherwise."""
        after = self.get(account_id)
        old, new = (domain_key(a.address) if a is not None and not a.disabled else "" for a in (before, after))
        if old and old != new:
            self._people.note(old, account_id, is_gone=True)
        if new:
            self._people.note(new, account_id, is_new=old != new)

    def set_aliases(self, account_id: str, aliases: tuple[str, ...]) -> None:
        self._forget()
        self._connection.execute(sa.delete(schema.aliases).where(schema.aliases.c.account_id == account_id))
        for address in aliases:
            if not insert_new(self._connection, schema.aliases, {"address": address, "account_id": account_id}):
                raise Refused("address-taken", f"The address {address} is taken")

    def get(self, account_id: str) -> Account | None:
        return record(Account, self._connection.execute(_BY_ID, {"account_id": account_id}).first())

    def by_address(self, address: str) -> Account | None:
        """Find the account of a normal-form address: its own, then an alias, then without a +detail (RFC 5233)."""
        if address not in self._by_address:
            self._by_address[address] = self._find(address)
        return self._by_address[address]

    def _find(self, address: str) -> Account | None:
        if not address.isprintable():  # a control character, or octets that are no text: nobody's
            return None
        local, _, domain = address.rpartition("@")
        wanted = {"address": address, "plain": f"{local.partition('+')[0]}@{domain}"}
        found = records(Account, self._connection.execute(_BY_ADDRESS, wanted))
        if len(found) < 2:
            return found[0] if found else None
        # rare: the plain and the +detail address are two people
        exact = (account for account in found if account.address == address)
        return next(exact, None) or next(a for a in found if address in self.addresses(a.id))

    def all(self) -> tuple[Account, ...]:
        query = sa.select(schema.accounts).order_by(schema.accounts.c.address)
        return records(Account, self._connection.execute(query))

    def addresses(self, account_id: str) -> tuple[str, ...]:
        """Return every address of an account, its own first."""
        if account_id not in self._addresses:
            account = self.get(account_id)
            aliases = self._connection.execute(_ALIASES, {"account_id": account_id}).scalars().all()
            self._addresses[account_id] = (account.address, *aliases) if account else ()
        return self._addresses[account_id]

    # identities

    def put_identity(self, identity: Identity) -> None:
        existed = self.identity(identity.id) is not None
        if identity.is_default:
            others = schema.identities.c.account_id == identity.account_id
            self._connection.execute(sa.update(schema.identities).where(others).values(is_default=False))
        upsert(self._connection, schema.identities, values(identity))
        mark = self._changes.updated if existed else self._changes.created
        mark(identity.account_id, Kind.IDENTITY, identity.id)

    def remove_identity(self, identity: Identity) -> None:
        self._connection.execute(sa.delete(schema.identities).where(schema.identities.c.id == identity.id))
        self._changes.destroyed(identity.account_id, Kind.IDENTITY, identity.id)

    def identity(self, identity_id: str) -> Identity | None:
        query = sa.select(schema.identities).where(schema.identities.c.id == identity_id)
        return record(Identity, self._connection.execute(query).first())

    def identities(self, account_id: str) -> tuple[Identity, ...]:
        """Return an account's identities, the default one first."""
        table = schema.identities
        query = sa.select(table).where(table.c.account_id == account_id)
        return records(Identity, self._connection.execute(query.order_by(table.c.is_default.desc(), table.c.id)))

    # credentials

    def add_token(self, token: AccessToken) -> None:
        insert(self._connection, schema.access_tokens, token)

    def token(self, secret: str) -> AccessToken | None:
        query = sa.select(schema.access_tokens).where(schema.access_tokens.c.hash == token_hash(secret))
        return record(AccessToken, self._connection.execute(query).first())

    def tokens(self, account_id: str) -> tuple[AccessToken, ...]:
        query = sa.select(schema.access_tokens).where(schema.access_tokens.c.account_id == account_id)
        return records(AccessToken, self._connection.execute(query.order_by(schema.access_tokens.c.created_at)))

    def remove_token(self, token_id: str) -> None:
        self._connection.execute(sa.delete(schema.access_tokens).where(schema.access_tokens.c.id == token_id))

    # whom an account knows

    def know(self, account_id: str, address: str, *, since: datetime, reason: str) -> None:
        """Remember that an account knows an address; the first time counts."""
        if not self._known.get((account_id, address)):
            row = {"account_id": account_id, "address": address, "since": since, "reason": reason}
            insert_new(self._connection, schema.correspondents, row)
            self._known[account_id, address] = True

    def knows(self, account_id: str, address: str) -> bool:
        if (account_id, address) not in self._known:
            pair = {"account_id": account_id, "address": address}
            self._known[account_id, address] = self._connection.execute(_KNOWS, pair).first() is not None
        return self._known[account_id, address]


def _of(column: sa.Column[str], name: str) -> sa.ColumnElement[bool]:
    return column == sa.bindparam(name)


_DOMAINS = sa.select(schema.domains).order_by(schema.domains.c.name)
_BY_ID = sa.select(schema.accounts).where(_of(schema.accounts.c.id, "account_id"))
_WANTED: list[sa.BindParameter[str]] = [sa.bindparam("address"), sa.bindparam("plain")]
_BY_ADDRESS = sa.select(schema.accounts).where(
    sa.or_(
        schema.accounts.c.address.in_(_WANTED),
        schema.accounts.c.id.in_(sa.select(schema.aliases.c.account_id).where(schema.aliases.c.address.in_(_WANTED))),
    )
)
_ALIASES = (
    sa.select(schema.aliases.c.address)
    .where(_of(schema.aliases.c.account_id, "account_id"))
    .order_by(schema.aliases.c.address)
)
_KNOWS = sa.select(schema.correspondents.c.address).where(
    _of(schema.correspondents.c.account_id, "account_id"), _of(schema.correspondents.c.address, "address")
)


def hash_password(password: str, *, salt: bytes | None = None) -> str:
    """Return a slow salted hash (RFC 7914 scrypt) as `scrypt$salt$hash` in hex. Costs about 50 ms of CPU."""
    salt = secrets.token_bytes(16) if salt is None else salt
    digest = hashlib.scrypt(password.encode(), salt=salt, maxmem=2**26, dklen=32, **_SCRYPT)
    return f"scrypt${salt.hex()}${digest.hex()}"


def password_matches(password: str, stored: str | None) -> bool:
    """Compare in constant time; an account without a password costs the same and never matches."""
    scheme, _, rest = (stored or f"scrypt${'00' * 16}$").partition("$")
    salt, _, _ = rest.partition("$")
    return scheme == "scrypt" and hmac.compare_digest(hash_password(password, salt=bytes.fromhex(salt)), stored or "")


def token_hash(secret: str) -> str:
    """Return what is stored of a bearer token: it has 192 random bits, so a fast hash is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()
