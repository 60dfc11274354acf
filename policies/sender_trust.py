# SPDX-License-Identifier: Apache-2.0
"""How far is it proven that a mail comes from whom its From names: strong, weak, none, unknown, or refuted?

The order of the rules is the order of worth: a proof is a proof whatever else is missing, a contradiction is one
only where there is no proof, and trouble with the DNS is "unknown, try again", never "false". What a proof permits
is `incoming`'s business.
"""

from dataclasses import dataclass
from enum import StrEnum

from policies.options import option
from policies.verdict import Rule, Verdict, first_match


class Trust(StrEnum):
    """How far From is proven."""

    STRONG = "strong"  # a login, or DMARC, or an aligned signature
    WEAK = "weak"  # aligned SPF only, or a trusted forwarder's word (ARC)
    NONE = "none"  # nothing says so, nothing speaks against it
    UNKNOWN = "unknown"  # the DNS gave no answer; ask again
    REFUTED = "refuted"  # DMARC says no, or a stranger uses our own domain


#: From the most to the least that may be permitted; unknown counts as none once waiting is over.
WORTH: tuple[Trust, ...] = (Trust.STRONG, Trust.WEAK, Trust.UNKNOWN, Trust.NONE, Trust.REFUTED)


@dataclass(frozen=True, slots=True)
class SenderTrustSettings:
    """`[policy.sender_trust]`: what counts as proof of who sent a mail."""

    strict_alignment: bool = option(
        False, "A signature counts only for exactly its own domain, whatever the domain's DMARC record permits."
    )
    believe_spf: bool = option(
        True, "SPF aligned with From, as our border saw it, is weak evidence; off: it is none.", run_time=True
    )
    believe_arc: bool = option(
        True, "The word of a trusted ARC sealer about mail that it forwarded is weak evidence; off: it is none.",
        run_time=True,
    )  # fmt: skip
    outbound_is_login: bool = option(
        True,
        "What comes in on an outbound listener, or with a login that our own Postfix noted on top, was sent by the"
        " owner of its From, if that is in a domain of ours; Postfix sees to it with reject_sender_login_mismatch.",
    )


@dataclass(frozen=True, slots=True)
class TrustFacts:
    """What is known of a mail's author. Results are the words of RFC 8601 (`pass`, `fail`, ...), "" where unknown.

    `border_dmarc` is our border's result for exactly this From domain; `own_dmarc` our own, from signatures that
    we verified (`pass`, `fail`, `none`, `temperror`).
    """

    from_fault: str = ""  # why From names nobody; "" where it names one address
    from_is_ours: bool = False  # From is in a domain of ours
    login: bool = False  # the session was authenticated
    login_owns_from: bool = False  # and may use the address in From
    outbound: bool = False  # came in on an outbound listener, or our Postfix noted that its client had logged in
    border_dmarc: str = ""
    border_dkim_aligned: bool = False
    border_spf_aligned: bool = False
    own_dmarc: str = ""
    arc_believed: bool = False  # our border says arc=pass, its sealer is trusted and saw dmarc=pass for this From


RULES: tuple[Rule, ...] = (
    Rule("trust.from.unreadable", "From names nobody, or several; nobody is believed."),
    Rule("trust.login", "The session was authenticated as somebody who may use the From address."),
    Rule("trust.login.other", "The session was authenticated as somebody who may not use the From address."),
    Rule("trust.outbound", "It was submitted here, with a From of ours.", ("sender_trust.outbound_is_login",)),
    Rule("trust.border.dmarc", "Our border found DMARC to pass for the From domain."),
    Rule("trust.border.dkim", "Our border found a good signature of the From domain."),
    Rule("trust.dkim", "We verified a signature of the From domain ourselves.", ("sender_trust.strict_alignment",)),
    Rule("trust.border.dmarc-fail", "Our border found DMARC to fail for the From domain."),
    Rule("trust.arc", "A trusted forwarder sealed that DMARC passed before it.", ("sender_trust.believe_arc",)),
    Rule("trust.ours-from-outside", "A stranger's mail with a From in a domain of ours."),
    Rule("trust.border.spf", "Our border found SPF to pass, aligned with From.", ("sender_trust.believe_spf",)),
    Rule("trust.dmarc-fail", "No proof, and the From domain's DMARC record asks to refuse that."),
    Rule("trust.unknown", "The DNS gave no answer, so it is not known yet."),
    Rule("trust.none", "Nothing proves who sent it."),
)


