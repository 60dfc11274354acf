# SPDX-License-Identifier: Apache-2.0
"""A decision as a value: what to do, by which rule, and why, in a sentence a person understands."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

F = TypeVar("F")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`action` is a word of the policy that decided; `rule` is its stable id (`docs/policies.md` lists them all)."""

    action: str
    rule: str
    reason: str
    facts: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule id, what it means, and the settings (dotted keys below `policy`) that move it."""

    id: str
    meaning: str
    settings: tuple[str, ...] = ()


def first_match(rules: Iterable[Callable[[F, S], Verdict | None]], facts: F, settings: S) -> Verdict:
    """Ask each rule in order; the first that has an opinion decides. The last rule must always have one."""
    for rule in rules:
        verdict = rule(facts, settings)
        if verdict is not None:
            return verdict
    raise LookupError("no rule decided; the last one must")
