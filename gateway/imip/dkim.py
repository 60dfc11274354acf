# SPDX-License-Identifier: Apache-2.0
"""DKIM without the DNS and without the cryptography: tags, keys' records, canonical forms, the octets that are signed.

Shared by who verifies (`gateway.authn.dkim`) and who signs (`gateway.relay.sign`), RFC 6376 with 8301 and 8463.
Own code because every octet here is hostile: the library at hand runs for minutes, holding the interpreter, on a
line of blanks or on a key of a million bits. Everything here costs no more than the length of its input.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.errors import Refused
from gateway.imip.headers import Field, HeaderBlock, parse_domain

_TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_SELECTOR = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*", re.ASCII)
_DIGITS = re.compile(r"\d{1,12}", re.ASCII)
_LINE_END = re.compile(rb"\r?\n")
_EMPTY_LINES = re.compile(rb"(?:\n\r)*+")  # read backwards
_SPACE = re.compile(r"\s+")
_CHUNK = 65_536  # octets worked on at a time, so that other threads get their turn between

ALGORITHMS = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}  # RFC 8301 §3.1: rsa-sha1 does not count
CANONICAL = ("simple", "relaxed")


@dataclass(frozen=True, slots=True)
class DkimSignature:
    """One DKIM-Signature field, its tags checked (RFC 6376 §3.5). `field` is where it stands."""

    field: Field
    algorithm: str
    signature: bytes
    body_hash: bytes
    header_form: str
    body_form: str
    domain: str
    identity_domain: str
    selector: str
    headers: tuple[str, ...]
    signed_at: int | None
    expires_at: int | None
    partial_body: bool  # has l=: whatever follows was never signed

    @property
    def key_name(self) -> str:
        """Where the key's record stands in the DNS."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as published (RFC 6376 §3.6.1); `key` is empty where it was revoked."""

    kind: str
    key: bytes
    testing: bool
    strict_identity: bool


def parse_tags(text: str) -> dict[str, str]:
    """Read a tag list (RFC 6376 §3.2), white space at the edges of names and values dropped.

    Raises:
        Refused: `bad-signature`: not a tag list, or a tag twice.
    """
    tags: dict[str, str] = {}
    pieces = text.split(";") if len(text) <= 20_000 else [""]
    if not pieces[-1].strip():
        pieces.pop()
    for piece in pieces:
        name, equals, value = piece.partition("=")
        name = name.strip()
        if not equals or not _TAG_NAME.fullmatch(name):
            raise Refused("bad-signature", "It is not a list of tags")
        if name in tags:
            raise Refused("bad-signature", f"The tag {name[:20]} stands there twice")
        tags[name] = value.strip()
    return tags


def parse_signature(field: Field) -> DkimSignature:
    """Read a DKIM-Signature field.

    Raises:
        Refused: `bad-signature` with a sentence, for what can never verify (RFC 6376 §6.1.1).
    """
    tags = parse_tags(field.value)
    missing = [name for name in ("v", "a", "b", "bh", "d", "h", "s") if not tags.get(name)]
    if missing:
        raise Refused("bad-signature", f"The tag {missing[0]}= is missing")
    header_form, _, body_form = tags.get("c", "simple").lower().partition("/")
    body_form = body_form or "simple"
    algorithm = tags["a"].lower()
    if tags["v"] != "1" or header_form not in CANONICAL or body_form not in CANONICAL:
        raise Refused("bad-signature", "Its version or canonical form is unknown")
    if algorithm not in ALGORITHMS:
        raise Refused("bad-signature", f"The algorithm {algorithm[:20]} does not count")
    if "dns/txt" not in tags.get("q", "dns/txt").lower() or not _SELECTOR.fullmatch(tags["s"]):
        raise Refused("bad-signature", "It does not say where its key is")
    domain = _domain(tags["d"])
    identity_domain = _domain(tags["i"].rpartition("@")[2]) if "i" in tags else domain
    if identity_domain != domain and not identity_domain.endswith(f".{domain}"):
        raise Refused("bad-signature", "Its i= is not within its d=")
    headers = tuple(name.strip().lower() for name in tags["h"].split(":"))
    if "from" not in headers or len(headers) > 500:
        raise Refused("bad-signature", "It does not sign From")  # RFC 6376 §5.4
    signed_at, expires_at = _seconds(tags.get("t")), _seconds(tags.get("x"))
    if signed_at is not None and expires_at is not None and expires_at < signed_at:
        raise Refused("bad-signature", "It expires before it was made")
    return DkimSignature(
        field=field,
        algorithm=algorithm,
        signature=_octets(tags["b"]),
        body_hash=_octets(tags["bh"]),
        header_form=header_form,
        body_form=body_form,
        domain=domain,
        identity_domain=identity_domain,
        selector=tags["s"].lower(),
        headers=headers,
        signed_at=signed_at,
        expires_at=expires_at,
        partial_body="l" in tags,
    )


