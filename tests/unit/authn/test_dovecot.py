# SPDX-License-Identifier: Apache-2.0
"""Dovecot's auth socket, played by a few lines that speak its protocol."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.authn.dovecot import DovecotAuthenticator
from gateway.errors import Deferred

GREETING = b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t2\nCOOKIE\tabc\nDONE\n"


@asynccontextmanager
async def dovecot(path: Path, answer: str = "", greeting: bytes = GREETING) -> AsyncIterator[list[str]]:
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        while line := (await reader.readline()).decode().rstrip("\n"):
            asked.append(line)
            if line.startswith("AUTH\t"):
                _, login, password = b64decode(line.partition("resp=")[2]).decode().split("\0")
                known = (login, password) == ("ann@t.example", "secret")
                writer.write((answer or ("OK\t1\tuser=Ann@t.example" if known else "FAIL\t1\tuser=x")).encode() + b"\n")
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    async with server:
        yield asked


async def test_right_and_wrong(tmp_path: Path) -> None:
    async with dovecot(tmp_path / "auth") as asked:
        authenticator = DovecotAuthenticator(str(tmp_path / "auth"))
        login = await authenticator.authenticate("ann@t.example", "secret")
        assert login is not None
        assert (login.name, login.addresses) == ("Ann@t.example", {"ann@t.example"})
        assert login.may_use("ANN@T.example")
        assert not login.may_use("bob@t.example")
        assert await authenticator.authenticate("ann@t.example", "wrong") is None
    assert asked[0] == "VERSION\t1\t1"
    assert asked[2].startswith("AUTH\t1\tPLAIN\tservice=smtp\tsecured\tnologin\tresp=")


async def test_a_login_that_would_break_the_protocol_is_never_asked(tmp_path: Path) -> None:
    async with dovecot(tmp_path / "auth") as asked:
        authenticator = DovecotAuthenticator(str(tmp_path / "auth"))
        for login in ("", "a\tb", "a\nAUTH", "a\0b"):
            assert await authenticator.authenticate(login, "secret") is None
        assert await authenticator.authenticate("a", "x\0y") is None
    assert asked == []


@pytest.mark.parametrize("answer", ["FAIL\t1\tuser=x\ttemp", "FAIL\t1\tcode=temp_fail"])
async def test_a_temporary_failure_is_not_a_wrong_password(tmp_path: Path, answer: str) -> None:
    async with dovecot(tmp_path / "auth", answer):
        with pytest.raises(Deferred):
            await DovecotAuthenticator(str(tmp_path / "auth")).authenticate("ann@t.example", "secret")


async def test_no_dovecot_a_silent_one_and_a_strange_one_are_temporary(tmp_path: Path) -> None:
    authenticator = DovecotAuthenticator(str(tmp_path / "auth"), seconds=0.1)
    with pytest.raises(Deferred):
        await authenticator.authenticate("a", "b")
    async with dovecot(tmp_path / "auth", "NOTE\t1"):
        with pytest.raises(Deferred):
            await authenticator.authenticate("a", "b")
    (tmp_path / "auth").unlink(missing_ok=True)
    async with dovecot(tmp_path / "auth", greeting=b"VERSION\t9\t0\n"):
        with pytest.raises(Deferred):
            await authenticator.authenticate("a", "b")
