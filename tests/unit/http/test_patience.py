# SPDX-License-Identifier: Apache-2.0
"""Connections that say nothing, or never stop: the door stays open for others."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from gateway.config.listeners import Listener
from gateway.http.server import build_server
from tests.unit.http.conftest import World

HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


@asynccontextmanager
async def door(world: World, seconds: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the door on loopback, whose head may take so long."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = build_server(world.app, Listener(kind="http", command_timeout=timedelta(seconds=seconds)))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    try:
        async with asyncio.timeout(20):
            yield reader, writer
    finally:
        writer.close()
        server.should_exit = True
        await task


async def test_a_silent_connection_is_closed(world: World) -> None:
    async with door(world, 1) as (reader, _):
        assert await reader.read() == b""


async def test_a_head_that_never_ends_is_cut_off(world: World) -> None:
    async with door(world, 1) as (reader, writer):
        writer.write(HEAD)
        answer = asyncio.create_task(reader.read())
        while not answer.done():
            writer.write(b"X: y\r\n")
            await asyncio.wait({answer}, timeout=0.05)
        assert answer.result().startswith(b"HTTP/1.1 408 ")


async def test_a_head_without_measure_is_refused(world: World) -> None:
    async with door(world, 20) as (reader, writer):
        writer.write(HEAD + b"X: " + b"y" * 66_000)
        assert (await reader.read()).startswith(b"HTTP/1.1 431 ")


async def test_requests_one_after_the_other_each_have_their_time(world: World) -> None:
    async with door(world, 20) as (reader, writer):
        for _ in range(50):
            writer.write(HEAD + b"X: " + b"y" * 3000 + b"\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))


async def test_empty_lines_hold_no_connection_open(world: World) -> None:
    async with door(world, 1) as (reader, writer):
        writer.write(HEAD + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\r\n")
        await reader.read()
        assert reader.at_eof()
