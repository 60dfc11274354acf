# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway policy`: every rule that can decide about a mail, and why it decides as it does here."""

import argparse

from gateway.cli.effective import values_in_force
from gateway.cli.output import answer, table
from gateway.config.sample import EffectiveValue
from gateway.errors import Refused
from policies.catalogue import POLICIES, Policy, find_rule
from policies.verdict import Rule


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("list", help="every rule id with its meaning").set_defaults(func=list_rules)
    verb = verbs.add_parser("explain", help="one rule: meaning, present values, and where they come from")
    verb.add_argument("id", metavar="ID", help="a rule id such as limit.recipients, or a policy such as limits")
    verb.set_defaults(func=explain)


def list_rules(args: argparse.Namespace) -> int:
    """Print every rule with the present value of the settings that move it."""
    values = _values(args)
    rows = [(policy, rule) for policy in POLICIES for rule in policy.rules]
    document = {"rules": [_document(policy, rule, values) for policy, rule in rows]}
    return answer(args, document, table((rule.id, rule.meaning, _in_short(rule, values)) for _, rule in rows))


def explain(args: argparse.Namespace) -> int:
    """Print one rule, or all rules of one policy, with values and origins.

    Raises: Refused: there is no such rule.
    """
    found = find_rule(args.id)
    rows = (
        [found] if found else [(policy, rule) for policy in POLICIES if policy.name == args.id for rule in policy.rules]
    )
    if not rows:
        raise Refused("not-found", f"No such rule: {args.id}; `policy list` shows all")
    values = _values(args)
    documents = [_document(policy, rule, values) for policy, rule in rows]
    lines = [line for policy, rule in rows for line in _in_full(policy, rule, values)]
    return answer(args, documents[0] if found else {"rules": documents}, lines)


def _values(args: argparse.Namespace) -> dict[str, EffectiveValue]:
    return {value.key: value for value in values_in_force(args)}


def _keys(rule: Rule) -> tuple[str, ...]:
    return tuple(f"policy.{key}" for key in rule.settings)


def _in_short(rule: Rule, values: dict[str, EffectiveValue]) -> str:
    return ", ".join(f"{key.removeprefix('policy.')} = {values[key].value}" for key in _keys(rule))


def _in_full(policy: Policy, rule: Rule, values: dict[str, EffectiveValue]) -> list[str]:
    settings = [f"  {key} = {values[key].value or '(none)'}  # {values[key].origin}" for key in _keys(rule)]
    return [f"{rule.id} (policy {policy.name})", f"  {rule.meaning}", *settings]


def _document(policy: Policy, rule: Rule, values: dict[str, EffectiveValue]) -> dict[str, object]:
    settings = {key: {"value": values[key].value, "origin": values[key].origin} for key in _keys(rule)}
    return {"id": rule.id, "policy": policy.name, "meaning": rule.meaning, "settings": settings}
