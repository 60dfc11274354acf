# SPDX-License-Identifier: Apache-2.0
"""What becomes of a due alarm: the decision table, and properties over everything it can be asked."""

import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.alarms import RULES, AlarmFacts, AlarmSettings, decide_alarm, effective_recipients, helps_at
from policies.external_recipients import AlarmMode, ExternalRecipientSettings
from policies.options import flat_layer, read
from policies.units import parse_duration

TABLE = Path(__file__).parents[2] / "decisions" / "alarms.toml"
CASES = tomllib.loads(TABLE.read_text())["case"]
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 23, hour, minute, tzinfo=UTC)


def facts_of(words: dict) -> AlarmFacts:
    fire_at = words.get("fire_at", at(9, 45))
    return AlarmFacts(
        **{"fire_at": fire_at, "due_at": fire_at, "now": fire_at, "starts_at": at(10), "ends_at": at(11)} | words
    )


def settings_of(words: dict) -> AlarmSettings:
    return AlarmSettings(
        **{key: parse_duration(value) if isinstance(value, str) else value for key, value in words.items()}
    )


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_the_table(case: dict) -> None:
    verdict = decide_alarm(facts_of(case.get("facts", {})), settings_of(case.get("settings", {})))
    assert [verdict.action, verdict.rule] == case["expect"]
    assert verdict.reason


def test_the_table_covers_every_verdict_and_only_listed_rules() -> None:
    decided = {case["expect"][1] for case in CASES}
    listed = [rule.id for rule in RULES]
    assert decided <= set(listed)
    assert len(listed) == len(set(listed))
    assert {"fire", "fire-late", "gather", "skip", "missed"} == {case["expect"][0] for case in CASES}


instants = st.integers(-4000, 4000).map(lambda minutes: NOON + timedelta(minutes=minutes))
spans = st.integers(0, 3000).map(lambda minutes: timedelta(minutes=minutes))


@st.composite
def any_facts(draw: st.DrawFn) -> AlarmFacts:
    fire_at, starts_at = draw(instants), draw(instants)
    names = ("cancelled", "declined", "completed", "draft", "acknowledged", "permitted", "wanted")
    flags = {name: draw(st.booleans()) for name in names}
    return AlarmFacts(
        now=draw(instants),
        fire_at=fire_at,
        due_at=fire_at + draw(spans),
        starts_at=starts_at,
        ends_at=starts_at + draw(spans),
        last_mail_at=draw(st.none() | instants),
        mails_today=draw(st.integers(0, 300)),
        **flags,
    )


any_settings = st.builds(
    AlarmSettings, enable=st.booleans(), min_trigger_interval=spans, late_after=spans, late_grace=spans
)


@given(any_facts(), any_settings)
def test_a_mail_is_only_sent_when_everything_that_could_forbid_it_is_absent(
    facts: AlarmFacts, settings: AlarmSettings
) -> None:
    verdict = decide_alarm(facts, settings)
    if verdict.action in ("fire", "fire-late"):
        assert settings.enable
        assert (facts.permitted, facts.wanted) == (True, True)
        assert not any((facts.cancelled, facts.declined, facts.completed, facts.draft, facts.acknowledged))
    if verdict.action == "fire-late":
        assert helps_at(facts, facts.now)
        assert facts.now - facts.fire_at <= settings.late_grace


@given(any_facts(), any_settings)
def test_what_is_gathered_can_still_help_when_its_window_ends(facts: AlarmFacts, settings: AlarmSettings) -> None:
    if decide_alarm(facts, settings).action == "gather":
        assert facts.last_mail_at is not None
        ends_at = facts.last_mail_at + settings.min_trigger_interval
        assert ends_at > facts.now
        later = replace(facts, now=ends_at, due_at=ends_at)
        assert decide_alarm(later, settings).action == "fire", "the same alarm at the end of its window is sent"


@given(any_facts(), any_settings)
def test_a_restriction_never_permits_more(facts: AlarmFacts, settings: AlarmSettings) -> None:
    if decide_alarm(facts, settings).action in ("skip", "missed"):
        for harder in (replace(settings, enable=False), replace(settings, late_grace=timedelta())):
            assert decide_alarm(facts, harder).action in ("skip", "missed")


def test_the_one_switch_opens_alarms_to_all_and_leaves_invitations_alone() -> None:
    external = ExternalRecipientSettings()
    assert effective_recipients(external, AlarmSettings()) == external
    opened = effective_recipients(external, AlarmSettings(allow_external_rcpts=True))
    assert opened == replace(external, alarms=AlarmMode.ALLOW)


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ({"from_email": "calendar@example.org", "from_name": "Büro"}, ""),
        ({"from_email": "calendar"}, "is not a mail address"),
        ({"from_email": "a@b.example, c@d.example"}, "is not a mail address"),
        ({"from_name": "Calendar\r\nBcc: all@example.org"}, "control character"),
    ],
)
def test_who_mails_come_from_is_looked_at_before_it_is_kept(written: dict[str, object], fault: str) -> None:
    found = read(AlarmSettings, [flat_layer(written, lambda key: key)]).faults
    assert [fault in each for each in found] == [True] * bool(fault)
