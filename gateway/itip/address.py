# SPDX-License-Identifier: Apache-2.0
"""Calendar addresses in one normal form, so that a person is the same person in every spelling.

A calendar address is a URI, nearly always `mailto:` (RFC 5545 §3.3.3, RFC 6068). The normal form is for comparing and
for keys only; what is sent keeps the calendar's own spelling, because Outlook and others match replies by octets.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote, unquote

#: How nearly every calendar address is written; what does not look so is looked at more closely.
_PLAIN = re.compile(r"mailto:([A-Za-z0-9.!#$&'*+/=^_`{|}~-]{1,64}@[A-Za-z0-9.-]{0,250}[A-Za-z0-9])")
_SCHEME = re.compile(r"\s*mailto:", re.IGNORECASE)
_OTHER_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_MAILABLE = re.compile(r"[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f]+@[^\s@<>()\\,;:\"\x00-\x1f\x7f]+")


def plain_address(text: str) -> str:
    """Return the address without `mailto:`, percent-encoding and `?` fields, its case as written.

    >>> plain_address("MAILTO:Jane%2BDoe@Example.org?subject=x")
    'Jane+Doe@Example.org'
    """
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        return plain[1]
    found = _SCHEME.match(text)
    if found is None:
        return text.strip()
    address = text[found.end() :].partition("?")[0].strip()
    return unquote(address) if "%" in address else address


def normal_address(text: str) -> str:
    """Return the form in which addresses are compared: plain, domain and local part case-folded, trailing dot gone.

    >>> normal_address("MailTo:Jane.Doe@EXAMPLE.org.")
    'jane.doe@example.org'
    """
    return _known_normal(text) if len(text) <= 400 else _normal(text)


@lru_cache(maxsize=16384)
def _known_normal(text: str) -> str:
    """The same people are compared over and over: all guests of a large event in its two versions."""
    return _normal(text)


def _normal(text: str) -> str:
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        return plain[1].lower()
    address = plain_address(text)
    if address[:1] == "<" and address[-1:] == ">":
        address = address[1:-1].strip()
    local, at, domain = address.rpartition("@")
    if not at:
        return address.casefold()
    return f"{local.casefold()}@{_normal_domain(domain)}"


def same_address(first: str, second: str) -> bool:
    """Tell whether two spellings name one calendar user."""
    return normal_address(first) == normal_address(second)


def normal_addresses(addresses: Iterable[str]) -> frozenset[str]:
    """Return the normal forms of a person's addresses, empty ones left out."""
    return frozenset(normal for normal in map(normal_address, addresses) if normal)


def is_mailable(text: str) -> bool:
    """Tell whether mail can be sent there: an addr-spec with a domain, neither `urn:uuid:` nor `invalid:nomail`.

    >>> is_mailable("mailto:a@b.example"), is_mailable("invalid:nomail"), is_mailable("mailto:a b@c")
    (True, False, False)
    """
    if _PLAIN.fullmatch(text) is not None:
        return True
    address = plain_address(text)
    if _SCHEME.match(text) is None and _OTHER_SCHEME.match(address) is not None:
        return False
    return _MAILABLE.fullmatch(address) is not None and not address.endswith("@") and len(address) <= 320


def build_mailto(address: str) -> str:
    """Write an address as a calendar address, encoding what a URI may not hold (RFC 6068 §2).

    >>> build_mailto("jane+cal@example.org"), build_mailto("a?b@example.org")
    ('mailto:jane+cal@example.org', 'mailto:a%3Fb@example.org')
    """
    return "mailto:" + quote(plain_address(address), safe="@!$&'*+-./=^_`{|}~:[]")


def _normal_domain(domain: str) -> str:
    domain = domain.rstrip(".").casefold()
    if domain.isascii():
        return domain
    try:  # an internationalised domain is the same in its ASCII form
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return domain
