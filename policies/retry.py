# SPDX-License-Identifier: Apache-2.0
"""When a mail is tried again, when its organizer is warned, and when we give up."""

from dataclasses import dataclass
from datetime import timedelta

from policies.options import option


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """`[policy.retry]`."""

    first: timedelta = option(timedelta(minutes=1), "Wait after the first failed try.", least=timedelta(seconds=1))
    factor: float = option(2.0, "Each further wait is so many times the one before.", least=1.0, most=10.0)
    longest: timedelta = option(timedelta(hours=4), "Longest wait between two tries.", least=timedelta(seconds=1))
    jitter: float = option(
        0.2, "Share of a wait that is left to chance, so that not all try at once.", least=0.0, most=1.0
    )
    warn_after: timedelta = option(timedelta(hours=4), "The organizer sees a mail as delayed after this time.")
    give_up_after: timedelta = option(
        timedelta(days=3), "A mail is given up after this time.", least=timedelta(minutes=1)
    )
