# SPDX-License-Identifier: Apache-2.0
"""The organizer's side: which message for which change, to whom (interop checklist O01 to O27)."""

import pytest

from gateway.itip.model import DiffSettings, PartstatReset
from tests.support.calendars import DANA, LEE, NOW, SAM, calendar, component, events, partstats
from tests.support.changes import (
    CALDAV,
    KIM,
    ROME,
    changed,
    meeting,
    occurrence,
    people,
    sent,
    skipped,
    without,
)

WEEKLY = "RRULE:FREQ=WEEKLY;COUNT=5"
SECOND, THIRD = "20261210", "20261217"


def one(*more: str, **times: str) -> str:
    return calendar(component(*meeting(*more, **times)))  # type: ignore[arg-type]


def series(*overrides: tuple[str, ...], more: tuple[str, ...] = ()) -> str:
    return calendar(component(*meeting(WEEKLY, *more)), *(component(*lines) for lines in overrides))


MOVED = occurrence(SECOND, hour=14)
AT_SECOND, AT_THIRD = f"{SECOND}T100000", f"{THIRD}T100000"


class TestInvitations:
    def test_a_new_meeting_invites_everybody_but_the_organizer(self) -> None:
        found = changed(None, one())
        assert sent(found) == [("REQUEST", (LEE, SAM), ("",))]
        message = found.messages[0]
        assert (message.sequence, message.from_address, message.significant) == (0, DANA, True)
        assert people(message)[LEE] == {"CN": "Lee", "PARTSTAT": "NEEDS-ACTION", "RSVP": "TRUE"}
        assert people(message)[SAM] == {"CN": "Sam", "PARTSTAT": "ACCEPTED"}
        event = events(message.calendar)[""]
        assert (event["STATUS"], event["TRANSP"], event["SEQUENCE"]) == ("CONFIRMED", "OPAQUE", 0)
        assert found.stored is not None
        assert "SEQUENCE:0" in found.stored
        assert "RSVP" not in found.stored

    def test_attendees_on_a_private_event_are_invited_for_the_first_time(self) -> None:
        private = calendar(component(f"DTSTART;{ROME}:20261203T100000", "SUMMARY:Budget", "SEQUENCE:3"))
        found = changed(private, one("SEQUENCE:3"))
        assert sent(found) == [("REQUEST", (LEE, SAM), ("",))]
        assert found.messages[0].sequence == 3

    def test_a_series_with_exceptions_is_told_master_first_then_each_exception(self) -> None:
        found = changed(None, series(MOVED))
        assert sent(found) == [("REQUEST", (LEE, SAM), ("",)), ("REQUEST", (LEE, SAM), (AT_SECOND,))]

    def test_exceptions_are_told_by_date_however_the_client_lists_them(self) -> None:
        found = changed(None, series(occurrence(THIRD, hour=14), MOVED))
        assert [each.recurrence_ids for each in found.messages] == [("",), (AT_SECOND,), (AT_THIRD,)]

    def test_in_rfc_mode_a_series_is_one_message(self) -> None:
        found = changed(None, series(MOVED), settings=DiffSettings(one_instance_per_message=False))
        assert sent(found) == [("REQUEST", (LEE, SAM), ("", AT_SECOND))]

    def test_who_is_on_one_occurrence_only_learns_of_no_other(self) -> None:
        found = changed(None, series((*MOVED, f"ATTENDEE:mailto:{KIM}")))
        to_kim = [each for each in found.messages if KIM in each.to]
        assert [each.recurrence_ids for each in to_kim] == [(AT_SECOND,)]
        assert "RRULE" not in to_kim[0].calendar.partition("BEGIN:VEVENT")[2]

    def test_who_is_not_on_an_exception_sees_it_excluded(self) -> None:
        found = changed(None, series(without(MOVED, LEE)))
        to_lee = [each for each in found.messages if LEE in each.to]
        assert [each.recurrence_ids for each in to_lee] == [("",)]
        assert f"EXDATE;{ROME}:{AT_SECOND}" in to_lee[0].calendar
        to_sam = [each for each in found.messages if SAM in each.to]
        assert "EXDATE" not in to_sam[0].calendar

    def test_hidden_attendees_see_themselves_alone(self) -> None:
        found = changed(None, one(), settings=DiffSettings(hide_attendees=True))
        assert sent(found) == [("REQUEST", (LEE,), ("",)), ("REQUEST", (SAM,), ("",))]
        assert [list(people(each)) for each in found.messages] == [[LEE], [SAM]]

    def test_a_room_is_asked_to_answer_even_after_it_has(self) -> None:
        room = "ATTENDEE;CUTYPE=ROOM;PARTSTAT=ACCEPTED:mailto:room@example.org"
        assert people(changed(None, one(room)).messages[0])["room@example.org"]["RSVP"] == "TRUE"

    def test_an_attendee_who_need_not_answer_is_invited_all_the_same(self) -> None:
        found = changed(None, one(f"ATTENDEE;RSVP=FALSE:mailto:{KIM}"))
        assert KIM in found.messages[0].to
        assert people(found.messages[0])[KIM]["RSVP"] == "FALSE"

    def test_a_calendar_that_was_cancelled_from_the_start_invites_nobody(self) -> None:
        found = changed(None, one("STATUS:CANCELLED"))
        assert found.nothing_rule == "change.cancelled"


