# SPDX-License-Identifier: Apache-2.0
"""REQUEST: an invitation or its update, worked into the attendee's object (RFC 5546 §3.2.2).

Each component is ordered by its own SEQUENCE and DTSTAMP and put where it belongs: a message about one occurrence
changes one occurrence. What is the user's own stays (see `merge`); who may ask is decided against what is stored.
"""

from gateway.errors import Refused
from gateway.itip.address import is_mailable, normal_address
from gateway.itip.answering import ask_for_state
from gateway.itip.draft import Draft, empty_calendar
from gateway.itip.identity import (
    Standing,
    attendee_line,
    delegates_of,
    is_line_of,
    organizer_standing,
    same_person,
)
from gateway.itip.incoming import (
    Arrival,
    Finding,
    at_instance,
    conclude,
    held,
    ignored,
    named,
    noticed,
    raw_recurrence,
    refused,
)
from gateway.itip.instances import MASTER, InstanceKey, Series
from gateway.itip.merge import OwnAnswer, merged, partstat_of, taken
from gateway.itip.messages import is_cancelled
from gateway.itip.model import Outcome, Partstat, Verdict
from gateway.itip.objects import read_object
from gateway.itip.spans import read_span
from gateway.itip.staleness import Stamp, dtstamp_of, message_stamp, sequence_of, stored_stamp
from gateway.itip.timing import series_moved, span_moved
from gateway.itip.tree import Component, Prop
from gateway.itip.values import build_utc


def apply_request(arrival: Arrival) -> Outcome:
    """Work a REQUEST into the stored object, or make a new one of it."""
    fault = unsound(arrival) or (_not_to_me(arrival) if arrival.stored is None else not_from_organizer(arrival))
    if fault is not None:
        return conclude(arrival, [fault])
    return new_object(arrival) if arrival.stored is None else update_object(arrival, Draft(arrival.stored))


def unsound(arrival: Arrival) -> Finding | None:
    """What no REQUEST may lack (RFC 5546 §3.2.2)."""
    zones = arrival.zones
    if arrival.message.kind == "VJOURNAL":
        return refused("request.journal", "A journal entry cannot be an invitation")  # RFC 5546 §3.5
    for component in arrival.message.components:
        if component.name == "VEVENT" and component.first("DTSTART") is None:
            return refused("request.no-start", "The invitation does not say when the event starts")
        try:
            if component.name == "VEVENT" or component.first("DTSTART") is not None:
                read_span(component, zones)
        except Refused as error:
            return refused("request.bad-time", f"The time of the invitation cannot be read: {error.public}")
    return None


def _not_to_me(arrival: Arrival) -> Finding | None:
    """Why a new invitation is none for this account, or not from its organizer."""
    organizer = arrival.message.organizer
    if organizer is None or not organizer.value.strip():
        return refused("request.no-organizer", "The invitation does not say who invites")
    if is_line_of(organizer, arrival.me):
        if arrival.bearer in arrival.me:
            return ignored("request.own", "This is an invitation of your own")
        return refused("request.you-organize", f"{named(arrival.bearer)} sends an invitation in your name")
    standing = organizer_standing(arrival.bearer, None, organizer)
    if standing is Standing.CLAIMED:
        return held("request.on-behalf", f"{named(arrival.bearer)} says to invite for {named(organizer)}")
    if standing is Standing.STRANGER and not _is_delegated_to_me(arrival, arrival.message.components):
        if any(attendee_line(part, frozenset((arrival.bearer,))) for part in arrival.message.components):
            reason = f"{named(arrival.bearer)} passes on an invitation by {named(organizer)}; you decide"
            return held("request.passed-on", reason)  # RFC 5546 §3.2.2.6
        return refused("request.not-organizer", f"{named(arrival.bearer)} cannot invite for {named(organizer)}")
    if not arrival.settings.create_unknown:
        return held("request.not-added", f"{named(organizer)} invites you; invitations are not added by themselves")
    if not any(attendee_line(component, arrival.me) for component in arrival.message.components):
        return held("request.not-listed", "None of your addresses is on the list of guests")
    return None


def _is_delegated_to_me(arrival: Arrival, components: tuple[Component, ...]) -> bool:
    """An attendee may pass an invitation on to a delegate (RFC 5546 §3.2.2.3)."""
    person = frozenset((arrival.bearer,))
    for component in components:
        line = attendee_line(component, person)
        if (
            line is not None
            and partstat_of(line) == Partstat.DELEGATED
            and arrival.me & frozenset(map(normal_address, delegates_of(line)))
        ):
            return True
    return False


