# SPDX-License-Identifier: Apache-2.0
"""DKIM signatures on what we originate (RFC 6376, 8301, 8463), and the keys and DNS records for them.

Only mail that we built ourselves is signed, never mail that passes through. From and Subject are signed once more
than they stand there, so that nobody adds a second one in front (RFC 6376 §8.15); so is Content-Type, since a second
one would make a signed body read as something else. Each domain may have several keys: RSA for everyone, Ed25519
beside it for those who know it (RFC 8463 §6).
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from gateway.errors import Misconfigured
from gateway.imip.dkim import body_digest, signed_octets
from gateway.imip.headers import HeaderBlock, parse_from, parse_headers

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
Algorithm = Literal["rsa", "ed25519"]

#: RFC 6376 §5.4.1, as far as our mails have them.
SIGNED = (
    "from", "to", "subject", "date", "message-id", "mime-version", "content-type", "reply-to", "sender",
    "in-reply-to", "references", "list-unsubscribe", "list-unsubscribe-post", "auto-submitted",
)  # fmt: skip
OVERSIGNED = frozenset(("from", "subject", "content-type"))
RSA_BITS = 2048
MIN_RSA_BITS = 1024


class Signer(Protocol):
    """Signs mail that we originate; `DkimSigner`, or `Unsigned` where Postfix does it."""

    def sign(self, mail: bytes, signed_at: datetime) -> bytes:
        """Return the header fields to put on top of a mail, complete with line ends; empty for none."""
        ...


class Unsigned:
    """Signs nothing."""

    def sign(self, mail: bytes, signed_at: datetime) -> bytes:
        """Return no fields."""
        return b""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A domain's key, as `parse_key` reads it from PEM."""

    domain: str
    selector: str
    private: PrivateKey


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """A TXT record to publish: its name and its text, which DNS holds in strings of 255 octets at most."""

    name: str
    text: str

    @property
    def zone_line(self) -> str:
        """The record as a line of a zone file."""
        pieces = (self.text[start : start + 255] for start in range(0, len(self.text), 255))
        strings = " ".join(f'"{piece}"' for piece in pieces)
        return f"{self.name}. IN TXT ( {strings} )"


class DkimSigner:
    """Signs with every key of the domain that stands in From; leaves mail of other domains alone."""

    def __init__(self, keys: Iterable[SigningKey]) -> None:
        self._keys: dict[str, list[SigningKey]] = {}
        for key in keys:
            self._keys.setdefault(key.domain.lower(), []).append(key)

    def sign(self, mail: bytes, signed_at: datetime) -> bytes:
        """Return one DKIM-Signature field for each key of the From domain."""
        block = parse_headers(mail)
        keys = self._keys.get(parse_from(block).domain, [])
        if not keys:
            return b""
        digest = body_digest(mail, block.body, "relaxed")
        return b"".join(_signature(mail, block, digest, key, signed_at) for key in keys)


def make_key(algorithm: Algorithm = "rsa") -> bytes:
    """Return a new private key as PEM (PKCS#8): RSA with 2048 bits, or Ed25519."""
    key: PrivateKey
    if algorithm == "rsa":
        key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    else:
        key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def parse_key(pem: bytes, selector: str, domain: str) -> SigningKey:
    """Read a domain's key.

    Raises:
        Misconfigured: `dkim-key`: not an unencrypted RSA or Ed25519 key that receivers would accept.
    """
    try:
        private = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Misconfigured("dkim-key", f"The DKIM key {selector} of {domain} cannot be read: {error}") from None
    if not isinstance(private, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise Misconfigured("dkim-key", f"The DKIM key {selector} of {domain} is neither RSA nor Ed25519")
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size < MIN_RSA_BITS:
        raise Misconfigured("dkim-key", f"The DKIM key {selector} of {domain} has only {private.key_size} bits")
    return SigningKey(domain, selector, private)


def dns_record(pem: bytes, selector: str, domain: str) -> DnsRecord:
    """Return the record that publishes a key (RFC 6376 §3.6.1, RFC 8463 §4).

    Raises:
        Misconfigured: `dkim-key`, as `parse_key`.
    """
    public = parse_key(pem, selector, domain).private.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        kind, octets = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        kind, octets = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    text = f"v=DKIM1; k={kind}; p={base64.b64encode(octets).decode('ascii')}"
    return DnsRecord(f"{selector}._domainkey.{domain}", text)


def _signature(mail: bytes, block: HeaderBlock, digest: bytes, key: SigningKey, signed_at: datetime) -> bytes:
    headers = _signed_names(block)
    is_rsa = isinstance(key.private, rsa.RSAPrivateKey)
    lines = (
        f"DKIM-Signature: v=1; a={'rsa' if is_rsa else 'ed25519'}-sha256; c=relaxed/relaxed;",
        f" d={key.domain}; s={key.selector}; t={int(signed_at.timestamp())};",
        *_folded_names(headers),
        f" bh={base64.b64encode(digest).decode('ascii')};",
        " b=",
    )
    field = "\r\n".join(lines).encode("ascii")
    octets = signed_octets(mail, block, headers, "relaxed", field)
    if isinstance(key.private, rsa.RSAPrivateKey):
        signature = key.private.sign(octets, padding.PKCS1v15(), SHA256())
    else:
        signature = key.private.sign(sha256(octets).digest())  # RFC 8463 §3
    text = base64.b64encode(signature)
    return field + b"\r\n ".join(text[start : start + 72] for start in range(0, len(text), 72)) + b"\r\n"


def _signed_names(block: HeaderBlock) -> Sequence[str]:
    """Return the h= list: each field as often as it stands there, the oversigned once more."""
    present = [field.name for field in block.fields]
    return [name for name in SIGNED for _ in range(present.count(name) + (name in OVERSIGNED))]


def _folded_names(names: Sequence[str]) -> list[str]:
    """Write h= in lines of at most 78 characters; a line break may stand after a colon (RFC 6376 §3.5)."""
    lines, line = [], " h="
    for index, name in enumerate(names):
        piece = name + (":" if index < len(names) - 1 else ";")
        if len(line) + len(piece) > 76:
            lines.append(line)
            line = "  "
        line += piece
    return [*lines, line]
