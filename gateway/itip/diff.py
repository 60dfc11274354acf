# SPDX-License-Identifier: Apache-2.0
"""What a change of a stored object owes its people: the front of the outgoing half (RFC 5546 §3.2, RFC 6638 §3.2).

Who speaks is settled here, and the reasons why nobody does; the organizer's and the attendee's side decide, and this
module addresses, stamps and writes what they owe. The answer is always a `Change`: messages, or why there are none.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.errors import Refused
from gateway.itip.address import is_mailable, normal_addresses, plain_address
from gateway.itip.attendee import AttendeeSide, echoed_sequence
from gateway.itip.delta import Delta
from gateway.itip.identity import own_addresses
from gateway.itip.letters import Letters
from gateway.itip.messages import SECOND, next_dtstamp
from gateway.itip.model import Change, DiffSettings, Fault, ItipMessage, Method
from gateway.itip.objects import Party, SchedulingObject, read_object, read_party
from gateway.itip.organizer import Group, OrganizerSide, Owed
from gateway.itip.revision import Revision
from gateway.itip.staleness import DTSTAMP_PARAM, answered_stamp, dtstamp_of
from gateway.itip.tree import Component, Prop, build_tree
from gateway.itip.values import build_utc, parse_moment

DEFAULT_SETTINGS = DiffSettings()
_BELIEVED_AHEAD = timedelta(days=1)
_MOMENTS = frozenset({"DTSTART", "DTEND", "DUE", "RECURRENCE-ID"})

#: The sentence where several recipients were left out, or nobody at all was to be told.
_SENTENCES = {
    "change.nothing-stored": "There was no event, and there is none",
    "change.not-scheduled": "Journal entries and free-busy times are not scheduled by mail",
    "change.no-attendees": "Nobody is invited, so nobody is told",
    "change.only-self": "Nobody but you is invited, so nobody is told",
    "change.no-organizer": "The event has attendees but no organizer, so nobody can invite them",
    "change.not-involved": "None of your addresses is the organizer or an attendee of the event",
    "change.past": "The event is over, so nobody is told",
    "change.schedule-agent": "Another program does the scheduling for this event (SCHEDULE-AGENT)",
    "change.unreachable": "There is no address that mail can be sent to",
    "change.not-significant": "Nothing changed that anybody needs to be told of",
    "change.cancelled": "The event is cancelled, and who was to know has been told",
    "change.local-only": "Only your own copy changed; the organizer is not told",
    "change.not-answered": "You had not answered the invitation, so the organizer is not told",
    "change.declined": "The organizer knows already that you do not take part",
    "change.past-instance": "The occurrence is over, so nobody is told",
}


def diff(
    old: Component | None,
    new: Component | None,
    *,
    addresses: Sequence[str],
    now: datetime,
    settings: DiffSettings = DEFAULT_SETTINGS,
) -> Change:
    """Return what a change from `old` to `new` owes, seen by the owner of `addresses`. None = there is no such object.

    Never raises on bad input: a new object that cannot be scheduled is an `error`, and `stored` is None then.
    """
    try:
        return _Change(old, new, addresses, now, settings).answer()
    except Refused as error:
        return Change(error=Fault("object.no-start", error.public))
    except OverflowError:  # a day before the year 1 or after 9999
        return Change(error=Fault("object.no-start", "The times of the event lead out of the calendar"))


class _Change:
    """One change being answered."""

    def __init__(
        self,
        old: Component | None,
        new: Component | None,
        addresses: Sequence[str],
        now: datetime,
        settings: DiffSettings,
    ) -> None:
        self.old = None if old is None else _usable(read_object(old))
        self.new = None if new is None else read_object(new)
        self.addresses, self.mine = addresses, normal_addresses(addresses)
        self.now, self.settings = now, settings

    def answer(self) -> Change:
        fault = self._fault()
        if fault is not None:
            return Change(error=fault)
        latest = self.new or self.old
        if latest is None:
            return self._nothing("change.nothing-stored")
        if latest.kind not in ("VEVENT", "VTODO"):
            return self._nothing("change.not-scheduled")
        if not any(version.everyone for version in (self.old, self.new) if version is not None):
            return self._nothing("change.no-attendees")
        before, after = (None if version is None else version.organizer for version in (self.old, self.new))
        organizer = after or before
        if organizer is None:
            return self._nothing("change.no-organizer")
        if organizer.address in self.mine or (before is not None and before.address in self.mine):
            return self._as_organizer(before, after)
        return self._as_attendee(organizer)

    def _fault(self) -> Fault | None:
        """Why the new object cannot be stored as a scheduling object at all."""
        if self.new is None:
            return None
        if self.new.faults:
            return self.new.faults[0]
        if self.new.kind == "VEVENT" and self.new.master is not None and self.new.series.start is None:
            return Fault("object.no-start", "The event does not say when it starts, or not so that it can be read")
        if self.old is None:
            return None
        if self.old.uid != self.new.uid:
            return Fault("change.uid", "The UID of an event cannot change")
        if self.old.kind != self.new.kind:
            return Fault("change.kind", "An event cannot become a task, nor the reverse")
        first, second = self.old.organizer, self.new.organizer
        if first is not None and second is not None and first.address not in {*self.mine, second.address}:
            return Fault("change.organizer", f"The event belongs to {first.spelled}; only they can hand it over")
        return None

    def _unreadable(self) -> Fault | None:
        """Why guests could not read when it is; of somebody else's event that is their business."""
        try:
            for component in self.new.components if self.new is not None else ():
                for item in component.items:
                    if item.name in _MOMENTS and isinstance(item, Prop):
                        parse_moment(item)
        except Refused as error:
            return Fault("object.no-start", f"The time of the event cannot be read: {error.public}")
        return None

    def _as_organizer(self, before: Party | None, after: Party | None) -> Change:
        sent_by = before if before is not None and before.address in self.mine else after
        assert sent_by is not None
        if (after or sent_by).schedule_agent != "SERVER":
            return self._nothing("change.schedule-agent")
        fault = self._unreadable()
        if fault is not None:
            return Change(error=fault)
        whole = delta = Delta(self.old, self.new, self.settings.significant)
        if self._is_past():
            return self._kept(Revision(whole, self.settings, self.mine), "change.past")
        if before is None or before.schedule_agent != "SERVER":  # the first time that anybody is told by this server
            delta = Delta(None, self.new, self.settings.significant)
        elif after is None and self.new is not None:  # it is a private event from now on
            delta = Delta(self.old, None, self.settings.significant)
        side = OrganizerSide(delta, self.mine, self.now, self.settings)
        owed = [(group, self._owed_to(side, group)) for group in side.groups()]
        cancelled = {key for _, each in owed for one in each if one.method is Method.CANCEL for key in one.keys}
        tells = any(one.is_news for _, each in owed for one in each)
        first = self.old is None or not any(group.old for group, _ in owed)
        revision = Revision(whole, self.settings, self.mine, is_first=first, tells=tells, cancelled=cancelled)
        at = next_dtstamp(self.now, last=self._last_dtstamp())
        letters = Letters(self.new, revision, self._address_of(sent_by), self.settings)
        messages, skipped = letters.written(owed, at), tuple(side.skipped)
        if not messages:
            return self._kept(revision, _shared_rule(skipped), skipped)
        stored = revision.calendar(at + max(len(each) - 1 for _, each in owed) * SECOND)
        return Change(messages, None if stored is None else build_tree(stored), skipped=skipped)

    def _owed_to(self, side: OrganizerSide, group: Group) -> list[Owed]:
        known = len(side.skipped)
        owed = side.owed(group)
        if not owed and len(side.skipped) == known:
            side.skipped += [
                Fault("change.not-significant", f"Nothing changed that {person.spelled} needs to be told of")
                for person in group.people
            ]
        return owed

    def _address_of(self, organizer: Party) -> str:
        """Where the organizer writes from: another own address where the calendar names them by a path or a URN."""
        if organizer.is_mailable:
            return organizer.spelled
        return next((plain_address(own) for own in self.addresses if is_mailable(own)), organizer.spelled)

    def _as_attendee(self, organizer: Party) -> Change:
        self.mine = own_addresses(
            self.mine, *(part for version in (self.old, self.new) if version for part in version.components)
        )
        people = {a: None for version in (self.new, self.old) if version for a in version.everyone if a in self.mine}
        if not people:
            return self._nothing("change.not-involved")
        if organizer.schedule_agent != "SERVER":
            return self._nothing("change.schedule-agent")
        if not organizer.is_mailable:
            return self._nothing("change.unreachable")
        delta = Delta(self.old, self.new, self.settings.significant)
        last = self._last_answered_at()
        if self._is_past():
            return self._nothing("change.past", stored=self._attendee_copy(delta, last))
        at = next_dtstamp(self.now, last=last)
        messages: list[ItipMessage] = []
        skipped: list[Fault] = []
        for address in people:
            side = AttendeeSide(delta, address, self.mine, self.now, self.settings)
            answers = side.answers()
            messages += side.messages(answers, organizer, at + len(messages) * SECOND)
            skipped += side.skipped
        if not messages:
            rule = _shared_rule(tuple(skipped)) if skipped else "change.local-only"
            return self._nothing(rule, stored=self._attendee_copy(delta, last), skipped=tuple(skipped))
        stored = self._attendee_copy(delta, at + (len(messages) - 1) * SECOND)
        return Change(tuple(messages), stored, skipped=tuple(skipped))

    def _last_answered_at(self) -> datetime | None:
        """When the user last answered, as far as the store or their own lines remember."""
        own = [party for address, party in (self.old.everyone if self.old else {}).items() if address in self.mine]
        stamps = [stamp.dtstamp for party in own if (stamp := answered_stamp(party.prop)) is not None]
        known = [stamp for stamp in (self.settings.last_dtstamp, *stamps) if stamp is not None]
        return max((stamp for stamp in known if stamp <= self.now + _BELIEVED_AHEAD), default=None)

    def _attendee_copy(self, delta: Delta, answered_at: datetime | None) -> str | None:
        """The attendee's copy as it is kept: SEQUENCE is the organizer's, FORCE-SEND is gone (RFC 6638 §7.2).

        The user's own line remembers when they answered last: of two answers in one second the later counts.
        """
        new = self.new
        if new is None:
            return None

        def kept(line: Prop) -> Prop:
            if line.name == "ATTENDEE" and answered_at is not None and read_party(line).address in self.mine:
                return line.with_param(DTSTAMP_PARAM, build_utc(answered_at))
            return line.without_params("SCHEDULE-FORCE-SEND") if line.name == "ORGANIZER" else line

        parts: dict[int, Component] = {}
        for key, component in new.instances():
            part, sequence = component.map_props(kept), echoed_sequence(delta, key)
            if new.sequence_of(key) != sequence:
                part = part.with_prop(Prop("SEQUENCE", str(sequence)))
            parts[id(component)] = part
        items = (parts.get(id(item), item) if isinstance(item, Component) else item for item in new.calendar.items)
        return build_tree(Component(new.calendar.name, (item for item in items if item.name != "METHOD")))

    def _is_past(self) -> bool:
        """Whether the event is over in every version; a task that is due is not over."""
        versions = [version for version in (self.old, self.new) if version is not None]
        if self.settings.send_past_events or any(version.kind != "VEVENT" for version in versions):
            return False
        return not any(version.series.ends_after(self.now) for version in versions)

    def _last_dtstamp(self) -> datetime | None:
        """When the last message was stamped, as far as the store or the object remembers."""
        known = (self.settings.last_dtstamp, self._dtstamp_of(self.old))
        return max((stamp for stamp in known if stamp is not None), default=None)

    def _dtstamp_of(self, version: SchedulingObject | None) -> datetime | None:
        """The latest DTSTAMP of a version; a client whose clock is years ahead is not followed there."""
        stamps = map(dtstamp_of, version.components if version is not None else ())
        return max((stamp for stamp in stamps if stamp and stamp <= self.now + _BELIEVED_AHEAD), default=None)

    def _kept(self, revision: Revision, rule: str, skipped: tuple[Fault, ...] = ()) -> Change:
        """Nobody is told; a client that does not know of the last message's DTSTAMP must not make it forgotten."""
        last, now = self._dtstamp_of(self.old), self._dtstamp_of(self.new)
        stored = revision.calendar(last if last is not None and (now is None or now < last) else None)
        return self._nothing(rule, stored=None if stored is None else build_tree(stored), skipped=skipped)

    def _nothing(self, rule: str, *, stored: str | None = None, skipped: tuple[Fault, ...] = ()) -> Change:
        if stored is None and self.new is not None:
            stored = build_tree(self.new.calendar.without("METHOD"))
        sentence = skipped[0].reason if len(skipped) == 1 and skipped[0].rule == rule else _SENTENCES[rule]
        return Change(stored=stored, nothing=sentence, nothing_rule=rule, skipped=skipped)


def _usable(version: SchedulingObject) -> SchedulingObject | None:
    """An old version that is no scheduling object is as good as none."""
    return version if version.components and version.uid else None


def _shared_rule(skipped: tuple[Fault, ...]) -> str:
    """Why nobody is told, where it is one reason; the user's own address is never the reason beside others."""
    rules = {fault.rule for fault in skipped}
    if rules == {"change.self"}:
        return "change.only-self"
    rules.discard("change.self")
    return rules.pop() if len(rules) == 1 else "change.not-significant"
