# SPDX-License-Identifier: Apache-2.0
"""From files and environment to one checked `Config`. The only place that reads the configuration file.

Order, the weakest first: built-in defaults, the machine (its host name), the policy base file, the configuration
file, the environment (`IMIP_GATEWAY_RELAY__URL=...` is `[relay] url`). Settings changed at run time are laid over
the policy later, by whoever holds the database (`PolicySettings.with_overrides`).
"""

import platform
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.config.options import Config
from gateway.errors import Misconfigured
from policies.load import SHIPPED, shipped_policy
from policies.options import Layer, flat_layer, read, toml_layer

ENV_FILE = "IMIP_GATEWAY_CONFIG"
ENV_PREFIX = "IMIP_GATEWAY_"


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration and, for each dotted key, where its value came from (`default`, `gateway.toml:12`, ...)."""

    config: Config
    origins: Mapping[str, str]
    file: Path | None


def load_config(path: Path | None = None, env: Mapping[str, str] | None = None) -> Config:
    """Read the configuration named by `path` or the environment, or the defaults where neither names one.

    Raises: Misconfigured with every fault.
    """
    return load(path, env).config


def load(path: Path | None = None, env: Mapping[str, str] | None = None) -> LoadedConfig:
    """Read the configuration and keep where each value came from.

    Raises: Misconfigured with every fault.
    """
    env = env or {}
    if path is None and env.get(ENV_FILE):
        path = Path(env[ENV_FILE])
    text = _read_file(path) if path else ""
    machine = Layer({"gateway": {"hostname": platform.node() or "localhost"}}, lambda _: "the machine")
    layers = [machine, *_file_layers(text, str(path or "defaults"), _read_base), *_env_layers(env)]
    config, origins = _settle(layers)
    return LoadedConfig(config, origins, path)


def parse_config(text: str, file_name: str = "gateway.toml") -> Config:
    """Read one text, nothing else: no environment, no host name, and only shipped policies as its base.

    Raises: Misconfigured with every fault.
    """
    return _settle(_file_layers(text, file_name, _shipped_base))[0]


def _read_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise _misconfigured(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise _misconfigured(f"{path}: not UTF-8 at byte {error.start}") from None


def _misconfigured(*faults: str) -> Misconfigured:
    return Misconfigured("misconfigured", "The configuration has faults:", faults)


def _read_base(name: str) -> tuple[str, str]:
    if name in SHIPPED:
        return _shipped_base(name)
    return name, _read_file(Path(name))


def _shipped_base(name: str) -> tuple[str, str]:
    if name not in SHIPPED:
        raise _misconfigured(f"policy.base: {name!r} is none of {', '.join(SHIPPED)}")
    return f"policy {name}", shipped_policy(name)


def _file_layers(text: str, file_name: str, read_base: Callable[[str], tuple[str, str]]) -> list[Layer]:
    layer = _parse(text, file_name)
    policy = layer.table.get("policy")
    name = policy.get("base", "default") if isinstance(policy, dict) else "default"
    if name == "default" or not isinstance(name, str):
        return [layer]  # default.toml says what the code's defaults say; a test holds them together
    base_name, base_text = read_base(name)
    base = _parse(base_text, base_name)
    return [base, layer]


def _parse(text: str, file_name: str) -> Layer:
    try:
        return toml_layer(text, file_name)
    except ValueError as error:
        raise _misconfigured(str(error)) from None


def _env_layers(env: Mapping[str, str]) -> list[Layer]:
    """`IMIP_GATEWAY_TABLE__KEY` is an option; a value that is TOML is read as such, any other is a string."""
    names = {name: name.removeprefix(ENV_PREFIX) for name in env if name.startswith(ENV_PREFIX)}
    keys = {short.lower().replace("__", "."): name for name, short in names.items() if "__" in short}
    if not keys:
        return []
    values = {key: _env_value(env[name]) for key, name in keys.items()}
    return [flat_layer(values, lambda key: f"environment {keys.get(key, key)}")]


def _env_value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _settle(layers: list[Layer]) -> tuple[Config, Mapping[str, str]]:
    reading = read(Config, layers)
    if reading.faults:
        raise _misconfigured(*reading.faults)
    return _derive(reading.value), reading.origins


def _derive(config: Config) -> Config:
    """Fill the values that follow from others."""
    data_dir = config.gateway.data_dir
    store, gateway = config.store, config.gateway
    if not store.url:
        store = replace(store, url=f"sqlite+aiosqlite:///{data_dir}/gateway.db")
    if gateway.secret_file == Path():
        gateway = replace(gateway, secret_file=data_dir / "secret")
    return replace(config, store=store, gateway=gateway)
