# SPDX-License-Identifier: Apache-2.0
"""Which calendars a mail holds, and what each may be used for (RFC 6047 §2.4 and the field's habits)."""

import base64
import email
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.imip.parse import DEFAULT_LIMITS, FoundCalendars, ParseLimits, Standing, find_calendar_parts
from gateway.imip.scan import may_hold_calendar


def calendar(method: str = "REQUEST", uid: str = "u1", extra: str = "") -> str:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//y//EN"]
    lines += [f"METHOD:{method}"] if method else []
    lines += ["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20261123T100000Z", "SUMMARY:Tea"]
    lines += [extra] if extra else []
    return "\r\n".join([*lines, "END:VEVENT", "END:VCALENDAR", ""])


def leaf(content_type: str, body: str | bytes, *headers: str) -> bytes:
    octets = body.encode() if isinstance(body, str) else body
    return "".join(f"{h}\r\n" for h in (f"Content-Type: {content_type}", *headers)).encode() + b"\r\n" + octets


def multipart(subtype: str, *parts: bytes, boundary: str = "b1") -> bytes:
    head = f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n\r\npreamble\r\n'.encode()
    return head + b"".join(f"--{boundary}\r\n".encode() + p + b"\r\n" for p in parts) + f"--{boundary}--\r\n".encode()


def mail(entity: bytes, *headers: str) -> bytes:
    lines = ("From: alice@example.org", "MIME-Version: 1.0", *headers)
    return "".join(f"{line}\r\n" for line in lines).encode() + entity


def find(entity: bytes, *headers: str, limits: ParseLimits = DEFAULT_LIMITS) -> FoundCalendars:
    return find_calendar_parts(mail(entity, *headers), limits=limits)


TEXT = leaf("text/plain; charset=utf-8", "You are invited\r\n")
HTML = leaf("text/html", "<p>You are invited</p>\r\n")
MARKED = leaf("text/calendar; charset=utf-8; method=REQUEST", calendar())


def seen(found: FoundCalendars) -> list[tuple[str, str, str]]:
    return [(part.path, part.standing.value, part.method) for part in found.parts]


def test_mail_without_a_calendar_has_none() -> None:
    assert find(multipart("alternative", TEXT, HTML)) == FoundCalendars()


def test_the_usual_invitation() -> None:
    found = find(multipart("mixed", multipart("alternative", TEXT, HTML, MARKED, boundary="in"), TEXT))
    assert seen(found) == [("1.3", "marked", "REQUEST")]
    assert found.parts[0].text == calendar()
    assert found.parts[0].uid == "u1"


def test_the_whole_mail_is_the_calendar() -> None:
    assert seen(find(leaf("text/calendar; method=REPLY", calendar("REPLY")))) == [("1", "marked", "REPLY")]


def test_an_attachment_with_a_method_counts() -> None:
    part = leaf("text/calendar; method=REQUEST", calendar(), "Content-Disposition: attachment; filename=x.ics")
    assert seen(find(multipart("mixed", TEXT, part))) == [("2", "marked", "REQUEST")]


def test_a_method_only_inside_counts_for_less() -> None:
    part = leaf("text/calendar; name=meeting.ics", calendar())
    assert seen(find(multipart("mixed", TEXT, part))) == [("2", "unmarked", "REQUEST")]


@pytest.mark.parametrize(
    "content_type",
    ["application/ics", 'application/octet-stream; name="invite.ICS"', "text/plain; name=invite.ics"],
)
def test_a_lone_file_is_a_candidate_and_a_file_beside_a_calendar_is_not(content_type: str) -> None:
    file = leaf(content_type, calendar(uid="u2"), "Content-Disposition: attachment")
    assert seen(find(multipart("mixed", TEXT, file))) == [("2", "attached", "REQUEST")]
    assert seen(find(multipart("mixed", MARKED, file))) == [("1", "marked", "REQUEST"), ("2", "ignored", "REQUEST")]
    assert [s for _, s, _ in seen(find(multipart("mixed", file, file)))] == ["attached", "ignored"]