def not_from_organizer(arrival: Arrival) -> Finding | None:
    """Why a REQUEST about a stored event may not change it, or None."""
    stored = read_object(arrival.stored) if arrival.stored is not None else None
    kept = stored.organizer if stored is not None else None
    if stored is None or kept is None:
        return held("request.uid-in-use", "An event of your own has the same UID; nobody may change it by mail")
    claimed = arrival.message.organizer
    if is_line_of(kept.prop, arrival.me):
        return _about_my_own(arrival, kept.prop, [each.prop for each in stored.everyone.values()])
    if claimed is not None and not same_person(kept.prop, claimed):
        renamed = normal_address(kept.prop.param("EMAIL") or "") == normal_address(claimed.value)  # interop Q57
        if normal_address(claimed.value).endswith("@group.calendar.google.com"):  # interop Q36
            return held("request.moved-calendar", f"The event now claims to be organized by {named(claimed)}")
        if not renamed:
            return refused("request.other-organizer", f"The event is {named(kept.prop)}'s, not {named(claimed)}'s")
    standing = organizer_standing(arrival.bearer, kept.prop, claimed)
    if standing is Standing.CLAIMED:
        return held("request.on-behalf", f"{named(arrival.bearer)} says to speak for {named(kept.prop)}")
    if standing is Standing.STRANGER and not _is_recorded_delegation(arrival, stored.components):
        return refused("request.not-organizer", f"Only {named(kept.prop)} may change this event")
    return None


def _is_recorded_delegation(arrival: Arrival, stored: tuple[Component, ...]) -> bool:
    """A delegator's REQUEST about an event the delegate has: the stored object must know the delegator as a guest."""
    person = frozenset((arrival.bearer,))
    known = any(attendee_line(component, person) is not None for component in stored)
    return known and _is_delegated_to_me(arrival, arrival.message.components)


def _about_my_own(arrival: Arrival, organizer: Prop, guests: list[Prop]) -> Finding:
    """A REQUEST for an event that this account organizes: a copy, Exchange's forward notice (interop Q50), or a lie."""
    if arrival.bearer in arrival.me:
        return ignored("request.own", "This is an invitation of your own")
    person = frozenset((arrival.bearer,))
    if not any(is_line_of(guest, person) for guest in guests):
        return refused("request.you-organize", f"{named(arrival.bearer)} may not change an event that you organize")
    known = {normal_address(guest.value) for guest in (*guests, organizer)}
    lines = [line for component in arrival.message.components for line in component.all("ATTENDEE")]
    new = [line for line in lines if normal_address(line.value) not in known and is_mailable(line.value)]
    if not new:
        return refused("request.you-organize", f"{named(arrival.bearer)} may not change an event that you organize")
    to = ", ".join(named(line) for line in new[:3])
    return ignored("request.forwarded", f"{named(arrival.bearer)} forwarded your invitation to {to}")


def new_object(arrival: Arrival) -> Outcome:
    """Keep an invitation to an event that is not here yet: all that came, or single occurrences without a series."""
    draft = Draft(empty_calendar(arrival.message.calendar))
    draft.take_zones(arrival.message.calendar)
    incoming = read_object(arrival.message.calendar)
    for key, component in _newest(incoming.series.master, arrival, draft):
        draft.put(key, _with_stamp(taken(_in_masters_form(draft, key, component)), arrival))
    organizer = named(arrival.message.organizer)
    by = "" if arrival.bearer == normal_address(organizer) else f"; {named(arrival.bearer)} sent it"
    finding = Finding(Verdict.APPLIED, "request.new", f"{organizer} invites you{by}")
    return conclude(arrival, [finding], draft.build())


def _newest(master: Component | None, arrival: Arrival, draft: Draft) -> list[tuple[InstanceKey, Component]]:
    """The components by instance, the series first; of two for one instance the newer, of equals the first."""
    found: dict[InstanceKey, Component] = {}
    if master is not None:
        draft_series = read_object(arrival.message.calendar).series
        for component in arrival.message.components:
            key = draft_series.component_key(component)
            _keep_newer(found, key, component, arrival)
    else:
        for component in arrival.message.components:
            _keep_newer(found, draft.key_of(component, arrival.zones), component, arrival)
    return sorted(found.items(), key=lambda pair: pair[0] != MASTER)


