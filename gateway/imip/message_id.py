# SPDX-License-Identifier: Apache-2.0
"""Message-IDs derived from what a mail says (RFC 5322 §3.6.4), so that a second copy after a crash is the same message.

Keyed with the gateway's secret: nobody outside can tell from an id which event or recipient it stands for,
nor make the id of a message that we have yet to send.
"""

import base64
import hashlib
import hmac
import re

from gateway.itip.model import ItipMessage

_DTSTAMP = re.compile(r"^DTSTAMP[^:\r\n]*:(\S+)", re.MULTILINE)


def build_message_id(message: ItipMessage, recipient: str, *, secret: bytes, domain: str) -> str:
    """Return the Message-ID, in angle brackets, of one iTIP message to one recipient."""
    stamp = _DTSTAMP.search(message.calendar)
    said = (message.uid, *message.recurrence_ids, str(message.sequence), stamp[1] if stamp else "", message.method)
    return build_keyed_id("itip", said, recipient, secret=secret, domain=domain)


def build_thread_id(uid: str, recipient: str, *, secret: bytes, domain: str) -> str:
    """Return the id that all mails about one event to one recipient may name as the root of their thread."""
    return build_keyed_id("thread", (uid,), recipient, secret=secret, domain=domain)


def build_keyed_id(kind: str, said: tuple[str, ...], recipient: str, *, secret: bytes, domain: str) -> str:
    """Return `<kind.DIGEST@domain>` for anything that is named by a tuple of texts and a recipient."""
    parts = (kind, *said, recipient.casefold())
    told = b"".join(len(part := text.encode("utf-8", "replace")).to_bytes(4, "big") + part for text in parts)
    digest = base64.b32encode(hmac.digest(secret, told, hashlib.sha256)[:20]).decode("ascii").lower()
    return f"<{kind}.{digest}@{domain}>"
