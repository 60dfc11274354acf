# SPDX-License-Identifier: Apache-2.0
"""The attendee's side: which answers a changed copy owes its organizer (interop checklist A01 to A13)."""

import pytest

from gateway.itip.model import DiffSettings
from tests.support.calendars import DANA, LEE, SAM, calendar, component, events
from tests.support.changes import KIM, ROME, changed, meeting, occurrence, people, sent

WEEKLY = "RRULE:FREQ=WEEKLY;COUNT=5"
SECOND, THIRD = "20261210", "20261217"
AT_SECOND, AT_THIRD = f"{SECOND}T100000", f"{THIRD}T100000"
ZED = "zed@third.example"


def said(lines: tuple[str, ...], partstat: str, *params: str) -> tuple[str, ...]:
    """The lines with Lee's answer in them."""
    more = "".join(f";{param}" for param in params)
    return tuple(line.replace("CN=Lee", f"CN=Lee;PARTSTAT={partstat}{more}") for line in lines)


def one(partstat: str = "NEEDS-ACTION", *more: str, params: tuple[str, ...] = ()) -> str:
    return calendar(component(*said(meeting(*more), partstat, *params)))


def series(partstat: str, *overrides: tuple[str, ...], more: tuple[str, ...] = ()) -> str:
    master = component(*said(meeting(WEEKLY, *more), partstat))
    return calendar(master, *(component(*lines) for lines in overrides))


