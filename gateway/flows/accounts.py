# SPDX-License-Identifier: Apache-2.0
"""Domains and accounts: made with everything they need, so that the first event can be scheduled at once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from gateway.errors import Refused
from gateway.flows.alarm_plans import plan_account
from gateway.flows.context import Context
from gateway.itip.address import build_mailto, is_mailable, normal_address
from gateway.store.accounts import AccessToken, Account, Domain, Identity, hash_password, token_hash
from gateway.store.calendars import Calendar
from gateway.store.unit import Unit
from policies.match import address_fault, line_fault

#: What an account may do; each is on unless denied (`account add --deny`).
PERMISSIONS: Mapping[str, str] = {
    "scheduling-send": "send invitations, updates, cancellations and answers",
    "scheduling-receive": "have incoming scheduling mail applied to the calendar",
    "alarms-send": "have alarms sent as mail",
    "submission": "send mail through the submission listener",
    "jmap": "use JMAP",
}

#: What a token may be limited to: a door each, and to reading; none of them is all that the account may.
SCOPES = ("jmap", "admin", "read-only")

_DOMAIN = re.compile(r"(?=.{1,253}\Z)([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What is asked for. `aliases` are further addresses, `permissions` differ from the default."""

    address: str
    name: str = ""
    password: str | None = None
    aliases: tuple[str, ...] = ()
    locale: str | None = None
    time_zone: str | None = None
    permissions: Mapping[str, bool] = field(default_factory=dict)
    is_admin: bool = False


def may(account: Account, permission: str) -> bool:
    """Tell whether an account has a permission."""
    return not account.disabled and account.permissions.get(permission, True)


async def add_domain(context: Context, name: str) -> Domain:
    """Take responsibility for a mail domain; adding one twice changes nothing.

    Raises:
        Refused: `bad-domain`.
    """
    domain = normal_domain(name)

    def fn(unit: Unit) -> Domain:
        return _ensure_domain(unit, context, domain)

    return await context.store.write(fn)


async def add_account(context: Context, new: NewAccount) -> Account:
    """Make an account with its identities and its default calendar.

    Raises:
        Refused: `bad-address`, `address-taken` or `unknown-permission`.
    """
    addresses = tuple(dict.fromkeys(_valid(address) for address in (new.address, *new.aliases)))
    for permission in new.permissions:
        if permission not in PERMISSIONS:
            known = ", ".join(PERMISSIONS)
            raise Refused("unknown-permission", f"There is no permission {permission}; there are {known}")
    password_hash = hash_password(new.password) if new.password else None

    def fn(unit: Unit) -> Account:
        now = context.clock.now()
        account = Account(
            id=context.ids.row("acc"),
            address=addresses[0],
            name=new.name,
            password_hash=password_hash,
            locale=new.locale,
            time_zone=new.time_zone,
            permissions=dict(new.permissions),
            settings={},
            is_admin=new.is_admin,
            disabled=False,
            created_at=now,
        )
        for address in addresses:
            _ensure_domain(unit, context, address.rpartition("@")[2])
        unit.accounts.add(account, addresses[1:])
        for number, address in enumerate(addresses):
            identity = Identity(context.ids.row("idn"), account.id, new.name, build_mailto(address), number == 0)
            unit.accounts.put_identity(identity)
        unit.calendars.put(
            Calendar(
                id=context.ids.row("cal"),
                account_id=account.id,
                name="default",
                title=new.name or addresses[0],
                is_default=True,
                created_at=now,
            )
        )
        return account

    return await context.store.write(fn)


async def add_token(
    context: Context, account_id: str, name: str, scopes: tuple[str, ...] = (), lasts: timedelta | None = None
) -> tuple[AccessToken, str]:
    """Make a bearer token; the secret is returned once and never stored."""
    secret, now = context.ids.token(), context.clock.now()
    ends_at = None if lasts is None else now + lasts
    token = AccessToken(context.ids.row("tok"), account_id, token_hash(secret), name, list(scopes), now, ends_at, None)
    await context.store.write(lambda unit: unit.accounts.add_token(token))
    return token, secret