class TestPeople:
    def test_an_added_guest_alone_is_told(self) -> None:
        found = changed(one(), one(f"ATTENDEE:mailto:{KIM}"))
        assert sent(found) == [("REQUEST", (KIM,), ("",))]
        assert people(found.messages[0])[KIM] == {"PARTSTAT": "NEEDS-ACTION", "RSVP": "TRUE"}
        assert set(people(found.messages[0])) == {DANA, LEE, SAM, KIM}
        assert skipped(found) == {"change.self", "change.not-significant"}

    def test_a_removed_guest_alone_is_told_and_not_that_the_meeting_is_off(self) -> None:
        found = changed(one(), calendar(component(*without(meeting(), LEE))))
        assert sent(found) == [("CANCEL", (LEE,), ("",))]
        message = found.messages[0]
        assert message.sequence == 1
        assert list(people(message)) == [LEE]
        assert "STATUS" not in message.calendar
        assert "SUMMARY:Budget" in message.calendar
        assert "DTSTART" in message.calendar
        assert "SEQUENCE:1" in (found.stored or "")

    def test_another_address_is_another_guest(self) -> None:
        new = calendar(component(*without(meeting(), LEE), f"ATTENDEE:mailto:{KIM}"))
        assert sent(changed(one(), new)) == [("CANCEL", (LEE,), ("",)), ("REQUEST", (KIM,), ("",))]

    def test_the_same_address_in_another_spelling_is_the_same_guest(self) -> None:
        new = one().replace(f"mailto:{LEE}", f"MAILTO:{LEE.upper()}")
        assert changed(one(), new).nothing_rule == "change.not-significant"

    def test_deleting_cancels_for_everybody(self) -> None:
        found = changed(one("SEQUENCE:2"), None)
        assert sent(found) == [("CANCEL", (LEE, SAM), ("",))]
        message = found.messages[0]
        assert message.sequence == 3
        assert "STATUS:CANCELLED" in message.calendar
        assert set(people(message)) == {DANA, LEE, SAM}

    def test_status_cancelled_cancels_for_everybody_once(self) -> None:
        found = changed(one(), one("STATUS:CANCELLED"))
        assert sent(found) == [("CANCEL", (LEE, SAM), ("",))]
        assert found.messages[0].calendar.count("STATUS:CANCELLED") == 1
        assert changed(found.stored, None).nothing_rule == "change.cancelled"
        assert changed(found.stored, found.stored).nothing_rule == "change.cancelled"

    def test_without_organizer_the_meeting_is_over_for_everybody(self) -> None:
        private = calendar(component(f"DTSTART;{ROME}:20261203T100000", "SUMMARY:Budget"))
        found = changed(one(), private)
        assert sent(found) == [("CANCEL", (LEE, SAM), ("",))]
        assert "STATUS:CANCELLED" in found.messages[0].calendar
        only_organizer_gone = calendar(component(*(line for line in meeting() if not line.startswith("ORGANIZER"))))
        assert sent(changed(one(), only_organizer_gone)) == [("CANCEL", (LEE, SAM), ("",))]

    def test_without_guests_the_guests_are_uninvited(self) -> None:
        found = changed(one(), calendar(component(*meeting(guests=False))))
        assert sent(found) == [("CANCEL", (LEE,), ("",)), ("CANCEL", (SAM,), ("",))]
        assert "STATUS" not in found.messages[0].calendar

    @pytest.mark.parametrize("agent", ["CLIENT", "NONE", "X-OTHER"])
    def test_who_is_scheduled_by_others_gets_nothing(self, agent: str) -> None:
        found = changed(None, one(f"ATTENDEE;SCHEDULE-AGENT={agent}:mailto:{KIM}"))
        assert sent(found) == [("REQUEST", (LEE, SAM), ("",))]
        assert "change.schedule-agent" in skipped(found)
        assert KIM in people(found.messages[0])

    def test_the_agent_changes_hands(self) -> None:
        ours, theirs = f"ATTENDEE:mailto:{KIM}", f"ATTENDEE;SCHEDULE-AGENT=CLIENT:mailto:{KIM}"
        assert sent(changed(one(ours), one(theirs))) == [("CANCEL", (KIM,), ("",))]
        assert sent(changed(one(theirs), one(ours))) == [("REQUEST", (KIM,), ("",))]
        assert changed(one(theirs), one(theirs)).nothing_rule == "change.not-significant"

    def test_an_event_that_another_program_scheduled_is_told_for_the_first_time(self) -> None:
        before = one().replace("ORGANIZER;", "ORGANIZER;SCHEDULE-AGENT=CLIENT;")
        assert sent(changed(before, one())) == [("REQUEST", (LEE, SAM), ("",))]
        assert changed(one(), before).nothing_rule == "change.schedule-agent"

    def test_force_send_tells_one_guest_again_and_is_forgotten(self) -> None:
        forced = one().replace("CN=Lee", "CN=Lee;SCHEDULE-FORCE-SEND=REQUEST")
        found = changed(one(), forced)
        assert sent(found) == [("REQUEST", (LEE,), ("",))]
        assert found.messages[0].sequence == 0
        wrong = one().replace("CN=Lee", "CN=Lee;SCHEDULE-FORCE-SEND=REPLY")
        assert changed(one(), wrong).nothing_rule == "change.not-significant"
        assert sent(changed(one(), forced.replace("Budget", "Money"))) == [("REQUEST", (LEE, SAM), ("",))]

    @pytest.mark.parametrize("address", ["urn:uuid:1", "invalid:nomail", "mailto:nobody", "/principals/kim/"])
    def test_who_cannot_be_reached_is_named(self, address: str) -> None:
        found = changed(None, one(f"ATTENDEE:{address}"))
        assert sent(found) == [("REQUEST", (LEE, SAM), ("",))]
        assert "change.unreachable" in skipped(found)

    @pytest.mark.parametrize(
        "line",
        [f"ATTENDEE;EMAIL={KIM}:urn:uuid:5", f"ATTENDEE;EMAIL={KIM}:/principals/kim/", f"ATTENDEE:{KIM}"],
    )
    def test_in_mail_people_are_named_by_their_mail_address(self, line: str) -> None:
        """Nobody finds themself, or can answer, by a principal's path (RFC 6047 §2.3)."""
        new = one(line).replace(f"ORGANIZER;CN=Dana:mailto:{DANA}", f"ORGANIZER;EMAIL={DANA}:urn:uuid:1")
        for found in (changed(None, new), changed(new, None)):
            text = found.messages[0].calendar
            assert f":mailto:{KIM}\r\n" in text
            assert f"ORGANIZER:mailto:{DANA}\r\n" in text
        assert line in (changed(None, new).stored or "")

    def test_mail_comes_from_an_address_whatever_the_organizer_is_called(self) -> None:
        new = one().replace(f"ORGANIZER;CN=Dana:mailto:{DANA}", "ORGANIZER:urn:uuid:1")
        assert changed(None, new, "urn:uuid:1", DANA).messages[0].from_address == DANA

    def test_the_email_parameter_helps_where_the_address_is_none(self) -> None:
        found = changed(None, one(f"ATTENDEE;EMAIL={KIM}:urn:uuid:1"))
        assert found.messages[0].to == (LEE, SAM, KIM)

    @pytest.mark.parametrize(
        "spelling", ["MAILTO:DANA@example.org", "mailto:dana%40example.org", "mailto:d.rossi@example.org"]
    )
    def test_nobody_writes_to_themself(self, spelling: str) -> None:
        lines = [*meeting(guests=False)[:-1], f"ATTENDEE:{spelling}"]
        found = changed(None, calendar(component(*lines)), DANA, "d.rossi@example.org")
        assert found.nothing_rule == "change.only-self"

    def test_the_server_keeps_its_parameters_that_a_client_forgets(self) -> None:
        known = one().replace("CN=Lee", "CN=Lee;SCHEDULE-STATUS=1.2;X-IMIP-GATEWAY-SEQUENCE=0")
        found = changed(known, one("SUMMARY:Money"))
        assert "SCHEDULE-STATUS=1.2" in (found.stored or "").replace("\r\n ", "")
        assert "X-IMIP-GATEWAY-SEQUENCE=0" in (found.stored or "").replace("\r\n ", "")


