# SPDX-License-Identifier: Apache-2.0
"""How long what is done with is kept. The names of the kinds are the names of the settings."""

from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from policies.options import option
from policies.verdict import Rule


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long what is done with is kept; 0s = for ever."""

    journal: timedelta = option(timedelta(days=180), "Records of what was decided and why.", least=timedelta())
    sent_mail: timedelta = option(
        timedelta(days=14), "Outbox rows after the last recipient is settled.", least=timedelta()
    )
    notifications: timedelta = option(timedelta(days=180), "Notifications that nobody dismissed.", least=timedelta())
    seen_mail: timedelta = option(
        timedelta(days=30), "Digests of mails seen, by which a second copy is known.", least=timedelta()
    )
    held: timedelta = option(
        timedelta(days=30), "Changes that wait for a person; then they are dropped.", least=timedelta()
    )
    tombstones: timedelta = option(
        timedelta(days=90), "Marks of deleted objects, for clients that synchronise.", least=timedelta()
    )
    fired_alarms: timedelta = option(
        timedelta(days=90), "Records of alarms that fired or were skipped.", least=timedelta()
    )
    suppressions: timedelta = option(timedelta(days=90), "Addresses that bounced for good.", least=timedelta())
    mail_traces: timedelta = option(timedelta(days=14), "Steps of each mail, for `mail trace`.", least=timedelta())


@dataclass(frozen=True, slots=True)
class Cutoff:
    """What of one kind is older than this may be removed."""

    kind: str
    before: datetime


RULES: tuple[Rule, ...] = (Rule("retention.over", "Kept as long as its kind is kept, then removed."),)


def cutoffs(now: datetime, settings: RetentionSettings) -> tuple[Cutoff, ...]:
    """Return for each kind that is not kept for ever from when on it may be removed."""
    kept = [(field.name, getattr(settings, field.name)) for field in fields(settings)]
    return tuple(Cutoff(kind, now - keep) for kind, keep in kept if keep)
