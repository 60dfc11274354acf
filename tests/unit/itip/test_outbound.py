# SPDX-License-Identifier: Apache-2.0
"""Messages that are asked for one by one: COUNTER, DECLINECOUNTER, REFRESH, PUBLISH, REPLY, and REQUEST once more."""

from datetime import timedelta

import pytest

from gateway.errors import Refused
from gateway.itip.model import ItipMessage
from gateway.itip.outbound import (
    build_answer,
    build_counter,
    build_decline_counter,
    build_publish,
    build_refresh,
    build_requests,
)
from gateway.itip.tree import Component, Prop, parse_tree
from tests.support.calendars import DANA, LEE, NOW, SAM, calendar, component, events
from tests.support.changes import KIM, ROME, meeting, occurrence, people, sound, without

WEEKLY = "RRULE:FREQ=WEEKLY;COUNT=5"
SECOND = "20261210"
AT_SECOND = f"{SECOND}T100000"
MOVED = occurrence(SECOND, hour=14)


def stored(*more: str, overrides: tuple[tuple[str, ...], ...] = ()) -> Component:
    return parse_tree(calendar(component(*meeting(*more)), *(component(*lines) for lines in overrides)))


def part(*lines: str) -> Component:
    return parse_tree(calendar(component(*lines))).children("VEVENT")[0]


def checked(message: ItipMessage | None, *mine: str) -> ItipMessage:
    assert message is not None
    sound(message, mine)
    return message


class TestRequests:
    def test_the_present_state_for_one_guest(self) -> None:
        told = build_requests(stored(WEEKLY, "SEQUENCE:4", overrides=((*MOVED, "SEQUENCE:5"),)), LEE, now=NOW)
        assert [(each.recurrence_ids, each.sequence, each.to) for each in told] == [
            (("",), 4, (LEE,)),
            ((AT_SECOND,), 5, (LEE,)),
        ]
        for each in told:
            checked(each, DANA)

    def test_the_series_comes_before_its_exceptions_and_they_by_date(self) -> None:
        lines = (occurrence("20261217", hour=14), MOVED, meeting(WEEKLY))
        told = build_requests(parse_tree(calendar(*(component(*each) for each in lines))), LEE, now=NOW)
        assert [each.recurrence_ids for each in told] == [("",), (AT_SECOND,), ("20261217T100000",)]

    def test_only_what_the_guest_is_on(self) -> None:
        calendar_ = stored(WEEKLY, overrides=(without(MOVED, LEE), (*occurrence("20261217"), f"ATTENDEE:mailto:{KIM}")))
        told = build_requests(calendar_, LEE, now=NOW)
        assert f"EXDATE;{ROME}:{AT_SECOND}" in told[0].calendar
        assert [each.recurrence_ids for each in told] == [("",), ("20261217T100000",)]
        assert [each.recurrence_ids for each in build_requests(calendar_, KIM, now=NOW)] == [("20261217T100000",)]
        assert build_requests(calendar_, "stranger@example.org", now=NOW) == ()

    def test_hidden_guests_and_bundles(self) -> None:
        (one,) = build_requests(
            stored(WEEKLY, overrides=(MOVED,)), LEE, now=NOW, hide_attendees=True, one_instance_per_message=False
        )
        assert one.recurrence_ids == ("", AT_SECOND)
        assert list(people(one)) == [LEE]

    def test_later_than_the_last(self) -> None:
        (one,) = build_requests(stored(), LEE, now=NOW, last_dtstamp=NOW + timedelta(seconds=9))
        assert "DTSTAMP:20261123T090010Z" in one.calendar