class TestAnswers:
    @pytest.mark.parametrize("partstat", ["ACCEPTED", "DECLINED", "TENTATIVE"])
    def test_an_answer_goes_to_the_organizer_alone(self, partstat: str) -> None:
        found = changed(one("NEEDS-ACTION", "SEQUENCE:3"), one(partstat, "SEQUENCE:3"), LEE)
        assert sent(found) == [("REPLY", (DANA,), ("",))]
        message = found.messages[0]
        assert (message.sequence, message.from_address) == (3, LEE)
        assert people(message) == {LEE: {"CN": "Lee", "PARTSTAT": partstat}}
        event = events(message.calendar)[""]
        assert event["SUMMARY"] == "Budget"
        assert "DTSTART" in event
        assert "STATUS" not in event

    def test_a_change_of_mind(self) -> None:
        assert people(changed(one("ACCEPTED"), one("DECLINED"), LEE).messages[0])[LEE]["PARTSTAT"] == "DECLINED"

    def test_who_is_named_by_a_path_answers_from_their_address(self) -> None:
        new = one("ACCEPTED").replace(f":mailto:{LEE}", ":/principals/lee/").replace("CN=Lee;", f"CN=Lee;EMAIL={LEE};")
        message = changed(None, new, LEE).messages[0]
        assert message.from_address == LEE
        assert people(message)[LEE]["PARTSTAT"] == "ACCEPTED"

    def test_who_was_invited_under_a_tag_of_their_mailbox_answers_under_it(self) -> None:
        """Interop Q81."""
        tag = ("lee@", "lee+work@")
        message = changed(one().replace(*tag), one("ACCEPTED").replace(*tag), LEE).messages[0]
        assert (message.method, message.from_address) == ("REPLY", LEE.replace(*tag))

    def test_of_two_answers_in_one_second_the_later_is_stamped_later(self) -> None:
        """Google drops a second answer with an equal DTSTAMP (interop A02)."""
        first = changed(one(), one("ACCEPTED"), LEE)
        noted = changed(first.stored, one("ACCEPTED", "CATEGORIES:Work"), LEE)
        second = changed(noted.stored, one("DECLINED"), LEE)
        stamps = [events(each.messages[0].calendar)[""]["DTSTAMP"].dt for each in (first, second)]
        assert stamps[0] < stamps[1]
        assert "X-IMIP" not in second.messages[0].calendar

    def test_taking_an_answer_back_is_not_one(self) -> None:
        assert changed(one("ACCEPTED"), one("NEEDS-ACTION"), LEE).nothing_rule == "change.local-only"

    def test_a_word_that_nobody_knows_is_no_answer(self) -> None:
        assert changed(one(), one("X-PERHAPS"), LEE).nothing_rule == "change.local-only"

    def test_a_copy_that_arrives_answered_is_an_answer(self) -> None:
        assert sent(changed(None, one("ACCEPTED"), LEE)) == [("REPLY", (DANA,), ("",))]
        assert changed(None, one(), LEE).nothing_rule == "change.local-only"

    def test_the_organizers_sequence_is_echoed_whatever_the_client_does(self) -> None:
        found = changed(one("NEEDS-ACTION", "SEQUENCE:3"), one("ACCEPTED", "SEQUENCE:4"), LEE)
        assert found.messages[0].sequence == 3
        assert "SEQUENCE:3" in (found.stored or "")
        updated = one("ACCEPTED", "SEQUENCE:4", "DTSTART;TZID=Europe/Rome:20261203T093000")
        assert changed(one("NEEDS-ACTION", "SEQUENCE:3"), updated, LEE).messages[0].sequence == 4

    def test_a_client_that_edits_and_forgets_the_sequence_turns_nothing_back(self) -> None:
        found = changed(one("NEEDS-ACTION", "SEQUENCE:3"), one("ACCEPTED", "LOCATION:By train"), LEE)
        assert found.messages[0].sequence == 3
        assert "SEQUENCE:3" in (found.stored or "")

    def test_an_exception_of_the_clients_own_has_the_sequence_of_the_series(self) -> None:
        new = calendar(
            component(*said(meeting(WEEKLY, "SEQUENCE:3"), "ACCEPTED")),
            component(*said(occurrence(SECOND, "SEQUENCE:4"), "DECLINED")),
        )
        found = changed(one("ACCEPTED", WEEKLY, "SEQUENCE:3"), new, LEE)
        assert (sent(found), found.messages[0].sequence) == ([("REPLY", (DANA,), (AT_SECOND,))], 3)
        assert "SEQUENCE:4" not in (found.stored or "")

    def test_the_organizer_is_named_as_received(self) -> None:
        odd = one("ACCEPTED").replace(f"mailto:{DANA}", "MAILTO:Dana.R@Example.ORG")
        message = changed(None, odd, LEE).messages[0]
        assert message.to == ("Dana.R@Example.ORG",)
        assert "ORGANIZER;CN=Dana:MAILTO:Dana.R@Example.ORG" in message.calendar

    def test_every_own_address_answers_for_itself(self) -> None:
        new = one("ACCEPTED").replace("CN=Sam;PARTSTAT=ACCEPTED", "CN=Sam;PARTSTAT=DECLINED")
        found = changed(one(), new, LEE, SAM)
        assert {each.from_address: people(each)[each.from_address]["PARTSTAT"] for each in found.messages} == {
            LEE: "ACCEPTED",
            SAM: "DECLINED",
        }

    def test_an_alias_in_capitals_is_the_user(self) -> None:
        found = changed(one(), one("ACCEPTED"), LEE.upper())
        assert found.messages[0].from_address == LEE

    def test_a_comment_goes_along_and_alone(self) -> None:
        found = changed(one(), one("ACCEPTED", "COMMENT:Ten minutes late"), LEE)
        assert "COMMENT:Ten minutes late" in found.messages[0].calendar
        alone = changed(one("ACCEPTED", "COMMENT:Hello"), one("ACCEPTED", "COMMENT:Hello", "COMMENT:Late"), LEE)
        assert "COMMENT:Late" in alone.messages[0].calendar
        assert "COMMENT:Hello" not in alone.messages[0].calendar

    def test_a_word_before_the_answer_is_told_unless_it_is_the_organizers(self) -> None:
        found = changed(one(), one("NEEDS-ACTION", "COMMENT:I shall know on Friday"), LEE)
        assert "COMMENT:I shall know on Friday" in found.messages[0].calendar
        assert people(found.messages[0])[LEE]["PARTSTAT"] == "NEEDS-ACTION"
        update = one("NEEDS-ACTION", "COMMENT:Now in Rome", "LOCATION:Rome", "SEQUENCE:9")
        assert changed(one(), update, LEE).nothing_rule == "change.local-only"

    def test_other_edits_stay_local(self) -> None:
        for more in (("SUMMARY:Mine",), ("TRANSP:TRANSPARENT",), ("CATEGORIES:Work",), ("LOCATION:Home",)):
            assert changed(one("ACCEPTED"), one("ACCEPTED", *more), LEE).nothing_rule == "change.local-only"

    def test_force_send_answers_again(self) -> None:
        forced = one("ACCEPTED").replace("ORGANIZER;", "ORGANIZER;SCHEDULE-FORCE-SEND=REPLY;")
        found = changed(one("ACCEPTED"), forced, LEE)
        assert sent(found) == [("REPLY", (DANA,), ("",))]
        wrong = one("ACCEPTED").replace("ORGANIZER;", "ORGANIZER;SCHEDULE-FORCE-SEND=REQUEST;")
        assert changed(one("ACCEPTED"), wrong, LEE).nothing_rule == "change.local-only"

    @pytest.mark.parametrize("agent", ["CLIENT", "NONE"])
    def test_another_program_answers(self, agent: str) -> None:
        own = one("ACCEPTED").replace("ORGANIZER;", f"ORGANIZER;SCHEDULE-AGENT={agent};")
        assert changed(one(), own, LEE).nothing_rule == "change.schedule-agent"

    def test_an_organizer_who_cannot_be_reached(self) -> None:
        own = one("ACCEPTED").replace(f"mailto:{DANA}", "invalid:nomail")
        assert changed(None, own, LEE).nothing_rule == "change.unreachable"

    def test_a_cancelled_event_is_not_answered(self) -> None:
        assert changed(one(), one("ACCEPTED", "STATUS:CANCELLED"), LEE).nothing_rule == "change.cancelled"

    def test_an_event_that_is_over_is_not_answered(self) -> None:
        past = {"start": "20261103T100000", "end": "20261103T110000"}
        old = calendar(component(*meeting(**past)))  # type: ignore[arg-type]
        new = calendar(component(*said(meeting(**past), "ACCEPTED")))  # type: ignore[arg-type]
        assert changed(old, new, LEE).nothing_rule == "change.past"


