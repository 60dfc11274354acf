# SPDX-License-Identifier: Apache-2.0
"""Could this mail hold a calendar? A cheap look at every mail that passes, before anything is parsed.

Reads the Content- fields of the header, then jumps from boundary line to boundary line and looks for the words in
each part's header. Says "may" rather too often, and never "no" where `find_calendar_parts` would find a calendar
by its type or its plain file name. How a part is encoded does not matter: its type is always in clear. A boundary
that is hard to read, or too many of them, and every line of the mail is looked at instead; so it is in small mail,
where that is sooner done.

The cost is the point: a few microseconds for a small mail, a fraction of a millisecond for a megabyte.
"""

import re

_SMALL = 4096  # octets of a mail
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
    if len(data) <= _SMALL:
        return _has_word_anywhere(data)
    lower = data[: _header_end(data, 0, _HEADER)].lower()
    fields = b""
    boundaries: list[bytes] = []
    at = 0 if lower.startswith(b"content-") else lower.find(b"\ncontent-")
    while at >= 0:
        end = _field_end(lower, at)
        if lower.startswith(b"type", at + 9) and lower.find(b"multipart/", at, end) >= 0:
            if (found := _BOUNDARY.search(data, at, end)) is None:
                return _has_word_anywhere(data)
            boundaries.append(found[1] or found[2])
        else:
            fields += lower[at:end]
        at = lower.find(b"\ncontent-", end)
    return _has_word(fields) or (bool(boundaries) and _in_parts(data, boundaries))


def _in_parts(data: bytes, boundaries: list[bytes]) -> bool:
    """Look at the headers of all parts; boundaries that parts declare join the list while it is walked."""
    for boundary in boundaries:
        needle = b"\n--" + boundary.rstrip()
        headers: list[bytes] = []
        at = data.find(needle)
        while at >= 0 and len(headers) <= _PARTS:
            after = at + len(needle)
            if data[after : after + 2] == b"--":  # the last one; only an epilogue follows
                at = data.find(needle, after)
                continue
            end = _header_end(data, after, _PART_HEADER)
            headers.append(data[after:end])
            at = data.find(needle, end - 1)
        joined = b"\n".join(headers)
        lower = joined.lower()
        if _has_word(lower):
            return True
        if nested := lower.count(b"multipart/"):
            found = _BOUNDARY.findall(joined)
            boundaries += [quoted or bare for quoted, bare in found]
            if len(found) < nested or len(boundaries) > _BOUNDARIES:
                return _has_word_anywhere(data)
        if len(headers) > _PARTS:
            return _has_word_anywhere(data)
    return False


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
    """Does a type or a file name here say calendar? (`find`, because `in` takes twice as long for octets.)"""
    find = lower.find
    if find(b"calendar") >= 0:
        return True
    if find(b"application") < 0 and find(b"name") < 0:  # most mail stops here
        return False
    return (
        find(b"/ics") >= 0
        or find(b".ics") >= 0
        or find(b"tnef") >= 0
        or find(b"winmail") >= 0
        or find(b".vcs") >= 0
        # a file of no type whose name is encoded may be called anything.ics (RFC 2047, RFC 2231)
        or (find(b"octet-stream") >= 0 and (find(b"=?") >= 0 or find(b"name*") >= 0))
    )


def _has_word_anywhere(data: bytes) -> bool:
    """Look at every line of the mail that begins like a Content- field."""
    lower = data.lower()
    fields = []
    at = 0 if lower.startswith(b"content-") else lower.find(b"\ncontent-")
    while at >= 0:
        end = lower.find(b"\n", at + 9)
        if end < 0 or lower[end + 1 : end + 2] in _BLANKS:
            end = _field_end(lower, at)
        fields.append(lower[at:end])
        at = lower.find(b"\ncontent-", end)
    return _has_word(b"".join(fields))
