# SPDX-License-Identifier: Apache-2.0
"""Which alarms of a component ask for mail, and what each of them says (RFC 5545 §3.6.6, RFC 9074).

An alarm is mailed when its ACTION is EMAIL, or when any other alarm says `@email` in its SUMMARY or DESCRIPTION:
Apple's programs drop ACTION:EMAIL on the way, so people need a second way to ask. When it is due is told by
`gateway.itip.firings`; whom it may reach and whether it is sent at all is a matter of policy.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.errors import Refused
from gateway.itip.address import normal_address, plain_address
from gateway.itip.tree import Component, Prop, build_tree
from gateway.itip.values import Duration, Moment, build_utc, parse_duration, parse_moment_text, parse_utc

NO_GAP = Duration()
#: More repetitions than this are noise; the rest is left out.
MAX_REPEAT = 100

#: The marker is the literal string wherever it stands, save where it begins the domain of an address (bob@email.com).
_MARKER = re.compile(r"(?<![\w.!#$%&'*+/=?^`{|}~\"-])@email|@email(?![A-Za-z0-9-]*\.[A-Za-z0-9])")
_NEVER = datetime.min.replace(tzinfo=UTC)
_PROXIMITY = ("PROXIMITY", "X-APPLE-PROXIMITY")


@dataclass(frozen=True, slots=True)
class Relative:
    """So long before or after the start, or the end, of each occurrence."""

    offset: Duration
    from_end: bool = False


@dataclass(frozen=True, slots=True)
class Absolute:
    """At one moment, once for the whole series (RFC 5545 §3.8.6.3)."""

    at: Moment


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm that asks for mail. Without `recipients` it is for the owner. Texts are without the marker.

    `id` names the alarm wherever it is copied (into an override, say); `key` names it in this place of this object.
    """

    id: str
    key: str
    uid: str
    recurrence_id: str  # of the component that carries it, as written; "" = the master
    trigger: Relative | Absolute
    repeat: int = 0
    gap: Duration = NO_GAP
    acknowledged_at: datetime | None = None
    recipients: tuple[str, ...] = ()
    summary: str = ""
    description: str = ""
    attachments: tuple[Prop, ...] = ()  # of an EMAIL alarm; what an AUDIO alarm attaches is a sound
    is_email: bool = True  # by its ACTION; else it is shown as well, and asks for mail by its text


@dataclass(frozen=True, slots=True)
class NoMail:
    """An alarm that makes no mail, and the rule that says why (`policies.alarms.RULES`)."""

    rule: str
    reason: str
    recurrence_id: str = ""


def parse_alarms(component: Component) -> tuple[Alarm | NoMail, ...]:
    """Read every VALARM of one VEVENT or VTODO; an exact double is read once."""
    recurrence_id = component.value("RECURRENCE-ID") or ""
    valarms = component.children("VALARM")
    originals = {uid: valarm for valarm in valarms if (uid := _uid(valarm))}
    found = [_parse_alarm(valarm, recurrence_id, originals) for valarm in valarms]
    return tuple(dict.fromkeys(found))


def quiet_reason(event: Component, addresses: frozenset[str]) -> NoMail | None:
    """Return why a component alarms nobody: it is cancelled or done, or the person with these addresses declined it."""
    recurrence_id, status = event.value("RECURRENCE-ID") or "", (event.value("STATUS") or "").strip().upper()
    if status == "CANCELLED":
        return NoMail("alarm.cancelled", "The event is cancelled", recurrence_id)
    if event.name == "VTODO" and (status == "COMPLETED" or event.first("COMPLETED")):
        return NoMail("alarm.completed", "The to-do is done", recurrence_id)
    for attendee in event.all("ATTENDEE"):
        if (attendee.param("PARTSTAT") or "").upper() == "DECLINED" and normal_address(attendee.value) in addresses:
            return NoMail("alarm.declined", "You declined the event", recurrence_id)
    return None


def has_marker(text: str) -> bool:
    """Tell whether a text asks for mail.

    >>> has_marker("Lunch @email"), has_marker("Write to bob@email.com"), has_marker("@email.")
    (True, False, True)
    """
    return _MARKER.search(text) is not None


def without_marker(text: str) -> str:
    """Return a text as it is mailed, the marker and the blanks it leaves taken out.

    >>> without_marker("Pay @email the rent"), without_marker("@email")
    ('Pay the rent', '')
    """
    if not has_marker(text):
        return text
    lines = (re.sub(r"[ \t]{2,}", " ", _MARKER.sub("", line)).strip() for line in text.split("\n"))
    return "\n".join(lines).strip("\n")


def without_alarms(calendar: Component) -> Component:
    """Return a calendar without any alarm: what came from somebody else may not make us mail (RFC 9074 §9)."""
    return calendar.with_items(
        item.without("VALARM") if isinstance(item, Component) and item.name != "VTIMEZONE" else item
        for item in calendar.items
    )


def with_acknowledged(calendar: Component, until: Mapping[str, datetime]) -> Component:
    """Return a calendar whose alarms, named by `Alarm.key`, are acknowledged up to an instant (RFC 9074 §6).

    What is acknowledged later already stays. No override is made for it: the alarm of a series speaks for the series.
    """

    def noted(valarm: Component, recurrence_id: str) -> Component:
        at = until.get(_digest(recurrence_id, _identity(valarm)))
        if at is None or at <= max(_instants(valarm.all("ACKNOWLEDGED")), default=_NEVER):
            return valarm
        return valarm.with_prop(Prop("ACKNOWLEDGED", build_utc(at)))

    return _map_alarms(calendar, noted)


