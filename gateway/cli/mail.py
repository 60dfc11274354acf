# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway mail explain | trace | held | release | reject | preview`: what a mail does, did, or waits to do."""

import argparse
import sys
from pathlib import Path

from gateway.authn.resolver import DnsResolver
from gateway.cli.mail_preview import add_verbs
from gateway.cli.open import opened, run
from gateway.cli.output import answer, table
from gateway.errors import Refused
from gateway.flows import held
from gateway.flows.explain import explain_mail, trace_mail


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    explain = verbs.add_parser("explain", help="the real pipeline without the commit: each step, rule and change")
    explain.add_argument("file", metavar="FILE", type=Path, help="the mail as received; - for standard input")
    explain.add_argument("--to", action="append", required=True, metavar="RCPT", help="envelope recipient; repeatable")
    explain.add_argument("--from", dest="mail_from", metavar="ADDR", help="envelope sender (default: its From)")
    explain.set_defaults(func=run(_explain))
    trace = verbs.add_parser("trace", help="what happened to one mail")
    trace.add_argument("id", metavar="ID", help="our id, a Message-ID, or a Postfix queue id")
    trace.set_defaults(func=run(_trace))
    waiting = verbs.add_parser("held", help="changes that wait for a person")
    waiting.set_defaults(func=run(_held))
    for verb, purpose in (("release", "apply a held change: you vouch for it"), ("reject", "drop a held change")):
        child = verbs.add_parser(verb, help=purpose)
        child.add_argument("id", metavar="ID")
        child.set_defaults(func=run(_decide))
    add_verbs(verbs)


async def _explain(args: argparse.Namespace) -> int:
    try:
        data = sys.stdin.buffer.read() if str(args.file) == "-" else args.file.read_bytes()
    except OSError as error:
        raise Refused("not-found", f"{args.file}: {error.strerror}") from error
    async with opened(args) as context:
        options = context.config.authn
        resolver = DnsResolver(options.dns_servers, timeout=options.dns_timeout.total_seconds())
        document = await explain_mail(context, resolver, data, tuple(args.to), args.mail_from)
    lines = ["who sent it", *table([(f"  {key}", value) for key, value in document["evidence"].items()])]
    for part in document["parts"]:
        lines += ["", f"{part['method'] or 'calendar'} {part['uid']} for {part['recipient'] or 'nobody here'}"]
        lines += [f"  {part['outcome']} by {part['rule']}: {part['reason']}"]
        lines += [f"  change: {change}" for change in part["changes"]]
    if not document["parts"]:
        lines += ["", "no calendar part: the mail passes byte for byte"]
    lines += ["", document["put_off"]] if document["put_off"] else []
    lines += ["", "passed on to " + (", ".join(document["passed_on"]) or "nobody")]
    return answer(args, document, lines)


async def _trace(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        entries = await trace_mail(context, args.id)
    if not entries:
        raise Refused("not-found", f"Nothing is recorded of {args.id}")
    documents = [
        {"at": e.at, "stage": e.stage, "outcome": e.outcome, "rule": e.rule, "reason": e.reason, "mail_id": e.mail_id,
         "message_id": e.message_id, "queue_id": e.queue_id, "recipient": e.recipient, "method": e.method,
         "uid": e.uid, "facts": dict(e.facts)}
        for e in entries
    ]  # fmt: skip
    lines = table((f"{e.at:%Y-%m-%d %H:%M:%S}", e.stage, e.outcome, e.recipient, e.rule, e.reason) for e in entries)
    return answer(args, {"trace": documents}, lines)


async def _held(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        found = await held.waiting(context)
    documents = [
        {"id": h.id, "account_id": h.account_id, "recipient": h.recipient, "method": h.method, "uid": h.uid,
         "from": h.from_address, "rule": h.rule, "reason": h.reason, "created_at": h.created_at}
        for h in found
    ]  # fmt: skip
    lines = table((h.id, h.method, h.from_address, h.recipient, h.reason) for h in found)
    return answer(args, {"held": documents}, lines or "nothing waits")


async def _decide(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        if args.verb == "reject":
            await held.reject(context, args.id, by="command line")
            return answer(args, {"id": args.id, "outcome": "rejected"}, f"{args.id} rejected")
        outcome = await held.release(context, args.id, by="command line")
    document = {"id": args.id, "outcome": outcome.outcome, "rule": outcome.rule, "reason": outcome.reason}
    return answer(args, document, f"{outcome.outcome}: {outcome.reason}")
