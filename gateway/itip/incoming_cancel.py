# SPDX-License-Identifier: Apache-2.0
"""CANCEL: an event, an occurrence or one's own invitation is off (RFC 5546 §3.2.5). Nothing is ever deleted.

STATUS:CANCELLED in the message means off for everybody; a CANCEL without it that names me means that I am not wanted
any more (interop T17, Q85). Either way my copy says cancelled, and the sentence says which.
"""

from dataclasses import replace
from datetime import timedelta

from gateway.itip.address import normal_address
from gateway.itip.answering import conclude_and_ask
from gateway.itip.draft import Draft
from gateway.itip.identity import Standing, attendee_line, is_line_of, organizer_standing, same_person
from gateway.itip.incoming import (
    Arrival,
    Finding,
    at_instance,
    conclude,
    held,
    ignored,
    is_this_and_future,
    more_than_once,
    named,
    raw_recurrence,
    refused,
    written,
)
from gateway.itip.instances import MASTER, InstanceKey
from gateway.itip.model import FieldChange, Outcome, Verdict
from gateway.itip.objects import read_party
from gateway.itip.staleness import message_stamp, sequence_of, stored_stamp
from gateway.itip.timezones import Zones
from gateway.itip.tree import Component, Prop
from gateway.itip.values import Kind, Moment, build_moment, build_utc, utc_moment

_CANCELLED = "CANCELLED"


def apply_cancel(arrival: Arrival) -> Outcome:
    """Work a CANCEL into the stored object."""
    if arrival.stored is None:
        return conclude(arrival, [ignored("cancel.unknown-uid", "The cancelled event is not in this calendar")])
    draft = Draft(arrival.stored)
    fault = _not_from_organizer(arrival, draft)
    if fault is not None:
        return conclude(arrival, [fault])
    zones = arrival.zones
    keyed = [(draft.key_of(component, zones), component) for component in arrival.message.components]
    keyed.sort(key=lambda pair: pair[0] != MASTER)
    findings = [_cancel(arrival, draft, key, component) for key, component in keyed]
    return conclude_and_ask(arrival, findings, draft.build())


def _not_from_organizer(arrival: Arrival, draft: Draft) -> Finding | None:
    kept, claimed = draft.object.organizer, arrival.message.organizer
    if kept is None:
        return refused("cancel.no-meeting", "The stored event is your own; nobody may cancel it by mail")
    if is_line_of(kept.prop, arrival.me):
        if arrival.bearer in arrival.me:
            return ignored("cancel.own", "This is a cancellation of your own")
        return refused("cancel.you-organize", f"{named(arrival.bearer)} may not cancel an event that you organize")
    if claimed is not None and not same_person(kept.prop, claimed):
        renamed = normal_address(kept.prop.param("EMAIL") or "") == normal_address(claimed.value)  # interop Q57
        if not renamed:
            return refused("cancel.other-organizer", f"The event is {named(kept.prop)}'s, not {named(claimed)}'s")
    standing = organizer_standing(arrival.bearer, kept.prop, claimed)
    if standing is Standing.CLAIMED:
        return held("cancel.on-behalf", f"{named(arrival.bearer)} says to speak for {named(kept.prop)}")
    if standing is Standing.STRANGER:
        return refused("cancel.not-organizer", f"Only {named(kept.prop)} may cancel this event")
    return None


def _cancel(arrival: Arrival, draft: Draft, key: InstanceKey | None, component: Component) -> Finding:
    if key is None:
        return _no_such_instance(arrival, draft, component, f" at {raw_recurrence(component)}")
    lines = component.all("ATTENDEE")
    for_all = _is_for_all(component) or _names_everybody(draft, key, lines)
    if not for_all and lines and not any(is_line_of(line, arrival.me) for line in lines):
        where = at_instance(key, draft.series)
        return ignored("cancel.others", f"Others, not you, are no longer invited to the event{where}")
    if key == MASTER:
        return _whole(arrival, draft, component, for_all=for_all or not lines)
    if is_this_and_future(component) and draft.master is not None:
        return _from_here_on(arrival, draft, key, component, for_all=for_all or not lines)
    return _instance(arrival, draft, key, component, for_all=for_all or not lines)


