# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway mail preview`: files that a person can open, in a domain's own dress."""

import asyncio
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.cli.mail_preview import BROWSERS
from gateway.cli.main import main
from gateway.config import parse_config
from gateway.imip.samples import SAMPLES
from gateway.store.accounts import Domain
from gateway.store.engine import open_store
from gateway.store.migrate import migrate
from tests.conftest import missing


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    own = tmp_path / "templates" / "fr"
    own.mkdir(parents=True)
    (own / "mail.html.j2").write_text("<p>{{ letter.headline }}</p>", "utf-8")
    path = tmp_path / "gateway.toml"
    path.write_text(f'[gateway]\ndata_dir = "{tmp_path}"\n[mail]\ntemplates_dir = "{own.parent}"\n')
    monkeypatch.setenv("IMIP_GATEWAY_CONFIG", str(path))
    return path


@pytest.fixture
def no_browser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("file", "no_browser")
def test_all_kinds_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mail", "preview", "all", "--out", str(tmp_path / "out"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["previews"]
    assert [preview["kind"] for preview in told] == list(SAMPLES)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"{name}.{suffix}" for name in SAMPLES for suffix in ("eml", "html")
    }
    assert all(Path(file).stat().st_size for preview in told for file in preview["files"])


@pytest.mark.usefixtures("no_browser")
def test_a_domain_is_shown_in_its_own_dress(file: Path, tmp_path: Path) -> None:
    settings = {"name": "Söhne", "accent": "#7a1f5c", "locale": "de", "footer": "Musterweg 1",
                "logo": {"type": "image/png", "data": "iVBORw0KGgo=", "alt": "Söhne"}}  # fmt: skip

    async def add() -> None:
        url = parse_config(file.read_text()).store.url
        await migrate(url)
        store = open_store(url)
        now = datetime(2026, 11, 23, tzinfo=UTC)
        await store.write(lambda unit: unit.accounts.put_domain(Domain("soehne.example", settings, now)))
        await store.close()

    asyncio.run(add())
    out = tmp_path / "out"
    assert main(["mail", "preview", "invitation", "--domain", "soehne.example", "--out", str(out)]) == 0
    html = (out / "invitation.html").read_text("utf-8")
    for own in ("Nehmen Sie teil?", "#7a1f5c", "Musterweg 1", "data:image/png;base64,iVBORw0KGgo=", "@soehne.example"):
        assert own in html


@pytest.mark.usefixtures("file", "no_browser")
def test_an_own_template_is_shown_in_its_language_only(tmp_path: Path) -> None:
    for locale in ("fr", "de"):
        assert main(["mail", "preview", "invitation", "--locale", locale, "--out", str(tmp_path / locale)]) == 0
    assert (tmp_path / "fr" / "invitation.html").read_text("utf-8").strip().startswith("<p>Dana Rossi")
    assert "Nehmen Sie teil?" in (tmp_path / "de" / "invitation.html").read_text("utf-8")


@pytest.mark.usefixtures("file")
def test_a_browser_paints_a_picture(tmp_path: Path) -> None:
    if not any(map(shutil.which, BROWSERS)):
        missing("Chromium")
    out = tmp_path / "out"
    assert main(["mail", "preview", "invitation", "--width", "360", "--dark", "--out", str(out)]) == 0
    picture = (out / "invitation.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert int.from_bytes(picture[16:20]) == 360


@pytest.mark.usefixtures("file")
def test_a_kind_that_is_none_and_a_folder_that_cannot_be_made_are_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["mail", "preview", "nonsense", "--out", str(tmp_path)])
    assert caught.value.code == 64
    assert main(["mail", "preview", "test", "--out", str(tmp_path / "gateway.toml")]) != 0
