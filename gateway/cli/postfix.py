# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway postfix show | apply | check | undo`: the Postfix settings for each way to connect.

`apply` works through postconf, may be repeated, takes the place of another way that was applied before, and keeps what
stood there in `imip-gateway.undo.json` and in copies beside main.cf and master.cf, from which `undo` puts all back.
"""

import argparse
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from gateway.cli.findings import tell
from gateway.cli.output import answer
from gateway.cli.postconf import Postconf
from gateway.cli.postfix_check import check_wiring
from gateway.cli.postfix_settings import MODES, TRANSPORT, Wiring, wiring
from gateway.cli.settings import loaded
from gateway.config import Config
from gateway.config.listeners import Address
from gateway.errors import Misconfigured, Refused
from gateway.relay.url import Scheme, parse_relay_url

UNDO = "imip-gateway.undo.json"
_FILES = ("main.cf", "master.cf")
_BACKUP = ".before-imip-gateway"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    show = verbs.add_parser("show", help="print the settings, with the reason for each")
    apply = verbs.add_parser("apply", help="make the settings; may be repeated, can be undone")
    check = verbs.add_parser("check", help="find the mistakes in how Postfix and the gateway are connected")
    undo = verbs.add_parser("undo", help="put back what stood there before the first apply")
    for each in (show, apply):
        each.add_argument("--mode", required=True, choices=MODES, help="which way to connect")
        each.add_argument("--door", help="where the gateway listens (default: from its configuration)")
        each.add_argument(
            "--back", help="where Postfix takes mail back, host:port or unix:/path (default: from [relay] url)"
        )
        each.add_argument("--service", default="smtp/inet", help="mode proxy: the service that takes mail in")
    for each in (apply, check, undo):
        each.add_argument("--config-dir", type=Path, help="Postfix's config_directory (default: its own)")
    for each in (apply, undo):
        each.add_argument("--no-reload", action="store_true", help="do not reload Postfix")
    show.set_defaults(func=_show)
    apply.set_defaults(func=_apply)
    check.set_defaults(func=lambda args: tell(args, tuple(check_wiring(loaded(args), Postconf(args.config_dir)))))
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
    url = parse_relay_url(config.relay.url)
    if url.scheme is not Scheme.SMTP:
        raise Misconfigured("no-way-back", "[relay] url is not smtp://host:port or smtp:unix:/path; give --back")
    if url.path is None:
        return str(Address(host=url.host, port=url.port))
    if url.path.parent.name != "public":
        reason = f"[relay] url is {url}: Postfix listens in the folder `public` of its queue only"
        raise Misconfigured("no-way-back", reason)
    return f"unix:{url.path}"


def _show(args: argparse.Namespace) -> int:
    plan = _wiring(args)
    lines = ["# main.cf"]
    for name, value, why in plan.parameters:
        lines += [*_reason(why), f"{name} = {value}"]
    lines += ["", "# master.cf"]
    for service in plan.services:
        lines.append(f"{service.name:<20} {service.kind:<5} {service.columns}")
        for name, value, why in service.options:  # master.cf has no remarks at the end of a line
            lines += [*(f"  {line}" for line in _reason(why)), f"  -o {name}={value}"]
    for key, name, value, why in plan.overrides:
        lines += [f"# in the service {key}: {why}", f"  -o {name}={value}"]
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


def _apply(args: argparse.Namespace) -> int:
    plan = _wiring(args)
    postconf = Postconf(args.config_dir)
    if missing := {key for key, *_ in plan.overrides} - set(postconf.read().services):
        raise Refused("not-found", f"master.cf has no service {', '.join(missing)}; name the one that takes mail in")
    if args.mode == "proxy" and (blinded := _others_milters(postconf, args.service)):
        reason = f"{blinded} would see neither header nor body before a proxy (MILTER_README); lmtp goes with milters"
        raise Refused("milters", reason)
    if not (postconf.folder / UNDO).exists():
        for name in _FILES:
            shutil.copy2(postconf.folder / name, postconf.folder / f"{name}{_BACKUP}")
    kept, touched = _kept(postconf), _touched(plan)
    for kind, read in _READERS.items():
        for place in touched[kind]:
            if place not in kept[kind]:  # what stood there the first time: undo leads back to the beginning
                kept[kind][place] = read(postconf, place)
    _keep(postconf, kept)
    _restore(postconf, {kind: {p: v for p, v in kept[kind].items() if p not in touched[kind]} for kind in touched})
    milters = kept["main"].get("smtpd_milters")
    postconf.edit("-e", (f"{n}={_with_milter(n, milters, v)}" for n, v, _ in plan.parameters))
    for service in plan.services:
        postconf("-M", f"{service.key}={service.name} {service.kind} {service.columns}")
    postconf.edit("-P", (f"{service.key}/{n}={v}" for service in plan.services for n, v, _ in service.options))
    postconf.edit("-P", (f"{key}/{n}={v}" for key, n, v, _ in plan.overrides))
    left: _Kept = {kind: {p: v for p, v in kept[kind].items() if p in touched[kind]} for kind in touched}
    _keep(postconf, {**left, "left": _digests(postconf)})
    if not args.no_reload:
        postconf.reload()
    other = (kept["main"].get("content_filter") or "") if "content_filter" in touched["main"] else ""
    other = "" if other.startswith(f"{TRANSPORT}:") else other
    lines = [f"Postfix is connected as {plan.mode}; `imip-gateway postfix undo` puts back what was"]
    lines += [f"content_filter was {other}, which sees no mail now: see contrib/postfix for both"] if other else []
    document = {"mode": plan.mode, "config_directory": str(postconf.folder), "replaced": other or None}
    return answer(args, document, lines)


def _undo(args: argparse.Namespace) -> int:
    postconf = Postconf(args.config_dir)
    if not (postconf.folder / UNDO).exists():
        raise Refused("not-found", f"Nothing was applied: there is no {postconf.folder / UNDO}")
    kept = _kept(postconf)
    if kept.get("left") == _digests(postconf):  # nobody has touched them since: octet for octet what was there
        for name in _FILES:
            shutil.copyfile(postconf.folder / f"{name}{_BACKUP}", postconf.folder / name)
    else:
        _restore(postconf, kept)
    for name in (UNDO, *(f"{name}{_BACKUP}" for name in _FILES)):
        (postconf.folder / name).unlink(missing_ok=True)
    if not args.no_reload:
        postconf.reload()
    return answer(args, {"undone": True}, "Postfix is as it was before the first apply")


def _digests(postconf: Postconf) -> dict[str, str | None]:
    return {name: hashlib.sha256((postconf.folder / name).read_bytes()).hexdigest() for name in _FILES}


#: What stood at each place that we touched, by kind of place; None where nothing did.
_Kept = dict[str, dict[str, str | None]]
_READERS: dict[str, Callable[[Postconf, str], str | None]] = {
    "main": Postconf.set_in_file,
    "services": Postconf.service,
    "options": lambda postconf, place: postconf.option(*place.rsplit("/", 1)),
}


def _touched(plan: Wiring) -> dict[str, tuple[str, ...]]:
    return {
        "main": tuple(name for name, *_ in plan.parameters),
        "services": tuple(service.key for service in plan.services),
        "options": tuple(f"{key}/{name}" for key, name, *_ in plan.overrides),
    }


def _with_milter(name: str, present: str | None, value: str) -> str:
    """Our milter after those that were there: theirs write the results that we read."""
    return f"{present}, {value}" if name == "smtpd_milters" and present else value


def _others_milters(postconf: Postconf, service: str) -> str:
    """The milters of a service, without ours from an earlier apply."""
    kept = _kept(postconf)["main"]
    return kept["smtpd_milters"] or "" if "smtpd_milters" in kept else postconf.read().of(service, "smtpd_milters")


def _kept(postconf: Postconf) -> _Kept:
    path = postconf.folder / UNDO
    if not path.exists():
        return {"main": {}, "services": {}, "options": {}}
    kept: _Kept = json.loads(path.read_text(encoding="utf-8"))
    return kept


def _keep(postconf: Postconf, kept: _Kept) -> None:
    (postconf.folder / UNDO).write_text(json.dumps(kept, indent=1), encoding="utf-8")


def _restore(postconf: Postconf, kept: _Kept) -> None:
    """Put back what stood there: before the first apply, or before another way to connect was tried."""
    for kind, setting, removing in (("main", "-e", "-X"), ("options", "-P", "-P -X"), ("services", "-M", "-M -X")):
        values = {place: value for place, value in kept[kind].items() if value is not None}
        postconf.edit(removing, kept[kind].keys() - values.keys())
        postconf.edit(setting, (f"{place}={' '.join(value.split())}" for place, value in values.items()))
