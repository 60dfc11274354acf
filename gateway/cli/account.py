# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway account add | list | show | set | remove | token`."""

import argparse
import dataclasses
import getpass
import sys
from typing import Any

from gateway.cli import account_token
from gateway.cli.open import opened, run
from gateway.cli.output import answer, table
from gateway.errors import Refused
from gateway.flows import accounts
from gateway.flows.context import Context
from gateway.itip.address import normal_address
from gateway.store.accounts import Account, hash_password


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    add = verbs.add_parser("add", help="make an account with its default calendar")
    show = verbs.add_parser("show", help="one account")
    change = verbs.add_parser("set", help="change an account")
    remove = verbs.add_parser("remove", help="remove an account and all that is in it")
    token = verbs.add_parser("token", help="bearer tokens: add, list, remove")
    listing = verbs.add_parser("list", help="every account")
    for each in (add, show, change, remove):
        each.add_argument("address", metavar="ADDRESS")
    for each in (add, change):
        each.add_argument("--password", help="the password; - asks for it")
        each.add_argument("--name", help="the person's name, as guests see it")
        each.add_argument("--alias", action="append", help="a further address; may be repeated")
        each.add_argument("--locale", help="language of mails to this account, such as de")
        each.add_argument("--time-zone", help="IANA time zone, such as Europe/Berlin")
        each.add_argument("--allow", action="append", default=[], metavar="PERMISSION", choices=accounts.PERMISSIONS)
        each.add_argument("--deny", action="append", default=[], metavar="PERMISSION", choices=accounts.PERMISSIONS)
        each.add_argument("--admin", action=argparse.BooleanOptionalAction, help="may use the administrator's objects")
    change.add_argument("--disabled", action=argparse.BooleanOptionalAction, help="no logins, no scheduling")
    account_token.register(token)
    for each, verb in (
        (add, _add),
        (show, _show),
        (change, _set),
        (remove, _remove),
        (listing, _list),
    ):
        each.set_defaults(func=run(verb))


async def _add(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        new = accounts.NewAccount(
            address=args.address,
            name=args.name or "",
            password=_password(args),
            aliases=tuple(args.alias or ()),
            locale=args.locale,
            time_zone=args.time_zone,
            permissions=_permissions(args),
            is_admin=bool(args.admin),
        )
        account = await accounts.add_account(context, new)
        document = await _document(context, account)
    return answer(args, document, f"{account.address} added, id {account.id}")


async def _list(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        found = await context.store.read(lambda unit: unit.accounts.all())
        documents = [await _document(context, account) for account in found]
    rows = [(a.address, a.name, a.time_zone or "-", "disabled" if a.disabled else "admin" if a.is_admin else "")
            for a in found]  # fmt: skip
    return answer(args, {"accounts": documents}, table(rows) or "no accounts")


async def _show(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        document = await _document(context, await accounts.find_account(context, args.address))
    return answer(args, document, table([(key, value) for key, value in document.items()]))


async def _set(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        account = await accounts.find_account(context, args.address)
        given = {"name": args.name, "locale": args.locale, "time_zone": args.time_zone, "is_admin": args.admin,
                 "disabled": args.disabled}  # fmt: skip
        changed: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        password = _password(args)
        if password:
            changed["password_hash"] = hash_password(password)
        changed["permissions"] = {**account.permissions, **_permissions(args)}
        await accounts.change_account(context, account, changed, args.alias)
        document = await _document(context, await accounts.find_account(context, account.address))
    return answer(args, document, f"{account.address} changed")


async def _remove(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        account = await accounts.find_account(context, args.address)
        await context.store.write(lambda unit: unit.accounts.remove(account.id))
    return answer(args, {"removed": account.address}, f"{account.address} removed")


def _permissions(args: argparse.Namespace) -> dict[str, bool]:
    return {**dict.fromkeys(args.allow, True), **dict.fromkeys(args.deny, False)}


def _password(args: argparse.Namespace) -> str | None:
    if args.password == "-":  # noqa: S105  # the word for "ask me", not a password
        return getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if args.password == "":
        raise Refused("usage", "An empty password is no password")
    return str(args.password) if args.password else None


async def _document(context: Context, account: Account) -> dict[str, Any]:
    addresses = await context.store.read(lambda unit: unit.accounts.addresses(account.id))
    shown = {field.name: getattr(account, field.name) for field in dataclasses.fields(account)}
    del shown["password_hash"], shown["modseq"], shown["settings"]
    aliases = [address for address in addresses if address != normal_address(account.address)]
    return {**shown, "aliases": aliases, "permissions": {p: accounts.may(account, p) for p in accounts.PERMISSIONS}}
