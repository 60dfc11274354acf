# SPDX-License-Identifier: Apache-2.0
"""Submission (RFC 6409): mail programs and applications log in, write as themselves, and go out through the next hop.

Nothing is relayed without a login. Both the envelope sender and the header From must be addresses of that login, so
what leaves here may be believed by the flows. Line ends must be CR LF: whoever writes mail can write it right.
"""

from collections.abc import Sequence

from gateway.authn.login import Authenticator, Login
from gateway.imip.headers import HeaderBlock, parse_from, parse_headers
from gateway.imip.mime import build_date
from gateway.replies import REPLIES
from gateway.smtp import answers
from gateway.smtp.door import Client
from gateway.smtp.filter import FilterTransaction
from gateway.smtp.message import Message
from gateway.smtp.passage import Passage, Transit
from gateway.smtp.paths import Path

_HEADER = 262_144  # octets in which From must stand
_NOT_YOURS = b"553 5.7.1 Sender address is not one of your login's"
_FROM_NOT_YOURS = b"550 5.7.1 From is not one of your login's addresses"
_ONE_FROM = b"550 5.6.0 Exactly one From field with exactly one address is needed (RFC 5322 3.6.2)"


class SubmissionTransaction(FilterTransaction):
    """One submitted mail."""

    def __init__(self, transit: Transit, login: Login) -> None:
        super().__init__(transit)
        self._login = login

    async def data(self, message: Message) -> Sequence[bytes]:
        """Look whose name stands in From, add what a mail must have, then pass on."""
        block = parse_headers(await message.head(_HEADER))
        header_from = parse_from(block)
        if header_from.address is None:
            return (_ONE_FROM,)
        if not self._login.may_use(header_from.address):
            return (_FROM_NOT_YOURS,)
        self._transit.completion = self._missing(block)
        return await super().data(message)

    def _missing(self, block: HeaderBlock) -> bytes:
        """Message-ID and Date where the program left them out (RFC 6409 §8.2, §8.3)."""
        lines = []
        if block.first("message-id") is None:
            lines.append(f"Message-ID: <{self._transit.id}@{self._transit.passage.hostname}>\r\n")
        if block.first("date") is None:
            lines.append(build_date(self._transit.passage.clock.now()) + "\r\n")
        return "".join(lines).encode("ascii", "replace")


class SubmissionDoor:
    """The entry for our own people and programs."""

    lmtp = False
    strict_line_ends = True

    def __init__(self, passage: Passage, authenticator: Authenticator, *, tls_before_auth: bool = True) -> None:
        self._passage = passage
        self.authenticator: Authenticator | None = authenticator
        self.tls_before_auth = tls_before_auth

    def begin(self, client: Client, path: Path) -> SubmissionTransaction | bytes:
        """Begin a mail of a login; the null sender is for its receipts (RFC 8098 §3)."""
        if client.login is None:
            return answers.render_error(REPLIES["authentication-required"])
        if path.address and not client.login.may_use(path.address):
            return _NOT_YOURS
        return SubmissionTransaction(Transit(self._passage, client, path), client.login)
