# SPDX-License-Identifier: Apache-2.0
"""Our walk of a rule against dateutil's, for rules that dateutil can finish."""

from datetime import datetime, timedelta
from itertools import islice

from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.itip.recurrence import Budget, walk
from gateway.itip.rrule import parse_rule

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
#: How far to look, so that there is something to see and an end.
REACH = {"YEARLY": 4_000, "MONTHLY": 1_500, "WEEKLY": 400, "DAILY": 200, "HOURLY": 20, "MINUTELY": 1}


@st.composite
def rules(draw: st.DrawFn) -> str:
    freq = draw(st.sampled_from(sorted(REACH)))
    parts = [f"FREQ={freq}", f"INTERVAL={draw(st.integers(1, 4))}"]
    if freq in ("YEARLY", "MONTHLY", "DAILY") and draw(st.booleans()):
        months = draw(st.frozensets(st.integers(1, 12), min_size=2, max_size=4))
        parts.append("BYMONTH=" + ",".join(map(str, sorted(months))))
    if draw(st.booleans()):
        days = draw(st.lists(st.sampled_from(DAYS), min_size=1, max_size=3, unique=True))
        nth = draw(st.sampled_from(["", "", "1", "-1", "2"])) if freq in ("YEARLY", "MONTHLY") else ""
        parts.append("BYDAY=" + ",".join(nth + day for day in days))
    elif freq in ("MONTHLY", "YEARLY") and draw(st.booleans()):
        parts.append(f"BYMONTHDAY={draw(st.sampled_from(['1', '15', '28', '-1', '-3', '5,20']))}")
    if freq in ("YEARLY", "MONTHLY", "WEEKLY", "DAILY") and draw(st.integers(0, 3)) == 0:
        parts.append(f"BYHOUR={draw(st.sampled_from(['9', '9,17', '0,23']))}")
    if freq == "MONTHLY" and any(part.startswith("BYDAY") for part in parts) and draw(st.booleans()):
        parts.append(f"BYSETPOS={draw(st.sampled_from(['1', '-1']))}")
    if draw(st.booleans()):
        parts.append("WKST=SU")
    return ";".join(parts)


STARTS = st.datetimes(datetime(2019, 1, 1), datetime(2024, 12, 31)).map(lambda at: at.replace(second=0, microsecond=0))


@settings(max_examples=150, deadline=None)
@given(rules(), STARTS)
def test_the_same_instances_as_dateutil(text: str, start: datetime) -> None:
    end = start + timedelta(days=REACH[text[5:].partition(";")[0]])
    theirs = sorted({start, *islice(rrulestr(f"{text};UNTIL={end:%Y%m%dT%H%M%S}", dtstart=start), 300)})[:200]
    ours = list(islice(walk(parse_rule(text), start, before=end, budget=Budget(10**6)), 200))
    assert ours == theirs
    middle = theirs[len(theirs) // 2]
    late = list(islice(walk(parse_rule(text), start, after=middle, before=end, budget=Budget(10**6)), 50))
    assert late == [at for at in ours if at >= middle][:50] or len(ours) == 200


@settings(max_examples=100, deadline=None)
@given(rules(), STARTS, st.integers(1, 60))
def test_a_count_counts(text: str, start: datetime, count: int) -> None:
    plain = list(islice(walk(parse_rule(text), start, budget=Budget(10**6)), count))
    assert list(walk(parse_rule(f"{text};COUNT={count}"), start, budget=Budget(10**6))) == plain
