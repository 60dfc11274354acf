# SPDX-License-Identifier: Apache-2.0
"""Every option of the machine as documented frozen dataclasses, one class for each table of the TOML file.

What the machine is stands here; what is permitted to whom stands in `policies`. Nothing here reads a file or the
environment (`gateway.config.load` does), and no other module reads configuration by itself: it is given its part.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from gateway.config.listeners import LOOPBACK, Listener, networks_fault
from policies.load import PolicySettings
from policies.options import Size, option

SECOND = timedelta(seconds=1)


def _zone_fault(name: str) -> str | None:
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return f"{name!r} is not a time zone of the tz database"
    return None


def _locale_fault(name: str) -> str | None:
    return None if re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*", name) else f"{name!r} is not a language tag"


def _local_part_fault(name: str) -> str | None:
    return None if re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,40}", name) else f"{name!r} is not a plain local part"


def _hostname_fault(name: str) -> str | None:
    return None if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", name) else f"{name!r} is no host name"


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """The machine: its name and where its files lie."""

    hostname: str = option(
        "localhost",
        "Our name in SMTP greetings, Message-IDs and trace headers.",
        check=_hostname_fault,
        derived="the machine's own name",
        example="mail.example.org",
    )
    data_dir: Path = option(Path("/var/lib/imip-gateway"), "Folder for all that we keep.")
    secret_file: Path = option(
        Path(),
        "File with the secret that signs links and bounce addresses; made on first start, mode 0600.",
        derived="secret in data_dir",
        example="/etc/imip-gateway/secret",
    )
    drain_timeout: timedelta = option(
        timedelta(seconds=30), "After SIGTERM, how long open sessions may go on before they are cut.", least=SECOND
    )


def _store_fault(url: str) -> str | None:
    if not url or url.startswith(("sqlite+aiosqlite:///", "postgresql+asyncpg://")):
        return None
    return "must begin with sqlite+aiosqlite:/// or postgresql+asyncpg://"


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """The database, the single truth."""

    url: str = option(
        "",
        "SQLAlchemy URL; SQLite for one node, PostgreSQL for several.",
        check=_store_fault,
        derived="SQLite, gateway.db in data_dir",
        example="postgresql+asyncpg:///imip",
    )
    pool_size: int = option(10, "Connections kept to the database.", least=1, most=500)
    busy_timeout: timedelta = option(
        timedelta(seconds=10), "How long to wait for a lock or a connection before answering try again.", least=SECOND
    )


RelayTls = Literal["none", "may", "encrypt", "verify"]


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """The next hop for everything that we send or pass on."""

    url: str = option(
        "smtp://127.0.0.1:10026",
        "smtp://host[:port], smtps://, lmtp://host:port, smtp:unix:/path, lmtp:unix:/path, or maildir:/path (tests).",
    )
    tls: RelayTls | None = option(
        None,
        "How much TLS we insist on, in Postfix's words.",
        derived="none on this machine, may elsewhere, verify with smtps",
        example="verify",
    )
    tls_ca: Path | None = option(
        None, "Certificates to believe, PEM.", derived="the system's", example="/etc/ssl/certs/ca-certificates.crt"
    )
    username: str | None = option(None, "SASL login at the next hop.", example="imip-gateway")
    password_file: Path | None = option(
        None, "File with the SASL password, one line.", example="/etc/imip-gateway/relay-password"
    )
    connections: int = option(50, "Connections at once to the next hop.", least=1, most=10000)
    max_idle: timedelta = option(timedelta(seconds=8), "How long an unused connection is kept for reuse.")
    # All shorter than Postfix's own patience with us while it waits behind a filter (smtp_data_done_timeout, 600 s).
    connect_timeout: timedelta = option(timedelta(seconds=10), "Deadline for a connection.", least=SECOND)
    command_timeout: timedelta = option(timedelta(seconds=60), "Deadline for the reply to a command.", least=SECOND)
    data_timeout: timedelta = option(timedelta(minutes=2), "Deadline for handing over a piece of a mail.", least=SECOND)
    final_timeout: timedelta = option(
        timedelta(minutes=4), "Deadline for the reply to the end of a mail.", least=SECOND, most=timedelta(minutes=9)
    )

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield what cannot stand together for a next hop (`gateway.relay.url` reads the rest of the address)."""
        scheme, _, rest = self.url.partition(":")
        host = _host(self.url)
        if scheme not in ("smtp", "smtps", "lmtp", "maildir"):
            yield "url", "must begin with smtp://, smtps://, lmtp:// or maildir:/"
        elif scheme == "maildir" and not rest.startswith("/"):
            yield "url", "maildir needs an absolute path, maildir:/path"
        elif scheme != "maildir" and not host and not rest.startswith(("unix:/", "///")):
            yield "url", f"{scheme}:// needs a host"
        if "@" in rest and scheme != "maildir":
            yield "url", "no login in the address; use username and password_file"
        if "?" in rest:
            yield "url", "options are keys of their own here: tls, tls_ca, connections"
        if bool(self.username) != bool(self.password_file):
            yield "username", "username and password_file go together"
        if self.username and scheme == "smtp" and self.tls not in ("encrypt", "verify") and not _is_loopback(host):
            yield "username", "a password over a network needs tls = encrypt or verify, or smtps://"
        if scheme == "smtps" and self.tls in ("none", "may"):
            yield "tls", f"{self.tls!r} contradicts smtps://"


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:  # brackets that do not close
        return None


