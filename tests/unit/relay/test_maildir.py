# SPDX-License-Identifier: Apache-2.0
"""A folder as the next hop."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.imip.mail import Envelope, Rcpt
from gateway.relay.maildir import MaildirRelay

MAIL = b"Subject: x\r\n\r\n.body\r\n"


def kept(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in (folder / "new").iterdir())


async def test_each_recipient_gets_the_octets_with_the_envelope_on_top(tmp_path: Path) -> None:
    relay = MaildirRelay(tmp_path / "mail")
    results = await relay.deliver(Envelope("a@test", (Rcpt("b@test"), Rcpt("c@test"))), MAIL)
    assert all(result.ok for result in results)
    assert kept(tmp_path / "mail") == [
        b"Return-Path: <a@test>\r\nDelivered-To: b@test\r\n" + MAIL,
        b"Return-Path: <a@test>\r\nDelivered-To: c@test\r\n" + MAIL,
    ]
    assert not list((tmp_path / "mail" / "tmp").iterdir())


async def test_a_spooled_mail_and_the_null_sender(tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield MAIL[:7]
        yield MAIL[7:]

    handover = MaildirRelay(tmp_path).begin("")
    assert (await handover.rcpt(Rcpt("b@test"))).ok
    await handover.data(pieces())
    assert kept(tmp_path) == [b"Return-Path: <>\r\nDelivered-To: b@test\r\n" + MAIL]


async def test_many_at_once_never_meet(tmp_path: Path) -> None:
    relay = MaildirRelay(tmp_path)
    await asyncio.gather(*(relay.deliver(Envelope("", (Rcpt(f"r{n}@test"),)), MAIL) for n in range(20)))
    assert len(kept(tmp_path)) == 20


async def test_trouble_with_the_disk_is_temporary(tmp_path: Path) -> None:
    relay = MaildirRelay(tmp_path / "mail")
    assert (await relay.probe()).ok
    (tmp_path / "mail" / "tmp").rmdir()
    (result,) = await relay.deliver(Envelope("", (Rcpt("b@test"),)), MAIL)
    assert result.temporary
    assert not (await relay.probe()).ok


def test_a_folder_that_cannot_be_made_is_said_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured):
        MaildirRelay(tmp_path / "file" / "mail")
