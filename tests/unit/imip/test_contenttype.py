# SPDX-License-Identifier: Apache-2.0
"""Content-Type as the field writes it: noise is forgiven, continued and encoded parameters are put together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.imip.contenttype import decode_text, decode_words, parse_content_type, parse_disposition


@pytest.mark.parametrize(
    ("value", "kind", "parameters"),
    [
        (None, "text/plain", {}),
        ("", "text/plain", {}),
        ("nonsense", "text/plain", {}),
        ("Text/Calendar", "text/calendar", {}),
        (" text / calendar ; METHOD = request ", "text/calendar", {"method": "request"}),
        ("text/calendar; method=REQUEST;; charset=UTF-8;", "text/calendar", {"method": "REQUEST", "charset": "UTF-8"}),
        ('a/b; name="x;y=\\"z\\""; n=1', "a/b", {"name": 'x;y="z"', "n": "1"}),
        ("a/b; x=1; x=2", "a/b", {"x": "1"}),
        ('a/b; x="open', "a/b", {"x": "open"}),
        ("a/b junk; x=1", "a/b", {"x": "1"}),
        ("(our) (own) a/b (x); x=1", "a/b", {"x": "1"}),
        ("a/b; junk; x=1", "a/b", {"x": "1"}),
        ("a/b; name*0=inv; name*1=ite.ics", "a/b", {"name": "invite.ics"}),
        ("a/b; name*=utf-8'de'K%C3%B6ln.ics", "a/b", {"name": "Köln.ics"}),
        ("a/b; name*0*=utf-8''K%C3%B6; name*1=ln.ics", "a/b", {"name": "Köln.ics"}),
    ],
)
def test_types_and_parameters(value: str | None, kind: str, parameters: dict[str, str]) -> None:
    found = parse_content_type(value)
    assert (found.value, dict(found.parameters)) == (kind, parameters)


def test_a_disposition_is_one_word_and_parameters() -> None:
    found = parse_disposition('Attachment; filename="a.ics"')
    assert (found.value, found.get("filename"), found.get("size")) == ("attachment", "a.ics", "")
    assert parse_disposition(None).value == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=?utf-8?B?SG9jaHplaXQuaWNz?=", "Hochzeit.ics"),
        ("=?iso-8859-1?Q?M=FCller_am?= =?iso-8859-1*de?q?_Montag.ics?=", "Müller am Montag.ics"),
        ("plain =?x?= =?utf-8?X?a?=.ics", "plain =?x?= =?utf-8?X?a?=.ics"),
    ],
)
def test_encoded_words(value: str, text: str) -> None:
    assert decode_words(value) == text


@given(st.text(max_size=200))
def test_every_value_is_read(value: str) -> None:
    decode_words(f"=?utf-8?Q?{value}?={value}")
    parse_content_type(value)
    parse_disposition(value)


@given(st.binary(max_size=200), st.text(max_size=20))
def test_every_text_is_decoded(octets: bytes, charset: str) -> None:
    decode_text(octets, charset)
