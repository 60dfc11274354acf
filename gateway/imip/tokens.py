# SPDX-License-Identifier: Apache-2.0
"""Words of a structured header field: atoms, quoted strings, specials; comments and white space fall away.

One lexer for every field on which a decision of trust rests (From, Authentication-Results), so that no two of
our readers see different words in the same octets. Comments nest (RFC 5322 §3.2.2) and are skipped by a loop,
not by recursion. Sloppy text is an error here, never a guess: who decides on trust must not guess.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from gateway.errors import Refused

_SPACE = re.compile(r"[ \t\r\n]+")
_QUOTED = re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_PAIR = re.compile(r"\\(.)", re.DOTALL)
_IN_COMMENT = re.compile(r"[()\\]")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Kind(StrEnum):
    """What a token is."""

    ATOM = "atom"
    QUOTED = "quoted"
    SPECIAL = "special"


@dataclass(frozen=True, slots=True)
class Token:
    """One word; `spaced` says that white space or a comment stood before it."""

    kind: Kind
    text: str
    spaced: bool

    def is_special(self, char: str) -> bool:
        """Tell whether this is that special character, outside quotes."""
        return self.kind is Kind.SPECIAL and self.text == char


def parse_tokens(value: str, specials: str, *, max_length: int = 65536) -> tuple[Token, ...]:
    """Split an unfolded field value into tokens; each character of `specials` is a token of its own.

    Raises:
        Refused: `bad-header`: control characters, undecodable octets, an open quote or comment, or too long.
    """
    if len(value) > max_length:
        raise Refused("bad-header", "The field is too long to be read")
    if _FORBIDDEN.search(value):
        raise Refused("bad-header", "The field holds control characters or octets that are not UTF-8")
    atom = re.compile(rf'[^\s"()\\{re.escape(specials)}]+')
    tokens: list[Token] = []
    position, spaced = 0, False
    while position < len(value):
        char = value[position]
        if space := _SPACE.match(value, position):
            position, spaced = space.end(), True
            continue
        if char == "(":
            position, spaced = _end_of_comment(value, position), True
            continue
        if char in specials:
            token, position = Token(Kind.SPECIAL, char, spaced), position + 1
        elif quoted := _QUOTED.match(value, position):
            token, position = Token(Kind.QUOTED, _PAIR.sub(r"\1", quoted[1]), spaced), quoted.end()
        elif word := atom.match(value, position):
            token, position = Token(Kind.ATOM, word[0], spaced), word.end()
        else:
            raise Refused("bad-header", f"The field cannot be read at {value[position : position + 20]!r}")
        tokens.append(token)
        spaced = False
    return tuple(tokens)


def _end_of_comment(value: str, start: int) -> int:
    depth, position = 0, start
    while found := _IN_COMMENT.search(value, position):
        position = found.end()
        if found[0] == "\\":
            position += 1
            continue
        depth += 1 if found[0] == "(" else -1
        if depth == 0:
            return position
    raise Refused("bad-header", "A comment in the field never ends")