class TestOccurrences:
    def test_a_moved_occurrence_is_told_alone(self) -> None:
        found = changed(series(), series(MOVED))
        assert sent(found) == [("REQUEST", (LEE, SAM), (AT_SECOND,))]
        message = found.messages[0]
        assert {change.name for change in message.changes} == {"DTSTART", "DTEND"}
        assert {change.recurrence_id for change in message.changes} == {AT_SECOND}
        assert message.sequence == 1

    def test_an_override_that_says_nothing_new_is_no_news(self) -> None:
        assert changed(series(), series(occurrence(SECOND))).nothing_rule == "change.not-significant"

    def test_an_override_dropped_puts_the_rule_back(self) -> None:
        found = changed(series(MOVED), series())
        assert sent(found) == [("REQUEST", (LEE, SAM), (AT_SECOND,))]
        assert f"DTSTART;{ROME}:{AT_SECOND}" in found.messages[0].calendar

    @pytest.mark.parametrize(
        "exdate",
        [f"EXDATE;{ROME}:{AT_SECOND}", f"EXDATE:{SECOND}T090000Z", f"EXDATE;VALUE=DATE:{SECOND}"],
    )
    def test_an_excluded_occurrence_is_cancelled(self, exdate: str) -> None:
        found = changed(series(), series(more=(exdate,)))
        assert sent(found) == [("CANCEL", (LEE, SAM), (AT_SECOND,))]
        message = found.messages[0]
        assert "STATUS:CANCELLED" in message.calendar
        assert f"RECURRENCE-ID;{ROME}:{AT_SECOND}" in message.calendar
        assert "RRULE" not in message.calendar.partition("BEGIN:VEVENT")[2]
        assert message.sequence == 1

    def test_a_later_update_carries_the_exclusion(self) -> None:
        gone = series(more=(f"EXDATE:{SECOND}T090000Z",))
        found = changed(gone, series(more=(f"EXDATE:{SECOND}T090000Z", "LOCATION:Room 1")))
        assert sent(found) == [("REQUEST", (LEE, SAM), ("",))]
        assert f"EXDATE;{ROME}:{AT_SECOND}" in found.messages[0].calendar

    def test_an_occurrence_that_comes_back_is_told_with_the_series(self) -> None:
        found = changed(series(more=(f"EXDATE;{ROME}:{AT_SECOND}",)), series())
        assert sent(found) == [("REQUEST", (LEE, SAM), ("",))]

    def test_a_cancelled_occurrence_cancels_that_one(self) -> None:
        found = changed(series(), series(occurrence(SECOND, "STATUS:CANCELLED")))
        assert sent(found) == [("CANCEL", (LEE, SAM), (AT_SECOND,))]
        assert changed(found.stored, found.stored).nothing_rule == "change.not-significant"

    def test_a_cancelled_exception_does_not_cancel_the_series(self) -> None:
        found = changed(series(MOVED), series(occurrence(SECOND, "STATUS:CANCELLED", hour=14)))
        assert sent(found) == [("CANCEL", (LEE, SAM), (AT_SECOND,))]

    def test_an_extra_date_is_told_with_the_series_and_taken_back_alone(self) -> None:
        extra = series(more=(f"RDATE;{ROME}:20261211T100000",))
        assert sent(changed(series(), extra)) == [("REQUEST", (LEE, SAM), ("",))]
        found = changed(extra, series())
        assert sent(found) == [("CANCEL", (LEE, SAM), ("20261211T100000",))]

    def test_a_guest_added_to_one_occurrence(self) -> None:
        found = changed(series(), series((*occurrence(SECOND), f"ATTENDEE:mailto:{KIM}")))
        assert sent(found) == [("REQUEST", (KIM,), (AT_SECOND,))]
        assert "RRULE" not in found.messages[0].calendar.partition("BEGIN:VEVENT")[2]

    def test_a_guest_removed_from_one_occurrence(self) -> None:
        found = changed(series(), series(without(occurrence(SECOND), LEE)))
        assert sent(found) == [("CANCEL", (LEE,), (AT_SECOND,))]
        message = found.messages[0]
        assert list(people(message, AT_SECOND)) == [LEE]
        assert "STATUS" not in message.calendar
        later = changed(found.stored, (found.stored or "").replace("SUMMARY:Budget", "SUMMARY:Money"))
        to_lee = [each for each in later.messages if LEE in each.to]
        assert [each.recurrence_ids for each in to_lee] == [("",)]
        assert f"EXDATE;{ROME}:{AT_SECOND}" in to_lee[0].calendar

    def test_a_guest_back_on_an_occurrence(self) -> None:
        found = changed(series(without(occurrence(SECOND), LEE)), series())
        assert sent(found) == [("REQUEST", (LEE,), (AT_SECOND,))]
        assert found.messages[0].sequence == 1  # above the cancellation that took them off it

    def test_from_the_series_to_one_occurrence(self) -> None:
        new = calendar(component(*without(meeting(WEEKLY), LEE)), component(*MOVED))
        found = changed(series(MOVED), new)
        assert sent(found) == [("CANCEL", (LEE,), ("",)), ("REQUEST", (LEE,), (AT_SECOND,))]

    def test_from_one_occurrence_to_the_series(self) -> None:
        guest = f"ATTENDEE:mailto:{KIM}"
        found = changed(series((*MOVED, guest)), series((*MOVED, guest), more=(guest,)))
        assert sent(found) == [("REQUEST", (KIM,), ("",)), ("REQUEST", (KIM,), (AT_SECOND,))]
        assert [each.sequence for each in found.messages] == [1, 1]

    def test_one_more_occurrence_without_its_series_is_news(self) -> None:
        first, second = (component(*occurrence(day)) for day in (SECOND, THIRD))
        found = changed(calendar(first), calendar(first, second))
        assert sent(found) == [("REQUEST", (LEE, SAM), (AT_THIRD,))]
        assert found.messages[0].sequence == 1

    def test_deleting_the_series_cancels_the_occurrences_of_who_knows_no_more(self) -> None:
        found = changed(series((*MOVED, f"ATTENDEE:mailto:{KIM}")), None)
        assert sent(found) == [("CANCEL", (LEE, SAM), ("",)), ("CANCEL", (KIM,), (AT_SECOND,))]

    def test_a_changed_series_is_told_with_its_surviving_exceptions(self) -> None:
        found = changed(series(MOVED), series(MOVED, more=("LOCATION:Room 1",)))
        assert sent(found) == [("REQUEST", (LEE, SAM), ("",)), ("REQUEST", (LEE, SAM), (AT_SECOND,))]
        assert [each.sequence for each in found.messages] == [1, 1]

    def test_a_moved_series_owes_no_cancellation_of_the_gaps_it_had(self) -> None:
        old = series(more=(f"EXDATE;{ROME}:{AT_SECOND}",))
        new = one(WEEKLY, f"EXDATE;{ROME}:{SECOND}T120000", start="20261203T120000", end="20261203T130000")
        assert sent(changed(old, new)) == [("REQUEST", (LEE, SAM), ("",))]

    def test_an_occurrence_named_in_another_zone_is_the_same(self) -> None:
        utc = tuple(
            line.replace(f"RECURRENCE-ID;{ROME}:{AT_SECOND}", f"RECURRENCE-ID:{SECOND}T090000Z") for line in MOVED
        )
        assert changed(series(MOVED), series(utc)).nothing_rule == "change.not-significant"
        found = changed(series(), series(utc))
        assert f"RECURRENCE-ID;{ROME}:{AT_SECOND}" in found.messages[0].calendar

    def test_only_the_changed_exception_of_many(self) -> None:
        other = occurrence(THIRD, hour=15)
        found = changed(series(MOVED, other), series(MOVED, occurrence(THIRD, hour=16)))
        assert sent(found) == [("REQUEST", (LEE, SAM), (AT_THIRD,))]

    def test_an_exception_without_organizer_and_uid_gets_the_series_own(self) -> None:
        bare = tuple(line for line in MOVED if not line.startswith("ORGANIZER"))
        assert changed(series(), series(bare)).messages

    def test_all_day_series(self) -> None:
        days = ("DTSTART;VALUE=DATE:20261203", "DTEND;VALUE=DATE:20261204", WEEKLY)
        old = calendar(component(*meeting(*days)))
        new = calendar(component(*meeting(*days, f"EXDATE;VALUE=DATE:{SECOND}")))
        found = changed(old, new)
        assert sent(found) == [("CANCEL", (LEE, SAM), (SECOND,))]
        assert f"RECURRENCE-ID;VALUE=DATE:{SECOND}" in found.messages[0].calendar
        assert "VTIMEZONE" not in found.messages[0].calendar


