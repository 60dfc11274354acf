# SPDX-License-Identifier: Apache-2.0
"""The sample file is true: as printed, and with every default made active, it is the built-in configuration."""

import re
from pathlib import Path

import pytest

from gateway.config import load, parse_config
from gateway.config.options import Config
from gateway.config.sample import build_sample, effective_values
from policies.describe import describe
from policies.load import SHIPPED, shipped_policy


def test_the_sample_as_printed_is_the_defaults() -> None:
    assert parse_config(build_sample()) == parse_config("")


def test_the_sample_with_every_default_active_is_the_defaults() -> None:
    active = activated(build_sample())
    assert active != build_sample()
    assert parse_config(active) == parse_config("")


def test_the_sample_fits_a_terminal() -> None:
    assert max(map(len, build_sample().splitlines())) <= 120


@pytest.mark.parametrize("table", list(describe(Config)), ids=lambda table: table.path)
def test_every_option_says_what_it_is(table) -> None:
    assert table.help.endswith(".")
    for option in table.options:
        assert option.help.endswith(
            ("."),
        ), f"{table.path}.{option.name}"
        assert option.default or option.example or option.derived, f"{table.path}.{option.name}: shows nothing"


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_policies_are_sound(name: str) -> None:
    parse_config(f'[policy]\nbase = "{name}"')
    parse_config(shipped_policy(name), name)


def activated(text: str) -> str:
    return re.sub(r"^#(?=[a-z_]+ = )", "", text, flags=re.MULTILINE)


def test_the_default_policy_is_what_is_built_in() -> None:
    assert parse_config(shipped_policy("default")) == parse_config("")
    assert parse_config(activated(shipped_policy("default"))) == parse_config("")


def test_strict_permits_no_more_than_default_and_open_no_less() -> None:
    strict, default, lenient = (
        parse_config(f'[policy]\nbase = "{name}"').policy for name in ("strict", "default", "open")
    )
    for limit in ("messages_per_hour", "outside_recipients_per_day", "import_brake"):
        values = [getattr(policy.limits, limit) for policy in (strict, default, lenient)]
        assert values == sorted(values), limit
    assert strict.scheduling.max_recipients <= default.scheduling.max_recipients <= lenient.scheduling.max_recipients
    assert (strict.external_recipients.invitations, strict.external_recipients.alarms) == ("domains", "deny")


def test_a_password_in_the_database_url_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text('[store]\nurl = "postgresql+asyncpg://imip:tops3cret@db.example.org/imip"\n')
    shown = {value.key: value for value in effective_values(load(path))}
    assert shown["store.url"].value == '"postgresql+asyncpg://imip:...@db.example.org/imip"'
    assert shown["store.url"].origin == f"{path}:2"
