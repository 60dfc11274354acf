# SPDX-License-Identifier: Apache-2.0
"""Authentication-Results by RFC 8601: what is believed, what is forged, and no two readings of one field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.imip.authres import forged_marks, parse_authres, read_trusted, sealers
from gateway.imip.headers import parse_headers

OURS = ("mx.example.org",)
PASS = "Authentication-Results: mx.example.org; dmarc=pass header.from=bank.example"
FAIL = "Authentication-Results: mx.example.org; dmarc=fail header.from=bank.example"
RECEIVED = "Received: from client.example by mx.example.org (Postfix); Mon, 23 Nov 2026 10:00:00 +0000"
AUTHOR = ("From: a@bank.example", "Subject: x")


def trusted(*lines: str, received_above: int = 0) -> tuple[str, int]:
    """Return what is believed of DMARC and how many fields are taken out."""
    data = "\r\n".join([*lines, *AUTHOR, "", ""]).encode()
    found = read_trusted(parse_headers(data), OURS, received_above=received_above)
    for forgery in found.forged:
        assert data[forgery.start : forgery.end].lower().startswith(b"authentication-results")
        assert data[forgery.start : forgery.end].endswith(b"\r\n")
        assert forgery.reason
    dmarc = found.first("dmarc")
    return (dmarc.result if dmarc else "none", len(found.forged))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("example.org 1; none", []),
        ("example.org; spf=pass smtp.mailfrom=a@b.example", [("spf", "pass", {"smtp.mailfrom": "a@b.example"})]),
        (
            'example.org; dkim/1 = pass (good (really) sig) reason="it\'s; fine" header.d = b.example header.b="x=/+"',
            [("dkim", "pass", {"header.d": "b.example", "header.b": "x=/+"})],
        ),
        (
            "mx (the; border) 1; spf=fail smtp.mailfrom=; DMARC=Pass (p=none dis=none) Header.From=B.example;",
            [("spf", "fail", {"smtp.mailfrom": ""}), ("dmarc", "pass", {"header.from": "b.example"})],
        ),
        ('"mx.example.org"; auth=pass smtp.auth="a b"@c.example', [("auth", "pass", {"smtp.auth": "a b@c.example"})]),
        ("x; dkim=pass header.b=AbC==", [("dkim", "pass", {"header.b": "abc=="})]),
        ("x; iprev=pass policy.iprev=2001:db8::1", [("iprev", "pass", {"policy.iprev": "2001:db8::1"})]),
    ],
)
def test_fields_that_the_standard_allows(value: str, expected: list[tuple[str, str, dict[str, str]]]) -> None:
    results = parse_authres(value).results
    assert [(r.method, r.result) for r in results] == [(m, r) for m, r, _ in expected]
    for result, (_, _, properties) in zip(results, expected, strict=True):
        assert {name: result.get(name) for name in properties} == properties


@pytest.mark.parametrize(
    "value",
    [
        "",
        ";",
        "mx.example.org",
        "mx.example.org;",
        "mx.example.org 2; dmarc=pass",
        "mx example.org; dmarc=pass",
        "dmarc=pass header.from=bank.example",
        "mx.example.org; dmarc",
        "mx.example.org; dmarc=pass=fail=",
        "mx.example.org; dmarc==pass",
        "mx.example.org; dmarc=pass junk",
        "mx.example.org; dmarc=pass header-from=bank.example",
        "mx.example.org; dmarc=pass ; none",
        "mx.example.org; dmarc/2=pass",
        "mx.example.org; dmarc=pa:ss",
        "mx.example.org; (open dmarc=pass",
        'mx.example.org; "open dmarc=pass',
        "mx.example.org; dmarc=pass\x00",
        "mx.example.org" + "; spf=pass" * 60,
    ],
)
def test_what_cannot_be_read_for_certain_is_refused(value: str) -> None:
    with pytest.raises(Refused):
        parse_authres(value)


def test_a_property_given_twice_says_nothing() -> None:
    result = parse_authres("x; dmarc=pass header.from=a.example header.from=b.example").results[0]
    assert result.get("header.from") == ""


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((PASS, RECEIVED), ("pass", 0)),
        ((PASS.replace("mx.example.org", "MX.Example.ORG"), RECEIVED), ("pass", 0)),
        (("X-Spam: no", PASS, "Received-SPF: pass", RECEIVED), ("pass", 0)),
        ((RECEIVED,), ("none", 0)),
        # forged: below our border's line, below the sender's own fields, or both
        ((RECEIVED, PASS), ("none", 1)),
        ((FAIL, RECEIVED, PASS), ("fail", 1)),
        ((FAIL, PASS, RECEIVED), ("fail", 0)),
        (("Subject: first", PASS, RECEIVED), ("none", 1)),
        (("DKIM-Signature: v=1", PASS), ("none", 1)),
        # somebody else's field is neither believed nor touched
        ((PASS.replace("mx.example.org", "mx.evil.example"), RECEIVED), ("none", 0)),
        ((PASS.replace("mx.example.org", "mx.example.org.evil.example"), RECEIVED), ("none", 0)),
        ((PASS.replace("mx.example.org", "sub.mx.example.org"), RECEIVED), ("none", 0)),
        # quotes and comments hide nothing from us
        (('Authentication-Results: evil.example; spf=pass reason="; mx.example.org; dmarc=pass"',), ("none", 0)),
        (("Authentication-Results: evil.example (mx.example.org); dmarc=pass",), ("none", 0)),
        (("Authentication-Results: (evil.example) mx.example.org (x); dmarc=pass",), ("pass", 0)),
        (("Authentication-Results:\r\n mx.example.org;\r\n\tdmarc=pass (a\r\n b)",), ("pass", 0)),
        (('Authentication-Results: "mx.example.org"; dmarc=pass',), ("pass", 0)),
        # what bears our id and cannot be read was not written by us
        (("Authentication-Results: mx.example.org; dmarc=pass (open",), ("none", 1)),
        (("Authentication-Results: mx.example.org, dmarc=pass",), ("none", 1)),
        ((FAIL, "Authentication-Results: mx.example.org; dmarc=pass junk"), ("fail", 1)),
        (("AUTHENTICATION-RESULTS : mx.example.org; dmarc=pass junk",), ("none", 1)),
    ],
)
def test_position_and_name_decide(lines: tuple[str, ...], expected: tuple[str, int]) -> None:
    assert trusted(*lines) == expected


def test_filters_that_write_under_the_hosts_own_line_are_believed_when_told() -> None:
    """Postfix puts what its milters insert at index 1 under its own Received line."""
    assert trusted(RECEIVED, PASS, received_above=1) == ("pass", 0)
    assert trusted(RECEIVED, PASS, RECEIVED, FAIL, received_above=1) == ("pass", 1)
    assert trusted(FAIL, RECEIVED, PASS, received_above=1) == ("fail", 1)
    assert trusted(RECEIVED, "Subject: x", PASS, received_above=1) == ("none", 1)


def test_without_a_trusted_id_nothing_is_believed_or_taken_out() -> None:
    found = read_trusted(parse_headers(PASS.encode() + b"\r\n\r\n"), ())
    assert (found.results, found.forged) == ((), ())


def test_strangers_marks_are_taken_out_and_ours_stay() -> None:
    data = b"X-iMIP-Gateway: outcome=applied; id=1\r\nx-imip-gateway : outcome=none\r\nFrom: a@b.example\r\n\r\n"
    block = parse_headers(data)
    assert [data[f.start : f.end] for f in forged_marks(block)] == data.splitlines(keepends=True)[:2]
    assert len(forged_marks(block, ours=("outcome=applied; id=1",))) == 1


def test_the_newest_seal_speaks_for_the_chain() -> None:
    data = (
        b"ARC-Seal: i=1; a=rsa-sha256; d=first.example; cv=none; b=x\r\n"
        b"ARC-Seal: i=2; a=rsa-sha256; d=List.example; cv=pass; b=x\r\n"
        b"ARC-Authentication-Results: i=1; first.example; dmarc=pass header.from=a.example\r\n"
        b"ARC-Authentication-Results: i=2; list.example; dmarc=pass header.from=Bank.example\r\n\r\n"
    )
    assert sealers(parse_headers(data)) == ("list.example", "bank.example")
    assert sealers(parse_headers(b"From: a@b.example\r\n\r\n")) == ("", "")
    assert sealers(parse_headers(b"ARC-Seal: i=x; d=a\r\n\r\n")) == ("", "")


@given(st.text(alphabet='mxexample.org;= ()"\\dmarcps/1\t', max_size=80))
def test_every_text_is_read_or_refused(value: str) -> None:
    try:
        parsed = parse_authres(value)
    except Refused:
        return
    assert parsed.authserv_id
    assert all(result.method and result.result for result in parsed.results)


@given(st.lists(st.sampled_from([PASS, FAIL, RECEIVED, "X-A: b", "Subject: s", "From: x@y.example"]), max_size=8))
def test_a_forgery_below_the_first_received_is_never_believed(lines: list[str]) -> None:
    believed, _ = trusted(RECEIVED, *lines)
    assert believed == "none"


@pytest.mark.timeout(10)
@pytest.mark.parametrize("tail", ["(" * 60_000, '"' + "\\" * 60_000, "; a=b" * 12_000, "=" * 60_000, " " * 60_000])
def test_a_hostile_field_costs_no_more_than_its_length(tail: str) -> None:
    for size in (4000, 60_000):
        trusted(*["Authentication-Results: mx.example.org; spf=pass " + tail[:size]] * (240_000 // size))