class TestDeleting:
    @pytest.mark.parametrize(
        ("partstat", "rule"),
        [
            ("ACCEPTED", None),
            ("TENTATIVE", None),
            ("NEEDS-ACTION", "change.not-answered"),
            ("DECLINED", "change.declined"),
            ("DELEGATED", "change.declined"),
        ],
    )
    def test_deleting_declines_what_was_answered(self, partstat: str, rule: str | None) -> None:
        found = changed(one(partstat, "SEQUENCE:2"), None, LEE)
        assert found.nothing_rule == rule
        if rule is None:
            assert sent(found) == [("REPLY", (DANA,), ("",))]
            assert people(found.messages[0])[LEE]["PARTSTAT"] == "DECLINED"
            assert found.messages[0].sequence == 2

    def test_a_cancelled_copy_is_deleted_in_silence(self) -> None:
        assert changed(one("ACCEPTED", "STATUS:CANCELLED"), None, LEE).nothing_rule == "change.cancelled"

    def test_a_series_is_declined_as_one(self) -> None:
        old = series("ACCEPTED", said(occurrence(SECOND, hour=14), "TENTATIVE"))
        assert sent(changed(old, None, LEE)) == [("REPLY", (DANA,), ("",))]

    def test_an_invitation_to_single_occurrences_is_declined_one_by_one(self) -> None:
        old = calendar(
            component(*said(occurrence(SECOND), "ACCEPTED")),
            component(*said(occurrence(THIRD), "DECLINED")),
            component(*said(occurrence("20261224"), "TENTATIVE")),
        )
        found = changed(old, None, LEE)
        assert sent(found) == [("REPLY", (DANA,), (AT_SECOND,)), ("REPLY", (DANA,), ("20261224T100000",))]

    def test_taking_oneself_off_the_list_declines(self) -> None:
        alone = calendar(component(*(line for line in meeting() if "CN=Lee" not in line)))
        found = changed(one("ACCEPTED"), alone, LEE)
        assert people(found.messages[0])[LEE]["PARTSTAT"] == "DECLINED"


