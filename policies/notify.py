# SPDX-License-Identifier: Apache-2.0
"""Which changes are worth a mail to the guests, and which answers are worth one to the organizer."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from policies.options import option
from policies.verdict import Rule, Verdict, first_match

Answers = Literal["each", "digest", "none"]


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """What is worth a mail."""

    answers: Answers = option(
        "each", "Mail to the organizer about guests' answers: each one, gathered, or none; an account may differ."
    )
    digest_interval: timedelta = option(
        timedelta(hours=1), "How long answers are gathered for one mail.", least=timedelta(minutes=1)
    )
    minor_changes: Literal["send", "quiet"] = option(
        "send", "A change that asks nobody anew (title, text, link): send an update, or be quiet."
    )


@dataclass(frozen=True, slots=True)
class AnswerFacts:
    """A guest's answer that was applied. `wish` is the organizer's own choice, if they made one."""

    partstat: str
    before: str
    by: Literal["mail", "link", "local"] = "link"
    passed_on: bool = False  # the answer is itself a mail that the organizer receives
    comment: bool = False
    wish: Answers | None = None


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """A change of an event that would send updates; `significant` asks guests to answer anew."""

    significant: bool
    asked: bool = False  # the organizer asked for mails about this change


RULES: tuple[Rule, ...] = (
    Rule("notify.passed-on", "The answer reaches the organizer as a mail of its own: no second one."),
    Rule("notify.unchanged", "The same answer again, without a comment: no mail."),
    Rule("notify.none", "The organizer wants no mail about answers.", ("notify.answers",)),
    Rule(
        "notify.digest",
        "The answer waits for the organizer's next summary.",
        ("notify.answers", "notify.digest_interval"),
    ),
    Rule("notify.each", "The organizer is told at once.", ("notify.answers",)),
    Rule("notify.significant", "Guests must answer anew: the update is sent."),
    Rule("notify.asked", "The organizer asked for mails about this change."),
    Rule("notify.minor", "A small change: the update is sent.", ("notify.minor_changes",)),
    Rule("notify.minor-quiet", "A small change: nobody is mailed.", ("notify.minor_changes",)),
)


def decide_answer(facts: AnswerFacts, settings: NotifySettings) -> Verdict:
    """Decide `mail`, `digest` or `none` for the organizer's mail about one answer."""
    return first_match((_passed_on, _unchanged, _as_wished), facts, settings)


def _passed_on(facts: AnswerFacts, settings: NotifySettings) -> Verdict | None:
    return (
        Verdict("none", "notify.passed-on", "The answer itself is a mail to the organizer") if facts.passed_on else None
    )


def _unchanged(facts: AnswerFacts, settings: NotifySettings) -> Verdict | None:
    if facts.partstat != facts.before or facts.comment:
        return None
    return Verdict("none", "notify.unchanged", f"The answer was {facts.partstat} before")


def _as_wished(facts: AnswerFacts, settings: NotifySettings) -> Verdict:
    return _BY_WISH[facts.wish or settings.answers]


_BY_WISH: dict[Answers, Verdict] = {
    "each": Verdict("mail", "notify.each", "The organizer is told of each answer"),
    "digest": Verdict("digest", "notify.digest", "The organizer gets answers gathered"),
    "none": Verdict("none", "notify.none", "The organizer wants no mail about answers"),
}


def decide_change(facts: ChangeFacts, settings: NotifySettings) -> Verdict:
    """Decide `send` or `quiet` for the updates of one change."""
    if facts.significant:
        return Verdict("send", "notify.significant", "Guests must answer anew")
    if facts.asked:
        return Verdict("send", "notify.asked", "The organizer asked for mails about this change")
    if settings.minor_changes == "send":
        return Verdict("send", "notify.minor", "A small change is told")
    return Verdict("quiet", "notify.minor-quiet", "A small change is not told")
