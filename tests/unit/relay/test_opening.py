# SPDX-License-Identifier: Apache-2.0
"""The next hop that `[relay]` describes."""

from pathlib import Path

import pytest

from gateway.config import parse_config
from gateway.errors import Misconfigured
from gateway.relay.client import SmtpRelay
from gateway.relay.maildir import MaildirRelay
from gateway.relay.opening import configured_relay
from gateway.relay.url import TlsPolicy


def opened(toml: str) -> object:
    return configured_relay(parse_config(f"[relay]\n{toml}").relay, hostname="gw.example.org")


def test_the_default_is_postfix_on_this_machine() -> None:
    relay = opened("")
    assert isinstance(relay, SmtpRelay)
    assert (str(relay.url), relay.url.tls, relay.url.connections) == ("smtp://127.0.0.1:10026", TlsPolicy.NONE, 50)


def test_a_host_elsewhere_is_offered_tls() -> None:
    relay = opened('url = "smtp://mx.example.org"')
    assert isinstance(relay, SmtpRelay)
    assert relay.url.tls is TlsPolicy.MAY


def test_a_login_comes_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("s3cret \n")
    relay = opened(f'url = "smtp://mx.example.org:587"\ntls = "verify"\nusername = "gw"\npassword_file = "{secret}"')
    assert isinstance(relay, SmtpRelay)
    assert (relay.url.user, relay.url.password, relay.url.tls) == ("gw", "s3cret ", TlsPolicy.VERIFY)


def test_a_password_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        opened(f'username = "gw"\npassword_file = "{tmp_path}/none"')


def test_deadlines_are_those_of_the_file() -> None:
    relay = opened('command_timeout = "7s"\nfinal_timeout = "3m"')
    assert isinstance(relay, SmtpRelay)
    assert (relay.deadlines.command, relay.deadlines.dot, relay.deadlines.block) == (7.0, 180.0, 120.0)


def test_a_folder(tmp_path: Path) -> None:
    assert isinstance(opened(f'url = "maildir:{tmp_path}/mail"'), MaildirRelay)
