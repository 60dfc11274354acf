# SPDX-License-Identifier: Apache-2.0
"""The snippets of contrib/http in real proxies before a real `serve`: people get through, tokens stay out of logs."""

import email
import email.policy
import html
import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.conftest import missing
from tests.support.calendars import partstats
from tests.support.proxies import KINDS, NAME, Proxy, running

pytestmark = pytest.mark.xdist_group("proxies")
SNI = {"sni_hostname": NAME}
#: nginx must be there; the others are tried where they are installed.
TRIED = [name for name, kind in KINDS.items() if name == "nginx" or kind.path]
CONFIG = """
[gateway]
hostname = "mail.example.org"
data_dir = "{folder}/data"
[store]
url = "sqlite+aiosqlite:///{folder}/gateway.db"
[relay]
url = "maildir:{folder}/out"
[log]
level = "DEBUG"
[[listener]]
kind = "http"
listen = "127.0.0.1:0"
public_url = "https://calendar.example.org"
trusted_proxies = ["127.0.0.1/32"]
"""
EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Test//EN
BEGIN:VEVENT
UID:plans
DTSTAMP:20260601T080000Z
DTSTART:21000615T100000Z
DTEND:21000615T113000Z
SUMMARY:Summer plans
ORGANIZER:mailto:dana@example.org
ATTENDEE;RSVP=TRUE:mailto:lee@partner.example
END:VEVENT
END:VCALENDAR
"""


class House:
    """A gateway in a folder: its commands, its mails, and what it has written down."""

    port = 0
    token = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "gateway.toml"
        self.file.write_text(CONFIG.format(folder=folder))

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "gateway", "--config", str(self.file), *words]

    def run(self, *words: str) -> str:
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def served(self) -> Iterator["subprocess.Popen[str]"]:
        with (self.folder / "serve.log").open("ab") as log:
            process = subprocess.Popen(self.command("serve", "--json"), stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            self.port = int(ready["listeners"][0]["address"].rpartition(":")[2])
            yield process
        finally:
            process.kill()
            process.wait(30)

    def read_token(self) -> str:
        """The token in the one mail to Lee."""
        (file,) = (self.folder / "out" / "new").iterdir()
        mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        body = mail.get_body(("plain",))
        found = re.search(r"https://calendar\.example\.org/rsvp/([\w-]+)", body.get_content() if body else "")
        assert found, "the mail has no link"
        return found[1]


def client(proxy: Proxy) -> httpx.Client:
    """A browser elsewhere that claims to be somebody else."""
    context = ssl.create_default_context(cafile=str(proxy.certificate))
    headers = {"Host": f"{NAME}:{proxy.port}", "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http"}
    transport = httpx.HTTPTransport(verify=context)
    return httpx.Client(base_url=f"https://127.0.0.1:{proxy.port}", headers=headers, transport=transport, timeout=20)


def wait_for_mail(house: House, process: "subprocess.Popen[str]") -> None:
    for _ in range(200):
        if list((house.folder / "out" / "new").glob("*")):
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    raise AssertionError("no mail went out")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway that serves, and has sent Lee an invitation."""
    house = House(tmp_path_factory.mktemp("house"))
    house.run("domain", "add", "example.org")
    house.run("account", "add", "dana@example.org")
    (house.folder / "plans.ics").write_text(EVENT)
    house.run("event", "import", "dana@example.org", str(house.folder / "plans.ics"), "--send")
    with house.served() as process:
        wait_for_mail(house, process)
        house.token = house.read_token()
        yield house


@pytest.mark.parametrize("name", TRIED)
def test_a_guest_answers_through_a_proxy_and_no_log_knows_the_token(name: str, house: House, tmp_path: Path) -> None:
    kind, token = KINDS[name], house.token
    if kind.path is None:
        missing(kind.program)
    status = {"nginx": "accepted", "apache": "declined", "caddy": "tentative"}[name]
    with running(kind, tmp_path / "proxy", house.port) as proxy, client(proxy) as browser:
        page = browser.get(f"/rsvp/{token}/accept", extensions=SNI)
        assert page.status_code == 200, page.text
        assert "Summer plans" in page.text
        assert page.headers["strict-transport-security"]  # it knows of the TLS before it
        assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "no-referrer")
        csrf = re.findall(r'name="csrf" value="([^"]+)"', page.text)[0]
        form = {"status": status, "csrf": html.unescape(csrf)}
        said = browser.post(f"/rsvp/{token}/accept", data=form, extensions=SNI)
        assert "Your answer has been recorded" in said.text
        assert browser.head(f"/rsvp/{token}", extensions=SNI).status_code == 200
        assert browser.get(f"/rsvp/{token}x", extensions=SNI).status_code == 404
        assert browser.get("/rsvp/zone.js", extensions=SNI).headers["content-type"].startswith("text/javascript")
        assert browser.get("/.well-known/jmap", extensions=SNI).status_code == 401
    assert token not in proxy.logs()
    assert "/.well-known/jmap" in proxy.logs()
    assert token not in (house.folder / "serve.log").read_text()
    assert token not in httpx.get(f"http://127.0.0.1:{house.port}/metrics").raise_for_status().text
    shown = json.loads(house.run("event", "show", "dana@example.org", "plans", "--json"))
    assert partstats(shown["ical"])["lee@partner.example"] == status.upper()
    for file in house.folder.glob("gateway.db*"):
        assert b"203.0.113" not in file.read_bytes()  # the address that the caller claims is none


@pytest.mark.parametrize("name", TRIED)
def test_no_log_knows_the_token_where_the_gateway_is_down(name: str, house: House, tmp_path: Path) -> None:
    kind, token = KINDS[name], house.token
    if kind.path is None:
        missing(kind.program)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with running(kind, tmp_path / "proxy", closed.getsockname()[1]) as proxy, client(proxy) as browser:
            assert browser.get(f"/rsvp/{token}/decline?x=1", extensions=SNI).status_code in (502, 503)
            assert browser.get("/healthz", extensions=SNI).status_code in (502, 503)
    assert token not in proxy.logs()
    assert "/healthz" in proxy.logs()
