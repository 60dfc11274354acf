# SPDX-License-Identifier: Apache-2.0
"""All that is known about who sent a mail, gathered into one value; `policies.sender_trust` says what it is worth.

In the order of cost: the login, what our border wrote, and only where those do not settle it our own look at the
signatures. Look-ups have one deadline for the whole mail; later means unknown. The identity that others act on is
`SenderEvidence.address`, the From that was proven (or not), never `Sender`, Reply-To or the envelope.
"""

import asyncio
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.authn.alignment import Alignment, DmarcResult, DmarcVerdict, decide_alignment
from gateway.authn.dkim import DkimLimits, DkimVerdict, verify_dkim
from gateway.authn.resolver import Resolver
from gateway.config import AuthnOptions
from gateway.errors import Deferred, Refused
from gateway.imip.authres import AuthResult, Forgery, TrustedResults, forged_marks, read_trusted, sealers
from gateway.imip.headers import HeaderBlock, HeaderFrom, parse_domain, parse_from
from gateway.imip.mail import Direction, Door, Mail
from gateway.imip.subaddress import split_subaddress
from gateway.itip.address import normal_address
from policies.sender_trust import SenderTrustSettings, Trust, TrustFacts, decide_trust
from policies.verdict import Verdict

_BY_WITH_ID = re.compile(r"\bby\s+[^\s;]+(?:\s+\([^()]*\))?\s+with\s+([A-Z0-9]+)\s+id\s+([^\s;]+)")
_LOGGED_IN = frozenset(("ESMTPA", "ESMTPSA", "UTF8SMTPA", "UTF8SMTPSA"))  # RFC 3848, RFC 6531 §4.3

DEFAULT_TRUST = SenderTrustSettings()


@dataclass(frozen=True, slots=True)
class SenderEvidence:
    """Who a mail says it is from, what speaks for it, and how far it is proven (`trust.action`, a `Trust`)."""

    header_from: HeaderFrom
    mail_from: str
    login: str | None
    results: tuple[AuthResult, ...]
    forged: tuple[Forgery, ...]
    dkim: tuple[DkimVerdict, ...]
    dmarc: DmarcVerdict | None
    arc_sealer: str
    facts: TrustFacts
    trust: Verdict

    @property
    def address(self) -> str:
        """The address in From in normal form, "" where From names nobody; believe it as far as `level` goes."""
        return normal_address(self.header_from.address or "")

    @property
    def level(self) -> Trust:
        """How far From is proven."""
        return Trust(self.trust.action)

    @property
    def drop(self) -> tuple[tuple[int, int], ...]:
        """Byte ranges of forged fields, ascending and disjoint, for `Disposition.drop`."""
        return tuple(sorted({(forgery.start, forgery.end) for forgery in self.forged}))

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """Everything in words, each kind of evidence once, for the journal and `mail explain`."""
        said = [("from", self.header_from.address or self.header_from.fault or ""), ("mail_from", self.mail_from)]
        said += [("login", self.login)] if self.login else []
        said += [("border", _result_line(result)) for result in self.results]
        said += [("forged", f"{forgery.name}: {forgery.reason}") for forgery in self.forged]
        said += [("dkim", f"{one.result} {one.domain} {one.reason}".strip()) for one in self.dkim]
        said += [("dmarc", f"{self.dmarc.result}: {self.dmarc.reason}")] if self.dmarc else []
        said += [("arc", f"sealed by {self.arc_sealer}")] if self.arc_sealer else []
        said += [("trust", f"{self.trust.action} ({self.trust.rule}): {self.trust.reason}")]
        kinds = dict.fromkeys(kind for kind, _ in said)
        return tuple((kind, "; ".join(text for each, text in said if each == kind)) for kind in kinds)


