# SPDX-License-Identifier: Apache-2.0
"""A real Postfix with our filter, against the same with two passes and nothing between; with our milter, against none.

Goals: the filter 0.95 of two passes on small mail, 0.75 on 1 MB; the milter 0.9. The final delivery is `discard`;
a round ends when the queue is empty. The filter's transport and the way back are those of contrib/postfix.
"""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from bench.load import Relay, send, tool
from bench.measure import Line, ratio_of
from bench.passthrough import message
from tests.support.postfix import Postfix, free_port, installed, private_postfix

ROUNDS = 3
#: what: (octets, mails a round, the filter's goal)
CASES = {"1 KiB": (1024, 600, 0.95), "10 KiB": (10 * 1024, 600, 0.95), "1 MB": (2**20, 30, 0.75)}
MILTER_GOAL = 0.9
_RETURN = (
    "content_filter=", "receive_override_options=no_unknown_recipient_checks,no_header_body_checks,no_milters,"
    "no_address_mappings", "smtpd_authorized_xforward_hosts=127.0.0.0/8", "local_header_rewrite_clients=",
    "smtpd_client_connection_count_limit=0", "smtpd_client_connection_rate_limit=0",
)  # fmt: skip
_FILTER = ("smtp_send_xforward_command=yes", "disable_mime_output_conversion=yes", "smtp_line_length_limit=0")


def run() -> list[Line]:
    """Compare."""
    if not installed() or tool("smtp-source") is None:
        return [Line("Postfix is not installed, or we are not root", 0, "")]
    back = free_port()
    place = Path(tempfile.mkdtemp(prefix="gw-milter-"))
    place.chmod(0o755)  # Postfix's smtpd, which is not root, connects
    ours, milter = Relay("ours", back), Relay("milter", place / "socket")
    passes = {
        name: f"content_filter=gwfilter:[127.0.0.1]:{port}"
        for name, port in (("two passes", back), ("filter", ours.port))
    }
    milters = {"no milter": "smtpd_milters=", "milter": f"smtpd_milters=unix:{place}/socket"}
    lines = []
    try:
        with private_postfix("discard:") as instance, tempfile.TemporaryDirectory() as folder:
            _wire(instance, back)
            for what, (size, count, goal) in CASES.items():
                path = Path(folder) / "mail"
                path.write_bytes(message(size))
                lines.append(_compare(instance, passes, what, path, count, goal))
                instance.postconf("-e", "content_filter=")
                lines.append(_compare(instance, milters, what, path, count, MILTER_GOAL))
                instance.postconf("-e", "smtpd_milters=")
    finally:
        ours.close()
        milter.close()
        shutil.rmtree(place)
    return lines


def _wire(instance: Postfix, back: int) -> None:
    options = " ".join(f"-o {option}" for option in _RETURN)
    with (instance.config_dir / "master.cf").open("a") as file:
        file.write(f"127.0.0.1:{back} inet n - n - 20 smtpd {options}\n")
        file.write("gwfilter unix - - n - 10 smtp " + " ".join(f"-o {option}" for option in _FILTER) + "\n")


def _compare(instance: Postfix, ways: dict[str, str], what: str, path: Path, count: int, goal: float) -> Line:
    """Compare two settings of the same Postfix, the baseline first."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(ROUNDS + 1):
        for name, setting in ways.items():
            instance.postconf("-e", setting)
            instance.run("reload")
            time.sleep(1.0)
            began = time.perf_counter()
            send(instance.port, path, count=count, sessions=10)
            _drained(instance)
            if turn:  # the first round warms up
                rates[name].append(count / (time.perf_counter() - began))
    baseline, ours = ways
    note = "; ".join(f"{name} {sorted(rates[name])[ROUNDS // 2]:.0f}/s" for name in ways)
    return Line(f"{what}: {ours}", ratio_of(rates[ours], rates[baseline]), f"of {baseline}", goal, note=note)


def _drained(instance: Postfix) -> None:
    end = time.monotonic() + 120
    while instance.queue():
        if time.monotonic() > end:
            raise TimeoutError(subprocess.list2cmdline(instance.queue()[:5]))
        time.sleep(0.01)
