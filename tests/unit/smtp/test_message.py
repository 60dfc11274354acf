# SPDX-License-Identifier: Apache-2.0
"""Reading a message: where it ends, which dots are its own, and what may not pass."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smtp import answers
from gateway.smtp.message import DataReader, Message


def read(wire: bytes, size: int, *, strict: bool = False) -> tuple[bytes, bytes | None, bytes | None]:
    """Feed octets in chunks; return message, what followed, and the fault."""
    reader, message, rest = DataReader(strict=strict), b"", None
    for at in range(0, len(wire), size):
        piece, rest = reader.feed(wire[at : at + size])
        message += piece
        if rest is not None:
            return message, rest + wire[at + size :], reader.fault
    return message, None, reader.fault


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"...a\r\n..\r\n.b\r\n.\r\n", b"..a\r\n.\r\nb\r\n"),
        (b"a.\r\n..\r\nb.c\r\n.\r\n", b"a.\r\n.\r\nb.c\r\n"),
        (b"bare\nlf and\rcr\r\n.\r\n", b"bare\nlf and\rcr\r\n"),
        (b"\x00\xff.\r\n.\r\n", b"\x00\xff.\r\n"),
    ],
)
def test_the_end_and_the_dots(wire: bytes, message: bytes, size: int) -> None:
    assert read(wire + b"QUIT\r\n", size) == (message, b"QUIT\r\n", None)


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\rx", b"\n.\rx", b"\r.\n"]
)
def test_nothing_that_others_take_for_an_end_passes(end: bytes, size: int) -> None:
    """The known smuggling sequences (SMTP smuggling, 2023): refused, and what follows is never a command of ours."""
    smuggled = b"MAIL FROM:<x@test>\r\n"
    _, rest, fault = read(b"a" + end + smuggled + b"\r\n.\r\nNOOP\r\n", size)
    assert (rest, fault) == (b"NOOP\r\n", answers.SMUGGLING)


def test_a_lone_dot_first_with_a_bare_end_is_refused_too() -> None:
    assert read(b".\nx\r\n.\r\n", 1)[2] == answers.SMUGGLING


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize("body", [b"a\nb", b"a\rb", b"\n", b"a\r", b"a\r\r\nb", b"a\n\r\n"])
def test_strictly_no_bare_line_end_passes(body: bytes, size: int) -> None:
    assert read(body + b"\r\n.\r\n", size, strict=True)[2] == answers.BARE_LINE_END


def test_strictly_good_mail_passes() -> None:
    assert read(b"a\r\n\r\n..b\r\n" + b"c" * 200_000 + b"\r\n.\r\n", 1000, strict=True)[2] is None


lines = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\r", b"").replace(b"\n", b"")), max_size=12)


@given(lines, st.integers(1, 30))
def test_whatever_is_stuffed_comes_out_as_it_was(content: list[bytes], size: int) -> None:
    message = b"".join(line + b"\r\n" for line in content)
    wire = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in content) + b".\r\n"
    assert read(wire + b"rest", size) == (message, b"rest", None)


@pytest.mark.parametrize("length", [65_530, 65_535, 65_536, 65_541, 300_000])
@pytest.mark.parametrize("size", [1400, 65_536])
def test_lines_of_any_length_pass(length: int, size: int) -> None:
    """aiosmtpd refuses lines over 1,000 octets with a 500, which bounces; Postfix sends longer ones if told to."""
    body = b"x" * length + b"\r\n" + b"." * 3 + b"y" * length + b"\r\n"
    assert read(body.replace(b"\r\n...", b"\r\n....") + b".\r\n", size) == (body, b"", None)


async def test_a_large_message_waits_on_disk_and_comes_back_whole() -> None:
    message = Message(spool_above=10)
    for _ in range(5):
        await message.add(b"0123456789a")
    await message.add(b"end")
    assert message.is_large
    assert message.size == 58
    assert await message.whole() == b"0123456789a" * 5 + b"end"
    body = message.body(b"head ")
    assert b"".join([piece async for piece in body]) == b"head " + b"0123456789a" * 5 + b"end"  # type: ignore[union-attr]
    message.close()


async def test_a_small_one_stays_in_memory() -> None:
    message = Message()
    await message.add(b"a")
    await message.add(b"b")
    assert not message.is_large
    assert (await message.whole(), message.body(b"head ")) == (b"ab", [b"head ", b"a", b"b"])


def test_spooling_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def spool() -> None:
        message = Message(spool_above=1)
        await message.add(b"some octets")
        assert list(tmp_path.iterdir()) == []

    asyncio.run(spool())
