# SPDX-License-Identifier: Apache-2.0
"""Private nginx, Apache and Caddy on loopback, each with the snippet of contrib/http as it stands.

Only what must differ here is put in its place: ports, certificate, folders for logs.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.certificates import make_certificate

CONTRIB = Path(__file__).resolve().parents[2] / "contrib" / "http"
NAME = "calendar.example.org"
_APACHE_MODULES = ("mpm_event", "authz_core", "headers", "setenvif", "ssl", "proxy", "proxy_http")


@dataclass
class Proxy:
    """A running proxy in front of a gateway's port."""

    port: int
    folder: Path
    certificate: Path

    def logs(self) -> str:
        """Everything that it has written down."""
        return "".join(path.read_text("utf-8", "replace") for path in sorted(self.folder.glob("*.log")))


@dataclass(frozen=True)
class Kind:
    """How a kind of proxy is told apart, and started: files to write, then the words of its command."""

    program: str
    prepare: Callable[[Path, str], tuple[str, ...]]
    snippet: str

    @property
    def path(self) -> str | None:
        return shutil.which(self.program, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def _nginx(folder: Path, snippet: str) -> tuple[str, ...]:
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/start.log; events {{}}\n"
        f"http {{ client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n"
        f"fastcgi_temp_path {folder}/a; uwsgi_temp_path {folder}/b; scgi_temp_path {folder}/c;\n{snippet}\n}}\n"
    )
    return "-e", f"{folder}/start.log", "-p", str(folder), "-c", str(file)


def _apache(folder: Path, snippet: str) -> tuple[str, ...]:
    modules = Path("/usr/lib/apache2/modules")
    load = [f"LoadModule {name}_module {modules}/mod_{name}.so" for name in _APACHE_MODULES]
    port = re.search(r"<VirtualHost \*:(\d+)>", snippet)
    file = folder / "apache.conf"
    head = [f"ServerRoot {folder}", f"PidFile {folder}/pid", f"ErrorLog {folder}/start.log", f"ServerName {NAME}"]
    form = 'LogFormat "%h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"" combined'
    listen = f"Listen 127.0.0.1:{port[1]}" if port else ""
    file.write_text("\n".join((*head, f"DefaultRuntimeDir {folder}", *load, form, listen, snippet, "")))
    return "-DFOREGROUND", "-f", str(file)


def _caddy(folder: Path, snippet: str) -> tuple[str, ...]:
    file = folder / "Caddyfile"
    file.write_text(snippet.replace("\n{\n", "\n{\n\tadmin off\n\tauto_https off\n", 1))
    return "run", "--adapter", "caddyfile", "--config", str(file)


KINDS = {
    "nginx": Kind("nginx", _nginx, "nginx.conf"),
    "apache": Kind("apache2", _apache, "apache.conf"),
    "caddy": Kind("caddy", _caddy, "Caddyfile"),
}


@contextlib.contextmanager
def running(kind: Kind, folder: Path, gateway_port: int) -> Iterator[Proxy]:
    """Run a proxy of a kind before the gateway at a port of loopback."""
    folder.mkdir()
    certificate, key = make_certificate(folder, NAME)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    snippet = (CONTRIB / kind.snippet).read_text("utf-8")
    for pattern, value in (
        (r"/etc/ssl/calendar\.example\.org\.crt", str(certificate)),
        (r"/etc/ssl/calendar\.example\.org\.key", str(key)),
        (r"127\.0\.0\.1:8080", f"127.0.0.1:{gateway_port}"),
        (r"listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        (r"\*:443", f"*:{port}"),
        (r"/var/log/(?:nginx|caddy)|\$\{APACHE_LOG_DIR\}", str(folder)),
        (r"^calendar\.example\.org \{", f"https://{NAME}:{port} {{\n\tbind 127.0.0.1\n\ttls {certificate} {key}"),
    ):
        snippet = re.sub(pattern, value, snippet, flags=re.MULTILINE)
    command = [str(kind.path), *kind.prepare(folder, snippet)]
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "start.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        _wait_for(port, process, folder)
        yield Proxy(port, folder, certificate)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)


def _wait_for(port: int, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    end = time.monotonic() + 15
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    raise RuntimeError(f"the proxy did not start: {(folder / 'start.log').read_text()[-2000:]}")
