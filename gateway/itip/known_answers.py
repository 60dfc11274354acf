# SPDX-License-Identifier: Apache-2.0
"""Answers that an organizer's program does not know: it sends or stores the event as it saw it last.

A guest who stands there as NEEDS-ACTION and has answered here keeps the answer, for the series as for one occurrence,
and so does the delegate whom they named. An answer to a time that has moved since is none (RFC 6638 §3.2.8).
"""

from collections.abc import Iterable, Mapping

from gateway.itip.address import normal_address
from gateway.itip.draft import Draft
from gateway.itip.incoming import noticed
from gateway.itip.instances import MASTER, InstanceKey
from gateway.itip.model import Partstat
from gateway.itip.objects import Party, SchedulingObject, read_attendees, read_object, read_party
from gateway.itip.timing import series_moved, span_moved
from gateway.itip.tree import Component, Prop


def with_known_answers(new: Component, stored: Component) -> Component:
    """Return the organizer's new version of an event with the answers that are known of the stored one."""
    known, draft = read_object(stored), Draft(new)
    for key, before in known.instances():
        part = draft.component(key)
        if part is None and _says_only_who_comes(known, key, before):
            part = draft.implied(key)
        if part is not None and not _has_moved(known, draft, key, before, part):
            answered = _with_answers(part, known.attendees(key))
            if answered != part:
                draft.put(key, answered)
    return draft.build()


def _says_only_who_comes(known: SchedulingObject, key: InstanceKey, override: Component) -> bool:
    """Whether an override is there for an answer alone, so that a program which does not know it takes nothing back."""
    series = known.series
    return (
        series.master is not None
        and series.exists(key)
        and not noticed(series.implied(key), series, override, series, key)
    )


def _has_moved(known: SchedulingObject, draft: Draft, key: InstanceKey, before: Component, part: Component) -> bool:
    if key == MASTER:
        return series_moved(known.series, draft.series)
    return span_moved(before, known.zones, part, draft.zones)


def _with_answers(part: Component, known: Mapping[str, Party]) -> Component:
    def kept(line: Prop) -> Prop:
        party = known.get(normal_address(line.value)) if line.name == "ATTENDEE" else None
        if party is None or party.partstat == Partstat.NEEDS_ACTION or read_party(line).partstat != "NEEDS-ACTION":
            return line
        line = line.with_param("PARTSTAT", party.partstat)
        return line.with_param("DELEGATED-TO", *party.prop.param_values("DELEGATED-TO"))

    answered = part.map_props(kept)
    return answered.adding(*_delegates(read_attendees(answered), known.values()))


def _delegates(now: Mapping[str, Party], known: Iterable[Party]) -> tuple[Prop, ...]:
    """The lines of delegates whom the program does not know either."""
    return tuple(
        party.prop
        for party in known
        if party.address not in now
        and any(
            (delegator := now.get(normal_address(value))) is not None and delegator.partstat == Partstat.DELEGATED
            for value in party.prop.param_values("DELEGATED-FROM")
        )
    )
