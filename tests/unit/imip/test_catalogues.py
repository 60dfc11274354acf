# SPDX-License-Identifier: Apache-2.0
"""The message catalogues are complete and current, and the tool that says so sees every kind of fault."""

from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from gateway.imip.words import LANGUAGES
from tests.support.messages import LOCALE, catalogues, extract, faults, update

HEAD = r"""msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"
"""
WHOLE = '\nmsgid "Hello {person}"\nmsgstr "Hallo {person}"\n\nmsgid "{number} day"\nmsgid_plural "{number} days"\n'
PLURALS = 'msgstr[0] "ein Tag"\nmsgstr[1] "{number} Tage"\n'


def source() -> Catalog:
    catalog = Catalog()
    catalog.add("Hello {person}")
    catalog.add(("{number} day", "{number} days"))
    return catalog


def write(folder: Path, text: str) -> Path:
    path = folder / "de" / "LC_MESSAGES" / "messages.po"
    path.parent.mkdir(parents=True)
    path.write_text(HEAD + text, "utf-8")
    return path


@pytest.mark.parametrize("path", catalogues(), ids=lambda path: path.relative_to(LOCALE).parts[0])
def test_a_shipped_catalogue_has_no_faults(path: Path) -> None:
    assert list(faults(path, extract())) == []


def test_the_tool_finds_the_messages_of_the_code() -> None:
    ids = {message.id for message in extract() if message.id}
    assert "Invitation: {event}" in ids
    assert ("every {number} week on {days}", "every {number} weeks on {days}") in ids


def test_a_whole_catalogue_is_faultless(tmp_path: Path) -> None:
    assert list(faults(write(tmp_path, WHOLE + PLURALS), source())) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('\nmsgid "Hello {person}"\nmsgstr "Hallo {person}"\n', "missing"),
        (WHOLE + PLURALS + '\nmsgid "Gone"\nmsgstr "Weg"\n', "stale"),
        (WHOLE + PLURALS + '\n#~ msgid "Gone"\n#~ msgstr "Weg"\n', "obsolete"),
        (WHOLE + 'msgstr[0] "ein Tag"\nmsgstr[1] ""\n', "not translated"),
        (WHOLE + 'msgstr[0] "ein Tag"\n', "not translated"),
        (WHOLE + 'msgstr[0] "ein Tag"\nmsgstr[1] "{numer} Tage"\n', "places differ"),
        (WHOLE.replace("Hallo {person}", "Hallo") + PLURALS, "places differ"),
        (WHOLE.replace("Hallo {person}", "Hallo {person} {x.y}") + PLURALS, "stray braces"),
        (WHOLE.replace('msgid "Hello', '#, fuzzy\nmsgid "Hello') + PLURALS, "fuzzy"),
    ],
)
def test_the_tool_names_each_fault(tmp_path: Path, text: str, fault: str) -> None:
    assert any(fault in line for line in faults(write(tmp_path, text), source()))


def test_the_plural_rule_is_that_of_the_language(tmp_path: Path) -> None:
    path = write(tmp_path, WHOLE + PLURALS)
    path.write_text(path.read_text("utf-8").replace("n != 1", "n > 1"), "utf-8")
    assert list(faults(path, source())) == ["de: Plural-Forms is not the language's"]


def test_an_update_keeps_translations_adds_new_messages_and_drops_stale_ones(tmp_path: Path) -> None:
    path = write(tmp_path, '\nmsgid "Hello {person}"\nmsgstr "Hallo {person}"\n\nmsgid "Gone"\nmsgstr "Weg"\n')
    update(path, source())
    text = path.read_text("utf-8")
    assert 'msgstr "Hallo {person}"' in text
    assert "Gone" not in text
    assert [line for line in faults(path, source()) if "not translated" not in line] == []
    assert "{number} days" in text
    update(path, source())
    assert path.read_text("utf-8") == text


def test_every_language_has_its_catalogue() -> None:
    assert sorted(LANGUAGES) == sorted(path.relative_to(LOCALE).parts[0] for path in catalogues())
