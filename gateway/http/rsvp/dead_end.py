# SPDX-License-Identifier: Apache-2.0
"""Pages without an event: a link that opens nothing, too many requests, a form that cannot be read, our own trouble.

Every token that opens nothing gets the same page, whatever the reason: unknown, cut off, revoked, somebody else's.
"""

from gateway.http.rsvp.page import Note, Page
from gateway.http.rsvp.reader import Reader, settings_form
from gateway.imip.words import mark

SENTENCES: dict[int, str] = {
    400: mark("The form could not be read. Please open the link from the message again."),
    403: mark("This page was open for too long. Please send your answer again."),
    404: mark(
        "This link does not work. It may have been cut off, or the invitation was taken back. "
        "Please open it again from the newest message."
    ),
    405: mark("This page can only be opened, or answered with its form."),
    410: mark("This link has ended."),
    413: mark("This text is too long."),
    415: mark("The form could not be read. Please open the link from the message again."),
    429: mark("Too many requests. Please try again in a few minutes."),
    503: mark("Something went wrong on our side. Please try again later."),
}


def dead_end(reader: Reader, status: int) -> Page:
    """Return the page for a status."""
    words = reader.words
    sentence = words.say(SENTENCES.get(status, SENTENCES[503]))
    return Page(
        language=words.tag,
        direction=words.direction,
        title=sentence,
        state=sentence,
        tone="neutral" if status < 500 else "no",
        notes=(),
        settings=settings_form(reader, None) if status == 404 else None,
        settings_label=words.label("Language"),
    )


def note(reader: Reader, status: int) -> Note:
    """Return the same sentence as a note on a page that can still be used."""
    return Note(reader.words.say(SENTENCES.get(status, SENTENCES[503])), "no", "alert")
