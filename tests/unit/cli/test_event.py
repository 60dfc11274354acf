# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway event page`: an operator finds the organizer's page of an event."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.calendars import calendar, component

CONFIG = """
[gateway]
data_dir = "{folder}/data"
[store]
url = "sqlite+aiosqlite:///{folder}/gateway.db"
[relay]
url = "maildir:{folder}/out"
[[listener]]
kind = "http"
listen = "127.0.0.1:0"
public_url = "https://calendar.example.org"
"""


def test_the_organizers_page_has_one_address(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(CONFIG.format(folder=tmp_path))
    meeting = component(
        "DTSTART:21000615T100000Z", "SUMMARY:Plans", "ORGANIZER:mailto:dana@example.org",
        "ATTENDEE:mailto:lee@partner.example", uid="u1",
    )  # fmt: skip
    (tmp_path / "plans.ics").write_text(calendar(meeting))

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "gateway", "--config", str(tmp_path / "gateway.toml"), *words, "--json"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    for words in (("domain", "add", "example.org"), ("account", "add", "dana@example.org")):
        assert run(*words).returncode == 0
    assert run("event", "import", "dana@example.org", str(tmp_path / "plans.ics")).returncode == 0
    first, again = (json.loads(run("event", "page", "dana@example.org", "u1").stdout) for _ in range(2))
    assert first == again
    assert first["page"].startswith("https://calendar.example.org/organizer/")
    assert run("event", "page", "dana@example.org", "u2").returncode not in (0, os.EX_SOFTWARE)
