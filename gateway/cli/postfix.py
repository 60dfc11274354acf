# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway postfix show | apply | undo`: the Postfix settings for each way to connect.

`apply` works through postconf, may be repeated, and keeps what stood there before in `imip-gateway.undo.json` beside
main.cf, from which `undo` puts everything back.
"""

import argparse
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.cli.output import answer
from gateway.cli.postfix_settings import MODES, Wiring, wiring
from gateway.cli.settings import loaded
from gateway.config import Config
from gateway.errors import Misconfigured, Refused

UNDO = "imip-gateway.undo.json"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    show = verbs.add_parser("show", help="print the settings, with the reason for each")
    apply = verbs.add_parser("apply", help="make the settings; may be repeated, can be undone")
    undo = verbs.add_parser("undo", help="put back what stood there before the first apply")
    for each in (show, apply):
        each.add_argument("--mode", required=True, choices=MODES, help="which way to connect")
        each.add_argument("--door", help="where the gateway listens (default: from its configuration)")
        each.add_argument("--back", help="where Postfix takes mail back (default: from [relay] url)")
        each.add_argument("--service", default="smtp/inet", help="mode proxy: the service that takes mail in")
    for each in (apply, undo):
        each.add_argument("--config-dir", type=Path, help="Postfix's config_directory (default: its own)")
        each.add_argument("--no-reload", action="store_true", help="do not reload Postfix")
    show.set_defaults(func=_show)
    apply.set_defaults(func=_apply)
    undo.set_defaults(func=_undo)


def _wiring(args: argparse.Namespace) -> Wiring:
    config = loaded(args)
    return wiring(args.mode, args.door or _door(config, args.mode), args.back or _back(config), entry=args.service)


def _door(config: Config, mode: str) -> str:
    kind = "filter" if mode == "proxy" else mode
    found = next((str(listener.address) for listener in config.listeners if listener.kind == kind), None)
    if found is None:
        raise Misconfigured("no-listener", f"The configuration has no [[listener]] of kind {kind}; give --door")
    return found


def _back(config: Config) -> str:
    parts = urlsplit(config.relay.url)
    if parts.scheme == "smtp" and parts.hostname:
        return f"{parts.hostname}:{parts.port or 25}"
    raise Misconfigured("no-way-back", "[relay] url is not smtp://host:port; give --back")


def _show(args: argparse.Namespace) -> int:
    plan = _wiring(args)
    lines = ["# main.cf"]
    for name, value, why in plan.parameters:
        lines += [*_reason(why), f"{name} = {value}"]
    lines += ["", "# master.cf"]
    for service in plan.services:
        lines.append(f"{service.name:<20} {service.kind:<5} {service.columns}")
        for name, value, why in service.options:
            lines.append(f"  -o {name}={value}" + (f"    # {why}" if why else ""))
    for key, name, value, why in plan.overrides:
        lines.append(f"# in the service {key}: {why}\n  -o {name}={value}")
    document = {
        "mode": plan.mode,
        "main.cf": {name: value for name, value, _ in plan.parameters},
        "master.cf": [
            {"service": s.key, "columns": s.columns, "options": {n: v for n, v, _ in s.options}} for s in plan.services
        ],
        "overrides": [{"service": key, "name": name, "value": value} for key, name, value, _ in plan.overrides],
    }
    return answer(args, document, lines)


def _reason(why: str) -> list[str]:
    return [f"# {why}"] if why else []


class _Postconf:
    """Postfix's own tool for its own files."""

    def __init__(self, config_dir: Path | None) -> None:
        program = shutil.which("postconf") or "/usr/sbin/postconf"
        if not Path(program).exists():
            raise Refused("not-found", "There is no Postfix on this machine (no postconf)")
        self._words = [program, *(["-c", str(config_dir)] if config_dir else [])]
        self.folder = config_dir or Path(self("-h", "config_directory"))

    def __call__(self, *words: str) -> str:
        done = subprocess.run([*self._words, *words], capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            raise Refused("postconf", f"postconf {' '.join(words)}: {done.stderr.strip()[:300]}")
        return done.stdout.strip()

    def set_in_file(self, name: str) -> str | None:
        """A parameter as main.cf sets it; None where it stands at its default."""
        line = self("-n", name)
        return line.partition("=")[2].strip() if "=" in line else None

    def service(self, key: str) -> str | None:
        """A master.cf entry as one text; None where there is none."""
        return self("-M", key) or None

    def option(self, key: str, name: str) -> str | None:
        line = self("-P", f"{key}/{name}")
        return line.partition("=")[2].strip() if "=" in line else None


def _apply(args: argparse.Namespace) -> int:
    plan = _wiring(args)
    postconf = _Postconf(args.config_dir)
    before = _before(postconf, plan)
    for name, value, _ in plan.parameters:
        if name == "smtpd_milters":
            value = _with_milter(before["main"].get(name), value)
        postconf("-e", f"{name}={value}")
    for service in plan.services:
        postconf("-M", f"{service.key}={service.name} {service.kind} {service.columns}")
        for name, value, _ in service.options:
            postconf("-P", f"{service.key}/{name}={value}")
    for key, name, value, _ in plan.overrides:
        postconf("-P", f"{key}/{name}={value}")
    _reload(args, postconf)
    text = f"Postfix is connected as {plan.mode}; `imip-gateway postfix undo` puts back what was"
    return answer(args, {"mode": plan.mode, "config_directory": str(postconf.folder)}, text)


def _with_milter(present: str | None, ours: str) -> str:
    """Our milter after those that are there: theirs write the results that we read."""
    return f"{present}, {ours}" if present else ours


def _before(postconf: _Postconf, plan: Wiring) -> dict[str, Any]:
    """Remember what stood there, the first time only: undo leads back to the beginning."""
    path = postconf.folder / UNDO
    if path.exists():
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    else:
        kept = {"main": {}, "services": {}, "options": {}}
    for name, _, _ in plan.parameters:
        kept["main"].setdefault(name, postconf.set_in_file(name))
    for service in plan.services:
        kept["services"].setdefault(service.key, postconf.service(service.key))
    for key, name, _, _ in plan.overrides:
        kept["options"].setdefault(f"{key}/{name}", postconf.option(key, name))
    path.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    return kept


def _undo(args: argparse.Namespace) -> int:
    postconf = _Postconf(args.config_dir)
    path = postconf.folder / UNDO
    if not path.exists():
        raise Refused("not-found", f"Nothing was applied: there is no {path}")
    kept = json.loads(path.read_text(encoding="utf-8"))
    for name, value in kept["main"].items():
        postconf("-X", name) if value is None else postconf("-e", f"{name}={value}")
    for key, line in kept["services"].items():
        if line is None:
            postconf("-M", "-X", key)
        else:
            postconf("-M", f"{key}={' '.join(line.split())}")
    for place, value in kept["options"].items():
        postconf("-P", "-X", place) if value is None else postconf("-P", f"{place}={value}")
    path.unlink()
    _reload(args, postconf)
    return answer(args, {"undone": True}, "Postfix is as it was before the first apply")


def _reload(args: argparse.Namespace, postconf: _Postconf) -> None:
    if args.no_reload:
        return
    program = shutil.which("postfix") or "/usr/sbin/postfix"
    subprocess.run([program, "-c", str(postconf.folder), "reload"], capture_output=True, check=False)  # noqa: S603
