# SPDX-License-Identifier: Apache-2.0
"""One fuzz target in this process: `python -m tests.fuzz.one NAME [libFuzzer options]`. Does not come back."""

import sys

import atheris

with atheris.instrument_imports(include=["gateway"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Hand the target to atheris."""
    name = sys.argv[1]
    atheris.Setup([name, *sys.argv[2:]], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
