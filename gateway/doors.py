# SPDX-License-Identifier: Apache-2.0
"""From a `[[listener]]` of an SMTP kind to an open door with its collaborators. Part of the composition root."""

from collections.abc import Awaitable, Callable
from functools import partial
from ipaddress import ip_network

from gateway.authn.dovecot import DovecotAuthenticator
from gateway.authn.login import Authenticator
from gateway.config import Listener
from gateway.flows.bounces import bounce_token
from gateway.flows.context import Context
from gateway.flows.logins import AccountAuthenticator, addresses_of_login
from gateway.imip.mail import Direction, Disposition, Mail
from gateway.imip.mail import Door as DoorKind
from gateway.imip.scan import may_hold_calendar
from gateway.relay.hop import Relay
from gateway.smtp.door import Door, Limits
from gateway.smtp.filter import FilterDoor
from gateway.smtp.listener import Binding, ServerTls, SmtpListener
from gateway.smtp.lmtp import LmtpDoor
from gateway.smtp.passage import Passage
from gateway.smtp.submission import SubmissionDoor


def smtp_listener(
    listener: Listener, context: Context, relay: Relay, flow: Callable[[Mail], Awaitable[Disposition]]
) -> SmtpListener:
    """Return the listener for a filter, LMTP or submission door; it is not bound yet.

    Raises:
        Misconfigured: certificate or key cannot be used.
    """
    is_submission = listener.kind == "submission"
    passage = Passage(
        kind=DoorKind(listener.kind),
        direction=Direction.OUTBOUND if is_submission else Direction(listener.direction),
        hostname=context.config.gateway.hostname,
        relay=relay,
        examine=flow,
        may_hold_calendar=may_hold_calendar,
        is_ours=lambda address: bounce_token(context, address) is not None,
        ids=context.ids,
        clock=context.clock,
        may_refuse=is_submission,
    )
    binding = Binding(
        address=listener.address,
        peers=None if is_submission else tuple(ip_network(network) for network in listener.peers),
        tls=ServerTls(listener.tls_cert, listener.tls_key) if listener.tls_cert and listener.tls_key else None,
        implicit_tls=listener.tls == "implicit",
        socket_mode=int(listener.socket_mode, 8),
        reuse_port=context.config.workers.processes != 1,
    )
    limits = Limits(
        message_size=listener.max_message_size,
        recipients=listener.max_recipients,
        sessions=listener.max_sessions,
        command_seconds=listener.command_timeout.total_seconds(),
        data_seconds=listener.data_timeout.total_seconds(),
    )
    return SmtpListener(binding, _door(listener, context, passage), limits, hostname=context.config.gateway.hostname)


def _door(listener: Listener, context: Context, passage: Passage) -> Door:
    match listener.kind:
        case "lmtp":
            return LmtpDoor(passage)
        case "submission":
            return SubmissionDoor(passage, _authenticator(listener, context), tls_before_auth=listener.tls != "none")
        case _:
            return FilterDoor(passage)


def _authenticator(listener: Listener, context: Context) -> Authenticator:
    if listener.auth.startswith("dovecot:"):
        path = listener.auth.removeprefix("dovecot:")
        return DovecotAuthenticator(path, addresses_of=partial(addresses_of_login, context))
    return AccountAuthenticator(context)
