# SPDX-License-Identifier: Apache-2.0
"""How much is too much: whether a calendar change may send mail at all, and how large an event may be.

Three answers. `send`; `quiet`: the change is stored and no mail goes out, with the reason recorded; `refuse`: the
change is not stored, because storing it without its mails would leave the organizer believing that guests know.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from policies.options import Size, option
from policies.scheduling import SchedulingSettings
from policies.verdict import Rule, Verdict

SEND, QUIET, REFUSE, ACCEPT = "send", "quiet", "refuse", "accept"


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Brakes that keep one account, one mistake or one thief from mailing the world."""

    messages_per_hour: int = option(500, "Messages that one account may cause in an hour; 0 = no limit.", least=0)
    outside_recipients_per_day: int = option(
        200, "Different people outside that one account may write to in a day; 0 = no limit.", least=0
    )
    import_brake: int = option(
        30, "Events one account may write in a minute before mail that it did not ask for stops; 0 = no brake.",
        least=0,
    )  # fmt: skip
    past_grace: timedelta = option(
        timedelta(), "An event that ended longer ago than this causes no mail.", least=timedelta()
    )
    max_object_size: Size = option(2 << 20, "Largest event that is stored, in iCalendar.", least=16 << 10)
    max_guests: int = option(2000, "Guests that one event may have.", least=1)


@dataclass(frozen=True, slots=True)
class SendFacts:
    """What is known when a change owes mail. Counts are of the account; `recipients` are those of this change."""

    now: datetime
    recipients: int
    ends_at: datetime | None = None  # end of the last instance; None = no end
    permitted: bool = True  # the account's permission to send
    asked: bool = True  # the client said that mail shall go out; False where it is the protocol's default
    importing: bool = False
    new_outside_recipients: int = 0  # people outside that were not written to today
    outside_recipients_today: int = 0
    messages_last_hour: int = 0
    writes_last_minute: int = 0


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """The measures of one event that somebody wants to store."""

    size: int
    guests: int


RULES: tuple[Rule, ...] = (
    Rule("scheduling.disabled", "Scheduling is switched off: stored, no mail.", ("scheduling.enable",)),
    Rule("scheduling.not-permitted", "The account may not send scheduling messages: stored, no mail."),
    Rule("limit.past", "The event is over: stored, no mail.", ("limits.past_grace",)),
    Rule("limit.import", "Imported, and nobody asked for mail: stored, no mail."),
    Rule(
        "limit.import-brake",
        "The account writes many events at once and did not ask for mail: stored, no mail.",
        ("limits.import_brake",),
    ),
    Rule("limit.recipients", "More guests to write to than one change may: refused.", ("scheduling.max_recipients",)),
    Rule(
        "limit.messages-per-hour",
        "The account would cause more messages than it may in an hour: refused, try later.",
        ("limits.messages_per_hour",),
    ),
    Rule(
        "limit.outside-recipients",
        "The account would write to more people outside than it may in a day: refused, try later.",
        ("limits.outside_recipients_per_day",),
    ),
    Rule("scheduling.send", "Nothing stands against it: the mails go out."),
    Rule("limit.object-size", "The event is larger than what is stored: refused.", ("limits.max_object_size",)),
    Rule("limit.guests", "The event has more guests than an event may have: refused.", ("limits.max_guests",)),
    Rule("limit.accepted", "The event may be stored."),
)


def decide_send(facts: SendFacts, limits: LimitSettings, scheduling: SchedulingSettings) -> Verdict:
    """Decide `send`, `quiet` or `refuse` for the mails that one change owes."""
    return _quiet(facts, limits, scheduling) or _over_a_limit(facts, limits, scheduling) or _SEND


_SEND = Verdict(SEND, "scheduling.send", "The messages go out")


def _quiet(facts: SendFacts, limits: LimitSettings, scheduling: SchedulingSettings) -> Verdict | None:
    over = facts.ends_at is not None and facts.ends_at < facts.now - limits.past_grace
    braked = bool(limits.import_brake) and facts.writes_last_minute > limits.import_brake
    for holds, rule, reason in (
        (not scheduling.enable, "scheduling.disabled", "Scheduling is switched off here"),
        (not facts.permitted, "scheduling.not-permitted", "The account may not send scheduling messages"),
        (over, "limit.past", "The event is over"),
        (facts.importing and not facts.asked, "limit.import", "The event was imported and no mail was asked for"),
        (braked and not facts.asked, "limit.import-brake", "Many events are being written and no mail was asked for"),
    ):
        if holds:
            return Verdict(QUIET, rule, reason)
    return None


def _over_a_limit(facts: SendFacts, limits: LimitSettings, scheduling: SchedulingSettings) -> Verdict | None:
    messages = facts.messages_last_hour + facts.recipients
    outside = facts.outside_recipients_today + facts.new_outside_recipients
    most_messages, most_outside = limits.messages_per_hour, limits.outside_recipients_per_day
    if facts.recipients > scheduling.max_recipients:
        reason = f"{facts.recipients} guests to write to; one change may write to {scheduling.max_recipients}"
        return Verdict(REFUSE, "limit.recipients", reason)
    if most_messages and facts.recipients and messages > most_messages:
        return Verdict(REFUSE, "limit.messages-per-hour", f"{messages} messages within an hour; {most_messages} may be")
    if most_outside and facts.new_outside_recipients and outside > most_outside:
        reason = f"{outside} different people outside within a day; {most_outside} may be"
        return Verdict(REFUSE, "limit.outside-recipients", reason)
    return None


def decide_object(facts: ObjectFacts, limits: LimitSettings) -> Verdict:
    """Decide `accept` or `refuse` for the measures of one event."""
    if facts.size > limits.max_object_size:
        reason = f"The event has {facts.size} bytes; {limits.max_object_size} may be"
        return Verdict(REFUSE, "limit.object-size", reason)
    if facts.guests > limits.max_guests:
        return Verdict(REFUSE, "limit.guests", f"The event has {facts.guests} guests; {limits.max_guests} may be")
    return Verdict(ACCEPT, "limit.accepted", "The event may be stored")
