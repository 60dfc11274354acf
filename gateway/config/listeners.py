# SPDX-License-Identifier: Apache-2.0
"""One `[[listener]]`: which door it is, where it binds, and which options make sense for that kind of door."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Literal

from policies.options import Size, option

Kind = Literal["filter", "lmtp", "submission", "milter", "http"]
Direction = Literal["inbound", "outbound", "both"]
Tls = Literal["none", "starttls", "implicit"]

LOOPBACK = ("127.0.0.0/8", "::1/128")
_NEXT_HOP = re.compile(r"(?:smtps?|lmtp)://|(?:smtp|lmtp):unix:/|maildir:/")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to bind or connect: a unix socket's path, or a host and a port."""

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read `127.0.0.1:10025`, `[::1]:10025`, `mail.example.org:25` or `unix:/run/x.sock`.

    Raises: ValueError.
    """
    if text.startswith("unix:"):
        if not text.startswith("unix:/"):
            raise ValueError("a unix socket is written unix:/absolute/path")
        return Address(path=text.removeprefix("unix:"))
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^\[\]:\s]+)):(\d{1,5})", text, re.ASCII)
    if not match or int(match[3]) > 65535:
        raise ValueError(f"{text!r} is not host:port, [IPv6]:port or unix:/path")
    return Address(host=match[1] or match[2], port=int(match[3]))


def address_fault(text: str) -> str | None:
    """Say what is wrong with an address, or None."""
    try:
        parse_address(text)
    except ValueError as error:
        return str(error)
    return None


def networks_fault(networks: Sequence[str]) -> str | None:
    """Say which entry is not an IP network, or None."""
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            return f"{network!r} is not a network such as 127.0.0.0/8 or 2001:db8::/32"
    return None


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_within(address: str | None, networks: Sequence[Network]) -> bool:
    """Is this peer in one of the networks? A unix socket's peer always is: the file's mode decides there."""
    if address is None:
        return True
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(mapped.version == network.version and mapped in network for network in networks)


def url_fault(url: str) -> str | None:
    """Say what is wrong with a public address of ours, or None."""
    if not re.fullmatch(r"https?://[^/?#\s@]+(/[^?#\s]*)?", url):
        return f"{url!r} is not http(s)://host[:port][/path]"
    return None


def _auth_fault(text: str) -> str | None:
    if text == "accounts" or text.startswith("dovecot:/"):
        return None
    return f"{text!r} is neither accounts nor dovecot:/path/to/auth-socket"


def _mode_fault(text: str) -> str | None:
    return None if re.fullmatch(r"0?[0-7]{3}", text) else f"{text!r} is not a file mode such as 0660"


#: Options that mean something for some kinds of door only.
_ONLY_FOR: dict[str, tuple[Kind, ...]] = {
    "direction": ("filter", "lmtp", "milter"),
    "next_hop": ("filter", "lmtp"),
    "public_url": ("http",),
    "trusted_proxies": ("http",),
    "peers": ("filter", "lmtp", "milter"),
    "auth": ("submission",),
    "max_message_size": ("filter", "lmtp", "submission", "milter"),
    "max_recipients": ("filter", "lmtp", "submission"),
}


@dataclass(frozen=True, slots=True)
class Listener:
    """One door of the gateway; several of one kind are allowed."""

    kind: Kind = option(
        "filter",
        "Kind of door: filter (SMTP from Postfix, handed on to the relay), lmtp, submission, milter, or http.",
    )
    listen: str = option(
        "127.0.0.1:0", "Where to bind: host:port (port 0 = any free one) or unix:/path.", check=address_fault
    )
    direction: Direction = option(
        "inbound", "Filter, lmtp and milter: which mail comes here; both decides by the domains of each mail."
    )
    next_hop: str | None = option(
        None,
        "Filter and lmtp: where mail goes on to that passes this door; our own mails go to the relay.",
        derived="[relay] url",
        example="lmtp:unix:/var/run/dovecot/lmtp",
    )
    public_url: str | None = option(
        None,
        "Http: the address under which people reach this listener; it stands in the links of our mails.",
        check=url_fault,
        derived="http:// and the bound address",
        example="https://calendar.example.org",
    )
    trusted_proxies: tuple[str, ...] = option(
        LOOPBACK, "Http: networks of reverse proxies whose X-Forwarded-* headers are believed.", check=networks_fault
    )
    peers: tuple[str, ...] = option(
        LOOPBACK,
        "Filter, lmtp, milter: networks that may connect and whose XFORWARD and trace headers are believed.",
        check=networks_fault,
    )
    tls: Tls = option("none", "TLS on this listener: none, starttls (SMTP kinds), or implicit.")
    tls_cert: Path | None = option(
        None, "Certificate chain, PEM; read again when it changes.", example="/etc/imip-gateway/tls.crt"
    )
    tls_key: Path | None = option(None, "Key of the certificate, PEM.", example="/etc/imip-gateway/tls.key")
    auth: str = option(
        "accounts",
        "Submission: who proves a login; our accounts, or dovecot:/path to a Dovecot auth socket.",
        check=_auth_fault,
    )
    socket_mode: str = option("0660", "File mode of a unix socket.", check=_mode_fault)
    max_sessions: int = option(200, "Connections at once; more are answered 421 or 503.", least=1)
    max_message_size: Size = option(50 << 20, "Largest mail taken; announced as SIZE (RFC 1870 §4).", least=64 << 10)
    max_recipients: int = option(
        1000, "Recipients of one mail; more are answered 452.", least=100
    )  # RFC 5321 §4.5.3.1.8
    command_timeout: timedelta = option(
        timedelta(minutes=5), "Longest wait for a peer's next command or request.", least=timedelta(seconds=1)
    )
    data_timeout: timedelta = option(
        timedelta(minutes=10), "Longest wait while a peer sends the body of one mail.", least=timedelta(seconds=1)
    )

    @property
    def address(self) -> Address:
        """Return where to bind."""
        return parse_address(self.listen)

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield what cannot stand together in one listener."""
        defaults = {field.name: field.default for field in fields(self)}
        for name, kinds in _ONLY_FOR.items():
            if self.kind not in kinds and getattr(self, name) != defaults[name]:
                yield name, f"means nothing for kind {self.kind!r}; only for {', '.join(kinds)}"
        if self.next_hop is not None and not _NEXT_HOP.match(self.next_hop):
            yield "next_hop", "is written as [relay] url, such as smtp://host:port or lmtp:unix:/path"
        if self.tls != "none" and not (self.tls_cert and self.tls_key):
            yield "tls", f"{self.tls!r} needs tls_cert and tls_key"
        if self.tls == "none" and (self.tls_cert or self.tls_key):
            yield "tls", "a certificate is given but tls is 'none'"
        if self.tls == "starttls" and self.kind in ("http", "milter"):
            yield "tls", f"kind {self.kind!r} has no STARTTLS; use implicit or none"
        if self.tls == "implicit" and self.kind == "milter":
            yield "tls", "the milter protocol has no TLS"
