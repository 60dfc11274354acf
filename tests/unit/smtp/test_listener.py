# SPDX-License-Identifier: Apache-2.0
"""Binding: TCP and unix sockets, who may come in, processes that share an address, certificates that are renewed."""

import asyncio
import os
import shutil
import socket
import ssl
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.config.listeners import Address, is_within
from gateway.errors import Misconfigured
from gateway.imip.mail import Door as Kind
from gateway.smtp.listener import Binding, ServerTls
from tests.support.certificates import make_certificate
from tests.support.doors import House, Peer, opened
from tests.support.nexthop import NextHop


async def test_a_unix_socket_has_its_mode_and_goes_away_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "gateway"
    binding = Binding(Address(path=str(path)), peers=(ip_network("192.0.2.0/24"),), socket_mode=0o620)
    async with opened(binding=binding, kind=Kind.LMTP) as house:
        assert house.listener.address == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o620
        peer = await Peer.call(path=path)
        await peer.hello("LHLO")
        assert (await peer.mail(b"Subject: x\r\n\r\n")).startswith("250")
    assert b"from peer.test (local socket)\r\n\tby gw.test (imip-gateway) with LMTP id" in house.hop.taken[0].data
    assert not path.exists()


async def test_a_socket_that_a_dead_process_left_is_replaced_a_live_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "gateway"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    async with opened(binding=Binding(Address(path=str(path)))) as house:
        with pytest.raises(Misconfigured, match="another process"):
            await House(house.hop, binding=Binding(Address(path=str(path)))).start()
        assert (await (await Peer.call(path=path)).hello()).startswith("250")
    path.write_text("somebody's file")
    with pytest.raises(Misconfigured, match="no socket"):
        await House(NextHop(), binding=Binding(Address(path=str(path)))).start()


async def test_an_address_in_use_is_said_at_start() -> None:
    async with opened() as house:
        with pytest.raises(Misconfigured, match="cannot listen"):
            await House(house.hop, binding=Binding(Address(host="127.0.0.1", port=house.port))).start()


async def test_two_processes_may_share_an_address() -> None:
    async with opened(binding=Binding(Address(host="127.0.0.1"), reuse_port=True)) as house:
        second = House(house.hop, binding=Binding(Address(host="127.0.0.1", port=house.port), reuse_port=True))
        await second.start()
        for _ in range(20):  # the kernel shares the connections out
            peer = await Peer.call(house.port)
            await peer.hello()
            assert (await peer.mail(b"Subject: x\r\n\r\n")).startswith("250")
            await peer.close()
        await second.listener.drain(1)
    assert len(house.hop.taken) == 20


async def test_strangers_are_sent_away() -> None:
    binding = Binding(Address(host="127.0.0.1"), peers=(ip_network("192.0.2.0/24"),))
    async with opened(binding=binding) as house:
        peer = await Peer.call(house.port)
        assert (await peer.reply()).startswith("554 5.7.1")
        assert await peer.reply() == ""


@pytest.mark.parametrize(
    ("address", "inside"),
    [("127.0.0.9", True), ("::ffff:127.0.0.1", True), ("::1", True), ("fe80::1%eth0", False), ("10.0.0.1", False)],
)
def test_networks(address: str, inside: bool) -> None:
    assert is_within(address, (ip_network("127.0.0.0/8"), ip_network("::1"))) is inside
    assert is_within(None, ())
    assert not is_within("what", (ip_network("0.0.0.0/0"),))


async def test_implicit_tls(tls_files: tuple[Path, Path]) -> None:
    binding = Binding(Address(host="127.0.0.1"), tls=ServerTls(*tls_files), implicit_tls=True)
    async with opened(binding=binding, kind=Kind.SUBMISSION, tls_before_auth=True) as house:
        context = ssl.create_default_context(cafile=str(tls_files[0]))
        connected = await asyncio.open_connection("127.0.0.1", house.port, ssl=context, server_hostname="localhost")
        peer = Peer(*connected)
        hello = await peer.hello()
        assert "AUTH PLAIN LOGIN" in hello
        assert "STARTTLS" not in hello
        assert (await peer.say("AUTH PLAIN AGFubkB0LmV4YW1wbGUAc2VjcmV0")).startswith("235")
        big = b"From: ann@t.example\r\n\r\n" + b"x" * 70 * 1024 + b"\r\n"
        assert (await peer.mail(big, mail_from="ann@t.example")).startswith("250")
        await peer.say("QUIT")
    assert house.hop.taken[0].data.endswith(big)


async def test_a_renewed_certificate_is_served_without_a_restart(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        make_certificate(tmp_path / name, name)
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def install(name: str, when: int) -> None:
        for source, target in (("cert.pem", cert), ("key.pem", key)):
            shutil.copy(tmp_path / name / source, target)
            os.utime(target, (when, when))

    install("old", 1000)
    tls = ServerTls(cert, key)
    async with opened(binding=Binding(Address(host="127.0.0.1"), tls=tls, implicit_tls=True)) as house:

        async def served(name: str) -> bool:
            context = ssl.create_default_context(cafile=str(tmp_path / name / "cert.pem"))
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", house.port, ssl=context, server_hostname=name)
            except ssl.SSLCertVerificationError:
                return False
            writer.close()
            return True

        assert await served("old")
        install("new", 2000)
        later = asyncio.get_running_loop().time() + 1000
        tls.look(later)
        assert await served("new")
        cert.write_text("broken")
        tls.look(later + 1000)
        assert await served("new")


def test_a_certificate_that_cannot_be_used_is_said_at_start(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        ServerTls(tmp_path / "none", tmp_path / "none")
