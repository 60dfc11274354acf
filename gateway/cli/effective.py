# SPDX-License-Identifier: Apache-2.0
"""The values in force: file and environment, and over them what administrators changed at run time (in the database).

Only looks: it makes no database and changes none, so it can be asked before the first start.
"""

import argparse
import asyncio
import os
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.config import LoadedConfig, load
from gateway.config.sample import EffectiveValue, effective_values
from gateway.errors import Deferred

DATABASE = "database"


def values_in_force(args: argparse.Namespace) -> list[EffectiveValue]:
    """Return every option in force with its origin; says on standard error what could not be looked at.

    Raises: Misconfigured.
    """
    return list(effective_values(_with_overrides(load(args.config, os.environ))))


def _with_overrides(loaded: LoadedConfig) -> LoadedConfig:
    if not _exists(loaded.config.store.url):
        return loaded
    try:
        overrides, changes = asyncio.run(_overrides(loaded.config.store.url))
    except Deferred as error:
        print(f"imip-gateway: {error.public}; what was changed at run time is not shown", file=sys.stderr)
        return loaded
    reading = loaded.config.policy.with_overrides(overrides, DATABASE)
    for fault in reading.faults:
        print(f"imip-gateway: {fault}", file=sys.stderr)
    changed = {
        f"policy.{key}": _told(changes.get(f"policy.{key}"))
        for key, origin in reading.origins.items()
        if origin == DATABASE
    }
    config = replace(loaded.config, policy=reading.value)
    return LoadedConfig(config, {**loaded.origins, **changed}, loaded.file)


def _told(change: tuple[str, datetime] | None) -> str:
    return f"{DATABASE}, changed by {change[0]} at {change[1]:%Y-%m-%dT%H:%M:%SZ}" if change else DATABASE


def _exists(url: str) -> bool:
    """SQLite makes a file by opening it."""
    scheme, _, path = url.partition(":///")
    return not scheme.startswith("sqlite") or Path(path).is_file()


async def _overrides(url: str) -> tuple[dict[str, Any], dict[str, tuple[str, datetime]]]:
    from gateway.store.engine import open_store  # half of the time that the command takes; often there is no database

    store = open_store(url)
    try:
        return await store.read(lambda unit: (unit.settings.policy_overrides(), unit.settings.changes()))
    finally:
        await store.close()
