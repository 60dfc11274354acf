# SPDX-License-Identifier: Apache-2.0
"""Headers and parts as an independent parser reads them: the standard library's."""

import email
import email.policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.imip.mime import (
    build_addr_spec,
    build_addresses,
    build_base64_part,
    build_header,
    build_message,
    build_multipart,
    build_text_part,
    clean_line,
)
from gateway.imip.presentation import Person

NAMES = [
    "Dana Rossi",
    "Rossi, Dana",
    'Dana "the Boss" Rossi',
    "Back\\slash",
    "Dana (Sales) <x>",
    "Zoë Łukasz",
    "山田 太郎",
    "Ünïcödé " * 12,
    "😀 Party 👩‍👩‍👧 team",
    "=?utf-8?Q?fake?=",
    "a@b.example",
    "Dr. Dana; Rossi: x",
    "x" * 119,
    "دانا روسي",
]


def parsed(*lines: str) -> EmailMessage:
    message = email.message_from_bytes(("\r\n".join(lines) + "\r\n\r\n").encode(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def decoded(line: str) -> str:
    """A header by the older parser: the newer one puts spaces between encoded words (CPython issue 92081)."""
    name, raw = email.message_from_string(f"{line}\r\n\r\n").items()[0]
    return (
        str(make_header(decode_header(parseaddr(raw)[0] if name == "To" else raw))).replace("\r", "").replace("\n", "")
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_display_name_survives(name: str) -> None:
    line, utf8 = build_addresses("To", [Person("lee@partner.example", name)])
    address = parsed(line)["To"].addresses[0]
    assert decoded(line) == clean_line(name)
    assert address.addr_spec == "lee@partner.example"
    assert not utf8
    assert all(len(piece) <= 998 and piece.isascii() for piece in line.split("\r\n"))


@pytest.mark.parametrize("text", [*NAMES, "Re: " + "long " * 100, "ä" * 300, "a" * 900, "", " x "])
def test_a_subject_survives(text: str) -> None:
    line = build_header("Subject", text)
    assert decoded(line).strip() == clean_line(text)
    assert all(len(piece) <= 78 and piece.isascii() for piece in line.split("\r\n"))


@given(st.text(max_size=120), st.text(max_size=200))
def test_nothing_can_end_a_line_or_add_a_header(name: str, subject: str) -> None:
    line, _ = build_addresses("To", [Person("lee@partner.example", name)])
    message = parsed(line, build_header("Subject", subject), "X-End: here")
    assert message.keys() == ["To", "Subject", "X-End"]
    assert message["To"].addresses[0].addr_spec == "lee@partner.example"
    assert not message.get_payload()


@pytest.mark.parametrize("text", ["a\r\nBcc: x@y.example", "a\nb", "a\x85b", "a\u2028b", "a\x00b", "a\x0bb", "\ud800"])
def test_line_ends_of_every_kind_become_spaces(text: str) -> None:
    line = build_header("Subject", text)
    assert len(line.split("\r\n")) == 1
    assert "\n" not in line
    assert parsed(line).keys() == ["Subject"]


def test_overrides_of_direction_are_taken_out() -> None:
    assert clean_line("invoice\u202efdp.exe\u2066") == "invoicefdp.exe"


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("lee@partner.example", "lee@partner.example"),
        ("lee.o'hara+x@partner.example", "lee.o'hara+x@partner.example"),
        ('"lee chan"@partner.example', '"lee chan"@partner.example'),
        ("lee chan@partner.example", '"lee chan"@partner.example'),
        ("a..b@partner.example", '"a..b"@partner.example'),
        ("lee@bücher.example", "lee@xn--bcher-kva.example"),
        ("lee@[192.0.2.1]", "lee@[192.0.2.1]"),
        ("用户@例え.example", "用户@xn--r8jz45g.example"),
    ],
)
def test_addresses_are_written_as_headers_want_them(address: str, written: str) -> None:
    assert build_addr_spec(address) == written


def test_an_international_local_part_needs_smtputf8() -> None:
    line, utf8 = build_addresses("To", [Person("用户@example.org", "User")])
    assert utf8
    assert "用户@example.org" in line


@pytest.mark.parametrize(
    "address",
    ["", "lee", "@x.example", "lee@", "a\r\nb@x.example", "a@b c.example", "a@b>c", "x" * 300 + "@d.e"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(Refused):
        build_addr_spec(address)


@pytest.mark.parametrize(
    "text", ["plain\nlines \n.\n..dots\n", "ä ö ü\n" * 50, "山" * 5000, "x" * 5000, "--=_b.a\n--=_b.a--\n", "=\n=_"]
)
def test_a_text_part_survives(text: str) -> None:
    part = build_multipart(
        "mixed", [build_text_part(text, "plain"), build_base64_part("application/ics", b"\0" * 500)], "=_b.a"
    )
    data = build_message(["Subject: x"], part)
    assert max(map(len, data.split(b"\r\n"))) <= 78
    assert b"\n" not in data.replace(b"\r\n", b"")
    message = email.message_from_bytes(data, policy=email.policy.default)
    first, second = message.iter_parts()
    assert first.get_content().replace("\r\n", "\n") == text
    assert second.get_content() == b"\0" * 500
