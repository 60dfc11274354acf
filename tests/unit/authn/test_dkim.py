# SPDX-License-Identifier: Apache-2.0
"""DKIM: what verifies, what does not and why; dkimpy is the independent second opinion."""

import base64
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dkim.canonicalization import Relaxed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.authn.dkim import DkimLimits, DkimVerdict, verify_dkim
from gateway.imip.dkim import body_digest
from gateway.imip.headers import parse_headers
from gateway.relay.sign import DkimSigner, dns_record, make_key, parse_key
from tests.support.zone import Zone

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PEM = {"rsa": make_key("rsa"), "ed25519": make_key("ed25519")}
MAIL = (
    b"From: Alice <alice@example.org>\r\nTo: bob@example.net\r\nSubject: Tea\r\n"
    b"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/calendar;\r\n method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR  \r\n\r\n\r\n"
)


def zone(*, text: str | None = None) -> Zone:
    found = Zone()
    for kind, pem in PEM.items():
        record = dns_record(pem, kind, "example.org")
        found.add(record.name, text if text is not None else record.text)
    return found


def sign(mail: bytes, kind: str = "rsa") -> bytes:
    return DkimSigner([parse_key(PEM[kind], kind, "example.org")]).sign(mail, NOW) + mail


def sign_elsewhere(mail: bytes, canonical: tuple[bytes, bytes] = (b"relaxed", b"relaxed"), **options: object) -> bytes:
    pkcs1 = parse_key(PEM["rsa"], "rsa", "example.org").private
    assert isinstance(pkcs1, rsa.RSAPrivateKey)
    pem = pkcs1.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return dkim.DKIM(mail).sign(b"rsa", b"example.org", pem, canonicalize=canonical, **options) + mail


async def verify(mail: bytes, names: Zone | None = None, now: datetime = NOW) -> tuple[DkimVerdict, ...]:
    return await verify_dkim(mail, parse_headers(mail), names or zone(), now=now, prefer="example.org")


async def result(mail: bytes, names: Zone | None = None, now: datetime = NOW) -> str:
    [verdict] = await verify(mail, names, now)
    assert (verdict.result == "pass") is (verdict.reason == "")
    return verdict.result.value


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
async def test_what_we_sign_verifies_here_and_elsewhere(kind: str) -> None:
    signed = sign(MAIL, kind)
    assert await result(signed) == "pass"
    text = dns_record(PEM[kind], kind, "example.org").text.encode()
    assert dkim.verify(signed, dnsfunc=lambda name, timeout=5: text)
    assert all(len(line) <= 78 for line in signed.split(b"\r\n")[:8])


@pytest.mark.parametrize("header", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
async def test_every_canonical_form_of_others_verifies(header: bytes, body: bytes) -> None:
    assert await result(sign_elsewhere(MAIL, (header, body))) == "pass"


SIGNED = sign(MAIL)
LINES = st.lists(st.sampled_from([b"", b" ", b"\t \t", b"text", b"two  words", b" lead", b"trail ", b"\xff", b"."]))


@given(LINES, st.sampled_from([b"simple", b"relaxed"]), st.sampled_from([b"simple", b"relaxed"]))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
async def test_others_signatures_verify_whatever_the_body(lines: list[bytes], header: bytes, body: bytes) -> None:
    mail = MAIL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + b"".join(line + b"\r\n" for line in lines)
    assert await result(sign_elsewhere(mail, (header, body))) == "pass"


@given(LINES, st.sampled_from(["rsa", "ed25519"]))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
async def test_ours_verify_elsewhere_whatever_the_body(lines: list[bytes], kind: str) -> None:
    mail = MAIL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + b"".join(line + b"\r\n" for line in lines)
    text = dns_record(PEM[kind], kind, "example.org").text.encode()
    assert dkim.verify(sign(mail, kind), dnsfunc=lambda name, timeout=5: text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Subject: Tea", b"Subject: Beer"),
        (b"END:VCALENDAR", b"END:VCALENDAR\r\nmore"),
        (b"From: Alice", b"From: Mallory"),
        (b"method=REQUEST", b"method=CANCEL"),
        (b"From: Alice", b"From: b@example.org\r\nFrom: Alice"),
        (b"From: Alice", b"Content-Type: text/plain\r\nFrom: Alice"),
    ],
)
async def test_a_changed_mail_fails(old: bytes, new: bytes) -> None:
    assert await result(sign(MAIL).replace(old, new)) == "fail"


