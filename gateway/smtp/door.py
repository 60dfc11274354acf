# SPDX-License-Identifier: Apache-2.0
"""The seam between the SMTP dialog (`protocol`) and what our doors do with a mail (`filter`, `lmtp`, `submission`).

Nothing on either side of it knows aiosmtpd from the other: a `Door` begins a `Transaction` for each MAIL, and
a transaction answers with reply lines.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.authn.login import Authenticator, Login
from gateway.imip.mail import Rcpt
from gateway.relay.hop import XForward
from gateway.smtp.message import Message
from gateway.smtp.paths import Path


@dataclass(frozen=True, slots=True)
class Limits:
    """What one listener takes, and how long it waits."""

    message_size: int = 50 * 2**20
    recipients: int = 1000
    sessions: int = 200
    command_seconds: float = 300.0
    data_seconds: float = 600.0  # for one whole message
    spool_above: int = 2 * 2**20
    errors: int = 20
    logins: int = 3  # failed attempts in one session
    login_delay: float = 1.0  # seconds after a failed one


@dataclass(frozen=True, slots=True)
class Client:
    """Who is at the door, as of this transaction."""

    address: str | None  # None over a unix socket
    helo: str
    protocol: str  # RFC 3848: SMTP, ESMTP, ESMTPS, ESMTPSA, LMTP ...
    xforward: XForward | None = None
    login: Login | None = None
    is_gone: Callable[[], bool] = field(default=lambda: False)


class Transaction(Protocol):
    """One mail being taken in."""

    @property
    def accepted(self) -> int:
        """How many recipients were accepted."""
        ...

    async def rcpt(self, rcpt: Rcpt) -> bytes:
        """Answer one RCPT."""
        ...

    async def data(self, message: Message) -> Sequence[bytes]:
        """Answer the end of data: one reply, or with LMTP one for each accepted recipient."""
        ...

    async def abandon(self) -> None:
        """The mail will not come; called at the end of every transaction."""
        ...


class Door(Protocol):
    """One kind of listener."""

    lmtp: bool
    strict_line_ends: bool
    authenticator: Authenticator | None  # None: AUTH is not offered
    tls_before_auth: bool

    def begin(self, client: Client, path: Path) -> Transaction | bytes:
        """Answer MAIL: a transaction, or the reply that refuses it."""
        ...


class Roster(Protocol):
    """Who is in the house: the listener's list of its sessions."""

    def enter(self, session: "Visitor", address: str | None) -> bytes | None:
        """Note a new session; the reply that sends it away where it is not welcome."""
        ...

    def depart(self, session: "Visitor") -> None:
        """Forget a session."""
        ...


class Visitor(Protocol):
    """A session as the listener sees it."""

    def leave(self) -> None:
        """End after the mail that is being taken."""
        ...

    def abort(self) -> None:
        """Cut the connection."""
        ...