class TestCounters:
    def test_a_proposal_echoes_the_sequence(self) -> None:
        proposed = part(*meeting(start="20261203T120000", end="20261203T130000"), "X-MINE:1")
        message = checked(
            build_counter(stored("SEQUENCE:3"), proposed, attendee=LEE, now=NOW, comment="After lunch, please"), LEE
        )
        assert (message.method, message.to, message.from_address, message.sequence) == ("COUNTER", (DANA,), LEE, 3)
        event = events(message.calendar)[""]
        assert event["DTSTART"].dt.hour == 12
        assert event["COMMENT"] == "After lunch, please"
        assert list(people(message)) == [LEE]
        assert "X-MINE" not in message.calendar

    def test_a_proposal_for_one_occurrence(self) -> None:
        proposed = part(f"RECURRENCE-ID:{SECOND}T090000Z", *meeting(start=f"{SECOND}T120000", end=f"{SECOND}T130000"))
        message = checked(build_counter(stored(WEEKLY), proposed, attendee=LEE, now=NOW), LEE)
        assert message.recurrence_ids == (AT_SECOND,)

    def test_strangers_propose_nothing(self) -> None:
        assert build_counter(stored(), part(*meeting()), attendee=KIM, now=NOW) is None

    def test_declining_goes_to_the_proposer(self) -> None:
        counter = build_counter(stored("SEQUENCE:3"), part(*meeting()), attendee=LEE, now=NOW)
        message = checked(
            build_decline_counter(
                stored("SEQUENCE:3"), parse_tree(checked(counter, LEE).calendar), proposer=LEE, now=NOW, comment="No"
            ),
            DANA,
        )
        assert (message.method, message.to, message.from_address, message.sequence) == (
            "DECLINECOUNTER",
            (LEE,),
            DANA,
            3,
        )
        assert list(people(message)) == [LEE]
        stranger = calendar(component(*without(without(meeting(), LEE), SAM), f"ATTENDEE:mailto:{KIM}"))
        odd = stranger.replace(f"ATTENDEE;CN=Dana;ROLE=CHAIR;PARTSTAT=ACCEPTED:mailto:{DANA}\r\n", "")
        assert build_decline_counter(stored(), parse_tree(odd), proposer=KIM, now=NOW) is None
        assert build_decline_counter(stored(), parse_tree(calendar()), proposer=LEE, now=NOW) is None

    def test_a_proposal_that_names_everybody_is_declined_to_who_made_it(self) -> None:
        """RFC 5546 §3.2.7: a COUNTER may carry the whole list."""
        for person in (SAM, LEE):
            message = build_decline_counter(
                stored(), parse_tree(calendar(component(*meeting()))), proposer=person, now=NOW
            )
            assert list(people(checked(message, DANA))) == [person]
            assert checked(message, DANA).to == (person,)


class TestOthers:
    def test_refresh_says_who_asks_and_for_what(self) -> None:
        message = build_refresh(stored("SEQUENCE:3"), attendee=LEE, now=NOW, comment="What is the state?")
        assert message is not None
        assert (message.method, message.to, message.from_address) == ("REFRESH", (DANA,), LEE)
        (event,) = parse_tree(message.calendar).children("VEVENT")
        assert {line.name for line in event.properties} == {"UID", "ORGANIZER", "ATTENDEE", "DTSTAMP", "COMMENT"}
        one = build_refresh(stored(), attendee=KIM, now=NOW, recurrence_id=Prop("RECURRENCE-ID", f"{SECOND}T090000Z"))
        assert one is not None
        assert one.recurrence_ids == (f"{SECOND}T090000Z",)

    def test_publishing_names_no_attendee(self) -> None:
        message = checked(build_publish(stored(WEEKLY, overrides=(MOVED,)), to=["list@example.org"], now=NOW))
        assert "ATTENDEE" not in message.calendar
        assert message.recurrence_ids == ("", AT_SECOND)

    def test_an_answer_whatever_the_copy_says(self) -> None:
        message = checked(
            build_answer(stored(WEEKLY), attendee=LEE, partstat="tentative", now=NOW, comment="Perhaps"), LEE
        )
        assert people(message)[LEE]["PARTSTAT"] == "TENTATIVE"
        key = f"{SECOND}T090000Z"
        single = checked(build_answer(stored(WEEKLY), attendee=LEE, partstat="DECLINED", now=NOW, key=key), LEE)
        assert single.recurrence_ids == (AT_SECOND,)
        assert build_answer(stored(), attendee=KIM, partstat="ACCEPTED", now=NOW) is None
        with pytest.raises(Refused, match="bad-value"):
            build_answer(stored(), attendee=LEE, partstat="PERHAPS", now=NOW)

    @pytest.mark.parametrize("text", ["line one\r\nATTENDEE:mailto:evil@example.org", "a;b,c\\d", "x" * 500])
    def test_a_comment_breaks_out_of_nothing(self, text: str) -> None:
        message = checked(build_answer(stored(), attendee=LEE, partstat="ACCEPTED", now=NOW, comment=text), LEE)
        assert list(people(message)) == [LEE]
        assert events(message.calendar)[""]["COMMENT"] == text.replace("\r\n", "\n")
