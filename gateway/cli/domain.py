# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway domain add | list | show | set`: mail domains, their DKIM keys and how their mails look."""

import argparse
import base64
import mimetypes
from pathlib import Path
from typing import Any

from gateway.cli.open import opened, run
from gateway.cli.output import answer, table
from gateway.errors import Refused
from gateway.flows import accounts
from gateway.flows.context import Context
from gateway.relay.sign import Algorithm, dns_record, make_key
from gateway.store.accounts import DkimKey

MAX_LOGO_BYTES = 64 * 1024
_KINDS: dict[str, Algorithm] = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}
ALGORITHMS = tuple(_KINDS)


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    add = verbs.add_parser("add", help="take responsibility for a domain, make a DKIM key, print the DNS records")
    show = verbs.add_parser("show", help="one domain with its DNS records")
    change = verbs.add_parser("set", help="how the mails of a domain look")
    listing = verbs.add_parser("list", help="every domain")
    for each in (add, show, change):
        each.add_argument("domain", metavar="DOMAIN")
    add.add_argument(
        "--dkim-selector", default="imip", help="name of the key in DNS; a second one rotates (default: imip)"
    )
    add.add_argument("--dkim-algorithm", default=ALGORITHMS[0], choices=ALGORITHMS)
    add.add_argument("--no-dkim", action="store_true", help="make no key: Postfix signs")
    change.add_argument("--name", help="name of the service in mails of this domain")
    change.add_argument("--locale", help="language where a guest's is not known")
    change.add_argument("--accent", help="colour of buttons and links, such as #1d4ed8")
    change.add_argument("--footer", help="a line below each mail")
    change.add_argument("--alarm-from-name", help="display name in From of this domain's alarm mails")
    change.add_argument("--alarm-from-email", help="address in From of them; empty = the instance's")
    change.add_argument("--logo", type=Path, help=f"PNG, JPEG, GIF or WebP of at most {MAX_LOGO_BYTES // 1024} KiB")
    change.add_argument("--retire-selector", help="stop signing with this key; its record may go when mails have aged")
    add.set_defaults(func=run(_add))
    show.set_defaults(func=run(_show))
    change.set_defaults(func=run(_set))
    listing.set_defaults(func=run(_list))


async def _add(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        domain = await accounts.add_domain(context, args.domain)
        if not args.no_dkim:
            await _ensure_key(context, domain.name, args.dkim_selector, args.dkim_algorithm)
        document = await _document(context, domain.name)
    return answer(args, document, _lines(document))


async def _ensure_key(context: Context, domain: str, selector: str, algorithm: str) -> None:
    key = DkimKey(domain, selector, algorithm, make_key(_KINDS[algorithm]).decode(), True, context.clock.now())
    known = await context.store.read(lambda unit: unit.accounts.dkim_keys(domain))
    if all(each.selector != selector for each in known):
        await context.store.write(lambda unit: unit.accounts.put_dkim_key(key))


async def _show(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        document = await _document(context, accounts.normal_domain(args.domain))
    return answer(args, document, _lines(document))


async def _list(args: argparse.Namespace) -> int:
    async with opened(args) as context:
        domains = await context.store.read(lambda unit: unit.accounts.domains())
        documents = [await _document(context, domain.name) for domain in domains]
    rows = [(each["domain"], ", ".join(key["selector"] for key in each["dkim"]) or "no key") for each in documents]
    return answer(args, {"domains": documents}, table(rows) or "no domains")


_LOOKS = ("name", "locale", "accent", "footer", "alarm_from_name", "alarm_from_email")


async def _set(args: argparse.Namespace) -> int:
    name = accounts.normal_domain(args.domain)
    given: dict[str, Any] = {key: getattr(args, key) for key in _LOOKS}
    if args.logo:
        given["logo"] = _logo(args.logo)
    async with opened(args) as context:
        await accounts.change_domain(context, name, given, retire_selector=args.retire_selector)
        document = await _document(context, name)
    return answer(args, document, f"{name} changed")


def _logo(path: Path) -> dict[str, str]:
    kind = mimetypes.guess_type(path.name)[0] or ""
    data = path.read_bytes()
    if kind not in ("image/png", "image/jpeg", "image/gif", "image/webp") or len(data) > MAX_LOGO_BYTES:
        raise Refused("usage", f"{path.name} is no small PNG, JPEG, GIF or WebP picture")
    return {"type": kind, "data": base64.b64encode(data).decode()}


async def _document(context: Context, name: str) -> dict[str, Any]:
    domain = await context.store.read(lambda unit: unit.accounts.domain(name))
    if domain is None:
        raise Refused("not-found", f"There is no domain {name}")
    keys = await context.store.read(lambda unit: unit.accounts.dkim_keys(name))
    settings = {key: value for key, value in domain.settings.items() if key != "logo"}
    records = [
        {
            "selector": key.selector,
            "algorithm": key.algorithm,
            "active": key.active,
            "name": f"{key.selector}._domainkey.{name}",
            "record": dns_record(key.private_pem.encode(), key.selector, name).zone_line,
        }
        for key in keys
    ]
    return {"domain": name, "settings": settings, "dkim": records}


def _lines(document: dict[str, Any]) -> list[str]:
    lines = [f"domain {document['domain']}"]
    for key in document["dkim"]:
        state = "signs" if key["active"] else "retired"
        lines += ["", f"DKIM key {key['selector']} ({key['algorithm']}, {state}); publish this record:", key["record"]]
    lines += ["", "DMARC, if there is none yet:", f'_dmarc.{document["domain"]}. IN TXT "v=DMARC1; p=none"']
    return lines
