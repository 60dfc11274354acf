# SPDX-License-Identifier: Apache-2.0
"""A real Postfix with our filter, against the same with two passes and nothing between; with our milter, against none.

Goals: the filter 0.95 of two passes on small mail, 0.75 on 1 MB; the milter 0.9. The final delivery is `discard`;
a round ends when the queue is empty. Both ways of an after-queue filter are measured, wired as contrib/postfix has it:
SMTP over TCP with the way back over a unix socket, and LMTP with unix sockets both ways.
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

ROUNDS = 5
#: what: (octets, mails a round, the filter's goal)
CASES = {"1 KiB": (1024, 1500, 0.95), "10 KiB": (10 * 1024, 1500, 0.95), "1 MB": (2**20, 30, 0.75)}
MILTER_GOAL = 0.9
_RETURN = (
    "content_filter=", "receive_override_options=no_unknown_recipient_checks,no_header_body_checks,no_milters,"
    "no_address_mappings", "smtpd_authorized_xforward_hosts=127.0.0.0/8", "local_header_rewrite_clients=",
    "smtpd_client_connection_count_limit=0", "smtpd_client_connection_rate_limit=0",
)  # fmt: skip


def _client(name: str) -> tuple[str, ...]:
    return f"{name}_send_xforward_command=yes", "disable_mime_output_conversion=yes", f"{name}_line_length_limit=0"


def run() -> list[Line]:
    """Compare."""
    if not installed() or tool("smtp-source") is None:
        return [Line("Postfix is not installed, or we are not root", 0, "")]
    place, back = Path(tempfile.mkdtemp(prefix="gw-bench-")), free_port()
    place.chmod(0o755)  # Postfix's own user connects
    with private_postfix("discard:") as instance:
        hop = f"smtp:unix:{instance.folder}/spool/public/back"
        relays = {
            "filter": Relay("filter", hop),
            "lmtp": Relay("lmtp", hop, f"{place}/lmtp"),
            "milter": Relay("milter", f"{place}/milter"),
        }
        ways = {
            "two passes": f"content_filter=gw-smtp:[127.0.0.1]:{back}",
            "filter": f"content_filter=gw-smtp:[127.0.0.1]:{relays['filter'].port}",
            "lmtp": f"content_filter=gw-lmtp:unix:{place}/lmtp",
            "no milter": "smtpd_milters=",
            "milter": f"smtpd_milters=unix:{place}/milter",
        }
        try:
            _wire(instance, back)
            return _cases(_Bench(instance, relays, ways, place / "mail"))
        finally:
            for relay in relays.values():
                relay.close()
            shutil.rmtree(place)


def _wire(instance: Postfix, back: int) -> None:
    options = " ".join(f"-o {option}" for option in _RETURN)
    with (instance.config_dir / "master.cf").open("a") as file:
        for service in (f"127.0.0.1:{back} inet", "back unix"):
            file.write(f"{service} n - n - 20 smtpd {options}\n")
        for name in ("smtp", "lmtp"):
            file.write(f"gw-{name} unix - - n - 10 {name} " + " ".join(f"-o {each}" for each in _client(name)) + "\n")


class _Bench:
    """One Postfix, and the settings that are compared on it."""

    def __init__(self, instance: Postfix, relays: dict[str, Relay], ways: dict[str, str], mail: Path) -> None:
        self.instance, self.relays, self.ways, self.mail = instance, relays, ways, mail

    def compare(self, what: str, baseline: str, names: tuple[str, ...], count: int, goal: float) -> list[Line]:
        """Compare settings with a baseline, in turns; every other turn in reverse order, so that drift cancels out."""
        order = [baseline, *names]
        rates: dict[str, list[float]] = {name: [] for name in order}
        cost: dict[str, float] = {}
        for _ in range(ROUNDS):
            for name in order:
                before = self._cpu(name)
                rates[name].append(self._rate(name, count))
                cost[name] = (self._cpu(name) - before) / (count + min(count, _WARM))
            order.reverse()
        self.instance.postconf("-e", "content_filter=", "smtpd_milters=")
        shown = f"{baseline} {_middle(rates[baseline])}/s"
        return [
            Line(
                f"{what}: {name}", ratio_of(rates[name], rates[baseline]), f"of {baseline}", goal,
                note=f"{shown}; {name} {_middle(rates[name])}/s, {cost[name] * 1000:.2f} ms of ours",
            )
            for name in names
        ]  # fmt: skip

    def _cpu(self, name: str) -> float:
        return self.relays[name].cpu() if name in self.relays else 0.0

    def _rate(self, name: str, count: int) -> float:
        self.instance.postconf("-e", self.ways[name])
        self.instance.run("reload")
        time.sleep(1.0)
        self._deliver(min(count, _WARM))  # processes are started, connections opened
        began = time.perf_counter()
        self._deliver(count)
        return count / (time.perf_counter() - began)

    def _deliver(self, count: int) -> None:
        send(self.instance.port, self.mail, count=count, sessions=10)
        end = time.monotonic() + 120
        while self.instance.queue():
            if time.monotonic() > end:
                raise TimeoutError(subprocess.list2cmdline(self.instance.queue()[:5]))
            time.sleep(0.01)


_WARM = 50


def _cases(bench: _Bench) -> list[Line]:
    lines = []
    for what, (size, count, goal) in CASES.items():
        bench.mail.write_bytes(message(size))
        lines += bench.compare(what, "two passes", ("filter", "lmtp"), count, goal)
        lines += bench.compare(what, "no milter", ("milter",), count, MILTER_GOAL)
    return lines


def _middle(rates: list[float]) -> str:
    return f"{sorted(rates)[len(rates) // 2]:.0f}"
