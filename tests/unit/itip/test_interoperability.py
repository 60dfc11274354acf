# SPDX-License-Identifier: Apache-2.0
"""Every `interop` mark in the engine, and every repair, stands in docs/interoperability.md."""

import re
from pathlib import Path

from gateway.itip.quirks import COMPONENTS, LINES

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "interoperability.md").read_text(encoding="utf-8")


def test_every_mark_is_explained() -> None:
    marked = {
        (path.name, mark)
        for path in (ROOT / "gateway" / "itip").glob("*.py")
        for found in re.findall(r"[Ii]nterop ((?:[A-Z]\d\d(?:, |-| and )?)+)", path.read_text(encoding="utf-8"))
        for mark in re.findall(r"[A-Z]\d\d", found)
    }
    assert marked
    assert {pair for pair in marked if not re.search(rf"\b{pair[1]}\b", PAGE)} == set()


def test_the_evidence_of_every_repair_is_explained() -> None:
    for quirk in (*LINES, *COMPONENTS):
        assert all(mark in PAGE for mark in re.findall(r"Q\d\d", quirk.evidence)), quirk.name
