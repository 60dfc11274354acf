# SPDX-License-Identifier: Apache-2.0
"""Find the calendars in a mail and say what each may be used for (RFC 6047 §2.4).

Walks the octets with its own small MIME reader: every cap holds (header bytes, depth, parts, decoded size), nothing
is decoded that is not a calendar, and the email package's own denial-of-service traps are not there. A forwarded
message (message/*) is never entered: the outer mail's author is not a party of the invitation inside. What a part
may be used for is its `Standing`; every calendar found is returned, so that each can end in one recorded outcome.
"""

import binascii
import re
import string
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice

from gateway.imip.contenttype import ContentType, decode_text, parse_content_type, parse_disposition
from gateway.imip.headers import HeaderBlock, parse_headers


class Standing(StrEnum):
    """What a calendar part may be used for."""

    MARKED = "marked"  # text/calendar with a method: iMIP as the standard has it
    UNMARKED = "unmarked"  # text/calendar whose method stands only inside: lower confidence (Apple Mail)
    ATTACHED = "attached"  # the only candidate, and it came as a file: only if policy permits
    IGNORED = "ignored"  # not to be processed; `reason` says why


@dataclass(frozen=True, slots=True)
class CalendarPart:
    """One calendar in a mail. `method` is the effective one ("" = none); `text` is decoded, without BOM."""

    path: str  # "1.2" as IMAP numbers parts; "1" for a mail that is a calendar as a whole
    content_type: str
    standing: Standing
    method: str = ""
    method_parameter: str | None = None
    method_property: str | None = None
    uid: str = ""
    recurrence_ids: tuple[str, ...] = ()
    text: str = ""
    name: str = ""
    shown: bool = True  # False where Content-Disposition says attachment
    reason: str = ""
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """Something that kept us from looking into a part, such as `tnef`, `encrypted`, `nested-message`."""

    code: str
    path: str


@dataclass(frozen=True, slots=True)
class FoundCalendars:
    """All calendars of a mail in their order, what was not looked into, and whether the mail is signed."""

    parts: tuple[CalendarPart, ...] = ()
    notes: tuple[Note, ...] = ()
    signed: bool = False  # S/MIME, PGP or DKIM: not an octet of it may change

    @property
    def usable(self) -> tuple[CalendarPart, ...]:
        return tuple(part for part in self.parts if part.standing is not Standing.IGNORED)


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """Caps of the MIME reader."""

    max_header_bytes: int = 262_144
    max_part_header_bytes: int = 32_768
    max_part_fields: int = 30
    max_depth: int = 10
    max_parts: int = 200
    max_boundary_lines: int = 5000  # lines that begin like a boundary, in the whole mail
    max_calendars: int = 10
    max_calendar_bytes: int = 524_288  # decoded, after inline attachments are taken out
    max_attachments: int = 500  # looked at for taking out, in one calendar
    max_encoded_bytes: int = 2_097_152  # of all calendar parts together, before anything is decoded
    max_lines: int = 30_000  # of one calendar; what is under the other caps and folded as it should be has fewer


DEFAULT_LIMITS = ParseLimits()

_CALENDAR = frozenset(("text/calendar",))
_CALENDAR_FILE = frozenset(("application/ics", "application/calendar", "text/x-vcalendar", "application/x-vcalendar"))
_UNTYPED = frozenset(("application/octet-stream", "text/plain", "application/x-unknown", "application/binary"))
_SMIME = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime"))
_TNEF = frozenset(("application/ms-tnef", "application/vnd.ms-tnef"))
_COMPONENTS = frozenset(("VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY"))

_LINE = re.compile(r"(BEGIN|END|METHOD|UID|RECURRENCE-ID)(?:;[^:]*+)?:(.*)", re.IGNORECASE | re.DOTALL)
_MAX_OUTLINE = 8000  # lines that open, close or name something; two thousand events in one message
_FIRST = frozenset("BEMURbemur")
_ATTACH = re.compile(rb"^ATTACH[;:](?>[^\n]*\n[ \t])*+[^\n]*\n", re.IGNORECASE | re.MULTILINE)
_INLINE = re.compile(rb"BASE64|BINARY|:data:", re.IGNORECASE)
_NOT_BASE64 = bytes(set(range(256)) - set(string.ascii_letters.encode() + string.digits.encode() + b"+/"))
METHODS = frozenset(("PUBLISH", "REQUEST", "REPLY", "ADD", "CANCEL", "REFRESH", "COUNTER", "DECLINECOUNTER"))


