# SPDX-License-Identifier: Apache-2.0
"""Signed return paths: ours are read back in every spelling, nobody else's is."""

import pytest

from gateway.imip.verp import build_bounce_address, build_envid, parse_bounce_address, parse_envid

SECRET = b"s" * 32
TOKEN = "rcp4k2m9x0abcdefghjk"
ADDRESS = build_bounce_address(TOKEN, "cal.example.org", secret=SECRET)


def test_the_token_comes_back() -> None:
    assert parse_bounce_address(ADDRESS, secret=SECRET) == TOKEN
    assert parse_envid(build_envid(TOKEN, secret=SECRET), secret=SECRET) == TOKEN


def test_it_is_an_address_that_fits_everywhere() -> None:
    local, _, domain = ADDRESS.rpartition("@")
    assert local.startswith("bounce+")
    assert len(local) <= 64
    assert domain == "cal.example.org"
    assert ADDRESS.isascii()


@pytest.mark.parametrize("spelling", [ADDRESS.upper(), ADDRESS.replace("+", "-", 1), ADDRESS.split("+", 1)[1]])
def test_spellings_that_mail_systems_make_of_it_are_read(spelling: str) -> None:
    assert parse_bounce_address(spelling, secret=SECRET) == TOKEN


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "bounce@cal.example.org",
        "bounce+x@cal.example.org",
        ADDRESS.replace("rcp4", "rcp5"),
        ADDRESS.replace("@", "a@"),
        build_bounce_address(TOKEN, "cal.example.org", secret=b"another"),
        "bounce+" + "a" * 5000 + "-" + "b" * 16 + "@x",
        "bounce+\u212ap-aaaaaaaaaaaaaaaa@x",
    ],
)
def test_what_we_did_not_sign_is_nothing(forged: str) -> None:
    assert parse_bounce_address(forged, secret=SECRET) is None


@pytest.mark.parametrize("token", ["", "a-b", "Ab", "a b", "x" * 37])
def test_a_token_that_would_not_come_back_is_a_bug_of_ours(token: str) -> None:
    with pytest.raises(ValueError, match="not a token"):
        build_envid(token, secret=SECRET)
