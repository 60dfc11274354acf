# SPDX-License-Identifier: Apache-2.0
"""The dates of a short, ended rule: what an older client's second or excluded rule comes to (RFC 8984 §4.3.3, §4.3.4).

This is not the expansion that queries use; it only turns a rule that 2.0 cannot keep into dates that it can.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice

from dateutil.rrule import rrulestr

from gateway.jscalendar.rules import build_rrule
from gateway.jscalendar.schema import recurrence_rule
from gateway.jscalendar.values import Json, JsonMap, local_text, parse_local

MAX_DATES = 500
_SPAN = timedelta(days=366 * 20)
_CHEAP = ("daily", "weekly", "monthly", "yearly")


def expand_rules(event: JsonMap, rules: Sequence[Json]) -> tuple[str, ...] | None:
    """Return the dates of all rules as LocalDateTimes, or None where one has no end, too many dates or is not valid."""
    start = parse_local(event.get("start"))
    if start is None:
        return None
    dates: set[str] = set()
    for rule in rules:
        found = _dates(start, rule)
        if found is None:
            return None
        dates.update(found)
    return tuple(sorted(dates)) if len(dates) <= MAX_DATES else None


def _dates(start: datetime, rule: Json) -> list[str] | None:
    if any(recurrence_rule(rule, "")) or rule["frequency"] not in _CHEAP or rule.get("skip", "omit") != "omit":
        return None
    until = parse_local(rule.get("until"))
    if until is None and rule.get("count", MAX_DATES + 1) > MAX_DATES:
        return None
    horizon = min(until or start + _SPAN, start + _SPAN)
    bounded = {**rule, "until": local_text(horizon)}
    bounded.pop("count", None)
    expansion = rrulestr(build_rrule(bounded, None, all_day=False), dtstart=start)
    wanted = rule.get("count", MAX_DATES + 1)
    found = list(islice(expansion, wanted))
    complete = len(found) == wanted or (until is not None and until <= horizon)
    return [local_text(date) for date in found] if complete and len(found) <= MAX_DATES else None
