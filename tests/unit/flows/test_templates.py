# SPDX-License-Identifier: Apache-2.0
"""An operator's folder of templates: the most special wins, and nothing starts with a fault in it."""

from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.flows.templates import load_templates
from gateway.imip.presentation import Templates

HTML = "mail.html.j2"


def folder(tmp_path: Path, **files: str) -> Path:
    for place, source in files.items():
        path = tmp_path / place.replace("__", "/").replace("_", ".") / HTML
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, "utf-8")
    return tmp_path


def test_without_a_folder_ours_are_used() -> None:
    assert load_templates(None).choose("example.org", "de") == Templates()


def test_the_most_special_template_wins(tmp_path: Path) -> None:
    own = load_templates(
        folder(
            tmp_path, de="german", example_org="domain", example_org__de="domain, german", example_org__pt="domain, pt"
        )
    )
    (tmp_path / HTML).write_text("all", "utf-8")
    own = load_templates(tmp_path)
    found = {
        (domain, locale): dict(own.choose(domain, locale).sources)[HTML]
        for domain in ("example.org", "Example.ORG", "other.example")
        for locale in ("en", "de", "de-AT", "pt_BR")
    }
    assert found == {
        ("example.org", "en"): "domain",
        ("example.org", "de"): "domain, german",
        ("example.org", "de-AT"): "domain, german",
        ("example.org", "pt_BR"): "domain, pt",
        ("Example.ORG", "en"): "domain",
        ("Example.ORG", "de"): "domain, german",
        ("Example.ORG", "de-AT"): "domain, german",
        ("Example.ORG", "pt_BR"): "domain, pt",
        ("other.example", "en"): "all",
        ("other.example", "de"): "german",
        ("other.example", "de-AT"): "german",
        ("other.example", "pt_BR"): "all",
    }


def test_a_domain_named_like_a_path_chooses_nothing_outside(tmp_path: Path) -> None:
    own = load_templates(folder(tmp_path, de="german"))
    assert own.choose("../../etc", "../x") == Templates()


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    folder(tmp_path, de="{% if %}", fr="{{ letter.no_such_field }}", it="x" * 300_000)
    (tmp_path / "page.html.j2").write_text("", "utf-8")
    (tmp_path / "es").mkdir()
    (tmp_path / "es" / HTML).write_bytes(b"\xff")
    with pytest.raises(Misconfigured) as caught:
        load_templates(tmp_path)
    told = "\n".join(caught.value.faults)
    assert caught.value.code == "bad-template"
    for place in ("/de", "/fr", "/it", "page.html.j2", "/es"):
        assert place in told
    assert len(caught.value.faults) == 5


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        load_templates(tmp_path / "absent")
