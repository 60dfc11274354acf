# SPDX-License-Identifier: Apache-2.0
"""Every story acted out by whole gateways over SMTP, each of them started anew for every step."""

from pathlib import Path

import pytest

from tests.scenarios.test_pure import STORIES
from tests.support.scenario import Story
from tests.support.stack_world import StackWorld

#: A gateway passes a PUBLISH on and leaves it to the person (`incoming.publish`).
ENGINE_ONLY = ("publish",)


@pytest.mark.parametrize(
    "path",
    [path for path in STORIES if path.stem not in ENGINE_ONLY],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_story(path: Path, tmp_path: Path) -> None:
    world = StackWorld(tmp_path)
    try:
        Story(world).tell(path)
    finally:
        world.close()
