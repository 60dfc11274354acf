# SPDX-License-Identifier: Apache-2.0
"""The header block of a mail as octets: fields with their byte ranges, and the facts that decisions rest on.

Not the email package: its modern policy can be made to work for minutes by one mail, and it repairs what it
reads, while a decision of trust must see what stands there. `header_from` is the one address that the From field
names, or the reason why there is none; mail without one is delivered and never believed (RFC 5322 §3.6.2,
RFC 7489 §6.6.1).
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.errors import Refused
from gateway.imip.tokens import Kind, Token, parse_tokens

#: A field: name, optional space (obsolete syntax), colon, and all lines that continue it (RFC 5322 §2.2.3, §4.5).
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:((?>[^\n]*\n[ \t])*+[^\n]*+)(?:\n|\Z)")
_LINE_END = re.compile(r"\r?\n")
_BLANK = re.compile(rb"\r?\n")
_MBOX_FROM = re.compile(rb">?From [^\n]*\n")
_MESSAGE_ID = re.compile(r"<[^<>\s\x00-\x1f\x7f\ud800-\udfff]{1,900}>")  # what a database takes as text
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_ENCODED_WORD = re.compile(r"=\?[^?]*\?[bBqQ]\?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Field:
    """One header field: lower-case name, unfolded value, and where it lies in the mail, line end included."""

    name: str
    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class HeaderBlock:
    """All fields in their order. `body` is where the body begins; `complete` is False where a cap cut the reading."""

    fields: tuple[Field, ...]
    body: int
    complete: bool = True

    def all(self, name: str) -> Iterator[Field]:
        """Yield the fields of this (lower-case) name, topmost first."""
        return (field for field in self.fields if field.name == name)

    def first(self, name: str) -> str | None:
        """Return the value of the topmost field of this name, None where there is none."""
        return next((field.value for field in self.all(name)), None)


@dataclass(frozen=True, slots=True)
class HeaderFrom:
    """Whom the From field names. Exactly one of `address` and `fault` is set.

    The domain, alone and in `address`, is in DNS form (lower case, A-labels), so nobody maps it again later.
    """

    address: str | None = None
    domain: str = ""
    display_name: str = ""
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What the header says about a mail, beside its MIME structure."""

    header_from: HeaderFrom
    message_id: str | None
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    subject: str
    auto_submitted: str  # RFC 3834 §5; "no" where absent
    precedence: str
    auto_response_suppress: str
    list_id: str | None  # RFC 2919; also set from List-Post
    received_count: int
    dkim_signed: bool
    content_class: str = ""  # Exchange's name for what a mail is, in lower case


def parse_headers(
    data: bytes, start: int = 0, end: int | None = None, *, max_bytes: int = 262_144, max_fields: int = 2000
) -> HeaderBlock:
    """Read the header block of `data[start:end]`. Never fails: it ends at the first line that is no field."""
    end = len(data) if end is None else end
    position, stop = start, min(end, start + max_bytes)
    if start == 0 and (mbox := _MBOX_FROM.match(data)):
        position = mbox.end()
    fields: list[Field] = []
    while position < stop:
        match = _FIELD.match(data, position, stop)
        if match is None or len(fields) >= max_fields:
            break
        value = match[2].decode("utf-8", "surrogateescape").strip("\r\n\t ")
        name = match[1].decode("ascii").lower()
        fields.append(Field(name, _LINE_END.sub("", value) if "\n" in value else value, match.start(), match.end()))
        position = match.end()
    complete = (position < stop or stop == end) and len(fields) < max_fields
    if blank := _BLANK.match(data, position, end):
        position = blank.end()
    return HeaderBlock(tuple(fields), position, complete)


def parse_facts(block: HeaderBlock) -> HeaderFacts:
    """Gather what the header says about the mail; hostile values are shortened, never trusted."""
    list_id = block.first("list-id") or block.first("list-post") or block.first("mailing-list")
    return HeaderFacts(
        header_from=parse_from(block),
        message_id=next(iter(_message_ids(block.first("message-id"))), None),
        in_reply_to=_message_ids(block.first("in-reply-to")),
        references=_message_ids(block.first("references")),
        subject=_shortened(block.first("subject")),
        auto_submitted=_keyword(block.first("auto-submitted")) or "no",
        precedence=_keyword(block.first("precedence")),
        auto_response_suppress=_shortened(block.first("x-auto-response-suppress")).lower(),
        list_id=_shortened(list_id) if list_id is not None else None,
        received_count=sum(1 for _ in block.all("received")),
        dkim_signed=block.first("dkim-signature") is not None,
        content_class=_shortened(block.first("content-class")).lower(),
    )