class TestSequence:
    def test_it_rises_by_one_above_both(self) -> None:
        assert changed(one("SEQUENCE:7"), one("SUMMARY:Money")).messages[0].sequence == 8

    def test_what_the_client_raised_is_kept(self) -> None:
        assert changed(one("SEQUENCE:7"), one("SUMMARY:Money", "SEQUENCE:9")).messages[0].sequence == 9

    def test_it_never_goes_down_even_where_nothing_is_owed(self) -> None:
        found = changed(one("SEQUENCE:7"), one("X-MINE:1"))
        assert "SEQUENCE:7" in (found.stored or "")

    def test_a_client_that_starts_over_is_lifted(self) -> None:
        found = changed(one("SEQUENCE:7"), calendar(component(*without(meeting("SEQUENCE:0"), LEE))))
        assert found.messages[0].sequence == 8
        assert "SEQUENCE:8" in (found.stored or "")

    def test_small_changes_need_no_new_number_on_caldav(self) -> None:
        assert changed(one("SEQUENCE:7"), one("SUMMARY:Money", "SEQUENCE:7"), settings=CALDAV).messages[0].sequence == 7
        moved = one("SEQUENCE:7", start="20261203T120000", end="20261203T130000")
        assert changed(one("SEQUENCE:7"), moved, settings=CALDAV).messages[0].sequence == 8

    def test_any_shared_change_raises_it_on_jmap_and_none_of_the_users_own(self) -> None:
        assert "SEQUENCE:1" in (changed(one(), one("PRIORITY:1")).stored or "")
        assert "SEQUENCE:1" not in (changed(one(), one("PRIORITY:1"), settings=CALDAV).stored or "")

    def test_an_occurrence_gets_a_number_above_everything_sent(self) -> None:
        old = series((*MOVED, "SEQUENCE:9"), more=("SEQUENCE:3",))
        found = changed(
            old, series((*MOVED, "SEQUENCE:9"), occurrence(THIRD, hour=15), more=("SEQUENCE:3",)), settings=CALDAV
        )
        assert sent(found) == [("REQUEST", (LEE, SAM), (AT_THIRD,))]
        assert found.messages[0].sequence == 10
        assert int(events(found.stored)[""]["SEQUENCE"]) == 3

    def test_dtstamp_is_now_or_later_than_the_last(self) -> None:
        first = changed(None, one()).messages[0]
        assert "DTSTAMP:20261123T090000Z" in first.calendar
        stored = changed(None, one()).stored
        second = changed(stored, (stored or "").replace("SUMMARY:Budget", "SUMMARY:Money"))
        assert "DTSTAMP:20261123T090001Z" in second.messages[0].calendar
        settings = DiffSettings(last_dtstamp=NOW.replace(second=30))
        assert "DTSTAMP:20261123T090031Z" in changed(one(), None, settings=settings).messages[0].calendar

    def test_a_client_that_forgets_the_stamp_does_not_turn_it_back(self) -> None:
        first = changed(None, one())
        again = changed(first.stored, one())
        assert again.nothing_rule == "change.not-significant"
        assert "DTSTAMP:20261123T090000Z" in (again.stored or "")
        assert "DTSTAMP:20261123T090001Z" in changed(again.stored, one("LOCATION:Rome")).messages[0].calendar

    def test_a_stamp_from_far_ahead_is_not_followed(self) -> None:
        old = calendar(component(*meeting(), dtstamp="20380101T000000Z"))
        assert "DTSTAMP:20261123T090000Z" in changed(old, None).messages[0].calendar


