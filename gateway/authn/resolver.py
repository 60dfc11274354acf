# SPDX-License-Identifier: Apache-2.0
"""TXT records of the DNS, with a deadline and a small cache. Trouble is an exception, never an empty answer.

`Resolver` has two implementations: this one, and the zone file of the tests.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from gateway.errors import Deferred

MAX_TXT = 20_000  # octets of one name's records that are looked at; a key is some 400


class Resolver(Protocol):
    """Looks up TXT records."""

    async def txt(self, name: str) -> tuple[str, ...]:
        """Return the TXT records of a name, each joined (RFC 7208 §3.3); () where there is none.

        Raises:
            Deferred: `dns-trouble`: no answer in time, or a server failed.
        """
        ...


class DnsResolver:
    """Asks the given or the system's servers. One for the process; `clock` is a monotonic time in seconds."""

    def __init__(
        self,
        servers: Sequence[str] = (),
        *,
        timeout: float = 5.0,
        max_ttl: float = 3600.0,
        max_entries: int = 10_000,
        clock: Callable[[], float] | None = None,
        port: int = 53,
    ) -> None:
        self._servers = tuple(servers)
        self._port = port
        self._timeout = timeout
        self._max_ttl = max_ttl
        self._max_entries = max_entries
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._cache: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()
        self._asking: dict[str, asyncio.Future[tuple[str, ...]]] = {}
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def txt(self, name: str) -> tuple[str, ...]:
        """Return the TXT records of a name, from the cache where they are fresh; one question at a time per name."""
        key = name.rstrip(".").lower()
        cached = self._cache.get(key)
        if cached is not None and cached[0] > self._clock():
            return cached[1]
        if key not in self._asking:
            question = asyncio.ensure_future(self._ask(key))
            self._asking[key] = question
            question.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(self._asking[key])

    async def _ask(self, name: str) -> tuple[str, ...]:
        try:
            resolver = self._configured()
            answer = await resolver.resolve(
                dns.name.from_text(name), dns.rdatatype.TXT, lifetime=self._timeout, search=False
            )
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer) as none:
            self._keep(name, (), _negative_ttl(none))
            return ()
        except (dns.name.LabelTooLong, dns.name.NameTooLong, dns.name.EmptyLabel, UnicodeError):
            return ()  # such a name cannot exist
        except (dns.exception.DNSException, OSError) as error:
            raise Deferred(
                "dns-trouble", "Directory lookup failed; try again later", name=name, error=repr(error)
            ) from error
        joined = (b"".join(record.strings) for record in answer)
        records = tuple(text.decode("utf-8", "replace") for text in joined if len(text) <= MAX_TXT)
        self._keep(name, records, answer.rrset.ttl if answer.rrset is not None else 0)
        return records

    def _configured(self) -> dns.asyncresolver.Resolver:
        if self._resolver is None:
            self._resolver = dns.asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                self._resolver.nameservers = list(self._servers)
                self._resolver.port = self._port
        return self._resolver

    def _keep(self, name: str, records: tuple[str, ...], ttl: float) -> None:
        self._cache[name] = (self._clock() + min(ttl, self._max_ttl), records)
        self._cache.move_to_end(name)
        while len(self._cache) > self._max_entries:
            self._cache.popitem(last=False)


def _negative_ttl(error: dns.resolver.NXDOMAIN | dns.resolver.NoAnswer) -> float:
    """Return how long an absence may be remembered; a minute where the answer does not say (RFC 2308 §5)."""
    responses = error.kwargs.get("responses", {}).values() if isinstance(error, dns.resolver.NXDOMAIN) else ()
    for response in responses:
        for rrset in response.authority:
            if rrset.rdtype == dns.rdatatype.SOA:
                return float(min(rrset.ttl, rrset[0].minimum, 900))
    return 60.0
