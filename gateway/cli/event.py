# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway event import | show | list | page`: iCalendar in and out, and the organizer's page."""

import argparse
import sys
from pathlib import Path
from typing import Any

from gateway.cli.open import opened, run
from gateway.cli.output import answer, table
from gateway.errors import Refused
from gateway.flows import accounts
from gateway.flows.events import describe, find_event, import_calendar
from gateway.flows.links import organizer_url


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    take = verbs.add_parser(
        "import", help="store the events of an iCalendar file, answers that came are kept; no mail unless --send"
    )
    show = verbs.add_parser("show", help="one event with its guests and their answers")
    listing = verbs.add_parser("list", help="every event of an account")
    page = verbs.add_parser("page", help="address of the organizer's page of an event: whoever has it decides there")
    for each in (take, show, listing, page):
        each.add_argument("account", metavar="ACCOUNT")
    take.add_argument("file", metavar="FILE", type=Path, help="- for standard input")
    take.add_argument("--send", action="store_true", help="send what the import owes to guests")
    for each in (show, page):
        each.add_argument("uid", metavar="UID")
    take.set_defaults(func=run(_import))
    show.set_defaults(func=run(_show))
    listing.set_defaults(func=run(_list))
    page.set_defaults(func=run(_page))


async def _import(args: argparse.Namespace) -> int:
    try:
        data = sys.stdin.buffer.read() if str(args.file) == "-" else args.file.read_bytes()
    except OSError as error:
        raise Refused("not-found", f"{args.file}: {error.strerror}") from error
    async with opened(args) as context:
        account = await accounts.find_account(context, args.account)
        results = await import_calendar(context, account, data, send=args.send)
    documents: list[dict[str, Any]] = [
        {
            "uid": result.item.uid if result.item else "",
            "messages": result.messages,
            "rule": result.rule,
            "nothing": result.nothing,
        }
        for result in results
    ]
    lines = [f"{d['uid']}: {d['messages']} messages{' - ' + d['nothing'] if d['nothing'] else ''}" for d in documents]
    return answer(args, {"imported": documents}, lines or "nothing to import")


async def _show(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        account = await accounts.find_account(context, args.account)
        document = await describe(context, await find_event(context, account, args.uid))
    people = table([tuple(person.values()) for person in document["participants"]])
    return answer(args, document, [*people, "", document["ical"]])


async def _page(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        account = await accounts.find_account(context, args.account)
        item = await find_event(context, account, args.uid)
        if not item.is_origin:
            raise Refused("not-found", f"{account.address} does not organize {args.uid}")
        url = await context.store.write(lambda unit: organizer_url(unit, context, item))
    if not url:
        raise Refused("not-found", "No listener has a public_url, so there are no pages")
    return answer(args, {"uid": item.uid, "page": url}, url)


async def _list(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        account = await accounts.find_account(context, args.account)
        items = await context.store.read(lambda unit: unit.objects.of_account(account.id))
    documents = [{"uid": i.uid, "summary": i.summary, "start": i.starts_at, "status": i.status} for i in items]
    return answer(args, {"events": documents}, table(tuple(d.values()) for d in documents) or "no events")
