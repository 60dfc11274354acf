# SPDX-License-Identifier: Apache-2.0
"""Who reads a page: language and time zone, chosen on the page itself, else known, else what the browser says.

No cookie and no script: a choice travels in the form and in the query. Rewriting mail gateways may mangle a query, so
nothing but this stands in one.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import get_timezone_gmt, get_timezone_location

from gateway.http.rsvp.page import Field, Form, Option
from gateway.imip.words import LANGUAGES, SOURCE, Words, load_words

#: One place for each zone in which people live; the event's own zone is always said beside it.
ZONES: tuple[str, ...] = (
    "Pacific/Honolulu", "America/Anchorage", "America/Los_Angeles", "America/Phoenix", "America/Denver",
    "America/Chicago", "America/Mexico_City", "America/Bogota", "America/Lima", "America/New_York", "America/Toronto",
    "America/Caracas", "America/Halifax", "America/Santiago", "America/St_Johns", "America/Sao_Paulo",
    "America/Argentina/Buenos_Aires", "Atlantic/Azores", "Atlantic/Reykjavik", "Africa/Casablanca", "Africa/Lagos",
    "Europe/London", "Europe/Dublin", "Europe/Lisbon", "Europe/Madrid", "Europe/Paris", "Europe/Brussels",
    "Europe/Amsterdam", "Europe/Berlin", "Europe/Zurich", "Europe/Rome", "Europe/Vienna", "Europe/Prague",
    "Europe/Warsaw", "Europe/Copenhagen", "Europe/Oslo", "Europe/Stockholm", "Europe/Athens", "Europe/Helsinki",
    "Europe/Kyiv", "Europe/Bucharest", "Europe/Istanbul", "Europe/Moscow", "Africa/Cairo", "Africa/Johannesburg",
    "Africa/Nairobi", "Asia/Jerusalem", "Asia/Beirut", "Asia/Baghdad", "Asia/Riyadh", "Asia/Tehran", "Asia/Dubai",
    "Asia/Kabul", "Asia/Karachi", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Dhaka", "Asia/Yangon", "Asia/Bangkok",
    "Asia/Jakarta", "Asia/Shanghai", "Asia/Hong_Kong", "Asia/Singapore", "Asia/Manila", "Asia/Taipei",
    "Australia/Perth", "Asia/Tokyo", "Asia/Seoul", "Australia/Adelaide", "Australia/Brisbane", "Australia/Sydney",
    "Pacific/Auckland",
)  # fmt: skip
_RANGE = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*")


@dataclass(frozen=True, slots=True)
class Reader:
    """The words and the zone of whoever reads; the choices are "" where none was made on the page."""

    words: Words
    zone: str | None = None
    chosen_language: str = ""
    chosen_zone: str = ""

    @property
    def hidden(self) -> tuple[tuple[str, str], ...]:
        """The choices as hidden fields, so that a posted form is answered in the same language."""
        chosen = (("lang", self.chosen_language), ("tz", self.chosen_zone))
        return tuple((name, value) for name, value in chosen if value)


def choose_reader(
    chosen: dict[str, str], *, known: str, accepted: str, otherwise: str, known_zone: str | None = None
) -> Reader:
    """Choose language and zone: what was chosen on the page, what is known of the person, the browser's wish, ours."""
    language = chosen.get("lang", "")
    language = language if language in (SOURCE, *LANGUAGES) else ""
    zone = chosen.get("tz", "")
    zone = zone if zone in ZONES else ""
    tag = language or known or best_language(accepted) or otherwise
    return Reader(load_words(tag), zone or known_zone, language, zone)


def best_language(header: str) -> str:
    """Return the best of Accept-Language that we speak, "" for none (RFC 9110 §12.5.4).

    >>> best_language("tlh, de-AT;q=0.8, en;q=0.5")
    'de-AT'
    """
    wishes = []
    for place, text in enumerate(header[:1000].split(",")[:20]):
        found = _RANGE.fullmatch(text)
        if found is not None and found[2] not in ("0", "0.0"):
            wishes.append((-float(found[2] or 1), place, found[1]))
    return next((tag for _, _, tag in sorted(wishes) if _spoken(tag)), "")


def _spoken(tag: str) -> bool:
    return load_words(tag).locale.language != SOURCE or tag.partition("-")[0].lower() == SOURCE


def settings_form(reader: Reader, at: datetime | None, *, zones: bool = True) -> Form:
    """Return the form in which a reader chooses; it only looks, so it is a GET."""
    words = reader.words
    current = words.tag.replace("-", "_")
    spoken = current if current in LANGUAGES else words.locale.language
    languages = tuple(Option(tag, name, tag == spoken) for tag, name in _languages())
    fields = [Field("select", "lang", words.label("Language"), options=languages)]
    if zones and at is not None:
        none = Option("", words.label("as the event says"), not reader.chosen_zone)
        options = (none, *(Option(z, text, z == reader.chosen_zone) for z, text in _zones(words, at)))
        fields.append(Field("select", "tz", words.label("Your time zone"), options=options))
    return Form(words.label("Show"), tuple(fields), method="get", is_quiet=True)


@lru_cache(maxsize=1)
def _languages() -> tuple[tuple[str, str], ...]:
    """Every language under its own name: whoever cannot read the page must find theirs."""
    named = ((tag, (Locale.parse(tag).display_name or tag)) for tag in (SOURCE, *LANGUAGES))
    return tuple(
        sorted(((tag, name[:1].upper() + name[1:]) for tag, name in named), key=lambda pair: pair[1].casefold())
    )


def _zones(words: Words, at: datetime) -> tuple[tuple[str, str], ...]:
    return _zones_on(words.tag, at.date().isoformat(), at.replace(minute=0, second=0, microsecond=0))


@lru_cache(maxsize=256)
def _zones_on(tag: str, day: str, at: datetime) -> tuple[tuple[str, str], ...]:
    locale = load_words(tag).locale
    found = []
    for name in ZONES:
        there = at.astimezone(ZoneInfo(name))
        offset = there.utcoffset()
        place = get_timezone_location(there.tzinfo, locale=locale, return_city=True)
        text = f"{place} ({get_timezone_gmt(there, locale=locale)})"
        found.append((offset, text, name))
    return tuple((name, text) for _, text, name in sorted(found, key=lambda row: (row[0] is None, row[0], row[1])))
