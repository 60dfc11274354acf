# SPDX-License-Identifier: Apache-2.0
"""Every policy and every rule, for `imip-gateway policy list`, `policy explain` and `docs/policies.md`."""

import inspect
from dataclasses import dataclass
from types import ModuleType

from policies import alarms, external_recipients, incoming, limits, loops, notify, retention, retry, rsvp, sender_trust
from policies.verdict import Rule


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy: its module's name, which is also its table below `[policy]`, what it decides, and its rules."""

    name: str
    about: str
    rules: tuple[Rule, ...]


def _policy(module: ModuleType) -> Policy:
    about = (inspect.getdoc(module) or "").partition("\n\n")[0].replace("\n", " ")
    return Policy(module.__name__.rpartition(".")[2], about, getattr(module, "RULES", ()))


POLICIES: tuple[Policy, ...] = tuple(
    map(_policy, (sender_trust, incoming, loops, external_recipients, limits, notify, rsvp, alarms, retry, retention))
)
