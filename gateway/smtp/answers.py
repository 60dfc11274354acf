# SPDX-License-Identifier: Apache-2.0
"""The words of the dialog itself (RFC 5321 §4.2, 2034, 3463); what *errors* mean is in `gateway.replies`.

A reply travels as octets without its last line end, so that the next hop's own words pass through untouched.
"""

from gateway.relay.hop import RcptResult, Stage
from gateway.replies import Reply

BYE = b"221 2.0.0 Bye"
OK = b"250 2.0.0 Ok"
SENDER_OK = b"250 2.1.0 Ok"
HELP = b"214 2.0.0 RFC 5321 and RFC 2033 say it all"
NOT_TELLING = b"252 2.0.0 Send some mail, I will try my best"
GO_ON = b"354 End data with <CR><LF>.<CR><LF>"
START_TLS = b"220 2.0.0 Ready to start TLS"
AUTHENTICATED = b"235 2.7.0 Authentication successful"

TIMEOUT = b"421 4.4.2 Timeout, closing connection"
TOO_MANY_ERRORS = b"421 4.7.0 Too many errors, closing connection"
NOT_SMTP = b"421 4.7.0 This is a mail server"
TOO_MANY_RECIPIENTS = b"452 4.5.3 Too many recipients"
DISK_FULL = b"452 4.3.1 Insufficient system storage"
TROUBLE = b"451 4.3.0 Internal trouble; try again later"
PEER_UNWELCOME = b"554 5.7.1 This service is for its own mail system only"

BAD_SYNTAX = b"500 5.5.2 Bad syntax"
LINE_TOO_LONG = b"500 5.5.2 Line too long"
BARE_LF_LINE = b"500 5.5.2 Lines end with CR LF"
UNKNOWN_COMMAND = b"500 5.5.1 Command not recognised"
NEED_HOSTNAME = b"501 5.5.4 A host name is needed"
NO_ARGUMENTS = b"501 5.5.4 No arguments are expected"
MAIL_SYNTAX = b"501 5.5.4 Syntax: MAIL FROM:<address>"
RCPT_SYNTAX = b"501 5.5.4 Syntax: RCPT TO:<address>"
BAD_SENDER = b"501 5.1.7 Bad sender address syntax"
BAD_RECIPIENT = b"501 5.1.3 Bad recipient address syntax"
BAD_PARAMETER = b"501 5.5.4 Bad parameter"
XFORWARD_SYNTAX = b"501 5.5.4 Bad XFORWARD attribute"
AUTH_SYNTAX = b"501 5.5.2 Bad authentication data"
AUTH_ABORTED = b"501 5.7.0 Authentication aborted"
NOT_IMPLEMENTED = b"502 5.5.1 Command not implemented"
HELLO_FIRST = b"503 5.5.1 Say hello first"
NESTED_MAIL = b"503 5.5.1 Nested MAIL command"
NEED_MAIL = b"503 5.5.1 Need MAIL command"
NOT_NOW = b"503 5.5.1 Not in the middle of a mail"
ALREADY_TLS = b"503 5.5.1 TLS is already on"
ALREADY_AUTHENTICATED = b"503 5.5.1 Already authenticated"
UNKNOWN_MECHANISM = b"504 5.5.4 Authentication mechanism not supported"
TLS_FIRST = b"530 5.7.0 Must issue a STARTTLS command first"
ENCRYPTION_NEEDED = b"538 5.7.11 Encryption required for authentication"
NO_XFORWARD_FOR_YOU = b"550 5.7.0 XFORWARD is not for you"
NO_RECIPIENTS = b"554 5.5.1 No valid recipients"
UNKNOWN_PARAMETER = b"555 5.5.4 Parameter not recognised or not implemented"
SMUGGLING = b"550 5.5.2 A lone dot between bare line ends is refused"
BARE_LINE_END = b"550 5.5.2 Bare CR or LF in the message (RFC 5321 2.3.8)"


def render_reply(code: int, enhanced: str, text: str) -> bytes:
    """Write a reply; several lines where the text has several, the enhanced status on each (RFC 2034 §4)."""
    status = f"{enhanced} " if enhanced else ""
    lines = text.split("\n") if text else [""]
    last = len(lines) - 1
    wire = "\r\n".join(f"{code}{' ' if at == last else '-'}{status}{line}".rstrip() for at, line in enumerate(lines))
    return wire.encode("utf-8", "replace")


def render_result(result: RcptResult) -> bytes:
    """Write the next hop's word on a recipient as our own reply.

    What would end our own session (421), or blame the mail for what the hop cannot do, is our trouble: temporary.
    """
    code, enhanced = result.code, result.enhanced
    if code == 421 or (result.stage is Stage.KEYWORD and not result.temporary):
        code, enhanced = 451, "4" + enhanced[1:]
    return render_reply(code, enhanced, result.text)


def render_error(reply: Reply) -> bytes:
    """Write what an error means."""
    return render_reply(reply.smtp, reply.enhanced, reply.text)
