# SPDX-License-Identifier: Apache-2.0
"""Words put below somebody else's: they can be read there, and nothing else is another octet than before."""

from email import message_from_bytes, policy
from itertools import product

import pytest

from gateway.imip.footer import Footer, add_footer, find_places, is_words_and_calendar

FOOTER = Footer(plain=("Kommst du? Ja: größer https://x.example/1", "Will you come? Yes: https://x.example/1"),
                html='<p>Ja: gr\u00f6\u00dfer <a href="https://x.example/1">\u65e5</a></p>')  # fmt: skip
ENGLISH = FOOTER.plain[1]


def mail(*parts: str, kind: str = "alternative") -> bytes:
    head = f'From: a@x.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/{kind}; boundary="b"\r\n\r\nPreamble\r\n'
    return (head + "".join(f"--b\r\n{part}\r\n" for part in parts) + "--b--\r\nEpilogue\r\n").encode()


def part(kind: str, body: str, encoding: str = "", charset: str = "utf-8") -> str:
    line = f"Content-Transfer-Encoding: {encoding}\r\n" if encoding else ""
    return f"Content-Type: {kind}; charset={charset}\r\n{line}\r\n{body}"


def added(data: bytes) -> bytes:
    result = add_footer(data, find_places(data), FOOTER)
    assert result is not None
    return result


def texts(data: bytes) -> list[str]:
    message = message_from_bytes(data, policy=policy.default)
    return [leaf.get_content() for leaf in message.walk() if leaf.get_content_maintype() == "text"]


BODIES = {
    "": "Hello",
    "7bit": "Hello\r\n",
    "8bit": "Grüße\r\n",
    "quoted-printable": "Gr=C3=BC=C3=9Fe=\r\n und mehr =3D",
    "base64": "R3LDvMOfZQ==\r\n",
}


@pytest.mark.parametrize("encoding", list(BODIES))
def test_text_keeps_its_words_and_gets_ours_below(encoding: str) -> None:
    before = mail(part("text/plain", BODIES[encoding], encoding), part("text/calendar", "BEGIN:VCALENDAR"))
    old, new = texts(before)[0], texts(added(before))[0]
    wanted = FOOTER.plain[0] if encoding in ("8bit", "quoted-printable", "base64") else ENGLISH
    assert new.replace("\r\n", "\n").startswith(old.replace("\r\n", "\n").rstrip("\n"))
    assert new.rstrip().endswith(wanted)


@pytest.mark.parametrize(("encoding", "page"), list(product(["8bit", "quoted-printable"], [
    "<html><body><p>Hi</p></body></html>", "<p>Hi</p>", "<P>Hi</P></BODY\r\n></HTML>\r\n<!-- end -->",
])))  # fmt: skip
def test_html_gets_it_inside_the_body(encoding: str, page: str) -> None:
    (html,) = texts(added(mail(part("text/html", page, encoding))))
    assert "https://x.example/1" in html
    assert "gr&#246;&#223;er" in html
    body = html.lower().find("</body")
    assert body == -1 or html.index("x.example") < body


def test_every_other_octet_stays() -> None:
    before = mail(part("text/plain", "Hi", "8bit"), part("text/html", "<b>Hi</b>"), part("text/calendar", "X \t\r\n"))
    lines = iter(added(before).split(b"\r\n"))
    assert all(any(line in mine for mine in lines) for line in before.split(b"\r\n")), "in their order"


@pytest.mark.parametrize("charset", ["us-ascii", "iso-8859-1", "iso-2022-jp", "koi8-r", "windows-1252"])
def test_words_come_in_the_charset_of_the_part(charset: str) -> None:
    (text,) = texts(added(mail(part("text/plain", "Hello", "8bit", charset))))
    fits = charset in ("iso-8859-1", "windows-1252")
    assert text.rstrip().endswith(FOOTER.plain[0] if fits else ENGLISH)


@pytest.mark.parametrize(
    "odd",
    [
        part("text/plain", "-----BEGIN PGP SIGNED MESSAGE-----\r\n"),
        part("text/plain", "notes", charset="utf-16"),
        part("text/plain", "notes", charset="unicode_escape"),
        part("text/plain", "notes", "x-uuencode"),
        "Content-Type: text/plain\r\nContent-Disposition: attachment; filename=notes.txt\r\n\r\nnotes",
        'Content-Type: text/plain; name="notes.txt"\r\n\r\nnotes',
        "Content-Type: message/rfc822\r\n\r\nContent-Type: text/plain\r\n\r\ninner",
        part("text/calendar", "BEGIN:VCALENDAR"),
    ],
)
def test_no_room_where_nothing_should_be_added(odd: str) -> None:
    data = mail(odd, kind="mixed")
    assert find_places(data) == ()
    assert add_footer(data, (), FOOTER) is None


def test_one_footer_in_each_form_and_not_one_in_each_part() -> None:
    data = mail(part("text/plain", "one"), part("text/plain", "two"), part("text/html", "three"), kind="mixed")
    assert [("x.example" in text) for text in texts(added(data))] == [True, False, True]


def test_words_and_calendars_are_not_files() -> None:
    calendar = part("text/calendar", "BEGIN:VCALENDAR")
    assert is_words_and_calendar(mail(part("text/plain", "Hi"), calendar, part("application/ics", "X")))
    assert not is_words_and_calendar(
        mail(part("text/plain", "Hi"), calendar, "Content-Type: application/pdf\r\n\r\n%PDF")
    )
