# SPDX-License-Identifier: Apache-2.0
"""What may an incoming scheduling message do to a calendar: apply, hold for a person, ignore, refuse, or wait?

The matrix of method against evidence, as one table to read. A row is what the message asks for; a column is how far
its author is proven and whether that author is the party who may ask for it (RFC 5546 §1.4, §6.1): the attendee for
REPLY, COUNTER and REFRESH, the organizer for all else. Whatever is decided here, the mail itself is delivered
unchanged. Whether the message is stale, or its author was invited at all, is the engine's business.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal

from policies.options import option
from policies.scheduling import AutoAdd
from policies.sender_trust import Trust
from policies.verdict import Rule, Verdict, first_match


class Action(StrEnum):
    """What becomes of the calendar part, from the most to the least."""

    APPLY = "apply"
    HOLD = "hold"  # a person decides
    IGNORE = "ignore"  # the mail is delivered, no more
    REFUSE = "refuse"  # as ignore, and marked as not from whom it claims
    DEFER = "defer"  # not known yet: let the mail come again


class Match(StrEnum):
    """Who the proven author is, compared with the party that may ask for this."""

    SAME = "same"  # that very party, by any of its known addresses
    DELEGATE = "delegate"  # its SENT-BY, or a delegate recorded earlier
    DOMAIN = "domain"  # somebody of the same domain
    OTHER = "other"


class Asks(StrEnum):
    """What a message asks for; rows of the matrix."""

    ANSWER = "answer"  # REPLY
    INVITE = "invite"  # REQUEST or ADD for an object that is not stored
    CHANGE = "change"  # REQUEST or ADD for a stored one
    CANCEL = "cancel"  # CANCEL
    PROPOSE = "propose"  # COUNTER, DECLINECOUNTER
    REFRESH = "refresh"  # REFRESH
    LOOK = "look"  # PUBLISH, and whatever is no method


class Proof(StrEnum):
    """How good the claim is; columns of the matrix, the best first."""

    STRONG_SAME = "strong-same"
    STRONG_DELEGATE = "strong-delegate"
    TOKEN = "token"  # noqa: S105  # holds the secret that only this attendee was sent; never good for REQUEST or CANCEL
    WEAK_SAME = "weak-same"
    STRONG_DOMAIN = "strong-domain"
    UNPROVEN = "unproven"  # right by its own words, and nothing proves it
    OTHER = "other"  # somebody else than the party that may ask
    REFUTED = "refuted"


def _service_fault(services: tuple[str, ...]) -> str | None:
    wrong = [service for service in services if not re.fullmatch(r"[^@=\s]+@[^@=\s]+=[^@=\s]+", service)]
    return f"{wrong[0]!r} is not of the form address=domain" if wrong else None


@dataclass(frozen=True, slots=True)
class IncomingSettings:
    """`[policy.incoming]`: what becomes of scheduling mail whose author is not fully proven."""

    unproven: Literal["hold", "ignore"] = option(
        "hold",
        "A message that nothing proves to come from whom it says: kept for a person to decide, or only delivered.",
        run_time=True,
    )
    weak_replies: Literal["apply", "hold"] = option(
        "apply", "An answer that only SPF or a forwarder vouches for: applied and marked, or kept for a person.",
        run_time=True,
    )  # fmt: skip
    files: Literal["apply", "hold", "ignore"] = option(
        "hold", "A calendar that came as a plain file (application/ics, invite.ics), the only one in its mail.",
        run_time=True,
    )  # fmt: skip
    services: tuple[str, ...] = option(
        ("noreply@insideicloud.icloud.com=imip.me.com",),
        "Calendar services that write in their users' name: the address in From, and the domain of the calendar"
        " addresses that it may write for. What is proven of the service counts for its users.",
        check=_service_fault,
    )  # fmt: skip
    retry_unknown: timedelta = option(
        timedelta(hours=1),
        "How long to put off mail whose author the DNS cannot tell us yet; later it counts as unproven. 0s = never.",
        least=timedelta(0), most=timedelta(days=2),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class IncomingFacts:
    """One calendar part for one recipient. `standing` is how it lies in its mail: marked, unmarked or attached."""

    method: str
    trust: Trust
    match: Match
    from_fault: str = ""  # why From names nobody
    stored: bool = False  # the recipient's calendar has an object of this UID
    token: bool = False  # came to an address, or quotes a Message-ID, that only this attendee was given
    standing: str = "marked"
    invited: bool = True  # the recipient is attendee or organizer of it, by any of its addresses
    organizes: bool = False  # the recipient is the organizer that the stored object, or else the message, names
    own: bool = False  # the proven author is the recipient's own account
    forward_notice: bool = False  # written by a guest's program, when the guest forwarded the invitation
    list_mail: bool = False
    null_sender: bool = False
    ours: bool = False  # a mail that this gateway made
    known: bool = False  # the author is a known correspondent of the recipient, or of its own domain
    auto_add: AutoAdd = "known"
    waited: timedelta = timedelta(0)  # since the mail first came


def _row(*cells: str) -> dict[Proof, str]:
    return dict(zip(Proof, cells, strict=True))


#: The matrix. Cells are actions, or the name of the setting that decides: `unproven`, `weak` (replies), `add`
#: (which invitations become events by themselves). `known`: hold what an author sent on whom we know for certain,
#: else as unproven. "-" cannot happen.
MATRIX: dict[Asks, dict[Proof, str]] = {
    #                strong-same delegate  token     weak-same domain    unproven    other     refuted
    Asks.ANSWER:  _row("apply",  "apply",  "apply",  "weak",   "hold",   "unproven", "refuse", "refuse"),
    Asks.INVITE:  _row("add",    "add",    "-",      "add",    "hold",   "add",      "known",  "refuse"),
    Asks.CHANGE:  _row("apply",  "apply",  "-",      "hold",   "hold",   "unproven", "refuse", "refuse"),
    Asks.CANCEL:  _row("apply",  "apply",  "-",      "hold",   "hold",   "unproven", "refuse", "refuse"),
    Asks.PROPOSE: _row("apply",  "apply",  "apply",  "hold",   "hold",   "unproven", "refuse", "refuse"),
    Asks.REFRESH: _row("apply",  "apply",  "apply",  "apply",  "ignore", "ignore",   "ignore", "refuse"),
    Asks.LOOK:    _row("ignore", "ignore", "ignore", "ignore", "ignore", "ignore",   "ignore", "ignore"),
}  # fmt: skip

RULES: tuple[Rule, ...] = (
    Rule("incoming.no-author", "From names nobody, or several: there is no author to compare with anybody."),
    Rule("incoming.null-sender", "A mail with the null sender is a report, never a scheduling message."),
    Rule("incoming.our-own-mail", "A mail that this gateway made came back; its effect is here already."),
    Rule("incoming.publish", "PUBLISH, or no method at all: something to look at."),
    Rule("incoming.not-a-party", "The recipient is not invited (a blind copy, an archive, a member of a list)."),
    Rule("incoming.not-the-organizer", "An answer to somebody who does not organize the event."),
    Rule("incoming.you-are-the-organizer", "It claims the recipient as organizer and does not come from there."),
    Rule("incoming.forwarded", "A guest's program tells the organizer that the invitation was forwarded: it informs."),
    Rule("incoming.list", "Mail through a list changes nothing that is stored; an invitation waits for a person."),
    Rule("incoming.wait", "Who sent it is not known yet; the mail is put off.", ("incoming.retry_unknown",)),
    Rule("incoming.proven", "It is proven to come from the party that may ask for it."),
    Rule("incoming.delegate", "It is proven to come from a known delegate of that party."),
    Rule("incoming.token", "It came by the secret that only this attendee was given."),
    Rule("incoming.weak", "Only weak evidence says that it comes from that party.", ("incoming.weak_replies",)),
    Rule("incoming.same-domain", "It is proven to come from a colleague of that party."),
    Rule("incoming.unproven", "Nothing proves that it comes from that party.", ("incoming.unproven",)),
    Rule("incoming.other-author", "It names one party and comes from another."),
    Rule("incoming.refuted", "It does not come from whom it claims."),
    Rule("incoming.added", "The rules for invitations add it.", ("scheduling.auto_add_invitations",)),
    Rule("incoming.not-added", "The rules for invitations leave it to a person.", ("scheduling.auto_add_invitations",)),
    Rule("incoming.unmarked-cancel", "A cancellation whose mail does not say that it is one waits for a person."),
    Rule("incoming.file", "A calendar that came as a plain file.", ("incoming.files",)),
)

_RULE = {
    Proof.STRONG_SAME: "incoming.proven",
    Proof.STRONG_DELEGATE: "incoming.delegate",
    Proof.TOKEN: "incoming.token",
    Proof.WEAK_SAME: "incoming.weak",
    Proof.STRONG_DOMAIN: "incoming.same-domain",
    Proof.UNPROVEN: "incoming.unproven",
    Proof.OTHER: "incoming.other-author",
    Proof.REFUTED: "incoming.refuted",
}

_WHY = {
    Proof.STRONG_SAME: "comes from the {party}, and that is proven",
    Proof.STRONG_DELEGATE: "comes from a known delegate of the {party}, and that is proven",
    Proof.TOKEN: "came by the secret that only this attendee was given",
    Proof.WEAK_SAME: "seems to come from the {party}; the evidence is weak",
    Proof.STRONG_DOMAIN: "comes from a colleague of the {party}, not from the {party}",
    Proof.UNPROVEN: "says that it comes from the {party}, and nothing proves it",
    Proof.OTHER: "came from an address that is not the {party}'s",
    Proof.REFUTED: "does not come from whom it claims",
}

_WHAT = {
    Asks.ANSWER: "The answer",
    Asks.INVITE: "The invitation",
    Asks.CHANGE: "The change",
    Asks.CANCEL: "The cancellation",
    Asks.PROPOSE: "The proposal",
    Asks.REFRESH: "The request for the current state",
    Asks.LOOK: "The calendar",
}

_ASKS = {
    "REPLY": Asks.ANSWER,
    "CANCEL": Asks.CANCEL,
    "COUNTER": Asks.PROPOSE,
    "DECLINECOUNTER": Asks.PROPOSE,
    "REFRESH": Asks.REFRESH,
}
_FROM_ATTENDEE = frozenset(("REPLY", "COUNTER", "REFRESH"))
_ORDER = tuple(Action)


def party_of(method: str) -> str:
    """Return who alone may send this: `attendee` or `organizer` (RFC 5546 §1.4)."""
    return "attendee" if method in _FROM_ATTENDEE else "organizer"


def writes_for(author: str, party: str, settings: IncomingSettings) -> bool:
    """Tell whether an address is that of a service which writes for calendar addresses of the party's domain."""
    return f"{author.lower()}={party.rpartition('@')[2].lower()}" in settings.services


