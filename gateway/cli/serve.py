# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway serve`: every configured listener and worker; SIGTERM drains."""

import argparse
import asyncio
import gc
import json
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from gateway import __version__
from gateway.app import Running, serving
from gateway.cli.settings import loaded

_log = logging.getLogger(__name__)


def register(parser: argparse.ArgumentParser) -> None:
    """Add nothing: what is served stands in the configuration."""
    parser.set_defaults(func=_serve)


def _serve(args: argparse.Namespace) -> int:
    config = loaded(args)

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        async with serving(config) as running:
            gc.freeze()  # what is alive now stays: no need to look through it again for every few mails
            gc.set_threshold(10_000)
            _tell(running, as_json=args.json)
            await stop.wait()
            _log.info("draining", extra={"facts": {"version": __version__}})
        _log.info("stopped", extra={"facts": {"version": __version__}})

    run_loop(main)
    return 0


def run_loop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run on uvloop where it is installed: faster sockets, same meaning."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())


def _tell(running: Running, *, as_json: bool) -> None:
    """Say `ready` on standard output once every listener is bound."""
    doors = [{"kind": door.kind, "address": door.address} for door in running.bound]
    line = json.dumps({"ready": True, "listeners": doors}) if as_json else "ready"
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
    for door in doors:
        _log.info("listening", extra={"facts": {**door, "version": __version__}})
