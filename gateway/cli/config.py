# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway config`: the annotated sample, and the values in force with where each came from."""

import argparse

from gateway.cli.effective import values_in_force
from gateway.cli.output import answer, table
from gateway.config.sample import build_sample
from policies.options import DEFAULT


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("sample", help="print the annotated sample file").set_defaults(func=sample)
    verb = verbs.add_parser("show", help="print each effective value and where it came from")
    verb.add_argument("--changed", action="store_true", help="only what differs from the built-in defaults")
    verb.add_argument("key", nargs="*", help="only these keys or tables, such as relay or policy.alarms.enable")
    verb.set_defaults(func=show)


def sample(args: argparse.Namespace) -> int:
    """Print the annotated sample."""
    text = build_sample()
    return answer(args, {"sample": text}, text)


def show(args: argparse.Namespace) -> int:
    """Print the effective values.

    Raises: Misconfigured.
    """
    values = [
        value
        for value in values_in_force(args)
        if not (args.changed and value.origin == DEFAULT) and _wanted(value.key, args.key)
    ]
    document = {value.key: {"value": value.value, "origin": value.origin} for value in values}
    return answer(
        args, document, table((value.key, f"= {value.value or '(none)'}", f"# {value.origin}") for value in values)
    )


def _wanted(key: str, asked: list[str]) -> bool:
    return not asked or any(key == name or key.startswith((f"{name}.", f"{name}[")) for name in asked)
