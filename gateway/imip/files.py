# SPDX-License-Identifier: Apache-2.0
"""Files that travel inside a calendar as base64 (RFC 5545 §3.8.1.1) and leave as attachments of a mail.

Bounded in number and size; a name and a type are only what the calendar claims, so neither may say more than a file.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from gateway.imip.mime import Part, build_base64_part, clean_line
from gateway.itip.tree import Prop

#: What one mail takes along at most; the rest stays in the calendar.
MAX_FILES, MAX_OCTETS = 10, 1024 * 1024
_MEDIA_TYPE = re.compile(r"(?:application|audio|font|image|model|text|video)/[a-z0-9][a-z0-9.+-]{0,60}")
_UNKNOWN = "application/octet-stream"
_ENDINGS = {"application/pdf": "pdf", "image/gif": "gif", "image/jpeg": "jpg", "image/png": "png", "text/plain": "txt"}
_UNFIT = re.compile(r'[\\/:*?"<>|]+')


@dataclass(frozen=True, slots=True)
class InlineFile:
    """One file, decoded."""

    name: str
    media_type: str
    data: bytes


def is_inline(line: Prop) -> bool:
    """Tell whether an ATTACH holds the file itself and not the address of one."""
    return (line.param("VALUE") or "").upper() == "BINARY" or (line.param("ENCODING") or "").upper() == "BASE64"


def read_files(lines: Iterable[Prop]) -> tuple[InlineFile, ...]:
    """Return the files in ATTACH lines, as many as one mail takes along; what is not base64 is left out."""
    return tuple(_within(lines))


def build_file_part(file: InlineFile) -> Part:
    """Write a file as an attachment; its name in UTF-8 where ASCII does not do (RFC 2231 §4)."""
    name = f'filename="{file.name}"' if file.name.isascii() else f"filename*=UTF-8''{quote(file.name, safe='')}"
    return build_base64_part(file.media_type, file.data, f"Content-Disposition: attachment;\r\n {name}")


def _within(lines: Iterable[Prop]) -> Iterator[InlineFile]:
    room, count = MAX_OCTETS, 0
    for line in lines:
        data = _decoded(line.value, room) if is_inline(line) and count < MAX_FILES else b""
        if data:
            room, count = room - len(data), count + 1
            media_type = _media_type(line.param("FMTTYPE") or "")
            yield InlineFile(_name(line, media_type, count), media_type, data)


def _decoded(text: str, room: int) -> bytes:
    if len(text) * 3 // 4 > room + 2:
        return b""
    try:
        data = base64.b64decode(re.sub(r"\s+", "", text).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return b""
    return data if len(data) <= room else b""


def _media_type(text: str) -> str:
    """A type as it may stand in a header. A calendar would be taken for an invitation, so it is a mere file."""
    text = text.partition(";")[0].strip().lower()
    return text if _MEDIA_TYPE.fullmatch(text) and text != "text/calendar" else _UNKNOWN


def _name(line: Prop, media_type: str, number: int) -> str:
    given = line.param("FILENAME") or line.param("X-FILENAME") or line.param("X-LABEL") or ""
    name = _UNFIT.sub("_", clean_line(given, 60)).strip(". ")
    return name or f"attachment-{number}.{_ENDINGS.get(media_type, 'bin')}"
