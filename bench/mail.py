# SPDX-License-Identifier: Apache-2.0
"""What does one outgoing mail cost to build, without signing? Goal: 1 ms, and no more than the standard library takes.

The baseline is the standard library's EmailMessage, given the very same finished texts and only asked to lay them out:
it does not read the calendar, say anything in words, or render a template, all of which is in our figure. Times are
those of the processor, which a busy machine changes less.
"""

import email
import email.policy
from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from time import process_time

from bench.measure import Line, best_of, ratio_of
from gateway.imip.build import Headers, build_itip_mail
from gateway.imip.presentation import Person, Presentation
from gateway.imip.samples import WRITTEN_AT, Scene, sample_links
from gateway.imip.words import LANGUAGES, Words, load_words
from gateway.itip.model import ItipMessage, Method

_LEE = Person("lee@partner.example", "Lee Chan")
_SERIES = "RRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL=20261222T090000Z"
_ROUNDS = 7


def _message(*lines: str) -> tuple[ItipMessage, Headers, Presentation]:
    shown = Presentation(links=sample_links("https://calendar.example.org"))
    scene = Scene("example.org", shown, WRITTEN_AT)
    calendar = scene.calendar(Method.REQUEST, *lines)
    message = ItipMessage(Method.REQUEST, "u", 0, scene.dana.address, (_LEE.address,), ("",), True, "", calendar, ())
    return message, scene.headers("bench", scene.dana), shown


def _stdlib(parts: tuple[str, str, str, bytes], names: dict[str, str]) -> bytes:
    text, html, calendar, copy = parts
    mail = EmailMessage(policy=email.policy.SMTP)
    for name, value in names.items():
        mail[name] = value
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    mail.add_alternative(calendar, subtype="calendar", params={"method": "REQUEST"}, cte="base64")
    mail.add_attachment(copy, maintype="application", subtype="ics", filename="invite.ics")
    return mail.as_bytes()


def _finished(data: bytes) -> tuple[tuple[str, str, str, bytes], dict[str, str]]:
    """Return the texts and headers of a mail of ours, for the baseline to lay out."""
    mail = email.message_from_bytes(data, policy=email.policy.default)
    text, html, calendar, copy = (part.get_content() for part in mail.walk() if not part.is_multipart())
    names = {name: str(mail[name]) for name in ("From", "To", "Subject", "Date", "Message-ID")}
    return (text, html, calendar, copy), names


def _fresh_words() -> Words:
    load_words.cache_clear()
    return load_words("de")


def _lines(what: str, *rules: str) -> Iterator[Line]:
    message, headers, shown = _message(*rules)

    def build(locale: str = "en") -> bytes:
        presentation = replace(shown, locale=locale)
        return build_itip_mail(message, _LEE, headers=headers, presentation=presentation).data

    parts, names = _finished(build())
    ours, theirs = [], []
    for _ in range(_ROUNDS):
        ours.append(best_of(build, number=60, repeat=1, clock=process_time))
        theirs.append(best_of(lambda: _stdlib(parts, names), number=30, repeat=1, clock=process_time))
    yield Line(f"an invitation to {what}", min(ours) * 1e3, "ms", 1.0, above=False)
    yield Line("  against EmailMessage laying out the same", ratio_of(ours, theirs), "x", 1.0, above=False)
    arabic = best_of(lambda: build("ar"), number=60, clock=process_time)
    yield Line("  in Arabic", arabic * 1e3, "ms", note=f"{len(build('ar')) / 1024:.0f} KB")


def run() -> list[Line]:
    """Measure one invitation, one series, and the first use of a language."""
    fresh = best_of(_fresh_words, number=1, clock=process_time) * 1e3
    first = Line("a language's first use", fresh, "ms", note=f"of {len(LANGUAGES) + 1}; the catalogue was kept")
    return [*_lines("one event"), *_lines("a series", _SERIES), first]
