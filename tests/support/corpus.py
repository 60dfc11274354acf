# SPDX-License-Identifier: Apache-2.0
"""The corpus of vendors' mails and how it is read: `python -m tests.support.corpus` writes the expected outcomes anew.

The mails are twins, written from what is known of each vendor's habits; no person's mail is among them. A folder
`private/` beside them is read too and not committed. Review decides whether a new outcome is right.
"""

import json
from pathlib import Path
from typing import Any

from gateway.imip.headers import parse_facts, parse_headers
from gateway.imip.parse import find_calendar_parts
from gateway.itip.model import Fault
from gateway.itip.parse import parse_calendar, read_message

CORPUS = Path(__file__).parent.parent / "corpus"


def mails() -> list[Path]:
    """Every mail of the corpus."""
    return sorted(CORPUS.rglob("*.eml"))


def outcome(data: bytes) -> dict[str, Any]:
    """Read a mail as the gateway does, and say what was found in words of the standards."""
    block = parse_headers(data)
    found = find_calendar_parts(data, block)
    facts = parse_facts(block)
    return {
        "from": facts.header_from.address,
        "signed": found.signed,
        "notes": [f"{note.code} {note.path}" for note in found.notes],
        "parts": [
            {
                "path": part.path,
                "standing": part.standing.value,
                "method": part.method,
                "uid": part.uid,
                "repairs": list(part.repairs),
                "reason": part.reason,
                "message": _message(part.text, part.method),
            }
            for part in found.parts
        ],
    }


def _message(text: str, method: str) -> str:
    """What the engine makes of the calendar: method, kind and parties, or why it is no message."""
    reading = parse_calendar(text, method=method)
    if isinstance(reading, Fault):
        return f"unreadable: {reading.rule}"
    message = read_message(reading.calendar)
    if isinstance(message, Fault):
        return f"no message: {message.rule}"
    organizer = message.organizer.value if message.organizer is not None else "nobody"
    return f"{message.method} {message.kind} organized by {organizer}"


def main() -> None:
    """Write every expected outcome anew."""
    for path in mails():
        text = json.dumps(outcome(path.read_bytes()), indent=2, ensure_ascii=False)
        path.with_suffix(".json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