def find_calendar_parts(
    data: bytes, block: HeaderBlock | None = None, limits: ParseLimits = DEFAULT_LIMITS
) -> FoundCalendars:
    """Find every calendar of a mail, decoded and judged. Never fails, whatever the octets are."""
    top = block if block is not None else parse_headers(data, max_bytes=limits.max_header_bytes)
    walk = _Walk(data, limits)
    walk.enter(top, len(data), ())
    signed = walk.signed or top.first("dkim-signature") is not None
    candidates = walk.candidates
    if any(sum(1 for _ in top.all(name)) > 1 for name in ("content-type", "content-transfer-encoding")):
        # a second one may have been put above a signed mail to make its body read as something else
        candidates = [_ignored(part, "The mail says twice how it is built") for part in candidates]
    return FoundCalendars(_judged(candidates), tuple(walk.notes), signed)


@dataclass(slots=True)
class _Walk:
    """One walk over a mail's parts, depth first, in order; gathers candidates and notes."""

    data: bytes
    limits: ParseLimits
    candidates: list[CalendarPart] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    signed: bool = False
    count: int = 0
    encoded: int = 0
    dashed: list[int] | None = None  # where lines begin with two hyphens: found once, however deep the nesting

    def enter(self, block: HeaderBlock, end: int, path: tuple[int, ...], *, digest: bool = False) -> None:
        raw_type = block.first("content-type")
        kind = ContentType("message/rfc822") if digest and raw_type is None else parse_content_type(raw_type)
        where = ".".join(map(str, path or (1,)))
        if kind.value == "multipart/encrypted":
            self.notes.append(Note("encrypted", where))
        elif kind.main == "multipart":
            self._multipart(kind, block.body, end, path, where)
        elif kind.main == "message":
            self.notes.append(Note("nested-message", where))
        elif kind.value in _SMIME:
            signed = kind.get("smime-type").lower() == "signed-data"
            self.signed = self.signed or signed
            self.notes.append(Note("opaque-signed" if signed else "encrypted", where))
        else:
            self._leaf(kind, block, end, where)

    def _multipart(self, kind: ContentType, start: int, end: int, path: tuple[int, ...], where: str) -> None:
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
            self.enter(inner, stop, (*path, number), digest=kind.value == "multipart/digest")
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

    def _leaf(self, kind: ContentType, block: HeaderBlock, end: int, where: str) -> None:
        name = parse_disposition(block.first("content-disposition")).get("filename") or kind.get("name")
        if kind.value in _TNEF or name.lower() == "winmail.dat":
            self.notes.append(Note("tnef", where))
            return
        file = kind.value in _CALENDAR_FILE or (kind.value in _UNTYPED and name.lower().endswith((".ics", ".vcs")))
        if not file and kind.value not in _CALENDAR:
            return
        if len(self.candidates) >= self.limits.max_calendars:
            self.notes.append(Note("too-many-calendars", where))
            return
        seen = parse_disposition(block.first("content-disposition")).value
        part = CalendarPart(where, kind.value, Standing.ATTACHED if file else Standing.UNMARKED, name=name[:200])
        part = replace(
            part, method_parameter=kind.get("method").strip().upper()[:40] or None, shown=seen != "attachment"
        )
        self.candidates.append(self._read(part, kind, block, end))

    def _read(self, part: CalendarPart, kind: ContentType, block: HeaderBlock, end: int) -> CalendarPart:
        limits = self.limits
        self.encoded += end - block.body
        too_large = _ignored(part, f"It is larger than {limits.max_calendar_bytes} bytes")
        if self.encoded > limits.max_encoded_bytes:
            return too_large
        octets = _decoded(self.data[block.body : end], block.first("content-transfer-encoding"))
        if octets is None:
            return _ignored(part, "Its transfer encoding is not one of MIME's")
        repairs: tuple[str, ...] = ()
        if octets.count(b"\n") > limits.max_lines:
            return too_large
        if len(octets) > limits.max_calendar_bytes:
            octets = _ATTACH.sub(_without_inline, octets, count=limits.max_attachments)
            repairs = ("inline-attachment-removed",)
        if len(octets) > limits.max_calendar_bytes:
            return too_large
        text, honest = decode_text(octets, kind.get("charset"))
        return _described(replace(part, text=text, repairs=repairs if honest else (*repairs, "charset-differs")))


def _without_inline(attach: re.Match[bytes]) -> bytes:
    return b"" if _INLINE.search(attach[0], 0, 500) else attach[0]


