# SPDX-License-Identifier: Apache-2.0
"""Content lines as text: where one ends, how it is folded, what its parameters say (RFC 5545 §3.1, RFC 6868).

Calendars are read here before anything is known of them, so every function is one pass over the text and none is
asked twice: the parameters of a line are read only when somebody wants one.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

#: Parameters in order: names in capitals, values unquoted and caret-decoded.
Params = tuple[tuple[str, tuple[str, ...]], ...]

#: A line unfolded, and the same line as it was written.
Line = tuple[str, str]

_FOLD = re.compile(r"\r?\n[ \t]|\r[ \t]")
_RAW_LINE = re.compile(r"[^\r\n]+(?:(?:\r\n?|\n)[ \t][^\r\n]*)*")
_LINE = re.compile(r"([A-Za-z0-9-]+)((?:;[^\":]*(?:\"[^\"]*\"[^\":]*)*)?):(.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9-]+")
_CARET = re.compile(r"\^([n^'])")
_CARET_MEANING = {"n": "\n", "^": "^", "'": '"'}
_NEEDS_QUOTES = re.compile(r"[:;,]|[^\x20-\x7e]")
_SAFE = re.compile(r"[A-Za-z0-9 @./_+-]*")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def split_lines(text: str) -> Iterable[Line]:
    """Return the lines of a text; empty ones are no lines.

    `text` holds no NUL: that marks the folds while the lines are told apart.
    """
    end = "\r\n" if "\r\n" in text else "\n" if "\n" in text else "\r"
    ends = text.count(end)
    if text.count("\n") != ends * ("\n" in end) or text.count("\r") != ends * ("\r" in end):  # mixed ends
        return [(unfolded(raw), raw) for raw in _RAW_LINE.findall(text)]
    marked = text.replace(end + " ", "\0 ").replace(end + "\t", "\0\t")
    lines = list(filter(None, marked.split(end)))
    if "\0" not in marked:
        return zip(lines, lines, strict=True)
    return [(_joined(line), line.replace("\0", end)) if "\0" in line else (line, line) for line in lines]


def split_line(line: str) -> tuple[str, str, str] | None:
    """Return name (in capitals), parameters (as written, with their first semicolon) and value; None for no line."""
    head, colon, value = line.partition(":")
    name = head.partition(";")[0]
    known = _known_name(name)
    if known and colon and ('"' not in head or not head.count('"') % 2):
        return known, head[len(name) :], value
    match = _LINE.fullmatch(line)
    return None if match is None else (match[1].upper(), match[2], match[3])


@lru_cache(maxsize=512)
def _known_name(name: str) -> str:
    """The name in capitals, "" for what is none."""
    return name.upper() if len(name) <= 100 and _NAME.fullmatch(name) else ""


def unfolded(raw: str) -> str:
    """Return a line without its folds."""
    if "\n" not in raw and "\r" not in raw:
        return raw
    line = _FOLD.sub("", raw)
    return line if line.isascii() else _whole(line)


def _joined(marked: str) -> str:
    line = marked.replace("\0 ", "").replace("\0\t", "")
    return line if line.isascii() else _whole(line)


def _whole(line: str) -> str:
    """A fold may have cut a UTF-8 sequence in two."""
    return line.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def fold(line: str) -> str:
    """Fold one content line at 75 octets, never inside a character (RFC 5545 §3.1)."""
    if line.isascii():
        if len(line) <= 75:
            return line
        if len(line) <= 149:
            return f"{line[:75]}\r\n {line[75:]}"
        return "\r\n ".join((line[:75], *(line[at : at + 74] for at in range(75, len(line), 74))))
    pieces: list[str] = []
    piece: list[str] = []
    room = 75
    for char in line:
        size = len(char.encode("utf-8", "surrogateescape"))
        if size > room:
            pieces.append("".join(piece))
            piece, room = [], 74
        piece.append(char)
        room -= size
    pieces.append("".join(piece))
    return "\r\n ".join(pieces)


def parse_params(text: str) -> Params:
    """Read the parameters of a line. Few texts are told over and over: `;TZID=Europe/Rome`, the same guest again."""
    return _known_params(text) if len(text) <= 400 else _read_params(text)


def _read_params(text: str) -> Params:
    params: list[tuple[str, tuple[str, ...]]] = []
    for piece in _split_outside_quotes(text, ";"):
        name, equals, values = piece.partition("=")
        if name.strip():
            read = tuple(_parse_param_value(value) for value in _split_outside_quotes(values, ",")) if equals else ("",)
            params.append((name.strip().upper(), read))
    return tuple(params)


@lru_cache(maxsize=4096)
def _known_params(text: str) -> Params:
    return _read_params(text)


def _parse_param_value(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] == '"' and value[-1] == '"':
        value = value[1:-1]
    return _CARET.sub(lambda match: _CARET_MEANING[match[1]], value) if "^" in value else value


def _split_outside_quotes(text: str, separator: str) -> list[str]:
    if '"' not in text:
        return text.split(separator)
    pieces: list[list[str]] = [[]]
    for index, part in enumerate(text.split('"')):
        if index % 2:
            pieces[-1].append(f'"{part}"')
            continue
        first, *rest = part.split(separator)
        pieces[-1].append(first)
        pieces += ([piece] for piece in rest)
    return ["".join(piece) for piece in pieces]


def build_param_value(value: str) -> str:
    """Write a parameter value, quoted where it must be; line ends and quotes as carets (RFC 6868)."""
    if _SAFE.fullmatch(value):
        return value
    value = value.replace("^", "^^").replace("\r\n", "^n").replace("\n", "^n").replace('"', "^'")
    value = _CONTROL.sub("", value)
    return f'"{value}"' if _NEEDS_QUOTES.search(value) else value
