# SPDX-License-Identifier: Apache-2.0
"""Mail without a calendar through our filter, against a stock aiosmtpd with aiosmtplib behind it, in turns.

Goals: 3 times its rate at 10 KiB, 5 times at 1 MB. Ours does more than the baseline: RCPT by RCPT against the next hop,
scan, trace line, log line.
"""

import tempfile
from pathlib import Path

from bench.load import Relay, send, sink, tool
from bench.measure import Line, ratio_of
from bench.scan import mails

ROUNDS = 3
#: what: (octets of the mail, mails a round, sessions, connections kept, goal)
CASES: dict[str, tuple[int, int, int, bool, float | None]] = {
    "1 KiB": (1024, 600, 10, False, None),
    "10 KiB": (10 * 1024, 600, 10, False, 3.0),
    "10 KiB, kept connections": (10 * 1024, 600, 10, True, None),
    "1 MB": (2**20, 40, 10, False, 5.0),
}


def message(size: int) -> bytes:
    """Return a mail of this size as smtp-source wants it, with bare line feeds."""
    name = "1 MB, attachment" if size > 100_000 else "3 KB, plain"
    mail = mails()[name].replace(b"\r\n", b"\n")
    while len(mail) < size:
        mail += b"Another line of the minutes, much like the one before it.\n"
    return mail[: size - 1] + b"\n"


def run() -> list[Line]:
    """Compare."""
    if tool("smtp-source") is None:
        return [Line("smtp-source is not installed", 0, "")]
    lines = []
    with sink() as port, tempfile.TemporaryDirectory() as folder:
        relays = {"stock": Relay("stock", str(port)), "ours": Relay("filter", f"smtp://127.0.0.1:{port}")}
        try:
            for what, (size, count, sessions, kept, goal) in CASES.items():
                path = Path(folder) / "mail"
                path.write_bytes(message(size))
                lines += _compare(relays, what, path, count, sessions, kept, goal)
        finally:
            for relay in relays.values():
                relay.close()
    return lines


def _compare(
    relays: dict[str, Relay], what: str, path: Path, count: int, sessions: int, kept: bool, goal: float | None
) -> list[Line]:
    rates: dict[str, list[float]] = {name: [] for name in relays}
    cpus: dict[str, list[float]] = {name: [] for name in relays}
    for relay in relays.values():
        send(relay.port, path, count=max(10, count // 10), sessions=sessions, kept=kept)  # warm up
    for _ in range(ROUNDS):
        for name, relay in relays.items():
            used = relay.cpu()
            rates[name].append(count / send(relay.port, path, count=count, sessions=sessions, kept=kept))
            cpus[name].append((relay.cpu() - used) / count)
    note = "; ".join(
        f"{name} {sorted(rates[name])[ROUNDS // 2]:.0f}/s {sorted(cpus[name])[ROUNDS // 2] * 1e3:.2f} ms CPU"
        for name in relays
    )
    return [
        Line(f"{what}: rate", ratio_of(rates["ours"], rates["stock"]), "x stock", goal, note=note),
        Line(f"{what}: CPU", ratio_of(cpus["stock"], cpus["ours"]), "x less"),
    ]
