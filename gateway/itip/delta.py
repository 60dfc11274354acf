# SPDX-License-Identifier: Apache-2.0
"""Two versions of one object beside each other: what each instance was and is, and what differs.

Nothing here knows recipients; the organizer's and the attendee's side both ask it. An instance that has no component of
its own is compared as its rule implies it, so that a new override which changes nothing is no change.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from functools import cached_property

from gateway.errors import Refused
from gateway.itip.instances import MASTER, InstanceKey
from gateway.itip.messages import is_cancelled, written_id
from gateway.itip.model import FieldChange
from gateway.itip.objects import SchedulingObject
from gateway.itip.significance import RESCHEDULING, diff_components
from gateway.itip.tree import Component

#: Whether the series itself moves: with these, EXDATEs that come and go are only the same gaps under new names.
_PATTERN = frozenset({"DTSTART", "RRULE"})


class State(Enum):
    """What an instance is for somebody in one version."""

    NONE = "none"  # not theirs, or not there
    RULE = "rule"  # as the series says
    OWN = "own"  # by an override they are on
    CANCELLED = "cancelled"  # by an override that says so

    @property
    def is_on(self) -> bool:
        return self in (State.RULE, State.OWN)


class Delta:
    """The old and the new version. Either may be absent, not both."""

    def __init__(self, old: SchedulingObject | None, new: SchedulingObject | None, significant: Iterable[str]) -> None:
        self.old, self.new = old, new
        self.significant = frozenset(significant) | {"ORGANIZER"}
        #: The properties that are compared.
        self.names = frozenset({*self.significant, *RESCHEDULING})
        self._changes: dict[InstanceKey, tuple[FieldChange, ...]] = {}

    @cached_property
    def keys(self) -> tuple[InstanceKey, ...]:
        """Every instance that may have changed by itself: overrides of either version, dates taken out or in."""
        versions = [version for version in (self.old, self.new) if version is not None]
        keys = dict.fromkeys(key for version in versions for key in version.overrides)
        if self.old and self.new and any(version.series.lines for version in versions):
            keys.update(dict.fromkeys(self.excluded_now | self.returned | self.dropped_extra))
        return tuple(sorted(keys))

    @cached_property
    def excluded_now(self) -> frozenset[InstanceKey]:
        """Instances that an EXDATE takes out which was not there before."""
        if not (self.old and self.new):
            return frozenset()
        return self.new.series.excluded - self.old.series.excluded

    @cached_property
    def dropped_extra(self) -> frozenset[InstanceKey]:
        """Instances that an RDATE gave which is gone."""
        if not (self.old and self.new):
            return frozenset()
        return self.old.series.extra - self.new.series.extra

    def all_changes(self, key: InstanceKey) -> tuple[FieldChange, ...]:
        """Return everything compared that differs for the master or an instance, as both versions imply it."""
        if key not in self._changes:
            self._changes[key] = self._compare(key)
        return self._changes[key]

    @cached_property
    def has_changes(self) -> bool:
        """Whether anything compared differs anywhere, or cannot be compared."""
        try:
            return any(self.all_changes(key) for key in (MASTER, *self.keys))
        except Refused:
            return True

    def changes(self, key: InstanceKey) -> tuple[FieldChange, ...]:
        """Return what differs and is worth telling.

        For the master, an EXDATE more or an RDATE less is left to the instance that it takes out.
        """
        found = tuple(each for each in self.all_changes(key) if self._counts(each.name))
        if key != MASTER or self.pattern_changed:
            return found
        return tuple(each for each in found if each.name not in ("EXDATE", "RDATE") or self._gives(each.name))

    def _gives(self, name: str) -> bool:
        """Whether a change of EXDATE or RDATE brings occurrences, not only takes some."""
        return bool(self.returned if name == "EXDATE" else self.added_extra)

    @property
    def pattern_changed(self) -> bool:
        """Whether DTSTART or RRULE of the series differ."""
        return any(each.name in _PATTERN for each in self.all_changes(MASTER))

    @property
    def returned(self) -> frozenset[InstanceKey]:
        """Instances whose EXDATE is gone."""
        return self.old.series.excluded - self.new.series.excluded if self.old and self.new else frozenset()

    @property
    def added_extra(self) -> frozenset[InstanceKey]:
        """Instances that a new RDATE gives."""
        return self.new.series.extra - self.old.series.extra if self.old and self.new else frozenset()

    def written(self, key: InstanceKey) -> str:
        """Return an instance as the newer version writes it."""
        version = self.new or self.old
        return key if version is None else written_id(version, key)

    def is_past(self, key: InstanceKey, now: datetime) -> bool:
        """Whether an instance is over in both versions."""
        return all(_ends_by(version, key, now) for version in (self.old, self.new) if version is not None)

    def _counts(self, name: str) -> bool:
        if name in ("DTEND", "DUE"):
            return not self.significant.isdisjoint({"DTEND", "DUE", "DURATION"})
        return name in self.significant

    def _compare(self, key: InstanceKey) -> tuple[FieldChange, ...]:
        if self.old is None or self.new is None:
            return ()
        before, after = implied(self.old, key), implied(self.new, key)
        if before is None or after is None:
            return ()
        return diff_components(
            before, self.old.series, after, self.new.series, key, self.names, recurrence_id=self.written(key)
        )


def implied(version: SchedulingObject, key: InstanceKey) -> Component | None:
    """Return the component of an instance, its own or as the rule implies it; None where neither can be had."""
    component = version.component(key)
    if component is not None:
        return component
    try:
        return version.series.implied(key)
    except Refused:
        return None


def state(version: SchedulingObject | None, seats: frozenset[InstanceKey], key: InstanceKey) -> State:
    """Return what an instance is, in a version, for somebody who is on the components `seats`."""
    if version is None:
        return State.NONE
    override = version.overrides.get(key)
    if override is not None:
        if key not in seats:
            return State.NONE
        return State.CANCELLED if is_cancelled(override) else State.OWN
    return State.RULE if MASTER in seats and version.series.exists(key) else State.NONE


def _ends_by(version: SchedulingObject, key: InstanceKey, now: datetime) -> bool:
    try:
        span = version.series.span_of(key)
    except Refused:
        return False
    end = version.zones.utc(span.end)
    return end <= now and version.zones.utc(span.start) < now
