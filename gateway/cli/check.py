# SPDX-License-Identifier: Apache-2.0
"""`imip-gateway check`: configuration, database, next hop, DNS, TLS, Postfix wiring: one line each, with the mend."""

import argparse
import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

from cryptography import x509

from gateway.app import next_hop, open_context
from gateway.authn.resolver import DnsResolver
from gateway.cli.findings import Finding, State, tell
from gateway.cli.postconf import Postconf
from gateway.cli.postfix_check import check_wiring
from gateway.cli.settings import loaded
from gateway.config import Config, Listener
from gateway.errors import Deferred, GatewayError
from gateway.flows.context import Context
from gateway.relay.sign import dns_record
from gateway.store.accounts import DkimKey
from gateway.store.unit import Unit

SOON = timedelta(days=14)


def register(parser: argparse.ArgumentParser) -> None:
    """Add nothing: all is looked at."""
    parser.set_defaults(func=lambda args: asyncio.run(_check(args)))


async def _check(args: argparse.Namespace) -> int:
    config = loaded(args)  # every fault of the file is told by the error itself
    findings = [Finding("configuration", State.GOOD, str(args.config or "defaults"))]
    findings += _tls(config)
    findings += [finding async for finding in _store_and_domains(config)]
    for url in dict.fromkeys((config.relay.url, *(each.next_hop for each in config.listeners if each.next_hop))):
        findings.append(await _next_hop(config, url))
    findings += _postfix(config)
    return tell(args, findings)


def _tls(config: Config) -> Iterator[Finding]:
    for listener in config.listeners:
        if listener.tls_cert is not None:
            yield _certificate(listener)
    if config.public_url and config.public_url.startswith("http://") and "127.0.0.1" not in config.public_url:
        yield Finding("answer pages", State.BAD, f"{config.public_url} is not https", "serve them behind TLS")


def _certificate(listener: Listener) -> Finding:
    what = f"certificate of {listener.kind} on {listener.listen}"
    assert listener.tls_cert is not None
    try:
        certificate = x509.load_pem_x509_certificate(listener.tls_cert.read_bytes())
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(listener.tls_cert, listener.tls_key)
    except (OSError, ValueError, ssl.SSLError) as error:
        return Finding(what, State.BAD, f"cannot be used: {error}", "give a PEM chain and the key that fits it")
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    if left < SOON:
        return Finding(what, State.BAD if left < timedelta() else State.HINT, f"ends in {left.days} days", "renew it")
    return Finding(what, State.GOOD, f"good for {left.days} days")


async def _store_and_domains(config: Config) -> AsyncIterator[Finding]:
    try:
        context = await open_context(config)
    except GatewayError as error:
        mend = "is the folder ours to write, is the server up, is [store] url right?"
        yield Finding("database", State.BAD, error.public, mend)
        return
    try:
        accounts = await context.store.read(lambda unit: len(unit.accounts.all()))
        yield Finding("database", State.GOOD, f"{accounts} accounts, schema up to date")
        async for finding in _domains(context):
            yield finding
    finally:
        await context.store.close()


async def _domains(context: Context) -> AsyncIterator[Finding]:
    options = context.config.authn
    resolver = DnsResolver(options.dns_servers, timeout=options.dns_timeout.total_seconds())
    domains = await context.store.read(lambda unit: unit.accounts.domains())
    if not domains:
        yield Finding("domains", State.BAD, "none", "imip-gateway domain add DOMAIN")
    for domain in domains:
        keys = await context.store.read(partial(_keys, domain=domain.name))
        if not keys and context.config.mail.sign_dkim:
            mend = f"imip-gateway domain add {domain.name}, or [mail] sign_dkim = false where Postfix signs"
            yield Finding(f"DKIM of {domain.name}", State.HINT, "no key", mend)
        for key in keys:
            record = dns_record(key.private_pem.encode(), key.selector, domain.name)
            yield await _txt(resolver, f"DKIM {key.selector} of {domain.name}", record.name, record.text)
        yield await _txt(resolver, f"DMARC of {domain.name}", f"_dmarc.{domain.name}", "v=DMARC1; p=none", "v=DMARC1")
        yield await _txt(resolver, f"SPF of {domain.name}", domain.name, "v=spf1 mx -all", "v=spf1")


def _keys(unit: Unit, domain: str) -> tuple[DkimKey, ...]:
    return unit.accounts.dkim_keys(domain)


async def _txt(resolver: DnsResolver, what: str, name: str, wanted: str, prefix: str = "") -> Finding:
    """Look whether a record is published: exactly, or one that begins so."""
    mend = f'publish  {name}. IN TXT "{wanted}"'
    try:
        records = await resolver.txt(name)
    except Deferred as error:
        return Finding(what, State.HINT, f"the DNS gave no answer ({error.public})", "try again; [authn] dns_servers")
    plain = ["".join(record.split()) for record in records]
    if any(record.startswith(prefix) if prefix else record == "".join(wanted.split()) for record in plain):
        return Finding(what, State.GOOD, "published")
    return Finding(what, State.BAD if not prefix else State.HINT, "not published as it should be", mend)


async def _next_hop(config: Config, url: str) -> Finding:
    what = f"next hop {url}"
    try:
        relay = next_hop(None if url == config.relay.url else url, config)
    except GatewayError as error:
        return Finding(what, State.BAD, error.public, "[relay]")
    try:
        reply = await relay.probe()
    finally:
        await relay.close()
    if reply.ok:
        return Finding(what, State.GOOD, f"answers {reply.code}")
    return Finding(what, State.BAD, f"{reply.code} {reply.text}", "is it up, and does it let this machine in?")


def _postfix(config: Config) -> Iterator[Finding]:
    if shutil.which("postconf") is not None:
        yield from check_wiring(config, Postconf(None))