def test_a_file_name_in_the_disposition_is_enough() -> None:
    file = leaf("application/octet-stream", calendar(), "Content-Disposition: attachment; filename*=utf-8''a%2Eics")
    assert seen(find(multipart("mixed", TEXT, file))) == [("2", "attached", "REQUEST")]


def test_copies_count_once() -> None:
    refolded = calendar().replace("SUMMARY:Tea", "SUMM\r\n ARY:Tea").replace("\r\n", "\n").encode()
    copy = leaf("application/ics", base64.encodebytes(refolded), "Content-Transfer-Encoding: base64")
    found = find(multipart("mixed", multipart("alternative", TEXT, MARKED, boundary="in"), copy))
    assert [part.standing for part in found.parts] == [Standing.MARKED, Standing.IGNORED]
    assert "copy" in found.parts[1].reason


def test_the_marked_version_of_one_object_wins() -> None:
    """Zoom sends a second version of the same event for other clients, without a method."""
    other = leaf("text/calendar; name=zoom.ics", calendar(extra="X-OTHER:1"))
    assert [p.standing for p in find(multipart("mixed", other, MARKED)).parts] == [Standing.IGNORED, Standing.MARKED]


def test_two_methods_for_two_instances_both_count() -> None:
    """RFC 6047 §2.4: different methods travel in separate parts of multipart/mixed."""
    first = leaf("text/calendar; method=REQUEST", calendar(extra="RECURRENCE-ID:20261201T100000Z"))
    second = leaf("text/calendar; method=CANCEL", calendar("CANCEL", extra="RECURRENCE-ID:20261208T100000Z"))
    assert len(find(multipart("mixed", first, second)).usable) == 2


def test_the_body_wins_over_the_parameter() -> None:
    """Meetup says REQUEST in the header and PUBLISH inside (interop Q08)."""
    found = find(leaf("text/calendar; method=REQUEST", calendar("PUBLISH")))
    assert (found.parts[0].method, found.parts[0].repairs) == ("PUBLISH", ("method-differs",))


def test_the_parameter_helps_where_the_body_has_none() -> None:
    found = find(leaf("text/calendar; method=request;; charset=UTF-8", calendar("")))
    assert (found.parts[0].method, found.parts[0].repairs) == ("REQUEST", ("method-only-in-header",))


@pytest.mark.parametrize(
    ("content_type", "text", "why"),
    [
        ("text/calendar", calendar(""), "no METHOD"),
        ("text/calendar; method=REQUEST", "not a calendar", "no VCALENDAR"),
        ("text/calendar; method=REQUEST", "", "no VCALENDAR"),
        ("text/calendar; method=EXPLODE", calendar("EXPLODE"), "not one of iTIP"),
        ("text/calendar; method=REQUEST", calendar("REQUEST\r\nMETHOD:CANCEL"), "two different"),
    ],
)
def test_what_is_no_message_is_ignored_with_a_reason(content_type: str, text: str, why: str) -> None:
    [part] = find(leaf(content_type, text)).parts
    assert part.standing is Standing.IGNORED
    assert why in part.reason


def test_a_method_of_a_second_calendar_or_inside_an_event_is_not_the_method() -> None:
    text = calendar("", extra="METHOD:CANCEL") + calendar("CANCEL")
    [part] = find(leaf("text/calendar", text)).parts
    assert part.method == ""


def test_a_forwarded_message_is_never_entered() -> None:
    inner = mail(multipart("alternative", TEXT, MARKED, boundary="fwd"))
    found = find(multipart("mixed", TEXT, leaf("message/rfc822", inner)))
    assert not found.parts
    assert [(note.code, note.path) for note in found.notes] == [("nested-message", "2")]


