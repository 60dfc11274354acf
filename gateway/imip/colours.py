# SPDX-License-Identifier: Apache-2.0
"""A domain's colour made readable: contrast as WCAG 2.2 §1.4.3 reckons it, on light and on dark ground."""

import re
from functools import lru_cache

LIGHT, DARK = "#ffffff", "#1d2127"  # the grounds of our mails; `templates/style.css.j2` has the dark one
READABLE = 4.5
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_STEPS = 20


def parse_colour(text: str, otherwise: str) -> str:
    """Return a colour that is one, `#rrggbb`; whatever else stands in its place would be a hole into the style."""
    return text.lower() if _COLOUR.fullmatch(text) else otherwise


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@lru_cache(maxsize=256)
def readable_on(ground: str, colour: str, least: float = READABLE) -> str:
    """Return the colour, mixed with black or white as far as text in it needs to be read on this ground."""
    end = "#000000" if _luminance(ground) > 0.18 else "#ffffff"
    mixed = (_mix(colour, end, step / _STEPS) for step in range(_STEPS + 1))
    return next(found for found in mixed if contrast(found, ground) >= least)


def text_on(ground: str) -> str:
    """Return white or near black, whichever is better read on a colour."""
    return max(("#ffffff", "#111827"), key=lambda text: contrast(text, ground))


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _mix(colour: str, end: str, share: float) -> str:
    mixed = (round(c + (e - c) * share) for c, e in zip(_channels(colour), _channels(end), strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _luminance(colour: str) -> float:
    shares = (channel / 255 for channel in _channels(colour))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