def parse_from(block: HeaderBlock) -> HeaderFrom:
    """Return the one address that the From field names, or why there is none that may be believed."""
    fields = list(block.all("from"))
    if not block.complete:
        return HeaderFrom(fault="The header is larger than we read, so From is not certain")
    if len(fields) != 1:
        return HeaderFrom(fault="There are several From fields" if fields else "There is no From field")
    # Old programs write names in their own charset; what is not UTF-8 may stand in a name, never in an address.
    value = fields[0].value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        tokens = parse_tokens(value, "<>@,;:[]", max_length=8192)
        return _mailbox(tokens)
    except Refused as refused:
        return HeaderFrom(fault=f"From: {refused.public}")


def parse_domain(text: str) -> str:
    """Return a domain in DNS form: lower case, U-labels as A-labels (no IDNA 2003 mapping: `ß` is not `ss`).

    Raises:
        Refused: `bad-domain`: not a domain name of two labels or more.
    """
    labels = unicodedata.normalize("NFC", text).lower().split(".") if len(text) <= 253 else []
    labels = [label if label.isascii() else _a_label(label) for label in labels]
    domain = ".".join(labels)
    if len(labels) < 2 or len(domain) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Refused("bad-domain", "The domain of the address is not a domain name")
    return domain


def _a_label(label: str) -> str:
    if len(label) > 63 or not all(char == "-" or unicodedata.category(char)[0] in "LNM" for char in label):
        return ""  # no label at all: refused by the caller
    return "xn--" + label.encode("punycode").decode("ascii")


def _mailbox(tokens: tuple[Token, ...]) -> HeaderFrom:
    """Read exactly one mailbox (RFC 5322 §3.4); lists, groups and routes are refused."""
    if not tokens:
        raise Refused("bad-from", "the field is empty")
    for char, fault in ((",", "it names several addresses"), (":", "it is a group"), (";", "it is a group")):
        if any(token.is_special(char) for token in tokens):
            raise Refused("bad-from", fault)
    opened = [index for index, token in enumerate(tokens) if token.is_special("<")]
    if not opened:
        return _addr_spec(tokens, "")
    name, inner = tokens[: opened[0]], tokens[opened[0] + 1 : -1]
    if len(opened) > 1 or not tokens[-1].is_special(">"):
        raise Refused("bad-from", "it does not end after one address in angle brackets")
    found = _addr_spec(inner, _phrase(name))
    if any(token.is_special("@") for token in name) and "".join(t.text for t in name).lower() != found.address:
        raise Refused("bad-from", "it names several addresses")
    return found


def _addr_spec(tokens: tuple[Token, ...], display_name: str) -> HeaderFrom:
    """Read local part, @ and domain without anything between them (RFC 5322 §3.4.1, no obsolete forms)."""
    if len(tokens) != 3 or not tokens[1].is_special("@") or any(token.spaced for token in tokens[1:]):
        raise Refused("bad-from", "it is not one plain address")
    local, domain = tokens[0].text, tokens[2].text
    if tokens[2].kind is not Kind.ATOM:
        raise Refused("bad-from", "its domain is not a domain name")
    dotted = local.split(".")
    if not all(dotted) or any(char in ' \t\r\n"(),:;<>@[\\]' for char in local):
        raise Refused("bad-from", "its local part is not a plain word")
    if "\ufffd" in local:
        raise Refused("bad-from", "its local part holds octets that are not UTF-8")
    if not local.isprintable() or _ENCODED_WORD.search(local) or len(local.encode()) > 64:
        raise Refused("bad-from", "its local part is not a plain word")
    dns_form = parse_domain(domain)
    return HeaderFrom(f"{local}@{dns_form}", dns_form, display_name)


def _phrase(tokens: tuple[Token, ...]) -> str:
    pieces = (("" if index == 0 or not token.spaced else " ") + token.text for index, token in enumerate(tokens))
    return "".join(pieces)[:200]


def _message_ids(value: str | None) -> tuple[str, ...]:
    return tuple(_MESSAGE_ID.findall((value or "")[:20_000])[:100])


def _keyword(value: str | None) -> str:
    """Return the first word of a keyword field, in lower case, without parameters and comments."""
    return re.split(r"[;\s(]", (value or "").strip()[:200].lower(), maxsplit=1)[0]


def _shortened(value: str | None) -> str:
    return (value or "")[:998]
