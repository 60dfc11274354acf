# SPDX-License-Identifier: Apache-2.0
"""REQUEST: an invitation or its update, worked into the attendee's object (RFC 5546 §3.2.2).

Each component is ordered by its own SEQUENCE and DTSTAMP and put where it belongs: a message about one occurrence
changes one occurrence. What is the user's own stays (see `merge`); who may ask is decided in `requester`.
"""

from dataclasses import replace

from gateway.itip.address import normal_address
from gateway.itip.answering import conclude_and_ask
from gateway.itip.draft import Draft, empty_calendar
from gateway.itip.identity import attendee_line
from gateway.itip.incoming import (
    Arrival,
    Finding,
    at_instance,
    conclude,
    held,
    ignored,
    more_than_once,
    named,
    noticed,
    raw_recurrence,
    refused,
)
from gateway.itip.instances import MASTER, InstanceKey, Series
from gateway.itip.merge import OwnAnswer, merged, taken
from gateway.itip.messages import is_cancelled
from gateway.itip.model import Outcome, Verdict
from gateway.itip.objects import read_object
from gateway.itip.requester import not_from_organizer, not_to_me, unsound
from gateway.itip.staleness import Stamp, dtstamp_of, message_stamp, sequence_of, stored_stamp
from gateway.itip.timing import series_moved, span_moved
from gateway.itip.tree import Component, Prop
from gateway.itip.values import build_utc


def apply_request(arrival: Arrival) -> Outcome:
    """Work a REQUEST into the stored object, or make a new one of it."""
    if arrival.stored is None:
        fault = unsound(arrival) or not_to_me(arrival)
        return new_object(arrival) if fault is None else conclude(arrival, [fault])
    draft = Draft(arrival.stored)
    fault = unsound(arrival) or not_from_organizer(arrival, draft.object)
    return update_object(arrival, draft) if fault is None else conclude(arrival, [fault])


def new_object(arrival: Arrival) -> Outcome:
    """Keep an invitation to an event that is not here yet: all that came, or single occurrences without a series."""
    draft = Draft(empty_calendar(arrival.message.calendar))
    draft.take_zones(arrival.message.calendar)
    series = read_object(arrival.message.calendar, arrival.zones).series
    newest = _newest(series, arrival)
    for key, component in newest:
        draft.put(key, _with_stamp(taken(_in_masters_form(draft, key, component)), arrival))
    organizer = named(arrival.message.organizer)
    by = "" if arrival.bearer == normal_address(organizer) else f"; {named(arrival.bearer)} sent it"
    new = Finding(Verdict.APPLIED, "request.new", f"{organizer} invites you{by}")
    lost = [_nowhere(each) for each in arrival.message.components if series.component_key(each) is None]
    return conclude(arrival, [*([_with_doubts(new, series)] if newest else []), *lost], draft.build())


def _nowhere(component: Component) -> Finding:
    return refused("request.no-such-instance", f"The event does not take place at {raw_recurrence(component)}")


def _with_doubts(finding: Finding, series: Series) -> Finding:
    """Say what of a recurrence cannot be read: the event is kept as it came, and is not seen on those days."""
    if not series.lines:
        return finding
    alone = Series(series.master, (), series.zones)
    _ = alone.rules, alone.excluded, alone.extra  # what cannot be read complains when it is read
    if not alone.complaints:
        return finding
    sentence = f"{finding.reason}; its recurrence cannot be read in full: {alone.complaints[0]}"
    return replace(finding, reason=sentence, repairs=(*finding.repairs, "unreadable-recurrence"))


def _newest(series: Series, arrival: Arrival) -> list[tuple[InstanceKey, Component]]:
    """The components by instance, the series first; of two for one instance the newer, of equals the first."""
    found: dict[InstanceKey, Component] = {}
    for component in arrival.message.components:
        key = series.component_key(component)
        known = None if key is None else found.get(key)
        if key is not None and (known is None or _stamp(arrival, component) > _stamp(arrival, known)):
            found[key] = component
    return sorted(found.items(), key=lambda pair: pair[0] != MASTER)


def _stamp(arrival: Arrival, component: Component) -> Stamp:
    return message_stamp(component, received_at=arrival.now, leeway=arrival.settings.max_future_dtstamp)


