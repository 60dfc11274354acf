# SPDX-License-Identifier: Apache-2.0
"""May we answer a mail by ourselves? Automatic mail, lists, our own mail and tired mail get no automatic answer.

RFC 3834 §2. Only mail that nobody asked a person for is meant: an answer that a policy gives, the current state for a
REFRESH or for an answer to an old time, a notice of delegation. What a person answers by hand is not. Automatic mail is
still processed; it only gets nothing back.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from policies.options import option
from policies.verdict import Rule, Verdict, first_match


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """`[policy.loops]`: when we keep silent to avoid mail loops."""

    max_hops: int = option(
        25,
        "Received lines after which a mail gets no automatic answer; Postfix itself bounces at 50.",
        least=5,
        most=100,
    )
    refreshes_per_hour: int = option(
        6,
        "How often within an hour one guest is sent the current state, having asked for it or answered an old one;"
        " 0 = no limit.",
        least=0,
    )
    answer_lists: bool = option(False, "Answer mail that came through a mailing list.")


@dataclass(frozen=True, slots=True)
class LoopFacts:
    """What a mail's envelope and header say of its origin; words in lower case."""

    method: str = ""
    null_sender: bool = False
    header_from: str = ""
    auto_submitted: str = "no"
    precedence: str = ""
    auto_response_suppress: str = ""
    list_id: str | None = None
    received_count: int = 0
    told_last_hour: int = 0  # how often the same account has sent the same guest the current state
    ours: bool = False  # bears our mark, or a Message-ID of ours


RULES: tuple[Rule, ...] = (
    Rule("loops.null-sender", "No automatic answer to the null sender (RFC 3834 §2)."),
    Rule("loops.ours", "No automatic answer to our own mail."),
    Rule("loops.hops", "No automatic answer to a mail that came a long way round.", ("loops.max_hops",)),
    Rule("loops.list", "No automatic answer to list or bulk mail.", ("loops.answer_lists",)),
    Rule("loops.auto-submitted", "No automatic answer to automatic mail."),
    Rule("loops.suppressed", "The mail asks for no automatic answers (X-Auto-Response-Suppress)."),
    Rule("loops.role-address", "No automatic answer to addresses behind which nobody reads."),
    Rule("loops.refreshes", "The guest was told too often within the hour.", ("loops.refreshes_per_hour",)),
    Rule("loops.answer", "Nothing speaks against an automatic answer."),
)

_BULK = frozenset(("list", "bulk", "junk"))
_SUPPRESSED = frozenset(("all", "autoreply"))
_ROLES = frozenset(("mailer-daemon", "postmaster", "noreply", "no-reply", "donotreply", "do-not-reply", "listserv"))
_ASKING = frozenset(("REQUEST", "REFRESH", "REPLY"))


def decide_answer(facts: LoopFacts, settings: LoopSettings) -> Verdict:
    """Decide whether an automatic answer may go out: `answer` or `silent`."""
    return first_match((_origin, _bulk, _automatic, _tireless, _rest), facts, settings)


def _origin(facts: LoopFacts, settings: LoopSettings) -> Verdict | None:
    if facts.null_sender:
        return _silent("null-sender", "The mail has no sender to answer")
    if facts.ours:
        return _silent("ours", "We made this mail ourselves")
    if facts.received_count > settings.max_hops:
        return _silent("hops", f"The mail has passed {facts.received_count} hosts")
    return None


def _bulk(facts: LoopFacts, settings: LoopSettings) -> Verdict | None:
    if settings.answer_lists or (facts.list_id is None and facts.precedence not in _BULK):
        return None
    return _silent("list", "The mail came through a list or in bulk")


def _automatic(facts: LoopFacts, settings: LoopSettings) -> Verdict | None:
    if facts.auto_submitted != "no" and facts.method not in _ASKING:
        # gateways and rooms mark their messages so; invitations ask to be answered, old answers to be put right
        return _silent("auto-submitted", "The mail was sent by a program")
    if _SUPPRESSED & _words(facts.auto_response_suppress) and facts.method not in _ASKING:
        return _silent("suppressed", "The mail asks for no automatic answer")
    if facts.header_from.partition("@")[0].lower() in _ROLES:
        return _silent("role-address", "Nobody reads mail at that address")
    return None


def _tireless(facts: LoopFacts, settings: LoopSettings) -> Verdict | None:
    most, told = settings.refreshes_per_hour, facts.told_last_hour
    if not most or told < most:
        return None
    return _silent("refreshes", f"The current state was sent there {told} times within the hour already")


def _rest(facts: LoopFacts, settings: LoopSettings) -> Verdict:
    return Verdict("answer", "loops.answer", "Nothing speaks against an automatic answer")


def _silent(rule: str, reason: str) -> Verdict:
    return Verdict("silent", f"loops.{rule}", reason)


def _words(text: str) -> frozenset[str]:
    pieces: Iterable[str] = text.replace(";", ",").split(",")
    return frozenset(piece.strip().lower() for piece in pieces)
