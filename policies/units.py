# SPDX-License-Identifier: Apache-2.0
"""Durations and sizes as an operator writes them: `36h30m`, `90d`, `512KiB`.

Not RFC 5545 durations: a day here is 24 hours, and there is one spelling to print back. Both directions are
exact: `parse_x(render_x(v)) == v` for every value that can be written.
"""

import re
from datetime import timedelta

_SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_LONGEST_MS = 36500 * 86_400_000  # a date plus a duration must stay a date
_DURATION = re.compile(r"(?:(\d{1,9})(ms|[wdhms]))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+)(ms|[wdhms])", re.ASCII)
_SIZE = re.compile(r"(\d{1,18})\s?(B|KiB|MiB|GiB|kB|KB|MB|GB)?", re.ASCII)
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9}


def parse_duration(text: str) -> timedelta:
    """Read `36h30m`, `90d`, `500ms` or `0`; larger units first, each at most once.

    >>> parse_duration("36h30m")
    datetime.timedelta(days=1, seconds=45000)

    Raises: ValueError.
    """
    if text == "0":
        return timedelta()
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration; write for example 30s, 36h30m or 90d")
    order = [*_SECONDS, "ms"]
    parts = [(int(number), unit) for number, unit in _DURATION_PART.findall(text)]
    places = [order.index(unit) for _, unit in parts]
    if places != sorted(set(places)):
        raise ValueError(f"{text!r}: write larger units first and each unit once, as in 1d12h")
    milliseconds = sum(number * (1 if unit == "ms" else _SECONDS[unit] * 1000) for number, unit in parts)
    if milliseconds > _LONGEST_MS:
        raise ValueError(f"{text!r} is longer than 36500d")
    return timedelta(milliseconds=milliseconds)


def render_duration(value: timedelta) -> str:
    """Print a duration so that `parse_duration` reads it back; weeks are printed as days.

    >>> render_duration(timedelta(hours=36, minutes=30))
    '1d12h30m'
    """
    milliseconds = value // timedelta(milliseconds=1)
    words = []
    for unit, size in ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1):
        number, milliseconds = divmod(milliseconds, size)
        if number:
            words.append(f"{number}{unit}")
    return "".join(words) or "0s"


def parse_size(text: str) -> int:
    """Read `512KiB`, `10MB` or `4096` as a number of bytes.

    >>> parse_size("512KiB")
    524288

    Raises: ValueError.
    """
    match = _SIZE.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a size; write for example 512KiB, 10MB or 4096")
    return int(match[1]) * _BYTES[match[2] or "B"]


def render_size(value: int) -> str:
    """Print a number of bytes in the largest unit that keeps it exact.

    >>> render_size(524288), render_size(10_000_000), render_size(1500001)
    ('512KiB', '10MB', '1500001')
    """
    for unit in ("GiB", "MiB", "KiB", "GB", "MB", "kB"):
        if value and value % _BYTES[unit] == 0:
            return f"{value // _BYTES[unit]}{unit}"
    return str(value)
