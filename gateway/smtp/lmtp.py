# SPDX-License-Identifier: Apache-2.0
"""LMTP (RFC 2033): the content filter with one reply for each recipient after the dot, so that partial failure is told.

The binding to choose after the queue: recipients that end with us do not share their fate with those that go on.
"""

from collections.abc import Sequence

from gateway.authn.login import Authenticator
from gateway.smtp.answers import render_result
from gateway.smtp.door import Client
from gateway.smtp.filter import FilterTransaction
from gateway.smtp.message import Message
from gateway.smtp.passage import Passage, Transit
from gateway.smtp.paths import Path


class LmtpTransaction(FilterTransaction):
    """One mail through LMTP."""

    async def data(self, message: Message) -> Sequence[bytes]:
        """Answer for each accepted recipient, in order (RFC 2033 §4.2)."""
        return [render_result(result) for result in await self._transit.data(message)]


class LmtpDoor:
    """Delivery from Postfix, recipient by recipient."""

    lmtp = True
    strict_line_ends = False
    authenticator: Authenticator | None = None
    tls_before_auth = False

    def __init__(self, passage: Passage) -> None:
        self._passage = passage

    def begin(self, client: Client, path: Path) -> LmtpTransaction | bytes:
        """Begin a mail."""
        return LmtpTransaction(Transit(self._passage, client, path))
