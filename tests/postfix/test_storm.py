# SPDX-License-Identifier: Apache-2.0
"""A short storm; `make soak` has the long one."""

from pathlib import Path

import pytest

from tests.soak.storm import Storm, blow


@pytest.mark.postfix
@pytest.mark.xdist_group("postfix")
async def test_kills_lose_no_mail_and_double_no_effect(tmp_path: Path) -> None:
    storm = await blow(Storm(mails=60, kills=3), tmp_path)
    assert storm.faults == []
    assert storm.deferred > 0
