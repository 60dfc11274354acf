# SPDX-License-Identifier: Apache-2.0
"""Content lines as senders write them: ends, folds, names, parameters (RFC 5545 §3.1)."""

import pytest

from gateway.errors import Refused
from gateway.itip.content_lines import split_line, split_lines
from gateway.itip.tree import build_tree, escape_text, parse_tree, unescape_text

LINES = (
    "BEGIN:VCALENDAR",
    "BEGIN:VTIMEZONE",
    "TZID:Europe/Rome",
    "END:VTIMEZONE",
    "BEGIN:VEVENT",
    "SUMMARY:Über\\, alles und noch mehr",
    'ATTENDEE;CN="Roe, Jane: boss";X-A=1:mailto:jane@example.org',
    "END:VEVENT",
    "END:VCALENDAR",
)
TREE = parse_tree("\r\n".join(LINES))


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("blank", [" ", "\t"])
@pytest.mark.parametrize("width", [3, 7, 75])
def test_folds_and_ends_change_nothing(end: str, blank: str, width: int) -> None:
    text = end.join((end + blank).join(line[at : at + width] for at in range(0, len(line), width)) for line in LINES)
    assert parse_tree(text) == TREE
    assert parse_tree(text.encode()) == TREE
    assert build_tree(parse_tree(text)).count(end + blank) == text.count(end + blank) - _structural(width)


def _structural(width: int) -> int:
    """The folds in BEGIN and END lines, and in zones, which are written anew or were read before."""
    return sum((len(line) - 1) // width for line in LINES if line.startswith(("BEGIN:", "END:")))


def test_mixed_ends_and_empty_lines() -> None:
    text = "\n\n".join(LINES).replace("VEVENT\n\n", "VEVENT\r\n\r").replace("und", "\r\n und")
    assert parse_tree(text) == TREE


def test_a_fold_inside_a_character() -> None:
    data = "\r\n".join(LINES).encode().replace("Ü".encode(), "Ü".encode()[:1] + b"\r\n " + "Ü".encode()[1:])
    assert parse_tree(data) == TREE


def test_the_last_end_may_be_missing_and_no_other() -> None:
    assert parse_tree("\r\n".join(LINES[:-1])) == TREE
    for kept in (1, 2, 3, 5, 6, 7):  # cut inside of something
        with pytest.raises(Refused):
            parse_tree("\r\n".join(LINES[:kept]))


def test_two_zones_of_one_name_are_two() -> None:
    """What was read before is known by its whole text."""
    other = parse_tree("\r\n".join(LINES).replace("TZID:Europe/Rome", "TZID:Europe/Rome\r\nX-MINE:1"))
    assert other.children("VTIMEZONE") != TREE.children("VTIMEZONE")
    assert parse_tree("\r\n".join(LINES)) == TREE


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("SUMMARY:a:b;c", ("SUMMARY", "", "a:b;c")),
        ("dtstart;tzid=X:20261201", ("DTSTART", ";tzid=X", "20261201")),
        ('A;CN="x:y";B="z;:":v', ("A", ';CN="x:y";B="z;:"', "v")),
        ('A;CN="open:v', None),
        ("A B:v", None),
        ("no line", None),
        (":v", None),
        ("A:", ("A", "", "")),
    ],
)
def test_name_parameters_value(line: str, parts: tuple[str, str, str] | None) -> None:
    assert split_line(line) == parts


def test_lines_stand_beside_what_was_written() -> None:
    assert list(split_lines("A:1\r\nB:2\r\n 3\r\n\r\nC:4\r\n")) == [
        ("A:1", "A:1"),
        ("B:23", "B:2\r\n 3"),
        ("C:4", "C:4"),
    ]


@pytest.mark.parametrize(
    ("written", "means"),
    [
        (r"a\,b\;c\\d", r"a,b;c\d"),
        (r"one\ntwo\Nthree", "one\ntwo\nthree"),
        (r"C:\\new", r"C:\new"),
        (r"\\\n", "\\\n"),
        (r"\q", "q"),
        ("end\\", "end\\"),
    ],
)
def test_escapes_are_undone_from_left_to_right(written: str, means: str) -> None:
    """RFC 5545 §3.3.11; a backslash before any other character, or at the end, is sloppy and harmless."""
    assert unescape_text(written) == means
    assert unescape_text(escape_text(means)) == means
