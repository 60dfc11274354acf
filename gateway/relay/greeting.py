# SPDX-License-Identifier: Apache-2.0
"""The first words with a next hop: greeting, EHLO or LHLO, STARTTLS by policy, AUTH where a login is configured.

Whatever goes wrong here is temporary to our own peer: a next hop that greets with 554 is our trouble, and
the mail stays where it is.
"""

import ssl
from base64 import b64encode

from gateway.relay.hop import HopReply
from gateway.relay.url import RelayUrl, Scheme, TlsPolicy, is_loopback
from gateway.relay.wire import Deadlines, HopConnection, HopLost, open_socket


def tls_context(url: RelayUrl) -> ssl.SSLContext | None:
    """Build the TLS side of a hop's policy; None where TLS is never spoken.

    Raises:
        OSError: where the CA file cannot be read.
    """
    if url.tls is TlsPolicy.NONE:
        return None
    context = ssl.create_default_context(cafile=str(url.ca_file) if url.ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
    if url.tls is not TlsPolicy.VERIFY:  # RFC 7435: better encrypted to somebody than in clear to everybody
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def open_connection(
    url: RelayUrl, hostname: str, context: ssl.SSLContext | None, deadlines: Deadlines
) -> HopConnection:
    """Connect and say everything that comes before the first mail.

    Raises:
        HopLost: where the hop is not there, does not want us, or TLS or AUTH fail.
    """
    implicit = context if url.scheme is Scheme.SMTPS else None
    path = str(url.path) if url.path else None
    connection = await open_socket(url.host, url.port, path, implicit, deadlines.connect)
    ready = False
    try:
        _expect(await connection.reply(deadlines.greeting, "our connection"), 220, "greeting")
        await _hello(connection, url, hostname, deadlines)
        if implicit is None and context is not None:
            await _start_tls(connection, url, hostname, context, deadlines)
        if url.user is not None:
            encrypted = implicit is not None or connection.encrypted
            await _authenticate(connection, url, deadlines, encrypted=encrypted)
        ready = True
    finally:
        if not ready:
            connection.abort()
    return connection


async def _hello(connection: HopConnection, url: RelayUrl, hostname: str, deadlines: Deadlines) -> None:
    verb = "LHLO" if url.scheme is Scheme.LMTP else "EHLO"
    name = url.helo or hostname
    connection.send(f"{verb} {name}\r\n".encode())
    reply = await connection.reply(deadlines.hello, verb)
    if reply.code >= 500 and verb == "EHLO":  # RFC 5321 §3.2: a server of before 1995
        connection.send(f"HELO {name}\r\n".encode())
        _expect(await connection.reply(deadlines.hello, "HELO"), 250, "HELO")
        return
    _expect(reply, 250, verb)
    connection.keywords = parse_keywords(reply)


def parse_keywords(reply: HopReply) -> dict[str, str]:
    """Read the extensions of an EHLO reply: keyword in capitals -> the rest of its line."""
    keywords = {}
    for line in reply.text.split("\n")[1:]:
        keyword, _, rest = line.strip().replace("AUTH=", "AUTH ", 1).partition(" ")
        if keyword:
            keywords[keyword.upper()] = rest.strip()
    return keywords


async def _start_tls(
    connection: HopConnection, url: RelayUrl, hostname: str, context: ssl.SSLContext, deadlines: Deadlines
) -> None:
    if not connection.offers("STARTTLS"):
        if url.tls is TlsPolicy.MAY:
            return
        raise HopLost("STARTTLS is not offered, and tls= demands it")
    connection.send(b"STARTTLS\r\n")
    reply = await connection.reply(deadlines.hello, "STARTTLS")
    if reply.code != 220:
        if url.tls is TlsPolicy.MAY:
            return
        raise HopLost(f"STARTTLS refused: {reply.code} {reply.text}")
    await connection.start_tls(context, url.host or None, deadlines.hello)
    await _hello(connection, url, hostname, deadlines)  # RFC 3207 §4.2: forget what was said in clear


async def _authenticate(connection: HopConnection, url: RelayUrl, deadlines: Deadlines, *, encrypted: bool) -> None:
    if not (encrypted or url.path is not None or is_loopback(url.host)):
        raise HopLost("a password is configured but the connection is not encrypted")
    mechanisms = connection.keywords.get("AUTH", "").upper().split()
    user, password = url.user or "", url.password or ""
    if "PLAIN" in mechanisms:  # RFC 4616
        steps = [b"AUTH PLAIN " + b64encode(f"\0{user}\0{password}".encode())]
    elif "LOGIN" in mechanisms:
        steps = [b"AUTH LOGIN", b64encode(user.encode()), b64encode(password.encode())]
    else:
        raise HopLost("a password is configured but AUTH PLAIN or LOGIN is not offered")
    for step in steps[:-1]:
        connection.send(step + b"\r\n")
        _expect(await connection.reply(deadlines.hello, "AUTH"), 334, "AUTH")
    connection.send(steps[-1] + b"\r\n")
    _expect(await connection.reply(deadlines.hello, "AUTH"), 235, "AUTH")


def _expect(reply: HopReply, code: int, step: str) -> None:
    if reply.code != code:
        raise HopLost(f"{step}: {reply.code} {' '.join(reply.text.split())}")
