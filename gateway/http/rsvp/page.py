# SPDX-License-Identifier: Apache-2.0
"""What a page says, before it has a form: the counterpart of `gateway.imip.letter` for the web.

Every text is plain, in the reader's language and already cleaned; escaping is the template's business. An operator's
own template relies on these names (see docs/rsvp.md): add, do not rename.
"""

from dataclasses import dataclass

from gateway.imip.letter import Quote, Row, Section, Tile


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a field."""

    value: str
    label: str
    checked: bool = False
    note: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to fill in. `kind`: radios, check, select, area, or the type of an input."""

    kind: str
    name: str
    label: str
    value: str = ""
    options: tuple[Option, ...] = ()
    required: bool = False
    hint: str = ""
    error: str = ""
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Form:
    """One question, one button. It goes to the page's own address: no proxy's prefix and no Host header matters."""

    submit: str
    fields: tuple[Field, ...] = ()
    hidden: tuple[tuple[str, str], ...] = ()
    heading: str = ""
    text: str = ""
    method: str = "post"
    is_quiet: bool = False  # not what the page is for


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence of its own. `tone` as in letters; `role`: status, or alert where something must be mended."""

    text: str
    tone: str = "neutral"
    role: str = "status"


@dataclass(frozen=True, slots=True)
class Here:
    """When the event is, for a script to say in the zone of the browser: instants, and how far off UTC (minutes)."""

    label: str
    starts: str
    ends: str
    offset: int


@dataclass(frozen=True, slots=True)
class Card:
    """The event: what the mail shows."""

    title: str
    rows: tuple[Row, ...] = ()
    tile: Tile | None = None
    is_over: bool = False
    here: Here | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list with what can be done about it."""

    title: str
    details: tuple[str, ...] = ()
    quote: str = ""
    forms: tuple[Form, ...] = ()
    tone: str = "neutral"


@dataclass(frozen=True, slots=True)
class Block:
    """A list under its own heading; `empty` is said where it has no entries."""

    heading: str
    entries: tuple[Entry, ...] = ()
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Go:
    """A way to another page of ours, relative, or to somewhere else."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that a page says, in reading order."""

    language: str
    direction: str
    title: str  # of the window: what it is about, then the state
    state: str  # above the title, in one sentence
    before: str = ""  # the word for an old value
    now: str = ""  # the word for a new one
    tone: str = "invite"
    notes: tuple[Note, ...] = ()
    card: Card | None = None
    undo: Form | None = None
    changes: Section | None = None
    quote: Quote | None = None
    forms: tuple[Form, ...] = ()
    below: tuple[Row, ...] = ()  # what is long, after the question
    blocks: tuple[Block, ...] = ()
    asides: tuple[Form, ...] = ()  # forms that come after the lists
    guests: Section | None = None
    ways: tuple[Go, ...] = ()
    settings_label: str = ""
    settings: Form | None = None
    footer: tuple[str, ...] = ()
    exits: tuple[Go, ...] = ()  # ways out, behind the footer
    script: str = ""  # of ours, relative; the page does without it
