# SPDX-License-Identifier: Apache-2.0
"""The resolver against a real little name server on loopback: answers, absence, trouble, cache, deadline."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from gateway.authn.resolver import DnsResolver
from gateway.errors import Deferred


class NameServer(asyncio.DatagramProtocol):
    """Answers TXT questions from a table; an rcode in place of texts, or silence for None."""

    def __init__(self) -> None:
        self.table: dict[str, tuple[str, ...] | dns.rcode.Rcode | None] = {}
        self.asked: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        name = question.question[0].name.to_text().rstrip(".")
        self.asked.append(name)
        found = self.table.get(name, dns.rcode.NXDOMAIN)
        if found is None:
            return
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        if isinstance(found, tuple):
            if found:
                answer.answer.append(dns.rrset.from_text(name + ".", 300, "IN", "TXT", *found))
        else:
            answer.set_rcode(found)
        self.transport.sendto(answer.to_wire(), addr)


class Dns:
    """A name server, its resolver, and a clock to turn."""

    def __init__(self, server: NameServer, port: int) -> None:
        self.server, self.now = server, 0.0
        self.resolver = DnsResolver(
            ["127.0.0.1"], timeout=0.5, max_ttl=100, max_entries=3, clock=lambda: self.now, port=port
        )


@pytest.fixture
async def world() -> AsyncIterator[Dns]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    yield Dns(server, transport.get_extra_info("sockname")[1])
    transport.close()


async def test_strings_of_one_record_are_joined(world: Dns) -> None:
    world.server.table["k.example.org"] = ('"v=DKIM1; p=AB" "CD"', '"other"')
    assert set(await world.resolver.txt("k.example.org")) == {"v=DKIM1; p=ABCD", "other"}


async def test_an_answer_is_kept_for_a_while_whatever_the_case(world: Dns) -> None:
    world.server.table["k.example.org"] = ('"x"',)
    await world.resolver.txt("k.example.org")
    await world.resolver.txt("K.Example.org.")
    assert len(world.server.asked) == 1
    world.now = 101
    await world.resolver.txt("k.example.org")
    assert len(world.server.asked) == 2


async def test_absence_is_an_answer(world: Dns) -> None:
    world.server.table["empty.example.org"] = ()
    for name in ("none.example.org", "empty.example.org", "none.example.org"):
        assert await world.resolver.txt(name) == ()
    assert world.server.asked == ["none.example.org", "empty.example.org"]


@pytest.mark.parametrize("trouble", [dns.rcode.SERVFAIL, None])
async def test_trouble_is_no_answer_and_is_not_remembered(world: Dns, trouble: dns.rcode.Rcode | None) -> None:
    world.server.table["k.example.org"] = trouble
    with pytest.raises(Deferred) as caught:
        await world.resolver.txt("k.example.org")
    assert caught.value.code == "dns-trouble"
    world.server.table["k.example.org"] = ('"x"',)
    assert await world.resolver.txt("k.example.org") == ("x",)


async def test_many_who_ask_at_once_ask_once(world: Dns) -> None:
    world.server.table["k.example.org"] = ('"x"',)
    assert await asyncio.gather(*(world.resolver.txt("k.example.org") for _ in range(20))) == [("x",)] * 20
    assert len(world.server.asked) == 1


async def test_the_cache_is_bounded(world: Dns) -> None:
    for number in range(5):
        world.server.table[f"n{number}.example.org"] = ('"x"',)
        await world.resolver.txt(f"n{number}.example.org")
    world.server.asked.clear()
    await world.resolver.txt("n4.example.org")
    await world.resolver.txt("n0.example.org")
    assert world.server.asked == ["n0.example.org"]


@pytest.mark.parametrize("name", ["a..example.org", "x" * 64 + ".example.org", ("x" * 60 + ".") * 5 + "example.org"])
async def test_a_name_that_cannot_exist_has_no_records(world: Dns, name: str) -> None:
    assert await world.resolver.txt(name) == ()
