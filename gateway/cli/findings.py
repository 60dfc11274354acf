# SPDX-License-Identifier: Apache-2.0
"""What a check found: one line each, with the mend."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from gateway.cli.output import answer


class State(StrEnum):
    """How a check came out. A hint is worth reading and breaks nothing."""

    GOOD = "ok"
    HINT = "hint"
    BAD = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, what was found, and how to mend it."""

    what: str
    state: State
    found: str
    mend: str = ""


def tell(args: argparse.Namespace, findings: Sequence[Finding]) -> int:
    """Write all findings; exit status 1 where one of them is a fault."""
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:<5}  {finding.what}: {finding.found}")
        lines += [f"       mend: {finding.mend}"] if finding.mend else []
    answer(args, {"checks": [asdict(finding) for finding in findings]}, lines)
    return 1 if any(finding.state is State.BAD for finding in findings) else 0
