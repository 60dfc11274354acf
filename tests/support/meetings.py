# SPDX-License-Identifier: Apache-2.0
"""Random meetings and random changes of them, small enough to read when a property fails."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import strategies as st

from tests.support.calendars import calendar, component

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DANA = "dana@example.org"
GUESTS = ("lee@partner.example", "sam@other.example", "kim@third.example")
FIRST = date(2026, 12, 1)
WEEKS = 6
FORMS = ("rome", "utc", "day", "floating")


@dataclass(frozen=True)
class Meeting:
    """What a component says: start (hours after the usual one), length, words, guests."""

    shift: int = 0
    hours: int = 1
    summary: str = "Budget"
    location: str = ""
    guests: frozenset[str] = frozenset(GUESTS[:2])


@dataclass(frozen=True)
class Plan:
    """A whole object: the series, its own occurrences by week, weeks taken out, how times are written."""

    form: str
    count: int
    master: Meeting
    overrides: dict[int, Meeting] = field(default_factory=dict)
    excluded: frozenset[int] = frozenset()

    def key(self, week: int) -> str:
        return self._when(FIRST + timedelta(weeks=week), 10)

    def _when(self, day: date, hour: int) -> str:
        moment = datetime(day.year, day.month, day.day) + timedelta(hours=hour)
        if self.form == "day":
            return f"{day:%Y%m%d}"
        return f"{moment:%Y%m%dT%H%M%S}" + ("Z" if self.form == "utc" else "")

    def _line(self, name: str, text: str) -> str:
        params = {"rome": ";TZID=Europe/Rome", "day": ";VALUE=DATE"}.get(self.form, "")
        return f"{name}{params}:{text}"

    def _times(self, week: int, meeting: Meeting) -> list[str]:
        day = FIRST + timedelta(weeks=week)
        if self.form == "day":
            start = day + timedelta(days=meeting.shift)
            return [
                self._line("DTSTART", f"{start:%Y%m%d}"),
                self._line("DTEND", f"{start + timedelta(days=meeting.hours):%Y%m%d}"),
            ]
        start = self._when(day, 10 + meeting.shift)
        end = self._when(day, 10 + meeting.shift + meeting.hours)
        return [self._line("DTSTART", start), self._line("DTEND", end)]

    def _component(self, week: int, meeting: Meeting, *more: str, sequence: int) -> str:
        lines = [*self._times(week, meeting), f"SUMMARY:{meeting.summary}", f"SEQUENCE:{sequence}"]
        lines += [f"LOCATION:{meeting.location}"] if meeting.location else []
        lines += [f"ORGANIZER:mailto:{DANA}", f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{DANA}"]
        lines += [f"ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{guest}" for guest in sorted(meeting.guests)]
        return component(*lines, *more)

    def text(self, sequence: int = 0) -> str:
        """The object as a client would put it."""
        more = [f"RRULE:FREQ=WEEKLY;COUNT={self.count}"] if self.count > 1 else []
        more += [self._line("EXDATE", self.key(week)) for week in sorted(self.excluded) if 0 < week < self.count]
        parts = [self._component(0, self.master, *more, sequence=sequence)]
        for week, meeting in sorted(self.overrides.items()):
            if 0 < week < self.count and week not in self.excluded:
                recurrence = self._line("RECURRENCE-ID", self.key(week))
                parts.append(self._component(week, meeting, recurrence, sequence=sequence))
        return calendar(*parts)


guests = st.frozensets(st.sampled_from(GUESTS), min_size=1)
meetings = st.builds(
    Meeting,
    shift=st.sampled_from((0, 0, 0, 1, 3)),
    hours=st.sampled_from((1, 1, 2)),
    summary=st.sampled_from(("Budget", "Plans")),
    location=st.sampled_from(("", "Room 1", "Room 2")),
    guests=guests,
)
weeks = st.integers(1, WEEKS - 1)
plans = st.builds(
    Plan,
    form=st.sampled_from(FORMS),
    count=st.sampled_from((1, 4, 6)),
    master=st.builds(replace, meetings, shift=st.just(0)),
    overrides=st.dictionaries(weeks, meetings, max_size=3),
    excluded=st.frozensets(weeks, max_size=2),
)


@st.composite
def changed(draw: st.DrawFn, plan: Plan) -> Plan:
    """The plan after one to three edits of a person."""
    for _ in range(draw(st.integers(1, 3))):
        week = draw(weeks)
        edit = draw(st.sampled_from(("master", "override", "drop", "exclude", "restore", "count")))
        if edit == "master":
            new = draw(meetings)
            plan = replace(plan, master=replace(new, shift=0))
        elif edit == "override":
            plan = replace(plan, overrides={**plan.overrides, week: draw(meetings)})
        elif edit == "drop":
            plan = replace(plan, overrides={key: each for key, each in plan.overrides.items() if key != week})
        elif edit == "exclude":
            plan = replace(plan, excluded=plan.excluded | {week})
        elif edit == "restore":
            plan = replace(plan, excluded=plan.excluded - {week})
        elif plan.count > 1:
            plan = replace(plan, count=draw(st.sampled_from((4, 6))))
    return plan
