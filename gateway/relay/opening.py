# SPDX-License-Identifier: Apache-2.0
"""From a next hop as written in the configuration to a next hop that takes mail."""

from gateway.clock import Clock
from gateway.relay.client import SmtpRelay
from gateway.relay.hop import Relay
from gateway.relay.maildir import MaildirRelay
from gateway.relay.url import Scheme, parse_relay_url
from gateway.relay.wire import Deadlines


def open_relay(text: str, *, hostname: str, clock: Clock | None = None, deadlines: Deadlines | None = None) -> Relay:
    """Return the next hop of a relay url; `hostname` is what we call ourselves in EHLO.

    Raises:
        Misconfigured: where the url or what it points at is not usable.
    """
    url = parse_relay_url(text)
    if url.scheme is Scheme.MAILDIR:
        assert url.path is not None
        return MaildirRelay(url.path, clock=clock)
    return SmtpRelay(url, hostname=hostname, deadlines=deadlines)
