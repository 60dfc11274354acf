# SPDX-License-Identifier: Apache-2.0
"""`serve` from outside: the ready line, doors that answer, faults told at start, SIGTERM that drains."""

import json
import os
import signal
import smtplib
import socket
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONFIG = """
[gateway]
hostname = "mail.example.org"
data_dir = "{folder}/data"
[relay]
url = "maildir:{folder}/out"
[workers]
processes = {processes}
[[listener]]
kind = "filter"
listen = "127.0.0.1:{filter}"
[[listener]]
kind = "http"
listen = "127.0.0.1:{http}"
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(folder: Path, more: str = "", **values: int) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    file = folder / "gateway.toml"
    file.write_text(CONFIG.format(folder=folder, **{"processes": 1, "filter": 0, "http": 0, **values}) + more)
    words = [sys.executable, "-m", "gateway", "--config", str(file), "serve", "--json"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["ready"] is True
        yield process, {door["kind"]: door["address"] for door in ready["listeners"]}
    finally:
        process.kill()
        process.wait(30)


def send(address: str) -> None:
    host, _, port = address.rpartition(":")
    with smtplib.SMTP(host, int(port), timeout=10) as smtp:
        smtp.sendmail("a@partner.example", ["b@example.org"], b"Subject: x\r\n\r\nhello\r\n")


def send_as_postfix_does(address: str) -> None:
    """What waited in the queue of the killed process is cut off; Postfix comes again, and so do we."""
    for _ in range(20):
        try:
            return send(address)
        except (smtplib.SMTPException, OSError):
            continue
    raise AssertionError("no process answers")


def test_one_process(tmp_path: Path) -> None:
    with served(tmp_path) as (process, doors):
        send(doors["filter"])
        (mail,) = (tmp_path / "out" / "new").iterdir()
        assert mail.read_bytes().endswith(b"Subject: x\r\n\r\nhello\r\n")
        with urllib.request.urlopen(f"http://{doors['http']}/healthz", timeout=10) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_the_ready_line_means_that_a_connection_is_taken(tmp_path: Path) -> None:
    with served(tmp_path) as (_, doors):
        for address in doors.values():
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), 10).close()


def test_every_kind_of_door_answers(tmp_path: Path) -> None:
    """Whatever event loop the program runs on; the milter door by the first word of its protocol."""
    more = "".join(
        f'[[listener]]\nkind = "{kind}"\nlisten = "{where}"\n'
        for kind, where in (("lmtp", f"unix:{tmp_path}/lmtp"), ("milter", f"unix:{tmp_path}/milter"),
                            ("milter", "127.0.0.1:0"), ("submission", "127.0.0.1:0"))
    )  # fmt: skip
    offer = struct.pack("!IcIII", 13, b"O", 6, 0x1FF, 0x1FFFFF)
    with served(tmp_path, more=more) as (_, doors):
        assert greeting(doors["submission"]).startswith(b"220")
        assert greeting(f"unix:{tmp_path}/lmtp").startswith(b"220")
        for milter in (f"unix:{tmp_path}/milter", doors["milter"]):
            assert greeting(milter, offer)[4:9] == b"O" + struct.pack("!I", 6)


def greeting(address: str, said: bytes = b"") -> bytes:
    """What a door says first, or to our first words."""
    if address.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(address.removeprefix("unix:"))
    else:
        host, _, port = address.rpartition(":")
        connection = socket.create_connection((host, int(port)))
    with connection:
        connection.settimeout(20)
        connection.sendall(said)
        return connection.recv(1000)


def test_two_processes_share_the_doors_and_one_that_dies_is_replaced(tmp_path: Path) -> None:
    with served(tmp_path, processes=2, filter=free_port(), http=free_port()) as (process, doors):
        children = children_of(process.pid)
        assert len(children) == 2
        os.kill(children[0], signal.SIGKILL)
        for _ in range(6):
            send_as_postfix_does(doors["filter"])
        assert len(list((tmp_path / "out" / "new").iterdir())) == 6
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert children_of(process.pid) == []


def children_of(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def test_every_fault_is_told_at_start(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(
        '[gateway]\nhostnam = "x"\n[relay]\nurl = "ftp://x"\n[policy.alarms]\nmin_trigger_interval = "soon"\n'
    )
    words = [sys.executable, "-m", "gateway", "--config", str(file), "serve"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == os.EX_CONFIG
    for line in (":2", ":4", ":6"):
        assert f"gateway.toml{line}" in done.stderr
