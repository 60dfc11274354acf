# SPDX-License-Identifier: Apache-2.0
"""DMARC: does an authenticated domain speak for the domain in From (RFC 9989, which succeeds RFC 7489)?

Organizational domains are found by walking up the DNS tree, not by a list of public suffixes. We see signatures
only; SPF is the border's to check, since we do not see the client. So a pass is a pass, and a fail is "the domain
asks that such mail be distrusted, and none of its signatures is here".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.authn.dkim import DkimResult, DkimVerdict
from gateway.authn.resolver import Resolver
from gateway.errors import Deferred, Refused
from gateway.imip.dkim import parse_tags

MAX_LABELS = 8  # RFC 9989 §4.10: how far down the walk begins


class DmarcResult(StrEnum):
    """What we found, in the words of RFC 8601; `none` is: neither proof nor contradiction."""

    PASS = "pass"  # noqa: S105  # a result, no password
    FAIL = "fail"
    NONE = "none"
    TEMPERROR = "temperror"


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A domain's DMARC policy record (RFC 9989 §4.7), as far as it concerns us."""

    domain: str
    policy: str
    subdomain_policy: str
    strict_dkim: bool
    strict_spf: bool
    public_suffix: str  # y | n | u


@dataclass(frozen=True, slots=True)
class DmarcVerdict:
    """Whether From is proven by a signature; `aligned` is the domain that proves it, `policy` what the owner asks."""

    result: DmarcResult
    reason: str
    aligned: str = ""
    policy: str = ""


def parse_record(domain: str, text: str) -> DmarcRecord | None:
    """Read one TXT record at `_dmarc.domain`; None for what is no DMARC record (RFC 9989 §4.10 step 2)."""
    if not text.startswith("v=DMARC1"):
        return None
    try:
        tags = {name.lower(): value.lower() for name, value in parse_tags(text).items()}
    except Refused:
        return None
    if tags.get("v") != "dmarc1":
        return None
    policy = tags.get("p", "none")
    policy = policy if policy in ("none", "quarantine", "reject") else "none"
    subdomain = tags.get("sp", policy)
    return DmarcRecord(
        domain=domain,
        policy=policy,
        subdomain_policy=subdomain if subdomain in ("none", "quarantine", "reject") else policy,
        strict_dkim=tags.get("adkim") == "s",
        strict_spf=tags.get("aspf") == "s",
        public_suffix=tags.get("psd", "u"),
    )


class Alignment:
    """Answers about one From domain. Each name is asked for once; trouble leaves as Deferred."""

    def __init__(self, from_domain: str, resolver: Resolver, *, strict: bool = False) -> None:
        self._from = from_domain
        self._resolver = resolver
        self._strict = strict
        self._records: dict[str, DmarcRecord | None] = {}

    async def aligned(self, domain: str, *, spf: bool = False) -> bool:
        """Tell whether an authenticated domain is aligned with From (RFC 9989 §4.4).

        Raises:
            Deferred: `dns-trouble`: the walk met a server that did not answer.
        """
        if domain == self._from:
            return True
        if self._strict or not _may_share_owner(domain, self._from):
            return False
        record = await self.policy_record()
        if record is None or (record.strict_spf if spf else record.strict_dkim):
            return False
        return await self.organizational_domain(domain) == await self.organizational_domain(self._from)

    async def policy_record(self) -> DmarcRecord | None:
        """Return the record that applies to From: its own, else its organizational domain's (RFC 9989 §4.10.1).

        Raises:
            Deferred: `dns-trouble`.
        """
        own = await self._record(self._from)
        return own if own is not None else await self._record(await self.organizational_domain(self._from))

    async def organizational_domain(self, domain: str) -> str:
        """Walk up the tree and return the organizational domain (RFC 9989 §4.10.2).

        Raises:
            Deferred: `dns-trouble`.
        """
        found: list[DmarcRecord] = []
        for name in _walk(domain):
            record = await self._record(name)
            if record is None:
                continue
            if record.public_suffix == "n":
                return name
            if record.public_suffix == "y" and name != domain:
                return _one_below(domain, name)
            found.append(record)
            if record.public_suffix == "y":
                break
        return found[-1].domain if found else domain

    async def _record(self, domain: str) -> DmarcRecord | None:
        if domain not in self._records:
            texts = await self._resolver.txt(f"_dmarc.{domain}")
            records = [record for text in texts if (record := parse_record(domain, text)) is not None]
            self._records[domain] = records[0] if len(records) == 1 else None  # several are as none
        return self._records[domain]


async def decide_alignment(alignment: Alignment, from_domain: str, signatures: Iterable[DkimVerdict]) -> DmarcVerdict:
    """Say whether one of the verified signatures proves the From domain. Never raises: trouble is `temperror`."""
    verdicts = list(signatures)
    try:
        for one in verdicts:
            if one.result is DkimResult.PASS and await alignment.aligned(one.domain):
                return DmarcVerdict(DmarcResult.PASS, f"signed by {one.domain}", one.domain)
        for one in verdicts:
            if one.result is DkimResult.TEMPERROR and await alignment.aligned(one.domain):
                return DmarcVerdict(DmarcResult.TEMPERROR, f"the key of {one.domain} could not be fetched")
        record = await alignment.policy_record()
    except Deferred as trouble:
        return DmarcVerdict(DmarcResult.TEMPERROR, trouble.public)
    policy = _effective_policy(record, from_domain)
    if policy in ("quarantine", "reject"):
        return DmarcVerdict(
            DmarcResult.FAIL, f"no good signature of {from_domain}; it asks to {policy} that", "", policy
        )
    return DmarcVerdict(DmarcResult.NONE, f"no good signature of {from_domain}", "", policy)


def _effective_policy(record: DmarcRecord | None, from_domain: str) -> str:
    if record is None:
        return ""
    return record.policy if record.domain == from_domain else record.subdomain_policy


def _walk(domain: str) -> Sequence[str]:
    """Return the names to ask, from the domain up to the top; long names are cut to seven labels after the first."""
    labels = domain.split(".")
    names = [domain]
    rest = labels[1:] if len(labels) < MAX_LABELS else labels[-(MAX_LABELS - 1) :]
    while rest:
        names.append(".".join(rest))
        rest = rest[1:]
    return names


def _one_below(domain: str, parent: str) -> str:
    labels = domain.split(".")
    return ".".join(labels[-(parent.count(".") + 2) :])


def _may_share_owner(first: str, second: str) -> bool:
    """Tell whether two names have more than the top level in common; else no walk can make them one."""
    return first.split(".")[-2:] == second.split(".")[-2:]
