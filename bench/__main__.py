# SPDX-License-Identifier: Apache-2.0
"""`python -m bench [NAME ...]`: run one benchmark or all. A benchmark is a module here with `run() -> list[Line]`."""

import importlib
import pkgutil
import sys

import bench
from bench.measure import render

#: Modules here that are not benchmarks.
SUPPORT = {"__main__", "measure", "relays", "load"}


def names() -> list[str]:
    """List the benchmarks."""
    return sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if module.name not in SUPPORT)


def main() -> int:
    """Run what is asked for."""
    chosen = sys.argv[1:] or names()
    unknown = [name for name in chosen if name not in names()]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(names())}", file=sys.stderr)
        return 64
    missed = 0
    for name in chosen:
        lines = importlib.import_module(f"bench.{name}").run()
        print(render(name, lines), flush=True)
        missed += sum(not line.met for line in lines)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
