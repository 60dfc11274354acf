# SPDX-License-Identifier: Apache-2.0
"""Counters and histograms declared beside the code that counts, shown at /metrics (Prometheus text format 0.0.4)."""

from bisect import bisect_left
from collections.abc import Iterator
from typing import ClassVar


class Metric:
    """A named number with a help text. Declaring a name twice is a mistake and raises ValueError."""

    declared: ClassVar[dict[str, "Metric"]] = {}
    kind = "untyped"

    def __init__(self, name: str, help_text: str) -> None:
        if name in Metric.declared:
            raise ValueError(f"metric {name} declared twice")
        Metric.declared[name] = self
        self.name = name
        self.help = help_text

    def samples(self) -> Iterator[str]:
        raise TypeError(f"{type(self).__name__} has no samples")


def _labelled(name: str, labels: tuple[tuple[str, str], ...]) -> str:
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for _, value in labels)
    inner = ",".join(f'{key}="{value}"' for (key, _), value in zip(labels, escaped, strict=True))
    return f"{name}{{{inner}}}" if inner else name


class Counter(Metric):
    """Counts up, by labels."""

    kind = "counter"

    def __init__(self, name: str, help_text: str) -> None:
        super().__init__(name, help_text)
        self._values: dict[tuple[tuple[str, str], ...], float] = {}

    def add(self, amount: float = 1, **labels: str) -> None:
        key = tuple(sorted(labels.items()))
        self._values[key] = self._values.get(key, 0) + amount

    def value(self, **labels: str) -> float:
        return self._values.get(tuple(sorted(labels.items())), 0)

    def samples(self) -> Iterator[str]:
        for labels, value in sorted(self._values.items()):
            yield f"{_labelled(self.name, labels)} {value:g}"


class Gauge(Counter):
    """A number that goes up and down."""

    kind = "gauge"

    def set(self, amount: float, **labels: str) -> None:
        self._values[tuple(sorted(labels.items()))] = amount


class Histogram(Metric):
    """Seconds (or bytes) in buckets."""

    kind = "histogram"

    def __init__(self, name: str, help_text: str, buckets: tuple[float, ...]) -> None:
        super().__init__(name, help_text)
        self._bounds = buckets
        self._counts = [0] * (len(buckets) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def samples(self) -> Iterator[str]:
        running = 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            running += count
            yield f'{self.name}_bucket{{le="{"+Inf" if bound == float("inf") else f"{bound:g}"}"}} {running}'
        yield f"{self.name}_sum {self._sum:g}"
        yield f"{self.name}_count {running}"


def exposition() -> str:
    """Return every declared metric as Prometheus text."""
    lines: list[str] = []
    for name, metric in sorted(Metric.declared.items()):
        lines += [f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind}", *metric.samples()]
    return "\n".join(lines) + "\n"