def without_acknowledged_after(calendar: Component, at: datetime) -> Component:
    """Return a calendar without acknowledgements that lie beyond an instant."""

    def undone(valarm: Component, recurrence_id: str) -> Component:
        late = any(instant > at for instant in _instants(valarm.all("ACKNOWLEDGED")))
        return valarm.without("ACKNOWLEDGED") if late else valarm

    return _map_alarms(calendar, undone)


def _map_alarms(calendar: Component, change: Callable[[Component, str], Component]) -> Component:
    """Return a calendar with each VALARM changed; `change` is told the RECURRENCE-ID of the component it is in."""

    def alarmed(event: Component) -> Component:
        name = event.value("RECURRENCE-ID") or ""
        return event.with_items(
            change(item, name) if isinstance(item, Component) and item.name == "VALARM" else item
            for item in event.items
        )

    return calendar.with_items(
        alarmed(item) if isinstance(item, Component) and item.children("VALARM") else item for item in calendar.items
    )


def _parse_alarm(valarm: Component, recurrence_id: str, originals: dict[str, Component]) -> Alarm | NoMail:
    summary, description = valarm.text("SUMMARY") or "", valarm.text("DESCRIPTION") or ""
    action = (valarm.value("ACTION") or "").strip().upper()
    if action != "EMAIL" and not has_marker(summary) and not has_marker(description):
        return NoMail("alarm.not-mail", f"It is for {action or 'nothing'}, and no text says @email", recurrence_id)
    if valarm.all(*_PROXIMITY):  # RFC 9074 §8: its TRIGGER is a placeholder in the past
        return NoMail("alarm.proximity", "It waits for a place, not for a time", recurrence_id)
    try:
        trigger = _parse_trigger(valarm)
        repeat, gap = _parse_repeat(valarm)
    except Refused as refused:
        return NoMail("alarm.no-trigger", refused.public, recurrence_id)
    name = _identity(valarm)
    return Alarm(
        id=name,
        key=_digest(recurrence_id, name),
        uid=_uid(valarm),
        recurrence_id=recurrence_id,
        trigger=trigger,
        repeat=repeat,
        gap=gap,
        acknowledged_at=_acknowledged_at(valarm, originals),
        recipients=_recipients(valarm.all("ATTENDEE")),
        summary=without_marker(summary),
        description=without_marker(description),
        attachments=valarm.all("ATTACH") if action == "EMAIL" else (),
        is_email=action == "EMAIL",
    )


def _parse_trigger(valarm: Component) -> Relative | Absolute:
    prop = valarm.first("TRIGGER")
    if prop is None:
        raise Refused("bad-value", "It has no TRIGGER")
    if prop.value.lstrip("+- ")[:1] in ("P", "p"):
        return Relative(parse_duration(prop.value), from_end=(prop.param("RELATED") or "").upper() == "END")
    return Absolute(parse_moment_text(prop.value, prop.param("TZID") or ""))


def _parse_repeat(valarm: Component) -> tuple[int, Duration]:
    """REPEAT counts the firings after the first; without a DURATION to follow, forward, there are none."""
    repeat, gap = valarm.value("REPEAT") or "", valarm.value("DURATION") or ""
    if not repeat.strip().isdecimal() or not gap:
        return 0, NO_GAP
    try:
        duration = parse_duration(gap)
    except Refused:
        return 0, NO_GAP
    return (min(int(repeat[:9]), MAX_REPEAT), duration) if duration.exact.total_seconds() > 0 else (0, NO_GAP)


def _acknowledged_at(valarm: Component, originals: dict[str, Component]) -> datetime | None:
    """When it was acknowledged; a snooze is silenced by its original too (RFC 9074 §7)."""
    lines = list(valarm.all("ACKNOWLEDGED"))
    for link in valarm.all("RELATED-TO"):
        original = originals.get(link.text) if (link.param("RELTYPE") or "").upper() == "SNOOZE" else None
        lines += original.all("ACKNOWLEDGED") if original is not None else ()
    return max(_instants(lines), default=None)


def _instants(lines: Iterable[Prop]) -> Iterator[datetime]:
    for line in lines:
        try:
            yield parse_utc(line.value)
        except Refused:  # an unreadable acknowledgement acknowledges nothing
            continue


def _recipients(attendees: Iterable[Prop]) -> tuple[str, ...]:
    """Return each ATTENDEE once, those that no mail can reach as well: the policy says so of them."""
    found = {normal_address(line.value): plain_address(line.value) for line in attendees}
    return tuple(written for normal, written in found.items() if normal)


def _uid(valarm: Component) -> str:
    return (valarm.text("UID") or valarm.text("X-WR-ALARMUID") or "").strip()


def _identity(valarm: Component) -> str:
    """Name an alarm by its UID and when it fires (a copy made carelessly keeps the UID), else by all it says."""
    uid = _uid(valarm)
    if uid:
        return _digest(uid, *(f"{p.name}{p.params}{p.value}" for p in valarm.all("TRIGGER", "REPEAT", "DURATION")))
    rest = valarm.without("ACKNOWLEDGED", "X-MOZ-LASTACK", "X-MOZ-SNOOZE-TIME")
    return _digest(*sorted(f"{p.name}{p.params}{p.value}" for p in rest.properties), build_tree(_children(rest)))


def _children(component: Component) -> Component:
    return component.with_items(component.components)


def _digest(*words: str) -> str:
    return hashlib.sha256("\x00".join(words).encode("utf-8", "surrogateescape")).hexdigest()[:32]
