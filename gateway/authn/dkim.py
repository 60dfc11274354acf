# SPDX-License-Identifier: Apache-2.0
"""Verify a mail's DKIM signatures: every one up to a cap, each with its own result (RFC 6376 §6).

Trouble with the DNS is `temperror`, never `fail`. A signature that is cryptographically good and still proves
nothing (l=, a short key, an expired or a testing one) is `policy`. Keys come from our resolver before any
arithmetic; big bodies are hashed off the loop.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateway.authn.resolver import Resolver
from gateway.errors import Deferred, Refused
from gateway.imip.dkim import (
    ALGORITHMS,
    DkimSignature,
    KeyRecord,
    body_digest,
    parse_key_record,
    parse_signature,
    signed_octets,
)
from gateway.imip.headers import Field, HeaderBlock

OFF_THE_LOOP = 65_536  # octets; from here on a body is hashed in a thread
MAX_FIELDS = 50  # signatures of which any are chosen
MAX_RSA_BITS = 8192
PublicKey = rsa.RSAPublicKey | ed25519.Ed25519PublicKey


class DkimResult(StrEnum):
    """RFC 8601 §2.7.1; `none` is an empty tuple of verdicts."""

    PASS = "pass"  # noqa: S105  # a result, no password
    FAIL = "fail"
    POLICY = "policy"
    PERMERROR = "permerror"
    TEMPERROR = "temperror"


@dataclass(frozen=True, slots=True)
class DkimVerdict:
    """What one signature is worth. `domain` is d=, "" where it could not be read."""

    result: DkimResult
    domain: str = ""
    selector: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DkimLimits:
    """What is looked at, and which keys count."""

    max_signatures: int = 5
    min_rsa_bits: int = 1024  # RFC 8301 §3.2


DEFAULT_LIMITS = DkimLimits()


async def verify_dkim(
    data: bytes,
    block: HeaderBlock,
    resolver: Resolver,
    *,
    now: datetime,
    prefer: str = "",
    limits: DkimLimits = DEFAULT_LIMITS,
) -> tuple[DkimVerdict, ...]:
    """Verify up to `max_signatures` signatures, those of the domain `prefer` and of its parents first."""
    if not block.complete:
        return ()
    readings = [_read(one, now) for one in list(block.all("dkim-signature"))[:MAX_FIELDS]]
    readings.sort(key=lambda one: f".{prefer}".endswith(f".{one.domain}") if one.domain else False, reverse=True)
    chosen = readings[: limits.max_signatures]
    keys = await asyncio.gather(*(_key(one, resolver, limits) for one in chosen))
    body = _Body(data, block.body)
    return tuple([await _verdict(one, key, data, block, body) for one, key in zip(chosen, keys, strict=True)])


@dataclass(slots=True)
class _Body:
    """The body's digests, each computed once however many signatures ask."""

    data: bytes
    start: int
    digests: dict[str, bytes] = field(default_factory=dict)

    async def digest(self, form: str) -> bytes:
        if form not in self.digests:
            small = len(self.data) - self.start < OFF_THE_LOOP
            arguments = (self.data, self.start, form)
            self.digests[form] = body_digest(*arguments) if small else await asyncio.to_thread(body_digest, *arguments)
        return self.digests[form]


def _read(one: Field, now: datetime) -> DkimSignature | DkimVerdict:
    """Read a signature, or say at once what it is worth where no key can help."""
    try:
        signature = parse_signature(one)
    except Refused as refused:
        return DkimVerdict(DkimResult.PERMERROR, reason=refused.public)
    if signature.partial_body:  # RFC 6376 §8.2: a calendar part may have been appended
        return _policy(signature, "It covers only the beginning of the body (l=)")
    if signature.expires_at is not None and signature.expires_at < now.timestamp():
        return _policy(signature, "It has expired (x=)")
    return signature


async def _key(one: DkimSignature | DkimVerdict, resolver: Resolver, limits: DkimLimits) -> PublicKey | DkimVerdict:
    if isinstance(one, DkimVerdict):
        return one
    try:
        records = await resolver.txt(one.key_name)
    except Deferred as trouble:
        return DkimVerdict(DkimResult.TEMPERROR, one.domain, one.selector, trouble.public)
    if not records:
        return _verdict_of(one, DkimResult.PERMERROR, "There is no key for it")
    try:
        record, key = _load(records[0])
    except Refused as refused:
        return _verdict_of(one, DkimResult.PERMERROR, refused.public)
    if record.testing:  # RFC 6376 §3.6.1: as if it were not signed
        return _policy(one, "Its key is in test mode (t=y)")
    if record.strict_identity and one.identity_domain != one.domain:
        return _verdict_of(one, DkimResult.PERMERROR, "Its key is not for subdomains (t=s)")
    if record.kind != ALGORITHMS[one.algorithm]:
        return _verdict_of(one, DkimResult.PERMERROR, "Its key is of another kind")
    if isinstance(key, rsa.RSAPublicKey) and not limits.min_rsa_bits <= key.key_size <= MAX_RSA_BITS:
        return _policy(one, f"Its RSA key has {key.key_size} bits")
    return key


@lru_cache(maxsize=4096)
def _load(record: str) -> tuple[KeyRecord, PublicKey]:
    parsed = parse_key_record(record)
    if not parsed.key:
        raise Refused("bad-signature", "Its key was revoked")
    try:
        if parsed.kind == "ed25519":
            return parsed, ed25519.Ed25519PublicKey.from_public_bytes(parsed.key)  # RFC 8463 §4
        key = load_der_public_key(parsed.key)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Refused("bad-signature", "Its key cannot be read") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise Refused("bad-signature", "Its key is of a kind that DKIM does not know")
    return parsed, key


async def _verdict(
    one: DkimSignature | DkimVerdict, key: PublicKey | DkimVerdict, data: bytes, block: HeaderBlock, body: _Body
) -> DkimVerdict:
    if isinstance(one, DkimVerdict):
        return one
    if isinstance(key, DkimVerdict):
        return key
    if await body.digest(one.body_form) != one.body_hash:
        return _verdict_of(one, DkimResult.FAIL, "The body is not what was signed")
    own_field = data[one.field.start : one.field.end]
    octets = signed_octets(data, block, one.headers, one.header_form, own_field)
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(one.signature, octets, padding.PKCS1v15(), SHA256())
        else:
            key.verify(one.signature, sha256(octets).digest())  # RFC 8463 §3: it signs the digest
    except InvalidSignature:
        return _verdict_of(one, DkimResult.FAIL, "The header is not what was signed")
    return _verdict_of(one, DkimResult.PASS, "")


def _verdict_of(one: DkimSignature, result: DkimResult, reason: str) -> DkimVerdict:
    return DkimVerdict(result, one.domain, one.selector, reason)


def _policy(one: DkimSignature, reason: str) -> DkimVerdict:
    return _verdict_of(one, DkimResult.POLICY, reason)
