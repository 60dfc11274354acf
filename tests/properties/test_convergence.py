# SPDX-License-Identifier: Apache-2.0
"""Whatever the organizer changes, every guest's copy ends up saying what the organizer's object says to that guest."""

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.itip.diff import diff
from gateway.itip.inbound import apply_data
from gateway.itip.model import DiffSettings, ItipMessage
from gateway.itip.objects import SchedulingObject, read_object
from gateway.itip.tree import parse_tree
from tests.support.meetings import DANA, GUESTS, NOW, Meeting, Plan, changed, plans

WINDOW = (NOW, NOW + timedelta(days=90))
Seen = dict[str, tuple[object, ...]]


def shown(text: str | None, guest: str) -> Seen:
    """What a guest's calendar shows of an object: occurrences they are on, with what a person would look at."""
    if text is None:
        return {}
    found = read_object(parse_tree(text))
    seen: Seen = {}
    for each in found.series.occurrences(*WINDOW):
        part = each.component
        if (part.value("STATUS") or "").upper() == "CANCELLED" or guest not in attendees(found, each.key):
            continue
        seen[each.key] = (each.start_at, each.end_at, part.text("SUMMARY"), part.text("LOCATION") or "")
    return seen


def attendees(found: SchedulingObject, key: str) -> set[str]:
    return set(found.attendees(key if key in found.overrides else ""))


class Post:
    """The organizer's object and the guests' copies, with what is under way between them."""

    def __init__(self) -> None:
        self.organizers: str | None = None
        self.copies: dict[str, str | None] = dict.fromkeys(GUESTS)
        self.now: datetime = NOW
        self.last: datetime | None = None

    def put(self, text: str | None, *, bundled: bool) -> list[ItipMessage]:
        """Store a new version and return the messages it owes."""
        old = None if self.organizers is None else parse_tree(self.organizers)
        new = None if text is None else parse_tree(text)
        rules = DiffSettings(last_dtstamp=self.last, one_instance_per_message=not bundled)
        change = diff(old, new, addresses=[DANA], now=self.now, settings=rules)
        assert change.error is None, change.error
        assert bool(change.messages) != bool(change.nothing)
        self.organizers = change.stored
        self.last = self.now + timedelta(seconds=60) if change.messages else self.last
        self.now += timedelta(hours=1)
        return list(change.messages)

    def deliver(self, messages: list[ItipMessage]) -> None:
        for message in messages:
            for to in message.to:
                self.receive(message, to)

    def receive(self, message: ItipMessage, to: str) -> None:
        copy = self.copies[to]
        outcome = apply_data(
            message.calendar,
            None if copy is None else parse_tree(copy),
            sender_address=message.from_address,
            addresses=[to],
            now=self.now,
        )
        self.copies[to] = outcome.stored


@st.composite
def histories(draw: st.DrawFn) -> list[Plan]:
    history = [draw(plans)]
    for _ in range(draw(st.integers(1, 3))):
        history.append(draw(changed(history[-1])))
    return history


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.booleans())
def test_every_copy_converges(history: list[Plan], bundled: bool) -> None:
    post = Post()
    for plan in history:
        post.deliver(post.put(plan.text(), bundled=bundled))
        for guest in GUESTS:
            assert shown(post.copies[guest], guest) == shown(post.organizers, guest), guest


def test_an_occurrence_beyond_the_series_that_a_guest_has_left_reaches_them() -> None:
    """The series they know ends before it, and is over for them: what they are asked to now stands alone."""
    lee, _, kim = GUESTS
    meeting = Meeting(shift=0, hours=1, summary="Budget", location="", guests=frozenset({kim}))
    longer = replace(meeting, guests=frozenset({lee}))
    both = replace(meeting, guests=frozenset({lee, kim}))
    post = Post()
    for plan in (Plan("rome", 4, meeting, {}, frozenset()), Plan("rome", 6, longer, {4: both}, frozenset())):
        post.deliver(post.put(plan.text(), bundled=False))
        for guest in GUESTS:
            assert shown(post.copies[guest], guest) == shown(post.organizers, guest), guest
    assert len(shown(post.copies[kim], kim)) == 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.booleans())
def test_every_message_twice_is_every_message_once(history: list[Plan], bundled: bool) -> None:
    post = Post()
    for plan in history:
        messages = post.put(plan.text(), bundled=bundled)
        for message in messages:
            for to in message.to:
                post.receive(message, to)
                once = post.copies[to]
                post.receive(message, to)
                assert post.copies[to] == once


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories())
def test_a_deleted_object_is_cancelled_everywhere(history: list[Plan]) -> None:
    post = Post()
    for plan in history:
        post.deliver(post.put(plan.text(), bundled=False))
    post.deliver(post.put(None, bundled=False))
    for guest in GUESTS:
        assert shown(post.copies[guest], guest) == {}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.data())
def test_answers_reach_the_organizer(history: list[Plan], data: st.DataObject) -> None:
    post = Post()
    for plan in history:
        post.deliver(post.put(plan.text(), bundled=False))
    guest = data.draw(st.sampled_from(GUESTS))
    copy = post.copies[guest]
    if not shown(copy, guest) or copy is None:
        return
    answer = data.draw(st.sampled_from(("ACCEPTED", "DECLINED", "TENTATIVE")))
    mine = f"PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{guest}"
    edited = copy.replace("\r\n ", "").replace(mine, mine.replace("NEEDS-ACTION", answer))
    change = diff(parse_tree(copy), parse_tree(edited), addresses=[guest], now=post.now)
    for message in change.messages:
        assert (message.method, message.to) == ("REPLY", (DANA,))
        outcome = apply_data(
            message.calendar,
            parse_tree(post.organizers or ""),
            sender_address=guest,
            addresses=[DANA],
            now=post.now,
        )
        assert outcome.outcome == "applied", outcome
        post.organizers = outcome.stored
    found = read_object(parse_tree(post.organizers or ""))
    for key in shown(copy, guest):
        party = found.attendees(key if key in found.overrides else "")[guest]
        assert party.partstat == answer


def test_plans_make_sense() -> None:
    """The generator itself: an override without a place is left out."""
    plan = Plan("utc", 4, Meeting())
    assert "RECURRENCE-ID" in replace(plan, overrides={3: Meeting()}).text()
    assert "RECURRENCE-ID" not in replace(plan, overrides={5: Meeting()}).text()