def _with_stamp(component: Component, arrival: Arrival) -> Component:
    """A DTSTAMP from the future, or none, is the time of receipt: what is kept must be comparable later."""
    stamp = _stamp(arrival, component)
    if dtstamp_of(component) == stamp.dtstamp:
        return component
    return component.with_prop(Prop("DTSTAMP", build_utc(stamp.dtstamp)))


def update_object(arrival: Arrival, draft: Draft) -> Outcome:
    """Work an update into a stored object, each component on its own."""
    before = draft.series  # as our own zones say
    draft.take_zones(arrival.message.calendar)
    incoming = read_object(arrival.message.calendar, arrival.zones)
    findings: list[Finding] = []
    if incoming.master is not None:
        findings.append(_with_doubts(_update_master(arrival, draft, before, incoming.master), incoming.series))
        if findings[0].verdict is Verdict.APPLIED:
            _drop_superseded(arrival, draft, before, incoming.master, frozenset(incoming.overrides))
    for component in arrival.message.components:
        if component.first("RECURRENCE-ID") is not None:
            findings.append(_update_instance(arrival, draft, component))
    return conclude_and_ask(arrival, findings, draft.build())


def _update_master(arrival: Arrival, draft: Draft, old: Series, component: Component) -> Finding:
    mine = draft.master
    if mine is None:  # single occurrences were here first, now the series comes (RFC 5546 §3.2.2, interop P42)
        draft.put(MASTER, _with_stamp(taken(component), arrival))
        for key, override in draft.overrides.items():
            _rename_instance(draft, key, override)
        return Finding(
            Verdict.APPLIED, "request.updated", f"{named(_organizer(arrival, draft))} invites you to the series"
        )
    fault = _not_newer(arrival, draft, component, mine, MASTER)
    if fault is not None:
        return fault
    draft.put(MASTER, component)
    moved = series_moved(old, draft.series)
    kept = _with_stamp(_merged(arrival, component, mine, moved=moved), arrival)
    draft.put(MASTER, kept)
    changes = noticed(mine, old, kept, draft.series, MASTER)
    return Finding(
        Verdict.APPLIED, "request.updated", _told(arrival, draft, MASTER, mine, moved=moved), changes=changes
    )


def _update_instance(arrival: Arrival, draft: Draft, component: Component) -> Finding:
    key = draft.key_of(component, arrival.zones)
    if key is None:
        return _missing(draft, component, f" at {raw_recurrence(component)}")
    component = _in_masters_form(draft, key, component)
    own = draft.component(key)
    mine = own or draft.implied(key) or draft.excluded(key)
    over = draft.master is not None and is_cancelled(draft.master)  # to me: what I am asked to now stands alone
    if mine is None and draft.master is not None and not over:
        return _missing(draft, component, at_instance(key, draft.series))
    fault = None if mine is None else _not_newer(arrival, draft, component, mine, key, derived=own is None)
    if fault is not None:
        return fault
    draft.readmit(key)
    return _put_instance(arrival, draft, key, component, mine)


def _missing(draft: Draft, component: Component, where: str) -> Finding:
    """An occurrence that is not here: an old message's, or this copy has missed something (interop T20)."""
    if draft.master is not None and sequence_of(component) < sequence_of(draft.master):
        return ignored("request.stale", "A newer version of the event is here already")
    if draft.series.is_ambiguous(component):
        return held("request.which-instance", more_than_once(component))
    return refused("request.no-such-instance", f"The event does not take place{where}", missed=True)


def _in_masters_form(draft: Draft, key: InstanceKey, component: Component) -> Component:
    """RECURRENCE-ID as it is written here: other programs match it by type and zone (RFC 5545 §3.8.4.4)."""
    line = component.first("RECURRENCE-ID")
    if line is None or (draft.master is None and key not in draft.series.overrides):
        return component
    written = draft.series.line_for("RECURRENCE-ID", key)
    if (line.value, line.param("TZID")) == (written.value, written.param("TZID")):
        return component
    return component.with_prop(written.with_param("RANGE", *line.param_values("RANGE")))


def _rename_instance(draft: Draft, key: InstanceKey, override: Component) -> None:
    """An occurrence that was here before its series is named as the series names it (interop R02)."""
    named_now = draft.key_of(override, draft.zones)
    if named_now is not None:
        draft.drop(key)
        draft.put(named_now, _in_masters_form(draft, named_now, override))


