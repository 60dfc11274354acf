# SPDX-License-Identifier: Apache-2.0
"""The dates of a rule, as far as the conversion needs them: is this date on the rule, and what a short rule comes to.

An empty override means "an extra date" off the rule and nothing on it; an older client's second or excluded rule can
only be kept as dates (RFC 8984 §4.3.3 to §4.3.5).
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from gateway.errors import Refused
from gateway.itip.recurrence import Budget, walk
from gateway.itip.rrule import Rule, parse_rule
from gateway.jscalendar.rules import build_rrule
from gateway.jscalendar.schema import recurrence_rule
from gateway.jscalendar.values import Json, JsonMap, local_text, parse_local

MAX_DATES = 500


def is_on_rule(event: JsonMap, date: datetime) -> bool | None:
    """Tell whether a date is an instance of the event's own rule; None where finding out costs too much."""
    start = parse_local(event.get("start"))
    rule = event.get("recurrenceRule")
    if start is None or rule is None:
        return date == start
    try:
        until = parse_local(rule.get("until"))
        if until is not None and date > until:
            return date == start
        return date in walk(_plain(rule), start, after=date, before=date, budget=Budget())
    except Refused:
        return None


def expand_rules(event: JsonMap, rules: Sequence[Json]) -> tuple[str, ...] | None:
    """Return the dates of all rules as LocalDateTimes, or None where one has no end, too many dates or is not valid."""
    start = parse_local(event.get("start"))
    dates: set[str] = set()
    for rule in rules:
        if start is None or any(recurrence_rule(rule, "")) or not (rule.get("count") or rule.get("until")):
            return None
        try:
            walked = walk(_plain(rule), start, before=parse_local(rule.get("until")), budget=Budget())
            dates.update(local_text(date) for date in islice(walked, MAX_DATES + 1))
        except Refused:
            return None
    return tuple(sorted(dates)) if len(dates) <= MAX_DATES else None


def _plain(rule: JsonMap) -> Rule:
    return parse_rule(build_rrule({**rule, "until": None}, None, all_day=False))
