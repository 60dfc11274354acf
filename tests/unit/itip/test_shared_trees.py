# SPDX-License-Identifier: Apache-2.0
"""What is remembered of a component says the same as reading it anew, through every kind of edit."""

from dataclasses import replace
from datetime import UTC, datetime

from gateway.itip.inbound import apply
from gateway.itip.objects import read_attendees
from gateway.itip.tree import Component, Prop, parse_tree, settled

GUESTS = "".join(f"ATTENDEE;CN=G{n};PARTSTAT=NEEDS-ACTION:mailto:g{n}@else.example\r\n" for n in range(100))
EVENT = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260601T080000Z\r\n"
    f"DTSTART:20260701T080000Z\r\nORGANIZER:mailto:ann@example.org\r\n{GUESTS}END:VEVENT\r\nEND:VCALENDAR\r\n"
)
NOW = datetime(2026, 6, 1, 9, tzinfo=UTC)


def reply(guest: str, partstat: str, at: str) -> Component:
    return parse_tree(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nMETHOD:REPLY\r\nBEGIN:VEVENT\r\nUID:u\r\n"
        f"DTSTAMP:{at}\r\nDTSTART:20260701T080000Z\r\nORGANIZER:mailto:ann@example.org\r\n"
        f"ATTENDEE;PARTSTAT={partstat}:mailto:{guest}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )


def said(tree: Component) -> dict[str, str]:
    return {address: party.partstat for address, party in read_attendees(next(tree.components)).items()}


def test_answer_after_answer_is_what_reading_the_text_gives() -> None:
    """The tree that an outcome carries stands for its text, however many answers it was handed through."""
    tree = parse_tree(EVENT)
    for number, partstat in ((3, "ACCEPTED"), (99, "DECLINED"), (3, "TENTATIVE"), (0, "ACCEPTED")):
        message = reply(f"g{number}@else.example", partstat, f"20260601T0800{number // 3:02}Z")
        outcome = apply(
            message, tree, sender_address=f"g{number}@else.example", addresses=("ann@example.org",), now=NOW
        )
        assert outcome.stored is not None
        assert outcome.tree is not None
        anew = parse_tree(outcome.stored)
        assert outcome.tree == anew
        assert [line.raw for line in next(outcome.tree.components).properties] == [
            line.raw for line in next(anew.components).properties
        ]
        assert said(outcome.tree) == said(anew)
        assert all(
            party.prop in next(outcome.tree.components).items
            for party in read_attendees(next(outcome.tree.components)).values()
        )
        tree = outcome.tree


def test_edits_of_many_lines_are_found_by_name() -> None:
    event = next(parse_tree(EVENT).components)
    assert event.first("X-NONE") is None
    assert len(event.all("ATTENDEE")) == len(read_attendees(event)) == 100
    longer = event.adding(Prop("ATTENDEE", "mailto:late@else.example"))
    assert "late@else.example" in read_attendees(longer)
    renamed = event.map_props(
        lambda line: Prop("ATTENDEE", "mailto:new@else.example") if line.value == "mailto:g5@else.example" else line
    )
    assert list(read_attendees(renamed))[5] == "new@else.example"
    fewer = event.map_props(lambda line: None if line.value == "mailto:g5@else.example" else line)
    assert "g5@else.example" not in read_attendees(fewer)
    assert next(iter(settled(renamed).all("ATTENDEE")[5:6])).raw == "ATTENDEE:mailto:new@else.example"


def test_the_tree_of_an_outcome_is_no_part_of_its_meaning() -> None:
    outcome = apply(reply("g1@else.example", "ACCEPTED", "20260601T080000Z"), parse_tree(EVENT),
                    sender_address="g1@else.example", addresses=("ann@example.org",), now=NOW)  # fmt: skip
    assert outcome == replace(outcome, tree=None)