class TestOccurrences:
    def test_one_occurrence_is_answered_alone(self) -> None:
        found = changed(series("ACCEPTED"), series("ACCEPTED", said(occurrence(SECOND), "DECLINED")), LEE)
        assert sent(found) == [("REPLY", (DANA,), (AT_SECOND,))]
        message = found.messages[0]
        assert people(message, AT_SECOND)[LEE]["PARTSTAT"] == "DECLINED"
        assert f"RECURRENCE-ID;{ROME}:{AT_SECOND}" in message.calendar
        assert "RRULE" not in message.calendar.partition("BEGIN:VEVENT")[2]

    def test_an_occurrence_that_the_client_names_in_utc_is_answered_in_the_form_of_the_series(self) -> None:
        lines = said(occurrence(SECOND), "DECLINED")
        in_utc = tuple(
            line.replace(f"RECURRENCE-ID;{ROME}:{AT_SECOND}", f"RECURRENCE-ID:{SECOND}T090000Z") for line in lines
        )
        found = changed(series("ACCEPTED"), series("ACCEPTED", in_utc), LEE)
        assert sent(found) == [("REPLY", (DANA,), (AT_SECOND,))]
        assert f"RECURRENCE-ID;{ROME}:{AT_SECOND}" in found.messages[0].calendar

    def test_an_exception_that_says_the_same_is_no_answer(self) -> None:
        same = series("ACCEPTED", said(occurrence(SECOND), "ACCEPTED"))
        assert changed(series("ACCEPTED"), same, LEE).nothing_rule == "change.local-only"

    def test_the_whole_and_one_occurrence_differently(self) -> None:
        new = series("ACCEPTED", said(occurrence(SECOND), "DECLINED"))
        found = changed(series("NEEDS-ACTION"), new, LEE)
        assert sent(found) == [("REPLY", (DANA,), ("",)), ("REPLY", (DANA,), (AT_SECOND,))]
        bundled = changed(series("NEEDS-ACTION"), new, LEE, settings=DiffSettings(one_instance_per_message=False))
        assert sent(bundled) == [("REPLY", (DANA,), ("", AT_SECOND))]
        created = changed(None, new, LEE)
        assert sent(created) == sent(found)

    def test_the_whole_speaks_for_the_exceptions_that_agree(self) -> None:
        new = series("ACCEPTED", said(occurrence(SECOND), "ACCEPTED"))
        assert sent(changed(series("NEEDS-ACTION"), new, LEE)) == [("REPLY", (DANA,), ("",))]

    def test_the_whole_does_not_speak_for_an_exception_that_is_newer(self) -> None:
        def copy(partstat: str) -> str:
            return series(partstat, said(occurrence(SECOND, "SEQUENCE:1", hour=14), partstat))

        found = changed(copy("NEEDS-ACTION"), copy("ACCEPTED"), LEE)
        assert sent(found) == [("REPLY", (DANA,), ("",)), ("REPLY", (DANA,), (AT_SECOND,))]
        assert [each.sequence for each in found.messages] == [0, 1]

    def test_an_exclusion_declines(self) -> None:
        for exdate in (f"EXDATE;{ROME}:{AT_SECOND}", f"EXDATE:{SECOND}T090000Z"):
            found = changed(series("ACCEPTED"), series("ACCEPTED", more=(exdate,)), LEE)
            assert sent(found) == [("REPLY", (DANA,), (AT_SECOND,))]
            assert people(found.messages[0], AT_SECOND)[LEE]["PARTSTAT"] == "DECLINED"
            assert f"DTSTART;{ROME}:{AT_SECOND}" in found.messages[0].calendar

    def test_an_excluded_exception_declines(self) -> None:
        moved = said(occurrence(SECOND, hour=14), "ACCEPTED")
        new = series("ACCEPTED", more=(f"EXDATE;{ROME}:{AT_SECOND}",))
        found = changed(series("ACCEPTED", moved), new, LEE)
        assert sent(found) == [("REPLY", (DANA,), (AT_SECOND,))]
        assert f"DTSTART;{ROME}:{SECOND}T140000" in found.messages[0].calendar

    def test_nothing_is_declined_twice(self) -> None:
        gone = (f"EXDATE;{ROME}:{AT_SECOND}",)
        assert sent(changed(series("ACCEPTED"), series("DECLINED", more=gone), LEE)) == [("REPLY", (DANA,), ("",))]
        declined = said(occurrence(SECOND), "DECLINED")
        found = changed(series("ACCEPTED", declined), series("ACCEPTED", more=gone), LEE)
        assert found.nothing_rule == "change.local-only"
        assert changed(series("ACCEPTED"), series("ACCEPTED", more=("EXDATE:20300101T090000Z",)), LEE).nothing_rule

    def test_invited_to_one_occurrence_only(self) -> None:
        def alone(partstat: str) -> str:
            return calendar(component(*said(occurrence(SECOND), partstat)))

        assert sent(changed(alone("NEEDS-ACTION"), alone("TENTATIVE"), LEE)) == [("REPLY", (DANA,), (AT_SECOND,))]
        assert sent(changed(None, alone("ACCEPTED"), LEE)) == [("REPLY", (DANA,), (AT_SECOND,))]

    def test_an_occurrence_that_is_over_is_not_answered(self) -> None:
        long = "RRULE:FREQ=WEEKLY;COUNT=50"
        times = {"start": "20261105T100000", "end": "20261105T110000"}
        master = component(*said(meeting(long, **times), "ACCEPTED"))  # type: ignore[arg-type]
        new = calendar(master, component(*said(occurrence("20261112"), "DECLINED")))
        assert changed(calendar(master), new, LEE).nothing_rule == "change.past-instance"

    def test_an_occurrence_that_is_on_in_a_series_that_is_not(self) -> None:
        old = series("ACCEPTED", said(occurrence(SECOND), "NEEDS-ACTION"), more=("STATUS:CANCELLED",))
        new = series("ACCEPTED", said(occurrence(SECOND), "ACCEPTED"), more=("STATUS:CANCELLED",))
        assert sent(changed(old, new, LEE)) == [("REPLY", (DANA,), (AT_SECOND,))]

    def test_a_single_answer_taken_back(self) -> None:
        old = series("ACCEPTED", said(occurrence(SECOND), "DECLINED"))
        found = changed(old, series("ACCEPTED"), LEE)
        assert sent(found) == [("REPLY", (DANA,), (AT_SECOND,))]
        assert people(found.messages[0], AT_SECOND)[LEE]["PARTSTAT"] == "ACCEPTED"