def _keep_newer(
    found: dict[InstanceKey, Component], key: InstanceKey | None, component: Component, arrival: Arrival
) -> None:
    if key is None:
        return
    known = found.get(key)
    if known is None or _stamp(arrival, component) > _stamp(arrival, known):
        found[key] = component


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
    draft.take_zones(arrival.message.calendar)
    incoming = read_object(arrival.message.calendar)
    findings: list[Finding] = []
    if incoming.master is not None:
        before = draft.series
        findings.append(_update_master(arrival, draft, incoming.master))
        if findings[0].verdict is Verdict.APPLIED:
            _drop_superseded(arrival, draft, before, incoming.master, frozenset(incoming.overrides))
    for component in arrival.message.components:
        if component.first("RECURRENCE-ID") is not None:
            findings.append(_update_instance(arrival, draft, component))
    return conclude(arrival, findings, draft.build())


def _update_master(arrival: Arrival, draft: Draft, component: Component) -> Finding:
    mine = draft.master
    if mine is None:  # single occurrences were here first, now the series comes (RFC 5546 §3.2.2, interop P42)
        draft.put(MASTER, _with_stamp(taken(component), arrival))
        return Finding(
            Verdict.APPLIED, "request.updated", f"{named(_organizer(arrival, draft))} invites you to the series"
        )
    fault = _not_newer(arrival, draft, component, mine, MASTER)
    if fault is not None:
        return fault
    old = draft.series
    draft.put(MASTER, component)
    moved = series_moved(old, draft.series)
    kept = _with_stamp(_merged(arrival, component, mine, moved=moved), arrival)
    draft.put(MASTER, kept)
    changes = noticed(mine, old, kept, draft.series, MASTER)
    return Finding(Verdict.APPLIED, "request.updated", _told(arrival, draft, MASTER, moved=moved), changes=changes)


def _update_instance(arrival: Arrival, draft: Draft, component: Component) -> Finding:
    key = draft.key_of(component, arrival.zones)
    if key is None:
        return refused("request.no-such-instance", f"The event does not take place at {raw_recurrence(component)}")
    component = _in_masters_form(draft, key, component)
    own = draft.component(key)
    mine = own or draft.implied(key) or draft.excluded(key)
    if mine is None and draft.master is not None:  # never invented (RFC 5546 §3.2.2, interop T20)
        if sequence_of(component) < sequence_of(draft.master):
            return ignored("request.stale", "A newer version of the event is here already")
        reason = f"The event does not take place{at_instance(key, draft.series)}"
        return refused("request.no-such-instance", reason, *ask_for_state(arrival))
    fault = None if mine is None else _not_newer(arrival, draft, component, mine, key, derived=own is None)
    if fault is not None:
        return fault
    draft.readmit(key)
    return _put_instance(arrival, draft, key, component, mine)


def _in_masters_form(draft: Draft, key: InstanceKey, component: Component) -> Component:
    """RECURRENCE-ID as it is written here: other programs match it by type and zone (RFC 5545 §3.8.4.4)."""
    line = component.first("RECURRENCE-ID")
    if line is None or (draft.master is None and key not in draft.series.overrides):
        return component
    written = draft.series.line_for("RECURRENCE-ID", key)
    if (line.value, line.param("TZID")) == (written.value, written.param("TZID")):
        return component
    return component.with_prop(written.with_param("RANGE", *line.param_values("RANGE")))


def _put_instance(
    arrival: Arrival, draft: Draft, key: InstanceKey, component: Component, mine: Component | None
) -> Finding:
    moved = mine is not None and span_moved(mine, draft.zones, component, draft.zones)
    kept = _with_stamp(_merged(arrival, component, mine, moved=moved), arrival)
    draft.put(key, kept)
    changes = () if mine is None else noticed(mine, draft.series, kept, draft.series, key)
    return Finding(Verdict.APPLIED, "request.updated", _told(arrival, draft, key, moved=moved), changes=changes)


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


def _told(arrival: Arrival, draft: Draft, key: InstanceKey, *, moved: bool) -> str:
    part = draft.component(key)
    where = at_instance(key, draft.series)
    who = named(_organizer(arrival, draft))
    if part is not None and is_cancelled(part):
        return f"{who} marked the event{where} as cancelled"  # interop Q84
    return f"{who} {'moved' if moved else 'changed'} the event{where}"
