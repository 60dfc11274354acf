# SPDX-License-Identifier: Apache-2.0
"""Docs are tested: generated pages are fresh, links resolve, examples parse, commands that are named exist."""

import re
from pathlib import Path

import pytest

from gateway.cli.main import NOUNS
from gateway.config import parse_config
from gateway.itip.rules import RULES
from tests.support.docs import GENERATED, ROOT, nouns, verbs
from tests.support.rules import found_rules

PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for top in ("docs", "contrib", "policies") for page in (ROOT / top).rglob("*.md"))]
)
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+?)\s*$", re.MULTILINE)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`((?:[a-z_]+/)+[a-z_]+\.py)`")
COMMAND = re.compile(r"\bimip-gateway (?:--config \S+ |--json )*([a-z]+)(?: ([a-z]+))?")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", GENERATED)
def test_generated_pages_are_fresh(page: str) -> None:
    path = ROOT / page
    assert path.read_text() == GENERATED[page]().rstrip("\n") + "\n", "run `make docs`"


def anchors(path: Path) -> set[str]:
    """Heading -> anchor, as the usual renderers make it."""
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in HEADING.findall(path.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_resolve(page: Path) -> None:
    prose = FENCE.sub("", page.read_text())
    for link in LINK.findall(prose):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{name(page)}: {link}"
        assert not anchor or file.suffix != ".md" or anchor in anchors(file), f"{name(page)}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_that_are_named_exist(page: Path) -> None:
    for file in FILE.findall(page.read_text()):
        assert any((top / file).exists() for top in (ROOT, ROOT / "gateway", page.parent)), f"{name(page)}: {file}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_configuration_examples_parse(page: Path) -> None:
    for language, text in FENCE.findall(page.read_text()):
        if language == "toml":
            parse_config(text, name(page))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_that_are_named_exist(page: Path) -> None:
    known = dict(nouns())
    for noun, verb in COMMAND.findall(page.read_text()):
        assert noun in NOUNS, f"{name(page)}: imip-gateway {noun}"
        if noun in known and verb and verbs(known[noun]):
            assert verb in verbs(known[noun]), f"{name(page)}: imip-gateway {noun} {verb}"


def test_the_readme_is_short() -> None:
    readme = ROOT / "README.md"
    assert not readme.exists() or len(readme.read_text().splitlines()) <= 150


def test_every_rule_of_the_engine_is_on_the_page() -> None:
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert [rule for rule in RULES if f"| `{rule}` |" not in page] == []


def test_every_rule_says_what_it_means() -> None:
    assert [rule for rule, texts in found_rules().items() if not texts] == [], "see tests/support/rules.py"