def _is_loopback(host: str | None) -> bool:
    return host in ("localhost", "::1") or (host or "").startswith("127.")


@dataclass(frozen=True, slots=True)
class AuthnOptions:
    """How we learn who sent a mail."""

    trusted_authserv_ids: tuple[str, ...] = option(
        (), "authserv-ids whose Authentication-Results are believed (RFC 8601 §2.5); empty = none, we look ourselves."
    )
    received_above_authres: int = option(
        0,
        "Received lines that our own hosts write above the results of their filters: 0 where the results stand on top,"
        " 1 behind a Postfix whose milters (OpenDKIM, OpenDMARC, Rspamd) write under its line.",
        least=0, most=5,
    )  # fmt: skip
    trusted_arc_sealers: tuple[str, ...] = option(
        (), "Domains whose ARC seals (RFC 8617) are believed about mail that they forwarded."
    )
    verify_dkim: bool = option(True, "Verify DKIM ourselves where no trusted result says enough.")
    max_signatures: int = option(5, "DKIM signatures looked at in one mail.", least=1, most=50)
    min_rsa_bits: int = option(1024, "Shortest RSA key that counts (RFC 8301 §3.2).", least=512)
    dns_servers: tuple[str, ...] = option((), "Resolvers to ask; empty = the system's.")
    dns_timeout: timedelta = option(
        timedelta(seconds=5), "Deadline for all look-ups of one mail; later means unknown, never false.", least=SECOND
    )
    dns_cache_ttl: timedelta = option(timedelta(hours=1), "Longest time an answer of the DNS is kept.")


Method = Literal["REQUEST", "CANCEL", "REPLY", "ADD", "COUNTER", "DECLINECOUNTER", "REFRESH", "PUBLISH"]


