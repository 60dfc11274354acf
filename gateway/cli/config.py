# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway config`: the annotated sample, and the values in force with where each came from."""

import argparse
import json
import os
import sys

from gateway.config import load
from gateway.config.sample import build_sample, effective_values
from policies.options import DEFAULT


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("sample", help="print the annotated sample file").set_defaults(func=sample)
    verb = verbs.add_parser("show", help="print each effective value and where it came from")
    verb.add_argument("--changed", action="store_true", help="only what differs from the defaults")
    verb.add_argument("key", nargs="*", help="only these keys or tables, such as relay or policy.alarms.enable")
    verb.set_defaults(func=show)


def sample(args: argparse.Namespace) -> int:
    """Print the annotated sample."""
    text = build_sample()
    sys.stdout.write(json.dumps({"sample": text}) + "\n" if args.json else text)
    return 0


def show(args: argparse.Namespace) -> int:
    """Print the effective values.

    Raises: Misconfigured.
    """
    values = [
        value
        for value in effective_values(load(args.config, os.environ))
        if not (args.changed and value.origin == DEFAULT) and _wanted(value.key, args.key)
    ]
    if args.json:
        print(json.dumps({value.key: {"value": value.value, "origin": value.origin} for value in values}, indent=2))
        return 0
    width = max((len(value.key) for value in values), default=0)
    for value in values:
        print(f"{value.key:<{width}} = {value.value or '(none)'}  # {value.origin}")
    return 0


def _wanted(key: str, asked: list[str]) -> bool:
    return not asked or any(key == name or key.startswith((f"{name}.", f"{name}[")) for name in asked)
