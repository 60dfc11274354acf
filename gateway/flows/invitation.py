# SPDX-License-Identifier: Apache-2.0
"""What the bearer of an answer link may see: one guest's view of one event, and whether it can still be answered.

Read only. A link belongs to the organizer's account, so what is seen is always the organizer's copy, cut down to what
this guest may know of it (the same view that their mails carry).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from gateway.errors import Refused
from gateway.flows.context import Context
from gateway.flows.links import SHOWN, parse_shown, read_feed_token
from gateway.imip.facts import Span, parse_source, placed
from gateway.itip.instances import MASTER, InstanceKey, Series
from gateway.itip.messages import Letterhead, is_cancelled, view_part, write_message, written_id
from gateway.itip.model import FieldChange, Method
from gateway.itip.objects import Party, SchedulingObject, read_object
from gateway.itip.significance import diff_components
from gateway.itip.staleness import answered_stamp, rescheduled_at
from gateway.itip.tree import Component, Prop, build_tree, parse_tree
from gateway.itip.values import parse_moment_text
from gateway.store.accounts import Account
from gateway.store.guests import AttendeeStatus
from gateway.store.links import Link
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit
from policies.load import PolicySettings
from policies.rsvp import GONE, OPEN, LinkFacts, decide_link
from policies.verdict import Verdict

#: Occurrences of a series that the page offers to answer alone.
MAX_CHOICES = 12
_MAX_GUESTS = 60
#: How often a program that subscribed looks for changes (RFC 7986 §5.7).
_REFRESH = "PT4H"


@dataclass(frozen=True, slots=True)
class Choice:
    """One coming occurrence of a series and the guest's answer to it."""

    recurrence_id: str
    partstat: str
    span: Span


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link that is not gone, and the event as its guest may see it. `recurrence_id` is "" for all of it."""

    link: Link
    account: Account
    item: StoredObject
    subject: SchedulingObject
    key: InstanceKey
    guest: Party
    calendar: str  # this guest's view, as a REQUEST
    guest_count: int
    verdict: Verdict
    version: str  # changes with every reschedule: an answer counts only for the version it was given to
    status: AttendeeStatus | None
    policy: PolicySettings

    @property
    def recurrence_id(self) -> str:
        return written_id(self.subject, self.key)

    @property
    def is_open(self) -> bool:
        return self.verdict.action == OPEN

    @property
    def is_series(self) -> bool:
        return self.key == MASTER and self.subject.series.is_recurring

    @property
    def partstat(self) -> str:
        return self.guest.partstat

    @property
    def answered_sequence(self) -> int | None:
        """The SEQUENCE that the guest's present answer is to; None where they gave none themselves."""
        everywhere = (self.guest, self.subject.attendees(MASTER).get(self.guest.address))
        stamps = (answered_stamp(party.prop) for party in everywhere if party is not None)
        known = [stamp.sequence for stamp in stamps if stamp is not None]
        if self.status is not None and self.status.sequence is not None:
            known.append(self.status.sequence)
        return max(known, default=None)

    @property
    def answer_stands(self) -> bool:
        """Whether the guest's present answer was given to the time as it is now."""
        answered = self.answered_sequence
        return answered is not None and answered >= _reschedule(self.subject, self.key)

    @property
    def was_rescheduled(self) -> bool:
        """Whether the event moved after the mail with this link was written."""
        return self.link.sequence < _reschedule(self.subject, self.key)


def find_link(unit: Unit, context: Context, purpose: str, token: str) -> tuple[Link, Account, StoredObject | None]:
    """Return a link of a purpose that was neither revoked nor has ended, its account and its object.

    Raises:
        Refused: `not-found` for every token that is not good, whatever the reason; `link-ended` past its life.
    """
    return _live(unit, context, unit.links.by_token(token), purpose)


def _live(unit: Unit, context: Context, link: Link | None, purpose: str) -> tuple[Link, Account, StoredObject | None]:
    if link is None or link.purpose != purpose or link.revoked_at is not None:
        raise no_such_link()
    account = unit.accounts.get(link.account_id)
    if account is None or account.disabled:
        raise no_such_link()
    if link.expires_at <= context.clock.now():
        raise Refused("link-ended", "This link has ended", rule="rsvp.expired")
    return link, account, unit.objects.get(link.object_id) if link.object_id else None


