# SPDX-License-Identifier: Apache-2.0
"""Find the calendars in a mail and say what each may be used for (RFC 6047 §2.4).

Every cap holds (header bytes, depth, parts, decoded size), and nothing is decoded that is not a calendar. A forwarded
message is never entered: the outer mail's author is not a party of the invitation inside. What a part may be used for
is its `Standing`; every calendar found is returned, so that each can end in one recorded outcome.
"""

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice

from gateway.imip.contenttype import ContentType, decode_text, decode_transfer, decode_words, parse_disposition
from gateway.imip.headers import HeaderBlock, parse_headers
from gateway.imip.leaves import Leaf, Note, Walk, WalkLimits


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
    """Caps of reading calendars out of a mail."""

    max_header_bytes: int = 262_144
    walk: WalkLimits = field(default_factory=WalkLimits)
    max_calendars: int = 10
    max_calendar_bytes: int = 524_288  # decoded, after inline attachments are taken out
    max_attachments: int = 500  # looked at for taking out, in one calendar
    max_encoded_bytes: int = 2_097_152  # of all calendar parts together, before anything is decoded
    max_lines: int = 30_000  # of one calendar; what is under the other caps and folded as it should be has fewer


DEFAULT_LIMITS = ParseLimits()

_CALENDAR = frozenset(("text/calendar",))
_CALENDAR_FILE = frozenset(("application/ics", "application/calendar", "text/x-vcalendar", "application/x-vcalendar"))
_UNTYPED = frozenset(("application/octet-stream", "text/plain", "application/x-unknown", "application/binary"))
_TNEF = frozenset(("application/ms-tnef", "application/vnd.ms-tnef"))
_COMPONENTS = frozenset(("VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY"))

_LINE = re.compile(r"(BEGIN|END|METHOD|UID|RECURRENCE-ID)(?:;[^:]*+)?:(.*)", re.IGNORECASE | re.DOTALL)
_MAX_OUTLINE = 8000  # lines that open, close or name something; two thousand events in one message
_FIRST = frozenset("BEMURbemur")
_ATTACH = re.compile(rb"^ATTACH[;:](?>[^\n]*\n[ \t])*+[^\n]*\n", re.IGNORECASE | re.MULTILINE)
_INLINE = re.compile(rb"BASE64|BINARY|:data:", re.IGNORECASE)
METHODS = frozenset(("PUBLISH", "REQUEST", "REPLY", "ADD", "CANCEL", "REFRESH", "COUNTER", "DECLINECOUNTER"))


def find_calendar_parts(
    data: bytes, block: HeaderBlock | None = None, limits: ParseLimits = DEFAULT_LIMITS
) -> FoundCalendars:
    """Find every calendar of a mail, decoded and judged. Never fails, whatever the octets are."""
    top = block if block is not None else parse_headers(data, max_bytes=limits.max_header_bytes)
    reading = _Reading(data, limits)
    walk = Walk(data, limits.walk)
    for leaf in walk.leaves(top, len(data)):
        reading.take(leaf, walk.notes)
    signed = walk.signed or top.first("dkim-signature") is not None
    candidates = reading.candidates
    if any(sum(1 for _ in top.all(name)) > 1 for name in ("content-type", "content-transfer-encoding")):
        # a second one may have been put above a signed mail to make its body read as something else
        candidates = [_ignored(part, "The mail says twice how it is built") for part in candidates]
    return FoundCalendars(_judged(candidates), tuple(walk.notes), signed)


@dataclass(slots=True)
class _Reading:
    """Takes the calendars out of a mail's leaves, as far as the caps let it."""

    data: bytes
    limits: ParseLimits
    candidates: list[CalendarPart] = field(default_factory=list)
    encoded: int = 0

    def take(self, leaf: Leaf, notes: list[Note]) -> None:
        """Read a leaf if it is a calendar; what keeps us from it is noted."""
        kind, block, where = leaf.kind, leaf.block, leaf.path
        seen = parse_disposition(block.first("content-disposition"))
        name = decode_words(seen.get("filename") or kind.get("name"))
        if kind.value in _TNEF or name.lower() == "winmail.dat":
            notes.append(Note("tnef", where))
            return
        file = kind.value in _CALENDAR_FILE or (kind.value in _UNTYPED and name.lower().endswith((".ics", ".vcs")))
        if not file and kind.value not in _CALENDAR:
            return
        if len(self.candidates) >= self.limits.max_calendars:
            notes.append(Note("too-many-calendars", where))
            return
        part = CalendarPart(where, kind.value, Standing.ATTACHED if file else Standing.UNMARKED, name=name[:200])
        part = replace(
            part, method_parameter=kind.get("method").strip().upper()[:40] or None, shown=seen.value != "attachment"
        )
        self.candidates.append(self._read(part, kind, block, leaf.end))

    def _read(self, part: CalendarPart, kind: ContentType, block: HeaderBlock, end: int) -> CalendarPart:
        limits = self.limits
        self.encoded += end - block.body
        too_large = _ignored(part, f"It is larger than {limits.max_calendar_bytes} bytes")
        if self.encoded > limits.max_encoded_bytes:
            return too_large
        octets = decode_transfer(self.data[block.body : end], block.first("content-transfer-encoding"))
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
        text = text.lstrip()  # blanks before BEGIN would make a fold of it
        return _described(replace(part, text=text, repairs=repairs if honest else (*repairs, "charset-differs")))


def _without_inline(attach: re.Match[bytes]) -> bytes:
    return b"" if _INLINE.search(attach[0], 0, 500) else attach[0]


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
    marked = part.standing is Standing.UNMARKED and part.method_parameter == method
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
