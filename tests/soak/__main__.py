# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.soak [--mails N] [--kills N] [--seed N]`: a long storm over a real Postfix; needs root."""

import argparse
import asyncio
import tempfile
from pathlib import Path

from tests.soak.storm import Storm, blow


def main() -> int:
    """Run one storm and say what it left; 1 where a mail was lost or had its effect twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--mails", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1, help="of the moments of the kills")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        storm = asyncio.run(blow(Storm(arguments.mails, arguments.kills, arguments.seed), Path(folder)))
    print(*storm.faults, sep="\n", end="\n" if storm.faults else "")
    print(f"{storm.mails} mails, {storm.kills} kills, {storm.deferred} deferrals: {len(storm.faults)} lost or doubled")
    print(f"{storm.again} mails reached the mailbox a second time")
    return 1 if storm.faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