def decide_trust(facts: TrustFacts, settings: SenderTrustSettings) -> Verdict:
    """Say how far From is proven; the action is a word of `Trust`."""
    return first_match((_from, _login, _outbound, _proof, _forwarded, _contradiction, _weak, _rest), facts, settings)


def _from(facts: TrustFacts, settings: SenderTrustSettings) -> Verdict | None:
    if not facts.from_fault:
        return None
    return Verdict(Trust.NONE, "trust.from.unreadable", facts.from_fault)


def _login(facts: TrustFacts, settings: SenderTrustSettings) -> Verdict | None:
    if facts.login and facts.login_owns_from:
        return Verdict(Trust.STRONG, "trust.login", "The sender logged in and owns the From address")
    if facts.login and facts.from_is_ours:
        return Verdict(Trust.REFUTED, "trust.login.other", "The sender logged in as somebody else than From says")
    return None


def _outbound(facts: TrustFacts, settings: SenderTrustSettings) -> Verdict | None:
    if facts.outbound and facts.from_is_ours and settings.outbound_is_login:
        return Verdict(Trust.STRONG, "trust.outbound", "It was submitted here, from an address of ours")
    return None


def _proof(facts: TrustFacts, settings: SenderTrustSettings) -> Verdict | None:
    if facts.border_dmarc == "pass":
        return Verdict(Trust.STRONG, "trust.border.dmarc", "DMARC passed at our border")
    if facts.border_dkim_aligned and facts.border_dmarc != "fail":
        return Verdict(Trust.STRONG, "trust.border.dkim", "Our border found a good signature of the From domain")
    if facts.own_dmarc == "pass":
        return Verdict(Trust.STRONG, "trust.dkim", "It bears a good signature of the From domain")
    return None


def _forwarded(facts: TrustFacts, settings: SenderTrustSettings) -> Verdict | None:
    """A forwarder breaks DMARC; its trusted seal is why the failure is not held against the author."""
    if facts.arc_believed and settings.believe_arc and not facts.from_is_ours:
        return Verdict(Trust.WEAK, "trust.arc", "A trusted forwarder says that DMARC passed before it")
    return None


def _contradiction(facts: TrustFacts, settings: SenderTrustSettings) -> Verdict | None:
    if facts.border_dmarc == "fail":
        return Verdict(Trust.REFUTED, "trust.border.dmarc-fail", "DMARC failed at our border")
    if facts.from_is_ours and facts.own_dmarc != "temperror":
        return Verdict(Trust.REFUTED, "trust.ours-from-outside", "It claims an address of ours and comes from outside")
    if facts.own_dmarc == "fail" and not facts.border_spf_aligned:
        return Verdict(
            Trust.REFUTED, "trust.dmarc-fail", "The From domain signs its mail, and this is not signed by it"
        )
    return None


def _weak(facts: TrustFacts, settings: SenderTrustSettings) -> Verdict | None:
    if facts.border_spf_aligned and settings.believe_spf and not facts.from_is_ours:
        return Verdict(Trust.WEAK, "trust.border.spf", "Only SPF vouches for the From domain")
    return None


def _rest(facts: TrustFacts, settings: SenderTrustSettings) -> Verdict:
    if "temperror" in (facts.own_dmarc, facts.border_dmarc):
        return Verdict(Trust.UNKNOWN, "trust.unknown", "The DNS gave no answer, so who sent it is not known yet")
    return Verdict(Trust.NONE, "trust.none", "Nothing proves who sent it")
