# SPDX-License-Identifier: Apache-2.0
"""Line scripts of SMTP dialogs (`tests/dialogs/*.smtp`).

A line that begins with `C: ` is said, `S: ` is expected (a regular expression for the whole reply, `-` lines joined by
` / `). `\\n`, `\\r`, `\\t`, `\\\\`, `\\xNN` are octets; `C: ` ends with CR LF unless it ends with `\\c`.
`# ` is a remark. A head of `; key: value` lines sets the stage: kind, hop or lmtp-hop (`rcpt:x@test = 550 5.1.1 No`).
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.doors import Peer

_ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|(.))", re.DOTALL)
_PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"\\": b"\\"}


@dataclass
class Script:
    """A parsed dialog."""

    name: str
    stage: dict[str, list[str]] = field(default_factory=dict)
    steps: list[tuple[str, str]] = field(default_factory=list)


def read_script(path: Path) -> Script:
    """Read a script."""
    script = Script(path.stem)
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("; "):
            key, _, value = line[2:].partition(":")
            script.stage.setdefault(key.strip(), []).append(value.strip())
        elif line[:3] in ("C: ", "S: ") or line in ("C:", "S:"):
            script.steps.append((line[0], line[3:]))
        elif line.strip() and not line.startswith("#"):
            raise ValueError(f"{path.name}:{number}: {line!r}")
    return script


def octets_of(text: str) -> bytes:
    """Return what a `C:` line puts on the wire."""
    raw = text.encode()
    end = b"\r\n"
    if raw.endswith(b"\\c"):
        raw, end = raw[:-2], b""
    unescaped = _ESCAPE.sub(lambda m: bytes.fromhex(m[1].decode()) if m[1] else _PLAIN[m[2]], raw)
    return unescaped + end


async def play(peer: Peer, steps: list[tuple[str, str]]) -> None:
    """Say and expect."""
    for at, (who, text) in enumerate(steps):
        if who == "C":
            peer.write(octets_of(text))
            continue
        reply = (await peer.reply()).replace("\n", " / ")
        assert re.fullmatch(text, reply), f"step {at}: expected {text!r}, got {reply!r}"