class TestReschedule:
    SERVER = DiffSettings(partstat_reset=PartstatReset.SERVER)

    @pytest.mark.parametrize(
        ("before", "after", "reset"),
        [
            ((), ("DTSTART;TZID=Europe/Rome:20261203T093000",), True),
            ((), ("DTEND;TZID=Europe/Rome:20261203T113000",), True),
            ((), ("DTSTART:20261203T090000Z",), False),
            ((), ("SUMMARY:Money",), False),
            ((), ("LOCATION:Room 1",), False),
            ((WEEKLY,), ("RRULE:FREQ=WEEKLY;COUNT=4",), False),
            ((WEEKLY,), ("RRULE:FREQ=WEEKLY;COUNT=6",), True),
            ((WEEKLY,), ("RRULE:FREQ=WEEKLY;BYDAY=FR",), True),
            (("RRULE:FREQ=WEEKLY",), ("RRULE:FREQ=WEEKLY;UNTIL=20261231T000000Z",), False),
            (("RRULE:FREQ=WEEKLY;UNTIL=20261231T000000Z",), ("RRULE:FREQ=WEEKLY",), True),
            ((WEEKLY,), (), False),
            ((WEEKLY,), (WEEKLY, "RDATE;TZID=Europe/Rome:20261211T100000"), True),
            ((WEEKLY,), (WEEKLY, "EXDATE;TZID=Europe/Rome:20261210T100000"), False),
            ((WEEKLY, "EXDATE;TZID=Europe/Rome:20261210T100000"), (WEEKLY,), True),
        ],
    )
    def test_which_change_asks_everybody_again(
        self, before: tuple[str, ...], after: tuple[str, ...], *, reset: bool
    ) -> None:
        found = changed(one(*before), one(*after), settings=self.SERVER)
        expected = "NEEDS-ACTION" if reset else "ACCEPTED"
        assert partstats(found.stored)[SAM] == expected
        assert partstats(found.stored)[DANA] == "ACCEPTED"
        if found.messages and found.messages[0].recurrence_ids == ("",):
            assert people(found.messages[0])[SAM]["PARTSTAT"] == expected
            assert people(found.messages[0])[SAM].get("RSVP") == ("TRUE" if reset else None)

    def test_on_jmap_the_client_decides(self) -> None:
        moved = one(start="20261203T120000", end="20261203T130000")
        assert partstats(changed(one(), moved).stored)[SAM] == "ACCEPTED"

    def test_only_the_moved_occurrence_is_asked_again(self) -> None:
        found = changed(series(), series(MOVED), settings=self.SERVER)
        assert partstats(found.stored, AT_SECOND)[SAM] == "NEEDS-ACTION"
        assert partstats(found.stored)[SAM] == "ACCEPTED"

    def test_the_last_reschedule_is_remembered(self) -> None:
        stored = changed(one("SEQUENCE:4"), one("SUMMARY:Money", "SEQUENCE:4")).stored
        assert "X-IMIP-GATEWAY-RESCHEDULED:4" in (stored or "")
        moved = (stored or "").replace("T100000", "T093000")
        assert "X-IMIP-GATEWAY-RESCHEDULED:6" in (changed(stored, moved).stored or "")