def decide_incoming(facts: IncomingFacts, settings: IncomingSettings) -> Verdict:
    """Decide what one calendar part may do for one recipient; the action is a word of `Action`."""
    rules = (_no_message, _no_author, _no_party, _organizer_is_recipient, _list_change, _not_known_yet, _capped)
    return first_match(rules, facts, settings)


def _no_message(facts: IncomingFacts, settings: IncomingSettings) -> Verdict | None:
    if facts.null_sender:
        return Verdict(Action.IGNORE, "incoming.null-sender", "It is a report, since it has no sender")
    if facts.ours:
        return Verdict(Action.IGNORE, "incoming.our-own-mail", "We made this mail ourselves")
    if _asks(facts) is Asks.LOOK:
        return Verdict(Action.IGNORE, "incoming.publish", "It asks for nothing; it is there to be looked at")
    return None


def _no_author(facts: IncomingFacts, settings: IncomingSettings) -> Verdict | None:
    return Verdict(Action.REFUSE, "incoming.no-author", facts.from_fault) if facts.from_fault else None


def _no_party(facts: IncomingFacts, settings: IncomingSettings) -> Verdict | None:
    if party_of(facts.method) == "attendee" and not facts.organizes:
        return Verdict(Action.IGNORE, "incoming.not-the-organizer", "It answers an event that you do not organize")
    if not facts.invited and not facts.organizes:
        return Verdict(Action.IGNORE, "incoming.not-a-party", "It is not addressed to you as a guest")
    return None