def parse_key_record(text: str) -> KeyRecord:
    """Read a key's TXT record.

    Raises:
        Refused: `bad-signature`: no DKIM key for mail.
    """
    tags = parse_tags(text)
    flags = [flag.strip() for flag in tags.get("t", "").lower().split(":")]
    services = [service.strip() for service in tags.get("s", "*").lower().split(":")]
    hashes = [name.strip() for name in tags.get("h", "sha256").lower().split(":")]
    if tags.get("v", "DKIM1") != "DKIM1" or ("v" in tags and next(iter(tags)) != "v"):
        raise Refused("bad-signature", "The key's record is not DKIM1")
    if not {"*", "email"} & set(services) or "sha256" not in hashes:
        raise Refused("bad-signature", "The key is not for mail, or not for SHA-256")
    if "p" not in tags:
        raise Refused("bad-signature", "The key's record holds no key")
    return KeyRecord(tags.get("k", "rsa").lower(), _octets(tags["p"]), "y" in flags, "s" in flags)


def body_digest(data: bytes, start: int, form: str) -> bytes:
    """Return the SHA-256 of the canonical body that begins at `start` (RFC 6376 §3.4.3, §3.4.4)."""
    body = data[start:] if form == "simple" else b"".join(_relaxed_pieces(data, start))
    end = len(body)
    while end:  # empty lines at the end do not count
        empty = _EMPTY_LINES.match(body[max(0, end - _CHUNK) : end][::-1])
        if empty is None or not empty.end():
            break
        end -= empty.end()
    digest = hashlib.sha256(memoryview(body)[:end])
    if end or form == "simple":  # an empty body is one line end in the simple form, nothing in the relaxed
        digest.update(b"\r\n")
    return digest.digest()


def signed_octets(data: bytes, block: HeaderBlock, headers: Iterable[str], form: str, signature_field: bytes) -> bytes:
    """Return the octets that a signature covers: the named fields, bottom-most first, then the signature's own field.

    `signature_field` is the complete field; the value of its b= does not count (RFC 6376 §3.7).
    """
    stacks: dict[str, list[Field]] = {}
    for field in block.fields:
        stacks.setdefault(field.name, []).append(field)
    pieces = []
    for name in headers:
        if stack := stacks.get(name):  # a name signed more often than it stands there counts as empty
            field = stack.pop()
            pieces.append(_canonical_field(data[field.start : field.end], form))
    pieces.append(_canonical_field(_without_b(signature_field), form).removesuffix(b"\r\n"))
    return b"".join(pieces)


def _relaxed_pieces(data: bytes, start: int) -> Iterator[bytes]:
    """Yield the body in pieces: blanks at line ends gone, runs of blanks one space, also where a piece cuts them."""
    held = b""
    while start < len(data):
        stop = min(start + _CHUNK, len(data))
        if data[stop - 1 : stop] == b"\r":
            stop += 1  # a line end is not cut in two
        piece = _one_blank(held + data[start:stop]).replace(b" \r\n", b"\r\n")
        held = b" " if piece.endswith(b" ") else b""
        yield piece.removesuffix(b" ")
        start = stop
    yield held


def _one_blank(octets: bytes) -> bytes:
    """Make one space of each run of blanks; halving the runs is ten times as fast as a pattern."""
    octets = octets.replace(b"\t", b" ")
    while b"  " in octets:
        octets = octets.replace(b"  ", b" ")
    return octets


def _canonical_field(octets: bytes, form: str) -> bytes:
    if form == "simple":
        return octets if octets.endswith(b"\n") else octets + b"\r\n"
    name, _, value = octets.partition(b":")
    value = _one_blank(_LINE_END.sub(b"", value)).strip(b" ")
    return name.strip(b" \t").lower() + b":" + value + b"\r\n"


def _without_b(octets: bytes) -> bytes:
    """Return the field with the value of its b= taken out, blanks around it included."""
    name, colon, value = octets.partition(b":")
    pieces = value.split(b";")
    for index, piece in enumerate(pieces):
        tag, equals, _ = piece.partition(b"=")
        if equals and tag.strip(b" \t\r\n") == b"b":
            pieces[index] = tag + equals
    return name + colon + b";".join(pieces)


def _domain(text: str) -> str:
    try:
        return parse_domain(text)
    except Refused:
        raise Refused("bad-signature", "Its domain is no domain name") from None


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode(_SPACE.sub("", text), validate=True)
    except (binascii.Error, ValueError):
        raise Refused("bad-signature", "A value in it is not base64") from None


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    if not _DIGITS.fullmatch(text):
        raise Refused("bad-signature", "A time in it is no number")
    return int(text)
