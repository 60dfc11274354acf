# SPDX-License-Identifier: Apache-2.0
"""What benchmarks share: best-of timing, a line of result, and how it is printed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter


@dataclass(frozen=True, slots=True)
class Line:
    """One result. `goal` bounds `value`; `above` says on which side it should lie."""

    what: str
    value: float
    unit: str
    goal: float | None = None
    above: bool = True
    note: str = ""

    @property
    def met(self) -> bool:
        return self.goal is None or (self.value >= self.goal if self.above else self.value <= self.goal)


def best_of(
    work: Callable[[], object], *, number: int, repeat: int = 7, clock: Callable[[], float] = perf_counter
) -> float:
    """Return the seconds of one call, in the best of several runs: the least disturbed one."""
    best = float("inf")
    for _ in range(repeat):
        began = clock()
        for _ in range(number):
            work()
        best = min(best, clock() - began)
    return best / number


def calibration() -> float:
    """Return how slow this machine is just now: 1.0 where two million turns of a counting loop take 100 ms."""
    return best_of(_turns, number=1, repeat=3) / 0.1


def _turns() -> None:
    turn = 0
    while turn < 2_000_000:
        turn += 1


def ratio_of(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the rounds' ratios; each round ran both, one after the other."""
    return median(mine / other for mine, other in zip(ours, theirs, strict=True))


def render(name: str, lines: Sequence[Line]) -> str:
    """Write results for people."""
    width = max((len(line.what) for line in lines), default=0)
    rows = [f"== {name}"]
    for line in lines:
        goal = "" if line.goal is None else f"  (goal {'>=' if line.above else '<='} {line.goal:g})"
        verdict = "" if line.goal is None else "  ok" if line.met else "  MISSED"
        rows.append(f"{line.what:<{width}}  {line.value:9.2f} {line.unit}{goal}{verdict}  {line.note}".rstrip())
    return "\n".join(rows) + "\n"
