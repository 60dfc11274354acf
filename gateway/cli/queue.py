# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway queue list | show | retry | hold | release | drop`: the outbox, tasks and mails alike. And
`queue suppressed | unsuppress`: the addresses that nothing is sent to."""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from gateway.cli.open import opened, run
from gateway.cli.output import answer, table
from gateway.errors import Refused
from gateway.flows import queue, suppressions
from gateway.flows.context import Context


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="what is owed and not yet taken by the next hop")
    listing.add_argument("--account", metavar="ADDRESS", help="of one account only")
    listing.add_argument("--all", action="store_true", help="finished mails too")
    listing.set_defaults(func=run(_list))
    show = verbs.add_parser("show", help="one task or mail, with its recipients")
    show.set_defaults(func=run(_show))
    steps: dict[str, tuple[str, Callable[[Context, str], Any]]] = {
        "retry": ("try now", queue.retry),
        "hold": ("keep from being sent until released", queue.hold),
        "release": ("let go what was held", queue.release),
        "drop": ("never send it; the journal keeps that it was dropped", queue.drop),
    }
    for verb, (purpose, step) in steps.items():
        child = verbs.add_parser(verb, help=purpose)
        child.add_argument("id", metavar="ID")
        child.set_defaults(func=run(_act), step=step)
    show.add_argument("id", metavar="ID")
    suppressed = verbs.add_parser(
        "suppressed", help="addresses that get no mail, since a delivery report called them dead"
    )
    suppressed.set_defaults(func=run(_suppressed))
    unsuppress = verbs.add_parser("unsuppress", help="write to such an address again")
    unsuppress.add_argument("address", metavar="ADDRESS")
    unsuppress.set_defaults(func=run(_unsuppress))


async def _list(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        rows = await queue.listing(context, account=args.account, finished=args.all)
    shown = [(r.id, r.kind, r.state, r.method, r.recipient, f"{r.due_at:%Y-%m-%d %H:%M:%S}", r.last) for r in rows]
    documents = [queue.document(row) for row in rows]
    return answer(args, {"queue": documents}, table(shown) or "the queue is empty")


async def _show(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        rows = [row for row in await queue.listing(context, finished=True) if row.id == args.id]
        if not rows:
            raise Refused("not-found", f"There is nothing {args.id} in the queue")
        text = await queue.content(context, args.id)
    documents = [queue.document(row) for row in rows]
    lines = table([pair for document in documents for pair in document.items()])
    return answer(args, {"queue": documents, "content": text}, [*lines, "", text])


async def _act(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        await args.step(context, args.id)
    return answer(args, {"id": args.id, "done": args.verb}, f"{args.id}: {args.verb}")


async def _suppressed(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        found = await suppressions.suppressed(context)
    shown = [(each.address, each.until and f"until {each.until:%Y-%m-%d}", each.reason) for each in found]
    documents = [asdict(each) for each in found]
    return answer(args, {"suppressed": documents}, table(shown) or "no address is stopped")


async def _unsuppress(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        await suppressions.unsuppress(context, args.address)
    return answer(args, {"address": args.address, "done": args.verb}, f"{args.address}: mail goes there again")
