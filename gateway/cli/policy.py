# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway policy`: every rule that can decide about a mail, and why it decides as it does here.

The policies declare their rules; what the engine and the flows say beside theirs is gathered in `rules.toml`.
"""

import argparse
import tomllib
from dataclasses import dataclass
from importlib import resources

from gateway.cli.effective import values_in_force
from gateway.cli.output import answer, table
from gateway.config.sample import EffectiveValue
from gateway.errors import Refused
from policies.catalogue import POLICIES

ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class KnownRule:
    """A rule, who decides by it, and the keys that move it."""

    id: str
    decided_by: str
    meaning: str
    keys: tuple[str, ...] = ()


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("list", help="every rule id with its meaning").set_defaults(func=list_rules)
    verb = verbs.add_parser("explain", help="one rule: meaning, present values, and where they come from")
    verb.add_argument("id", metavar="ID", help="a rule id such as limit.recipients, or who decides, such as limits")
    verb.set_defaults(func=explain)


def known_rules() -> list[KnownRule]:
    """Return every rule: those of the policies as they are declared, then those of the engine and the flows."""
    declared = [
        KnownRule(rule.id, policy.name, rule.meaning, tuple(f"policy.{key}" for key in rule.settings))
        for policy in POLICIES
        for rule in policy.rules
    ]
    text = resources.files("gateway.cli").joinpath("rules.toml").read_text(encoding="utf-8")
    said = tomllib.loads(text)
    return declared + [KnownRule(rule, ENGINE, " / ".join(found["says"])) for rule, found in said.items()]


def list_rules(args: argparse.Namespace) -> int:
    """Print every rule with the present value of the settings that move it."""
    values = _values(args)
    rules = known_rules()
    document = {"rules": [_document(rule, values) for rule in rules]}
    return answer(args, document, table((rule.id, rule.meaning, _in_short(rule, values)) for rule in rules))


def explain(args: argparse.Namespace) -> int:
    """Print one rule, or all of one policy, with values and origins.

    Raises: Refused: there is no such rule.
    """
    rules = [rule for rule in known_rules() if args.id in (rule.id, rule.decided_by)]
    if not rules:
        raise Refused("not-found", f"No such rule: {args.id}; `policy list` shows all")
    values = _values(args)
    documents = [_document(rule, values) for rule in rules]
    lines = [line for rule in rules for line in _in_full(rule, values)]
    return answer(args, documents[0] if rules[0].id == args.id else {"rules": documents}, lines)


def _values(args: argparse.Namespace) -> dict[str, EffectiveValue]:
    return {value.key: value for value in values_in_force(args)}


def _in_short(rule: KnownRule, values: dict[str, EffectiveValue]) -> str:
    return ", ".join(f"{key.removeprefix('policy.')} = {values[key].value}" for key in rule.keys)


def _in_full(rule: KnownRule, values: dict[str, EffectiveValue]) -> list[str]:
    settings = [f"  {key} = {values[key].value or '(none)'}  # {values[key].origin}" for key in rule.keys]
    return [f"{rule.id} (decided by {rule.decided_by})", f"  {rule.meaning}", *settings]


def _document(rule: KnownRule, values: dict[str, EffectiveValue]) -> dict[str, object]:
    settings = {key: {"value": values[key].value, "origin": values[key].origin} for key in rule.keys}
    return {"id": rule.id, "decided_by": rule.decided_by, "meaning": rule.meaning, "settings": settings}