def test_a_digest_is_a_bag_of_forwarded_messages() -> None:
    found = find(multipart("digest", b"\r\n" + mail(MARKED)))
    assert not found.parts
    assert found.notes[0].code == "nested-message"


def test_a_signed_mail_is_read_and_known_as_signed() -> None:
    signature = leaf("application/pkcs7-signature", "AAAA")
    found = find(multipart("signed", multipart("alternative", TEXT, MARKED, boundary="in"), signature))
    assert seen(found) == [("1.2", "marked", "REQUEST")]
    assert found.signed
    assert find(MARKED, "DKIM-Signature: v=1").signed
    assert not find(MARKED).signed


@pytest.mark.parametrize(
    ("entity", "code"),
    [
        (multipart("encrypted", leaf("application/pgp-encrypted", "Version: 1"), MARKED), "encrypted"),
        (leaf("application/pkcs7-mime; smime-type=enveloped-data", "AAAA"), "encrypted"),
        (leaf("application/pkcs7-mime; smime-type=signed-data", "AAAA"), "opaque-signed"),
        (leaf("application/ms-tnef; name=winmail.dat", "AAAA"), "tnef"),
        (leaf("application/octet-stream; name=WinMail.dat", "AAAA"), "tnef"),
    ],
)
def test_what_cannot_be_looked_into_is_named(entity: bytes, code: str) -> None:
    for found in (find(entity), find(multipart("mixed", TEXT, entity, boundary="outer"))):
        assert not found.parts
        assert [note.code for note in found.notes] == [code]


def test_a_mail_that_says_twice_how_it_is_built_is_not_processed() -> None:
    """A second Content-Type above a signed mail would make its body read as something else (RFC 6376 §8.15)."""
    [part] = find(TEXT, "Content-Type: text/calendar; method=REQUEST").parts
    assert part.standing is Standing.IGNORED


UMLAUT = calendar(extra="LOCATION:Köln")


@pytest.mark.parametrize(
    ("charset", "octets", "honest"),
    [
        ("utf-8", UMLAUT.encode(), True),
        ("", b"\xef\xbb\xbf" + calendar(extra="LOCATION:Ulm").encode(), True),
        ("iso-8859-1", UMLAUT.encode(), False),
        ("iso-8859-1", UMLAUT.encode("latin-1"), True),
        ("windows-1252", UMLAUT.encode("cp1252"), True),
        ("", UMLAUT.encode("latin-1"), False),
        ("utf-16", UMLAUT.encode("utf-16"), True),
        ("utf-16le", UMLAUT.encode("utf-16-le"), True),
        ("utf-8", UMLAUT.encode("utf-16-be"), False),
        ("idna", UMLAUT.encode("latin-1"), False),
        ("unicode_escape", UMLAUT.encode("latin-1"), False),
        ("no-such-charset", UMLAUT.encode("latin-1"), False),
    ],
)
def test_the_text_is_read_whatever_the_charset_says(charset: str, octets: bytes, honest: bool) -> None:
    encoded = leaf(
        f"text/calendar; method=REQUEST; charset={charset}",
        base64.encodebytes(octets),
        "Content-Transfer-Encoding: base64",
    )
    [part] = find(encoded).parts
    assert part.standing is Standing.MARKED
    assert "LOCATION:Köln" in part.text or "LOCATION:Ulm" in part.text
    assert part.text.startswith("BEGIN:VCALENDAR")
    assert ("charset-differs" not in part.repairs) is honest


def test_a_fold_inside_a_character_is_no_lie_about_the_charset() -> None:
    octets = UMLAUT.encode().replace("ö".encode(), b"\xc3\r\n \xb6")
    [part] = find(leaf("text/calendar; method=REQUEST; charset=utf-8", octets)).parts
    assert "LOCATION:Köln" in part.text


