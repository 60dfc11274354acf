# SPDX-License-Identifier: Apache-2.0
"""The cheap look: it may say "perhaps" too often, but never "no" to a mail in which a calendar is found."""

import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.imip.parse import find_calendar_parts
from gateway.imip.scan import may_hold_calendar

TOP = b"From: a@test\r\nMIME-Version: 1.0\r\n"
FILLER = (b"=" * 70 + b"\r\n") * 60  # behind it a mail is no small one any more, and its boundaries are looked for


def seen(mail: bytes) -> bool:
    """Is a calendar seen here, in the small mail as in the same made large?"""
    small, large = may_hold_calendar(mail), may_hold_calendar(mail + FILLER)
    assert small is large
    return small


@pytest.mark.parametrize(
    "field",
    [
        b"Content-Type: text/calendar; method=REPLY",
        b"CONTENT-TYPE:TEXT/CALENDAR",
        b"content-type:\r\n\ttext/calendar;\r\n method=REQUEST",
        b"Content-Type : text/calendar",
        b'Content-Type: "text/calendar"',
        b"Content-Type: application/ics; name=x",
        b"Content-Type: text/x-vcalendar",
        b"Content-Type: application/ms-tnef; name=winmail.dat",
        b"Content-Type: application/vnd.ms-tnef",
        b"Content-Type: application/octet-stream;\r\n name=INVITE.ICS",
        b'Content-Type: application/octet-stream\r\nContent-Disposition: attachment;\r\n\tfilename="a.ics"',
        b"Content-Transfer-Encoding: base64\r\nContent-Type: text/calendar",
        b'Content-Type: application/octet-stream; name="=?utf-8?B?w7xiZXIuaWNz?="',
        b"Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename*0=a.i; filename*1=cs",
    ],
)
def test_every_form_is_seen_as_whole_mail_and_as_a_part(field: bytes) -> None:
    assert seen(TOP + field + b"\r\n\r\nQkVHSU4=\r\n")
    assert seen(field + b"\r\n\r\n")
    assert may_hold_calendar(TOP + field)
    assert seen((TOP + field + b"\r\n\r\nQkVHSU4=\r\n").replace(b"\r\n", b"\n"))
    inner = b"--in\r\n" + field + b"\r\n\r\nQkVHSU4=\r\n--in--\r\n"
    outer = b"--out=_1\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n" + inner + b"--out=_1--\r\n"
    mail = TOP + b'Content-Type: multipart/mixed;\r\n boundary="out=_1"\r\n\r\npreamble\r\n' + outer
    assert seen(mail)
    assert seen(mail.replace(b"\r\n", b"\n"))


@pytest.mark.parametrize(
    "boundary", [b"boundary*=utf-8''in", b"boundary*0=i;\r\n boundary*1=n", b'boundary="i\\n"', b"boundary=(c)in", b""]
)
def test_a_boundary_that_is_hard_to_read_hides_nothing(boundary: bytes) -> None:
    part = b"--in\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\n--in--\r\n"
    assert seen(TOP + b"Content-Type: multipart/mixed; " + boundary + b"\r\n\r\n" + part)


def test_plain_mail_is_let_go() -> None:
    body = b"\r\nSee text/calendar and invite.ics\r\nwinmail.dat\r\n"
    assert not seen(TOP + b"Subject: calendar, a.ics\r\n" + body)
    assert not seen(TOP + b"Content-Type: text/plain\r\n" + body)
    html = b"--x\r\nContent-Type: text/html\r\n\r\n<a href=/calendar>\r\n"
    parts = html + b"--x\r\nContent-Type: image/png; name=graphics.png\r\n\r\nAA==\r\n--x--\r\n"
    assert not seen(TOP + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + parts)
    assert not seen(b"")


def test_many_parts_and_deep_nesting_are_looked_through() -> None:
    many = b"".join(b"--x\r\nContent-Type: text/plain\r\n\r\na\r\n" for _ in range(2000))
    mail = TOP + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + many
    assert not may_hold_calendar(mail)
    assert may_hold_calendar(mail + b"--x\r\nContent-Type: text/calendar\r\n\r\n")
    deep = b"".join(b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1) for n in range(100))
    assert may_hold_calendar(
        TOP
        + b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n"
        + deep
        + b"--b100\r\nContent-Type: text/calendar\r\n\r\n"
    )


def odd_case(text: bytes, seed: int) -> bytes:
    chance = random.Random(seed)
    return bytes(c ^ 0x20 if chr(c).isalpha() and chance.random() < 0.5 else c for c in text)


leaf = st.sampled_from(
    [
        b"Content-Type: text/plain\r\n\r\nhello\r\n",
        b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>--x\r\n",
        b"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n",
        b"Content-Type:\r\n text/calendar;\r\n method=REPLY\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n",
        b"Content-Type: application/ics\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n",
        b'Content-Type: application/octet-stream; name="x.ics"\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n',
        b"Content-Type: application/ms-tnef\r\n\r\nx\r\n",
        b"\r\nno header\r\n",
    ]
)


@st.composite
def multipart(draw: st.DrawFn, depth: int = 0) -> bytes:
    boundary = draw(st.sampled_from([b"x", b"xx", b"=_a b", b"----=_Part_1", b"y:z"]))
    child = leaf if depth > 2 else st.one_of(leaf, multipart(depth + 1))
    parts = draw(st.lists(child, max_size=3))
    quote = b'"' if draw(st.booleans()) or b" " in boundary or b":" in boundary else b""
    space = draw(st.sampled_from([b" ", b"\r\n\t", b""]))
    head = b"Content-Type: multipart/mixed;" + space + b"boundary=" + quote + boundary + quote + b"\r\n\r\n"
    return head + b"".join(b"--" + boundary + b"\r\n" + part for part in parts) + b"--" + boundary + b"--\r\n"


@given(multipart(), st.integers(0, 10**6), st.booleans())
def test_never_no_where_a_calendar_is_found(mail: bytes, seed: int, lf_only: bool) -> None:
    fields, _, body = mail.partition(b"boundary=")
    data = TOP + odd_case(fields, seed) + b"boundary=" + body
    if lf_only:
        data = data.replace(b"\r\n", b"\n")
    found = find_calendar_parts(data)
    if found.parts or any(note.code == "tnef" for note in found.notes):
        assert may_hold_calendar(data)
        assert may_hold_calendar(data + FILLER)


@given(st.binary(max_size=400))
def test_any_octets_are_answered(data: bytes) -> None:
    assert may_hold_calendar(data) in (True, False)


@pytest.mark.parametrize(
    "unit", [b"\n--x", b"\n--x\n\n", b"\ncontent-", b"-", b"\n", b"content-type: multipart/x; boundary=x\n"]
)
def test_hostile_megabytes_cost_a_bounded_number_of_looks(unit: bytes) -> None:
    """A megabyte of each was made to hurt one of the loops; all must end (the runner's timeout judges)."""
    data = TOP + b"Content-Type: multipart/mixed; boundary=x\r\n" + unit * (2**20 // len(unit))
    assert may_hold_calendar(data) in (True, False)
    assert may_hold_calendar(base64.encodebytes(data)) is False
