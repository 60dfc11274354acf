# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway alarms next | run | history | on | off`."""

import argparse
import dataclasses
import random
from datetime import UTC, datetime

from gateway.cli.open import opened, run
from gateway.cli.output import answer, table
from gateway.errors import Refused
from gateway.flows.accounts import find_account
from gateway.flows.alarm_view import AlarmForecast, forecast, history
from gateway.flows.build_mails import build_due
from gateway.flows.consents import set_wanted
from gateway.flows.context import Context
from gateway.flows.delivery import deliver_due
from gateway.flows.due_alarms import run_until
from gateway.itip.values import parse_moment_text
from gateway.relay.opening import configured_relay


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    coming = verbs.add_parser("next", help="what will fire when, for whom, and why not")
    coming.add_argument("account", metavar="ACCOUNT")
    coming.add_argument("--at", type=instant, metavar="T", help="look ahead from this time instead of now")
    coming.add_argument("--limit", type=int, default=50, metavar="N", help="how many firings to show (50)")
    fire = verbs.add_parser("run", help="fire everything that is due by a time, as the worker would")
    fire.add_argument("--until", type=instant, metavar="T", required=True, help="such as 2026-12-24T08:00:00Z")
    fire.add_argument("--queue-only", action="store_true", help="leave the mails in the outbox for the worker")
    past = verbs.add_parser("history", help="what fired, was skipped or missed, and by which rule")
    past.add_argument("account", metavar="ACCOUNT")
    past.add_argument("--limit", type=int, default=50, metavar="N", help="how many to show (50)")
    for verb, wanted in (("on", True), ("off", False)):
        child = verbs.add_parser(verb, help=f"switch an account's alarm mails {verb}")
        child.add_argument("account", metavar="ACCOUNT")
        child.set_defaults(func=run(_switch), wanted=wanted)
    coming.set_defaults(func=run(_next))
    fire.set_defaults(func=run(_run))
    past.set_defaults(func=run(_history))


def instant(text: str) -> datetime:
    """Read a time given on the command line; without a zone it is UTC."""
    try:
        return parse_moment_text(text).wall.replace(tzinfo=UTC)
    except Refused as refused:
        raise argparse.ArgumentTypeError(refused.public) from None


async def _next(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        account = await find_account(context, args.account)
        at = args.at or context.clock.now()
        found = await context.store.read(lambda unit: forecast(unit, context, account, at, limit=args.limit))
    document = {"account": account.address, "at": at, **dataclasses.asdict(found)}
    return answer(args, document, _lines(found) or "no alarms")


def _lines(found: AlarmForecast) -> list[str]:
    rows: list[tuple[object, ...]] = []
    for each in found.upcoming:
        to = ", ".join(r.address if r.action == "permit" else f"({r.address}: {r.rule})" for r in each.recipients)
        rows.append((_shown(each.fire_at), each.action, each.rule, each.summary or each.uid, to))
    rows += [("-", "no mail", each.rule, each.summary or each.uid, each.reason) for each in found.silent]
    return table(rows)


async def _run(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        outcomes = await run_until(context, args.until)
        if not args.queue_only:
            await _deliver(context)
    document = {"until": args.until, "fired": [dataclasses.asdict(outcome) for outcome in outcomes]}
    rows = [(_shown(o.fire_at), o.outcome, o.rule, o.summary or o.uid, o.recipient or o.reason) for o in outcomes]
    return answer(args, document, table(rows) or "nothing was due")


async def _deliver(context: Context) -> None:
    """Build and hand over what is owed, once; what the next hop does not take now is the worker's to try again."""
    config, worker = context.config, "alarms-run"
    relay = configured_relay(config.relay, hostname=config.gateway.hostname, clock=context.clock)
    try:
        while await build_due(context, worker=worker):
            pass
        while await deliver_due(context, relay, worker=worker, chance=random.random):
            pass
    finally:
        await relay.close()


async def _switch(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        account = await find_account(context, args.account)
        await context.store.write(lambda unit: set_wanted(unit, account, wanted=args.wanted))
    return answer(args, {"account": account.address, "alarm_mails": args.wanted}, f"{account.address}: {args.verb}")


async def _history(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        account = await find_account(context, args.account)
        past = await context.store.read(lambda unit: history(unit, account, args.limit))
    rows = [(_shown(e.fire_at), e.outcome, e.rule, e.summary or e.uid, e.recipient or e.reason) for e in past]
    document = {"account": account.address, "fired": [dataclasses.asdict(each) for each in past]}
    return answer(args, document, table(rows) or "nothing has fired")


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
