# SPDX-License-Identifier: Apache-2.0
"""Every script of `tests/dialogs`, as written, with each line in a packet of its own, and cut after every line."""

import asyncio
from pathlib import Path

import pytest

from gateway.imip.mail import Door as Kind
from tests.support.dialog import Script, octets_of, play, read_script
from tests.support.doors import Peer, opened
from tests.support.nexthop import NextHop

SCRIPTS = [read_script(path) for path in sorted((Path(__file__).parents[2] / "dialogs").glob("*.smtp"))]


def staged(script: Script) -> tuple[NextHop, Kind]:
    hop = NextHop(lmtp="lmtp-hop" in script.stage)
    for line in (*script.stage.get("hop", ()), *script.stage.get("lmtp-hop", ())):
        key, _, value = line.partition(" = ")
        hop.fixed[key] = value
    return hop, Kind(script.stage.get("kind", ["filter"])[0])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
async def test_the_dialog_goes_as_written(script: Script) -> None:
    hop, kind = staged(script)
    async with opened(hop, kind=kind) as house:
        await play(await Peer.call(house.port), script.steps)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
async def test_cut_after_any_line_nothing_is_half_done(script: Script) -> None:
    """Whoever leaves in the middle of a line leaves what was acknowledged, no more, and a door that serves on."""
    hop, kind = staged(script)
    said = [at for at, (who, _) in enumerate(script.steps) if who == "C"]
    async with opened(hop, kind=kind) as house:
        for cut in said:
            hop.taken.clear()
            peer = await Peer.call(house.port)
            await play(peer, script.steps[:cut])
            acknowledged = len(hop.taken)
            half = octets_of(script.steps[cut][1])[:-2]
            if half != b".":  # a dot and its line end may well arrive
                peer.write(half)
            await peer.close()
            async with asyncio.timeout(10):
                while house.listener.sessions:
                    await asyncio.sleep(0)
            assert len(hop.taken) == acknowledged
        if kind is not Kind.SUBMISSION:
            peer = await Peer.call(house.port)
            await peer.hello("LHLO" if kind is Kind.LMTP else "EHLO")
            assert (await peer.mail(b"Subject: still here\r\n\r\n")).startswith("250")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
async def test_octet_by_octet_the_answers_are_the_same(script: Script) -> None:
    hop, kind = staged(script)
    async with opened(hop, kind=kind) as house:
        peer = await Peer.call(house.port)
        for step in script.steps:
            if step[0] == "S":
                await play(peer, [step])
                continue
            for octet in octets_of(step[1]):
                peer.write(bytes([octet]))
                await asyncio.sleep(0)
