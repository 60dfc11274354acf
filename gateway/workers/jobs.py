# SPDX-License-Identifier: Apache-2.0
"""What runs and how often: build mails, hand them over, fire alarms, forget what is past its time."""

import random
from dataclasses import dataclass
from functools import partial

from gateway.flows.alarm_clock import notice_clock
from gateway.flows.build_mails import build_due
from gateway.flows.cleaning import clean
from gateway.flows.context import Context
from gateway.flows.delivery import deliver_due
from gateway.flows.due_alarms import fire_due
from gateway.flows.zone_rules import notice_zone_rules
from gateway.relay.hop import Relay
from gateway.workers.loop import Worker


@dataclass(frozen=True, slots=True)
class Workers:
    """All workers of one process."""

    outbox: Worker
    alarms: Worker
    cleaner: Worker

    @property
    def all(self) -> tuple[Worker, ...]:
        return (self.outbox, self.alarms, self.cleaner)

    def wake(self) -> None:
        """Work was committed: look at the outbox now."""
        self.outbox.wake()

    def stop(self) -> None:
        for worker in self.all:
            worker.stop()


def make_workers(context: Context, relay: Relay, name: str) -> Workers:
    """Make the workers of this process; `name` marks its leases."""
    options = context.config.workers

    async def outbox() -> int:
        built = await build_due(context, worker=name)
        return built + await deliver_due(context, relay, worker=name, chance=random.random)

    rules_known = False

    async def alarms() -> int:
        nonlocal rules_known
        if not rules_known:
            await notice_zone_rules(context)
            rules_known = True
        await notice_clock(context)
        return await fire_due(context)

    return Workers(
        outbox=Worker("outbox", outbox, options.poll_interval.total_seconds()),
        alarms=Worker("alarms", alarms, options.alarm_interval.total_seconds()),
        cleaner=Worker("cleaner", partial(clean, context), options.clean_interval.total_seconds()),
    )
