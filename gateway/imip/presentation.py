# SPDX-License-Identifier: Apache-2.0
"""How a mail speaks and looks: people, language, zone, colours, logo, links, templates. Values only.

Whoever calls decides them (account, domain, default); nothing here looks anything up. See `render` for use.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SHOWN_GUESTS = 20
ACCENT = "#1d4ed8"


@dataclass(frozen=True, slots=True)
class Person:
    """A mail address and the name beside it. Both may be hostile; they are made safe where they are written."""

    address: str
    name: str = ""

    @property
    def shown(self) -> str:
        """The name where there is one, else the address."""
        return self.name.strip() or self.address


@dataclass(frozen=True, slots=True)
class Logo:
    """A small picture sent along in the mail (RFC 2392). `media_type` such as `image/png`."""

    data: bytes
    media_type: str
    alt: str = ""
    width: int = 120  # CSS pixels; the height follows


@dataclass(frozen=True, slots=True)
class Colours:
    """The two colours a domain may choose, `#rrggbb`; text on them, and they as text, keep a readable contrast."""

    accent: str = ACCENT  # buttons, links, the date tile
    accent_dark: str = ""  # links on a dark background; made of the accent where there is none


@dataclass(frozen=True, slots=True)
class Branding:
    """What a domain or tenant puts on its mail. `footer` is plain text in the domain's own words."""

    name: str = ""
    colours: Colours = field(default_factory=Colours)
    logo: Logo | None = None
    footer: str = ""


@dataclass(frozen=True, slots=True)
class Links:
    """Pages of ours for this recipient, https, each absent where there is none. No link acts by being opened."""

    accept: str = ""
    tentative: str = ""
    decline: str = ""
    page: str = ""  # the answer page without a preselected answer
    event: str = ""  # the event in the reader's own calendar
    unsubscribe: str = ""  # alarm mail to outsiders; one-click (RFC 8058 §3.1)

    @property
    def can_answer(self) -> bool:
        return bool(self.accept and self.decline)


@dataclass(frozen=True, slots=True)
class Templates:
    """Template sources that replace ours, by name (`mail.html.j2`, `mail.txt.j2`, `style.css.j2`); hashable."""

    sources: tuple[tuple[str, str], ...] = ()


#: Calls a function with own templates and more, where that is bounded in time and memory; the key names the templates.
Runner = Callable[..., Any]


def run_here(function: Callable[..., Any], *args: Any, key: object) -> Any:
    """Call a function in this very process, without any bound: for our own templates, and for tests."""
    return function(*args)


@dataclass(frozen=True, slots=True)
class Presentation:
    """Everything that depends on the reader and the domain. `time_zone` is the reader's own, an IANA name."""

    locale: str = "en"
    time_zone: str | None = None
    max_guests: int = SHOWN_GUESTS  # named in the text; more are counted
    branding: Branding = field(default_factory=Branding)
    links: Links = field(default_factory=Links)
    templates: Templates = field(default_factory=Templates)
    run: Runner = run_here  # how own templates are run