async def find_account(context: Context, address: str) -> Account:
    """Return the account of an address.

    Raises:
        Refused: `not-found`.
    """
    normal = normal_address(address)
    account = await context.store.read(lambda unit: unit.accounts.by_address(normal))
    if account is None:
        raise Refused("not-found", f"There is no account {address}")
    return account


def normal_domain(name: str) -> str:
    """Return a domain in the form in which it is stored.

    Raises:
        Refused: `bad-domain`.
    """
    domain = normal_address(f"x@{name.strip()}").rpartition("@")[2]
    if not _DOMAIN.fullmatch(domain):
        raise Refused("bad-domain", f"{name!r} is not a mail domain")
    return domain


def _ensure_domain(unit: Unit, context: Context, name: str) -> Domain:
    known = unit.accounts.domain(name)
    if known is None:
        known = Domain(name, {}, context.clock.now())
        unit.accounts.put_domain(known)
    return known


def _valid(address: str) -> str:
    if not is_mailable(address):
        raise Refused("bad-address", f"{address!r} is not a mail address")
    normal = normal_address(address)
    normal_domain(normal.rpartition("@")[2])
    return normal


async def change_account(
    context: Context, account: Account, changed: Mapping[str, object], aliases: list[str] | None
) -> None:
    """Change columns of an account; a given list of aliases replaces the old one and keeps identities in step.

    Raises:
        Refused: `bad-address` or `address-taken`.
    """
    wanted = None if aliases is None else tuple(dict.fromkeys(_valid(alias) for alias in aliases))

    def fn(unit: Unit) -> None:
        if changed:
            unit.accounts.update(account.id, **changed)
        now = unit.accounts.get(account.id)
        if now is not None and now.time_zone != account.time_zone:  # whole days and floating times are read in it
            plan_account(unit, context, now)
        if wanted is None:
            return
        for address in wanted:
            owner = unit.accounts.by_address(address)
            if owner is not None and owner.id != account.id:
                raise Refused("address-taken", f"The address {address} is taken")
            _ensure_domain(unit, context, address.rpartition("@")[2])
        unit.accounts.set_aliases(account.id, wanted)
        addresses = {account.address, *wanted}
        known = {normal_address(i.calendar_address): i for i in unit.accounts.identities(account.id)}
        for address in addresses - known.keys():
            identity = Identity(context.ids.row("idn"), account.id, account.name, build_mailto(address), False)
            unit.accounts.put_identity(identity)
        for address in known.keys() - addresses:
            unit.accounts.remove_identity(known[address])

    await context.store.write(fn)


async def change_domain(
    context: Context, name: str, settings: Mapping[str, object], *, retire_selector: str | None = None
) -> None:
    """Change how a domain's mails look (given values only), or let a DKIM key stop signing.

    Raises:
        Refused: `not-found`, `bad-value`.
    """
    for key, fault_of in (("alarm_from_name", line_fault), ("alarm_from_email", address_fault)):
        fault = fault_of(str(settings[key])) if settings.get(key) else None
        if fault is not None:
            raise Refused("bad-value", fault)

    def fn(unit: Unit) -> None:
        domain = unit.accounts.domain(name)
        if domain is None:
            raise Refused("not-found", f"There is no domain {name}")
        given = {key: value for key, value in settings.items() if value is not None}
        unit.accounts.put_domain(replace(domain, settings={**domain.settings, **given}))
        if retire_selector is not None:
            keys = [key for key in unit.accounts.dkim_keys(name) if key.selector == retire_selector]
            if not keys:
                raise Refused("not-found", f"{name} has no key {retire_selector}")
            unit.accounts.put_dkim_key(replace(keys[0], active=False))

    await context.store.write(fn)
