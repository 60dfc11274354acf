# SPDX-License-Identifier: Apache-2.0
"""`account token` on the command line: made with limits, shown once, listed without the secret, taken back."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import main

ANN = "ann@example.org"


@pytest.fixture(autouse=True)
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(f'[gateway]\ndata_dir = "{tmp_path}"\n[relay]\nurl = "maildir:{tmp_path}/out"\n')
    monkeypatch.setenv("IMIP_GATEWAY_CONFIG", str(config))
    assert main(["account", "add", ANN]) == 0


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["account", "token", *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_token_is_made_listed_and_taken_back(capsys: pytest.CaptureFixture[str]) -> None:
    made = document(
        capsys, "add", ANN, "--name", "phone", "--scope", "jmap", "--scope", "read-only", "--expires", "90d"
    )
    assert len(made["token"]) >= 32
    lasts = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
    assert (lasts.days, made["scopes"], made["name"]) == (90, ["jmap", "read-only"], "phone")
    (listed,) = document(capsys, "list", ANN)["tokens"]
    assert listed == {name: value for name, value in made.items() if name != "token"}
    assert document(capsys, "add", ANN)["expires_at"] is None
    assert document(capsys, "remove", ANN, made["id"]) == {"removed": made["id"]}
    assert made["id"] not in {token["id"] for token in document(capsys, "list", ANN)["tokens"]}
    assert main(["account", "token", "remove", ANN, made["id"]]) != 0


@pytest.mark.parametrize("wrong", [("--scope", "everything"), ("--expires", "soon"), ("--expires", "0s")])
def test_limits_that_make_no_sense_are_refused(capsys: pytest.CaptureFixture[str], wrong: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["account", "token", "add", ANN, *wrong])
    assert ended.value.code
