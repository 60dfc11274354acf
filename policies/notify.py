# SPDX-License-Identifier: Apache-2.0
"""Which changes and which answers are worth a mail."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from policies.options import option

Answers = Literal["each", "digest", "none"]


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """`[policy.notify]`."""

    answers: Answers = option("each", "Mail to the organizer about guests' answers: each one, gathered, or none.")
    digest_interval: timedelta = option(
        timedelta(hours=1), "How long answers are gathered for one mail.", least=timedelta(minutes=1)
    )
    minor_changes: Literal["send", "quiet"] = option(
        "send", "A change that asks nobody anew (title, text, link): send an update, or be quiet."
    )
