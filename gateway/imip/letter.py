# SPDX-License-Identifier: Apache-2.0
"""A mail's content before it has a form: every sentence, row and link that both text and HTML show.

One value feeds both templates, so the two can never state different facts (RFC 6047 §2.4). All texts are plain,
already in the reader's language, already cleaned; escaping is the template's business. Field names are part of
what an operator's own templates rely on: add, do not rename.
"""

from dataclasses import dataclass
from enum import StrEnum


class Tone(StrEnum):
    """What the mail means at a glance; never the only carrier of that meaning (WCAG 1.4.1)."""

    INVITE = "invite"
    CHANGE = "change"
    CANCEL = "cancel"
    YES = "yes"
    MAYBE = "maybe"
    NO = "no"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a row; `href` makes it something to press."""

    text: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A fact: its label and its lines."""

    label: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """What a fact was and is; `old` or `new` is "" where it was added or removed."""

    label: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class GuestLine:
    """One person on the list: `note` says role and answer in words, `answer` is the PARTSTAT."""

    name: str
    address: str
    note: str
    answer: str


@dataclass(frozen=True, slots=True)
class Button:
    """A link that leads to the answer page; `answer` is `accept`, `tentative` or `decline`."""

    text: str
    href: str
    answer: str


@dataclass(frozen=True, slots=True)
class Question:
    """The one thing that is asked of the reader; `notes` say what pressing a button does."""

    text: str
    buttons: tuple[Button, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Quote:
    """Words that a person wrote, and whose they are."""

    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Tile:
    """The small calendar leaf: month, day, weekday."""

    month: str
    day: str
    weekday: str


@dataclass(frozen=True, slots=True)
class Section:
    """A heading of its own with the changes, rows or names below it."""

    heading: str
    rows: tuple[Row, ...] = ()
    changes: tuple[ChangeRow, ...] = ()
    guests: tuple[GuestLine, ...] = ()
    more: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """Everything that a mail says to its reader, in reading order."""

    kind: str  # the name of its kind, such as `update`: for templates that make a difference
    language: str
    direction: str
    tone: Tone
    subject: str
    headline: str
    title: str
    before: str  # the word for an old value
    now: str  # the word for a new one
    colon: str = ": "  # between a label and what it says, as the language writes it
    is_over: bool = False  # the title is struck out
    tile: Tile | None = None
    details: tuple[str, ...] = ()  # sentences right below the headline
    quote: Quote | None = None
    changes: Section | None = None
    rows: tuple[Row, ...] = ()
    question: Question | None = None
    guests: Section | None = None
    actions: tuple[Line, ...] = ()
    also: Section | None = None  # further events that the same mail tells of, one row each
    footer: tuple[str, ...] = ()
    unsubscribe: Line | None = None
