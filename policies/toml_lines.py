# SPDX-License-Identifier: Apache-2.0
"""Where each key of a TOML text stands, so that a fault can name its line (`tomllib` does not say).

Only for text that `tomllib` has already accepted: then statements can be cut with one pattern. A key
inside an inline table or an array is found at the line of the statement that holds it.
"""

import re
from collections.abc import Iterator

KeyPath = tuple[str | int, ...]

_LEXEME = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}(?!")' r"|'''.*?'{3,5}(?!')" r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'" r"|#[^\n]*" r"|.",
    re.DOTALL,
)
_KEY_PART = re.compile(r'\s*("(?:\\.|[^"\\])*"|\'[^\']*\'|[A-Za-z0-9_-]+)\s*(\.|$)')


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, statement) without comments; a value over several lines is one statement."""
    line, start, depth = 1, 1, 0
    pieces: list[str] = []
    for match in _LEXEME.finditer(text + "\n"):
        lexeme = match[0]
        if lexeme == "\n" and depth == 0:
            if statement := "".join(pieces).strip():
                yield start, statement
            pieces, line = [], line + 1
            start = line
            continue
        if lexeme in "[{":
            depth += 1
        elif lexeme in "]}":
            depth -= 1
        if not lexeme.startswith("#"):
            pieces.append(lexeme)
        line += lexeme.count("\n")


def _key(text: str) -> tuple[str, ...]:
    parts, position = [], 0
    while match := _KEY_PART.match(text, position):
        part = match[1]
        parts.append(part[1:-1] if part[0] in "\"'" else part)
        position = match.end()
        if not match[2]:
            break
    return tuple(parts)


def _key_end(statement: str) -> int:
    quote = ""
    for index, char in enumerate(statement):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "=":
            return index
    return len(statement)


class LineMap:
    """The line of every table, array element and key of one TOML text."""

    def __init__(self, text: str) -> None:
        self._lines: dict[KeyPath, int] = {}
        self._counts: dict[KeyPath, int] = {}
        table: KeyPath = ()
        for line, statement in _statements(text):
            if statement.startswith("[["):
                path = self._into_arrays(_key(statement[2:-2]))
                index = self._counts.get(path, 0)
                self._counts[path] = index + 1
                self._lines.setdefault(path, line)
                table = (*path, index)
                self._lines[table] = line
            elif statement.startswith("["):
                table = self._into_arrays(_key(statement[1:-1]), whole=True)
                self._lines.setdefault(table, line)
            else:
                path = table
                for part in _key(statement[: _key_end(statement)]):
                    path = (*path, part)
                    self._lines.setdefault(path, line)

    def _into_arrays(self, names: tuple[str, ...], *, whole: bool = False) -> KeyPath:
        """A header's path goes into the latest element of each array of tables that it passes."""
        path: KeyPath = ()
        for place, name in enumerate(names):
            path = (*path, name)
            if path in self._counts and (whole or place < len(names) - 1):
                path = (*path, self._counts[path] - 1)
        return path

    def line(self, path: KeyPath) -> int | None:
        """Return the line of a key, or of the nearest thing around it that has one."""
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return None
