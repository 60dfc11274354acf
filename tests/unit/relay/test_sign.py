# SPDX-License-Identifier: Apache-2.0
"""What is signed, with which keys, and the records to publish; that signatures verify is tested with the verifier."""

import re
from datetime import UTC, datetime

import pytest

from gateway.errors import Misconfigured
from gateway.relay.sign import DkimSigner, Unsigned, dns_record, make_key, parse_key

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MAIL = b"From: a@example.org\r\nTo: b@example.net\r\nSubject: x\r\nDate: y\r\nX-Other: z\r\nReceived: r\r\n\r\nbody\r\n"
RSA, ED25519 = make_key("rsa"), make_key("ed25519")


def test_from_and_subject_are_signed_once_more_than_they_stand_there() -> None:
    field = DkimSigner([parse_key(RSA, "s1", "example.org")]).sign(MAIL, NOW).decode()
    unfolded = field.replace("\r\n", "").replace(" ", "")
    assert re.search(r";h=([^;]*);", unfolded)[1] == "from:from:to:subject:subject:date:content-type"  # type: ignore[index]  # a match, or the test fails
    assert ";t=1795435200;" in unfolded
    assert "l=" not in re.findall(r"(?:^|;)([a-z]+=)", unfolded)


def test_each_key_of_the_domain_signs_and_other_domains_are_left_alone() -> None:
    signer = DkimSigner([parse_key(RSA, "r", "Example.org"), parse_key(ED25519, "e", "example.org")])
    assert signer.sign(MAIL, NOW).count(b"DKIM-Signature:") == 2
    assert signer.sign(MAIL.replace(b"a@example.org", b"a@sub.example.org"), NOW) == b""
    assert signer.sign(MAIL.replace(b"From: a@example.org", b"From: a@example.org, b@example.org"), NOW) == b""
    assert Unsigned().sign(MAIL, NOW) == b""


def test_records_fit_the_dns() -> None:
    record = dns_record(RSA, "s1", "example.org")
    assert record.name == "s1._domainkey.example.org"
    assert record.text.startswith("v=DKIM1; k=rsa; p=MII")
    strings = re.findall(r'"([^"]*)"', record.zone_line)
    assert "".join(strings) == record.text
    assert all(len(string) <= 255 for string in strings)
    assert len(dns_record(ED25519, "s1", "example.org").text) < 80


@pytest.mark.parametrize(
    "pem", [b"", b"nonsense", RSA[:200], b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_bad_key_is_the_operators_business(pem: bytes) -> None:
    with pytest.raises(Misconfigured, match=r"s1 of example\.org"):
        parse_key(pem, "s1", "example.org")
