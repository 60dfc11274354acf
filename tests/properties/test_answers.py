# SPDX-License-Identifier: Apache-2.0
"""Whatever a guest answers, the organizer's object says the same once the answers are applied."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.itip.diff import diff
from gateway.itip.inbound import apply
from gateway.itip.instances import MASTER
from gateway.itip.model import DiffSettings
from gateway.itip.objects import read_object
from gateway.itip.tree import Component, parse_tree
from tests.support.calendars import DANA, LEE, NOW, calendar, component
from tests.support.changes import ROME, changed, meeting, occurrence

WEEKS = ("20261203", "20261210", "20261217", "20261224")
ANSWERS = ("NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE")


@dataclass(frozen=True)
class Answered:
    """Lee's copy: the answer to the whole, to single weeks, and weeks taken out."""

    whole: str
    single: dict[str, str]
    taken_out: frozenset[str]

    @property
    def text(self) -> str:
        rule = "RRULE:FREQ=WEEKLY;COUNT=4"
        gone = [f"EXDATE;{ROME}:{day}T100000" for day in sorted(self.taken_out)]
        parts = [component(*_said(meeting(rule, *gone), self.whole))]
        parts += [component(*_said(occurrence(day), said)) for day, said in sorted(self.single.items())]
        return calendar(*parts)

    def answer(self, day: str) -> str:
        if day in self.taken_out:
            return "DECLINED"
        return self.single.get(day, self.whole)


def _said(lines: tuple[str, ...], partstat: str) -> tuple[str, ...]:
    return tuple(line.replace("CN=Lee", f"CN=Lee;PARTSTAT={partstat}") for line in lines)


@st.composite
def copies(draw: st.DrawFn) -> Answered:
    single = draw(st.dictionaries(st.sampled_from(WEEKS), st.sampled_from(ANSWERS[1:]), max_size=2))
    gone = draw(st.frozensets(st.sampled_from(WEEKS), max_size=1)) - single.keys()
    return Answered(draw(st.sampled_from(ANSWERS)), single, gone)


def answers(organizers: Component) -> dict[str, str]:
    """Week -> what the organizer's object says of Lee."""
    found = read_object(organizers)
    keys = {day: f"{day}T090000Z" for day in WEEKS}
    return {day: found.attendees(key if key in found.overrides else MASTER)[LEE].partstat for day, key in keys.items()}


@settings(max_examples=200, deadline=None)
@given(copies(), copies(), st.booleans())
def test_the_organizer_knows_what_the_guest_says(first: Answered, second: Answered, bundled: bool) -> None:
    mode = DiffSettings(one_instance_per_message=not bundled)
    untold = Answered("NEEDS-ACTION", {}, frozenset())
    stored = parse_tree(changed(None, untold.text, DANA).stored or "")
    copy = untold
    for step, answered in enumerate((first, second)):
        now = NOW.replace(hour=10 + step)
        found = changed(copy.text, answered.text, LEE, now=now, settings=mode)
        for message in found.messages:
            outcome = apply(parse_tree(message.calendar), stored, sender_address=LEE, addresses=(DANA,), now=now)
            assert outcome.outcome == "applied", outcome
            stored = parse_tree(outcome.stored or "")
        # an answer cannot be taken back; and whether an old exclusion is the guest's or the organizer's cannot be told
        silent = {day for day in WEEKS if answered.answer(day) == "NEEDS-ACTION"} | (
            copy.taken_out & answered.taken_out
        )
        copy, known = answered, answers(stored)
        for day in WEEKS:
            if day not in silent:
                assert known[day] == copy.answer(day), day


@settings(max_examples=100, deadline=None)
@given(copies())
def test_deleting_a_copy_declines_whatever_was_accepted(copy: Answered) -> None:
    stored = parse_tree(changed(None, Answered("NEEDS-ACTION", {}, frozenset()).text, DANA).stored or "")
    for old, new in ((None, parse_tree(copy.text)), (parse_tree(copy.text), None)):
        now = NOW.replace(hour=10 if new is not None else 11)
        for message in diff(old, new, addresses=[LEE], now=now).messages:
            outcome = apply(parse_tree(message.calendar), stored, sender_address=LEE, addresses=(DANA,), now=now)
            assert outcome.outcome == "applied", outcome
            stored = parse_tree(outcome.stored or "")
    assert not {"ACCEPTED", "TENTATIVE"} & set(answers(stored).values())
