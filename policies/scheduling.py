# SPDX-License-Identifier: Apache-2.0
"""Settings of scheduling by mail as a whole; the keys are those that administrators of the field know."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from policies.options import Size, option

AutoAdd = Literal["never", "known", "authenticated", "always"]


def _url_fault(url: str) -> str | None:
    return None if re.fullmatch(r"https?://[^/?#\s@]+(/[^?#\s]*)?", url) else f"{url!r} is not http(s)://host[/path]"


@dataclass(frozen=True, slots=True)
class SchedulingSettings:
    """Is there scheduling at all, and how large may it be."""

    enable: bool = option(
        True, "Send and apply scheduling messages; off: changes are stored and the journal says why no mail went.",
        run_time=True,
    )  # fmt: skip
    auto_add_invitations: AutoAdd = option(
        "known",
        "Which invitations become events by themselves: from nobody, known correspondents, anyone authenticated, all.",
        run_time=True,
    )
    uninvited_replies: Literal["reject", "hold", "add"] = option(
        "hold", "An answer from somebody who was not invited: rejected, held for the organizer, or added as a guest.",
        run_time=True,
    )  # fmt: skip
    http_rsvp_enable: bool = option(True, "Put answer buttons that open our page into invitations.", run_time=True)
    http_rsvp_link_expiry: timedelta = option(
        timedelta(days=90), "Life of an answer link; never shorter than to the end of the event.",
        least=timedelta(hours=1), run_time=True,
    )  # fmt: skip
    http_rsvp_url: str | None = option(
        None, "Address that answer links begin with.", derived="the http listener's public_url and /rsvp",
        example="https://calendar.example.org/rsvp", check=_url_fault, run_time=True,
    )  # fmt: skip
    http_rsvp_template: str = option(
        "", "HTML template of the answer page in Jinja2; kept only if it renders.", derived="the built-in one",
        run_time=True,
    )  # fmt: skip
    email_template: str = option(
        "", "HTML template of scheduling mails in Jinja2; kept only if it renders.", derived="the built-in one",
        run_time=True,
    )  # fmt: skip
    itip_max_size: Size = option(
        512 << 10, "Largest calendar part that is read; a larger one passes by, and the journal says so.",
        least=1024, run_time=True,
    )  # fmt: skip
    repeated_within: timedelta = option(
        timedelta(minutes=15), "A mail of a person's own program is not passed on to a guest who got the same message"
        " from us so short a time ago, unless it is signed or brings files along; 0s = it always is.",
        least=timedelta(), run_time=True,
    )  # fmt: skip
    max_recipients: int = option(100, "Guests that one change may write to.", least=1, run_time=True)
