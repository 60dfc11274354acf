# SPDX-License-Identifier: Apache-2.0
"""Could this mail hold a calendar? A cheap look at every mail that passes, before anything is parsed.

Reads the Content- fields of the header, then jumps from boundary line to boundary line and looks for the words in
each part's header. Says "may" rather too often, and never "no" where `find_calendar_parts` would find a calendar
by its type or its plain file name. How a part is encoded does not matter: its type is always in clear. A boundary
that is hard to read, or too many of them, and every line of the mail is looked at instead.

The cost is the point: a few microseconds for a small mail, a fraction of a millisecond for a megabyte.
"""

import re

_HEADER = 262_144  # octets of a header that `find_calendar_parts` reads, at most
_PART_HEADER = 32_768
_FIELD = 4096
_BLANKS = (b" ", b"\t")
_BOUNDARIES, _PARTS = 16, 300
_BOUNDARY = re.compile(
    rb"boundary[ \t\r\n]*=[ \t\r\n]*(?:\"([^\"\\\r\n]{1,200})\"|([^\s;\"\\(]{1,200}))", re.IGNORECASE
)


def may_hold_calendar(data: bytes) -> bool:
    """Return False only where the mail surely holds no calendar (text/calendar, .ics, winmail.dat ...).

    >>> may_hold_calendar(b"Subject: calendar\\r\\nContent-Type: text/plain\\r\\n\\r\\nSee text/calendar\\r\\n")
    False
    >>> may_hold_calendar(b"CONTENT-TYPE:\\r\\n TEXT/Calendar; method=REPLY\\r\\n\\r\\n")
    True
    """
    headers = _content_fields(data, _header_end(data, 0, _HEADER))
    boundaries: list[bytes] = []
    walked = 0
    while True:
        lower = headers.lower()
        multiparts = lower.count(b"multipart/")
        plain_top = walked == 0 and multiparts == 1 and lower.count(b"content-") == 1  # holds parts, is none itself
        if not plain_top and _has_word(lower):
            return True
        if multiparts:
            found = _BOUNDARY.findall(headers)
            boundaries += [quoted or bare for quoted, bare in found]
            if len(found) < multiparts or len(boundaries) > _BOUNDARIES:
                return _has_word_anywhere(data)
        if walked == len(boundaries):
            return False
        parts = _part_headers(data, b"\n--" + boundaries[walked].rstrip())
        if parts is None:
            return _has_word_anywhere(data)
        headers = parts
        walked += 1


def _content_fields(data: bytes, end: int) -> bytes:
    """Return the Content- fields of the mail's own header, one after the other."""
    lower = data[:end].lower()
    fields = b""
    at = 0 if lower.startswith(b"content-") else lower.find(b"\ncontent-")
    while at >= 0:
        if lower[at + 9 : at + 11] != b"tr":  # Content-Transfer-Encoding names no calendar
            fields += data[at : _field_end(lower, at)]
        at = lower.find(b"\ncontent-", at + 9)
    return fields


def _part_headers(data: bytes, needle: bytes) -> bytes | None:
    """Return the headers after each of these boundary lines, None where there are too many."""
    headers = []
    at = data.find(needle)
    while at >= 0:
        after = at + len(needle)
        if data[after : after + 2] == b"--":  # the last one; only an epilogue follows
            at = data.find(needle, after)
            continue
        end = _header_end(data, after, _PART_HEADER)
        headers.append(data[after:end])
        if len(headers) > _PARTS:
            return None
        at = data.find(needle, end - 1)
    return b"\n".join(headers)


def _header_end(data: bytes, start: int, most: int) -> int:
    """Where the header that begins here ends, or a little later: line ends may be mixed."""
    end = data.find(b"\r\n\r\n", start, start + most)
    if end < 0:
        end = data.find(b"\n\n", start, start + most)
    return end + 2 if end >= 0 else min(len(data), start + most)


def _field_end(lower: bytes, start: int) -> int:
    """Where the field that begins here ends, the lines that continue it included (RFC 5322 §2.2.3)."""
    end = lower.find(b"\n", start + 1)
    while end >= 0 and end - start < _FIELD and lower[end + 1 : end + 2] in _BLANKS:
        end = lower.find(b"\n", end + 1)
    return end if end >= 0 else len(lower)


def _has_word(lower: bytes) -> bool:
    return (  # not any(): this is the line that runs most often in the whole program
        b"calendar" in lower
        or b"/ics" in lower
        or b".ics" in lower
        or b"tnef" in lower
        or b"winmail" in lower
        or b".vcs" in lower
    )


def _has_word_anywhere(data: bytes) -> bool:
    lower = data.lower()
    at = 0 if lower.startswith(b"content-") else lower.find(b"\ncontent-")
    while at >= 0:
        if _has_word(lower[at : _field_end(lower, at)]):
            return True
        at = lower.find(b"\ncontent-", at + 9)
    return False
