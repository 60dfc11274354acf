# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway itip diff | apply` as a script sees them: JSON shapes, text, exit statuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import main
from tests.support.calendars import DANA, LEE, calendar, component, partstats

MEETING = (
    "SEQUENCE:0",
    "SUMMARY:Budget",
    "DTSTART:20261201T100000Z",
    "DTEND:20261201T110000Z",
    f"ORGANIZER:mailto:{DANA}",
    f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{DANA}",
    f"ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{LEE}",
)
EVENT = calendar(component(*MEETING))
REPLY = calendar(component(MEETING[0], MEETING[4], f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{LEE}"), method="REPLY")
NOW = ("--now", "2026-11-23T09:00:00Z")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    texts = {"event": EVENT, "reply": REPLY, "garbage": "no calendar", "later": EVENT.replace("T1", "T2")}
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text.encode())
    return {**{name: str(tmp_path / name) for name in texts}, "missing": str(tmp_path / "missing")}


def said(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(words) == 0
    return json.loads(capsys.readouterr().out)


def test_apply(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, "itip", "apply", files["reply"], files["event"], "--from", LEE, "--as", DANA, *NOW, "--json")
    assert {"outcome", "rule", "reason", "stored", "messages"} <= set(found)
    assert (found["outcome"], found["rule"], found["messages"]) == ("applied", "reply.applied", [])
    assert partstats(found["stored"])[LEE] == "ACCEPTED"
    assert found["answers"][0]["address"] == LEE


def test_apply_to_nothing(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, "--json", "itip", "apply", files["reply"], "none", "--from", LEE, "--as", DANA, *NOW)
    assert (found["outcome"], found["stored"]) == ("ignored", None)


def test_diff(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    found = said(
        capsys, "itip", "diff", "none", files["event"], "--as", "d@alias.example", "--as", DANA, *NOW, "--json"
    )
    assert {"messages", "stored", "nothing", "error"} <= set(found)
    (message,) = found["messages"]
    shape = {"method", "uid", "sequence", "from", "to", "recurrence_ids", "significant", "reason", "calendar"}
    assert shape <= set(message)
    assert (message["method"], message["from"], message["to"], message["recurrence_ids"]) == (
        "REQUEST",
        DANA,
        [LEE],
        [],
    )
    assert message["calendar"].startswith("BEGIN:VCALENDAR\r\n")
    assert found["stored"].startswith("BEGIN:VCALENDAR\r\n")
    assert (found["nothing"], found["error"]) == (None, None)


def test_diff_of_nothing(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, "itip", "diff", files["event"], files["event"], "--as", DANA, *NOW, "--json")
    assert found["messages"] == []
    assert found["nothing"]


def test_an_outcome_for_whatever_came(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, "itip", "apply", files["garbage"], files["event"], "--from", LEE, "--as", DANA, "--json")
    assert (found["outcome"], found["rule"], found["stored"]) == ("refused", "calendar.unreadable", EVENT)


def test_text_for_people(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(("itip", "apply", files["reply"], files["event"], "--from", LEE, "--as", DANA, *NOW)) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"applied: {LEE} accepted [reply.applied]\n")
    assert "BEGIN:VCALENDAR" in text
    assert main(("itip", "diff", files["event"], files["later"], "--as", DANA, *NOW)) == 0
    text = capsys.readouterr().out
    assert f"REQUEST to {LEE} (SEQUENCE 1)" in text
    assert "DTSTART: 20261201T100000Z -> 20261201T200000Z" in text


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("apply", "missing", "none", "--from", LEE, "--as", DANA), 66),
        (("apply", "reply", "missing", "--from", LEE, "--as", DANA), 66),
        (("apply", "reply", "garbage", "--from", LEE, "--as", DANA), 65),
        (("diff", "garbage", "event", "--as", DANA), 65),
    ],
)
def test_exit_statuses(
    words: tuple[str, ...], status: int, files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = tuple(files.get(word, word) for word in words)
    assert main(("itip", *found)) == status
    assert capsys.readouterr().err.startswith("imip-gateway: ")
    assert main(("itip", *found, "--json")) == status
    document = json.loads(capsys.readouterr().out)
    if status == 66:
        assert set(document["error"]) >= {"code", "reason"}
    elif words[0] == "apply":
        assert (document["outcome"], document["rule"], document["messages"]) == ("refused", "object.unreadable", [])
    else:
        assert (document["error"]["rule"], document["messages"], document["stored"]) == ("object.unreadable", [], None)


@pytest.mark.parametrize("words", [("apply", "x"), ("diff", "x", "y"), ("apply", "x", "y", "--from", LEE), ("dance",)])
def test_bad_arguments(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(("itip", *words))
    assert stopped.value.code == 64


@pytest.mark.parametrize("now", ["20261123T090000Z", "2026-11-23T10:00:00+01:00", "2026-11-23T09:00:00"])
def test_now_in_every_spelling(now: str, files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, "itip", "diff", "none", files["event"], "--as", DANA, "--now", now, "--json")
    assert "DTSTAMP:20261123T090000Z" in found["messages"][0]["calendar"]
