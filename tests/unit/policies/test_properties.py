# SPDX-License-Identifier: Apache-2.0
"""What must hold of policies whatever the facts: a tighter setting never permits more, time only takes away."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from policies.limits import LimitSettings, SendFacts, decide_send
from policies.retention import RetentionSettings, cutoffs
from policies.retry import AttemptFacts, RetrySettings, decide_attempt, wait_after
from policies.rsvp import LinkFacts, RsvpSettings, decide_link, link_expires_at
from policies.scheduling import SchedulingSettings

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
counts = st.integers(min_value=0, max_value=300)
moments = st.integers(min_value=-(10**6), max_value=10**6).map(lambda seconds: NOW + timedelta(seconds=seconds))

send_facts = st.builds(
    SendFacts, now=st.just(NOW), recipients=counts, ends_at=st.none() | moments, permitted=st.booleans(),
    asked=st.booleans(), importing=st.booleans(), new_outside_recipients=counts, outside_recipients_today=counts,
    messages_last_hour=counts, writes_last_minute=counts,
)  # fmt: skip
links = st.builds(
    LinkFacts, now=st.just(NOW), expires_at=moments, revoked=st.booleans(), invited=st.booleans(),
    cancelled=st.booleans(), deleted=st.booleans(), ends_at=st.none() | moments,
)  # fmt: skip


@given(send_facts, st.tuples(counts, counts, counts, counts), st.integers(0, 3), st.integers(1, 50))
def test_a_tighter_limit_never_lets_more_through(
    facts: SendFacts, limits: tuple[int, int, int, int], which: int, less: int
) -> None:
    """0 means no limit, so the tightest limit that is compared is 1."""
    tighter = list(limits)
    tighter[which] = max(1, (limits[which] or 10**6) - less)

    def verdict(values: tuple[int, ...]) -> str:
        hour, day, brake, most = values
        rules = LimitSettings(messages_per_hour=hour, outside_recipients_per_day=day, import_brake=brake)
        return decide_send(facts, rules, SchedulingSettings(max_recipients=max(1, most))).action

    if which == 3:
        limits = (*limits[:3], limits[3] or 10**6)
    if verdict(tuple(tighter)) == "send":
        assert verdict(limits) == "send"


@given(send_facts)
def test_nothing_is_sent_with_scheduling_off(facts: SendFacts) -> None:
    assert decide_send(facts, LimitSettings(), SchedulingSettings(enable=False)).action == "quiet"


@given(links, st.timedeltas(min_value=timedelta(), max_value=timedelta(days=30)))
def test_a_link_that_is_dead_stays_dead(facts: LinkFacts, later: timedelta) -> None:
    order = ["open", "closed", "gone"]
    before = decide_link(facts, RsvpSettings(), SchedulingSettings()).action
    after = decide_link(replace(facts, now=facts.now + later), RsvpSettings(), SchedulingSettings()).action
    assert order.index(after) >= order.index(before)


@given(st.none() | moments)
def test_a_link_lives_to_the_end_of_its_event_but_not_for_ever(ends_at: datetime | None) -> None:
    rules, scheduling = RsvpSettings(), SchedulingSettings()
    expires_at = link_expires_at(NOW, ends_at, rules, scheduling)
    assert NOW + scheduling.http_rsvp_link_expiry <= expires_at <= NOW + rules.longest_life
    assert ends_at is None or expires_at >= min(ends_at, NOW + rules.longest_life)


@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(1, 10), st.floats(0, 1))
def test_a_wait_grows_within_its_bounds(attempts: int, chance: float, factor: float, jitter: float) -> None:
    rules = RetrySettings(factor=factor, jitter=jitter)
    wait = wait_after(attempts, rules, chance)
    assert timedelta() <= wait <= rules.longest
    assert wait_after(attempts + 1, rules, chance) >= wait


@given(st.integers(0, 700), st.integers(1, 100), moments)
def test_a_try_ends_in_one_of_three_ways(code: int, attempts: int, now: datetime) -> None:
    facts = AttemptFacts(now=now, queued_at=NOW, attempts=attempts, code=code)
    made = decide_attempt(facts, RetrySettings())
    assert (made.next_at is not None) == (made.verdict.action == "retry")
    assert made.schedule_status.startswith({"sent": "1.1", "retry": "1.0", "fail": "5."}[made.verdict.action])


def test_what_is_kept_for_ever_has_no_cutoff() -> None:
    kinds = [field.name for field in fields(RetentionSettings)]
    assert [cutoff.kind for cutoff in cutoffs(NOW, RetentionSettings())] == kinds
    kept = cutoffs(NOW, RetentionSettings(journal=timedelta()))
    assert "journal" not in [cutoff.kind for cutoff in kept]
    assert all(cutoff.before < NOW for cutoff in kept)
