# SPDX-License-Identifier: Apache-2.0
"""How far From is proven: the decision table, and that taking a proof away never raises the trust."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.sender_trust import RULES, WORTH, SenderTrustSettings, Trust, TrustFacts, decide_trust

CASES = tomllib.loads((Path(__file__).parents[2] / "decisions" / "sender_trust.toml").read_text())["case"]


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_the_table(case: dict[str, Any]) -> None:
    verdict = decide_trust(TrustFacts(**case["facts"]), SenderTrustSettings(**case.get("settings", {})))
    assert [verdict.action, verdict.rule] == case["expect"]
    assert verdict.reason


def test_every_rule_is_in_the_table_and_no_other() -> None:
    assert {case["expect"][1] for case in CASES} == {rule.id for rule in RULES}


results = st.sampled_from(("", "pass", "fail", "none", "temperror"))
any_facts = st.builds(
    TrustFacts,
    from_fault=st.sampled_from(("", "There is no From field")),
    from_is_ours=st.booleans(),
    login=st.booleans(),
    login_owns_from=st.booleans(),
    outbound=st.booleans(),
    border_dmarc=results,
    border_dkim_aligned=st.booleans(),
    border_spf_aligned=st.booleans(),
    own_dmarc=results,
    arc_believed=st.booleans(),
)
any_settings = st.builds(
    SenderTrustSettings, believe_spf=st.booleans(), believe_arc=st.booleans(), outbound_is_login=st.booleans()
)


def worth(facts: TrustFacts, settings: SenderTrustSettings) -> int:
    return -WORTH.index(Trust(decide_trust(facts, settings).action))


@given(any_facts, any_settings)
def test_taking_a_proof_away_never_raises_trust(facts: TrustFacts, settings: SenderTrustSettings) -> None:
    for name in ("login_owns_from", "outbound", "border_dkim_aligned", "border_spf_aligned", "arc_believed"):
        with_proof, without = replace(facts, **{name: True}), replace(facts, **{name: False})
        assert worth(without, settings) <= worth(with_proof, settings)
    for name in ("border_dmarc", "own_dmarc"):
        for result in ("", "fail", "none", "temperror"):
            assert worth(replace(facts, **{name: result}), settings) <= worth(
                replace(facts, **{name: "pass"}), settings
            )


@given(any_facts, any_settings)
def test_believing_less_never_raises_trust(facts: TrustFacts, settings: SenderTrustSettings) -> None:
    for name in ("believe_spf", "believe_arc", "outbound_is_login"):
        assert worth(facts, replace(settings, **{name: False})) <= worth(facts, replace(settings, **{name: True}))


@given(any_facts, any_settings)
def test_strong_needs_a_proof(facts: TrustFacts, settings: SenderTrustSettings) -> None:
    if decide_trust(facts, settings).action != Trust.STRONG:
        return
    proofs = (
        facts.login and facts.login_owns_from,
        facts.outbound and facts.from_is_ours,
        facts.border_dmarc == "pass",
        facts.border_dkim_aligned,
        facts.own_dmarc == "pass",
    )
    assert not facts.from_fault
    assert any(proofs)
