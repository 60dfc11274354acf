# SPDX-License-Identifier: Apache-2.0
"""`config` and `policy` on the command line: what an administrator sees before and after a change at run time."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.config import parse_config
from gateway.store.engine import open_store
from gateway.store.migrate import migrate

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(f'[gateway]\ndata_dir = "{tmp_path}"\n[policy]\nbase = "strict"\n')
    monkeypatch.setenv("IMIP_GATEWAY_CONFIG", str(path))
    return path


def change_at_run_time(path: Path, name: str, value: object) -> None:
    async def change() -> None:
        url = parse_config(path.read_text()).store.url
        await migrate(url)
        store = open_store(url)
        await store.write(lambda unit: unit.settings.put(name, value, by="admin", at=NOW))
        await store.close()

    asyncio.run(change())


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, str]]:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_sample_is_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "sample"]) == 0
    assert parse_config(capsys.readouterr().out) == parse_config("")


def test_each_value_says_where_it_came_from(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = document(capsys, "config", "show")
    assert shown["gateway.data_dir"] == {"value": f'"{file.parent}"', "origin": f"{file}:2"}
    assert shown["policy.scheduling.max_recipients"]["value"] == "50"
    assert shown["policy.scheduling.max_recipients"]["origin"].startswith("policy strict:")
    assert shown["workers.lease"] == {"value": '"5m"', "origin": "default"}
    assert shown["listener[2].kind"]["value"] == '"http"'


def test_nothing_is_made_by_looking(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document(capsys, "config", "show")
    assert [entry.name for entry in file.parent.iterdir()] == ["gateway.toml"]


def test_only_what_is_asked_for(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "gateway", "--changed"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["gateway.hostname", "gateway.data_dir"]


def test_a_change_at_run_time_wins_and_is_marked(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change_at_run_time(file, "policy.scheduling.max_recipients", 7)
    shown = document(capsys, "config", "show")["policy.scheduling.max_recipients"]
    assert shown == {"value": "7", "origin": "database, changed by admin at 2026-11-23T00:00:00Z"}
    explained = document(capsys, "policy", "explain", "limit.recipients")
    assert explained["settings"]["policy.scheduling.max_recipients"] == shown


def test_a_change_that_is_no_longer_understood_is_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change_at_run_time(file, "policy.scheduling.nonsense", 7)
    assert main(["config", "show", "log"]) == 0
    assert "scheduling.nonsense" in capsys.readouterr().err


def test_every_rule_is_listed_and_can_be_explained(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = document(capsys, "policy", "list")["rules"]
    assert {"limit.recipients", "rsvp.over", "retry.given-up", "object.no-uid"} <= {rule["id"] for rule in rules}
    assert main(["policy", "explain", "rsvp.over"]) == 0
    assert "policy.rsvp.answer_until = " in capsys.readouterr().out
    assert main(["policy", "explain", "object.no-uid"]) == 0
    assert "no UID" in capsys.readouterr().out


def test_an_unknown_rule_is_an_error(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "explain", "no.such"]) == 66
    assert "policy list" in capsys.readouterr().err


def test_faults_are_printed_and_the_exit_status_says_configuration(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("[gateway]\nhostnam = 1\n[relay]\nurl = 5\n")
    assert main(["config", "show"]) == 78
    assert capsys.readouterr().err.count(f"{file}:") == 2
