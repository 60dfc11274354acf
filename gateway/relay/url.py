# SPDX-License-Identifier: Apache-2.0
"""The next hop as an operator writes it: `smtp://host:port`, `smtps://`, `lmtp://`, `maildir:/path`.

A unix socket is `smtp:unix:/path` or `lmtp:unix:/path`. Options stand in the query, such as
`smtp://relay.example:587?tls=verify`. For `tls` the words are Postfix's: none, may, encrypt
(whatever certificate), verify.
"""

import ipaddress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from gateway.errors import Misconfigured


class Scheme(StrEnum):
    """What the next hop speaks."""

    SMTP = "smtp"
    SMTPS = "smtps"
    LMTP = "lmtp"
    MAILDIR = "maildir"


class TlsPolicy(StrEnum):
    """How much TLS we insist on."""

    NONE = "none"
    MAY = "may"  # STARTTLS where offered, any certificate (RFC 7435)
    ENCRYPT = "encrypt"  # or defer; any certificate
    VERIFY = "verify"  # or defer; certificate and name are verified


@dataclass(frozen=True, slots=True)
class RelayUrl:
    """A parsed next hop. `path` is the socket of a unix hop or the folder of a maildir."""

    scheme: Scheme
    host: str = ""
    port: int = 0
    path: Path | None = None
    tls: TlsPolicy = TlsPolicy.NONE
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    helo: str | None = None
    connections: int = 50

    def __str__(self) -> str:
        """The hop for people and logs; never the password."""
        if self.scheme is Scheme.MAILDIR:
            return f"maildir:{self.path}"
        if self.path is not None:
            return f"{self.scheme.value}:unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme.value}://{host}:{self.port}"


_DEFAULT_PORT = {Scheme.SMTP: 25, Scheme.SMTPS: 465, Scheme.LMTP: 24}
_OPTIONS = ("tls", "ca", "helo", "connections")


def parse_relay_url(text: str) -> RelayUrl:
    """Read a next hop.

    Raises:
        Misconfigured: with every fault found, each a line.
    """
    faults: list[str] = []
    name, _, rest = text.partition(":")
    try:
        scheme = Scheme(name.lower())
    except ValueError:
        known = ", ".join(known.value for known in Scheme)
        raise Misconfigured(
            "relay-url", f"relay url: unknown scheme in {text!r}", (f"one of {known} is meant",)
        ) from None
    url = _parse_maildir(rest, faults) if scheme is Scheme.MAILDIR else _parse_hop(scheme, text, faults)
    if faults or url is None:
        raise Misconfigured("relay-url", f"relay url: {_without_password(text)!r} is not usable", tuple(faults))
    return url


def _parse_maildir(rest: str, faults: list[str]) -> RelayUrl | None:
    path = Path(unquote(rest[2:] if rest.startswith("//") else rest))
    if not path.is_absolute():
        faults.append("maildir: needs an absolute path, such as maildir:/var/spool/imip-gateway")
        return None
    return RelayUrl(Scheme.MAILDIR, path=path)


def _parse_hop(scheme: Scheme, text: str, faults: list[str]) -> RelayUrl | None:
    head, _, query = text.partition("?")
    options = _parse_options(query, faults)
    try:
        parts = urlsplit(head)
        port = parts.port
    except ValueError as error:
        faults.append(f"{error}")
        return None
    unix = _unix_path(head)
    host = parts.hostname or ""
    if unix is None and not host:
        faults.append(f"a host is missing, such as {scheme.value}://127.0.0.1:10026")
    if unix is not None and scheme is Scheme.SMTPS:
        faults.append("smtps: does not go over a unix socket")
    return RelayUrl(
        scheme,
        host=host,
        port=port or _DEFAULT_PORT[scheme],
        path=unix,
        tls=_tls_policy(scheme, host, unix, options.get("tls"), faults),
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        ca_file=Path(options["ca"]) if "ca" in options else None,
        helo=options.get("helo"),
        connections=_connections(options.get("connections"), faults),
    )


def _unix_path(head: str) -> Path | None:
    """Read `unix:/path` (Postfix's spelling) or `///path` behind the scheme."""
    _, _, rest = head.partition(":")
    if rest.startswith("unix:/"):
        return Path(unquote(rest.removeprefix("unix:")))
    return Path(unquote(rest[2:])) if rest.startswith("///") else None


def _parse_options(query: str, faults: list[str]) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    faults += [f"unknown option {name!r}; known are {', '.join(_OPTIONS)}" for name in options if name not in _OPTIONS]
    return options


def _tls_policy(scheme: Scheme, host: str, unix: Path | None, word: str | None, faults: list[str]) -> TlsPolicy:
    if word is None:
        if scheme is Scheme.SMTPS:
            return TlsPolicy.VERIFY
        return TlsPolicy.NONE if unix is not None or is_loopback(host) else TlsPolicy.MAY
    try:
        policy = TlsPolicy(word.lower())
    except ValueError:
        faults.append(f"tls={word!r}: one of {', '.join(known.value for known in TlsPolicy)} is meant")
        return TlsPolicy.NONE
    if scheme is Scheme.SMTPS and policy in (TlsPolicy.NONE, TlsPolicy.MAY):
        faults.append(f"tls={policy.value} contradicts smtps:")
    return policy


def _connections(word: str | None, faults: list[str]) -> int:
    if word is None:
        return 50
    if not word.isdecimal() or not 1 <= int(word) <= 10_000:
        faults.append(f"connections={word!r}: a number from 1 to 10000 is meant")
        return 1
    return int(word)


def is_loopback(host: str) -> bool:
    """Is this host certainly ourselves?"""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _without_password(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    credentials, at, host = rest.rpartition("@")
    return f"{scheme}{separator}{credentials.partition(':')[0]}{at}{host}" if separator else text
