# SPDX-License-Identifier: Apache-2.0
"""REPLY: an attendee's answer worked into the organizer's object (RFC 5546 §3.2.3, §2.1.5).

Of a reply only the bearer's own line counts: PARTSTAT, COMMENT, REQUEST-STATUS, delegation, and the stamp that orders
answers. Whatever else it carries (Google echoes the whole event, attackers a second ATTENDEE) is not looked at.
"""

from gateway.itip.address import normal_address
from gateway.itip.answer import ANSWERED_AN_OLDER_VERSION, Answer
from gateway.itip.answering import current_state
from gateway.itip.draft import Draft
from gateway.itip.identity import (
    Standing,
    attendee_line,
    attendee_standing,
    delegates_of,
    delegators_of,
    is_line_of,
)
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
)
from gateway.itip.instances import MASTER, InstanceKey
from gateway.itip.merge import partstat_of
from gateway.itip.model import Outcome, Partstat
from gateway.itip.objects import read_party
from gateway.itip.staleness import answer_stamp, rescheduled_at, sequence_of
from gateway.itip.tree import Component, Prop

_ANSWERS = {
    "VEVENT": (Partstat.NEEDS_ACTION, Partstat.ACCEPTED, Partstat.DECLINED, Partstat.TENTATIVE, Partstat.DELEGATED),
    "VTODO": tuple(Partstat),
}


def apply_reply(arrival: Arrival) -> Outcome:
    """Work a REPLY into the stored object."""
    if arrival.stored is None:
        return conclude(
            arrival, [ignored("reply.unknown-uid", "The reply is to an event that is not in this calendar")]
        )
    draft = Draft(arrival.stored)
    fault = _wrong_place(arrival, draft)
    if fault is not None:
        return conclude(arrival, [fault])
    zones = arrival.zones
    keyed = [(draft.key_of(component, zones), component) for component in arrival.message.components]
    keyed.sort(key=lambda pair: pair[0] != MASTER)  # the series first: a single occurrence says the last word
    findings = [_answer(arrival, draft, key, component) for key, component in keyed]
    return conclude(arrival, findings, draft.build())


def _wrong_place(arrival: Arrival, draft: Draft) -> Finding | None:
    """Why this account has nothing to do with the reply, or None."""
    organizer, claimed = draft.object.organizer, arrival.message.organizer
    if organizer is None:
        return ignored("reply.no-meeting", "The stored event has no organizer, so nobody was invited to it")
    person = frozenset((arrival.bearer,))
    if is_line_of(organizer.prop, person):
        return ignored("reply.from-organizer", "The organizer does not answer their own invitation")  # interop Q82
    mine = is_line_of(organizer.prop, arrival.me)
    if not mine and not _is_my_delegate(arrival, draft):
        return ignored("reply.not-organizer", f"Answers go to the organizer, {named(organizer.prop)}")
    ours = frozenset((organizer.address,)) | (arrival.me if mine else frozenset())
    if claimed is not None and not is_line_of(claimed, ours):
        return refused("reply.other-organizer", f"The reply is meant for {named(claimed)}, who is not the organizer")
    return None


def _is_my_delegate(arrival: Arrival, draft: Draft) -> bool:
    """A delegate answers the delegator too (RFC 5546 §3.2.2.3)."""
    party = draft.object.everyone.get(arrival.bearer)
    if party is not None and delegators_of(party.prop) & arrival.me:
        return True
    mine = (each.prop for address, each in draft.object.everyone.items() if address in arrival.me)
    return any(arrival.bearer in map(normal_address, delegates_of(line)) for line in mine)


def _answer(arrival: Arrival, draft: Draft, key: InstanceKey | None, component: Component) -> Finding:
    """Work one component of the reply in; each has its own stamp (RFC 5546 §2.1.5)."""
    own = _own_line(arrival, draft, component)
    if isinstance(own, Finding):
        return own
    line, people = own
    partstat = _partstat(component, line)
    if isinstance(partstat, Finding):
        return partstat
    if key is None:
        return _no_such_instance(arrival, draft, component, people, f" at {raw_recurrence(component)}")
    if is_this_and_future(component) and key == _first_key(draft):
        key = MASTER  # this and all following of the first are all
    targets = _targets(draft, key, people)
    if targets is None:
        return _no_such_instance(arrival, draft, component, people, at_instance(key, draft.series))
    if isinstance(targets, Finding):
        return targets
    stamp = answer_stamp(component, received_at=arrival.now, leeway=arrival.settings.max_future_dtstamp)
    answer = Answer(arrival, draft, component, line, partstat, stamp, people)
    if not targets:
        return answer.uninvited(key)
    return answer.given(key, targets)


