# SPDX-License-Identifier: Apache-2.0
"""A real Chromium in front of a real HTTP server on loopback, for the pages of links."""

import asyncio
import contextlib
import json
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from gateway.config.listeners import Listener
from gateway.http.server import build_server
from tests.support.rsvp import RsvpWorld

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_ARGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
]


@asynccontextmanager
async def served(world: RsvpWorld) -> AsyncIterator[str]:
    """Serve the world's application; the URL it is at."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = build_server(world.app, Listener(kind="http"))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run the system's Chromium without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGS)
        try:
            yield browser
        finally:
            await browser.close()


async def axe(page: Page) -> list[str]:
    """Run axe-core on a page and return its violations, one line each."""
    source = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    await page.evaluate(source)
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    said: dict[str, Any] = json.loads(
        await page.evaluate(f"async () => JSON.stringify(await axe.run({{runOnly: {json.dumps(rules)}}}))")
    )
    return [f"{v['id']}: {v['help']}: {[node['html'][:160] for node in v['nodes']][:3]}" for v in said["violations"]]
