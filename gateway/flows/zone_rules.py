# SPDX-License-Identifier: Apache-2.0
"""New time zone rules: what was planned by the old ones is looked at again, well before either of them has it due.

A process reads the rules once, so this is asked when it starts. Nothing is planned here: each row is told to look at
its event earlier, and the firing of alarms plans by the rules that hold then.
"""

import asyncio
import hashlib
import logging
import zoneinfo
from importlib.resources import files
from pathlib import Path

from gateway.flows.context import Context
from gateway.store.unit import Unit

_log = logging.getLogger(__name__)
_SEEN = "state.zone_rules"


async def notice_zone_rules(context: Context) -> int:
    """Compare the zone rules with those of the last start; the number of planned alarms that are looked at again."""
    digest = await asyncio.to_thread(zone_rules_digest)

    def note(unit: Unit) -> int:
        now, seen = context.clock.now(), unit.settings.all().get(_SEEN)
        if seen == digest:
            return 0
        unit.settings.put(_SEEN, digest, by="alarms", at=now)
        return unit.alarms.look_again(now) if seen is not None else 0

    count = await context.store.write(note)
    if count:
        _log.warning("the time zone rules are new", extra={"facts": {"looked_at_again": count}})
    return count


def zone_rules_digest() -> str:
    """Name the time zone rules of this machine: other files, another name."""
    digest = hashlib.sha256()
    for name in sorted(zoneinfo.available_timezones()):
        digest.update(name.encode() + b"\0" + _octets(name))
    return digest.hexdigest()


def _octets(name: str) -> bytes:
    for folder in zoneinfo.TZPATH:
        file = Path(folder, name)
        if file.is_file():
            return file.read_bytes()
    return files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