class TestNothing:
    def test_an_event_that_is_over(self) -> None:
        past = one(start="20261103T100000", end="20261103T110000")
        for old, new in (
            (None, past),
            (past, one("X-MINE:1", start="20261103T100000", end="20261103T120000")),
            (past, None),
        ):
            assert changed(old, new).nothing_rule == "change.past"
        assert changed(None, past, settings=DiffSettings(send_past_events=True)).messages

    def test_moving_into_the_past_or_out_of_it_is_told(self) -> None:
        past = one(start="20261103T100000", end="20261103T110000")
        assert changed(one(), past).messages
        assert changed(past, one()).messages

    def test_an_occurrence_that_is_over_in_a_series_that_goes_on(self) -> None:
        long = "RRULE:FREQ=WEEKLY;COUNT=50"
        times = {"start": "20261105T100000", "end": "20261105T110000"}
        old = calendar(component(*meeting(long, **times)))  # type: ignore[arg-type]
        new = calendar(component(*meeting(long, **times)), component(*occurrence("20261112", hour=12)))  # type: ignore[arg-type]
        assert changed(old, new).nothing_rule == "change.past-instance"

    def test_nobody_is_invited(self) -> None:
        assert changed(None, calendar(component("DTSTART:20261203T100000Z"))).nothing_rule == "change.no-attendees"
        assert changed(None, calendar(component(*meeting(guests=False)))).nothing_rule == "change.only-self"

    def test_attendees_without_organizer_are_never_passed_over_in_silence(self) -> None:
        lines = (line for line in meeting() if not line.startswith("ORGANIZER"))
        assert changed(None, calendar(component(*lines))).nothing_rule == "change.no-organizer"

    def test_somebody_elses_event(self) -> None:
        assert changed(None, one(), KIM).nothing_rule == "change.not-involved"
        assert changed(one(), one("SUMMARY:Money"), LEE).nothing_rule == "change.local-only"

    def test_the_users_program_schedules_itself(self) -> None:
        own = one().replace("ORGANIZER;", "ORGANIZER;SCHEDULE-AGENT=CLIENT;")
        assert changed(None, own).nothing_rule == "change.schedule-agent"

    @pytest.mark.parametrize("kind", ["VJOURNAL", "VFREEBUSY"])
    def test_what_mail_does_not_schedule(self, kind: str) -> None:
        text = calendar(component(*meeting(), kind=kind))
        assert changed(None, text).nothing_rule == "change.not-scheduled"
        assert changed(text, None).nothing_rule == "change.not-scheduled"

    def test_nothing_at_all(self) -> None:
        assert changed(None, None).nothing_rule == "change.nothing-stored"


