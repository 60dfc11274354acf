# SPDX-License-Identifier: Apache-2.0
"""A clock that ran ahead and was put back: what was planned or given up in a future that has not come is planned anew.

What was mailed meanwhile stays mailed: the memory of what fired does not let it go twice.
"""

import logging
from datetime import datetime, timedelta
from functools import partial

from gateway.flows.acknowledging import take_back
from gateway.flows.alarm_plans import plan_for
from gateway.flows.context import Context
from gateway.store.unit import Unit

_log = logging.getLogger(__name__)
_SEEN = "state.alarm_clock"
_OFTEN = timedelta(minutes=1)
#: Clocks of several nodes differ, and are set right by seconds; neither is worth a look at every alarm.
TOLERANCE = timedelta(minutes=5)


async def notice_clock(context: Context) -> int:
    """Compare the clock with the last look at it; the number of (event, person) pairs that were planned anew."""
    now = context.clock.now()
    seen = await context.store.read(_seen)
    if seen is not None and abs(now - seen) < _OFTEN:
        return 0
    ahead: tuple[tuple[str, str], ...] = ()
    if seen is not None and seen > now + TOLERANCE:
        ahead = await context.store.read(lambda unit: unit.alarms.settled_after(now))
        _log.warning("the clock was put back", extra={"facts": {"from": seen, "to": now, "planned_anew": len(ahead)}})
        for object_id, account_id in ahead:
            await context.store.write(partial(_plan_anew, context=context, object_id=object_id, account_id=account_id))
    await context.store.write(lambda unit: unit.settings.put(_SEEN, now.isoformat(), by="alarms", at=now))
    return len(ahead)


def _seen(unit: Unit) -> datetime | None:
    found = unit.settings.all().get(_SEEN)
    return datetime.fromisoformat(found) if isinstance(found, str) else None


def _plan_anew(unit: Unit, context: Context, object_id: str, account_id: str) -> None:
    item, account = unit.objects.get(object_id), unit.accounts.get(account_id)
    if item is not None and account is not None:
        plan_for(unit, context, take_back(unit, account, item, context.clock.now()), account)
