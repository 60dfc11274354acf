# SPDX-License-Identifier: Apache-2.0
"""What an answer link permits, and for how long: opening its page, and answering there.

A link is a capability for one guest of one event. It can be used again and again until it ends, because scanners
use up what works once; an answer given to a time that has changed since is asked for anew and never counted.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from policies.options import option
from policies.scheduling import SchedulingSettings
from policies.verdict import Rule, Verdict

OPEN, CLOSED, GONE, APPLY, SAME, ASK_AGAIN = "open", "closed", "gone", "apply", "same", "ask-again"


@dataclass(frozen=True, slots=True)
class RsvpSettings:
    """Answers by link."""

    answer_until: timedelta = option(
        timedelta(), "How long after the end of an event answers by link still count.", least=timedelta()
    )
    longest_life: timedelta = option(
        timedelta(days=400), "Longest life of a link, for events far ahead and series without an end.",
        least=timedelta(days=1),
    )  # fmt: skip
    burst_window: timedelta = option(
        timedelta(), "A different answer so soon after the last one is asked for again, against robots; 0s = off.",
        least=timedelta(), most=timedelta(minutes=1),
    )  # fmt: skip
    allow_comment: bool = option(True, "Guests may write a comment.")
    comment_max_length: int = option(1000, "Characters of a comment that are kept.", least=0, most=10000)
    allow_delegation: bool = option(False, "Guests may pass their invitation on by link.")
    allow_proposals: bool = option(True, "Guests may propose another time by link.")
    links_in_own_mail: Literal["never", "submitted", "always"] = option(
        "submitted", "Put answer links below the words of an unsigned invitation that a person's own program sends:"
        " never, in mail handed in at our submission listener, or also in what filter and milter see.",
    )  # fmt: skip
    show_guests: bool = option(True, "The page names the other guests, unless the organizer hides them.")


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """A link that was found by its token, and what has become of its event."""

    now: datetime
    expires_at: datetime
    revoked: bool = False
    invited: bool = True  # the guest still stands in the event (or the occurrence)
    cancelled: bool = False
    deleted: bool = False
    ends_at: datetime | None = None  # end of the last instance in question; None = no end


@dataclass(frozen=True, slots=True)
class AnswerFacts:
    """An answer posted from the page. Sequences are those of the guest's last significant change."""

    link: LinkFacts
    partstat: str
    before: str
    sequence_shown: int  # what the page showed when the form was made
    sequence_now: int
    stands: bool = True  # the answer before was given to the time as it is now
    comment: bool = False
    since_last_answer: timedelta | None = None


RULES: tuple[Rule, ...] = (
    Rule("rsvp.disabled", "Answer links are switched off.", ("scheduling.enable", "scheduling.http_rsvp_enable")),
    Rule("rsvp.revoked", "The link was taken back."),
    Rule("rsvp.expired", "The link has ended.", ("scheduling.http_rsvp_link_expiry", "rsvp.longest_life")),
    Rule("rsvp.removed", "The guest is no longer invited, or the event is gone."),
    Rule("rsvp.cancelled", "The event was cancelled: shown, nothing to answer."),
    Rule("rsvp.over", "The event is over: shown, nothing to answer.", ("rsvp.answer_until",)),
    Rule("rsvp.open", "The page can be answered."),
    Rule("rsvp.rescheduled", "The time changed after the page was made: shown anew and asked again."),
    Rule("rsvp.burst", "A different answer at once after the last one: asked again.", ("rsvp.burst_window",)),
    Rule("rsvp.repeated", "The same answer to the same time again: nothing changes, and it is no error."),
    Rule("rsvp.answered", "The answer counts."),
)


def decide_link(facts: LinkFacts, settings: RsvpSettings, scheduling: SchedulingSettings) -> Verdict:
    """Decide `open`, `closed` (shown, not to be answered) or `gone` (as if it had never been) for a link."""
    over = facts.ends_at is not None and facts.ends_at + settings.answer_until < facts.now
    off = not (scheduling.enable and scheduling.http_rsvp_enable)
    for holds, action, rule, reason in (
        (off, GONE, "rsvp.disabled", "Answer links are switched off"),
        (facts.revoked, GONE, "rsvp.revoked", "The link was taken back"),
        (facts.expires_at <= facts.now, GONE, "rsvp.expired", "The link has ended"),
        (facts.deleted or not facts.invited, GONE, "rsvp.removed", "The guest is no longer invited"),
        (facts.cancelled, CLOSED, "rsvp.cancelled", "The event was cancelled"),
        (over, CLOSED, "rsvp.over", "The event is over"),
    ):
        if holds:
            return Verdict(action, rule, reason)
    return Verdict(OPEN, "rsvp.open", "The page can be answered")


def decide_answer(facts: AnswerFacts, settings: RsvpSettings, scheduling: SchedulingSettings) -> Verdict:
    """Decide `apply`, `same`, `ask-again`, or what `decide_link` says where the link is not open."""
    link = decide_link(facts.link, settings, scheduling)
    if link.action != OPEN:
        return link
    if facts.sequence_shown < facts.sequence_now:
        return Verdict(ASK_AGAIN, "rsvp.rescheduled", "The time changed after the page was made")
    says_more = facts.comment or (facts.partstat != "NEEDS-ACTION" and not facts.stands)
    if facts.partstat == facts.before and not says_more:
        return Verdict(SAME, "rsvp.repeated", f"The answer was {facts.partstat} before")
    gap = facts.since_last_answer
    if gap is not None and facts.partstat != facts.before and gap < settings.burst_window:
        return Verdict(ASK_AGAIN, "rsvp.burst", "Two different answers came at once")
    return Verdict(APPLY, "rsvp.answered", f"The guest answered {facts.partstat}")


def link_expires_at(
    now: datetime, ends_at: datetime | None, settings: RsvpSettings, scheduling: SchedulingSettings
) -> datetime:
    """Return when a link made now ends: after its life or the event's end, whichever is later, within the longest."""
    life = now + scheduling.http_rsvp_link_expiry
    longest = now + settings.longest_life
    end = longest if ends_at is None else ends_at + settings.answer_until
    return max(life, min(end, longest))