def _names_everybody(draft: Draft, key: InstanceKey, lines: tuple[Prop, ...]) -> bool:
    """Several guests and all of them no longer invited: whatever STATUS says, nobody is left to meet."""
    organizer = draft.object.organizer
    guests = {each for each in draft.object.attendees(key) if organizer is None or each != organizer.address}
    return len(guests) > 1 and guests <= {read_party(line).address for line in lines}


def _is_for_all(component: Component) -> bool:
    return (component.value("STATUS") or "").strip().upper() == _CANCELLED


def _whole(arrival: Arrival, draft: Draft, component: Component, *, for_all: bool) -> Finding:
    mine = draft.master
    reached = draft.parts
    if mine is not None:  # the series decides for its occurrences; without one each has its own say
        fault = _too_late(arrival, draft, MASTER, component, mine)
        faults = [] if fault is None else [fault]
        reached = reached if fault is None else ()
    else:
        found = [(pair, _too_late(arrival, draft, pair[0], component, pair[1])) for pair in reached]
        faults = [fault for _, fault in found if fault is not None]
        reached = tuple(pair for pair, fault in found if fault is None)
    if not reached:
        return next(iter(faults), _no_such_instance(arrival, draft, component, ""))
    for key, part in reached:
        draft.put(key, _off(arrival, part, component, for_all=for_all))
    return _said(arrival, draft, MASTER, reached[0][1], for_all=for_all)


def _instance(arrival: Arrival, draft: Draft, key: InstanceKey, component: Component, *, for_all: bool) -> Finding:
    where = at_instance(key, draft.series)
    part = draft.component(key)
    if part is None and key in draft.series.excluded:
        return ignored("cancel.known", f"The event{where} was taken out before")
    derived = part is None
    if part is None:
        part = draft.implied(key)
    if part is None:
        return _no_such_instance(arrival, draft, component, where)
    if derived and draft.master is not None and not draft.series.is_recurring:
        key, part = MASTER, draft.master  # an Exchange habit: a single event cancelled by its own start
    fault = _too_late(arrival, draft, key, component, part, derived=derived)
    if fault is not None:
        return fault
    draft.put(key, _off(arrival, part, component, for_all=for_all))
    return _said(arrival, draft, key, part, for_all=for_all)


def _no_such_instance(arrival: Arrival, draft: Draft, component: Component, where: str) -> Finding:
    """An occurrence that is not here: an old message's, or this copy has missed something (RFC 5546 §4.7.2)."""
    if draft.master is not None and sequence_of(component) < sequence_of(draft.master):
        return ignored("cancel.stale", "A newer version of the event is here already")
    if draft.series.is_ambiguous(component):
        return held("cancel.which-instance", more_than_once(component))
    return refused("cancel.no-such-instance", f"The event does not take place{where}", missed=True)


def _too_late(
    arrival: Arrival, draft: Draft, key: InstanceKey, component: Component, part: Component, *, derived: bool = False
) -> Finding | None:
    """Why a cancellation comes too late; Exchange does not raise SEQUENCE for one occurrence (interop Q45)."""
    leeway = arrival.settings.max_future_dtstamp
    stamp = message_stamp(component, received_at=arrival.now, leeway=leeway)
    kept = stored_stamp(part, now=arrival.now, leeway=leeway)
    where = at_instance(key, draft.series)
    if stamp.sequence < kept.sequence or (stamp < kept and not derived):
        return ignored("cancel.stale", f"A newer version of the event{where} is here already")
    if stamp == kept and _is_for_all(part):
        return ignored("cancel.duplicate", f"The event{where} is cancelled already")
    return None


