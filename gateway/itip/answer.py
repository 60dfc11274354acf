# SPDX-License-Identifier: Apache-2.0
"""One answer of one attendee, put into the components it is for (RFC 5546 §2.1.5, §3.2.3).

Here stand the rules of order (an answer counts once, and only if none newer is known), of delegation, and of people who
were not asked.
"""

import re

from gateway.itip.address import build_mailto, is_mailable, normal_address, plain_address
from gateway.itip.answering import current_state
from gateway.itip.draft import Draft
from gateway.itip.identity import attendee_line, delegates_of
from gateway.itip.incoming import (
    Arrival,
    Finding,
    at_instance,
    held,
    ignored,
    is_this_and_future,
    named,
    refused,
    same_instance,
    written,
)
from gateway.itip.instances import MASTER, InstanceKey
from gateway.itip.merge import partstat_of
from gateway.itip.model import AttendeeAnswer, Partstat, UninvitedReply, Verdict
from gateway.itip.objects import read_party
from gateway.itip.staleness import (
    Stamp,
    answered_stamp,
    dtstamp_of,
    rescheduled_at,
    sequence_of,
    stamp_params,
    without_answered_stamp,
)
from gateway.itip.tree import Component, Prop

_WORDS = {
    Partstat.ACCEPTED: "accepted",
    Partstat.DECLINED: "declined",
    Partstat.TENTATIVE: "accepted tentatively",
    Partstat.DELEGATED: "delegated",
    Partstat.NEEDS_ACTION: "has not answered yet",
    Partstat.COMPLETED: "completed the task",
    Partstat.IN_PROCESS: "is working on the task",
}
#: Why a guest is sent the present state without having asked for it.
ANSWERED_AN_OLDER_VERSION = "The attendee answered an older version of the event"
_STATUS_CODE = re.compile(r"\d(?:\.\d{1,3}){1,2}")
_MAX_COMMENT = 4_000
_MAX_DELEGATES = 5


