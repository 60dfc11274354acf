# SPDX-License-Identifier: Apache-2.0
"""The attendee's side of a change: which answers a copy owes its organizer (RFC 5546 §3.2.3, RFC 6638 §3.2.2).

Only what the user says about themself is anybody else's business: PARTSTAT, an occurrence taken out, the copy deleted,
a delegation. Every other edit stays local. SEQUENCE is the organizer's and is echoed, never raised.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.itip.address import build_mailto, is_mailable, normal_address, plain_address
from gateway.itip.delta import Delta, implied, state
from gateway.itip.instances import MASTER, InstanceKey
from gateway.itip.messages import SECOND, Letterhead, Part, is_cancelled, view_part, write_message, written_id
from gateway.itip.model import DiffSettings, Fault, ItipMessage, Method, Partstat
from gateway.itip.objects import Party, SchedulingObject, read_party
from gateway.itip.tree import Component, Prop
from gateway.itip.view import invited, reply_component

#: What a task's REPLY tells besides PARTSTAT (RFC 5546 §3.4.3).
_PROGRESS = ("STATUS", "PERCENT-COMPLETE", "COMPLETED")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer owed: for the whole ("") or an occurrence, from the version that shows it."""

    key: InstanceKey
    partstat: str
    version: SchedulingObject
    attendee: Prop
    reason: str


