# SPDX-License-Identifier: Apache-2.0
"""Does an alarm that is due become a mail: now, marked late, gathered into the next mail, or not at all?

Whom it reaches is not decided here (`policies.external_recipients`), nor when it is due (`gateway.itip.alarms`).
Every way out carries a rule id and a sentence, so that `imip-gateway alarms next` can say why a mail did not come.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from policies.external_recipients import AlarmMode, ExternalRecipientSettings
from policies.match import address_fault, line_fault
from policies.options import option
from policies.verdict import Rule, Verdict, first_match

FIRE, FIRE_LATE, GATHER, SKIP, MISSED = "fire", "fire-late", "gather", "skip", "missed"


@dataclass(frozen=True, slots=True)
class AlarmSettings:
    """`[policy.alarms]`: whether, how often, from whom, and how late is too late."""

    enable: bool = option(
        True, "Send alarm mails at all; looked at when planning and again when firing.", run_time=True
    )
    min_trigger_interval: timedelta = option(
        timedelta(hours=1), "Least time between two alarm mails of one account; what falls between is gathered.",
        least=timedelta(), run_time=True,
    )  # fmt: skip
    allow_external_rcpts: bool = option(
        False, "Mail every ATTENDEE of an alarm, whoever it is; false leaves it to [policy.external_recipients].",
        run_time=True,
    )  # fmt: skip
    from_name: str = option("Calendar", "Display name in From of alarm mails.", check=line_fault, run_time=True)
    from_email: str | None = option(
        None, "Address in From of alarm mails.", derived="calendar-notification@ and the account's domain",
        example="calendar-notification@example.org", check=address_fault, run_time=True,
    )  # fmt: skip
    template: str | None = option(
        None, "HTML template of alarm mails in Jinja2; kept only if it renders.", derived="the built-in one",
        example="<p>{{ summary }}, {{ when }}</p>", run_time=True,
    )  # fmt: skip
    late_after: timedelta = option(
        timedelta(minutes=5), "From how much delay on a mail says that it comes late.", least=timedelta()
    )
    late_grace: timedelta = option(
        timedelta(hours=24), "How late a mail may still be sent while its event lies ahead.", least=timedelta()
    )
    max_mails_per_day: int = option(200, "Alarm mails that one account may cause in 24 hours.", least=1)
    max_alarms_per_object: int = option(100, "Alarms that are planned of one event with all its overrides.", least=1)
    plan_horizon: timedelta = option(
        timedelta(days=60), "How far ahead firings are planned; what lies beyond is looked at again in time.",
        least=timedelta(days=1), most=timedelta(days=3660),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class AlarmFacts:
    """One firing that is due, the event it belongs to, and the account it is for. Instants are aware."""

    now: datetime
    fire_at: datetime  # the trigger instant
    due_at: datetime  # when the worker was to look: the trigger instant, or the end of a window it waited for
    starts_at: datetime
    ends_at: datetime
    cancelled: bool = False
    declined: bool = False
    completed: bool = False
    draft: bool = False
    acknowledged: bool = False
    permitted: bool = True  # the permission of the account
    wanted: bool = True  # the account's own switch
    subscribed: bool = True  # the calendar it lies in
    last_mail_at: datetime | None = None  # the account's latest alarm mail
    mails_today: int = 0


RULES: tuple[Rule, ...] = (
    Rule("alarm.disabled", "Alarm mails are switched off (`policy.alarms.enable`)."),
    Rule("alarm.not-permitted", "The account lacks the permission to send alarm mails."),
    Rule("alarm.unwanted", "The account switched its alarm mails off."),
    Rule("alarm.unsubscribed", "The account is not subscribed to the calendar."),
    Rule("alarm.draft", "A draft alarms nobody."),
    Rule("alarm.cancelled", "The event or this occurrence is cancelled."),
    Rule("alarm.declined", "The account declined the event or this occurrence."),
    Rule("alarm.completed", "The to-do is done."),
    Rule("alarm.acknowledged", "The alarm was acknowledged at or after its time (RFC 9074 §6)."),
    Rule("alarm.over", "Late, and the event no longer lies ahead: recorded as missed."),
    Rule("alarm.too-late", "Later than `late_grace`: recorded as missed."),
    Rule("alarm.cap", "The account reached `max_mails_per_day`."),
    Rule("alarm.no-help", "Within `min_trigger_interval`, and the next mail would come too late to help."),
    Rule("alarm.gathered", "Within `min_trigger_interval` of the last mail: waits for the next one."),
    Rule("alarm.late", "Late by more than `late_after`, the event lies ahead: sent, marked late."),
    Rule("alarm.due", "Sent on time."),
    # What the flow records beside the verdict:
    Rule("alarm.repeated", "A later repetition of the same alarm is due as well; only the newest is sent."),
    Rule("alarm.not-mail", "The alarm does not ask for mail: its ACTION is not EMAIL and no text says @email."),
    Rule("alarm.proximity", "A proximity alarm has no time (RFC 9074 §8)."),
    Rule("alarm.no-trigger", "The alarm has no usable TRIGGER."),
    Rule("alarm.past", "The trigger lies before the time that is asked about."),
    Rule("alarm.no-start", "The trigger counts from the start or the end, and the to-do has neither DTSTART nor DUE."),
    Rule("alarm.no-end", "The trigger counts from the end, and the to-do has neither DUE nor DTSTART with DURATION."),
    Rule("alarm.too-many", "The object has more alarms than `max_alarms_per_object`; the soonest are planned."),
)


def decide_alarm(facts: AlarmFacts, settings: AlarmSettings) -> Verdict:
    """Decide `fire`, `fire-late`, `gather` (until `window_ends_at`), `skip` or `missed` for one due firing."""
    return first_match(_ORDER, facts, settings)


def window_ends_at(last_mail_at: datetime | None, now: datetime, settings: AlarmSettings) -> datetime | None:
    """Return until when the account gets no further alarm mail; None = it may have one now.

    A last mail that lies in the future means that the clock was put back: it blocks nothing.
    """
    if last_mail_at is None or last_mail_at > now + settings.late_after:
        return None
    ends_at = last_mail_at + settings.min_trigger_interval
    return ends_at if ends_at > now else None


def helps_at(facts: AlarmFacts, moment: datetime) -> bool:
    """Tell whether a mail at `moment` still helps: before the start, or before the end where the alarm is for later."""
    if facts.fire_at < facts.starts_at:
        return moment < facts.starts_at
    return facts.fire_at >= facts.ends_at or moment < facts.ends_at


def effective_recipients(external: ExternalRecipientSettings, alarms: AlarmSettings) -> ExternalRecipientSettings:
    """Return the external-recipient settings with `allow_external_rcpts` taken into account."""
    return replace(external, alarms=AlarmMode.ALLOW) if alarms.allow_external_rcpts else external


def _switched_off(facts: AlarmFacts, settings: AlarmSettings) -> Verdict | None:
    for holds, rule, reason in (
        (not settings.enable, "alarm.disabled", "Alarm mails are switched off"),
        (not facts.permitted, "alarm.not-permitted", "The account may not send alarm mails"),
        (not facts.wanted, "alarm.unwanted", "The account wants no alarm mails"),
        (not facts.subscribed, "alarm.unsubscribed", "The account is not subscribed to the calendar"),
        (facts.draft, "alarm.draft", "The event is a draft"),
        (facts.cancelled, "alarm.cancelled", "The event is cancelled"),
        (facts.declined, "alarm.declined", "The account declined the event"),
        (facts.completed, "alarm.completed", "The to-do is done"),
        (facts.acknowledged, "alarm.acknowledged", "The alarm was acknowledged"),
    ):
        if holds:
            return Verdict(SKIP, rule, reason)
    return None


def _is_late(facts: AlarmFacts, settings: AlarmSettings) -> bool:
    return facts.now - facts.due_at > settings.late_after


def _missed(facts: AlarmFacts, settings: AlarmSettings) -> Verdict | None:
    if not _is_late(facts, settings):
        return None
    if not helps_at(facts, facts.now):
        return Verdict(MISSED, "alarm.over", "The mail would have come after the event began")
    if facts.now - facts.fire_at > settings.late_grace:
        return Verdict(MISSED, "alarm.too-late", "The mail would have come too late")
    return None


def _cap(facts: AlarmFacts, settings: AlarmSettings) -> Verdict | None:
    if facts.mails_today < settings.max_mails_per_day:
        return None
    return Verdict(SKIP, "alarm.cap", f"The account already had {facts.mails_today} alarm mails in 24 hours")


def _within_the_window(facts: AlarmFacts, settings: AlarmSettings) -> Verdict | None:
    ends_at = window_ends_at(facts.last_mail_at, facts.now, settings)
    if ends_at is None:
        return None
    if not helps_at(facts, ends_at):
        return Verdict(
            SKIP, "alarm.no-help", "It falls too soon after the last alarm mail, and later it would not help"
        )
    return Verdict(GATHER, "alarm.gathered", f"It waits for the next alarm mail at {ends_at:%Y-%m-%dT%H:%M:%SZ}")


def _fire(facts: AlarmFacts, settings: AlarmSettings) -> Verdict:
    if _is_late(facts, settings):
        return Verdict(FIRE_LATE, "alarm.late", "It is sent late; the event lies ahead")
    return Verdict(FIRE, "alarm.due", "It is due")


_ORDER: tuple[Callable[[AlarmFacts, AlarmSettings], Verdict | None], ...] = (
    _switched_off,
    _missed,
    _cap,
    _within_the_window,
    _fire,
)