def _own_line(arrival: Arrival, draft: Draft, component: Component) -> tuple[Prop, frozenset[str]] | Finding:
    """The line of the reply that the bearer may speak for, and the addresses that person may be invited under.

    Of several attendees only this one counts (interop Q48).
    """
    lines = component.all("ATTENDEE")
    if not lines:
        return refused("reply.no-attendee", "The reply does not say who answers")
    person = frozenset((arrival.bearer,))
    own = attendee_line(component, person)
    if own is not None and is_line_of(own, person):
        return own, person
    claimed: Prop | None = None
    for line in lines[:50]:
        stored = _stored_line(draft, line)
        standing = Standing.STRANGER if stored is None else attendee_standing(arrival.bearer, stored, line)
        if standing in (Standing.SELF, Standing.DEPUTY):
            return line, frozenset((read_party(line).address,))
        claimed = line if standing is Standing.CLAIMED else claimed
    if own is not None:  # another tag of one's own mailbox than the invited one (interop Q81)
        return own, person
    if claimed is not None:
        return held("reply.on-behalf", f"{named(arrival.bearer)} answers for {named(claimed)}; nobody said they may")
    return refused("reply.not-own", f"{named(arrival.bearer)} cannot answer for {named(lines[0])}")


def _stored_line(draft: Draft, line: Prop) -> Prop | None:
    party = draft.object.everyone.get(read_party(line).address)
    return None if party is None else party.prop


def _partstat(component: Component, line: Prop) -> str | Finding:
    """The answer, "" where only a comment came: the answer stays what it was (RFC 5546 §3.2.3)."""
    if line.param("PARTSTAT") is None:
        if (component.text("COMMENT") or "").strip():
            return ""
        return ignored("reply.no-answer", f"{named(line)} says neither yes nor no")
    partstat = partstat_of(line)
    if partstat in _ANSWERS.get(component.name, ()):
        return partstat
    return refused("reply.bad-partstat", f"{partstat[:40]!r} is no answer to a {component.name}")


def _first_key(draft: Draft) -> InstanceKey | None:
    start = draft.series.start
    return None if start is None else draft.series.key_of(start)


def _no_such_instance(
    arrival: Arrival, draft: Draft, component: Component, people: frozenset[str], where: str
) -> Finding:
    """An occurrence that is not here: never invented; one that an older version had is answered with the present."""
    master = draft.master
    guest = None if master is None else attendee_line(master, people)
    if master is not None and guest is not None and sequence_of(component) < rescheduled_at(master):
        reason = f"{named(guest)} answered an older version of the event, which took place{where}"
        return ignored("reply.stale-sequence", reason, *current_state(arrival, guest, ANSWERED_AN_OLDER_VERSION))
    if draft.series.is_ambiguous(component):
        return held("reply.which-instance", more_than_once(component))
    return refused("reply.no-such-instance", f"The event does not take place{where}")


def _targets(draft: Draft, key: InstanceKey, people: frozenset[str]) -> tuple[InstanceKey, ...] | Finding | None:
    """Which components the answer is for: those it speaks of and the person is on; none where they are on none.

    None where there is no such occurrence.
    """
    series, own = draft.series, draft.component(key)
    if own is None and key != MASTER:
        implied = draft.implied(key)
        if implied is None:
            return None
        if not series.is_recurring:  # an Exchange habit: a single event answered by its own start
            key, own = MASTER, draft.master
        else:
            own = implied
    if own is not None and (own.value("STATUS") or "").upper() == "CANCELLED":
        return ignored("reply.cancelled", f"The event{at_instance(key, series)} is cancelled")
    if key != MASTER:
        return (key,) if own is not None and attendee_line(own, people) is not None else ()
    return tuple(each for each, part in draft.parts if attendee_line(part, people) is not None)
