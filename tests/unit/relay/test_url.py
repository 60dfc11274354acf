# SPDX-License-Identifier: Apache-2.0
"""Relay urls as operators write them."""

from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.relay.client import SmtpRelay
from gateway.relay.maildir import MaildirRelay
from gateway.relay.opening import open_relay
from gateway.relay.url import Scheme, TlsPolicy, parse_relay_url


@pytest.mark.parametrize(
    ("text", "shown", "tls"),
    [
        ("smtp://127.0.0.1:10026", "smtp://127.0.0.1:10026", TlsPolicy.NONE),
        ("smtp://relay.example", "smtp://relay.example:25", TlsPolicy.MAY),
        ("SMTP://[::1]:2525", "smtp://[::1]:2525", TlsPolicy.NONE),
        ("smtps://relay.example", "smtps://relay.example:465", TlsPolicy.VERIFY),
        ("smtp://relay.example:587?tls=verify&ca=/etc/ca.pem", "smtp://relay.example:587", TlsPolicy.VERIFY),
        ("lmtp://127.0.0.1", "lmtp://127.0.0.1:24", TlsPolicy.NONE),
        ("lmtp:unix:/run/dovecot/lmtp", "lmtp:unix:/run/dovecot/lmtp", TlsPolicy.NONE),
        ("smtp:unix:/var/spool/postfix/public/back", "smtp:unix:/var/spool/postfix/public/back", TlsPolicy.NONE),
        ("lmtp:///run/dovecot/lmtp", "lmtp:unix:/run/dovecot/lmtp", TlsPolicy.NONE),
        ("maildir:/var/mail/gw", "maildir:/var/mail/gw", TlsPolicy.NONE),
        ("maildir:///var/mail/gw", "maildir:/var/mail/gw", TlsPolicy.NONE),
    ],
)
def test_what_is_written_is_what_is_meant(text: str, shown: str, tls: TlsPolicy) -> None:
    url = parse_relay_url(text)
    assert (str(url), url.tls) == (shown, tls)


def test_the_password_is_read_and_never_shown() -> None:
    url = parse_relay_url("smtp://me%40x:s3%3Acret@relay.example:587?tls=verify&helo=gw.example&connections=4")
    assert (url.user, url.password, url.helo, url.connections) == ("me@x", "s3:cret", "gw.example", 4)
    assert "s3" not in f"{url} {url!r}"
    with pytest.raises(Misconfigured) as caught:
        parse_relay_url("smtp://me:s3cret@relay.example?tls=always")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("http://x", "maildir"),
        ("127.0.0.1:25", "smtp"),
        ("smtp://", "host"),
        ("smtp://h:port", "Port"),
        ("smtp://h?tls=perhaps", "encrypt"),
        ("smtp://h?tsl=verify", "tsl"),
        ("smtps://h?tls=none", "contradicts"),
        ("smtps:unix:/x", "unix"),
        ("smtp://h?connections=0", "10000"),
        ("maildir:relative", "absolute"),
    ],
)
def test_what_cannot_be_meant_is_said_at_start(text: str, word: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        parse_relay_url(text)
    assert word in str(caught.value)


def test_all_faults_are_said_at_once() -> None:
    with pytest.raises(Misconfigured) as caught:
        parse_relay_url("smtp://?tls=x&y=z&connections=many")
    assert len(caught.value.faults) == 4


def test_a_url_opens_the_hop_it_names(tmp_path: Path) -> None:
    assert isinstance(open_relay(f"maildir:{tmp_path}", hostname="gw"), MaildirRelay)
    relay = open_relay("lmtp:unix:/run/x", hostname="gw")
    assert isinstance(relay, SmtpRelay)
    assert relay.url.scheme is Scheme.LMTP
    with pytest.raises(Misconfigured):
        open_relay("smtp://relay.example?tls=verify&ca=/nowhere/ca.pem", hostname="gw")
