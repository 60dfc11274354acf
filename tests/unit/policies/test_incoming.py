# SPDX-License-Identifier: Apache-2.0
"""What a calendar part may do: the matrix, the cases around it, and that weaker evidence never permits more."""

import tomllib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.incoming import (
    RULES,
    Action,
    IncomingFacts,
    IncomingSettings,
    Match,
    decide_incoming,
    party_of,
    writes_for,
)
from policies.sender_trust import Trust
from policies.units import parse_duration

TABLE = tomllib.loads((Path(__file__).parents[2] / "decisions" / "incoming.toml").read_text())
COLUMNS: tuple[dict[str, Any], ...] = (
    {"trust": "strong", "match": "same"},
    {"trust": "strong", "match": "delegate"},
    {"trust": "none", "match": "same", "token": True},
    {"trust": "weak", "match": "same"},
    {"trust": "strong", "match": "domain"},
    {"trust": "none", "match": "same"},
    {"trust": "strong", "match": "other"},
    {"trust": "refuted", "match": "same"},
)
MATRIX = [
    (row["method"], row.get("stored", True), column, expected)
    for row in TABLE["matrix"]
    for column, expected in zip(COLUMNS, row["expect"], strict=True)
]


def facts_of(words: dict[str, Any]) -> IncomingFacts:
    words = TABLE["defaults"] | {"organizes": party_of(words["method"]) == "attendee"} | words
    words["trust"], words["match"] = Trust(words["trust"]), Match(words["match"])
    words["waited"] = parse_duration(words.get("waited", "0s"))
    return IncomingFacts(**words)


def settings_of(words: dict[str, Any]) -> IncomingSettings:
    if "retry_unknown" in words:
        words = words | {"retry_unknown": parse_duration(words["retry_unknown"])}
    return IncomingSettings(**words)


@pytest.mark.parametrize(("method", "stored", "column", "expected"), MATRIX)
def test_the_matrix(method: str, stored: bool, column: dict[str, Any], expected: str) -> None:
    verdict = decide_incoming(facts_of({"method": method, "stored": stored} | column), IncomingSettings())
    assert verdict.action == expected
    assert verdict.reason


@pytest.mark.parametrize("case", TABLE["case"], ids=[case["why"] for case in TABLE["case"]])
def test_the_cases(case: dict[str, Any]) -> None:
    verdict = decide_incoming(facts_of(case["facts"]), settings_of(case.get("settings", {})))
    assert [verdict.action, verdict.rule] == case["expect"]


def test_every_rule_is_in_the_table_and_no_other() -> None:
    assert {case["expect"][1] for case in TABLE["case"]} == {rule.id for rule in RULES}


def test_a_service_writes_for_its_users_and_for_nobody_else() -> None:
    service = "noreply@insideicloud.icloud.com"
    assert writes_for(service, "2_ABC@imip.me.com", IncomingSettings())
    assert writes_for(service.upper(), "2_abc@IMIP.me.com", IncomingSettings())
    assert not writes_for(service, "alice@example.org", IncomingSettings())
    assert not writes_for("x@insideicloud.icloud.com", "2_ABC@imip.me.com", IncomingSettings())
    assert not writes_for(service, "2_ABC@imip.me.com", IncomingSettings(services=()))


METHODS = ("REQUEST", "REPLY", "CANCEL", "ADD", "COUNTER", "DECLINECOUNTER", "REFRESH", "PUBLISH", "")
any_facts = st.builds(
    IncomingFacts,
    method=st.sampled_from(METHODS),
    trust=st.sampled_from(Trust),
    match=st.sampled_from(Match),
    stored=st.booleans(),
    token=st.booleans(),
    standing=st.sampled_from(("marked", "unmarked", "attached")),
    invited=st.booleans(),
    organizes=st.booleans(),
    list_mail=st.booleans(),
    null_sender=st.booleans(),
    ours=st.booleans(),
    known=st.booleans(),
    auto_add=st.sampled_from(("never", "known", "authenticated", "always")),
    waited=st.sampled_from((timedelta(0), timedelta(hours=2))),
)
any_settings = st.builds(
    IncomingSettings,
    unproven=st.sampled_from(("hold", "ignore")),
    weak_replies=st.sampled_from(("apply", "hold")),
    files=st.sampled_from(("apply", "hold", "ignore")),
)

#: To wait is no refusal; to ignore and to refuse change equally little.
PERMITS = {Action.APPLY: 3, Action.DEFER: 2, Action.HOLD: 1, Action.IGNORE: 0, Action.REFUSE: 0}


def permits(facts: IncomingFacts, settings: IncomingSettings) -> int:
    return PERMITS[Action(decide_incoming(facts, settings).action)]


@given(any_facts, any_settings)
def test_every_fact_gets_a_listed_rule_and_a_sentence(facts: IncomingFacts, settings: IncomingSettings) -> None:
    verdict = decide_incoming(facts, settings)
    assert verdict.rule in {rule.id for rule in RULES}
    assert verdict.reason
    assert "{" not in verdict.reason


@given(any_facts, any_settings)
def test_weaker_evidence_never_permits_more(facts: IncomingFacts, settings: IncomingSettings) -> None:
    allowed = [permits(replace(facts, trust=trust), settings) for trust in (Trust.STRONG, Trust.WEAK, Trust.NONE)]
    assert allowed == sorted(allowed, reverse=True)
    assert permits(replace(facts, trust=Trust.REFUTED), settings) <= allowed[-1]
    late = replace(facts, trust=Trust.UNKNOWN, waited=timedelta(hours=2))
    assert permits(late, settings) == allowed[-1]


@given(any_facts, any_settings)
def test_a_worse_match_never_permits_more(facts: IncomingFacts, settings: IncomingSettings) -> None:
    allowed = [permits(replace(facts, match=match), settings) for match in Match]
    assert allowed == sorted(allowed, reverse=True)


@given(any_facts, any_settings)
def test_each_lack_permits_no_more(facts: IncomingFacts, settings: IncomingSettings) -> None:
    allowed = permits(facts, settings)
    late = replace(facts, waited=timedelta(hours=2))  # who has the token is not made to wait, and may be held at once
    assert permits(replace(late, token=False), settings) <= permits(replace(late, token=True), settings)
    assert permits(replace(facts, known=False), settings) <= permits(replace(facts, known=True), settings)
    assert permits(replace(facts, standing="marked"), settings) >= allowed
    for lack in ({"list_mail": True}, {"null_sender": True}, {"invited": False}):
        assert permits(replace(facts, **lack), settings) <= permits(
            replace(facts, **{name: not value for name, value in lack.items()}), settings
        )


@given(any_facts, any_settings)
def test_only_proof_or_a_token_changes_what_is_stored(facts: IncomingFacts, settings: IncomingSettings) -> None:
    """Whatever the settings: a stored object changes only for its party, its delegate, or a token's bearer."""
    if decide_incoming(facts, settings).action != Action.APPLY or not facts.stored:
        return
    assert facts.trust is not Trust.REFUTED
    proven = facts.trust in (Trust.STRONG, Trust.WEAK) and facts.match in (Match.SAME, Match.DELEGATE)
    assert proven or (facts.token and party_of(facts.method) == "attendee")
