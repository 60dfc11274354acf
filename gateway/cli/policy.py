# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway policy`: every rule that can decide about a mail, and why it decides as it does here."""

import argparse
import json
import os
import sys

from gateway.config import load
from gateway.config.sample import EffectiveValue, effective_values
from policies.catalogue import POLICIES, Policy, find_rule
from policies.verdict import Rule

EX_NOINPUT = 66


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("list", help="every rule id with its meaning").set_defaults(func=list_rules)
    verb = verbs.add_parser("explain", help="one rule: meaning, present values, and where they come from")
    verb.add_argument("id", metavar="ID", help="a rule id such as limit.recipients, or a policy's name")
    verb.set_defaults(func=explain)


def list_rules(args: argparse.Namespace) -> int:
    """Print every rule with the present value of the settings that move it."""
    values = _values(args)
    rows = [(policy, rule) for policy in POLICIES for rule in policy.rules]
    if args.json:
        print(json.dumps({"rules": [_document(policy, rule, values) for policy, rule in rows]}, indent=2))
        return 0
    width = max(len(rule.id) for _, rule in rows)
    for _, rule in rows:
        settings = ", ".join(f"{key} = {values[key].value}" for key in _keys(rule))
        print(f"{rule.id:<{width}}  {rule.meaning}{f'  [{settings}]' if settings else ''}")
    return 0


def explain(args: argparse.Namespace) -> int:
    """Print one rule, or all rules of one policy, with values and origins; 66 for an unknown id."""
    found = find_rule(args.id)
    rows = [found] if found else [(p, rule) for p in POLICIES if p.name == args.id for rule in p.rules]
    if not rows:
        print(f"no such rule: {args.id}; `policy list` shows all", file=sys.stderr)
        return EX_NOINPUT
    values = _values(args)
    if args.json:
        documents = [_document(policy, rule, values) for policy, rule in rows]
        print(json.dumps(documents[0] if found else {"rules": documents}, indent=2))
        return 0
    for policy, rule in rows:
        print(f"{rule.id} (policy {policy.name})\n  {rule.meaning}")
        for key in _keys(rule):
            print(f"  {key} = {values[key].value or '(none)'}  # {values[key].origin}")
    return 0


def _values(args: argparse.Namespace) -> dict[str, EffectiveValue]:
    return {value.key: value for value in effective_values(load(args.config, os.environ))}


def _keys(rule: Rule) -> tuple[str, ...]:
    return tuple(f"policy.{key}" for key in rule.settings)


def _document(policy: Policy, rule: Rule, values: dict[str, EffectiveValue]) -> dict[str, object]:
    settings = {key: {"value": values[key].value, "origin": values[key].origin} for key in _keys(rule)}
    return {"id": rule.id, "policy": policy.name, "meaning": rule.meaning, "settings": settings}
