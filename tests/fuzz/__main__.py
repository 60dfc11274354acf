# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.fuzz [--seconds N] [NAME ...]`: let atheris look for octets that break a reader.

Each target runs in a process of its own, from the corpus of mails as seeds, with caps on memory and on the time for
one input. What was found is left in `crash-*` files beside the caller.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.targets import TARGETS
from tests.support.corpus import mails


def main() -> int:
    """Run the chosen targets, all by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(TARGETS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    failed = []
    for name in arguments.names or TARGETS:
        with tempfile.TemporaryDirectory() as seeds:
            for number, path in enumerate(mails()):
                Path(seeds, str(number)).write_bytes(path.read_bytes())
            limits = (f"-max_total_time={arguments.seconds}", "-timeout=5", "-rss_limit_mb=1024", "-max_len=20000")
            command = [sys.executable, "-m", "tests.fuzz.one", name, seeds, *limits]
            print(f"== {name}", flush=True)
            failed += [name] if subprocess.run(command, check=False).returncode else []
    print("broken: " + ", ".join(failed) if failed else "nothing found")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