def no_such_link() -> Refused:
    """Return the one answer to every token that opens nothing."""
    return Refused("not-found", "No such link")


def look(unit: Unit, context: Context, token: str, *, recurrence_id: str | None = None) -> Invitation:
    """Return what a token shows. `recurrence_id` picks one occurrence of a series that the link is for.

    Raises:
        Refused: `not-found`, `link-ended`.
    """
    return _look(unit, context, unit.links.by_token(token), recurrence_id)


def look_at_feed(unit: Unit, context: Context, token: str) -> Invitation:
    """Return what a subscription shows: the same, and nothing can be answered with it.

    Raises:
        Refused: `not-found`, `link-ended`.
    """
    token_hash = read_feed_token(context, token)
    return _look(unit, context, unit.links.by_hash(token_hash) if token_hash else None, None)


def look_again(unit: Unit, context: Context, invitation: Invitation) -> Invitation:
    """Return the same as it stands now, after something was done to the event in this transaction.

    Raises:
        Refused: `not-found`.
    """
    item = unit.objects.get(invitation.item.id)
    return _shown(unit, context, invitation.link, invitation.account, item, invitation.recurrence_id)


def _look(unit: Unit, context: Context, found: Link | None, recurrence_id: str | None) -> Invitation:
    return _shown(unit, context, *_live(unit, context, found, "rsvp"), recurrence_id)


def _shown(
    unit: Unit, context: Context, link: Link, account: Account, item: StoredObject | None, recurrence_id: str | None
) -> Invitation:
    policy = context.policy(unit)
    if item is None or not item.is_origin or item.is_draft:
        raise no_such_link()
    subject = read_object(context.trees.read(item.ical))
    key = _key(subject, link.recurrence_id) if link.recurrence_id else _chosen_key(subject, recurrence_id or "")
    guest = None if key is None else subject.attendees(key).get(link.attendee)
    if key is not None and guest is None and key == MASTER:
        key = next((k for k in subject.overrides if link.attendee in subject.attendees(k)), MASTER)
        guest = subject.attendees(key).get(link.attendee)
    facts = LinkFacts(
        now=context.clock.now(),
        expires_at=link.expires_at,
        revoked=link.revoked_at is not None,
        invited=guest is not None,
        cancelled=key is not None and _is_cancelled(subject, key),
        ends_at=_ends_at(subject, key or MASTER, item),
    )
    verdict = decide_link(facts, policy.rsvp, policy.scheduling)
    if verdict.action == GONE or key is None or guest is None:
        raise no_such_link()
    calendar, count = _view(subject, key, guest, item, context.clock.now())
    status = unit.guests.status(item.id, link.attendee, written_id(subject, key))
    return Invitation(
        link, account, item, subject, key, guest, calendar, count, verdict, _version(subject), status, policy
    )


def choices(invitation: Invitation, now: datetime) -> tuple[Choice, ...]:
    """Return the coming occurrences of a series that the guest is on, each with their answer."""
    if not invitation.is_series:
        return ()
    try:
        return tuple(islice(_choices(invitation, now), MAX_CHOICES))
    except Refused:
        return ()


def _choices(invitation: Invitation, now: datetime) -> Iterator[Choice]:
    subject, me = invitation.subject, invitation.link.attendee
    for occurrence in subject.series.occurrences(now, now + timedelta(days=1100)):
        guest = subject.attendees(occurrence.key).get(me)
        if guest is not None and not is_cancelled(occurrence.component):
            start, end = (placed(moment, subject.zones) for moment in (occurrence.span.start, occurrence.span.end))
            span = Span(start, end if end > start else None, occurrence.span.start.is_date)
            yield Choice(written_id(subject, occurrence.key), guest.partstat, span)


def changes_since(invitation: Invitation) -> tuple[FieldChange, ...]:
    """Return what is different from the mail that brought the link, which showed this guest's view as the page does."""
    shown, key, source = parse_shown(invitation.link.facts), invitation.key, parse_source(invitation.calendar)
    if shown is None or source is None:
        return ()
    seen = read_object(source.root)
    now = _component(seen, key)
    if now is None:
        return ()
    series = seen.series if key == MASTER else invitation.subject.series
    then = Series(shown if key == MASTER else series.master, (), series.zones)
    return diff_components(shown, then, now, series, key, SHOWN, invitation.recurrence_id)


