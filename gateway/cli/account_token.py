# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway account token add | list | remove`: bearer tokens of an account, for programs that act for it."""

import argparse
from datetime import timedelta
from typing import Any

from gateway.cli.open import opened, run
from gateway.cli.output import answer, table
from gateway.errors import Refused
from gateway.flows import accounts
from gateway.store.accounts import AccessToken
from policies.units import parse_duration


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    verbs = parser.add_subparsers(dest="token_verb", metavar="VERB", required=True)
    add = verbs.add_parser("add", help="make a token; the secret is shown once")
    listing = verbs.add_parser("list", help="the tokens of an account, without their secrets")
    remove = verbs.add_parser("remove", help="take a token back")
    for each in (add, listing, remove):
        each.add_argument("address", metavar="ADDRESS")
    add.add_argument("--name", default="command line", help="what it is for")
    add.add_argument(
        "--scope", action="append", default=[], choices=accounts.SCOPES,
        help="limit it to a door, or to reading; may be repeated",
    )  # fmt: skip
    add.add_argument("--expires", type=_duration, metavar="DURATION", help="how long it is good for, such as 90d")
    remove.add_argument("id", metavar="ID", help="the token's id, as list shows it")
    for each, verb in ((add, _add), (listing, _list), (remove, _remove)):
        each.set_defaults(func=run(verb))


def _duration(text: str) -> timedelta:
    try:
        length = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if length <= timedelta():
        raise argparse.ArgumentTypeError("a token that is never good is none")
    return length


async def _add(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        account = await accounts.find_account(context, args.address)
        token, secret = await accounts.add_token(context, account.id, args.name, tuple(args.scope), args.expires)
    return answer(args, {**_document(token), "token": secret}, f"{secret}\n(shown once; id {token.id})")


async def _list(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        account = await accounts.find_account(context, args.address)
        tokens = await context.store.read(lambda unit: unit.accounts.tokens(account.id))
    rows = [(t.id, t.name, " ".join(t.scopes) or "all", f"until {t.expires_at:%Y-%m-%d}" if t.expires_at else "-")
            for t in tokens]  # fmt: skip
    return answer(args, {"tokens": [_document(token) for token in tokens]}, table(rows) or "no tokens")


async def _remove(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        account = await accounts.find_account(context, args.address)
        known = await context.store.read(lambda unit: unit.accounts.tokens(account.id))
        if args.id not in {token.id for token in known}:
            raise Refused("not-found", f"{account.address} has no token {args.id}")
        await context.store.write(lambda unit: unit.accounts.remove_token(args.id))
    return answer(args, {"removed": args.id}, f"{args.id} removed")


def _document(token: AccessToken) -> dict[str, Any]:
    shown = ("id", "name", "scopes", "created_at", "expires_at", "used_at")
    return {name: getattr(token, name) for name in shown}
