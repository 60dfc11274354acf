# SPDX-License-Identifier: Apache-2.0
"""The one table from an error or a verdict to what the wire says.

SMTP code and enhanced code come from one value, so they cannot disagree (RFC 3463 §2). An exception that
is not in the tree is a bug of ours: always temporary to the peer, never a bounce.
"""

from dataclasses import dataclass

from gateway.errors import Deferred, GatewayError, Misconfigured, Refused


@dataclass(frozen=True, slots=True)
class Reply:
    """One meaning in every protocol's words."""

    smtp: int  # RFC 5321 §4.2
    enhanced: str  # RFC 3463
    http: int  # RFC 9110 §15
    schedule_status: str  # RFC 6638 §3.2.9
    exit_status: int  # sysexits.h
    text: str

    @property
    def smtp_line(self) -> str:
        """The reply as one SMTP line without line end, such as `451 4.3.0 Try again later`."""
        return f"{self.smtp} {self.enhanced} {self.text}"


#: By stable slug. A slug that is not listed is answered by its branch (`_BY_BRANCH`).
REPLIES: dict[str, Reply] = {
    "ok": Reply(250, "2.0.0", 200, "1.1", 0, "Ok"),
    "too-large": Reply(552, "5.3.4", 413, "5.2", 65, "Message too large"),
    "too-many-recipients": Reply(452, "4.5.3", 400, "5.3", 65, "Too many recipients"),
    "not-found": Reply(550, "5.1.1", 404, "3.7", 66, "No such object"),
    "unknown-recipient": Reply(550, "5.1.1", 404, "3.7", 67, "No such recipient here"),
    "not-permitted": Reply(550, "5.7.1", 403, "3.8", 77, "Not permitted"),
    "unauthenticated": Reply(535, "5.7.8", 401, "3.8", 77, "Authentication failed"),
    "authentication-required": Reply(530, "5.7.0", 401, "3.8", 77, "Authentication required"),
    "tls-required": Reply(530, "5.7.0", 403, "3.8", 77, "Must use TLS first"),
    "conflict": Reply(451, "4.3.0", 409, "5.1", 75, "Conflicting change; try again"),
    "rate-limited": Reply(450, "4.7.1", 429, "5.1", 75, "Too many requests; try again later"),
    "bad-calendar": Reply(550, "5.6.0", 400, "5.3", 65, "Not a calendar we can read"),
    "link-ended": Reply(550, "5.7.1", 410, "3.7", 66, "This link has ended"),
    "method-not-allowed": Reply(502, "5.5.1", 405, "5.3", 64, "Method not allowed"),
    "unsupported-type": Reply(550, "5.6.1", 415, "5.3", 65, "Content type not supported"),
    "usage": Reply(501, "5.5.4", 400, "5.3", 64, "Bad arguments"),
    "store-busy": Reply(451, "4.3.0", 503, "5.1", 75, "Storage is busy; try again later"),
    "store-gone": Reply(451, "4.3.0", 503, "5.1", 69, "Storage is not available; try again later"),
    "next-hop-down": Reply(451, "4.4.1", 503, "5.1", 69, "Next hop is not available; try again later"),
    "dns-trouble": Reply(451, "4.4.3", 503, "5.1", 75, "Directory lookup failed; try again later"),
    "shutting-down": Reply(421, "4.3.2", 503, "5.1", 75, "Service is shutting down; try again later"),
    "overloaded": Reply(421, "4.3.2", 503, "5.1", 75, "Too many connections; try again later"),
    "misconfigured": Reply(451, "4.3.5", 503, "5.1", 78, "Server configuration error; try again later"),
}

BUG = Reply(451, "4.3.0", 503, "5.1", 70, "Internal trouble; try again later")

_BY_BRANCH: tuple[tuple[type[GatewayError], Reply], ...] = (
    (Refused, Reply(550, "5.7.1", 400, "5.3", 65, "Refused")),
    (Deferred, Reply(451, "4.3.0", 503, "5.1", 75, "Try again later")),
    (Misconfigured, REPLIES["misconfigured"]),
)


def reply_for(error: BaseException) -> Reply:
    """Return what an exception means on the wire; the text is the error's own public text where it has one."""
    if not isinstance(error, GatewayError):
        return BUG
    reply = REPLIES.get(error.code) or next(known for branch, known in _BY_BRANCH if isinstance(error, branch))
    public = " ".join(error.public.split())[:200]
    return Reply(reply.smtp, reply.enhanced, reply.http, reply.schedule_status, reply.exit_status, public or reply.text)
