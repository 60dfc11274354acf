# SPDX-License-Identifier: Apache-2.0
"""From a next hop as written in the configuration to a next hop that takes mail."""

from dataclasses import replace

from gateway.clock import Clock
from gateway.config import RelayOptions
from gateway.errors import Misconfigured
from gateway.relay.client import SmtpRelay
from gateway.relay.hop import Relay
from gateway.relay.maildir import MaildirRelay
from gateway.relay.url import RelayUrl, Scheme, TlsPolicy, parse_relay_url
from gateway.relay.wire import Deadlines


def open_relay(text: str, *, hostname: str, clock: Clock | None = None, deadlines: Deadlines | None = None) -> Relay:
    """Return the next hop of a relay url; `hostname` is what we call ourselves in EHLO.

    Raises:
        Misconfigured: where the url or what it points at is not usable.
    """
    return _open(parse_relay_url(text), hostname, clock, deadlines or Deadlines())


def configured_relay(options: RelayOptions, *, hostname: str, clock: Clock | None = None) -> Relay:
    """Return the next hop that `[relay]` describes.

    Raises:
        Misconfigured: where the url or what it points at is not usable, or the password cannot be read.
    """
    url = parse_relay_url(options.url)
    if options.tls is not None:
        url = replace(url, tls=TlsPolicy(options.tls))
    if options.username is not None:
        url = replace(url, user=options.username, password=_password(options))
    url = replace(url, ca_file=options.tls_ca, connections=options.connections)
    deadlines = Deadlines(
        connect=options.connect_timeout.total_seconds(),
        command=options.command_timeout.total_seconds(),
        data=options.command_timeout.total_seconds(),
        block=options.data_timeout.total_seconds(),
        dot=options.final_timeout.total_seconds(),
    )
    return _open(url, hostname, clock, deadlines, options.max_idle.total_seconds())


def _open(url: RelayUrl, hostname: str, clock: Clock | None, deadlines: Deadlines, idle: float = 8.0) -> Relay:
    if url.scheme is Scheme.MAILDIR:
        assert url.path is not None
        return MaildirRelay(url.path, clock=clock)
    return SmtpRelay(url, hostname=hostname, deadlines=deadlines, idle=idle)


def _password(options: RelayOptions) -> str:
    path = options.password_file
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n") if path else ""
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured("relay-password", f"relay: the password file {path} cannot be read: {error}") from error
