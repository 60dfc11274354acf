# SPDX-License-Identifier: Apache-2.0
"""Paths and parameters: what is meant comes through unchanged, what could be read in two ways does not come through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smtp.paths import BadPath, parse_mail, parse_rcpt


@pytest.mark.parametrize(
    ("argument", "address"),
    [
        ("FROM:<a@b>", "a@b"),
        ("from: <a@b>", "a@b"),
        ("FROM:<>", ""),
        ('FROM:<"a b"@c.d>', '"a b"@c.d'),
        ('FROM:<"q\\"x"@c>', '"q\\"x"@c'),
        ('FROM:<"a>b"@c>', '"a>b"@c'),
        ("FROM:<@x,@y:a@b>", "a@b"),
        ("FROM:<a@[192.0.2.1]>", "a@[192.0.2.1]"),
        ("FROM:<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]"),
        ("FROM:<a+x=y/z@c.d.>", "a+x=y/z@c.d."),
        ("FROM:<UPPER@Case>", "UPPER@Case"),
        ("FROM:<ü@ü>", "ü@ü"),
        ("FROM:<\udcff@b>", "\udcff@b"),
        ("FROM:<root>", "root"),
        ("FROM:a@b", "a@b"),
        ("FROM:<a..b@c>", "a..b@c"),
    ],
)
def test_addresses_come_through_as_they_are(argument: str, address: str) -> None:
    assert parse_mail(argument).address == address


@pytest.mark.parametrize(
    "argument",
    [
        None, "", "FROM", "FROM:", "TO:<a@b>", "FROM:<a@b", "FROM:a@b>", "FROM:<<a@b>>", "FROM:<>>", "FROM:<a b@c>",
        "FROM:<a@b><c@d>", "FROM:<a(comment)@b>", 'FROM:<"a@b>', "FROM:<a@b>x", "FROM:<a\x00@b>", "FROM:<a\r@b>",
        "FROM:<a@b>\r\nRCPT TO:<c>", "FROM:<a,b@c>", "FROM:<" + "a" * 1000 + "@b>", "FROM:<a@b c>", "FROM:<a@>",
        "FROM:<@b>",
    ],
)  # fmt: skip
def test_what_has_two_readings_has_none(argument: str | None) -> None:
    with pytest.raises(BadPath) as caught:
        parse_mail(argument)
    assert caught.value.answer.startswith(b"501 5.")


def test_parameters_keep_their_case_and_order() -> None:
    path = parse_mail("FROM:<a@b> size=10 Body=8bitMIME ENVID=Ab+3D RET=hdrs SMTPUTF8 AUTH=<>")
    assert path.parameters == ("size=10", "Body=8bitMIME", "ENVID=Ab+3D", "RET=hdrs", "SMTPUTF8", "AUTH=<>")
    assert (path.parameter("SIZE"), path.parameter("SMTPUTF8"), path.parameter("NOTIFY")) == ("10", "", None)
    rcpt = parse_rcpt("TO:<a@b> notify=Failure,DELAY ORCPT=rfc822;A+2Bb@C")
    assert rcpt.parameters == ("notify=Failure,DELAY", "ORCPT=rfc822;A+2Bb@C")


@pytest.mark.parametrize(
    "words",
    [
        "SIZE=", "SIZE", "SIZE=x", "SIZE=-1", "SIZE=1 size=2", "BODY=BINARYMIME", "RET=NONE", "ENVID=a=b", "ENVID=+zz",
        "ENVID=" + "x" * 101, "SMTPUTF8=YES", "=x", "SIZE=²",
    ],
)  # fmt: skip
def test_a_parameter_that_is_wrong_is_refused(words: str) -> None:
    with pytest.raises(BadPath) as caught:
        parse_mail(f"FROM:<a@b> {words}")
    assert caught.value.answer.startswith(b"501 5.5.4")


@pytest.mark.parametrize("words", ["REQUIRETLS", "MT-PRIORITY=4", "NOTIFY=NEVER", "BY=1;R"])
def test_an_unknown_parameter_is_named_so(words: str) -> None:
    with pytest.raises(BadPath) as caught:
        parse_mail(f"FROM:<a@b> {words}")
    assert caught.value.answer.startswith(b"555")


@pytest.mark.parametrize("words", ["NOTIFY=", "NOTIFY=NEVER,DELAY", "NOTIFY=X", "ORCPT=x", "ORCPT=;x"])
def test_recipient_parameters_are_looked_at(words: str) -> None:
    with pytest.raises(BadPath):
        parse_rcpt(f"TO:<a@b> {words}")


@given(st.text(max_size=60))
def test_no_argument_breaks_the_reader_and_none_lets_a_line_end_in(text: str) -> None:
    for parse in (parse_mail, parse_rcpt):
        for argument in (text, f"FROM:<{text}>", f"TO:<{text}>", f"FROM:<a@b> {text}", f"TO:<a@b> {text}"):
            try:
                path = parse(argument)
            except BadPath:
                continue
            assert not {"\r", "\n", "\0"} & set("".join((path.address, *path.parameters)))
            assert ">" not in path.address or '"' in path.address