async def gather_evidence(
    mail: Mail,
    header_block: HeaderBlock,
    *,
    resolver: Resolver,
    trust: AuthnOptions,
    now: datetime,
    local_domains: Collection[str] = (),
    our_marks: Collection[str] = (),
    policy: SenderTrustSettings = DEFAULT_TRUST,
) -> SenderEvidence:
    """Gather what is known about a mail's author. Never raises: trouble with the DNS is `Trust.UNKNOWN`.

    `local_domains` are those whose mail only we may send; `our_marks` are X-iMIP-Gateway values known to be ours.
    """
    header_from = parse_from(header_block)
    above = 0 if mail.origin.door is Door.MILTER else trust.received_above_authres
    border = read_trusted(header_block, trust.trusted_authserv_ids, received_above=above)
    sealer, sealed_from = sealers(header_block)
    ours = bool(header_from.domain) and header_from.domain in {_dns_form(local) for local in local_domains}
    facts = _known_at_once(mail, header_block, header_from, border, ours=ours)
    if sealer in trust.trusted_arc_sealers and sealed_from and sealed_from == header_from.domain:
        arc = border.first("arc")
        facts = replace(facts, arc_believed=arc is not None and arc.result == "pass")
    dkim: tuple[DkimVerdict, ...] = ()
    dmarc: DmarcVerdict | None = None
    if not _settled(facts, policy):
        alignment = Alignment(header_from.domain, resolver, strict=policy.strict_alignment)
        try:
            async with asyncio.timeout(trust.dns_timeout.total_seconds()):
                facts = await _border_alignment(facts, border, alignment)
                if trust.verify_dkim and not facts.border_dkim_aligned:
                    limits = DkimLimits(trust.max_signatures, trust.min_rsa_bits)
                    dkim = await verify_dkim(
                        mail.data, header_block, resolver, now=now, prefer=header_from.domain, limits=limits
                    )
                    dmarc = await decide_alignment(alignment, header_from.domain, dkim)
                    facts = replace(facts, own_dmarc=dmarc.result.value)
        except (TimeoutError, Deferred):
            facts = replace(facts, own_dmarc=DmarcResult.TEMPERROR.value)
    return SenderEvidence(
        header_from=header_from,
        mail_from=mail.envelope.mail_from,
        login=mail.origin.login,
        results=border.results,
        forged=(*border.forged, *forged_marks(header_block, ours=our_marks)),
        dkim=dkim,
        dmarc=dmarc,
        arc_sealer=sealer if facts.arc_believed else "",
        facts=facts,
        trust=decide_trust(facts, policy),
    )


def noted_login(mail: Mail, header_block: HeaderBlock) -> bool:
    """Tell whether our own Postfix noted on top that its client had logged in (`with ESMTPSA`, RFC 3848).

    The line is known to be our Postfix's by the queue id, which XFORWARD told us and no stranger can know before.
    The last such words count: the client's HELO stands before them, and may say anything.
    """
    noted = _BY_WITH_ID.findall((header_block.first("received") or "")[:2000])
    protocol, queue_id = noted[-1] if noted else ("", "")
    ours_is_on_top = mail.origin.door is not Door.MILTER  # a milter is not shown the line; its macros tell the login
    return ours_is_on_top and protocol in _LOGGED_IN and queue_id == mail.origin.queue_id


def reply_tokens(recipients: Iterable[str]) -> tuple[str, ...]:
    """Return what may be reply tokens in the recipients' local parts; who knows tokens says what they are worth."""
    return tuple(dict.fromkeys(detail for _, detail in map(split_subaddress, recipients) if detail))


def _known_at_once(
    mail: Mail, header_block: HeaderBlock, header_from: HeaderFrom, border: TrustedResults, *, ours: bool
) -> TrustFacts:
    """Gather what needs no look-up: the login, how it was submitted, and our border's DMARC result."""
    address = normal_address(header_from.address or "")
    logins = {normal_address(login) for login in mail.origin.login_addresses}
    logins |= {normal_address(result.get("smtp.auth")) for result in border.all("auth") if result.result == "pass"}
    dmarc = border.first("dmarc")
    of_this_from = dmarc is not None and dmarc.get("header.from") in (header_from.domain, header_from.address)
    return TrustFacts(
        from_fault=header_from.fault or "",
        from_is_ours=ours,
        login=mail.origin.login is not None or bool(logins),
        login_owns_from=bool(address) and address in logins,
        outbound=mail.origin.direction is Direction.OUTBOUND or noted_login(mail, header_block),
        border_dmarc=dmarc.result if dmarc is not None and of_this_from else "",
    )


def _settled(facts: TrustFacts, policy: SenderTrustSettings) -> bool:
    """Tell whether no look-up can change the answer."""
    settled = bool(facts.from_fault) or facts.border_dmarc == "fail" or (facts.login and facts.from_is_ours)
    return settled or decide_trust(facts, policy).action == Trust.STRONG


async def _border_alignment(facts: TrustFacts, border: TrustedResults, alignment: Alignment) -> TrustFacts:
    """Find which of the domains that our border authenticated speak for From."""
    dkim = spf = False
    for result in border.results:
        if result.result != "pass":
            continue
        if result.method == "dkim":
            domain = _dns_form(result.get("header.d") or result.get("header.i").rpartition("@")[2])
            dkim = dkim or await alignment.aligned(domain)
        elif result.method == "spf":
            domain = _dns_form(result.get("smtp.mailfrom").rpartition("@")[2])
            spf = spf or await alignment.aligned(domain, spf=True)
    return replace(facts, border_dkim_aligned=dkim, border_spf_aligned=spf)


def _dns_form(domain: str) -> str:
    try:
        return parse_domain(domain)
    except Refused:
        return ""


def _result_line(result: AuthResult) -> str:
    properties = " ".join(f"{name}={value}" for name, value in result.properties)
    return f"{result.method}={result.result} {properties}".strip()[:300]
