# SPDX-License-Identifier: Apache-2.0
"""What an operator writes, and what comes of it: values, precedence, and every fault with its line."""

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config import load, load_config, parse_config
from gateway.config.options import Config
from gateway.errors import Misconfigured
from policies.describe import describe
from policies.options import Layer, field_key, read


def faults(text: str) -> tuple[str, ...]:
    with pytest.raises(Misconfigured) as caught:
        parse_config(text)
    return caught.value.faults


def test_an_empty_file_is_a_whole_configuration() -> None:
    config = parse_config("")
    assert [listener.kind for listener in config.listeners] == ["filter", "http"]
    assert config.store.url == "sqlite+aiosqlite:////var/lib/imip-gateway/gateway.db"
    assert config.gateway.secret_file == Path("/var/lib/imip-gateway/secret")


def test_every_fault_is_reported_at_once_with_its_line() -> None:
    found = faults(
        "\n".join(
            (
                "[gateway]",
                'hostnam = "x"',
                "data_dir = 3",
                "[[listener]]",
                'kind = "fltr"',
                "[[listener]]",
                'kind = "http"',
                'auth = "dovecot:/run/auth"',
                "[workers]",
                'lease = "1q"',
                "batch = 0",
                "[policy.scheduling]",
                'itip_max_size = "12Kb"',
                "[polici]",
            )
        )
    )
    places = [fault.split(": ")[0] for fault in found]
    assert places == [f"gateway.toml:{line}" for line in (2, 3, 5, 8, 10, 11, 13, 14)]
    assert "did you mean 'hostname'" in found[0]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[store]\nurl = "mysql://x"', "sqlite+aiosqlite"),
        ('[relay]\nurl = "http://x"', "smtp://"),
        ('[relay]\nurl = "smtp://u:p@x"', "no login"),
        ('[relay]\nurl = "smtp://mx.example.org"\nusername = "u"\npassword_file = "/p"', "tls = encrypt"),
        ('[relay]\nusername = "u"', "go together"),
        ('[[listener]]\nkind = "filter"\ntls = "starttls"', "tls_cert"),
        ('[[listener]]\nkind = "filter"\nlisten = "10025"', "host:port"),
        ('[[listener]]\nlisten = "127.0.0.1:70000"', "host:port"),
        ('[[listener]]\nlisten = "h:1"\n[[listener]]\nlisten = "h:1"', "two listeners"),
        ('[[listener]]\npeers = ["10.0.0.1/8"]', "not a network"),
        ('[mail]\ndefault_time_zone = "Mars/Olympus"', "time zone"),
        ('listener = "x"', "array"),
        ('[policy]\nbase = "lax"', "lax"),
        ("[gateway\n", "line 1"),
        ('[policy.retention]\njournal = "99999999w"', "36500d"),
        ("[policy.retry]\nfactor = nan", "must be a number"),
        ('[policy.external_recipients]\ndomains = ["*"]', "star"),
        ('[policy.scheduling]\nhttp_rsvp_url = "calendar.example.org"', "http(s)"),
        ('[relay]\nurl = "smtp://mx.example.org?tls=verify"', "keys of their own"),
        ('[relay]\nurl = "smtps://mx.example.org"\ntls = "none"', "contradicts"),
    ],
)
def test_a_fault_says_what_is_wrong(text: str, fault: str) -> None:
    assert any(fault in found for found in faults(text)), faults(text)


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text('[relay]\nurl = "maildir:/a"\nconnections = 3\n')
    loaded = load(None, {"IMIP_GATEWAY_CONFIG": str(path), "IMIP_GATEWAY_RELAY__URL": "maildir:/b"})
    assert (loaded.config.relay.url, loaded.config.relay.connections) == ("maildir:/b", 3)
    assert loaded.origins["relay.url"] == "environment IMIP_GATEWAY_RELAY__URL"
    assert loaded.origins["relay.connections"] == f"{path}:3"
    assert loaded.origins["relay.max_idle"] == "default"


def test_an_unknown_option_in_the_environment_is_a_fault() -> None:
    with pytest.raises(Misconfigured, match="IMIP_GATEWAY_RELAY__ULR"):
        load_config(None, {"IMIP_GATEWAY_RELAY__ULR": "x"})


def test_a_file_that_is_not_there_is_a_fault_of_the_operator(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="No such file"):
        load_config(tmp_path / "none.toml")


def test_a_policy_file_is_the_ground_that_the_table_stands_on(tmp_path: Path) -> None:
    base = tmp_path / "house.toml"
    base.write_text('[policy.alarms]\nmin_trigger_interval = "5m"\nfrom_name = "House"\n')
    main = tmp_path / "gateway.toml"
    main.write_text(f'[policy]\nbase = "{base}"\n[policy.alarms]\nfrom_name = "Mine"\n')
    loaded = load(main)
    assert loaded.config.policy.alarms.min_trigger_interval == timedelta(minutes=5)
    assert loaded.config.policy.alarms.from_name == "Mine"
    assert loaded.origins["policy.alarms.min_trigger_interval"] == f"{base}:2"


def test_a_change_at_run_time_is_validated_and_wins() -> None:
    policy = parse_config("").policy
    changed = policy.with_overrides({"alarms.enable": False, "scheduling.max_recipients": 5})
    assert not changed.faults
    assert (changed.value.alarms.enable, changed.value.scheduling.max_recipients) == (False, 5)
    assert changed.origins["alarms.enable"] == "database"
    assert policy.with_overrides({"alarms.enable": "yes", "alarms.nope": 1}).faults


keys = st.sampled_from([field_key(field) for field in dataclasses.fields(Config)]) | st.sampled_from(
    sorted({option.name for table in describe(Config) for option in table.options})
    + sorted({table.path.rpartition(".")[2] for table in describe(Config)})
)
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.datetimes()
words = st.sampled_from(
    ["1h", "512KiB", "smtp://[", "smtp://h:x", "unix:/", "filter", "http", "domains", "*.a", "999999999w"]
)
values = st.recursive(
    plain | words, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)


@settings(max_examples=300)
@given(st.dictionaries(keys, values, max_size=4))
def test_whatever_is_written_ends_in_values_or_faults(table: dict[str, object]) -> None:
    reading = read(Config, [Layer(table, lambda path: "gateway.toml:1")])
    assert isinstance(reading.value, Config)
    assert all(isinstance(fault, str) and fault for fault in reading.faults)


@pytest.mark.parametrize("name", ["alarms.enable", "retry.first", "scheduling.http_rsvp_url"])
def test_a_change_at_run_time_with_a_fault_leaves_the_rest_usable(name: str) -> None:
    reading = parse_config("").policy.with_overrides({name: 17, "scheduling.max_recipients": 5})
    assert len(reading.faults) == 1
    assert reading.value.scheduling.max_recipients == 5
    assert reading.value.alarms.enable
