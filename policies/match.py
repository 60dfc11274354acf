# SPDX-License-Identifier: Apache-2.0
"""Does an address lie in a list of addresses and domains? Safe with IDNA, case, dots and look-alike suffixes.

Three patterns: `ann@example.org` is that address, `example.org` that domain and nothing below it, `*.example.org`
every domain below it and not itself. A domain is compared label by label in its ASCII form (RFC 5890 §2.3.2.1);
nothing is mapped that a registry keeps apart (`ß` is not `ss`), so a list that admits can never admit too much.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NOT_IN_ADDRESS = re.compile(r'[\s@<>()\\,;:"\x00-\x1f\x7f-\x9f]')
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)


def normal_domain(text: str) -> str | None:
    """Return a domain in lower-case ASCII labels without a final dot, or None where it is no domain.

    >>> normal_domain("Bücher.Example."), normal_domain("a..b")
    ('xn--bcher-kva.example', None)
    """
    labels = [_ascii_label(label) for label in text.strip().removesuffix(".").split(".")]
    name = ".".join(label or "" for label in labels)
    return name if all(labels) and len(name) <= 253 else None


def _ascii_label(label: str) -> str | None:
    lowered = unicodedata.normalize("NFC", label.lower())
    if not lowered.isascii():
        try:
            lowered = "xn--" + lowered.encode("punycode").decode("ascii")
        except UnicodeError:
            return None
    return lowered if _LABEL.fullmatch(lowered) else None


def domain_of(address: str) -> str | None:
    """Return the normal form of an address's domain, or None where it has none."""
    local, at, domain = address.rpartition("@")
    return normal_domain(domain) if local and at else None


def is_address(text: str) -> bool:
    """Tell whether a text is one plain mail address and nothing else.

    >>> is_address("ann@example.org"), is_address("a@b@example.org"), is_address("ann@example.org, bob@example.org")
    (True, False, False)
    """
    local, _, domain = text.rpartition("@")
    return bool(local and domain) and len(text) <= 254 and not _NOT_IN_ADDRESS.search(local + domain)


def address_fault(text: str) -> str | None:
    """Say what is wrong with an address that we are to write as ours, or None."""
    return None if is_address(text) and domain_of(text) else f"{text!r} is not a mail address"


def line_fault(text: str) -> str | None:
    """Say what is wrong with a text that stands in one line of a header, or None."""
    return f"{text!r} holds a line end or another control character" if _CONTROL.search(text) else None


def pattern_fault(pattern: str) -> str | None:
    """Say what is wrong with one pattern, or None."""
    domain = pattern.rpartition("@")[2].removeprefix("*.")
    if "*" in domain or "*" in pattern.rpartition("@")[0]:
        return f"{pattern!r}: a star stands for whole labels at the left only, as in *.example.org"
    if "@" in pattern and (pattern.startswith("@") or pattern.rpartition("@")[2].startswith("*.")):
        return f"{pattern!r}: write a whole address, a domain, or *.domain"
    if normal_domain(domain) is None:
        return f"{pattern!r} is not an address, a domain or *.domain"
    return None


def patterns_fault(patterns: Sequence[str]) -> str | None:
    """Say what is wrong with the first bad pattern of a list, or None."""
    return next((fault for fault in map(pattern_fault, patterns) if fault), None)


def first_matching(address: str, patterns: Iterable[str]) -> str | None:
    """Return the first pattern that an address matches, as written, or None.

    >>> first_matching("ann@sub.example.org", ["example.org", "*.example.org"])
    '*.example.org'
    """
    domain = domain_of(address)
    if domain is None:
        return None
    return next((pattern for pattern in patterns if _matches(address, domain, pattern)), None)


def _matches(address: str, domain: str, pattern: str) -> bool:
    if pattern_fault(pattern):
        return False
    if "@" in pattern:
        local, _, pattern_domain = pattern.rpartition("@")
        return local.casefold() == address.rpartition("@")[0].casefold() and normal_domain(pattern_domain) == domain
    if pattern.startswith("*."):
        return domain.endswith(f".{normal_domain(pattern[2:])}")
    return normal_domain(pattern) == domain
