# SPDX-License-Identifier: Apache-2.0
"""A mail's MIME tree walked over its octets: each leaf with its header and its place, in order, every cap kept.

Not the email package, which one mail can make to work for minutes. A forwarded message (message/*) is not entered:
what it holds is not what this mail says. Of a signed part only the content is walked, not the signature.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.imip.contenttype import ContentType, parse_content_type
from gateway.imip.headers import HeaderBlock, parse_headers

_SMIME = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime"))


@dataclass(frozen=True, slots=True)
class Note:
    """Something that kept us from looking into a part, such as `tnef`, `encrypted`, `nested-message`."""

    code: str
    path: str


@dataclass(frozen=True, slots=True)
class WalkLimits:
    """Caps of the MIME reader."""

    max_part_header_bytes: int = 32_768
    max_part_fields: int = 30
    max_depth: int = 10
    max_parts: int = 200
    max_boundary_lines: int = 5000  # lines that begin like a boundary, in the whole mail


@dataclass(frozen=True, slots=True)
class Leaf:
    """One part without parts of its own; its octets are `data[block.body : end]`, as encoded."""

    path: str  # "1.2" as IMAP numbers parts; "1" for a mail that is one part as a whole
    kind: ContentType
    block: HeaderBlock
    end: int


@dataclass(slots=True)
class Walk:
    """One walk over a mail's parts, depth first; `notes` and `signed` are complete when the leaves are used up."""

    data: bytes
    limits: WalkLimits = field(default_factory=WalkLimits)
    notes: list[Note] = field(default_factory=list)
    signed: bool = False
    count: int = 0
    dashed: list[int] | None = None  # where lines begin with two hyphens: found once, however deep the nesting

    def leaves(
        self, block: HeaderBlock, end: int, path: tuple[int, ...] = (), *, digest: bool = False
    ) -> Iterator[Leaf]:
        """Yield the leaves below a header; what is not entered becomes a note."""
        raw_type = block.first("content-type")
        kind = ContentType("message/rfc822") if digest and raw_type is None else parse_content_type(raw_type)
        where = ".".join(map(str, path or (1,)))
        if kind.value == "multipart/encrypted":
            self.notes.append(Note("encrypted", where))
        elif kind.main == "multipart":
            yield from self._multipart(kind, block.body, end, path, where)
        elif kind.main == "message":
            self.notes.append(Note("nested-message", where))
        elif kind.value in _SMIME:
            signed = kind.get("smime-type").lower() == "signed-data"
            self.signed = self.signed or signed
            self.notes.append(Note("opaque-signed" if signed else "encrypted", where))
        else:
            yield Leaf(where, kind, block, end)

    def _multipart(self, kind: ContentType, start: int, end: int, path: tuple[int, ...], where: str) -> Iterator[Leaf]:
        if len(path) >= self.limits.max_depth:
            self.notes.append(Note("too-deep", where))
            return
        signed = kind.value == "multipart/signed"
        self.signed = self.signed or signed
        for number, (begin, stop) in enumerate(self._spans(start, end, kind.get("boundary")), 1):
            self.count += 1
            if self.count > self.limits.max_parts:
                self.notes.append(Note("too-many-parts", where))
                return
            limits = self.limits
            inner = parse_headers(
                self.data, begin, stop, max_bytes=limits.max_part_header_bytes, max_fields=limits.max_part_fields
            )
            yield from self.leaves(inner, stop, (*path, number), digest=kind.value == "multipart/digest")
            if signed:
                return  # the second part is the signature (RFC 1847 §2.1)

    def _spans(self, start: int, end: int, boundary: str) -> Iterator[tuple[int, int]]:
        """Yield begin and end of each part between boundary lines (RFC 2046 §5.1.1); the last may be missing."""
        mark = boundary.rstrip().encode("utf-8", "surrogateescape")
        opened: int | None = None
        lines = self._dashed_lines() if mark else []
        for index in range(bisect_left(lines, start), len(lines)):
            line = lines[index]
            if line >= end:
                break
            if not self.data.startswith(mark, line + 2, end):
                continue
            line_end = self.data.find(b"\n", line, end)
            line_end = end if line_end < 0 else line_end
            after = line + 2 + len(mark)
            rest = self.data[after : min(line_end, after + 200)].strip()
            if rest not in (b"", b"--"):
                continue
            if opened is not None:
                yield opened, line - 1 - (self.data[line - 2 : line - 1] == b"\r")
            if rest:
                return
            opened = min(line_end + 1, end)
        if opened is not None and opened < end:
            yield opened, end

    def _dashed_lines(self) -> list[int]:
        if self.dashed is None:
            self.dashed = []
            found = self.data.find(b"\n--")
            while found >= 0 and len(self.dashed) < self.limits.max_boundary_lines:
                self.dashed.append(found + 1)
                found = self.data.find(b"\n--", found + 1)
        return self.dashed
