# SPDX-License-Identifier: Apache-2.0
"""What a signature costs, made and verified, against stock dkimpy in the same run; DNS is a dictionary for both."""

import asyncio
import base64
import random
from datetime import UTC, datetime

import dkim
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.measure import Line, best_of
from gateway.authn.dkim import verify_dkim
from gateway.imip.headers import parse_headers
from gateway.relay.sign import DkimSigner, dns_record, make_key, parse_key

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
_HEAD = (
    b"From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: Invitation: Tea\r\n"
    b"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\n\r\n"
)


def _mail(size: int) -> bytes:
    chance = random.Random(1)
    words = b"ATTENDEE;CN=Bob:mailto:bob@example.net a meeting about  many things ".split(b" ")
    lines = (b" ".join(chance.choice(words) for _ in range(6)) for _ in range(size // 40))
    return _HEAD + b"\r\n".join(lines)[:size] + b"\r\n"


class _NoDns:
    """Answers with one key, at once."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def txt(self, name: str) -> tuple[str, ...]:
        return (self._text,)


def run() -> list[Line]:
    """Measure RSA and Ed25519, a small mail and a large one."""
    lines = []
    for kind in ("rsa", "ed25519"):
        pem = make_key("rsa" if kind == "rsa" else "ed25519")
        key = parse_key(pem, "s", "example.org")
        record = dns_record(pem, "s", "example.org").text
        theirs = _their_key(key.private)
        signer = DkimSigner([key])
        for name, size, number in (("3 KB", 3000, 40), ("1 MB", 2**20, 2)):
            mail = _mail(size)
            signed = signer.sign(mail, NOW) + mail
            ours_sign = best_of(lambda signer=signer, mail=mail: signer.sign(mail, NOW), number=number, repeat=5)
            their_sign = best_of(
                lambda mail=mail, theirs=theirs, kind=kind: _sign(mail, theirs, kind), number=number, repeat=3
            )
            ours = _verify_ours(signed, record, number)
            their = best_of(
                lambda signed=signed, record=record: dkim.verify(signed, dnsfunc=lambda n, timeout=5: record.encode()),
                number=number,
                repeat=5,
            )
            lines.append(
                Line(f"{kind}, {name}, sign", their_sign / ours_sign, "x", 1.0, note=f"{ours_sign * 1e3:.2f} ms")
            )
            lines.append(Line(f"{kind}, {name}, verify", their / ours, "x", 1.0, note=f"{ours * 1e3:.2f} ms"))
    return lines


def _verify_ours(signed: bytes, record: str, number: int) -> float:
    resolver = _NoDns(record)

    async def many() -> None:
        for _ in range(number):
            block = parse_headers(signed)
            [verdict] = await verify_dkim(signed, block, resolver, now=NOW)
            assert verdict.result == "pass", verdict

    return best_of(lambda: asyncio.run(many()), number=1, repeat=5) / number


def _their_key(private: object) -> bytes:
    if isinstance(private, rsa.RSAPrivateKey):
        return private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return base64.b64encode(private.private_bytes_raw())  # type: ignore[attr-defined]  # Ed25519


def _sign(mail: bytes, key: bytes, kind: str) -> bytes:
    signed: bytes = dkim.DKIM(mail).sign(
        b"s",
        b"example.org",
        key,
        signature_algorithm=f"{kind}-sha256".encode(),
        canonicalize=(b"relaxed", b"relaxed"),
        include_headers=[b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type"],
    )
    return signed
