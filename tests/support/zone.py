# SPDX-License-Identifier: Apache-2.0
"""The DNS of the tests: a zone as text, and names whose look-up fails."""

import re
from pathlib import Path

from gateway.errors import Deferred


class Zone:
    """TXT records by name, read from lines `name "text" ["text" ...]`; `name !` is a name that gives trouble."""

    def __init__(self, text: str = "") -> None:
        self.records: dict[str, tuple[str, ...]] = {}
        self.trouble: set[str] = set()
        self.asked: list[str] = []
        for line in text.splitlines():
            name, _, rest = line.strip().partition(" ")
            if not name or name.startswith("#"):
                continue
            if rest.strip() == "!":
                self.trouble.add(name.lower())
            else:
                self.add(name, "".join(re.findall(r'"([^"]*)"', rest)))

    @classmethod
    def read(cls, path: Path) -> "Zone":
        return cls(path.read_text())

    def add(self, name: str, text: str) -> None:
        """Add one record to a name."""
        self.records[name.lower()] = (*self.records.get(name.lower(), ()), text)

    async def txt(self, name: str) -> tuple[str, ...]:
        """Return the records of a name, as `gateway.authn.resolver.Resolver` has it."""
        key = name.rstrip(".").lower()
        self.asked.append(key)
        if key in self.trouble:
            raise Deferred("dns-trouble", "Directory lookup failed; try again later", name=name)
        return self.records.get(key, ())
