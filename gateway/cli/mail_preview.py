# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway mail preview KIND|all --out DIR`: mails as they would be sent, to look at before a guest does.

Each sample is written as .eml (whole), .html (its HTML part) and, where Chromium is found, .png. Branding, language and
templates are those of the configuration and, with `--domain`, of that domain.
"""

import argparse
import email
import email.policy
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from gateway.cli.open import opened, run
from gateway.cli.output import answer
from gateway.errors import Misconfigured
from gateway.flows.preview import build_preview
from gateway.imip.build import BuiltMail
from gateway.imip.samples import SAMPLES

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH, HEIGHT = 760, 1500
_PATIENCE = 60  # seconds for one picture; the first start of a browser is slow


def add_verbs(verbs: Any) -> None:
    """Add `preview` to the verbs of `mail`."""
    preview = verbs.add_parser("preview", help="write sample mails to look at: .eml, .html and .png")
    preview.add_argument("kind", metavar="KIND", choices=("all", *SAMPLES), help=f"all, {', '.join(SAMPLES)}")
    preview.add_argument("--domain", metavar="DOMAIN", help="with this domain's name, colours, logo and templates")
    preview.add_argument("--locale", metavar="LOCALE", help="in this language, such as de or pt-BR")
    preview.add_argument("--out", metavar="DIR", type=Path, required=True, help="the folder to write to")
    preview.add_argument(
        "--width", type=int, default=WIDTH, metavar="PIXELS", help=f"of the picture (default: {WIDTH})"
    )
    preview.add_argument("--dark", action="store_true", help="show the picture as a dark screen does")
    preview.set_defaults(func=run(_preview))


async def _preview(args: argparse.Namespace) -> int:
    names = tuple(SAMPLES) if args.kind == "all" else (args.kind,)
    async with opened(args) as context:
        mails = await build_preview(context, names, domain=args.domain, locale=args.locale)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    documents = [_write(args, name, mail, browser) for name, mail in mails.items()]
    lines = [f"{document['kind']}: {', '.join(document['files'])}" for document in documents]
    lines += [f"{name}: own template not used: {mail.fault}" for name, mail in mails.items() if mail.fault]
    if browser is None:
        lines.append(f"no pictures: none of {', '.join(BROWSERS)} is installed")
    return answer(args, {"previews": documents}, lines)


def _write(args: argparse.Namespace, name: str, mail: BuiltMail, browser: str | None) -> dict[str, Any]:
    eml, html, png = (args.out / f"{name}.{suffix}" for suffix in ("eml", "html", "png"))
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        eml.write_bytes(mail.data)
        html.write_text(html_part(mail.data), "utf-8")
    except OSError as error:
        raise Misconfigured("cannot-write", f"{error.filename}: {error.strerror}") from error
    files = [eml, html]
    if browser is not None and _photograph(browser, html, png, width=args.width, dark=args.dark):
        files.append(png)
    return {"kind": name, "subject": mail.subject, "files": [str(file) for file in files], "fault": mail.fault or None}


def html_part(data: bytes) -> str:
    """Return the HTML of a mail, its inline pictures put in place, so that it can be opened in a browser."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    part = message.get_body(("html",))
    html = str(part.get_content()) if part is not None else ""
    for inner in message.walk():
        cid = str(inner.get("Content-ID", "")).strip().strip("<>")
        if cid:
            picture = "".join(str(inner.get_payload()).split())
            html = html.replace(f"cid:{cid}", f"data:{inner.get_content_type()};base64,{picture}")
    return html


def _photograph(browser: str, html: Path, png: Path, *, width: int, dark: bool) -> bool:
    """Let a browser paint a page; tell whether it did. No network: what a mail fetches, it must not need."""
    with tempfile.TemporaryDirectory(prefix="imip-gateway-preview-") as profile:
        command = [
            browser, "--headless=new", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb",
            "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}", f"--window-size={width},{HEIGHT}",
            f"--screenshot={png.resolve()}", html.resolve().as_uri(),
        ]  # fmt: skip
        if dark:
            command.insert(1, "--blink-settings=preferredColorScheme=0")
        if os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # it refuses to start as root with one; the page is our own
        try:
            subprocess.run(command, check=True, timeout=_PATIENCE, capture_output=True)  # noqa: S603  # no shell; the words are ours
        except (OSError, subprocess.SubprocessError):
            return False
    return png.is_file()
