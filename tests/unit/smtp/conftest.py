# SPDX-License-Identifier: Apache-2.0
"""Sockets behave alike on both event loops only if both are tried: every test here runs on asyncio's and on uvloop."""

import asyncio
from collections.abc import Callable, Mapping

import uvloop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
