# SPDX-License-Identifier: Apache-2.0
"""Names we give to things: row ids, mail ids, UIDs, tokens. The source of randomness is injected.

Message-IDs are *not* made here: they are derived from what the message says (`gateway.imip.message_id`).
"""

import os
import secrets
import uuid
from typing import Protocol

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: no i, l, o, u to misread
_TO_LETTERS = bytes(
    ord(_ALPHABET[octet % 32]) for octet in range(256)
)  # 256 is a multiple of 32: no letter is favoured


class Ids(Protocol):
    """A source of fresh names."""

    def row(self, prefix: str) -> str:
        """Return a fresh id for a stored row, such as `evt_4k2...`; unguessable, JMAP id safe (RFC 8620 §1.2)."""
        ...

    def uid(self) -> str:
        """Return a fresh iCalendar UID (RFC 7986 §5.3: a UUID, nothing about host or user in it)."""
        ...

    def token(self) -> str:
        """Return a fresh bearer secret of 192 bits in base64url."""
        ...


class RandomIds:
    """Names from the system's random source."""

    def row(self, prefix: str) -> str:
        return prefix + os.urandom(18).translate(_TO_LETTERS).decode("ascii")

    def uid(self) -> str:
        return str(uuid.uuid4())

    def token(self) -> str:
        return secrets.token_urlsafe(24)


class CountingIds:
    """Names in order, for tests and golden files. The counter is this object's own."""

    def __init__(self) -> None:
        self._last = 0

    def _next(self) -> int:
        self._last += 1
        return self._last

    def row(self, prefix: str) -> str:
        return f"{prefix}{self._next():06d}"

    def uid(self) -> str:
        return f"00000000-0000-4000-8000-{self._next():012d}"

    def token(self) -> str:
        return f"token{self._next():027d}"
