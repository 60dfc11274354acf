# SPDX-License-Identifier: Apache-2.0
"""The content filter: SMTP in from Postfix, SMTP out to where Postfix takes mail back (FILTER_README).

The same door serves before the queue (`smtpd_proxy_filter`): a recipient gets the next hop's own answer, the end of
data gets the next hop's own answer, and XFORWARD passes through. SMTP has one reply after the dot: where the next hop
gave several (LMTP), the worst is told, and a temporary failure is worse than a permanent one.
"""

from collections.abc import Sequence

from gateway.authn.login import Authenticator
from gateway.imip.mail import Rcpt
from gateway.smtp.answers import render_result
from gateway.smtp.door import Client
from gateway.smtp.message import Message
from gateway.smtp.passage import Passage, Transit, worst_of
from gateway.smtp.paths import Path


class FilterTransaction:
    """One mail through the filter."""

    def __init__(self, transit: Transit) -> None:
        self._transit = transit

    @property
    def accepted(self) -> int:
        """How many recipients were accepted."""
        return len(self._transit.accepted)

    async def rcpt(self, rcpt: Rcpt) -> bytes:
        """Answer as the next hop did."""
        return render_result(await self._transit.rcpt(rcpt))

    async def data(self, message: Message) -> Sequence[bytes]:
        """Answer for all recipients at once."""
        return (render_result(worst_of(await self._transit.data(message))),)

    async def abandon(self) -> None:
        """Give up what is not finished."""
        await self._transit.abandon()


class FilterDoor:
    """After-queue content filter and before-queue proxy."""

    lmtp = False
    strict_line_ends = False  # what Postfix hands over goes on octet for octet
    authenticator: Authenticator | None = None
    tls_before_auth = False

    def __init__(self, passage: Passage) -> None:
        self._passage = passage

    def begin(self, client: Client, path: Path) -> FilterTransaction | bytes:
        """Begin a mail."""
        return FilterTransaction(Transit(self._passage, client, path))
