# SPDX-License-Identifier: Apache-2.0
"""How long what is done with is kept."""

from dataclasses import dataclass
from datetime import timedelta

from policies.options import option

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """`[policy.retention]`: 0 = for ever."""

    journal: timedelta = option(timedelta(days=180), "Records of what was decided and why.")
    sent_mail: timedelta = option(timedelta(days=14), "Outbox rows after the last recipient is settled.")
    notifications: timedelta = option(timedelta(days=180), "Notifications that nobody dismissed.")
    seen_mail: timedelta = option(timedelta(days=30), "Digests of mails seen, by which a second copy is known.")
    held: timedelta = option(timedelta(days=30), "Changes that wait for a person; then they are dropped.")
    tombstones: timedelta = option(timedelta(days=90), "Marks of deleted objects, for clients that synchronise.")
    fired_alarms: timedelta = option(timedelta(days=90), "Records of alarms that fired or were skipped.")
    suppressions: timedelta = option(timedelta(days=90), "Addresses that bounced for good.")
    mail_traces: timedelta = option(timedelta(days=14), "Steps of each mail, for `mail trace`.")