@pytest.mark.parametrize(
    ("encoding", "octets"),
    [
        ("quoted-printable", quopri.encodestring(UMLAUT.encode())),
        ("QUOTED-PRINTABLE", UMLAUT.encode()),
        ("base64", base64.b64encode(UMLAUT.encode())),
        ("Base64", b" !\r\n" + base64.encodebytes(UMLAUT.encode()).rstrip(b"=\n") + b"\r\n"),
        ("8bit", UMLAUT.encode()),
        ("", UMLAUT.encode()),
    ],
)
def test_transfer_encodings(encoding: str, octets: bytes) -> None:
    [part] = find(leaf("text/calendar; method=REQUEST", octets, f"Content-Transfer-Encoding: {encoding}")).parts
    assert "LOCATION:Köln" in part.text
    assert part.standing is Standing.MARKED


@pytest.mark.parametrize("encoding", ["8-bit", "utf-8", "7bits"])
def test_an_encoding_that_is_none_of_mimes_may_still_be_read(encoding: str) -> None:
    """Some programs write what they think of; the calendar lies there in clear."""
    [part] = find(
        leaf("text/calendar; method=REPLY", calendar("REPLY"), f"Content-Transfer-Encoding: {encoding}")
    ).parts
    assert (part.standing, part.method) == (Standing.MARKED, "REPLY")


def test_an_unknown_transfer_encoding_is_named() -> None:
    [part] = find(leaf("text/calendar; method=REQUEST", "x", "Content-Transfer-Encoding: x-uuencode")).parts
    assert "transfer encoding" in part.reason


def test_a_big_inline_attachment_is_taken_out_and_a_big_calendar_is_not_read() -> None:
    limits = ParseLimits(max_calendar_bytes=10_000)
    attach = "ATTACH;FMTTYPE=image/png;ENCODING=BASE64;\r\n VALUE=BINARY:" + "A\r\n " * 5000
    [part] = find(leaf("text/calendar; method=REQUEST", calendar(extra=attach + "A")), limits=limits).parts
    assert (part.standing, part.repairs) == (Standing.MARKED, ("inline-attachment-removed",))
    assert "ATTACH" not in part.text
    [part] = find(leaf("text/calendar; method=REQUEST", calendar(extra="X-BIG:" + "A" * 20_000)), limits=limits).parts
    assert part.standing is Standing.IGNORED
    assert part.text == ""


def test_caps_are_named() -> None:
    deep = MARKED
    for level in range(15):
        deep = multipart("mixed", deep, boundary=f"level{level}")
    assert [note.code for note in find(deep).notes] == ["too-deep"]
    assert [note.code for note in find(multipart("mixed", *[TEXT] * 201)).notes] == ["too-many-parts"]
    assert [note.code for note in find(multipart("mixed", *[MARKED] * 11)).notes] == ["too-many-calendars"]


def test_sloppy_multiparts_are_read() -> None:
    usual = multipart("mixed", TEXT, MARKED)
    assert seen(find(usual.replace(b"\r\n", b"\n"))) == [("2", "marked", "REQUEST")]
    assert seen(find(usual.removesuffix(b"--b1--\r\n"))) == [("2", "marked", "REQUEST")]
    assert seen(find(usual.replace(b"--b1\r\n", b"--b1 \t\r\n"))) == [("2", "marked", "REQUEST")]
    assert seen(find(usual.replace(b'"b1"', b"b1"))) == [("2", "marked", "REQUEST")]
    assert seen(find(multipart("mixed", multipart("mixed", MARKED, boundary="b1-inner"), boundary="b1"))) == [
        ("1.1", "marked", "REQUEST")
    ]


@given(st.lists(st.sampled_from([TEXT, HTML, MARKED, leaf("text/calendar", calendar("CANCEL"))]), max_size=5))
def test_an_independent_reader_sees_the_same_calendars(parts: list[bytes]) -> None:
    octets = mail(multipart("mixed", multipart("alternative", *parts, boundary="in"), *parts))
    theirs = [p for p in email.message_from_bytes(octets).walk() if p.get_content_type() == "text/calendar"]
    ours = find_calendar_parts(octets).parts
    assert [p.get_payload(decode=True).decode().strip() for p in theirs] == [p.text.strip() for p in ours]  # type: ignore[union-attr]  # stubs say Message | str