def _organizer_is_recipient(facts: IncomingFacts, settings: IncomingSettings) -> Verdict | None:
    if party_of(facts.method) == "organizer" and facts.organizes and not facts.own:
        if facts.forward_notice and facts.method == "REQUEST":
            reason = "It tells that your invitation was forwarded; nothing is changed by that"
            return Verdict(Action.IGNORE, "incoming.forwarded", reason)
        reason = "It claims that you are the organizer, and it does not come from you"
        return Verdict(Action.REFUSE, "incoming.you-are-the-organizer", reason)
    return None


def _list_change(facts: IncomingFacts, settings: IncomingSettings) -> Verdict | None:
    if facts.list_mail and _asks(facts) is not Asks.INVITE and _matrix(facts, settings).action != Action.REFUSE:
        return Verdict(Action.IGNORE, "incoming.list", "It came through a mailing list, which changes nothing here")
    return None


def _not_known_yet(facts: IncomingFacts, settings: IncomingSettings) -> Verdict | None:
    if facts.trust is not Trust.UNKNOWN or facts.waited >= settings.retry_unknown:
        return None
    reason = "Who sent it is not known yet, because the DNS gave no answer"
    return Verdict(Action.DEFER, "incoming.wait", reason) if _proof(facts) is Proof.UNPROVEN else None


