# SPDX-License-Identifier: Apache-2.0
"""What the machine is: the TOML file as documented frozen dataclasses, read strictly, every fault reported at once."""

from gateway.config.listeners import Address, Listener, parse_address
from gateway.config.load import ENV_FILE, LoadedConfig, load, load_config, parse_config
from gateway.config.options import (
    AuthnOptions,
    Config,
    GatewayOptions,
    HttpOptions,
    LogOptions,
    MailOptions,
    RelayOptions,
    StoreOptions,
    WorkerOptions,
)

__all__ = [
    "ENV_FILE",
    "Address",
    "AuthnOptions",
    "Config",
    "GatewayOptions",
    "HttpOptions",
    "Listener",
    "LoadedConfig",
    "LogOptions",
    "MailOptions",
    "RelayOptions",
    "StoreOptions",
    "WorkerOptions",
    "load",
    "load_config",
    "parse_address",
    "parse_config",
]
