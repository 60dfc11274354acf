# SPDX-License-Identifier: Apache-2.0
"""What every incoming method works with: the message, the stored object, who brought it; and how an outcome is said.

`Arrival` is the question, a `Finding` the answer to one component of it, `conclude` makes one Outcome of all findings:
a message that did anything is applied and says what; one that did nothing says the weightiest reason why.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.itip.address import plain_address
from gateway.itip.instances import InstanceKey, Series
from gateway.itip.model import (
    SIGNIFICANT,
    ApplySettings,
    AttendeeAnswer,
    FieldChange,
    History,
    ItipMessage,
    Method,
    Outcome,
    Verdict,
)
from gateway.itip.objects import read_party
from gateway.itip.parse import SchedulingMessage
from gateway.itip.significance import diff_components
from gateway.itip.timezones import Zones
from gateway.itip.tree import Component, Prop, build_tree, settled
from gateway.itip.values import build_moment

_KINDS = {"VTODO": "task", "VJOURNAL": "journal entry"}
_WEIGHT = (Verdict.APPLIED, Verdict.HELD, Verdict.REFUSED, Verdict.IGNORED)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that came in. `bearer` is the authenticated sender and `me` the account, in normal form."""

    message: SchedulingMessage
    stored: Component | None
    bearer: str
    me: frozenset[str]
    addresses: tuple[str, ...]  # mine as they were given, for what we write
    now: datetime
    settings: ApplySettings
    history: History
    zones: Zones  # as the message defines them

    @property
    def method(self) -> Method:
        return self.message.method


@dataclass(frozen=True, slots=True)
class Finding:
    """What one component of a message did, or why it did nothing."""

    verdict: Verdict
    rule: str
    reason: str
    answers: tuple[AttendeeAnswer, ...] = ()
    changes: tuple[FieldChange, ...] = ()
    messages: tuple[ItipMessage, ...] = ()
    repairs: tuple[str, ...] = ()
    missed: bool = False  # this copy has missed something: the organizer is asked, once for the whole message


def ignored(rule: str, reason: str, *messages: ItipMessage) -> Finding:
    """Say that there is nothing to do."""
    return Finding(Verdict.IGNORED, rule, reason, messages=messages)


def refused(rule: str, reason: str, *, missed: bool = False) -> Finding:
    """Say that the bearer may not, or that the message makes no sense."""
    return Finding(Verdict.REFUSED, rule, reason, missed=missed)


def held(rule: str, reason: str) -> Finding:
    """Say that a person must decide."""
    return Finding(Verdict.HELD, rule, reason)


def conclude(arrival: Arrival, findings: Sequence[Finding], stored: Component | None = None) -> Outcome:
    """Make one outcome of what the components of a message did; `stored` is the object as it is kept now."""
    first = min(findings, key=lambda finding: _WEIGHT.index(finding.verdict))
    kept = stored if first.verdict is Verdict.APPLIED else arrival.stored
    kept = None if kept is None else settled(without_method(kept))
    repairs = dict.fromkeys((*arrival.message.repairs, *(name for each in findings for name in each.repairs)))
    return Outcome(
        first.verdict,
        first.rule,
        _of_kind(arrival.message.kind, _reasons(findings, first.verdict)),
        method=str(arrival.method),
        uid=arrival.message.uid,
        stored=None if kept is None else build_tree(kept),
        tree=kept,
        messages=tuple(message for finding in findings for message in finding.messages),
        changes=tuple(change for finding in findings for change in finding.changes),
        answers=tuple(found for finding in findings for found in finding.answers),
        repairs=tuple(repairs),
    )


def _reasons(findings: Sequence[Finding], verdict: Verdict) -> str:
    """The deciding sentences first, then what else was found; a few of them are enough."""
    deciding = [finding.reason for finding in findings if finding.verdict is verdict]
    others = [finding.reason for finding in findings if finding.verdict is not verdict]
    sentences = list(dict.fromkeys((*deciding, *others)))
    if len(sentences) > 6:
        sentences = [*sentences[:5], f"And {len(sentences) - 5} more"]
    return one_line(". ".join(sentences))


def _of_kind(kind: str, sentence: str) -> str:
    """Every sentence speaks of the event; about another kind of object the word is that kind's."""
    word = _KINDS.get(kind)
    return (
        sentence if word is None else sentence.replace("the event", f"the {word}").replace("The event", f"The {word}")
    )


def one_line(text: str) -> str:
    """Return a sentence as it may stand in a log line or a mail header: what the sender wrote cannot break it."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)


def without_method(calendar: Component) -> Component:
    """Return a calendar as it is stored: without METHOD (RFC 4791 §4.1)."""
    return calendar.without("METHOD") if calendar.first("METHOD") is not None else calendar


def named(person: Prop | str | None) -> str:
    """Return how a person is named in a sentence: the address, cut to a sane length, nothing that moves a cursor."""
    text = read_party(person).spelled if isinstance(person, Prop) else plain_address(person or "")
    if not text.isprintable():
        text = "".join(char for char in text if char.isprintable())
    return text[:80] or "somebody"


def written(series: Series, key: InstanceKey) -> str:
    """Return an instance as the object writes it, "" for the whole series."""
    return build_moment(series.moment_of(key)) if key else ""


def at_instance(key: InstanceKey, series: Series) -> str:
    """Return the words that say which occurrence is meant, none for the whole."""
    if not key:
        return ""
    moment = series.moment_of(key)
    return f" on {moment.wall:%Y-%m-%d}" if moment.is_date else f" on {moment.wall:%Y-%m-%d at %H:%M}"


def is_this_and_future(component: Component) -> bool:
    """Tell whether a component means an occurrence and all after it (RFC 5545 §3.2.13)."""
    line = component.first("RECURRENCE-ID")
    return line is not None and (line.param("RANGE") or "").upper() == "THISANDFUTURE"


def raw_recurrence(component: Component) -> str:
    """Return a RECURRENCE-ID as the message writes it, for a sentence."""
    text = (component.value("RECURRENCE-ID") or "")[:40]
    return "".join(char for char in text if char.isprintable())


def more_than_once(component: Component) -> str:
    """Return the sentence of a RECURRENCE-ID that is a day with several occurrences (interop R03)."""
    return (
        f"The event takes place more than once on the day {raw_recurrence(component)}; a person decides which is meant"
    )


def same_instance(series: Series, key: InstanceKey, recorded: str) -> bool:
    """Tell whether a recorded RECURRENCE-ID (as written, or as a key) is this instance."""
    if recorded in (key, ""):
        return recorded == key
    return recorded == build_moment(series.moment_of(key)) if key else False


def noticed(
    old: Component,
    old_series: Series,
    new: Component,
    new_series: Series,
    key: InstanceKey,
    names: Sequence[str] = SIGNIFICANT,
) -> tuple[FieldChange, ...]:
    """Return what a person would notice between two versions of a component, old beside new."""
    return diff_components(old, old_series, new, new_series, key, names, written(new_series, key))
