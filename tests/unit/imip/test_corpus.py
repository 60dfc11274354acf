# SPDX-License-Identifier: Apache-2.0
"""Vendors' mails are read as their notes say, whichever way the lines end and the header is folded."""

import json
import re
from pathlib import Path

import pytest

from tests.support.corpus import CORPUS, mails, outcome

MAILS = mails()
IDS = [str(path.relative_to(CORPUS).with_suffix("")) for path in MAILS]


@pytest.mark.parametrize("path", MAILS, ids=IDS)
def test_a_vendors_mail_is_read_as_expected(path: Path) -> None:
    assert path.with_suffix(".why").read_text().strip()
    assert outcome(path.read_bytes()) == json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MAILS, ids=IDS)
def test_line_ends_and_the_case_of_names_do_not_matter(path: Path) -> None:
    data = path.read_bytes()
    expected = outcome(data)
    assert outcome(data.replace(b"\r\n", b"\n")) == expected
    assert outcome(data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")) == expected
    shouted = re.sub(rb"(?m)^(Content-[A-Za-z-]+|From|DKIM-Signature):", lambda m: m[0].upper(), data)
    assert outcome(shouted) == expected
    refolded = re.sub(rb"(?m)^(Content-Type: [^;\r\n]+;) ", rb"\1\r\n\t", data)
    assert outcome(refolded) == expected


@pytest.mark.parametrize("path", MAILS, ids=IDS)
def test_a_mail_cut_anywhere_is_still_read(path: Path) -> None:
    data = path.read_bytes()
    for end in range(0, len(data), max(1, len(data) // 60)):
        outcome(data[:end])


def test_the_corpus_has_every_client_that_matters() -> None:
    expected = {"google", "exchange", "outlook", "apple", "icloud", "yahoo", "zoom", "teams", "thunderbird", "fastmail"}
    assert expected | {"zimbra", "notes"} <= {path.parent.name for path in MAILS}
