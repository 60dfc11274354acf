# SPDX-License-Identifier: Apache-2.0
"""How commands answer: text for people, one JSON document with `--json`."""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any


def answer(args: argparse.Namespace, document: Mapping[str, Any] | list[Any], text: str | Iterable[str]) -> int:
    """Write one answer in the asked form and return exit status 0."""
    if args.json:
        sys.stdout.write(json.dumps(document, ensure_ascii=False, default=_plain) + "\n")
    else:
        lines = text if isinstance(text, str) else "\n".join(text)
        sys.stdout.write(printable(lines).rstrip("\n") + "\n")
    return 0


def table(rows: Iterable[tuple[object, ...]]) -> list[str]:
    """Lay rows out in columns, two spaces apart."""
    cells = [tuple("" if cell is None else str(cell) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)] if cells else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def printable(text: str) -> str:
    """Keep a hostile title from moving the cursor or colouring the terminal."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)


def _plain(value: object) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)