class TestTwoVersions:
    def test_of_two_old_masters_the_newer_is_what_people_know(self) -> None:
        old = calendar(component(*meeting("SUMMARY:Old")), component(*meeting("SUMMARY:New", "SEQUENCE:2")))
        assert changed(old, one("SUMMARY:New", "SEQUENCE:2")).nothing_rule == "change.not-significant"
        found = changed(old, one("SUMMARY:Old", "SEQUENCE:2"))
        assert [(each.name, each.old, each.new) for each in found.messages[0].changes] == [("SUMMARY", "New", "Old")]


class TestErrors:
    @pytest.mark.parametrize(
        ("new", "rule"),
        [
            (calendar(), "object.no-component"),
            (calendar(component(*meeting(), uid="")), "object.no-uid"),
            (calendar(component(*meeting()), component(*meeting(), uid="u2")), "object.several-uids"),
            (calendar(component(*meeting()), component(*meeting(), kind="VTODO")), "object.mixed-kinds"),
            (calendar(component(*meeting()), component(*meeting())), "object.several-masters"),
            (calendar(component(*(line for line in meeting() if not line.startswith("DTSTART")))), "object.no-start"),
            (one("DTSTART:soon"), "object.no-start"),
            (series(tuple(line.replace("mailto:dana", "mailto:other") for line in MOVED)), "object.several-organizers"),
        ],
    )
    def test_what_cannot_be_stored_as_a_meeting(self, new: str, rule: str) -> None:
        found = changed(None, new)
        assert found.error is not None
        assert found.error.rule == rule

    def test_identity_does_not_change(self) -> None:
        assert changed(one(), calendar(component(*meeting(), uid="u2"))).error.rule == "change.uid"  # type: ignore[union-attr]
        assert changed(one(), calendar(component(*meeting(), kind="VTODO"))).error.rule == "change.kind"  # type: ignore[union-attr]

    @pytest.mark.parametrize("line", ["DTEND:later", "DTSTART:20261203T100000Z", "DUE:20261303"])
    def test_times_that_guests_could_not_read_are_not_sent(self, line: str) -> None:
        bad = ("RECURRENCE-ID:soon",) if line.startswith("DTSTART") else ()
        new = calendar(component(*meeting(WEEKLY)), component(*meeting(line, *bad))) if bad else one(line)
        assert changed(None, new).error.rule == "object.no-start"  # type: ignore[union-attr]
        assert changed(new, one()).error is None

    @pytest.mark.parametrize("who", [LEE, KIM])
    def test_a_guest_names_no_other_organizer(self, who: str) -> None:
        other = one().replace(f"ORGANIZER;CN=Dana:mailto:{DANA}", f"ORGANIZER:mailto:{who}")
        assert changed(one(), other, LEE).error.rule == "change.organizer"  # type: ignore[union-attr]

    def test_nobody_takes_over_somebody_elses_event(self) -> None:
        mine = one().replace(f"ORGANIZER;CN=Dana:mailto:{DANA}", f"ORGANIZER:mailto:{LEE}")
        assert changed(one(), mine, LEE).error.rule == "change.organizer"  # type: ignore[union-attr]

    def test_an_event_can_be_handed_over(self) -> None:
        handed = one().replace(f"ORGANIZER;CN=Dana:mailto:{DANA}", f"ORGANIZER:mailto:{LEE}")
        found = changed(one(), handed)
        assert sent(found) == [("REQUEST", (LEE, SAM), ("",))]
        assert found.messages[0].from_address == DANA
        assert found.messages[0].sequence == 1


