# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway demo [--keep]`: the main job on this machine, each step printed with what was seen.

The whole product runs as `serve` would run it, on free ports and in a folder of its own; the story below talks to it
from outside, over HTTP and SMTP, and reads the mails that reached the next hop. Exit status 1 if a step is not seen.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from gateway.app import Running, serving
from gateway.cli.demo_client import Missing
from gateway.cli.demo_story import Failed, Story, tell
from gateway.clock import OffsetClock
from gateway.config import Config, parse_config
from gateway.flows.accounts import NewAccount, add_account, find_account
from gateway.flows.events import import_calendar
from gateway.log import start_logging

#: The demo's day: the event of the story lies six days ahead.
DEMO_START = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
PASSWORD = "demo"  # noqa: S105  # of accounts that live as long as the demo

_CONFIG = """
[gateway]
hostname = "demo.example.org"
data_dir = "{folder}"
[relay]
url = "maildir:{folder}/next-hop"
[authn]
trusted_authserv_ids = ["mx.example.org"]
verify_dkim = false
[mail]
coalesce_delay = "0s"
[workers]
poll_interval = "50ms"
alarm_interval = "50ms"
[log]
level = "{level}"
[[listener]]
kind = "filter"
listen = "127.0.0.1:0"
[[listener]]
kind = "http"
listen = "127.0.0.1:0"
"""


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--keep", action="store_true", help="go on serving afterwards, to click and call")
    parser.add_argument("--folder", type=Path, help="where to keep everything (default: a temporary folder)")
    parser.add_argument("--verbose", action="store_true", help="show the program's log too")
    parser.set_defaults(func=lambda args: asyncio.run(_demo(args)))


async def _demo(args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="imip-gateway-demo-") as temporary:
        folder = (args.folder or Path(temporary)).resolve()
        config = parse_config(_CONFIG.format(folder=folder, level="INFO" if args.verbose else "ERROR"), "demo.toml")
        start_logging(config.log.level)
        return await _run(config, folder, keep=args.keep)


async def _run(config: Config, folder: Path, *, keep: bool) -> int:
    clock = OffsetClock(DEMO_START)
    async with serving(config, clock=clock) as running:
        await _people(running)
        story = Story(
            http=running.address("http"), smtp=running.address("filter"), next_hop=folder / "next-hop",
            password=PASSWORD, clock=clock, store_event=_importer(running),
        )  # fmt: skip
        try:
            await asyncio.to_thread(tell, story)
        except (Failed, Missing, OSError) as error:
            sys.stdout.write(f"\nNOT SEEN: {error}\n")
            return 1
        if keep:
            await _keep(story)
    return 0


def _importer(running: Running) -> Callable[[str, str], None]:
    """What `event import` does, callable from the story's thread."""
    loop = asyncio.get_running_loop()

    async def take(address: str, ical: str) -> None:
        account = await find_account(running.context, address)
        await import_calendar(running.context, account, ical, send=False)

    return lambda address, ical: asyncio.run_coroutine_threadsafe(take(address, ical), loop).result()


async def _people(running: Running) -> None:
    for address, name, admin in (("user1@example.org", "User One", True), ("user2@example.org", "User Two", False)):
        await add_account(
            running.context,
            NewAccount(address, name, PASSWORD, time_zone="Europe/Berlin", is_admin=admin),
        )


async def _keep(story: Story) -> None:
    sys.stdout.write(
        f"\nStill serving; stop with Ctrl-C.\n"
        f"  an answer page      {story.rsvp_page}\n"
        f"  JMAP                http://{story.http}/.well-known/jmap   user1@example.org / {PASSWORD}\n"
        f"  mail in (SMTP)      {story.smtp}\n"
        f"  mails that left     {story.next_hop}\n"
    )
    sys.stdout.flush()
    await asyncio.Event().wait()
