# SPDX-License-Identifier: Apache-2.0
"""A private Postfix on loopback: its own folders, nothing chrooted, stopped through its own master process."""

import contextlib
import os
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_MASTER = """\
127.0.0.1:{port} inet n - n - 20 smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 1 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
lmtp      unix  - - n - - lmtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
local     unix  - n n - - local
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


def installed() -> bool:
    """Whether a Postfix can be started here: installed, and we are root."""
    return Path("/usr/sbin/postfix").exists() and os.getuid() == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Postfix:
    """A running instance. `port` takes mail in; what is for example.org goes to `final`."""

    folder: Path
    port: int

    @property
    def config_dir(self) -> Path:
        return self.folder / "etc"

    @property
    def log(self) -> str:
        path = self.folder / "log" / "mail.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def postconf(self, *words: str) -> str:
        command = ["/usr/sbin/postconf", "-c", str(self.config_dir), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def run(self, verb: str) -> None:
        subprocess.run(["/usr/sbin/postfix", "-c", str(self.config_dir), verb], check=False, capture_output=True)

    def queue(self) -> list[str]:
        """Ids of what waits in any queue."""
        queues = ("maildrop", "incoming", "active", "deferred", "hold")
        return [p.name for q in queues for p in (self.folder / "spool" / q).rglob("*") if p.is_file()]

    def flush(self) -> None:
        subprocess.run(["/usr/sbin/postqueue", "-c", str(self.config_dir), "-f"], check=False, capture_output=True)

    def statuses(self) -> list[str]:
        return re.findall(r"status=(\w+)", self.log)


@contextlib.contextmanager
def private_postfix(
    final: str,
    prepare: Callable[[Postfix], None] = lambda instance: None,
    *,
    port: int | None = None,
    **settings: str,
) -> Iterator[Postfix]:
    """Run an instance that hands mail for example.org to `final` (a transport such as lmtp:[127.0.0.1]:24).

    `prepare` may change its settings before it starts: what is changed later is taken up some time later.
    """
    folder = Path(tempfile.mkdtemp(prefix="gw-postfix-"))
    folder.chmod(0o755)
    for name in ("etc", "spool", "data", "log"):
        (folder / name).mkdir()
    shutil.chown(folder / "data", "postfix")
    port = port or free_port()
    main = {
        "compatibility_level": "3.6",
        "queue_directory": str(folder / "spool"),
        "data_directory": str(folder / "data"),
        "command_directory": "/usr/sbin",
        "daemon_directory": "/usr/lib/postfix/sbin",
        "maillog_file": str(folder / "log" / "mail.log"),
        "maillog_file_prefixes": str(folder),
        "mail_owner": "postfix",
        "myhostname": "mx.example.org",
        "mydestination": "",
        "mynetworks": "127.0.0.0/8",
        "inet_interfaces": "127.0.0.1",
        "inet_protocols": "ipv4",
        "alias_maps": "",
        "alias_database": "",
        "relay_domains": "example.org",
        "transport_maps": f"inline:{{ {{ example.org = {final} }} }}",
        "default_transport": final,
        "smtpd_recipient_restrictions": "permit_mynetworks,reject",
        "smtpd_relay_restrictions": "permit_mynetworks,reject",
        "smtp_dns_support_level": "disabled",
        "lmtp_dns_support_level": "disabled",
        "smtp_host_lookup": "native",
        "minimal_backoff_time": "1s",
        "maximal_backoff_time": "2s",
        "queue_run_delay": "1s",
        "master_service_disable": "",
        "message_size_limit": "40960000",
        "smtp_line_length_limit": "0",  # the final hop must not fold either, or nothing could be compared
        "lmtp_line_length_limit": "0",
        **settings,
    }
    (folder / "etc" / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in main.items()))
    (folder / "etc" / "master.cf").write_text(_MASTER.format(port=port))
    instance = Postfix(folder, port)
    try:
        prepare(instance)
        instance.run("start")  # comes back when the master listens
        wait_for(port, b"220")
        yield instance
    finally:
        instance.run("stop")
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(port: int, greeting: bytes, seconds: float = 20) -> None:
    """Return once a server greets on this port; one that is not there yet refuses, and is asked again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            if connection.recv(100).startswith(greeting):
                return
        select.select((), (), (), 0.05)
    raise RuntimeError(f"nobody greets on port {port}")
