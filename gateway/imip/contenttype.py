# SPDX-License-Identifier: Apache-2.0
"""Content-Type, Content-Disposition, transfer encoding and charset of a part, read as the field writes them.

Not as RFC 2045 does: tolerant on purpose (empty parameters, missing quotes, a parameter given twice), since nothing
here decides about trust: the worst a lie can do is to hide a calendar from us or to garble it.
"""

import binascii
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field

_TYPE = re.compile(r"(?:\s*\([^()]*\))*\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*/\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)")
_WORD = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)")
_PARAMETER = re.compile(
    r"\s*;\s*(?:([^\s=;\"]{1,60})\s*=\s*(?:\"((?:[^\"\\]++|\\.)*+)\"?|([^;\"]*+)))?", re.DOTALL | re.ASCII
)
_ENCODED_WORD = re.compile(
    r"=\?([^?*\s]{1,40})(?:\*[^?\s]{0,40})?\?([BbQq])\?([^?\s]{0,300})\?=(?:\s+(?==\?))?", re.ASCII
)
_PAIR = re.compile(r"\\(.)", re.DOTALL)
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
_FOLD = re.compile(rb"\r?\n[ \t]")
_NOT_BASE64 = bytes(set(range(256)) - set(string.ascii_letters.encode() + string.digits.encode() + b"+/"))

#: What a declared charset may be; others (punycode, idna, unicode_escape ...) are codecs, not charsets, and some
#: of them can be made to work for seconds.
_CHARSETS = frozenset(
    [
        *("us-ascii", "ascii", "utf-8", "utf8", "utf-16", "utf-16le", "utf-16be", "koi8-r", "koi8-u", "gb2312", "gbk"),
        *(
            "gb18030",
            "big5",
            "euc-jp",
            "shift-jis",
            "iso-2022-jp",
            "euc-kr",
            "tis-620",
            "macintosh",
            "latin1",
            "cp1252",
        ),
    ]
)
_CHARSET_FAMILIES = re.compile(r"(?:iso-?8859-\d{1,2}|windows-\d{3,4})", re.ASCII)
MAX_PARAMETERS = 50


@dataclass(frozen=True, slots=True)
class ContentType:
    """A media type or disposition in lower case with its parameters; names in lower case, first one wins."""

    value: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def main(self) -> str:
        return self.value.partition("/")[0]

    def get(self, name: str) -> str:
        """Return a parameter's value, "" where absent."""
        return self.parameters.get(name, "")


def parse_content_type(value: str | None) -> ContentType:
    """Read a Content-Type; absent or unreadable is `text/plain` (RFC 2045 §5.2)."""
    match = _TYPE.match(value or "")
    if value is None or match is None:
        return ContentType("text/plain")
    return ContentType(f"{match[1]}/{match[2]}".lower(), _parse_parameters(value, match.end()))


def parse_disposition(value: str | None) -> ContentType:
    """Read a Content-Disposition (RFC 2183); absent is ""."""
    match = _WORD.match(value or "")
    if value is None or match is None:
        return ContentType("")
    return ContentType(match[1].lower(), _parse_parameters(value, match.end()))


def _parse_parameters(value: str, position: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for _ in range(MAX_PARAMETERS):
        match = _PARAMETER.match(value, position)
        if match is None:
            position = value.find(";", position)
            if position < 0:
                break
            continue
        position = match.end()
        if match[1]:
            text = _PAIR.sub(r"\1", match[2]) if match[2] is not None else (match[3] or "").strip()
            found.setdefault(match[1].lower(), text)
    return _joined(found) if any("*" in name for name in found) else found


def _joined(found: dict[str, str]) -> dict[str, str]:
    """Put continued and percent-encoded parameters together (RFC 2231 §3, §4)."""
    plain = {name: text for name, text in found.items() if "*" not in name}
    for base in dict.fromkeys(name.partition("*")[0] for name in found if "*" in name):
        pieces = [found.get(f"{base}*{i}", found.get(f"{base}*{i}*")) for i in range(MAX_PARAMETERS)]
        text = found.get(f"{base}*") or "".join(piece for piece in pieces if piece is not None)
        encoded = f"{base}*" in found or f"{base}*0*" in found
        plain.setdefault(base, _percent_decoded(text) if encoded else text)
    return plain


def _percent_decoded(text: str) -> str:
    *_, text = text.split("'", 2) if text.count("'") >= 2 else [text]
    octets = _PERCENT.sub(lambda match: chr(int(match[1], 16)), text).encode("latin-1", "replace")
    return octets.decode("utf-8", "replace")


def decode_words(text: str) -> str:
    """Undo encoded words: many programs write file names so, though RFC 2047 §5 forbids it."""
    return _ENCODED_WORD.sub(_decoded_word, text) if "=?" in text else text


def _decoded_word(word: re.Match[str]) -> str:
    octets = word[3].encode("utf-8", "surrogateescape")
    is_base64 = word[2] in "Bb"
    decoded = decode_transfer(octets, "base64") if is_base64 else binascii.a2b_qp(octets, header=True)
    return decode_text(decoded or b"", word[1])[0]


def decode_text(octets: bytes, charset: str) -> tuple[str, bool]:
    """Return a part's text and whether its declared charset was the truth.

    UTF-8 wherever it fits, then what was declared, then Latin-1 (interop Q16): senders lie about charsets, and
    UTF-8 does not fit by chance. A BOM is dropped. Folds inside a character are undone before (Q17).
    """
    declared = charset.strip().lower().replace("_", "-") if charset else ""
    if wide := _wide_charset(octets[:64], declared):
        return octets.decode(wide, "replace").lstrip("\ufeff"), declared.startswith("utf-16")
    text = _utf8(octets)
    text = _utf8(_FOLD.sub(b"", octets)) if text is None else text
    if text is not None:
        text = text.lstrip("\ufeff")
        return text, text.isascii() or declared in ("utf-8", "utf8")
    if is_charset(declared):
        try:
            return octets.decode(declared), True
        except (UnicodeDecodeError, LookupError):
            pass
    return octets.decode("latin-1"), False


def decode_transfer(raw: bytes, encoding: str | None) -> bytes | None:
    """Undo the content transfer encoding, forgiving what does not matter (RFC 2045 §6); None for an unknown one."""
    word = _WORD.match(encoding or "")
    match word[1].lower() if word else "":
        case "base64":
            packed = raw.translate(None, _NOT_BASE64)
            packed = packed[:-1] if len(packed) % 4 == 1 else packed
            return binascii.a2b_base64(packed + b"=" * (-len(packed) % 4))
        case "quoted-printable":
            return binascii.a2b_qp(raw)
        case "" | "7bit" | "8bit" | "binary":
            return raw
    return raw if b"BEGIN:VCALENDAR" in raw[:1000].upper() else None  # `8-bit`, `utf-8`: not encoded at all


def is_charset(name: str) -> bool:
    """Whether a declared charset is one, and not some other codec."""
    declared = name.strip().lower().replace("_", "-")
    return declared in _CHARSETS or _CHARSET_FAMILIES.fullmatch(declared) is not None


def _utf8(octets: bytes) -> str | None:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _wide_charset(head: bytes, declared: str) -> str | None:
    """Return the UTF-16 flavour that the octets show, by BOM or by where their zeros are."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if head[1:8:2] == b"\0\0\0\0":
        return "utf-16-le"
    if head[0:8:2] == b"\0\0\0\0" and head[1:2] != b"\0":
        return "utf-16-be"
    return None
