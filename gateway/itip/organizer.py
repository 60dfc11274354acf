# SPDX-License-Identifier: Apache-2.0
"""The organizer's side of a change: who is owed which message (RFC 5546 §3.2.2, §3.2.5; RFC 6638 §3.2.1).

Everybody's old view is laid beside their new one: nothing to something is a REQUEST, something to nothing a CANCEL, an
instance gone a CANCEL of that instance, a difference that matters a REQUEST. Guests who sit on the same components
are one group and get one message, so that the cost grows with the guests and not with their square.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from gateway.itip.delta import Delta, State, state
from gateway.itip.instances import MASTER, InstanceKey
from gateway.itip.messages import is_cancelled
from gateway.itip.model import DiffSettings, Fault, FieldChange, Method
from gateway.itip.objects import Party, SchedulingObject

Seats = frozenset[InstanceKey]


@dataclass(frozen=True, slots=True)
class Owed:
    """A message before it is written: about which instances, from which version, and why."""

    method: Method
    keys: tuple[InstanceKey, ...]
    version: SchedulingObject
    reason: str
    changes: tuple[FieldChange, ...] = ()
    #: A cancellation for everybody says STATUS:CANCELLED; one for a single guest names only them.
    for_everybody: bool = True
    #: What is only sent again leaves SEQUENCE as it is (RFC 5546 §3.2.2.7).
    is_news: bool = True


@dataclass(slots=True)
class Group:
    """Guests with the same seats: on which components they were and are, and which are sent to them by force."""

    old: Seats
    new: Seats
    forced: Seats
    people: list[Party] = field(default_factory=list)


class OrganizerSide:
    """Decides what a change owes. `gone` means that the new version is no meeting any more: deleted or made private."""

    def __init__(self, delta: Delta, mine: frozenset[str], now: datetime, settings: DiffSettings) -> None:
        self.delta, self.mine, self.now, self.settings = delta, mine, now, settings
        self.old, self.new = delta.old, delta.new
        self.gone = delta.new is None
        self.skipped: list[Fault] = []
        self._ours: dict[str | None, bool] = {}  # by line: most stand in every component of both versions

    def groups(self) -> list[Group]:
        """Return everybody who can be written to, by seats, the old guests first; the others go to `skipped`."""
        people: dict[str, Party] = {}
        for version in (self.old, self.new):
            people.update(version.everyone if version is not None else ())
        before, after = (self._seats(version) for version in (self.old, self.new))
        forced = self._forced()
        groups: dict[tuple[Seats, Seats, Seats], Group] = {}
        none: Seats = frozenset()
        for address, person in people.items():
            old, new = before.get(address, none), after.get(address, none)
            seats = old, new, forced.get(address, none) if old else none
            if not old and not new:
                self.skipped.append(self._why_never(person))
                continue
            group = groups.get(seats)
            if group is None:
                group = groups[seats] = Group(*seats)
            group.people.append(person)
        return list(groups.values())

    def owed(self, group: Group) -> list[Owed]:
        """Return the messages that one group is owed, in the order in which they must arrive."""
        if self._is_cancelled(self.new):
            return self._cancelled(group)
        if self._is_cancelled(self.old):
            if not group.new:
                self._skip(group, "change.cancelled", "The event was cancelled before, and they know")
                return []
            group = Group(frozenset(), group.new, group.forced)  # what comes now is an invitation
        if not group.new:
            return list(self._uninvited(group, for_everybody=self.gone))
        if not group.old:
            return self._invited(group.new, "The attendee is invited")
        if MASTER in group.new and MASTER not in group.old:
            whole = self._invited(group.new, "The attendee is invited to the whole series")
            return self._in_order([*whole, *self._instances(group, group.old - group.new)])
        if MASTER in group.new:
            return self._series(group)
        if MASTER in group.old:
            less = self._uninvited(group, for_everybody=False)
            return [*less, *self._invited(group.new, "The attendee is still invited to this occurrence")]
        return list(self._instances(group, group.old | group.new))

    def _series(self, group: Group) -> list[Owed]:
        """Somebody who was and is on the whole series (or the plain event)."""
        assert self.new is not None
        changes = self.delta.changes(MASTER)
        if not changes and MASTER not in group.forced:
            return list(self._instances(group, self.delta.keys))
        reason = _said(changes) if changes else "The organizer sends the event again"
        owed = [Owed(Method.REQUEST, (MASTER,), self.new, reason, changes, is_news=bool(changes))]
        for key in self.delta.keys:
            before, after = state(self.old, group.old, key), state(self.new, group.new, key)
            if self._is_over(key):
                continue
            if after is State.OWN:  # receivers commonly drop exceptions when the master changes
                own = self.delta.changes(key)
                reason = _said(own) if own else _AGAIN
                owed.append(Owed(Method.REQUEST, (key,), self.new, reason, own, is_news=bool(own) or not before.is_on))
            elif after is State.RULE and before is not State.RULE and self.delta.changes(key):
                owed.append(Owed(Method.REQUEST, (key,), self.new, "The occurrence is as the series again"))
            elif before.is_on and not after.is_on and not self.delta.pattern_changed:
                owed.append(self._instance_gone(key, before, after))
        return self._in_order(owed)

    def _instances(self, group: Group, keys: tuple[InstanceKey, ...] | Seats) -> Iterator[Owed]:
        """Single occurrences, where the series itself has nothing new to say."""
        for key in sorted(keys):
            before, after = state(self.old, group.old, key), state(self.new, group.new, key)
            changes = self.delta.changes(key) if after.is_on else ()
            if (before is after and not changes and key not in group.forced) or not (before.is_on or after.is_on):
                continue
            if self._is_over(key):
                self._skip(group, "change.past-instance", f"The occurrence {self.delta.written(key)} is over")
            elif before.is_on and not after.is_on:
                yield self._instance_gone(key, before, after)
            elif self.new is not None and (changes or not before.is_on or key in group.forced):
                reason = _said(changes) if changes else "The organizer sends the occurrence again"
                if not before.is_on:
                    reason = "The attendee is invited to this occurrence"
                yield Owed(Method.REQUEST, (key,), self.new, reason, changes, is_news=bool(changes) or not before.is_on)

    def _instance_gone(self, key: InstanceKey, before: State, after: State) -> Owed:
        """One occurrence less: called off for everybody, or only this guest is no longer on it."""
        assert self.old is not None
        if self.new is not None and after is State.CANCELLED:
            return Owed(Method.CANCEL, (key,), self.new, "The occurrence is cancelled")
        still_on = self.new is not None and key in self.new.overrides
        reason = "The attendee is no longer invited to this occurrence" if still_on else "The occurrence is cancelled"
        return Owed(Method.CANCEL, (key,), self.old, reason, for_everybody=not still_on)

    def _invited(self, seats: Seats, reason: str) -> list[Owed]:
        """The whole view, for somebody who has seen none of it."""
        assert self.new is not None
        keys = [MASTER] if MASTER in seats else []
        keys += [key for key, part in sorted(self.new.overrides.items()) if key in seats and not is_cancelled(part)]
        over = [key for key in keys if key != MASTER and self._is_over(key)] if self.delta.old else []
        return self._in_order([Owed(Method.REQUEST, (key,), self.new, reason) for key in keys if key not in over])

    def _in_order(self, owed: list[Owed]) -> list[Owed]:
        """Cancellations first, while the recipient's copy still has what they call off; REQUESTs as one where asked."""
        requests = [each for each in owed if each.method is Method.REQUEST]
        if len(requests) > 1 and not self.settings.one_instance_per_message:
            requests = [_bundle(requests)]
        return [*(each for each in owed if each.method is not Method.REQUEST), *requests]

    def _uninvited(self, group: Group, *, for_everybody: bool) -> Iterator[Owed]:
        """Nothing is left of what somebody was invited to."""
        if self.old is None or not group.old:
            return
        reason = "The event is cancelled" if for_everybody else "The attendee is no longer invited"
        keys = [MASTER] if MASTER in group.old else sorted(group.old)
        for key in keys:
            part = self.old.component(key)
            if part is not None and not is_cancelled(part) and (key == MASTER or not self._is_over(key)):
                yield Owed(Method.CANCEL, (key,), self.old, reason, for_everybody=for_everybody)

    def _cancelled(self, group: Group) -> list[Owed]:
        """The event has STATUS:CANCELLED now."""
        if self._is_cancelled(self.old) or not group.old or self.new is None:
            self._skip(group, "change.cancelled", "The event is cancelled, and who was to know has been told")
            return []
        if MASTER in group.old and MASTER in group.new:
            return [Owed(Method.CANCEL, (MASTER,), self.new, "The event is cancelled")]
        return list(self._uninvited(group, for_everybody=True))

    def _is_cancelled(self, version: SchedulingObject | None) -> bool:
        return version is not None and version.master is not None and is_cancelled(version.master)

    def _is_over(self, key: InstanceKey) -> bool:
        return not self.settings.send_past_events and self.delta.is_past(key, self.now)

    def _seats(self, version: SchedulingObject | None) -> dict[str, Seats]:
        """Who is on which components, as far as this server writes to them."""
        found: dict[str, Seats] = {}
        for key, _ in version.instances() if version is not None else ():
            assert version is not None
            alone: Seats = frozenset((key,))
            joined: dict[Seats, Seats] = {}  # most guests sit on the same components: one set for all of them
            for address, person in version.attendees(key).items():
                if self._is_ours(address, person):
                    seats = found.get(address)
                    if seats is None:
                        found[address] = alone
                    else:
                        found[address] = joined[seats] if seats in joined else joined.setdefault(seats, seats | alone)
        return found

    def _forced(self) -> dict[str, Seats]:
        """SCHEDULE-FORCE-SEND=REQUEST: to whom a component is sent that has nothing new to say (RFC 6638 §7.2)."""
        found: dict[str, Seats] = {}
        if self.new is None:
            return found
        for key, _ in self.new.instances():
            if self.delta.changes(key):
                continue
            for address, person in self.new.attendees(key).items():
                if person.is_marked and person.force_send == "REQUEST":
                    found[address] = found.get(address, frozenset()) | {key}
        return found

    def _is_ours(self, address: str, person: Party) -> bool:
        known = self._ours.get(person.prop.raw)
        if known is None:
            known = address not in self.mine and person.schedule_agent == "SERVER" and person.is_mailable
            if person.prop.raw is not None:
                self._ours[person.prop.raw] = known
        return known

    def _why_never(self, person: Party) -> Fault:
        who = person.spelled
        if person.address in self.mine:
            return Fault("change.self", f"{who} is the organizer's own address")
        if person.schedule_agent != "SERVER":
            return Fault("change.schedule-agent", f"{who} is not invited by this server ({person.schedule_agent})")
        return Fault("change.unreachable", f"{who} is not an address that mail can be sent to")

    def _skip(self, group: Group, rule: str, sentence: str) -> None:
        self.skipped += [Fault(rule, f"{person.spelled}: {sentence}") for person in group.people]


_AGAIN = "The series changed; its exceptions are sent again"


def _bundle(requests: list[Owed]) -> Owed:
    """All REQUESTs as one message, for peers that read more than the first component."""
    keys = tuple(dict.fromkeys(key for each in requests for key in each.keys))
    changes = tuple(change for each in requests for change in each.changes)
    is_news = any(each.is_news for each in requests)
    return Owed(Method.REQUEST, keys, requests[0].version, requests[0].reason, changes, is_news=is_news)


def _said(changes: tuple[FieldChange, ...]) -> str:
    """A sentence that names what changed."""
    names = ", ".join(dict.fromkeys(change.name for change in changes))
    return f"Changed: {names}"
