# SPDX-License-Identifier: Apache-2.0
"""The commands of a transaction as octets: each with those parameters whose extension the hop offers."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from gateway.imip.mail import Rcpt
from gateway.relay.hop import XForward

#: Which extension a parameter belongs to.
_MAIL_KEYWORDS = {
    "SIZE": "SIZE",
    "BODY": "8BITMIME",
    "SMTPUTF8": "SMTPUTF8",
    "RET": "DSN",
    "ENVID": "DSN",
    "AUTH": "AUTH",
}
_RCPT_KEYWORDS = {"NOTIFY": "DSN", "ORCPT": "DSN"}
_XFORWARD_LINE = 480  # Postfix splits its own at 512 octets


def mail_line(mail_from: str, parameters: Sequence[str], keywords: Mapping[str, str]) -> bytes:
    """Write MAIL."""
    return _line([f"MAIL FROM:<{mail_from}>", *_permitted(parameters, _MAIL_KEYWORDS, keywords)])


def rcpt_line(rcpt: Rcpt, keywords: Mapping[str, str]) -> bytes | None:
    """Write RCPT; None where the hop cannot take such an address."""
    if not rcpt.address.isascii() and "SMTPUTF8" not in keywords:
        return None
    return _line([f"RCPT TO:<{rcpt.address}>", *_permitted(rcpt.parameters, _RCPT_KEYWORDS, keywords)])


def xforward_lines(xforward: XForward, offered: str) -> list[bytes]:
    """Write XFORWARD commands for the attributes that the hop knows, each line short enough."""
    known = _attributes(offered)
    lines: list[list[str]] = []
    length = _XFORWARD_LINE + 1
    for name, raw in xforward.attributes:
        if name not in known:
            continue
        word = f"{name}={raw}"
        if length + len(word) > _XFORWARD_LINE:
            lines.append(["XFORWARD"])
            length = 0
        lines[-1].append(word)
        length += len(word) + 1
    return [_line(words) for words in lines]


@lru_cache(16)
def _attributes(offered: str) -> frozenset[str]:
    return frozenset(offered.upper().split())


def _permitted(parameters: Sequence[str], table: Mapping[str, str], keywords: Mapping[str, str]) -> list[str]:
    """Leave out parameters whose extension is not offered (those that matter were judged before)."""
    return [word for word in parameters if table.get(word.partition("=")[0].upper()) in keywords]


def _line(words: Sequence[str]) -> bytes:
    line = " ".join(words)
    if "\r" in line or "\n" in line:
        raise ValueError("a line break in an SMTP command")  # a bug of the caller: parsers never let one in
    return line.encode("utf-8", "surrogateescape") + b"\r\n"