class TestTasks:
    def test_a_task_is_assigned_changed_and_withdrawn(self) -> None:
        def task(*more: str) -> str:
            lines = (line for line in meeting(*more) if not line.startswith(("DTEND", "DTSTART")))
            return calendar(component(*lines, kind="VTODO"))

        due = "DUE;TZID=Europe/Rome:20261203T100000"
        assert sent(changed(None, task(due))) == [("REQUEST", (LEE, SAM), ("",))]
        assert "PRIORITY:0" in changed(None, task(due)).messages[0].calendar
        later = changed(task(due), task("DUE;TZID=Europe/Rome:20261204T100000"))
        assert [change.name for change in later.messages[0].changes] == ["DUE"]
        assert sent(changed(task(due), None)) == [("CANCEL", (LEE, SAM), ("",))]
        assert changed(None, task()).messages
        overdue = "DUE;TZID=Europe/Rome:20261103T100000"
        assert changed(None, task(overdue)).messages, "a task that is due is not over"

    def test_a_task_without_a_time_keeps_its_answers(self) -> None:
        lines = [line for line in meeting() if not line.startswith(("DTEND", "DTSTART"))]
        old = calendar(component(*lines, kind="VTODO"))
        new = calendar(component(*lines, "LOCATION:Rome", kind="VTODO"))
        found = changed(old, new, settings=DiffSettings(partstat_reset=PartstatReset.SERVER))
        assert partstats(found.stored)[SAM] == "ACCEPTED"
        assert people(found.messages[0])[SAM]["PARTSTAT"] == "ACCEPTED"
