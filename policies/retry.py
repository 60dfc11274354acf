# SPDX-License-Identifier: Apache-2.0
"""After each try to hand a mail over: is it sent, tried again and when, or given up, and what does the guest's
SCHEDULE-STATUS say (RFC 6638 §3.2.9)?

Backoff grows by a factor up to a longest wait. The part that is left to chance comes in as an argument.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from policies.options import option
from policies.verdict import Rule, Verdict

SENT, RETRY, FAIL = "sent", "retry", "fail"


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """When a mail is tried again, when its organizer sees it as delayed, and when we give up."""

    first: timedelta = option(timedelta(minutes=1), "Wait after the first failed try.", least=timedelta(seconds=1))
    factor: float = option(2.0, "Each further wait is so many times the one before.", least=1.0, most=10.0)
    longest: timedelta = option(timedelta(hours=4), "Longest wait between two tries.", least=timedelta(seconds=1))
    jitter: float = option(
        0.2, "Share of a wait that is left to chance, so that not all try at once.", least=0.0, most=1.0
    )
    warn_after: timedelta = option(
        timedelta(hours=4), "The organizer sees a mail as delayed after this time; 0s = never.", least=timedelta()
    )
    give_up_after: timedelta = option(
        timedelta(days=3), "A mail is given up after this time.", least=timedelta(minutes=1)
    )


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """One try for one recipient. `code` is the SMTP reply, 0 where there was none (no connection, deadline)."""

    now: datetime
    queued_at: datetime
    attempts: int  # this one counted
    code: int
    enhanced: str = ""
    text: str = ""
    warned: bool = False
    chance: float = 0.5  # 0.0 to 1.0, drawn by the caller


@dataclass(frozen=True, slots=True)
class AttemptVerdict:
    """What comes of a try: the verdict, when to try again, what SCHEDULE-STATUS says, and whether to warn now."""

    verdict: Verdict
    next_at: datetime | None
    schedule_status: str
    warn: bool = False


RULES: tuple[Rule, ...] = (
    Rule("retry.sent", "The next hop took the mail: SCHEDULE-STATUS 1.1."),
    Rule(
        "retry.later",
        "The next hop said later, or nothing: tried again after a growing wait; SCHEDULE-STATUS 1.0.",
        ("retry.first", "retry.factor", "retry.longest", "retry.jitter"),
    ),
    Rule("retry.given-up", "Tried for as long as it is tried: SCHEDULE-STATUS 5.1.", ("retry.give_up_after",)),
    Rule("retry.no-such-recipient", "The recipient does not exist (5.1.x): SCHEDULE-STATUS 5.2."),
    Rule("retry.rejected", "The recipient's side does not want it (5.7.x): SCHEDULE-STATUS 5.3."),
    Rule("retry.failed", "The next hop refused the mail for good: SCHEDULE-STATUS 5.2."),
)


def decide_attempt(facts: AttemptFacts, settings: RetrySettings) -> AttemptVerdict:
    """Decide `sent`, `retry` or `fail` after one try."""
    if 200 <= facts.code < 300:
        return AttemptVerdict(Verdict(SENT, "retry.sent", "The next hop took the mail"), None, "1.1")
    if 500 <= facts.code < 600:
        return _refused(facts)
    if facts.now - facts.queued_at >= settings.give_up_after:
        reason = f"Not delivered after {facts.attempts} tries: {_said(facts)}"
        return AttemptVerdict(Verdict(FAIL, "retry.given-up", reason), None, "5.1")
    # Never later than the give-up time: the last try falls on it, and then the organizer learns of it.
    next_at = min(
        facts.now + wait_after(facts.attempts, settings, facts.chance), facts.queued_at + settings.give_up_after
    )
    late = bool(settings.warn_after) and facts.now - facts.queued_at >= settings.warn_after
    verdict = Verdict(RETRY, "retry.later", f"Tried again later: {_said(facts)}")
    return AttemptVerdict(verdict, next_at, "1.0", warn=late and not facts.warned)


def wait_after(attempts: int, settings: RetrySettings, chance: float) -> timedelta:
    """Return the wait after so many failed tries; `chance` (0 to 1) shortens it by at most the jitter's share."""
    steps = min(max(attempts - 1, 0), 64)  # 1.1 ** 64 is already more than any longest / first that makes sense
    seconds = min(settings.first.total_seconds() * settings.factor**steps, settings.longest.total_seconds())
    return timedelta(seconds=seconds * (1 - settings.jitter * chance))


def _refused(facts: AttemptFacts) -> AttemptVerdict:
    subject = facts.enhanced.split(".")[1] if facts.enhanced.count(".") == 2 else ""  # RFC 3463 §2
    rule, status = {"1": ("retry.no-such-recipient", "5.2"), "7": ("retry.rejected", "5.3")}.get(
        subject, ("retry.failed", "5.2")
    )
    return AttemptVerdict(Verdict(FAIL, rule, f"Refused: {_said(facts)}"), None, status)


def _said(facts: AttemptFacts) -> str:
    words = " ".join(f"{facts.code or ''} {facts.enhanced} {facts.text}".split())
    return words[:300] or "no answer"
