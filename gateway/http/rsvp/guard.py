# SPDX-License-Identifier: Apache-2.0
"""What stands between a request and a page: how often, how large, from where, and with which nonce.

A link alone lets its bearer look; to act takes a nonce that only our form holds, bound to the link and to the version
of the event that the form stood under. Robots that post blindly have none; one that fills in forms is why answers are
never preselected.
"""

import hashlib
import hmac
import ipaddress
import re
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request

from gateway.errors import Refused
from gateway.flows.context import Context
from gateway.flows.link_arrival import Caller
from gateway.http.body import read_body
from gateway.metrics import Counter

NONCE_LIFE = timedelta(hours=1)
_MAX_KEYS = 20_000
_MAX_FIELDS = 40
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NONCE = re.compile(r"([0-9a-f]{16})-([0-9a-f]{8,12})-([0-9a-f]{32})")
_FORM = "application/x-www-form-urlencoded"

_refusals = Counter("imip_rsvp_refusals_total", "Requests to pages of links that were turned away, by reason.")


class Brake:
    """So many requests in a while for each key, counted by leaking buckets; bounded in memory."""

    def __init__(self, limit: float, seconds: float = 60.0) -> None:
        self._limit = max(1.0, limit)
        self._seconds = seconds
        self._fill: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str, now: datetime, weight: float = 1.0) -> int:
        """Take one request; 0 if it may go on, else after how many seconds to come again."""
        at = now.timestamp()
        level, since = self._fill.pop(key, (0.0, at))
        level = max(0.0, level - max(0.0, at - since) * self._limit / self._seconds)
        is_full = level + weight > self._limit
        self._fill[key] = (level if is_full else level + weight, at)
        while len(self._fill) > _MAX_KEYS:
            self._fill.popitem(last=False)
        return max(1, round((level + weight - self._limit) * self._seconds / self._limit)) if is_full else 0


class Guard:
    """The brakes of one process, and the key of its nonces (the same in all processes).

    Looking writes nothing, so requests are counted in memory, and each process allows its part of what is configured.
    """

    def __init__(self, context: Context) -> None:
        http, processes = context.config.http, context.config.workers.processes
        self._context = context
        self._key = context.key("page-form")
        self._by_peer = Brake(http.rsvp_requests_per_minute / processes)
        self._by_link = Brake(http.rsvp_requests_per_link / processes)
        self._posts = Brake(http.rsvp_posts_per_link / processes, 3600)

    def admit(self, request: Request, token: str) -> None:
        """Count a request against its address and its link.

        A link that exists counts a tenth against the address: whole companies come from one, and their scanners
        first. What guesses counts in full (`miss`).

        Raises:
            Refused: `rate-limited`, with `seconds` in its context.
        """
        now = self._context.clock.now()
        wait = self._by_peer.wait(peer(request), now, 0.1)
        link = hashlib.sha256(token.encode()).hexdigest()
        wait = wait or self._by_link.wait(link, now)
        if request.method == "POST":
            wait = wait or self._posts.wait(link, now)
        if wait:
            _refusals.add(reason="rate")
            raise Refused("rate-limited", "Too many requests", seconds=wait)

    def miss(self, request: Request) -> None:
        """Count a token that opens nothing, in full: guessing is slow."""
        _refusals.add(reason="unknown")
        self._by_peer.wait(peer(request), self._context.clock.now(), 0.9)

    def nonce(self, token: str, version: str = "0" * 16) -> str:
        """Return the nonce of a form."""
        issued = f"{int(self._context.clock.now().timestamp()):x}"
        return f"{version}-{issued}-{self._mac(token, version, issued)}"

    def version(self, request: Request, token: str, nonce: str) -> str | None:
        """Return the version that a form stood under; None for a nonce that is too old.

        Raises:
            Refused: `not-permitted` for no nonce of ours, or a request that another site caused.
        """
        if _is_foreign(request, self._context.public_url):
            _refusals.add(reason="cross-site")
            raise Refused("not-permitted", "This form was sent from another site")
        found = _NONCE.fullmatch(nonce)
        if found is None or not hmac.compare_digest(found[3], self._mac(token, found[1], found[2])):
            _refusals.add(reason="nonce")
            raise Refused("not-permitted", "This form is not one of ours")
        age = self._context.clock.now().timestamp() - int(found[2], 16)
        return found[1] if -1 <= age <= NONCE_LIFE.total_seconds() else None

    def _mac(self, token: str, version: str, issued: str) -> str:
        said = f"{token}\0{version}\0{issued}".encode()
        return hmac.digest(self._key, said, hashlib.sha256).hex()[:32]


@dataclass(frozen=True, slots=True)
class Path:
    """The path of a request: the token, what follows it, and how relative links get back below the token."""

    token: str
    action: str
    base: str


def parse_path(rest: str) -> Path:
    """Read `TOKEN`, `TOKEN/`, `TOKEN/action`; what mail programs drag along (`>`, `.`, `)`) is left out (H24).

    >>> parse_path("abc/accept>.").action
    'accept'
    """
    token, slash, action = rest.partition("/")
    found = _TOKEN.match(token)
    word = re.match(r"[a-z-]*(?:\.ics)?", action.lower())
    name = found[0] if found else ""
    base = "../" * (action.count("/")) or "./" if slash else f"{name}/"
    return Path(name, word[0].strip("-") if word else "", base)


async def read_form(request: Request, limit: int) -> dict[str, str]:
    """Return the fields of a posted form, the first of each name.

    Raises:
        Refused: `unsupported-type`, `too-large`, `usage`.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise Refused("unsupported-type", "Send the form as it is")
    body = await read_body(request, limit)
    try:
        text = body.decode("ascii")
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:
        raise Refused("usage", "The form cannot be read") from None
    return {name: values[0].replace("\r\n", "\n").replace("\x00", "") for name, values in fields.items()}


def peer(request: Request) -> str:
    """Return the network that counts as one caller: an IPv4 address, or the /64 of an IPv6 one."""
    return _network(request, 32, 64)


def caller(request: Request, context: Context) -> Caller:
    """Return what the audit row keeps of a caller: a coarse network and a keyed digest of the program's name."""
    agent = request.headers.get("user-agent", "")
    digest = hmac.digest(context.key("audit-agent"), agent.encode("utf-8", "replace"), hashlib.sha256).hex()
    return Caller(_network(request, 24, 48), digest[:12] if agent else "")


def is_secure(request: Request) -> bool:
    """Tell whether the page came over TLS, ours or a trusted proxy's."""
    return request.url.scheme == "https"


def _network(request: Request, v4: int, v6: int) -> str:
    try:
        address = ipaddress.ip_address((request.client.host if request.client else "").partition("%")[0])
    except ValueError:
        return "local"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, v4 if address.version == 4 else v6), strict=False))


def _is_foreign(request: Request, public_url: str | None) -> bool:
    """Tell whether another site caused a post. `Origin: null` is what our own no-referrer pages send (Fetch §3.2)."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin is None or origin == "null":
        return False
    hosts = {urlsplit(url).netloc.lower() for url in (public_url or "", f"//{request.headers.get('host', '')}") if url}
    return urlsplit(origin).netloc.lower() not in hosts
