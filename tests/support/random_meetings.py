# SPDX-License-Identifier: Apache-2.0
"""Meetings at random for property tests: a series, exceptions, guests who come and go."""

from dataclasses import dataclass, field
from datetime import date, timedelta

from hypothesis import strategies as st

from tests.support.calendars import DANA, LEE, SAM, calendar, component
from tests.support.changes import KIM, ROME

GUESTS = (LEE, SAM, KIM)
FIRST = date(2026, 12, 3)
WEEKS = 4


@dataclass(frozen=True)
class Sitting:
    """The master or one exception: `mark` is a word in its title that nothing else has."""

    hour: int
    guests: frozenset[str]
    mark: str
    is_cancelled: bool = False


@dataclass(frozen=True)
class Meeting:
    """A meeting as generated; `exceptions` by week, 0 being the first."""

    master: Sitting
    recurring: bool
    exceptions: dict[int, Sitting] = field(default_factory=dict)
    excluded: frozenset[int] = frozenset()

    @property
    def pattern(self) -> tuple[bool, int]:
        """What says when the instances of the series are."""
        return self.recurring, self.master.hour

    @property
    def text(self) -> str:
        return calendar(*self.parts())

    def parts(self) -> list[str]:
        lines = []
        if self.recurring:
            lines.append(f"RRULE:FREQ=WEEKLY;COUNT={WEEKS}")
            lines += [f"EXDATE;{ROME}:{_at(week, self.master.hour)}" for week in sorted(self.excluded)]
        parts = [component(*_sitting(self.master, 0), *lines)]
        for week, sitting in sorted(self.exceptions.items()) if self.recurring else ():
            recurrence = f"RECURRENCE-ID;{ROME}:{_at(week, self.master.hour)}"
            parts.append(component(recurrence, *_sitting(sitting, week)))
        return parts

    def sitting(self, week: int) -> Sitting | None:
        """What takes place in a week, None for nothing."""
        if week in self.excluded or self.master.is_cancelled:
            return None
        found = self.exceptions.get(week, self.master) if self.recurring else (None if week else self.master)
        return None if found is None or found.is_cancelled else found

    def agenda(self, guest: str) -> dict[str, str]:
        """Start -> mark of everything a guest is to come to."""
        found = ((week, self.sitting(week)) for week in range(WEEKS))
        return {_at(week, each.hour): each.mark for week, each in found if each is not None and guest in each.guests}


def _at(week: int, hour: int) -> str:
    return f"{FIRST + timedelta(weeks=week):%Y%m%d}T{hour:02d}0000"


def _sitting(sitting: Sitting, week: int) -> list[str]:
    lines = [
        f"DTSTART;{ROME}:{_at(week, sitting.hour)}",
        f"DTEND;{ROME}:{_at(week, sitting.hour + 1)}",
        f"SUMMARY:Meeting {sitting.mark}",
        f"ORGANIZER;CN=Dana:mailto:{DANA}",
        f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{DANA}",
        *(f"ATTENDEE;CN={guest.partition('@')[0]}:mailto:{guest}" for guest in sorted(sitting.guests)),
    ]
    return [*lines, "STATUS:CANCELLED"] if sitting.is_cancelled else lines


_guests = st.frozensets(st.sampled_from(GUESTS), min_size=0)


@st.composite
def meetings(draw: st.DrawFn, hour: int = 10) -> Meeting:
    """A meeting; its exceptions have titles of their own, so that who sees one can be told from the title."""
    master = Sitting(hour, draw(_guests), draw(st.sampled_from(["alpha", "beta"])))
    recurring = draw(st.booleans())
    weeks = draw(st.frozensets(st.integers(0, WEEKS - 1), max_size=2)) if recurring else frozenset()
    exceptions = {
        week: Sitting(
            draw(st.sampled_from([hour, 14, 16])),
            draw(_guests),
            f"{draw(st.sampled_from(['gamma', 'delta']))}{week}",
            draw(st.integers(0, 5)) == 0,
        )
        for week in weeks
    }
    excluded = draw(st.frozensets(st.integers(0, WEEKS - 1), max_size=1)) - weeks if recurring else frozenset()
    return Meeting(master, recurring, exceptions, excluded)