async def test_relaxed_forgives_blanks_and_trailing_lines() -> None:
    assert await result(sign(MAIL).replace(b"Subject: Tea", b"SUBJECT:   Tea \r\n ") + b"\r\n \r\n") == "pass"


async def test_an_appended_part_behind_a_length_proves_nothing() -> None:
    """dkimpy says True here: l= is honoured by the letter (RFC 6376 §8.2)."""
    signed = sign_elsewhere(MAIL, length=True) + b"appended\r\n"
    text = dns_record(PEM["rsa"], "rsa", "example.org").text.encode()
    assert dkim.verify(signed, dnsfunc=lambda name, timeout=5: text)
    assert await result(signed) == "policy"


async def test_an_expired_signature_proves_nothing() -> None:
    signed = sign(MAIL).replace(b"; t=", b"; x=%d; t=" % int((NOW + timedelta(hours=1)).timestamp()))
    assert await result(signed, now=NOW + timedelta(hours=2)) == "policy"


async def test_dns_trouble_is_no_failure() -> None:
    assert await result(sign(MAIL), Zone("rsa._domainkey.example.org !")) == "temperror"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v=DKIM1; p=", "permerror"),
        ("v=DKIM1", "permerror"),
        ("v=DKIM2; p=AAAA", "permerror"),
        ("k=rsa; p=!!!!", "permerror"),
        ("k=rsa; p=AAAA", "permerror"),
        ("k=dsa; p=AAAA", "permerror"),
        ("not tags at all", "permerror"),
        ("p=AAAA; p=BBBB", "permerror"),
        ("\ud800é", "permerror"),
        ("v=DKIM1; s=tlsrpt; p={key}", "permerror"),
        ("v=DKIM1; h=sha1; p={key}", "permerror"),
        ("v=DKIM1; k=ed25519; p={key}", "permerror"),
        ("v=DKIM1; t=y; p={key}", "policy"),
        ("v=DKIM1; t=s; n=note; p={key}", "pass"),
        ("p={key};", "pass"),
    ],
)
async def test_keys_that_count_and_keys_that_do_not(text: str, expected: str) -> None:
    key = dns_record(PEM["rsa"], "rsa", "example.org").text.partition("p=")[2]
    assert await result(sign(MAIL), zone(text=text.replace("{key}", key))) == expected


async def test_no_key_is_no_pass() -> None:
    assert await result(sign(MAIL), Zone()) == "permerror"


async def test_a_short_key_proves_nothing() -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    pem = short.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signed = DkimSigner([parse_key(pem, "rsa", "example.org")]).sign(MAIL, NOW) + MAIL
    names = Zone()
    names.add("rsa._domainkey.example.org", dns_record(pem, "rsa", "example.org").text)
    assert await result(signed, names) == "pass"
    [verdict] = await verify_dkim(signed, parse_headers(signed), names, now=NOW, limits=DkimLimits(min_rsa_bits=2048))
    assert (verdict.result, verdict.reason) == ("policy", "Its RSA key has 1024 bits")