def event_file(invitation: Invitation) -> str:
    """Return the event for a calendar program: the guest's view with their answer, as an object and not a message."""
    tree = parse_tree(invitation.calendar).without("METHOD")
    return build_tree(tree)


def event_feed(invitation: Invitation) -> str:
    """Return the same for a program that comes again for changes (RFC 7986 §5.7)."""
    tree = parse_tree(event_file(invitation))
    times = (Prop("REFRESH-INTERVAL", _REFRESH, (("VALUE", ("DURATION",)),)), Prop("X-PUBLISHED-TTL", _REFRESH))
    return build_tree(tree.adding(*times))


def _key(subject: SchedulingObject, recurrence_id: str) -> InstanceKey | None:
    """Return which instance a RECURRENCE-ID names, whether it still takes place or not; None where it is unreadable."""
    try:
        return subject.series.key_of(parse_moment_text(recurrence_id[:40]))
    except Refused:
        return None


def _chosen_key(subject: SchedulingObject, recurrence_id: str) -> InstanceKey | None:
    """Return which instance was chosen on the page, the whole for ""; None where there is none such."""
    key = _key(subject, recurrence_id) if recurrence_id else MASTER
    return key if key is not None and (key == MASTER or _takes_place(subject, key)) else None


def _takes_place(subject: SchedulingObject, key: InstanceKey) -> bool:
    return key in subject.overrides or subject.series.exists(key)


def _component(subject: SchedulingObject, key: InstanceKey) -> Component | None:
    found = subject.component(key)
    if found is not None or subject.master is None:
        return found
    try:
        return subject.series.implied(key)
    except Refused:
        return None


def _reschedule(subject: SchedulingObject, key: InstanceKey) -> int:
    component = subject.component(key) or subject.master
    return rescheduled_at(component) if component is not None else 0


def _is_cancelled(subject: SchedulingObject, key: InstanceKey) -> bool:
    component = subject.component(key) or subject.master
    if component is None or (key != MASTER and not _takes_place(subject, key)):
        return True
    return is_cancelled(component) or (subject.master is not None and is_cancelled(subject.master))


def _ends_at(subject: SchedulingObject, key: InstanceKey, item: StoredObject) -> datetime | None:
    if key == MASTER:
        return item.ends_at
    try:
        return subject.series.occurrence_of(key).end_at
    except Refused:
        return item.ends_at


def _version(subject: SchedulingObject) -> str:
    """Name the times as they stand: every reschedule of any part makes another name."""
    parts = sorted(f"{key}={rescheduled_at(component)}" for key, component in subject.instances())
    return hashlib.sha256("\n".join((subject.uid, *parts)).encode("utf-8", "replace")).hexdigest()[:16]


def _view(
    subject: SchedulingObject, key: InstanceKey, guest: Party, item: StoredObject, now: datetime
) -> tuple[str, int]:
    """Write what the guest may know, with no more of the other guests than a page can show; and count them."""
    me, organizer = guest.address, subject.organizer
    if organizer is None:
        raise no_such_link()
    keys = [key] if key != MASTER else [k for k, part in subject.instances() if _may_know(subject, k, part, me)]
    hidden = [k for k in subject.overrides if k not in keys] if MASTER in keys else []
    only = me if item.hide_attendees else None
    parts = [view_part(subject, k, component=_lean(subject, k, me), hidden=hidden, only=only) for k in keys]
    head = Letterhead(subject.uid, organizer.spelled, subject.zones)
    message = write_message(Method.REQUEST, head, (guest.spelled,), parts, dtstamp=now, reason="Shown on its page")
    return message.calendar, len(subject.attendees(key))


def _may_know(subject: SchedulingObject, key: InstanceKey, part: Component, me: str) -> bool:
    return me in subject.attendees(key) and (key == MASTER or not is_cancelled(part))


def _lean(subject: SchedulingObject, key: InstanceKey, me: str) -> Component:
    """Leave out guests beyond what is shown: an event with ten thousand of them is still one short page."""
    component = subject.component(key) or subject.series.implied(key)
    people = subject.attendees(key)
    if len(people) <= _MAX_GUESTS:
        return component
    kept = dict.fromkeys((*islice(people, _MAX_GUESTS), me))
    return component.derived(_without_guests).adding(*(people[address].prop for address in kept))


def _without_guests(component: Component, _basis: Component | None, _before: Component | None) -> Component:
    return component.without("ATTENDEE")
