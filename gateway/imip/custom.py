# SPDX-License-Identifier: Apache-2.0
"""What an administrator's own template may use: flat placeholders beside the whole `letter` and `brand`.

A template is one HTML page in Jinja2, sandboxed and escaped like ours. The flat names below are enough for a plain
page; whoever wants every row and button uses `letter` (`gateway.imip.letter`) as our own template does.
"""

from collections.abc import Mapping
from typing import Protocol

from gateway.imip.letter import Letter

#: Placeholder -> what it holds; the documentation is made of this table.
PLACEHOLDERS: Mapping[str, str] = {
    "page_title": "the subject of the mail",
    "header": "the one sentence that says what this mail is about",
    "footer": "why the reader gets it, as one text",
    "event_title": "the title of the event",
    "event_description": "the words of the alarm, or the comment of who sends the mail",
    "event_details": "list of facts, each with `key`, `value` and, where it changed, `old_value` and `changed`",
    "actions": "list of links, each with `action_name` and `action_url`",
    "action_url": "the first link, or empty",
    "action_name": "what the first link is called, or empty",
    "attendees_title": "the heading of the guest list, or empty",
    "attendees": "list of guests, each with `key` (the name) and `value` (the answer in words)",
    "color": "the accent colour of the domain, such as #1d4ed8",
    "logo_cid": "address of the logo for an img, or empty",
    "rsvp": "list of answer links, each with `action_name` and `action_url`; empty where nothing is asked",
    "unsubscribe_url": "the link that stops these mails, or empty",
}


class Brand(Protocol):
    """The part of the branding that placeholders show."""

    @property
    def accent(self) -> str: ...
    @property
    def logo(self) -> str: ...


def build_placeholders(letter: Letter, brand: Brand) -> dict[str, object]:
    """Return the value of every placeholder for one mail."""
    actions = [{"action_name": line.text, "action_url": line.href} for line in letter.actions]
    guests = letter.guests.guests if letter.guests else ()
    return {
        "page_title": letter.subject,
        "header": letter.headline,
        "footer": "\n".join(letter.footer),
        "event_title": letter.title,
        "event_description": letter.quote.text if letter.quote else "",
        "event_details": _details(letter),
        "actions": actions,
        "action_url": actions[0]["action_url"] if actions else "",
        "action_name": actions[0]["action_name"] if actions else "",
        "attendees_title": letter.guests.heading if letter.guests else "",
        "attendees": [{"key": guest.name, "value": guest.note} for guest in guests],
        "color": brand.accent,
        "logo_cid": brand.logo,
        "rsvp": [
            {"action_name": button.text, "action_url": button.href}
            for button in (letter.question.buttons if letter.question else ())
        ],
        "unsubscribe_url": letter.unsubscribe.href if letter.unsubscribe else "",
    }


def _details(letter: Letter) -> list[dict[str, object]]:
    changed = letter.changes.changes if letter.changes else ()
    told = [{"key": row.label, "value": row.new, "old_value": row.old, "changed": True} for row in changed]
    facts = (
        {"key": row.label, "value": "\n".join(line.text for line in row.lines), "old_value": "", "changed": False}
        for row in letter.rows
    )
    return [*told, *facts]
