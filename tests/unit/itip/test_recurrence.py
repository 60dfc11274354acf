# SPDX-License-Identifier: Apache-2.0
"""Rules on wall time: right where dateutil is the witness, and bounded where dateutil is not."""

from datetime import datetime, timedelta
from itertools import islice

import pytest
from dateutil.rrule import rrulestr

from gateway.errors import Refused
from gateway.itip.recurrence import Budget, walk
from gateway.itip.rrule import parse_rule

MONDAY = datetime(2020, 3, 2, 9, 30)

RULES = [
    "FREQ=DAILY",
    "FREQ=DAILY;INTERVAL=3;COUNT=10",
    "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR",
    "FREQ=WEEKLY;BYDAY=MO,WE,FR;INTERVAL=2",
    "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=SU,MO",
    "FREQ=WEEKLY;COUNT=7",
    "FREQ=WEEKLY;BYDAY=MO,TH;COUNT=9",
    "FREQ=MONTHLY",
    "FREQ=MONTHLY;BYMONTHDAY=-1",
    "FREQ=MONTHLY;BYMONTHDAY=31",
    "FREQ=MONTHLY;BYDAY=1MO",
    "FREQ=MONTHLY;BYDAY=-1FR,2TU",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
    "FREQ=YEARLY",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
    "FREQ=YEARLY;BYMONTH=3,10;BYDAY=-1SU",
    "FREQ=YEARLY;BYDAY=20MO",
    "FREQ=YEARLY;BYYEARDAY=1,-1",
    "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
    "FREQ=HOURLY;INTERVAL=6",
    "FREQ=HOURLY;BYHOUR=9,17;BYDAY=MO",
    "FREQ=MINUTELY;INTERVAL=90",
    "FREQ=DAILY;BYHOUR=9,12;BYMINUTE=0,30",
]


@pytest.mark.parametrize("text", RULES)
def test_the_first_instances_are_those_dateutil_finds(text: str) -> None:
    theirs = sorted({MONDAY, *islice(rrulestr(text, dtstart=MONDAY), 40)})[:30]
    if "COUNT" in text and theirs[0] == MONDAY:
        theirs = theirs[: int(text.partition("COUNT=")[2].partition(";")[0])]
    assert list(islice(walk(parse_rule(text), MONDAY, budget=Budget(10**6)), 30)) == theirs


@pytest.mark.parametrize("text", [rule for rule in RULES if "COUNT" not in rule])
def test_a_walk_that_starts_late_finds_the_same(text: str) -> None:
    middle = list(islice(walk(parse_rule(text), MONDAY, budget=Budget(10**6)), 40))[25]
    late = list(islice(walk(parse_rule(text), MONDAY, after=middle, budget=Budget(10**6)), 10))
    assert late == list(islice(walk(parse_rule(text), MONDAY, budget=Budget(10**6)), 25, 35))


def test_dtstart_is_the_first_instance_even_off_the_rule_and_is_counted() -> None:
    walls = list(walk(parse_rule("FREQ=WEEKLY;BYDAY=TU;COUNT=3"), MONDAY, budget=Budget()))
    assert walls == [MONDAY, MONDAY + timedelta(days=1), MONDAY + timedelta(days=8)]


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=300",
        "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6",
        "FREQ=WEEKLY;BYDAY=MO,TU,WE;COUNT=99999999",
        "FREQ=SECONDLY;BYHOUR=3;BYMINUTE=1;BYSECOND=1;BYSETPOS=5",
        "FREQ=SECONDLY;COUNT=2000000000;BYSECOND=0,1,2,3,4,5",
    ],
)
def test_hostile_rules_run_out_of_budget_instead_of_time(text: str) -> None:
    budget = Budget()
    with pytest.raises(Refused, match="recurrence-budget"):
        list(walk(parse_rule(text), datetime(1970, 1, 1), after=datetime(2300, 1, 1), budget=budget))


@pytest.mark.parametrize("text", ["FREQ=SECONDLY", "FREQ=SECONDLY;COUNT=9000000000", "FREQ=MINUTELY;INTERVAL=7"])
def test_fast_rules_from_long_ago_cost_a_few_steps(text: str) -> None:
    budget = Budget(50)
    assert len(list(islice(walk(parse_rule(text), datetime(1970, 1, 1), after=datetime(2026, 1, 1), budget=budget), 3)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "BYDAY=MO",
        "FREQ=NEVER",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=999999999",
        "FREQ=DAILY;BYMONTH=13",
        "FREQ=DAILY;BYDAY=XX",
        "FREQ=DAILY;UNTIL=soon",
        "FREQ=DAILY;RSCALE=HEBREW",
        "FREQ=DAILY;COUNT=x",
        "FREQ=DAILY;" + "BYSETPOS=1," * 500,
    ],
)
def test_malformed_rules_are_refused(text: str) -> None:
    with pytest.raises(Refused, match=r"bad-rule|bad-value"):
        parse_rule(text)
