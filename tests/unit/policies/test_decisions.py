# SPDX-License-Identifier: Apache-2.0
"""Runs the decision tables in tests/decisions: each case is one sentence of the specification."""

import dataclasses
import importlib
import pkgutil
import tomllib
import typing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

import policies
from policies import limits, notify, retry, rsvp
from policies.catalogue import POLICIES
from policies.describe import describe
from policies.load import PolicySettings
from policies.options import flat_layer, read
from policies.scheduling import SchedulingSettings
from policies.units import parse_duration
from policies.verdict import Verdict

TABLES = Path(__file__).parents[2] / "decisions"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TOMORROW = NOW + timedelta(days=1)

T = TypeVar("T")
Case = dict[str, Any]


def cases(table: str, kind: str) -> list[Any]:
    return [pytest.param(case, id=case["why"]) for case in tomllib.loads((TABLES / f"{table}.toml").read_text())[kind]]


def settings(schema: type[T], values: Case | None) -> T:
    """Read settings as an operator would write them."""
    reading = read(schema, [flat_layer(values or {}, lambda key: key)])
    assert not reading.faults
    return reading.value


def scheduling(case: Case) -> SchedulingSettings:
    return settings(SchedulingSettings, case.get("scheduling"))


def seen(verdict: Verdict) -> list[str]:
    assert verdict.reason
    return [verdict.action, verdict.rule]


@pytest.mark.parametrize("case", cases("limits", "case"))
def test_may_a_change_send(case: Case) -> None:
    facts = limits.SendFacts(**{"now": NOW, "recipients": 3, **case.get("facts", {})})
    verdict = limits.decide_send(facts, settings(limits.LimitSettings, case.get("limits")), scheduling(case))
    assert seen(verdict) == case["expect"]


@pytest.mark.parametrize("case", cases("limits", "object"))
def test_may_an_object_be_stored(case: Case) -> None:
    verdict = limits.decide_object(limits.ObjectFacts(**case["facts"]), limits.LimitSettings())
    assert seen(verdict) == case["expect"]


@pytest.mark.parametrize("case", cases("retry", "case"))
def test_what_comes_of_a_try(case: Case) -> None:
    facts = {"now": NOW, "queued_at": NOW, "attempts": 1, "chance": 0.0, **case["facts"]}
    made = retry.decide_attempt(retry.AttemptFacts(**facts), settings(retry.RetrySettings, case.get("settings")))
    assert seen(made.verdict) == case["expect"]
    assert made.schedule_status == case["status"]
    assert made.next_at == case.get("next_at")
    assert made.warn == case.get("warn", False)


@pytest.mark.parametrize("case", cases("notify", "answer"))
def test_is_the_organizer_told(case: Case) -> None:
    facts = notify.AnswerFacts(**case["facts"])
    assert seen(notify.decide_answer(facts, settings(notify.NotifySettings, case.get("settings")))) == case["expect"]


@pytest.mark.parametrize("case", cases("notify", "change"))
def test_are_guests_told(case: Case) -> None:
    facts = notify.ChangeFacts(**case["facts"])
    assert seen(notify.decide_change(facts, settings(notify.NotifySettings, case.get("settings")))) == case["expect"]


def link_facts(values: Case) -> rsvp.LinkFacts:
    facts = {"now": NOW, "expires_at": TOMORROW, "ends_at": TOMORROW, **values}
    return rsvp.LinkFacts(**{key: None if value == "none" else value for key, value in facts.items()})


@pytest.mark.parametrize("case", cases("rsvp", "link"))
def test_what_a_link_permits(case: Case) -> None:
    rules = settings(rsvp.RsvpSettings, case.get("settings"))
    assert seen(rsvp.decide_link(link_facts(case.get("facts", {})), rules, scheduling(case))) == case["expect"]


@pytest.mark.parametrize("case", cases("rsvp", "answer"))
def test_what_an_answer_does(case: Case) -> None:
    asked = {"partstat": "ACCEPTED", "before": "NEEDS-ACTION", "sequence_shown": 1, "sequence_now": 1}
    asked |= case.get("facts", {})
    if gap := asked.get("since_last_answer"):
        asked["since_last_answer"] = parse_duration(gap)
    facts = rsvp.AnswerFacts(link=link_facts(case.get("link", {})), **asked)
    rules = settings(rsvp.RsvpSettings, case.get("settings"))
    assert seen(rsvp.decide_answer(facts, rules, scheduling(case))) == case["expect"]


@pytest.mark.parametrize("policy", [limits, notify, retry, rsvp], ids=lambda module: module.__name__)
def test_every_rule_is_in_its_table_and_no_other(policy: Any) -> None:
    table = tomllib.loads((TABLES / f"{policy.__name__.rpartition('.')[2]}.toml").read_text())
    assert {case["expect"][1] for kind in table.values() for case in kind} == {rule.id for rule in policy.RULES}


def test_rule_ids_are_unique_and_name_settings_that_exist() -> None:
    keys = {f"{table.path}.{option.name}" for table in describe(PolicySettings) for option in table.options}
    rules = [rule for policy in POLICIES for rule in policy.rules]
    assert len({rule.id for rule in rules}) == len(rules)
    assert {key for rule in rules for key in rule.settings} - keys == set()
    assert all(dataclasses.is_dataclass(rule) and rule.meaning.endswith(".") for rule in rules)


def test_every_policy_is_in_the_catalogue_and_its_settings_can_be_written() -> None:
    """A new module with RULES joins `policies.catalogue`, one with settings joins `policies.load`."""
    modules = [importlib.import_module(f"policies.{found.name}") for found in pkgutil.iter_modules(policies.__path__)]
    with_rules = {module.__name__.rpartition(".")[2] for module in modules if getattr(module, "RULES", ())}
    assert with_rules == {policy.name for policy in POLICIES}
    declared = {
        name
        for module in modules
        for name, found in vars(module).items()
        if name.endswith("Settings") and dataclasses.is_dataclass(found) and found.__module__ == module.__name__
    }
    hints = typing.get_type_hints(PolicySettings).values()
    assert declared - {"PolicySettings"} == {hint.__name__ for hint in hints if dataclasses.is_dataclass(hint)}
