# SPDX-License-Identifier: Apache-2.0
"""SASL PLAIN and LOGIN (RFC 4616, RFC 4954): from AUTH to a login name and a password.

Whether they are right is asked elsewhere (`gateway.authn.login.Authenticator`).
"""

import binascii
from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from gateway.smtp import answers

MECHANISMS = ("PLAIN", "LOGIN")
_USERNAME, _PASSWORD = b"334 VXNlcm5hbWU6", b"334 UGFzc3dvcmQ6"

#: Send a challenge, return the peer's line without its end (None where it left).
Ask = Callable[[bytes], Awaitable[bytes | None]]


class Credentials(NamedTuple):
    """What the peer claims."""

    login: str
    password: str


async def read_credentials(mechanism: str, initial: str | None, ask: Ask) -> Credentials | bytes | None:
    """Lead the exchange; return credentials, a reply that ends it, or None where the peer left."""
    if mechanism == "PLAIN":
        answer = _decode(initial) if initial is not None else await _asked(ask, b"334 ")
        return _plain(answer) if isinstance(answer, str) else answer
    if mechanism != "LOGIN":
        return answers.UNKNOWN_MECHANISM
    login = _decode(initial) if initial is not None else await _asked(ask, _USERNAME)
    if not isinstance(login, str):
        return login
    password = await _asked(ask, _PASSWORD)
    return Credentials(login, password) if isinstance(password, str) else password


async def _asked(ask: Ask, challenge: bytes) -> str | bytes | None:
    line = await ask(challenge)
    if line is None:
        return None
    return answers.AUTH_ABORTED if line == b"*" else _decode(line.decode("ascii", "replace"))


def _decode(text: str) -> str | bytes:
    if text == "=":  # RFC 4954 §4: an empty initial response
        return ""
    try:
        return b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return answers.AUTH_SYNTAX


def _plain(message: str) -> Credentials | bytes:
    """RFC 4616 §2: authorisation identity NUL login NUL password; we know no identity but the login itself."""
    words = message.split("\0")
    if len(words) != 3 or not words[1] or words[0] not in ("", words[1]):
        return answers.AUTH_SYNTAX
    return Credentials(words[1], words[2])
