# SPDX-License-Identifier: Apache-2.0
"""Which alarms become mail, how often, and in whose name: the settings (the decisions join them here)."""

from dataclasses import dataclass
from datetime import timedelta

from policies.options import option


@dataclass(frozen=True, slots=True)
class AlarmSettings:
    """`[policy.alarms]`."""

    enable: bool = option(True, "Send alarms by mail.", run_time=True)
    min_trigger_interval: timedelta = option(
        timedelta(hours=1), "Shortest time between two alarm mails to one account.", run_time=True
    )
    allow_external_rcpts: bool = option(False, "Alarms may go to addresses that are not the owner's.", run_time=True)
    from_name: str = option("Calendar", "Name that alarm mails come from.", run_time=True)
    from_email: str | None = option(
        None, "Address that alarm mails come from.", derived="calendar-notification@ and the account's domain",
        example="calendar-notification@example.org", run_time=True,
    )  # fmt: skip
