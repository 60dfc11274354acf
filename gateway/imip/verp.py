# SPDX-License-Identifier: Apache-2.0
"""Where delivery reports come back to: a return path and an ENVID that name one recipient of one message, signed.

A report counts only if its token is ours: anybody can write a mail that looks like a bounce, and a forged one must
not mark a guest as unreachable. The token survives case folding (local parts are folded on the way by many) and either
delimiter, `+` or `-`. Variable envelope return paths are D. J. Bernstein's; ENVID is RFC 3461 §4.4.
"""

import base64
import hashlib
import hmac
import re

_TOKEN = re.compile(r"[a-z0-9_]{1,36}")
_SIGNED = re.compile(r"(?:^|[+-])([a-z0-9_]{1,36})-([a-z2-7]{16})$")


def build_bounce_address(token: str, domain: str, *, secret: bytes, mailbox: str = "bounce") -> str:
    """Return `bounce+TOKEN-MAC@domain` for the recipient's row that `token` (lower-case letters and digits) names."""
    return f"{mailbox}+{build_envid(token, secret=secret)}@{domain}"


def build_envid(token: str, *, secret: bytes) -> str:
    """Return the token signed, as ENVID carries it; it needs no xtext encoding (RFC 3461 §4).

    >>> build_envid("rcp0001", secret=b"k").partition("-")[0]
    'rcp0001'
    """
    if _TOKEN.fullmatch(token) is None:
        raise ValueError(f"{token!r} is not a token for a return path")
    return f"{token}-{_mac(token, secret)}"


def parse_bounce_address(address: str, *, secret: bytes) -> str | None:
    """Return the token in the address a report was sent to, None where it is not one of ours."""
    return parse_envid(address.rpartition("@")[0], secret=secret)


def parse_envid(text: str, *, secret: bytes) -> str | None:
    """Return the token of an ENVID or of a return path's local part, None where it is not one of ours."""
    found = _SIGNED.search(text.strip().lower())
    if found is None or not hmac.compare_digest(found[2], _mac(found[1], secret)):
        return None
    return found[1]


def _mac(token: str, secret: bytes) -> str:
    """Eighty bits: beyond guessing by mail, and the local part stays under 64 octets (RFC 5321 §4.5.3.1.1)."""
    digest = hmac.digest(secret, b"return path\0" + token.encode("ascii"), hashlib.sha256)
    return base64.b32encode(digest[:10]).decode("ascii").lower()