def _off(arrival: Arrival, part: Component, component: Component, *, for_all: bool) -> Component:
    """The component as cancelled: the message's place in the order of messages, everything else as it was."""
    stamp = message_stamp(component, received_at=arrival.now, leeway=arrival.settings.max_future_dtstamp)
    part = part.with_prop(Prop("STATUS", _CANCELLED))
    part = part.with_prop(Prop("SEQUENCE", str(max(sequence_of(part), stamp.sequence))))
    part = part.with_prop(Prop("DTSTAMP", build_utc(stamp.dtstamp)))
    if for_all:
        return part
    mine = attendee_line(part, arrival.me)
    return part.map_props(lambda line: None if line is mine else line)


def _said(arrival: Arrival, draft: Draft, key: InstanceKey, before: Component, *, for_all: bool) -> Finding:
    where = at_instance(key, draft.series)
    organizer = draft.object.organizer
    who = named(organizer.prop if organizer is not None else None)
    change = FieldChange("STATUS", before.value("STATUS"), _CANCELLED, written(draft.series, key))
    rule = "cancel.applied" if for_all else "cancel.uninvited"
    changes = () if _is_for_all(before) else (change,)
    return Finding(Verdict.APPLIED, rule, _sentence(who, where, for_all=for_all), changes=changes)


def _sentence(who: str, what: str, *, for_all: bool) -> str:
    if for_all:
        return f"{who} cancelled the event{what}"
    return f"{who} no longer invites you to the event{what}; it may take place without you"


def _from_here_on(arrival: Arrival, draft: Draft, key: InstanceKey, component: Component, *, for_all: bool) -> Finding:
    """Cancel an occurrence and all after it: the series ends before it (RFC 5546 §3.2.5)."""
    master = draft.master
    assert master is not None
    where = at_instance(key, draft.series)
    if draft.component(key) is None and draft.implied(key) is None and draft.excluded(key) is None:
        return _no_such_instance(arrival, draft, component, where)
    fault = _too_late(arrival, draft, MASTER, component, master)
    if fault is not None:
        return fault
    if draft.series.start is None or draft.series.moment_of(key).wall <= draft.series.start.wall:
        return _whole(arrival, draft, component, for_all=for_all)
    shortened = _ending_before(draft, master, key)
    off = _off(arrival, master, component, for_all=True)
    status = master.first("STATUS")
    shortened = shortened.with_prop(Prop("SEQUENCE", off.value("SEQUENCE") or "0"))
    shortened = shortened.with_prop(Prop("DTSTAMP", off.value("DTSTAMP") or build_utc(arrival.now)))
    for each in draft.overrides:
        if each >= key:
            draft.drop(each)
    draft.put(MASTER, shortened if status is None else shortened.with_prop(status))
    who = named(draft.object.organizer.prop if draft.object.organizer is not None else None)
    change = FieldChange("RRULE", master.value("RRULE"), shortened.value("RRULE"))
    sentence = _sentence(who, f"{where} and all after it", for_all=for_all)
    return Finding(Verdict.APPLIED, "cancel.from-here-on", sentence, changes=(change,))


def _ending_before(draft: Draft, master: Component, key: InstanceKey) -> Component:
    """The master without the occurrences from `key` on: UNTIL just before it, later RDATEs gone."""
    series = draft.series
    first = series.moment_of(key)
    kept = master.map_props(
        lambda line: line.with_value(_until(line.value, first, draft.zones)) if line.name == "RRULE" else line
    )
    extra = sorted(each for each in series.extra if each < key)
    if len(extra) == len(series.extra):
        return kept
    kept = kept.without("RDATE")
    return kept.adding(series.line_for("RDATE", *extra)) if extra else kept


def _until(rule: str, first: Moment, zones: Zones) -> str:
    """The rule with its end just before `first`; UTC where the series has a zone (RFC 5545 §3.3.10)."""
    step = timedelta(days=1) if first.is_date else timedelta(seconds=1)
    if first.kind is Kind.ZONED:
        first = utc_moment(zones.utc(first))
    until = build_moment(replace(first, wall=first.wall - step))
    pieces = [
        piece for piece in rule.split(";") if piece.partition("=")[0].strip().upper() not in ("UNTIL", "COUNT", "")
    ]
    return ";".join((*pieces, f"UNTIL={until}"))
