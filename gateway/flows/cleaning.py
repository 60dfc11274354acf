# SPDX-License-Identifier: Apache-2.0
"""Forget what is past its keeping time (`policies/retention.py`); zero means: keep for ever."""

from datetime import timedelta

from gateway.flows.context import Context
from gateway.store.unit import Unit

BATCH = 500


async def clean(context: Context) -> int:
    """Remove one round of what is too old. Always 0: there is no hurry to look again."""
    await context.store.write(lambda unit: _clean(unit, context))
    return 0


def _clean(unit: Unit, context: Context) -> None:
    now, keep = context.clock.now(), context.policy(unit).retention

    forgetting = (
        (keep.journal, unit.journal.forget_before),
        (keep.seen_mail, unit.held.forget_seen_before),
        (keep.held, unit.held.reject_before),
        (keep.sent_mail, unit.outbox.forget_finished_before),
        (keep.tombstones, unit.links.forget_before),
        (keep.fired_alarms, unit.alarms.forget_fired_before),
    )
    for period, forget in forgetting:
        if period > timedelta():
            forget(now - period)
    if keep.notifications > timedelta():
        for notification in unit.notifications.older_than(now - keep.notifications, BATCH):
            unit.notifications.remove(notification)