def _capped(facts: IncomingFacts, settings: IncomingSettings) -> Verdict:
    """Ask the matrix, then let the form of the message take away what it does not deserve."""
    verdict = _matrix(facts, settings)
    if facts.standing == "unmarked" and facts.method == "CANCEL":
        cancel = "The mail does not say that it is a cancellation"
        verdict = _at_most(verdict, Verdict(Action.HOLD, "incoming.unmarked-cancel", cancel))
    if facts.standing == "attached":
        file = "The calendar came as a plain file"
        verdict = _at_most(verdict, Verdict(Action(settings.files), "incoming.file", file))
    if facts.list_mail:
        list_mail = "It came through a mailing list"
        verdict = _at_most(verdict, Verdict(Action.HOLD, "incoming.list", list_mail))
    return verdict


def _at_most(verdict: Verdict, cap: Verdict) -> Verdict:
    return cap if _ORDER.index(Action(verdict.action)) < _ORDER.index(Action(cap.action)) else verdict


def _matrix(facts: IncomingFacts, settings: IncomingSettings) -> Verdict:
    asks, proof = _asks(facts), _proof(facts)
    reason = f"{_WHAT[asks]} {_WHY[proof].format(party=party_of(facts.method))}"
    cell = MATRIX[asks][proof]
    if cell == "add":
        return _added(facts, settings, proof, reason)
    if cell == "known":
        cell = "hold" if facts.trust is Trust.STRONG else "unproven"
    action = {"unproven": settings.unproven, "weak": settings.weak_replies}.get(cell, cell)
    return Verdict(Action(action), _RULE[proof], reason)


def _added(facts: IncomingFacts, settings: IncomingSettings, proof: Proof, reason: str) -> Verdict:
    """Apply the rules for invitations: nobody's, known correspondents', anyone's who is proven, or all."""
    strong = facts.trust is Trust.STRONG
    known = facts.known and facts.trust in (Trust.STRONG, Trust.WEAK)
    if facts.own or {"never": False, "known": known, "authenticated": strong, "always": True}[facts.auto_add]:
        return Verdict(Action.APPLY, "incoming.added", reason)
    if proof is Proof.UNPROVEN:
        return Verdict(Action(settings.unproven), "incoming.unproven", reason)
    left = {"never": "invitations are not added by themselves", "known": "you have not written to each other before"}
    why = left.get(facts.auto_add, "the evidence is too weak to add it")
    return Verdict(Action.HOLD, "incoming.not-added", f"{reason}; {why}")


def _asks(facts: IncomingFacts) -> Asks:
    if facts.method in ("REQUEST", "ADD"):
        return Asks.CHANGE if facts.stored else Asks.INVITE
    return _ASKS.get(facts.method, Asks.LOOK)


def _proof(facts: IncomingFacts) -> Proof:
    if facts.trust is Trust.REFUTED:
        return Proof.REFUTED  # a token is no excuse for a forged From
    proof = _PROOFS.get((facts.trust, facts.match), Proof.OTHER)
    if facts.token and party_of(facts.method) == "attendee" and proof not in _BETTER_THAN_TOKEN:
        return Proof.TOKEN
    return proof


_BETTER_THAN_TOKEN = (Proof.STRONG_SAME, Proof.STRONG_DELEGATE)
_PROOFS = {
    (Trust.STRONG, Match.SAME): Proof.STRONG_SAME,
    (Trust.STRONG, Match.DELEGATE): Proof.STRONG_DELEGATE,
    (Trust.STRONG, Match.DOMAIN): Proof.STRONG_DOMAIN,
    (Trust.WEAK, Match.SAME): Proof.WEAK_SAME,
    (Trust.WEAK, Match.DELEGATE): Proof.UNPROVEN,
    (Trust.NONE, Match.SAME): Proof.UNPROVEN,
    (Trust.NONE, Match.DELEGATE): Proof.UNPROVEN,
    (Trust.UNKNOWN, Match.SAME): Proof.UNPROVEN,
    (Trust.UNKNOWN, Match.DELEGATE): Proof.UNPROVEN,
}
