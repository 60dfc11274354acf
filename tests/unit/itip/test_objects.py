# SPDX-License-Identifier: Apache-2.0
"""A calendar as one scheduling object: who is on what, and everything that is wrong with it as a value."""

import pytest

from gateway.itip.instances import MASTER
from gateway.itip.objects import SchedulingObject, read_object
from gateway.itip.tree import parse_tree
from tests.support.calendars import DANA, LEE, SAM, calendar, component
from tests.support.changes import KIM, meeting, occurrence, without

WEEKLY = "RRULE:FREQ=WEEKLY;COUNT=5"
KEY = "20261210T090000Z"


def read(*components: str) -> SchedulingObject:
    return read_object(parse_tree(calendar(*components)))


def test_who_is_on_what() -> None:
    found = read(
        component(*meeting(WEEKLY)), component(*without(occurrence("20261210"), LEE), f"ATTENDEE:mailto:{KIM}")
    )
    assert list(found.attendees(MASTER)) == [DANA, LEE, SAM]
    assert list(found.attendees(KEY)) == [DANA, SAM, KIM]
    assert list(found.attendees("20261217T090000Z")) == [DANA, LEE, SAM], (
        "an occurrence of the rule has the series' people"
    )
    assert list(found.everyone) == [DANA, LEE, SAM, KIM]
    assert found.organizer is not None
    assert (found.organizer.address, found.organizer.name) == (DANA, "Dana")
    assert found.faults == ()


def test_of_two_lines_for_one_person_the_first_counts() -> None:
    found = read(component(*meeting(f"ATTENDEE;PARTSTAT=DECLINED:MAILTO:{LEE.upper()}")))
    assert found.everyone[LEE].partstat == "NEEDS-ACTION"


@pytest.mark.parametrize(
    ("line", "address", "mailable"),
    [
        ("ATTENDEE:mailto:Kim@Partner.example", KIM, True),
        (f"ATTENDEE;EMAIL={KIM}:urn:uuid:1", KIM, True),
        (f"ATTENDEE;EMAIL={KIM}:/123/principal/", KIM, True),
        (f"ATTENDEE;EMAIL=other@example.org:mailto:{KIM}", KIM, True),
        (f"ATTENDEE:{KIM}", KIM, True),
        ("ATTENDEE:urn:uuid:1", "urn:uuid:1", False),
        ("ATTENDEE;EMAIL=nonsense:invalid:nomail", "invalid:nomail", False),
    ],
)
def test_the_address_of_a_person(line: str, address: str, *, mailable: bool) -> None:
    person = read(component(*meeting(line))).everyone[address]
    assert person.is_mailable is mailable


@pytest.mark.parametrize(
    ("written", "agent"), [("", "SERVER"), ("client", "CLIENT"), ("NONE", "NONE"), ("X-FOO", "NONE")]
)
def test_what_nobody_knows_schedules_nothing(written: str, agent: str) -> None:
    line = f"ATTENDEE;SCHEDULE-AGENT={written}:mailto:{KIM}" if written else f"ATTENDEE:mailto:{KIM}"
    assert read(component(*meeting(line))).everyone[KIM].schedule_agent == agent


def test_sequences_per_instance_and_over_all() -> None:
    found = read(component(*meeting(WEEKLY, "SEQUENCE:2")), component(*occurrence("20261210", "SEQUENCE:5")))
    assert (found.sequence, found.sequence_of(MASTER), found.sequence_of(KEY)) == (5, 2, 5)
    assert found.sequence_of("20261217T090000Z") == 2


def test_only_overrides_is_an_object_too() -> None:
    found = read(component(*occurrence("20261210")))
    assert found.master is None
    assert list(found.overrides) == [KEY]
    assert found.faults == ()


@pytest.mark.parametrize("swapped", [False, True])
def test_of_two_versions_of_one_component_the_newer_counts(swapped: bool) -> None:
    """SEQUENCE first, then DTSTAMP, wherever they stand (RFC 5546 §2.1.5)."""
    masters = [
        component(*meeting(WEEKLY, "SEQUENCE:2", "SUMMARY:Old"), dtstamp="20261103T090000Z"),
        component(*meeting(WEEKLY, "SEQUENCE:3", "SUMMARY:New"), dtstamp="20261102T090000Z"),
    ]
    overrides = [
        component(*occurrence("20261210", "SUMMARY:Late"), dtstamp="20261103T090000Z"),
        component(*occurrence("20261210", "SUMMARY:Early"), dtstamp="20261102T090000Z"),
    ]
    found = read(*(reversed(masters) if swapped else masters), *(reversed(overrides) if swapped else overrides))
    assert found.master is not None
    assert (found.master.value("SUMMARY"), found.overrides[KEY].value("SUMMARY")) == ("New", "Late")
    assert {part.value("SUMMARY") for part in found.superseded} == {"Old", "Early"}


def test_every_fault_is_named() -> None:
    found = read(
        component(*meeting(), uid=""), component(*meeting(), uid="a"), component(*meeting(), uid="b", kind="VTODO")
    )
    assert [fault.rule for fault in found.faults] == [
        "object.several-uids",
        "object.mixed-kinds",
        "object.several-masters",
    ]
    assert [fault.rule for fault in read().faults] == ["object.no-component"]
    many = [component(*occurrence("20261210")) for _ in range(2_001)]
    assert "object.too-many-instances" in {fault.rule for fault in read(*many).faults}
