# SPDX-License-Identifier: Apache-2.0
"""Does the filter's memory stay flat? Mails of mixed sizes over kept and fresh connections.

Compared is the largest resident size in the first third with that in the last third, in per cent.
"""

import tempfile
from pathlib import Path

from bench.load import Relay, send, sink, tool
from bench.measure import Line
from bench.passthrough import message

MAILS = 20_000
SIZES = (2 * 1024, 2 * 1024, 60 * 1024, 2 * 1024, 3 * 2**20)


def run() -> list[Line]:
    """Watch it."""
    if tool("smtp-source") is None:
        return [Line("smtp-source is not installed", 0, "")]
    with sink() as port, tempfile.TemporaryDirectory() as folder:
        relay = Relay("filter", f"smtp://127.0.0.1:{port}")
        try:
            sizes = []
            sent = 0
            while sent < MAILS:
                for at, size in enumerate(SIZES):
                    path = Path(folder) / f"{size}"
                    if not path.exists():
                        path.write_bytes(message(size))
                    count = 600 if size < 100_000 else 5
                    send(relay.port, path, count=count, sessions=10, kept=bool(at % 2))
                    sent += count
                sizes.append(resident(relay.process.pid))
        finally:
            relay.close()
    third = len(sizes) // 3
    early, late = max(sizes[:third]), max(sizes[-third:])
    note = f"{early / 2**20:.0f} MiB, then {late / 2**20:.0f} MiB, over {sent} mails"
    return [Line("growth of resident memory", (late / early - 1) * 100, "%", 10.0, above=False, note=note)]


def resident(process: int) -> int:
    """Return the resident size of a process."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024