def _decoded(raw: bytes, encoding: str | None) -> bytes | None:
    """Undo the content transfer encoding, forgiving what does not matter (RFC 2045 §6); None for an unknown one."""
    match (encoding or "").partition(";")[0].strip().lower():
        case "base64":
            packed = raw.translate(None, _NOT_BASE64)
            packed = packed[:-1] if len(packed) % 4 == 1 else packed
            return binascii.a2b_base64(packed + b"=" * (-len(packed) % 4))
        case "quoted-printable":
            return binascii.a2b_qp(raw)
        case "" | "7bit" | "8bit" | "binary":
            return raw
    return None


def _described(part: CalendarPart) -> CalendarPart:
    """Read METHOD, UID and RECURRENCE-IDs of the first VCALENDAR and settle which method holds (interop Q08, Q10)."""
    methods, uids, instances = _outline(part.text)
    if methods is None:
        return _ignored(part, "There is no VCALENDAR in it")
    part = replace(part, method_property=methods[0] if methods else None)
    part = replace(part, uid=uids[0] if uids else "", recurrence_ids=tuple(dict.fromkeys(instances)))
    if len(set(methods)) > 1:
        return _ignored(part, "It names two different METHODs")
    method = part.method_property or part.method_parameter or ""
    part = replace(part, method=method)
    if not method:
        return _ignored(part, "It has no METHOD: a calendar to look at, not a message")
    if method not in METHODS:
        return _ignored(part, "Its METHOD is not one of iTIP's")
    repairs = part.repairs
    if part.method_property is None:
        repairs = (*repairs, "method-only-in-header")
    elif part.method_parameter and part.method_parameter != method:
        repairs = (*repairs, "method-differs")
    marked = part.standing is Standing.UNMARKED and part.method_parameter is not None
    return replace(part, standing=Standing.MARKED if marked else part.standing, repairs=repairs)


def _outline(text: str) -> tuple[list[str] | None, list[str], list[str]]:
    """Return METHODs, UIDs and RECURRENCE-IDs at their proper depth; METHODs is None without a VCALENDAR."""
    methods: list[str] | None = None
    uids: list[str] = []
    instances: list[str] = []
    stack: list[str] = []
    telling = (line for line in _unfolded(text).split("\n") if line[:1] in _FIRST)
    for found in islice(filter(None, map(_LINE.match, telling)), _MAX_OUTLINE):
        value = found[2]
        match found[1].upper(), len(stack):
            case "BEGIN", depth:
                if depth or value.strip().upper() == "VCALENDAR":
                    stack.append(value.strip().upper())
                    methods = methods if methods is not None else []
            case "END", depth if depth:
                stack.pop()
                if not stack:
                    break  # only the first VCALENDAR is the message (interop Q18)
            case "METHOD", 1 if methods is not None:
                methods.append(value.strip().upper()[:40])
            case "UID", 2 if stack[1] in _COMPONENTS:
                uids.append(value.strip())
            case "RECURRENCE-ID", 2 if stack[1] in _COMPONENTS:
                instances.append(value.strip())
    return methods, uids, instances


def _judged(candidates: list[CalendarPart]) -> tuple[CalendarPart, ...]:
    """Settle which of several calendars count: first copy of twins, first version of one object, a lone file."""
    ranked = sorted(candidates, key=lambda part: (_RANK[part.standing], not part.shown))
    digests: set[str] = set()
    objects: set[tuple[str, str, tuple[str, ...]]] = set()
    uids: set[str] = set()
    settled: dict[str, CalendarPart] = {}
    lone_file = len({_canonical(part.text) for part in candidates if part.standing is not Standing.IGNORED}) == 1
    for part in ranked:
        digest = _canonical(part.text)
        identity = (part.uid, part.method, part.recurrence_ids)
        if part.standing is Standing.IGNORED:
            pass
        elif digest in digests:
            part = _ignored(part, "It is a copy of another calendar in this mail")
        elif identity in objects or (part.standing is not Standing.MARKED and part.uid in uids):
            part = _ignored(part, "It is another version of a calendar in this mail")
        elif part.standing is Standing.ATTACHED and not lone_file:
            part = _ignored(part, "It is a file beside other calendars")
        else:
            objects.add(identity)
            uids.add(part.uid)
        digests.add(digest)
        settled[part.path] = part
    return tuple(settled[part.path] for part in candidates)


_RANK = {Standing.MARKED: 0, Standing.UNMARKED: 1, Standing.ATTACHED: 2, Standing.IGNORED: 3}


def _canonical(text: str) -> str:
    return "\n".join(filter(None, _unfolded(text).split("\n")))


def _unfolded(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\n ", "").replace("\n\t", "")


def _ignored(part: CalendarPart, reason: str) -> CalendarPart:
    return replace(part, standing=Standing.IGNORED, reason=reason)
