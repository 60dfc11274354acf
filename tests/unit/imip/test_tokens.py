# SPDX-License-Identifier: Apache-2.0
"""Words of structured fields: what falls away, what stays together, what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.imip.tokens import parse_tokens


def words(value: str, specials: str = ";=") -> list[str]:
    return [
        f"{'_' if token.spaced else ''}{token.kind.value[0]}:{token.text}" for token in parse_tokens(value, specials)
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        ("a b", ["a:a", "_a:b"]),
        ("a(c)b", ["a:a", "_a:b"]),
        ("(a (b (c)) \\) ) x", ["_a:x"]),
        ('"a;b\\"c" ;d', ['q:a;b"c', "_s:;", "a:d"]),
        ("a;b=c", ["a:a", "s:;", "a:b", "s:=", "a:c"]),
        ('x"y"z', ["a:x", "q:y", "a:z"]),
        ("\r\n a\t(\r\n)\r\n b", ["_a:a", "_a:b"]),
    ],
)
def test_words(value: str, expected: list[str]) -> None:
    assert words(value) == expected


@pytest.mark.parametrize("value", ["(", "(a", ")a(", '"', 'a"b', "\\", "a\x00", "a\x7f", "(\\", '"\\'])
def test_sloppy_text_is_refused(value: str) -> None:
    with pytest.raises(Refused):
        parse_tokens(value, ";=")


@given(
    st.lists(st.from_regex(r"[a-z]{1,5}", fullmatch=True), max_size=6), st.sampled_from([" ", "(x)", "\t(a(b))\r\n "])
)
def test_comments_and_blanks_are_worth_the_same(atoms: list[str], between: str) -> None:
    assert [token.text for token in parse_tokens(between.join(atoms), ";=")] == atoms
