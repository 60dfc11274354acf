# SPDX-License-Identifier: Apache-2.0
"""Reading a header block from octets: ranges, caps, and whom the From field names (or why nobody)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.imip.headers import HeaderFrom, parse_facts, parse_from, parse_headers


def header_from(text: str | bytes) -> HeaderFrom:
    octets = text if isinstance(text, bytes) else text.encode()
    return parse_from(parse_headers(octets + b"\r\n\r\nbody"))


def test_fields_know_where_they_lie() -> None:
    data = b"A: one\r\nLong: first\r\n second\r\n\tthird\r\nb : spaced\r\n\r\nbody: no field\r\n"
    block = parse_headers(data)
    assert [(f.name, f.value) for f in block.fields] == [
        ("a", "one"),
        ("long", "first second\tthird"),
        ("b", "spaced"),
    ]
    assert b"".join(data[f.start : f.end] for f in block.fields) + b"\r\n" == data[: block.body]
    assert data[block.body :] == b"body: no field\r\n"
    assert block.complete


def test_lf_only_and_a_missing_body_are_read() -> None:
    assert parse_headers(b"A: 1\nB: 2\n\nx").body == 11
    block = parse_headers(b"A: 1\nB: 2")
    assert [f.name for f in block.fields] == ["a", "b"]
    assert block.body == 9


def test_an_mbox_line_on_top_is_no_field() -> None:
    assert (
        parse_headers(b"From alice@example.org Mon Nov 23 2026\nFrom: a@b.example\n\n").first("from") == "a@b.example"
    )


def test_a_line_that_is_no_field_ends_the_header() -> None:
    block = parse_headers(b"A: 1\r\nno field here\r\nFrom: late@example.org\r\n\r\n")
    assert block.first("from") is None


def test_a_header_over_the_cap_has_no_certain_from() -> None:
    data = b"From: alice@example.org\r\n" + b"X: y\r\n" * 60_000 + b"From: bob@example.org\r\n\r\n"
    block = parse_headers(data)
    assert not block.complete
    assert parse_from(block).address is None


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("From: alice@example.org", "alice@example.org"),
        ("From: Alice <Alice@Example.ORG>", "Alice@example.org"),
        ('From: "Ong, Alice" <alice@example.org>', "alice@example.org"),
        ("From: Alice Q. Ong <alice@example.org>", "alice@example.org"),
        ("From: alice@example.org (Alice (of Sales))", "alice@example.org"),
        ("From: alice@example.org <alice@example.org>", "alice@example.org"),
        ("From: =?utf-8?q?Alice_=40_work?= <alice@example.org>", "alice@example.org"),
        ('From: "ceo@example.org" <mallory@evil.example>', "mallory@evil.example"),
        ('From: "alice"@example.org', "alice@example.org"),
        ("FROM : alice@example.org", "alice@example.org"),
        ("From:\r\n Alice\r\n <alice@example.org>", "alice@example.org"),
    ],
)
def test_one_plain_address_is_read(text: str, address: str) -> None:
    assert header_from(text).address == address


def test_an_international_domain_is_compared_in_dns_form() -> None:
    found = header_from("From: Jörg <jörg@Bücher.example>")
    assert found.address == "jörg@xn--bcher-kva.example"
    assert found.domain == "xn--bcher-kva.example"


def test_sharp_s_is_not_double_s() -> None:
    """IDNA 2003 would let the owner of strasse.example speak for straße.example."""
    assert header_from("From: a@straße.example").domain == "xn--strae-oqa.example"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("To: x@example.org", "no From"),
        ("From: a@example.org\r\nFrom: b@example.org", "several From"),
        ("From: a@example.org\r\nfrom : b@example.org", "several From"),
        ("From: a@example.org, b@example.org", "several addresses"),
        ("From: <a@example.org>, <b@example.org>", "several addresses"),
        ("From: a@example.org <b@evil.example>", "several addresses"),
        ("From: friends: a@example.org;", "group"),
        ("From: undisclosed-recipients:;", "group"),
        ("From:", "empty"),
        ("From: (only a comment)", "empty"),
        ("From: <>", "not one plain address"),
        ("From: Alice", "not one plain address"),
        ("From: alice@example.org.", "not a domain name"),
        ("From: alice@example", "not a domain name"),
        ("From: alice@[192.0.2.1]", "not one plain address"),
        ('From: alice@"example.org"', "not a domain name"),
        ('From: "alice@example.org"@evil.example', "local part"),
        ('From: "alice@example.org> "@evil.example', "local part"),
        ("From: alice@example.org@evil.example", "not one plain address"),
        ("From: <alice@example.org> <b@evil.example>", "angle brackets"),
        ("From: <alice@example.org> trailing", "angle brackets"),
        ("From: <@relay.example:alice@example.org>", "group"),
        ("From: =?utf-8?q?alice=40example.org?=", "not one plain address"),
        ("From: =?utf-8?b?YWxpY2U=?=@example.org", "local part"),
        ("From: alice @example.org", "not one plain address"),
        ("From: alice(c)@example.org", "not one plain address"),
        ("From: alice@(c)example.org", "not one plain address"),
        ("From: .alice@example.org", "local part"),
        ("From: al..ice@example.org", "local part"),
        ("From: alice@exam\u3002ple", "not a domain name"),
        ("From: alice@-example.org", "not a domain name"),
        ("From: (open alice@example.org", "never ends"),
        ('From: "open alice@example.org', "cannot be read"),
        ("From: alice\\@example.org", "cannot be read"),
        ("From: alice@example.org\x00", "control"),
        ("From: alice\x0b@example.org", "control"),
        (b"From: alic\xe9@example.org", "not UTF-8"),
        ("From: " + "a" * 65 + "@example.org", "local part"),
        ("From: " + "(" * 4000 + "alice@example.org", "never ends"),
        ("From: " + "x" * 9000 + " <alice@example.org>", "too long"),
    ],
)
def test_an_ambiguous_from_names_nobody(text: str | bytes, why: str) -> None:
    found = header_from(text)
    assert found.address is None
    assert found.fault is not None
    assert why in found.fault


def test_the_facts_of_an_automatic_mail() -> None:
    data = (
        b"Received: a\r\nReceived: b\r\nFrom: a@example.org\r\nAuto-Submitted: Auto-Replied; x=y (comment)\r\n"
        b"Precedence: Bulk\r\nList-Id: Team <team.example.org>\r\nMessage-ID: <1@example.org>\r\n"
        b"In-Reply-To: <0@example.org> (yesterday)\r\nReferences: <a@x>\r\n <b@x>\r\n\r\n"
    )
    facts = parse_facts(parse_headers(data))
    assert (facts.auto_submitted, facts.precedence, facts.list_id) == (
        "auto-replied",
        "bulk",
        "Team <team.example.org>",
    )
    assert (facts.message_id, facts.in_reply_to, facts.references) == (
        "<1@example.org>",
        ("<0@example.org>",),
        ("<a@x>", "<b@x>"),
    )
    assert facts.received_count == 2
    assert not facts.dkim_signed


@given(st.binary(max_size=600))
def test_no_octets_break_the_reader(data: bytes) -> None:
    block = parse_headers(data)
    assert 0 <= block.body <= len(data)
    assert all(0 <= f.start < f.end <= block.body for f in block.fields)
    parse_facts(block)


@given(st.text(alphabet='a@b.c<>"(),;:\\ \t=?[]\r\n', max_size=60))
def test_a_from_has_an_address_or_a_reason(text: str) -> None:
    found = header_from("From: " + text)
    assert (found.address is None) != (found.fault is None)


@pytest.mark.parametrize(
    "data",
    [
        b"From: " + b"(" * 1_000_000 + b"\r\n\r\n",
        b"To: " + b"a@b.example, " * 80_000 + b"\r\nFrom: a@b.example\r\n\r\n",
        b"a" * 2_000_000,
        b"a" * 1000 + b" " * 1_000_000,
        b"X: y\r\n" * 300_000,
        b"X:" + b"\r\n " * 600_000,
        b"Message-ID: " + b"<" * 900_000 + b"\r\n\r\n",
        b"Auto-Submitted: " + b" " * 250_000 + b"x\r\n\r\n",
    ],
)
@pytest.mark.timeout(10)
def test_a_hostile_header_costs_no_more_than_its_length(data: bytes) -> None:
    """Each takes milliseconds; the guard is for what is quadratic or worse (a megabyte of it would run for minutes)."""
    parse_facts(parse_headers(data))
