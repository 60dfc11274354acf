# SPDX-License-Identifier: Apache-2.0
"""Words added below those of a mail that somebody else wrote, and not another octet changed.

The footer goes to the end of the first text/plain and the first text/html part that a reader sees, in that part's own
charset and transfer encoding; calendars, attachments, headers and boundaries stay as they are. Where the words do not
fit (a charset that lacks them, 7bit) the plainer ones are taken. A signed mail is the caller's to leave alone; a part
that is PGP text is left alone here.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.imip.contenttype import decode_transfer, is_charset, parse_disposition
from gateway.imip.headers import parse_headers
from gateway.imip.leaves import Leaf, Walk

_END = re.compile(rb"</(?:body|html)\s*>", re.IGNORECASE)
_PGP = b"-----BEGIN PGP "
_WORDS = frozenset(("text/plain", "text/html", "text/enriched"))
_CALENDARS = frozenset(("text/calendar", "application/ics", "application/calendar"))


@dataclass(frozen=True, slots=True)
class Footer:
    """What is to be added, in order of preference: the reader's language, then what fits everywhere."""

    plain: tuple[str, ...]
    html: str


@dataclass(frozen=True, slots=True)
class Place:
    """A part that words can be added to: `data[start:end]` of the mail, as encoded."""

    subtype: str  # plain | html
    start: int
    end: int
    charset: str
    encoding: str


def find_places(data: bytes) -> tuple[Place, ...]:
    """Return the parts that a footer belongs in; none where a part is PGP text."""
    found: dict[str, Place] = {}
    for leaf in _leaves(data):
        subtype = leaf.kind.value.partition("/")[2]
        if leaf.kind.value not in ("text/plain", "text/html") or subtype in found or _is_file(leaf):
            continue
        raw, encoding = data[leaf.block.body : leaf.end], _encoding(leaf)
        octets = decode_transfer(raw, encoding)
        charset = leaf.kind.get("charset") or "us-ascii"
        if octets is None or not is_charset(charset) or _encoded("<a>", charset) is None:
            continue
        if octets.lstrip().startswith(_PGP):
            return ()
        found[subtype] = Place(subtype, leaf.block.body, leaf.end, charset, encoding)
    return tuple(found.values())


def is_words_and_calendar(data: bytes) -> bool:
    """Whether a mail holds nothing but text to read and calendars: no file that somebody wanted to send along."""
    return all(
        leaf.kind.value in _CALENDARS or (leaf.kind.value in _WORDS and not _is_file(leaf)) for leaf in _leaves(data)
    )


def add_footer(data: bytes, places: tuple[Place, ...], footer: Footer) -> bytes | None:
    """Return the mail with the footer in those places, None where it fits in none of them."""
    edits = []
    for place in places:
        texts = footer.plain if place.subtype == "plain" else (_ascii(footer.html),)
        edit = next((edit for text in texts if (edit := _edit(data, place, text)) is not None), None)
        edits += [edit] if edit is not None else []
    if not edits:
        return None
    pieces, position = [], 0
    for start, end, octets in sorted(edits):
        pieces += [data[position:start], octets]
        position = end
    return b"".join((*pieces, data[position:]))


def _leaves(data: bytes) -> Iterator[Leaf]:
    return Walk(data).leaves(parse_headers(data), len(data))


def _is_file(leaf: Leaf) -> bool:
    disposition = parse_disposition(leaf.block.first("content-disposition"))
    return disposition.value == "attachment" or bool(disposition.get("filename") or leaf.kind.get("name"))


def _encoding(leaf: Leaf) -> str:
    return (leaf.block.first("content-transfer-encoding") or "7bit").partition(";")[0].strip().lower()


def _edit(data: bytes, place: Place, text: str) -> tuple[int, int, bytes] | None:
    """Return which range becomes what; None where the text does not fit in the part."""
    words = _encoded(text.replace("\n", "\r\n"), place.charset)
    if words is None or (place.encoding == "7bit" and not words.isascii()):
        return None
    raw = data[place.start : place.end]
    if place.encoding == "base64":
        octets = decode_transfer(raw, "base64") or b""
        at = _end_of_words(octets, place)
        whole = base64.encodebytes(octets[:at] + _gap(octets[:at], place) + words + octets[at:])
        return place.start, place.end, whole.replace(b"\n", b"\r\n").removesuffix(b"\r\n")
    at = _end_of_words(raw, place)
    if place.encoding == "quoted-printable":
        quoted = binascii.b2a_qp(words.replace(b"\r\n", b"\n"), istext=True).replace(b"\n", b"\r\n")
        soft = b"=\r\n" if place.subtype == "html" else b""
        words = soft + quoted + soft
    return place.start + at, place.start + at, _gap(raw[:at], place) + words


def _end_of_words(octets: bytes, place: Place) -> int:
    last = None
    if place.subtype == "html":
        for last in _END.finditer(octets):
            if last[0][2:6].lower() == b"body":
                break
    return last.start() if last is not None else len(octets)


def _gap(before: bytes, place: Place) -> bytes:
    """What keeps the footer apart from the words above: a blank line."""
    if place.subtype == "html":
        return b"" if place.encoding == "quoted-printable" else b"\r\n"
    return b"\r\n" if before.endswith(b"\n") else b"\r\n\r\n"


def _encoded(text: str, charset: str) -> bytes | None:
    try:
        return text.encode(charset) if "<a>".encode(charset) == b"<a>" else None
    except (UnicodeEncodeError, LookupError):
        return None


def _ascii(html: str) -> str:
    return html.encode("ascii", "xmlcharrefreplace").decode("ascii")
