# SPDX-License-Identifier: Apache-2.0
"""When we keep silent: the decision table, and that no sign of automation ever makes us talk."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.loops import RULES, LoopFacts, LoopSettings, decide_answer

CASES = tomllib.loads((Path(__file__).parents[2] / "decisions" / "loops.toml").read_text())["case"]
PERSON = {"method": "REQUEST", "header_from": "alice@example.org"}


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_the_table(case: dict[str, Any]) -> None:
    verdict = decide_answer(LoopFacts(**PERSON | case.get("facts", {})), LoopSettings(**case.get("settings", {})))
    assert [verdict.action, verdict.rule] == case["expect"]
    assert verdict.reason


def test_every_rule_is_in_the_table_and_no_other() -> None:
    assert {case["expect"][1] for case in CASES} == {rule.id for rule in RULES}


@given(
    st.builds(
        LoopFacts,
        method=st.sampled_from(("REQUEST", "REPLY", "REFRESH", "COUNTER", "")),
        auto_submitted=st.sampled_from(("no", "auto-replied")),
        precedence=st.sampled_from(("", "list", "bulk")),
        received_count=st.integers(0, 60),
    )
)
def test_each_sign_only_silences(facts: LoopFacts) -> None:
    signs: tuple[dict[str, Any], ...] = (
        {"null_sender": True},
        {"ours": True},
        {"list_id": "x"},
        {"precedence": "bulk"},
        {"auto_submitted": "auto-generated"},
        {"auto_response_suppress": "all"},
        {"received_count": facts.received_count + 30},
    )
    for sign in signs:
        if decide_answer(facts, LoopSettings()).action == "silent":
            assert decide_answer(replace(facts, **sign), LoopSettings()).action == "silent"
