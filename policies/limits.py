# SPDX-License-Identifier: Apache-2.0
"""How much is too much: recipients, messages, imports."""

from dataclasses import dataclass
from datetime import timedelta

from policies.options import Size, option


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """`[policy.limits]`: brakes that keep one account, one mistake or one thief from mailing the world."""

    messages_per_hour: int = option(500, "Messages that one account may cause in an hour; 0 = no limit.", least=0)
    outside_recipients_per_day: int = option(
        200, "Different people outside that one account may write to in a day; 0 = no limit.", least=0
    )
    import_brake: int = option(
        10, "Events written by one account in a minute above which no mails go out unless asked for; 0 = no brake.",
        least=0,
    )  # fmt: skip
    past_grace: timedelta = option(
        timedelta(), "An event that ended longer ago than this causes no mail.", least=timedelta()
    )
    max_object_size: Size = option(2 << 20, "Largest event that is stored, in iCalendar.", least=16 << 10)
    max_guests: int = option(2000, "Guests that one event may have.", least=1)
    max_alarms: int = option(50, "Alarms that one event may have.", least=1)