class TestDelegation:
    def test_the_organizer_and_the_delegate_are_told(self) -> None:
        found = changed(
            one("NEEDS-ACTION", "SEQUENCE:2"),
            one("DELEGATED", "SEQUENCE:2", params=(f'DELEGATED-TO="mailto:{ZED}"',)),
            LEE,
        )
        assert sent(found) == [("REPLY", (DANA,), ("",)), ("REQUEST", (ZED,), ("",))]
        reply, request = found.messages
        assert list(people(reply)) == [LEE]
        assert people(reply)[LEE]["DELEGATED-TO"] == f"mailto:{ZED}"
        assert (request.from_address, request.sequence) == (LEE, 2)
        assert people(request)[ZED]["DELEGATED-FROM"] == f"mailto:{LEE}"
        assert people(request)[ZED]["RSVP"] == "TRUE"
        assert f"ORGANIZER;CN=Dana:mailto:{DANA}" in request.calendar

    def test_a_client_that_raises_sequence_does_not_raise_the_organizers(self) -> None:
        passed_on = one("DELEGATED", "SEQUENCE:3", params=(f'DELEGATED-TO="mailto:{ZED}"',))
        found = changed(one("NEEDS-ACTION", "SEQUENCE:2"), passed_on, LEE)
        assert [(each.method, each.sequence) for each in found.messages] == [("REPLY", 2), ("REQUEST", 2)]

    def test_a_delegate_who_is_listed_already(self) -> None:
        listed = f'ATTENDEE;CN=Zed;DELEGATED-FROM="mailto:{LEE}":mailto:{ZED}'
        new = one("DELEGATED", listed, params=(f'DELEGATED-TO="mailto:{ZED}"',))
        found = changed(one(), new, LEE)
        assert people(found.messages[1])[ZED]["CN"] == "Zed"
        assert changed(new, new, LEE).nothing_rule == "change.local-only"

    def test_another_delegate(self) -> None:
        old = one("DELEGATED", params=(f'DELEGATED-TO="mailto:{ZED}"',))
        new = one("DELEGATED", params=(f'DELEGATED-TO="mailto:{KIM}"',))
        assert sent(changed(old, new, LEE)) == [("REPLY", (DANA,), ("",)), ("REQUEST", (KIM,), ("",))]

    @pytest.mark.parametrize("delegate", [DANA, "MAILTO:L.Green@partner.example"])
    def test_neither_oneself_nor_the_organizer_is_invited_by_a_delegation(self, delegate: str) -> None:
        new = one("DELEGATED", params=(f'DELEGATED-TO="{delegate}"',))
        assert sent(changed(one(), new, LEE, "l.green@partner.example")) == [("REPLY", (DANA,), ("",))]

    def test_with_a_series_go_the_exceptions_that_are_passed_on_with_it(self) -> None:
        params = (f'DELEGATED-TO="mailto:{ZED}"',)

        def copy(whole: str, moved: str, kept: str) -> str:
            passed_on = params if whole == "DELEGATED" else ()
            lines = [
                said(meeting("RRULE:FREQ=WEEKLY;COUNT=5"), whole, *passed_on),
                said(occurrence("20261210", hour=14), moved, *passed_on),
                said(occurrence("20261217", hour=14), kept),
            ]
            return calendar(*(component(*each) for each in lines))

        found = changed(copy("ACCEPTED", "ACCEPTED", "ACCEPTED"), copy("DELEGATED", "DELEGATED", "ACCEPTED"), LEE)
        to_zed = [each for each in found.messages if each.to == (ZED,)]
        assert [each.recurrence_ids for each in to_zed] == [("",), ("20261210T100000",)]
        assert "EXDATE;TZID=Europe/Rome:20261217T100000" in to_zed[0].calendar
        assert people(to_zed[1], "20261210T100000")[ZED]["DELEGATED-FROM"] == f"mailto:{LEE}"

    def test_the_delegate_answers_both(self) -> None:
        def delegated(partstat: str) -> str:
            return one("DELEGATED", f'ATTENDEE;DELEGATED-FROM="mailto:{LEE}";PARTSTAT={partstat}:mailto:{ZED}')

        found = changed(delegated("NEEDS-ACTION"), delegated("ACCEPTED"), ZED)
        assert sent(found) == [("REPLY", (DANA, LEE), ("",))]
        assert people(found.messages[0])[ZED]["DELEGATED-FROM"] == f"mailto:{LEE}"


class TestTasks:
    def test_progress_is_told(self) -> None:
        due = "DUE;TZID=Europe/Rome:20261203T100000"

        def task(partstat: str, *more: str) -> str:
            lines = (line for line in said(meeting(due, *more), partstat) if not line.startswith(("DTEND", "DTSTART")))
            return calendar(component(*lines, kind="VTODO"))

        half = task("IN-PROCESS", "PERCENT-COMPLETE:50", "STATUS:IN-PROCESS")
        found = changed(task("ACCEPTED"), half, LEE)
        assert people(found.messages[0])[LEE]["PARTSTAT"] == "IN-PROCESS"
        assert "PERCENT-COMPLETE:50" in found.messages[0].calendar
        further = changed(half, task("IN-PROCESS", "PERCENT-COMPLETE:80", "STATUS:IN-PROCESS"), LEE)
        assert "PERCENT-COMPLETE:80" in further.messages[0].calendar
        done = changed(
            half, task("COMPLETED", "COMPLETED:20261123T080000Z", "STATUS:COMPLETED", "PERCENT-COMPLETE:100"), LEE
        )
        assert "COMPLETED:20261123T080000Z" in done.messages[0].calendar