async def test_a_key_of_absurd_size_is_not_computed_with() -> None:
    modulus = b"\x00" + b"\xff" * 8000
    integer = b"\x02\x82" + len(modulus).to_bytes(2, "big") + modulus + b"\x02\x03\x01\x00\x01"
    der = b"\x30\x82" + len(integer).to_bytes(2, "big") + integer
    names = zone(text="p=" + base64.b64encode(der).decode())
    assert await result(sign(MAIL), names) in ("policy", "permerror")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"v=1",
        b"v=2; a=rsa-sha256; b=x; bh=x; d=example.org; h=from; s=rsa",
        b"v=1; a=rsa-sha1; b=AAAA; bh=AAAA; d=example.org; h=from; s=rsa",
        b"v=1; a=rsa-sha256; b=AAAA; bh=AAAA; d=example.org; h=subject; s=rsa",
        b"v=1; a=rsa-sha256; b=AAAA; bh=AAAA; d=example.org; i=@other.example; h=from; s=rsa",
        b"v=1; a=rsa-sha256; b=AAAA; bh=AAAA; d=example.org; i=@badexample.org; h=from; s=rsa",
        b"v=1; a=rsa-sha256; b=A!AA; bh=AAAA; d=example.org; h=from; s=rsa",
        b"v=1; a=rsa-sha256; b=AAAA; bh=AAAA; d=org; h=from; s=rsa",
        b"v=1; a=rsa-sha256; b=AAAA; bh=AAAA; d=example.org; h=from; s=../rsa",
        b"v=1; a=rsa-sha256; b=AAAA; b=AAAA; bh=AAAA; d=example.org; h=from; s=rsa",
        b"v=1; a=rsa-sha256; b=AAAA; bh=AAAA; d=example.org; h=from; s=rsa; x=soon",
        b"v=1; a=rsa-sha256; b=AAAA; bh=AAAA; d=example.org; h=from; s=rsa; t=9; x=8",
        b"v=1; a=rsa-sha256; c=loose; b=AAAA; bh=AAAA; d=example.org; h=from; s=rsa",
    ],
)
async def test_a_field_that_is_no_signature_asks_no_server(value: bytes) -> None:
    names = zone()
    assert await result(b"DKIM-Signature: " + value + b"\r\n" + MAIL, names) == "permerror"
    assert names.asked == []


async def test_every_signature_has_its_own_result_and_ours_is_found_among_many() -> None:
    junk = b"DKIM-Signature: v=1; a=rsa-sha256; b=AAAA; bh=AAAA; d=junk.example; h=from; s=x\r\n"
    verdicts = await verify(junk * 20 + sign(MAIL))
    assert [v.result.value for v in verdicts] == ["pass", "permerror", "permerror", "permerror", "permerror"]


async def test_a_replayed_mail_with_a_foreign_domain_passes_for_that_domain_only() -> None:
    [verdict] = await verify(sign(MAIL))
    assert verdict.domain == "example.org"


@pytest.mark.parametrize(
    "body", [b" " * 3_000_000, b" \r\n" * 1_000_000, b"\r\n" * 1_500_000, b"\n\r" * 1_500_000, b"a \t" * 1_000_000]
)
@pytest.mark.timeout(10)
async def test_a_hostile_body_costs_no_more_than_its_length(body: bytes) -> None:
    """The library at hand is quadratic in the first of these."""
    assert await result(sign(MAIL) + body) in ("fail", "pass")


@pytest.mark.timeout(10)
async def test_a_hostile_signature_costs_no_more_than_its_length() -> None:
    for value in (b"v=1;" * 50_000, b"h=" + b"from:" * 40_000, b"b=" + b" \r\n\t" * 50_000, b";" * 200_000):
        await verify(b"DKIM-Signature: " + value + b"\r\n" + MAIL)


@given(st.text(max_size=120))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_record_breaks_the_verifier(text: str) -> None:
    assert await result(SIGNED, zone(text=text)) != "pass"


@pytest.mark.parametrize("blanks", [b" ", b"\t ", b" \r\n", b"\t\t\r\n \r\n", b"  \r\n\r\n\r\n"])
async def test_a_long_line_is_cut_nowhere_that_shows(blanks: bytes) -> None:
    """The body is worked on in pieces of 64 KiB; white space may lie across every cut."""
    for length in (*range(65_528, 65_540), 131_070):
        body = b"x" * length + blanks + b"y \r\n" + blanks
        assert body_digest(body, 0, "relaxed") == sha256(Relaxed.canonicalize_body(body)).digest()