class AttendeeSide:
    """Decides what one own address answers after a change."""

    def __init__(self, delta: Delta, address: str, mine: frozenset[str], now: datetime, settings: DiffSettings) -> None:
        self.delta, self.address, self.mine, self.now, self.settings = delta, address, mine, now, settings
        self.skipped: list[Fault] = []

    def answers(self) -> list[Answer]:
        """Return the answers owed, that for the whole first."""
        new = self.delta.new
        if new is None or self.address not in new.everyone:
            return list(self._left())
        whole = self._whole()
        keys: Iterable[InstanceKey] = self.delta.keys if self.delta.old is not None else sorted(new.overrides)
        if new.master is not None and is_cancelled(
            new.master
        ):  # for the user at least; single occurrences may still be theirs
            keys = [key for key in keys if key in new.overrides]
        single = [answer for key in keys if (answer := self._single(key, whole)) is not None]
        return [whole, *single] if whole is not None else single

    def messages(self, answers: Sequence[Answer], organizer: Party, at: datetime) -> list[ItipMessage]:
        """Write the REPLYs, and the REQUEST to a new delegate after the REPLY that names them."""
        found: list[ItipMessage] = []
        told: set[tuple[InstanceKey, str]] = set()
        bundles = (
            [[each] for each in answers] if self.settings.one_instance_per_message else [answers] if answers else []
        )
        for bundle in bundles:
            found.append(self._reply(bundle, organizer, at + len(found) * SECOND))
            for answer in bundle:
                for delegate in self._new_delegates(answer, organizer):
                    keys = self._delegated(answer, delegate)
                    for key in keys if (answer.key, delegate) not in told else ():
                        found.append(self._delegation(answer, key, keys, delegate, at + len(found) * SECOND))
                        told.add((key, delegate))
        return found

    def _whole(self) -> Answer | None:
        new, old = self.delta.new, self.delta.old
        me = None if new is None or new.master is None else new.attendees(MASTER).get(self.address)
        if new is None or new.master is None or me is None:
            return None
        if is_cancelled(new.master):
            self._skip("change.cancelled", "The event is cancelled")
            return None
        before = old.attendees(MASTER).get(self.address) if old is not None and old.master is not None else None
        reason = self._why(before, me, MASTER)
        return None if reason is None else Answer(MASTER, me.partstat, new, me.prop, reason)

    def _single(self, key: InstanceKey, whole: Answer | None) -> Answer | None:
        """The answer for one occurrence; none where the answer for the whole says the same."""
        new = self.delta.new
        assert new is not None
        component, me, before = new.component(key), new.attendees(key).get(self.address), self._before(key)
        if component is None and key in self.delta.excluded_now:
            return self._taken_out(key, before, whole)
        if component is None and new.master is None:
            return self._dropped(key, before)
        if me is None or not (new.series.exists(key) if component is None else not is_cancelled(component)):
            return None
        newer = new.sequence_of(key) > new.sequence_of(MASTER)  # an answer to the older series does not reach it
        if whole is not None and whole.partstat == me.partstat and not newer:
            return None
        reason = self._why(before, me, key)
        if reason is None and whole is not None and component is not None and me.partstat != Partstat.NEEDS_ACTION:
            reason = "The answer to this occurrence stays what it was"  # the new one to the whole would cover it
        if reason is None or self._is_over(key):
            return None
        return Answer(key, me.partstat, new, me.prop, reason)

    def _before(self, key: InstanceKey) -> Party | None:
        """What the old copy said of an occurrence; one that was taken out was declined by that, not by a PARTSTAT."""
        old = self.delta.old
        return None if old is None or key in self.delta.returned else old.attendees(key).get(self.address)

    def _taken_out(self, key: InstanceKey, before: Party | None, whole: Answer | None) -> Answer | None:
        """An EXDATE by an attendee declines that occurrence (RFC 6638 §3.2.2.1), unless that is known already."""
        old = self.delta.old
        if old is None or before is None or before.partstat == Partstat.DELEGATED:
            return None
        if (before.partstat if whole is None else whole.partstat) == Partstat.DECLINED:
            return None
        if not state(old, frozenset({MASTER, *old.overrides}), key).is_on:
            return None
        if self._is_over(key):
            return None
        return Answer(key, Partstat.DECLINED, old, before.prop, "The attendee removed this occurrence")

    def _dropped(self, key: InstanceKey, before: Party | None) -> Answer | None:
        """An occurrence that was here without its series was deleted, while others of that series stay."""
        old = self.delta.old
        component = None if old is None else old.component(key)
        if old is None or component is None or before is None or is_cancelled(component) or self._is_over(key):
            return None
        if not self._declines(before):
            return None
        return Answer(key, Partstat.DECLINED, old, before.prop, "The attendee deleted the event")

    def _is_over(self, key: InstanceKey) -> bool:
        over = self.delta.is_past(key, self.now) and not self.settings.send_past_events
        if over:
            self._skip("change.past-instance", f"The occurrence {self.delta.written(key)} is over")
        return over

    def _why(self, before: Party | None, me: Party, key: InstanceKey) -> str | None:
        """Why an answer is owed, None where it is not."""
        new = self.delta.new
        organizer = None if new is None else new.organizer
        if organizer is not None and organizer.force_send == "REPLY":
            return "The attendee sends the answer again"
        if me.partstat == Partstat.NEEDS_ACTION:
            return "The attendee tells more" if self._said_more(key) and not self._is_newer(key) else None
        if before is None or before.partstat != me.partstat:
            return f"The attendee answers {me.partstat}"
        if before.delegated_to != me.delegated_to:
            return "The attendee delegates to somebody else"
        if self._said_more(key):
            return "The attendee tells more"
        return None

    def _is_newer(self, key: InstanceKey) -> bool:
        """Whether the copy took an update of the organizer's, whose words are not the attendee's."""
        old, new = self.delta.old, self.delta.new
        return old is not None and new is not None and new.sequence_of(key) > old.sequence_of(key)

    def _said_more(self, key: InstanceKey) -> bool:
        """A new COMMENT of the attendee's own, or progress of a task."""
        old, new = self.delta.old, self.delta.new
        before = None if old is None else old.component(key)
        after = None if new is None else new.component(key)
        if before is None or after is None:
            return False
        if after.name == "VTODO" and any(before.value(name) != after.value(name) for name in _PROGRESS):
            return True
        return bool(_new_comments(before, after))

    def _left(self) -> Iterator[Answer]:
        """The copy was deleted, or the user took themself off it: that declines what was not declined before."""
        old = self.delta.old
        if old is None or (old.master is not None and is_cancelled(old.master)):
            self._skip("change.cancelled", "The event is cancelled")
            return
        whole = old.attendees(MASTER).get(self.address) if old.master is not None else None
        if whole is not None and self._declines(whole):
            yield Answer(MASTER, Partstat.DECLINED, old, whole.prop, "The attendee deleted the event")
            return
        for key, component in sorted(old.overrides.items()):
            me = old.attendees(key).get(self.address)
            if me is None or is_cancelled(component) or self.delta.is_past(key, self.now):
                continue
            if self._declines(me):
                yield Answer(key, Partstat.DECLINED, old, me.prop, "The attendee deleted the event")

    def _declines(self, me: Party) -> bool:
        if me.partstat in (Partstat.DECLINED, Partstat.DELEGATED):
            self._skip("change.declined", "The organizer knows already that the attendee does not take part")
            return False
        if me.partstat == Partstat.NEEDS_ACTION:  # JMAP Calendars §5.9.2.3: who never answered declines in silence
            self._skip("change.not-answered", "The attendee had not answered the invitation")
            return False
        return True

    def _reply(self, bundle: Sequence[Answer], organizer: Party, at: datetime) -> ItipMessage:
        parts, to = [], {organizer.address: organizer.spelled}
        for answer in bundle:
            component = implied(answer.version, answer.key)
            if component is None:
                continue
            line = answer.attendee.with_param("PARTSTAT", answer.partstat)
            before = None if self.delta.old is None else self.delta.old.component(answer.key)
            comments = _new_comments(before, component) if before is not None else []
            shown = reply_component(
                component, answer.version.series, answer.key, line, organizer=organizer.prop, comments=comments
            )
            written = written_id(answer.version, answer.key)
            parts.append(Part(shown, echoed_sequence(self.delta, answer.key), written))
            for delegator in answer.attendee.param_values("DELEGATED-FROM"):  # RFC 5546 §3.2.2.3: to both
                if is_mailable(delegator) and normal_address(delegator) not in self.mine:
                    to.setdefault(normal_address(delegator), plain_address(delegator))
        head = Letterhead(bundle[0].version.uid, read_party(bundle[0].attendee).spelled, bundle[0].version.zones)
        return write_message(Method.REPLY, head, tuple(to.values()), parts, dtstamp=at, reason=bundle[0].reason)

    def _new_delegates(self, answer: Answer, organizer: Party) -> list[str]:
        """Whom the attendee has named to go instead, and not before; the organizer and oneself need no invitation."""
        if answer.partstat != Partstat.DELEGATED:
            return []
        before = self.delta.old.attendees(answer.key).get(self.address) if self.delta.old is not None else None
        known = {normal_address(each) for each in before.delegated_to} if before is not None else set()
        known |= {*self.mine, organizer.address}
        named = answer.attendee.param_values("DELEGATED-TO")
        return [each for each in named if normal_address(each) not in known and is_mailable(each)]

    def _delegated(self, answer: Answer, delegate: str) -> list[InstanceKey]:
        """What goes to a delegate: what the answer is about, and with the series the exceptions passed on with it."""
        if answer.key != MASTER:
            return [answer.key]
        keys, to = [MASTER], normal_address(delegate)
        for key, component in sorted(answer.version.overrides.items()):
            me = answer.version.attendees(key).get(self.address)
            if me is not None and to in map(normal_address, me.delegated_to) and not is_cancelled(component):
                keys.append(key)
        return keys

    def _delegation(
        self, answer: Answer, key: InstanceKey, keys: Sequence[InstanceKey], delegate: str, at: datetime
    ) -> ItipMessage:
        """The invitation passed on: the organizer's event, SEQUENCE not raised (RFC 5546 §3.2.2.3)."""
        source, sequence = answer.version, echoed_sequence(self.delta, key)
        component = implied(source, key) or Component(source.kind)
        chain = (("DELEGATED-FROM", (build_mailto(read_party(answer.attendee).spelled),)),)
        if normal_address(delegate) not in source.attendees(key):
            component = component.adding(Prop("ATTENDEE", build_mailto(delegate), (*chain, ("RSVP", ("TRUE",)))))
        else:
            component = component.map_props(lambda line: _as_delegate(line, delegate, answer.attendee))
        hidden = [each for each in source.overrides if each not in keys and source.series.exists(each)]
        part = view_part(source, key, component=component, sequence=sequence, hidden=hidden)
        head = Letterhead(source.uid, read_party(answer.attendee).spelled, source.zones)
        to = (plain_address(delegate),)
        return write_message(Method.REQUEST, head, to, [part], dtstamp=at, reason="The attendee delegates to you")

    def _skip(self, rule: str, sentence: str) -> None:
        if all(fault.rule != rule for fault in self.skipped):
            self.skipped.append(Fault(rule, sentence))


def _as_delegate(line: Prop, delegate: str, delegator: Prop) -> Prop:
    if line.name != "ATTENDEE" or normal_address(line.value) != normal_address(delegate):
        return line
    if not line.param_values("DELEGATED-FROM"):
        line = line.with_param("DELEGATED-FROM", build_mailto(read_party(delegator).spelled))
    return invited(line)


def _new_comments(before: Component, after: Component) -> list[Prop]:
    known = {line.text.strip() for line in before.all("COMMENT")}
    return [line for line in after.all("COMMENT") if line.text.strip() and line.text.strip() not in known]


def echoed_sequence(delta: Delta, key: InstanceKey) -> int:
    """Return the SEQUENCE that an answer or a delegation echoes, and that the copy has: the organizer's last.

    A client that bumps SEQUENCE for its own edit, or forgets it, must not hide the organizer's next update (RFC 5546
    §2.1.4); one that took the organizer's update itself brings the update's SEQUENCE with the update's content.
    """
    before, after = (None if each is None else each.sequence_of(key) for each in (delta.old, delta.new))
    if before is None or after is None:
        return after if after is not None else before or 0
    return after if after > before and delta.has_changes else before
