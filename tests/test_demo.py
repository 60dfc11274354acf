# SPDX-License-Identifier: Apache-2.0
"""The demo is the product in one story: every step must be seen, started as a newcomer starts it."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_every_step_is_seen() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "demo"], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "All 9 steps were seen." in done.stdout
    assert "Traceback" not in done.stderr
