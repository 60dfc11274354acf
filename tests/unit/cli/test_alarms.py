# SPDX-License-Identifier: Apache-2.0
"""`alarms` on the command line: what will fire, firing it as the worker would, and what became of it."""

import json
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import main
from tests.support.alarms import ical

EVENT = "DTSTAMP:20260101T000000Z|DTSTART;TZID=Europe/Berlin:20990302T100000|SUMMARY:Budget|RRULE:FREQ=WEEKLY;COUNT=2"
ANN = "ann@example.org"


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An account with an event in it; the folder that mails go to."""
    config = tmp_path / "gateway.toml"
    config.write_text(f'[gateway]\ndata_dir = "{tmp_path}"\n[relay]\nurl = "maildir:{tmp_path}/out"\n')
    monkeypatch.setenv("IMIP_GATEWAY_CONFIG", str(config))
    calendar = tmp_path / "event.ics"
    calendar.write_text(ical(f"{EVENT}!TRIGGER:-P1D!TRIGGER:-PT15M|ATTENDEE:mailto:eve@outside.example?TRIGGER:PT0S"))
    assert main(["account", "add", ANN, "--time-zone", "Europe/Berlin"]) == 0
    assert main(["event", "import", ANN, str(calendar)]) == 0
    return tmp_path / "out"


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_next_says_what_when_to_whom_and_why_not(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "alarms", "next", ANN, "--at", "2099-03-01T00:00:00Z")
    assert [each["fire_at"] for each in found["upcoming"]] == [
        "2099-03-01T09:00:00Z", "2099-03-02T08:45:00Z", "2099-03-08T09:00:00Z", "2099-03-09T08:45:00Z",
    ]  # fmt: skip
    reached = found["upcoming"][1]["recipients"]
    assert [(each["address"], each["rule"]) for each in reached] == [
        ("eve@outside.example", "recipient.denied"), (ANN, "recipient.own"),
    ]  # fmt: skip
    assert [each["rule"] for each in found["silent"]] == ["alarm.not-mail"]


def test_run_fires_what_is_due_by_then_and_hands_it_over(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    until = ("alarms", "run", "--until", "2099-03-05T00:00:00Z")
    assert [each["outcome"] for each in document(capsys, *until)["fired"]] == ["sent", "sent", "deny"]
    mails = [message_from_bytes(path.read_bytes()) for path in out.glob("new/*")]
    assert [mail["To"] for mail in mails] == [ANN, ANN]
    assert document(capsys, *until)["fired"] == [], "once"
    history = document(capsys, "alarms", "history", ANN)["fired"]
    assert sorted((each["outcome"], each["recipient"]) for each in history) == [
        ("deny", "eve@outside.example"), ("sent", ANN), ("sent", ANN),
    ]  # fmt: skip
    denied = next(each for each in history if each["outcome"] == "deny")
    assert (denied["uid"], denied["summary"]) == ("u", "Budget")
    assert denied["reason"] == "The address is outside and the mode does not admit it."


def test_next_tells_nothing_of_what_was_run_ahead_of_its_time(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for event in ("DTSTART:20990302T100000Z", "DTSTART:20990402T100000Z"):
        calendar = out.parent / "shown.ics"
        calendar.write_text(ical(f"DTSTAMP:20260101T000000Z|{event}?TRIGGER:PT0S|DESCRIPTION:@email", uid=event))
        assert main(["event", "import", ANN, str(calendar)]) == 0
    document(capsys, "alarms", "run", "--until", "2099-03-20T00:00:00Z")
    upcoming = document(capsys, "alarms", "next", ANN, "--at", "2099-03-01T00:00:00Z")["upcoming"]
    assert [each["fire_at"] for each in upcoming] == ["2099-04-02T10:00:00Z"]


def test_off_and_on(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document(capsys, "alarms", "off", ANN)
    assert {each["rule"] for each in document(capsys, "alarms", "next", ANN)["upcoming"]} <= {"alarm.unwanted"}
    fired = document(capsys, "alarms", "run", "--until", "2099-03-01T12:00:00Z")["fired"]
    assert [each["rule"] for each in fired] == ["alarm.unwanted"]
    document(capsys, "alarms", "on", ANN)
    fired = document(capsys, "alarms", "run", "--until", "2099-03-02T12:00:00Z", "--queue-only")["fired"]
    assert [each["rule"] for each in fired] == ["alarm.due", "recipient.denied"]
    assert not list(out.glob("new/*"))


def test_a_domain_has_its_own_name_and_address_for_alarm_mails(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document(capsys, "domain", "add", "example.org", "--no-dkim")
    set_ = ("domain", "set", "example.org", "--alarm-from-name", "House", "--alarm-from-email")
    assert main([*set_, "bell"]) == 65
    assert document(capsys, *set_, "bell@example.org")["settings"]["alarm_from_email"] == "bell@example.org"
    document(capsys, "alarms", "run", "--until", "2099-03-01T12:00:00Z")
    (mail,) = (message_from_bytes(path.read_bytes()) for path in out.glob("new/*"))
    assert mail["From"] == "House <bell@example.org>"


def test_a_time_that_is_none_is_a_usage_error(out: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["alarms", "run", "--until", "tomorrow"])
    assert ended.value.code == 64