@dataclass(frozen=True, slots=True)
class MailOptions:
    """The mails that we write."""

    product_name: str = option("Calendar", "Name of the service in our mails and pages.")
    service_local_part: str = option(
        "calendar", "Local part of our own address in each domain, for what we cannot send in a person's name.",
        check=_local_part_fault,
    )  # fmt: skip
    bounce_local_part: str = option(
        "calendar-bounce", "Local part of the envelope's return address; delivery reports come back to it.",
        check=_local_part_fault,
    )  # fmt: skip
    sign_dkim: bool = option(True, "Sign what we originate with the domain's key, if `domain add` made one.")
    templates_dir: Path | None = option(
        None,
        "Folder whose mail templates replace ours: for all, by domain, by language.",
        example="/etc/imip-gateway/templates",
    )
    default_locale: str = option("en", "Language where neither account, guest nor domain says.", check=_locale_fault)
    default_time_zone: str = option("UTC", "Time zone where an account has none.", check=_zone_fault)
    coalesce_delay: timedelta = option(
        timedelta(seconds=2), "How long a mail waits for further edits of the same event; 0s = not at all.",
        most=timedelta(hours=1),
    )  # fmt: skip
    ics_copy: tuple[Method, ...] = option(
        ("REQUEST", "CANCEL", "PUBLISH"), "Methods whose mails carry a second copy as an attached .ics file."
    )
    max_guests_shown: int = option(20, "Guests listed in a mail's text; more are counted.", least=0)


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """Limits of the HTTP doors: JMAP (RFC 8620 §2), CalDAV and the pages."""

    max_request_size: Size = option(10 << 20, "Largest request; JMAP's maxSizeRequest.", least=4096)
    max_upload_size: Size = option(50 << 20, "Largest blob; JMAP's maxSizeUpload.", least=4096)
    max_concurrent_uploads: int = option(4, "Uploads at once by one account; JMAP's maxConcurrentUpload.", least=1)
    max_concurrent_requests: int = option(8, "Requests at once by one account; maxConcurrentRequests.", least=1)
    max_calls_in_request: int = option(64, "Method calls in one JMAP request; maxCallsInRequest.", least=1)
    max_objects_in_get: int = option(1000, "Objects in one /get; maxObjectsInGet.", least=1)
    max_objects_in_set: int = option(1000, "Objects in one /set; maxObjectsInSet.", least=1)
    max_expanded_instances: int = option(10000, "Occurrences that one query may compute.", least=1)
    request_timeout: timedelta = option(timedelta(seconds=60), "Deadline for one request.", least=SECOND)
    cors_origins: tuple[str, ...] = option((), "Web origins that may call JMAP from a browser; * = any.")
    login_failures_per_minute: int = option(10, "Failed logins from one address before a pause.", least=1)
    rsvp_requests_per_minute: int = option(
        60, "RSVP requests from one address in a minute; more are answered 429. Each process allows its part.", least=1
    )
    rsvp_requests_per_link: int = option(
        30, "RSVP requests with one link in a minute; each process allows its part.", least=1
    )
    rsvp_posts_per_link: int = option(60, "Forms sent with one link in an hour; each process allows its part.", least=1)
    metrics_peers: tuple[str, ...] = option(
        LOOPBACK, "Networks that may read /metrics without a login.", check=networks_fault
    )


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What is written to standard error, one key=value line each."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = option("INFO", "Least level that is written.")


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Work that waits for time instead of a socket."""

    processes: int = option(1, "Processes that share the listeners; 0 = one for each core.", least=0, most=256)
    delivery_concurrency: int = option(20, "Mails handed to the next hop at once.", least=1, most=1000)
    poll_interval: timedelta = option(
        timedelta(seconds=2),
        "How often the outbox is looked at when nothing wakes the worker.",
        least=timedelta(milliseconds=10),
    )
    alarm_interval: timedelta = option(
        timedelta(seconds=2), "How often due alarms are looked for.", least=timedelta(milliseconds=10)
    )
    clean_interval: timedelta = option(
        timedelta(hours=1), "How often what is past its keeping time is removed.", least=SECOND
    )
    lease: timedelta = option(
        timedelta(minutes=5),
        "How long claimed work belongs to one worker; afterwards another takes it.",
        least=timedelta(seconds=10),
    )
    batch: int = option(50, "Rows claimed at once.", least=1, most=10000)


DEFAULT_LISTENERS = (
    Listener(kind="filter", listen="127.0.0.1:10025"),
    Listener(kind="http", listen="127.0.0.1:8080"),
)


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration: one table of the file each, all values checked."""

    gateway: GatewayOptions = option(GatewayOptions(), "The machine.")
    store: StoreOptions = option(StoreOptions(), "The database.")
    relay: RelayOptions = option(RelayOptions(), "The next hop.")
    listeners: tuple[Listener, ...] = option(DEFAULT_LISTENERS, "The doors.", key="listener")
    authn: AuthnOptions = option(AuthnOptions(), "Who sent it.")
    mail: MailOptions = option(MailOptions(), "Our mails.")
    http: HttpOptions = option(HttpOptions(), "HTTP limits.")
    workers: WorkerOptions = option(WorkerOptions(), "Workers.")
    log: LogOptions = option(LogOptions(), "The log.")
    policy: PolicySettings = option(PolicySettings(), "What is permitted.")

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield what cannot stand together across tables."""
        bound = [listener.listen for listener in self.listeners if not listener.listen.endswith(":0")]
        for address in sorted({address for address in bound if bound.count(address) > 1}):
            yield "listener", f"two listeners on {address}"
        if self.mail.service_local_part == self.mail.bounce_local_part:
            yield "mail.bounce_local_part", "must differ from service_local_part"

    @property
    def public_url(self) -> str | None:
        """Return the address under which people reach us, without a trailing slash, or None."""
        urls = [listener.public_url for listener in self.listeners if listener.kind == "http" and listener.public_url]
        return urls[0].rstrip("/") if urls else None
