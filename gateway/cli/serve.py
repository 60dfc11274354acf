# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway serve`: every configured listener and worker; SIGTERM drains."""

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from gateway import __version__
from gateway.app import Running, serving
from gateway.cli.processes import process_count, supervise
from gateway.cli.settings import loaded
from gateway.config import Config

_log = logging.getLogger(__name__)


def register(parser: argparse.ArgumentParser) -> None:
    """Add nothing: what is served stands in the configuration."""
    parser.set_defaults(func=_serve)


def _serve(args: argparse.Namespace) -> int:
    config = loaded(args)
    count = process_count(config)

    def serve(tell: Callable[[str], None]) -> None:
        run_loop(lambda: _until_stopped(config, tell, as_json=args.json))

    if count > 1:
        return supervise(count, serve, _print)
    serve(_print)
    return 0


async def _until_stopped(config: Config, tell: Callable[[str], None], *, as_json: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(config) as running:
        tell(_ready(running, as_json=as_json))
        await stop.wait()
        _log.info("draining", extra={"facts": {"version": __version__}})
    _log.info("stopped", extra={"facts": {"version": __version__}})


def run_loop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run on uvloop where it is installed: faster sockets, same meaning."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())


def _ready(running: Running, *, as_json: bool) -> str:
    """The line that says that every listener is bound."""
    doors = [{"kind": door.kind, "address": door.address} for door in running.bound]
    for door in doors:
        _log.info("listening", extra={"facts": {**door, "version": __version__}})
    return json.dumps({"ready": True, "listeners": doors}) if as_json else "ready"


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
