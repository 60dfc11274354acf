# SPDX-License-Identifier: Apache-2.0
"""One person in every spelling of one address."""

import pytest

from gateway.itip.address import build_mailto, is_mailable, normal_address, plain_address, same_address

SAME = [
    ("mailto:jane@example.org", "MAILTO:jane@example.org"),
    ("mailto:Jane.Doe@example.org", "mailto:jane.doe@EXAMPLE.ORG"),
    ("mailto:jane%2Bcal@example.org", "jane+cal@example.org"),
    ("mailto:jane%2Edoe@example.org?subject=hello", "mailto:jane.doe@example.org"),
    ("  mailto:jane@example.org ", "<jane@example.org>"),
    ("mailto:jane@example.org.", "mailto:jane@example.org"),
    ("mailto:jane@bücher.example", "mailto:jane@xn--bcher-kva.example"),
    ("urn:uuid:ABC", "urn:uuid:abc"),
]
DIFFERENT = [
    ("mailto:jane@example.org", "mailto:joan@example.org"),
    ("mailto:jane+a@example.org", "mailto:jane@example.org"),
    ("mailto:jane@a.example", "mailto:jane@b.example"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_spellings_of_one_address_are_equal(first: str, second: str) -> None:
    assert same_address(first, second)
    assert normal_address(normal_address(first)) == normal_address(first)


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_other_people_are_other_people(first: str, second: str) -> None:
    assert not same_address(first, second)


def test_the_plain_address_keeps_the_spelling() -> None:
    assert plain_address("MAILTO:Jane.Doe@Example.ORG") == "Jane.Doe@Example.ORG"


@pytest.mark.parametrize(
    "text",
    [
        "invalid:nomail",
        "urn:uuid:0-1",
        "/123/principal/",
        "mailto:",
        "mailto:jane",
        "mailto:john%20doe%20%3Cx@y%3E",
        "mailto:a@b%0D%0ABcc:x@y.example",
        "mailto:ORGANIZERNAME",
        "http://a@b.example/",
    ],
)
def test_what_mail_cannot_reach_is_not_mailable(text: str) -> None:
    assert not is_mailable(text)


def test_built_addresses_read_back() -> None:
    for address in ("jane+cal@example.org", "a?b@example.org", "jürgen@example.org", "o'neil@example.org"):
        assert plain_address(build_mailto(address)) == address