PIECES = st.sampled_from(
    [
        *(b"\r\n", b"\n", b"--b1", b"--b1--", b"--in", b" ", b"\0", b"\xff\xfe", b"=", b"QkVHSU46"),
        *(b"Content-Type: multipart/mixed; boundary=b1", b"Content-Type: multipart/mixed; boundary=in"),
        *(b"Content-Type: text/calendar; method=REQUEST", b"Content-Transfer-Encoding: base64"),
        *(b"BEGIN:VCALENDAR", b"END:VCALENDAR", b"METHOD:REPLY"),
    ]
)


@given(st.lists(PIECES, max_size=40))
def test_no_structure_breaks_the_reader(pieces: list[bytes]) -> None:
    found = find_calendar_parts(b"".join(pieces))
    assert all(part.reason for part in found.parts if part.standing is Standing.IGNORED)


def nested(levels: int) -> bytes:
    heads = b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(levels))
    return heads + MARKED


@pytest.mark.parametrize(
    "entity",
    [
        nested(5000),
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n" * 1_000_000,
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x-\r\n" * 1_000_000,
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + (b"--x\r\n" + b"a:\r\n" * 5000) * 200,
        b"Content-Type: text/calendar" + b"; a=b" * 20_000 + b"\r\n\r\n",
        b"Content-Type: text/calendar; x=" + b" " * 200_000 + b"\r\n\r\n",
        b"Content-Type: text/calendar; x=" + b"\\" * 200_000 + b"\r\n\r\n",
        leaf("text/calendar; method=REQUEST", "BEGIN:VCALENDAR\r\n" * 30_000),
        leaf("text/calendar; method=REQUEST", "BEGIN:VCALENDAR\r\nATTACH;" + "\r\n " * 1_000_000),
        leaf("text/calendar; method=REQUEST", "BEGIN:VCALENDAR\r\n" + "ATTACH;\r\n" * 400_000),
        leaf("text/calendar; method=REQUEST", "BEGIN:VCALENDAR\r\nUID;" + "x" * 500_000),
        leaf("text/calendar; method=REQUEST", b"=" * 4_000_000, "Content-Transfer-Encoding: base64"),
    ],
)
@pytest.mark.timeout(10)
def test_a_hostile_structure_costs_no_more_than_its_length(entity: bytes) -> None:
    find(entity)


def test_a_file_whose_name_is_in_encoded_words() -> None:
    """Many programs write names so, though RFC 2047 §5 forbids it there."""
    for name in ("=?utf-8?B?SG9jaHplaXQuaWNz?=", "=?iso-8859-1?Q?M=FCller.ics?="):
        data = mail(leaf(f'application/octet-stream; name="{name}"', calendar()))
        assert may_hold_calendar(data)
        assert seen(find_calendar_parts(data)) == [("1", "attached", "REQUEST")]


def test_the_mail_that_says_another_method_does_not_say_this_one() -> None:
    """The METHOD inside wins (interop Q08), as one that the mail has not announced."""
    assert seen(find(leaf("text/calendar; method=REQUEST", calendar("CANCEL")))) == [("1", "unmarked", "CANCEL")]


def test_a_comment_on_the_transfer_encoding() -> None:
    body = base64.encodebytes(calendar().encode())
    found = find(leaf("text/calendar; method=REQUEST", body, "Content-Transfer-Encoding: base64 (as ever)"))
    assert seen(found) == [("1", "marked", "REQUEST")]


def test_blanks_before_the_calendar() -> None:
    [part] = find(leaf("text/calendar; method=REQUEST", "\r\n\r\n  " + calendar())).parts
    assert (part.method, part.text) == ("REQUEST", calendar())
