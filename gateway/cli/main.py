# SPDX-License-Identifier: Apache-2.0
"""The argument tree: options for all (`--config`, `--json`), then a noun whose module says the rest.

A noun's module has `register(parser)`, which adds its verbs and sets `func(args) -> exit status`; it is imported
only when its noun is asked for, so that the command line is quick. Exit statuses are those of sysexits(3).
"""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gateway import __version__
from gateway.errors import GatewayError
from gateway.replies import reply_for

#: Noun -> module and what it is for. A verb-less noun (`serve`) is its own verb.
NOUNS: dict[str, tuple[str, str]] = {
    "serve": ("gateway.cli.serve", "run every configured listener and worker"),
    "demo": ("gateway.cli.demo", "the main job end to end on this machine, each step printed"),
    "check": ("gateway.cli.check", "look at configuration, database, next hop, DNS, TLS and Postfix wiring"),
    "config": ("gateway.cli.config", "the annotated sample; effective values and where each came from"),
    "domain": ("gateway.cli.domain", "mail domains and their DKIM keys"),
    "account": ("gateway.cli.account", "people and rooms whose calendar is here"),
    "event": ("gateway.cli.event", "iCalendar in and out"),
    "mail": ("gateway.cli.mail", "explain, trace and preview mails; held changes"),
    "itip": ("gateway.cli.itip", "the pure engine on files"),
    "queue": ("gateway.cli.queue", "the outbox"),
    "alarms": ("gateway.cli.alarms", "what will fire when, and why not"),
    "policy": ("gateway.cli.policy", "every rule, its meaning and present value"),
    "postfix": ("gateway.cli.postfix", "the Postfix settings for each way to connect"),
}


class Parser(argparse.ArgumentParser):
    """Bad arguments end with EX_USAGE."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(os.EX_USAGE, f"{self.prog}: {message}\n")


def build_parser(asked: str | None = None) -> argparse.ArgumentParser:
    """Return the parser; only the asked noun's module is loaded (None = none, "*" = all of them)."""
    parser = Parser(
        prog="imip-gateway",
        description="Calendar scheduling by e-mail (iTIP/iMIP), answer pages and alarm mails beside Postfix.",
        epilog="--config FILE (or IMIP_GATEWAY_CONFIG) and --json may stand anywhere.",
    )
    parser.add_argument("--version", action="version", version=f"imip-gateway {__version__}")
    nouns = parser.add_subparsers(dest="noun", metavar="NOUN", required=True)
    for noun, (module, purpose) in NOUNS.items():
        child = nouns.add_parser(noun, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
        if asked in (noun, "*"):
            importlib.import_module(module).register(child)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    words, as_json, config = common_options(list(sys.argv[1:] if argv is None else argv))
    asked = next((word for word in words if word in NOUNS), None)
    args = build_parser(asked).parse_args(words)
    args.json, args.config = as_json, config
    try:
        return int(args.func(args))
    except GatewayError as error:
        return complain(error, as_json=as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def common_options(words: list[str]) -> tuple[list[str], bool, Path | None]:
    """Take `--json` and `--config FILE` out of the words, wherever they stand."""
    rest: list[str] = []
    as_json, config = False, os.environ.get("IMIP_GATEWAY_CONFIG")
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word == "--":
            rest += words[position - 1 :]
            break
        if word == "--json":
            as_json = True
        elif word == "--config" and position < len(words):
            config = words[position]
            position += 1
        elif word.startswith("--config="):
            config = word.partition("=")[2]
        else:
            rest.append(word)
    return rest, as_json, Path(config) if config else None


def complain(error: GatewayError, *, as_json: bool) -> int:
    """Tell what went wrong, for people on standard error or as JSON, and return the exit status for it."""
    if as_json:
        faults = list(getattr(error, "faults", ()))
        document = {"error": {"code": error.code, "reason": error.public, "faults": faults}}
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    else:
        faults_or_text = "\n".join((error.public, *(f"  {fault}" for fault in getattr(error, "faults", ()))))
        sys.stderr.write(f"imip-gateway: {faults_or_text}\n")
    return reply_for(error).exit_status
