# SPDX-License-Identifier: Apache-2.0
"""Every story told to the pure core, and told again in other spellings: the answer must not move."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.pure_world import PureWorld
from tests.support.scenario import ScenarioError, Story, parse_script

STORIES = sorted(Path(__file__).parent.rglob("*.itip"))
_PART = re.compile(r"BEGIN:(VEVENT|VTODO|VTIMEZONE)\r\n.*?END:\1\r\n", re.DOTALL)


def plain(text: str) -> str:
    return text


def reversed_parts(text: str) -> str:
    parts = [found.group() for found in _PART.finditer(text)]
    return _PART.sub(lambda _: parts.pop(), text)


def reversed_guests(text: str) -> str:
    """The ATTENDEEs of each component in the other order."""
    return _PART.sub(lambda found: _reversed_guests(found.group()), re.sub(r"\r\n[ \t]", "", text))


def _reversed_guests(part: str) -> str:
    lines = part.split("\r\n")
    guests = [line for line in lines if line.startswith("ATTENDEE")]
    return "\r\n".join(guests.pop() if line.startswith("ATTENDEE") else line for line in lines)


def refolded(text: str) -> str:
    """Every line folded anew at an odd place, by tabs, with bare line feeds."""
    unfolded = re.sub(r"\r\n[ \t]", "", text)
    return "\n".join(
        "\n\t".join(line[at : at + 23] for at in range(0, len(line), 23)) for line in unfolded.split("\r\n")
    )


def other_case(text: str) -> str:
    return re.sub(r"mailto:[^\s\"]+", lambda found: found.group().upper(), text)


AXES: dict[str, tuple[Callable[[str], str], Callable[[str], str]]] = {
    "plain": (plain, plain),
    "components reversed": (reversed_parts, plain),
    "attendees reversed": (reversed_guests, plain),
    "lines refolded": (refolded, plain),
    "addresses in capitals": (other_case, str.upper),
}


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("path", STORIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_story(path: Path, axis: str) -> None:
    respell, respell_address = AXES[axis]
    Story(PureWorld(), respell, respell_address).tell(path)


def test_there_are_stories_and_each_expects_something() -> None:
    assert len(STORIES) > 30
    for path in STORIES:
        verbs = {step.verb for step in parse_script(path.read_text(encoding="utf-8"))}
        assert verbs & {"expect", "get", "log"}, path


def test_a_story_that_goes_wrong_says_where(tmp_path: Path) -> None:
    path = tmp_path / "wrong.itip"
    path.write_text("account dana dana@example.org\nput dana\n  DTSTART:20261201T100000Z\nexpect REQUEST to dana\n")
    with pytest.raises(ScenarioError, match=r"wrong\.itip:4: expect REQUEST to dana: no such message"):
        Story(PureWorld()).tell(path)
