# SPDX-License-Identifier: Apache-2.0
"""Who outside may be mailed: the decision table, and properties over everything it can be asked."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.external_recipients import (
    RULES,
    AlarmMode,
    Consent,
    ExternalRecipientSettings,
    InvitationMode,
    MailKind,
    RecipientFacts,
    decide_recipient,
    in_domains,
)

TABLE = Path(__file__).parents[2] / "decisions" / "external_recipients.toml"
CASES = tomllib.loads(TABLE.read_text())["case"]
ENUMS = {"kind": MailKind, "consent": Consent, "alarms": AlarmMode, "invitations": InvitationMode, "domains": tuple}


def typed(words: dict) -> dict:
    return {key: ENUMS[key](value) if key in ENUMS else value for key, value in words.items()}


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_the_table(case: dict) -> None:
    settings = ExternalRecipientSettings(**typed(case.get("settings", {})))
    verdict = decide_recipient(RecipientFacts(**typed(case["facts"])), settings)
    assert [verdict.action, verdict.rule] == case["expect"]
    assert verdict.reason


def test_every_rule_is_in_the_table_and_every_verdict_is_a_listed_rule() -> None:
    assert {case["expect"][1] for case in CASES} == {rule.id for rule in RULES}


addresses = st.sampled_from(
    ["bob@a.example", "eve@b.example", "x@sub.a.example", "not an address", "a@b\r\nBcc: c@d", ""]
)
facts = st.builds(
    RecipientFacts,
    kind=st.sampled_from(MailKind),
    address=addresses,
    own=st.booleans(),
    local=st.booleans(),
    guest=st.booleans(),
    consent=st.sampled_from(Consent),
    suppressed=st.none() | st.just("bounced"),
    reached_today=st.booleans(),
    distinct_today=st.integers(0, 40),
)
settings_st = st.builds(
    ExternalRecipientSettings,
    invitations=st.sampled_from(InvitationMode),
    alarms=st.sampled_from(AlarmMode),
    domains=st.lists(st.sampled_from(["a.example", "*.a.example", "b.example"])).map(tuple),
    max_alarm_recipients_per_day=st.integers(0, 40),
)


@given(facts, settings_st)
def test_one_s_own_address_may_always_be_mailed(fact: RecipientFacts, settings: ExternalRecipientSettings) -> None:
    assert decide_recipient(replace(fact, own=True), settings).action == "permit"


@given(facts, settings_st)
def test_who_does_not_want_alarms_never_gets_one(fact: RecipientFacts, settings: ExternalRecipientSettings) -> None:
    stranger = replace(fact, own=False, kind=MailKind.ALARM)
    for unwilling in (replace(stranger, consent=Consent.WITHDRAWN), replace(stranger, suppressed="complained")):
        assert decide_recipient(unwilling, settings).action == "deny"


@given(facts, settings_st)
def test_adding_a_restriction_never_permits_more(fact: RecipientFacts, settings: ExternalRecipientSettings) -> None:
    if decide_recipient(fact, settings).action == "deny":
        harder = (
            replace(settings, alarms=AlarmMode.DENY, invitations=InvitationMode.DENY),
            replace(settings, domains=()),
            replace(settings, max_alarm_recipients_per_day=0),
        )
        assert {decide_recipient(fact, each).action for each in harder} == {"deny"}


@given(facts, settings_st)
def test_deny_admits_no_alarm_to_anyone_else(fact: RecipientFacts, settings: ExternalRecipientSettings) -> None:
    stranger = replace(fact, own=False, kind=MailKind.ALARM)
    assert decide_recipient(stranger, replace(settings, alarms=AlarmMode.DENY)).action == "deny"


@given(facts, settings_st)
def test_a_header_cannot_be_smuggled_in_as_an_address(
    fact: RecipientFacts, settings: ExternalRecipientSettings
) -> None:
    if decide_recipient(replace(fact, own=False, local=False), settings).action != "deny":
        assert "\n" not in fact.address
        assert fact.address.count("@") == 1


@pytest.mark.parametrize("listed", ["", "*.", "@", "."])
def test_an_empty_entry_of_the_list_admits_nobody(listed: str) -> None:
    assert not in_domains("bob@elsewhere.example", [listed])
    assert not in_domains("bob@", [listed])
