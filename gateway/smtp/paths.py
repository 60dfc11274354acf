# SPDX-License-Identifier: Apache-2.0
"""Reverse-path, forward-path and their parameters (RFC 5321 §4.1.2), octets and case kept.

Transparent on purpose: whether an address exists, or is well chosen, is the next hop's to say. Refused is only what
could mean two things to two readers: control characters, blanks outside quotes, stray angle brackets.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from gateway.smtp import answers

_MOST = 1000  # characters of one path; RFC 5321 §4.5.3.1.3 asks for 256, UTF-8 needs more
_ATOM = r"[^\x00-\x20\x7f<>()\[\]\\,;:@\"]+"
_QUOTED = r'"(?:[^\x00-\x1f\x7f"\\]|\\[\x20-\x7e])*"'
_LITERAL = r"\[[^\x00-\x20\x7f<>\[\]\\]+\]"
_SIMPLE = re.compile(rf"[ \t]*<({_ATOM}@{_ATOM})>\Z")
_PATH = re.compile(rf"[ \t]*<(?:@[^<>:\s]+:)?((?:{_ATOM}|{_QUOTED})(?:@(?:{_ATOM}|{_LITERAL}))?|)>(?:[ \t]+(.*))?\Z")
_BARE = re.compile(rf"[ \t]*({_ATOM}@{_ATOM})(?:[ \t]+(.*))?\Z")  # old programs leave the brackets out
_WORD = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\x00-\x20\x7f=]+(?:=[^\x00-\x20\x7f]*)?))?\Z")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*\Z")  # RFC 3461 §4
_NOTIFY = re.compile(r"NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY)){0,2}", re.IGNORECASE)
_ORCPT = re.compile(r"[A-Za-z0-9-]+;[^\x00-\x20\x7f]+\Z")


class BadPath(Exception):
    """The line cannot be taken; `answer` is the reply."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(answer.decode())
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Path:
    """An address without its brackets ("" = null) and its parameters, spelled as they came."""

    address: str
    parameters: tuple[str, ...] = ()

    def parameter(self, name: str) -> str | None:
        """Return a parameter's value ("" for a bare keyword), None where it was not given."""
        for word in self.parameters:
            keyword, _, value = word.partition("=")
            if keyword.upper() == name:
                return value
        return None


def parse_mail(argument: str | None, *, extended: bool = True) -> Path:
    """Read what follows `MAIL `.

    Raises:
        BadPath: with the reply.
    """
    return _parse(argument, "FROM:", answers.MAIL_SYNTAX, answers.BAD_SENDER, _MAIL if extended else {})


def parse_rcpt(argument: str | None, *, extended: bool = True) -> Path:
    """Read what follows `RCPT `; the null path is no recipient.

    Raises:
        BadPath: with the reply.
    """
    path = _parse(argument, "TO:", answers.RCPT_SYNTAX, answers.BAD_RECIPIENT, _RCPT if extended else {})
    if not path.address:
        raise BadPath(answers.BAD_RECIPIENT)
    return path


def _parse(argument: str | None, keyword: str, syntax: bytes, malformed: bytes, known: "_Table") -> Path:
    if argument is None or argument[: len(keyword)].upper() != keyword:
        raise BadPath(syntax)
    rest = argument[len(keyword) :]
    if (simple := _SIMPLE.match(rest)) is not None and len(rest) < _MOST:
        return Path(simple[1])
    match = _PATH.match(rest) or _BARE.match(rest)
    if match is None or len(match[1]) > _MOST:
        raise BadPath(malformed)
    return Path(match[1], _parameters(match[2] or "", known))


def _parameters(text: str, known: "_Table") -> tuple[str, ...]:
    words = text.split()
    seen = set()
    for word in words:
        match = _WORD.match(word)
        name = match[1].upper() if match else ""
        if match is None or name in seen:
            raise BadPath(answers.BAD_PARAMETER)
        if name not in known:
            raise BadPath(answers.UNKNOWN_PARAMETER)
        if not known[name](match[2]):
            raise BadPath(answers.BAD_PARAMETER)
        seen.add(name)
    return tuple(words)


_Table = dict[str, Callable[[str | None], bool]]


def _is_xtext(value: str | None, most: int) -> bool:
    return value is not None and len(value) <= most and _XTEXT.match(value) is not None


_MAIL: _Table = {
    "SIZE": lambda value: value is not None and value.isdecimal() and value.isascii() and len(value) <= 20,  # RFC 1870
    "BODY": lambda value: value is not None and value.upper() in ("7BIT", "8BITMIME"),  # RFC 6152
    "SMTPUTF8": lambda value: value is None,  # RFC 6531
    "RET": lambda value: value is not None and value.upper() in ("FULL", "HDRS"),  # RFC 3461 §4.3
    "ENVID": lambda value: _is_xtext(value, 100),  # RFC 3461 §4.4
    "AUTH": lambda value: value == "<>" or _is_xtext(value, 500),  # RFC 4954 §5
}
_RCPT: _Table = {
    "NOTIFY": lambda value: value is not None and _NOTIFY.fullmatch(value) is not None,  # RFC 3461 §4.1
    # RFC 3461 §4.2, RFC 6533 §3: utf-8-addr-xtext may hold more than xtext, so only its frame is looked at
    "ORCPT": lambda value: value is not None and len(value) <= 1000 and _ORCPT.match(value) is not None,
}
