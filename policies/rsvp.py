# SPDX-License-Identifier: Apache-2.0
"""What an answer link permits, and for how long."""

from dataclasses import dataclass
from datetime import timedelta

from policies.options import option


@dataclass(frozen=True, slots=True)
class RsvpSettings:
    """`[policy.rsvp]`."""

    answer_until: timedelta = option(
        timedelta(), "How long after the end of an event answers by link still count.", least=timedelta()
    )
    allow_comment: bool = option(True, "Guests may write a comment.")
    comment_max_length: int = option(1000, "Characters of a comment that are kept.", least=0, most=10000)
    allow_delegation: bool = option(False, "Guests may pass their invitation on by link.")
    allow_proposals: bool = option(True, "Guests may propose another time by link.")
    show_guests: bool = option(True, "The page names the other guests, unless the organizer hides them.")