class Answer:
    """One answer of one person, as it is put into the components it is for."""

    def __init__(
        self,
        arrival: Arrival,
        draft: Draft,
        component: Component,
        line: Prop,
        partstat: str,
        stamp: Stamp,
        people: frozenset[str],
    ) -> None:
        self.arrival, self.draft, self.component = arrival, draft, component
        self.line, self.partstat, self.stamp, self.people = line, partstat, stamp, people
        self.repairs: tuple[str, ...] = ()

    def given(self, key: InstanceKey, targets: tuple[InstanceKey, ...]) -> Finding:
        """Put the answer into its targets, the asked one first, later ones unless answered later on their own."""
        first = targets[0]
        part = self._part(first)
        stored = attendee_line(part, self.people)
        if stored is None:
            return self.uninvited(key)
        fault = self._too_late(first, part, stored)
        if fault is not None:
            return fault
        before = partstat_of(stored)
        self.partstat = self.partstat or before
        self._put(first, part, stored, own_stamp=True)
        for other in targets[1:]:
            self._follow(other, before)
        return self._finding(Verdict.APPLIED, self._rule(), self._sentence(first), first, stored)

    def uninvited(self, key: InstanceKey) -> Finding:
        """Decide on an answer of somebody who was not asked (RFC 5546 §3.2.3, interop T19)."""
        who, where = named(self.line), at_instance(key, self.draft.series)
        if self._is_named_delegate():
            return self._added(key, "reply.delegate-added", f"{who} answers as a delegate{where}")
        mode = self.arrival.settings.uninvited
        if mode is UninvitedReply.ADD:
            return self._added(key, "reply.uninvited-added", f"{who} was not invited{where} and was added")
        if mode is UninvitedReply.REJECT:
            return refused("reply.uninvited-rejected", f"{who} was not invited{where}")
        return held("reply.uninvited", f"{who} answers but was not invited{where}; the organizer decides")

    def _part(self, key: InstanceKey) -> Component:
        part = self.draft.component(key) or self.draft.implied(key)
        assert part is not None
        return part

    def _too_late(self, key: InstanceKey, part: Component, stored: Prop) -> Finding | None:
        who, where = named(stored), at_instance(key, self.draft.series)
        if self.stamp.sequence < rescheduled_at(part):
            reason = f"{who} answered an older version of the event{where}"
            state = current_state(self.arrival, stored, ANSWERED_AN_OLDER_VERSION)
            return ignored("reply.stale-sequence", reason, *state)
        stamp = Stamp(min(self.stamp.sequence, sequence_of(part)), self.stamp.dtstamp)  # interop T09
        last = self._last(key, stored)
        if last is not None and stamp == last and self.partstat in ("", partstat_of(stored)):
            return ignored("reply.duplicate", f"This answer of {who}{where} is known already")
        series_last = self._series_last(key)
        if (last is not None and stamp <= last) or (series_last is not None and stamp < series_last):
            return ignored("reply.stale", f"{who} has answered later than this{where}")
        self.stamp, self.repairs = stamp, () if stamp == self.stamp else ("sequence-clamped",)
        return None

    def _last(self, key: InstanceKey, stored: Prop) -> Stamp | None:
        """The newest answer to this very component: what the line remembers, or the store."""
        series = self.draft.series
        known = [
            Stamp(seen.sequence, seen.dtstamp)
            for seen in self.arrival.history.seen
            if normal_address(seen.address) == read_party(stored).address
            and same_instance(series, key, seen.recurrence_id)
        ]
        own = answered_stamp(stored) if self.draft.component(key) is not None else None
        return max([*known, *([own] if own is not None else [])], default=None)

    def _series_last(self, key: InstanceKey) -> Stamp | None:
        """The newest answer to the whole series, where an occurrence is answered."""
        master = self.draft.master
        stored = attendee_line(master, self.people) if key != MASTER and master is not None else None
        return None if stored is None else self._last(MASTER, stored)

    def _put(self, key: InstanceKey, part: Component, stored: Prop, *, own_stamp: bool) -> None:
        delegates = self._delegates(stored)
        answer: dict[str, tuple[str, ...]] = {"PARTSTAT": (self.partstat,), "SCHEDULE-STATUS": (self._status(),)}
        answer["DELEGATED-TO"] = tuple(map(build_mailto, delegates))
        new = stored.with_params(answer | stamp_params(self.stamp if own_stamp else None))
        derived = self.draft.component(key) is None

        def line(each: Prop) -> Prop:
            if each is stored:
                return new
            return without_answered_stamp(each) if derived and each.name == "ATTENDEE" else each

        part = part.map_props(line)
        if derived:
            part = _with_range(part, self.component)
        self.draft.put(key, part.adding(*self._new_delegates(part, stored, delegates)))

    def _follow(self, key: InstanceKey, before: str) -> None:
        """Answer an override along with the series, unless it was answered later on its own (interop T29)."""
        part = self._part(key)
        stored = attendee_line(part, self.people)
        if stored is None or self._is_to_an_older(part):
            return
        last, partstat = self._last(key, stored), partstat_of(stored)
        if last is not None and last >= self.stamp:
            return
        if last is None and partstat not in (before, Partstat.NEEDS_ACTION):
            return  # answered on its own, nobody knows when: an explicit answer is not thrown away
        self._put(key, part, stored, own_stamp=False)

    def _is_to_an_older(self, part: Component) -> bool:
        """Whether an answer to the series was given before this override had its time.

        Its number is the series', which need not have risen with the override's: where that proves nothing, the clock
        decides.
        """
        if self.stamp.sequence >= rescheduled_at(part):
            return False
        sent_at = dtstamp_of(part)
        return sent_at is None or self.stamp.dtstamp <= sent_at

    def _delegates(self, stored: Prop) -> tuple[str, ...]:
        if self.partstat != Partstat.DELEGATED:
            return ()
        organizer = self.draft.object.organizer
        barred = {read_party(stored).address, self.arrival.bearer, organizer.address if organizer else ""}
        named_there = dict.fromkeys(each for each in delegates_of(self.line) if is_mailable(each))
        return tuple(plain_address(each) for each in named_there if normal_address(each) not in barred)[:_MAX_DELEGATES]

    def _new_delegates(self, part: Component, stored: Prop, delegates: tuple[str, ...]) -> list[Prop]:
        """Lines for delegates who are not on the list yet; whoever is on it keeps their own answer."""
        added = []
        for delegate in delegates:
            person = frozenset((normal_address(delegate),))
            if attendee_line(part, person) is None:
                claimed = attendee_line(self.component, person)
                added.append(_delegate_line(delegate, claimed, stored))
        return added

    def _is_named_delegate(self) -> bool:
        lines = (each.prop for each in self.draft.object.everyone.values())
        return any(normal_address(to) in self.people for line in lines for to in delegates_of(line))

    def _added(self, key: InstanceKey, rule: str, sentence: str) -> Finding:
        part = self.draft.component(key) or self.draft.implied(key)
        self.partstat = self.partstat or Partstat.NEEDS_ACTION
        if part is None:
            return refused("reply.no-such-instance", "The event does not say what was answered")
        new = Prop("ATTENDEE", self.line.value, (("PARTSTAT", (self.partstat,)), ("ROLE", ("REQ-PARTICIPANT",))))
        for name in ("CN", "DELEGATED-FROM"):
            new = new.with_param(name, *self.line.param_values(name)[:_MAX_DELEGATES])
        self.stamp = Stamp(min(self.stamp.sequence, sequence_of(part)), self.stamp.dtstamp)
        self.draft.put(key, part.adding(new.with_params(stamp_params(self.stamp))))
        return self._finding(Verdict.APPLIED, rule, sentence, key, new)

    def _rule(self) -> str:
        return "reply.delegated" if self.partstat == Partstat.DELEGATED else "reply.applied"

    def _sentence(self, key: InstanceKey) -> str:
        to = ", ".join(map(named, self._delegates(self.line))) if self.partstat == Partstat.DELEGATED else ""
        return f"{named(self.line)} {_WORDS[Partstat(self.partstat)]}{f' to {to}' if to else ''}" + at_instance(
            key, self.draft.series
        )

    def _status(self) -> str:
        """The code of REQUEST-STATUS; without one it is success (RFC 6638 §3.2.9, interop T21)."""
        found = _STATUS_CODE.match((self.component.value("REQUEST-STATUS") or "").strip())
        return found[0] if found else "2.0"

    def _finding(self, verdict: Verdict, rule: str, sentence: str, key: InstanceKey, stored: Prop) -> Finding:
        comment = (self.component.text("COMMENT") or "").strip()[:_MAX_COMMENT]
        answer = AttendeeAnswer(
            address=read_party(stored).spelled,
            recurrence_id=written(self.draft.series, key),
            partstat=self.partstat,
            sequence=self.stamp.sequence,
            dtstamp=self.stamp.dtstamp,
            comment=comment or None,
            delegated_to=next(iter(self._delegates(stored)), None),
            request_status=(self.component.value("REQUEST-STATUS") or "").strip()[:200] or None,
        )
        return Finding(verdict, rule, sentence, answers=(answer,), repairs=self.repairs)


def _delegate_line(delegate: str, claimed: Prop | None, delegator: Prop) -> Prop:
    line = Prop(
        "ATTENDEE",
        build_mailto(delegate) if claimed is None else claimed.value,
        (
            ("PARTSTAT", (str(Partstat.NEEDS_ACTION),)),
            ("RSVP", ("TRUE",)),
            ("ROLE", (delegator.param("ROLE") or "REQ-PARTICIPANT",)),
            ("DELEGATED-FROM", (delegator.value,)),
        ),
    )
    return line if claimed is None else line.with_param("CN", *claimed.param_values("CN")[:1])


def _with_range(part: Component, component: Component) -> Component:
    """An answer to this and all following occurrences stays one for all of them (RFC 5545 §3.2.13)."""
    if not is_this_and_future(component):
        return part
    return part.map_props(
        lambda each: each.with_param("RANGE", "THISANDFUTURE") if each.name == "RECURRENCE-ID" else each
    )
