# SPDX-License-Identifier: Apache-2.0
"""Reports of failure that are no RFC 3464: qmail's (QSBMF), and what else names its failures in X-Failed-Recipients
(Exim's). As with the others, what they say counts only together with a signed token.
"""

import re

from gateway.imip.dsn import Action, Report, ReportedRecipient
from gateway.imip.headers import HeaderBlock, parse_headers
from gateway.imip.mime import clean_line

_STATUS = re.compile(r"(?<![\d.])5\.\d{1,3}\.\d{1,3}(?![\d.])")
_NO_SUCH_USER = re.compile(r"no mailbox here by that name|no such user|user unknown|unknown user", re.IGNORECASE)
_HI = re.compile(r"Hi\. This is the ")  # the first words of QSBMF
_RECIPIENT = re.compile(r"<([^<>\s]{3,320})>:[ \t]*\n(.*)", re.DOTALL)
_MAX_TEXT, _MAX_GROUPS = 32 * 1024, 200


def parse_plain_report(data: bytes, block: HeaderBlock | None = None) -> Report | None:
    """Return the failures that a mail names in one of the older ways, or None where it names none. Never fails."""
    top = block if block is not None else parse_headers(data)
    text = data[top.body : top.body + _MAX_TEXT].decode("utf-8", "replace").replace("\r\n", "\n").lstrip()
    found = _named_in_header(top, text) or (_named_in_text(text) if _HI.match(text) else ())
    return Report(recipients=found) if found else None


def _named_in_header(top: HeaderBlock, text: str) -> tuple[ReportedRecipient, ...]:
    named = (top.first("x-failed-recipients") or "").split(",")[:_MAX_GROUPS]
    addresses = tuple(address for name in named if (address := name.strip()))
    return tuple(_failed(address, _about(address, text)) for address in addresses)


def _about(address: str, text: str) -> str:
    """Return the paragraph that begins with an address, as Exim writes it."""
    _, found, rest = text.partition(f"\n  {address}\n")
    return rest.partition("\n\n")[0] if found else ""


def _named_in_text(text: str) -> tuple[ReportedRecipient, ...]:
    """Read QSBMF: paragraphs that begin with `<address>:`, up to the one that begins with a hyphen."""
    found = []
    for paragraph in text.split("\n\n")[1:_MAX_GROUPS]:
        if paragraph.lstrip("\n").startswith("-"):
            break
        if match := _RECIPIENT.match(paragraph.lstrip("\n")):
            found.append(_failed(match[1], match[2]))
    return tuple(found)


def _failed(address: str, words: str) -> ReportedRecipient:
    said = _STATUS.search(words)
    status = said[0] if said else "5.1.1" if _NO_SUCH_USER.search(words) else "5.0.0"
    return ReportedRecipient(Action.FAILED, status, final=address[:320], diagnostic=clean_line(words, 400))