def _put_instance(
    arrival: Arrival, draft: Draft, key: InstanceKey, component: Component, mine: Component | None
) -> Finding:
    moved = mine is not None and span_moved(mine, draft.zones, component, draft.zones)
    kept = _with_stamp(_merged(arrival, component, mine, moved=moved), arrival)
    draft.put(key, kept)
    changes = () if mine is None else noticed(mine, draft.series, kept, draft.series, key)
    return Finding(Verdict.APPLIED, "request.updated", _told(arrival, draft, key, mine, moved=moved), changes=changes)


def _merged(arrival: Arrival, component: Component, mine: Component | None, *, moved: bool) -> Component:
    same = mine is not None and _stamp(arrival, component) == _kept_stamp(arrival, mine)
    answer = OwnAnswer.VOID if moved else OwnAnswer.KEPT if same else OwnAnswer.LEARNT
    return merged(component, mine, me=arrival.me, answer=answer)


def _kept_stamp(arrival: Arrival, mine: Component) -> Stamp:
    return stored_stamp(mine, now=arrival.now, leeway=arrival.settings.max_future_dtstamp)


def _not_newer(
    arrival: Arrival,
    draft: Draft,
    component: Component,
    mine: Component,
    key: InstanceKey,
    *,
    derived: bool = False,
) -> Finding | None:
    """Why a component is too late, or None (RFC 5546 §2.1.5). Equal stamps are one message only if equal in content."""
    where = at_instance(key, draft.series)
    stamp = _stamp(arrival, component)
    kept = _kept_stamp(arrival, mine)
    if stamp.sequence < kept.sequence or (stamp < kept and not derived):
        return ignored("request.stale", f"A newer version of the event{where} is here already")
    if derived or stamp > kept:
        return None
    again = merged(component, mine, me=arrival.me, answer=OwnAnswer.KEPT)
    if set(again.items) == set(mine.items):
        return ignored("request.duplicate", f"This version of the event{where} is here already")
    return None


def _drop_superseded(
    arrival: Arrival, draft: Draft, old: Series, component: Component, sent_along: frozenset[InstanceKey]
) -> None:
    """Let go of overrides that the newer series speaks for.

    It has no place for them; they were cancelled and it does not exclude them any more, so that they take place again
    (interop O09, O13); it is a complete message that no longer names them; or they never said anything else than it.
    """
    stamp = _stamp(arrival, component)
    for key, override in draft.overrides.items():
        if key in sent_along or _kept_stamp(arrival, override) > stamp:
            continue
        implied = draft.implied(key)
        if implied is None or is_cancelled(override):
            draft.drop(key)
        elif sent_along or _says_what_the_series_says(old, key, override):
            _follow(arrival, draft, key, override, implied)


def _says_what_the_series_says(old: Series, key: InstanceKey, override: Component) -> bool:
    return old.master is not None and old.exists(key) and not noticed(old.implied(key), old, override, old, key)


def _follow(arrival: Arrival, draft: Draft, key: InstanceKey, override: Component, implied: Component) -> None:
    """The occurrence is as the series says; only the user's own answer or alarms may keep an override for it."""
    moved = span_moved(override, draft.zones, implied, draft.zones)
    answer = OwnAnswer.VOID if moved else OwnAnswer.KEPT
    kept = merged(implied, override, me=arrival.me, answer=answer)
    if moved or set(kept.items) == set(implied.items):
        draft.drop(key)
    else:
        draft.put(key, kept)


def _organizer(arrival: Arrival, draft: Draft) -> Prop | None:
    kept = draft.object.organizer
    return arrival.message.organizer if kept is None else kept.prop


def _told(arrival: Arrival, draft: Draft, key: InstanceKey, mine: Component | None, *, moved: bool) -> str:
    part = draft.component(key)
    where = at_instance(key, draft.series)
    who = named(_organizer(arrival, draft))
    if part is not None and is_cancelled(part):
        return f"{who} marked the event{where} as cancelled"  # interop Q84
    gone = (
        mine is not None
        and part is not None
        and attendee_line(mine, arrival.me)
        and not attendee_line(part, arrival.me)
    )
    unlisted = "; you are no longer on its list of guests" if gone else ""
    return f"{who} {'moved' if moved else 'changed'} the event{where}{unlisted}"
