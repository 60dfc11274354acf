# SPDX-License-Identifier: Apache-2.0
"""Invitations and updates that come by mail: what is taken, what of the user's own stays, who may ask."""

from datetime import timedelta

import pytest

from gateway.itip.model import ApplySettings, Outcome, Verdict
from gateway.itip.objects import read_object
from gateway.itip.tree import Component
from tests.support.calendars import DANA, LEE, NOW, SAM, calendar, component, events, incoming, partstats, tree

WHEN = ("DTSTART;TZID=Europe/Rome:20261201T100000", "DTEND;TZID=Europe/Rome:20261201T110000")
WHO = (
    f"ORGANIZER;CN=Dana:mailto:{DANA}",
    f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{DANA}",
    f"ATTENDEE;CN=Lee;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{LEE}",
    f"ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:{SAM}",
)
ALARM = ("BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:mine", "TRIGGER:-PT15M", "END:VALARM")
EIGHTH = "RECURRENCE-ID;TZID=Europe/Rome:20261208T100000"


def invitation(*lines: str, sequence: int = 1, dtstamp: str = "20261120T080000Z", summary: str = "Budget") -> str:
    own = {line.partition(":")[0].partition(";")[0] for line in lines}
    kept = [line for line in (*WHEN, *WHO) if line.partition(":")[0].partition(";")[0] not in own]
    return component(f"SEQUENCE:{sequence}", f"SUMMARY:{summary}", *kept, *lines, dtstamp=dtstamp)


def request(*components: str) -> str:
    return calendar(*components, method="REQUEST")


def mine(*lines: str, answer: str = "ACCEPTED", sequence: int = 1, dtstamp: str = "20261120T080000Z") -> str:
    text = invitation(*lines, sequence=sequence, dtstamp=dtstamp)
    return text.replace("CN=Lee;PARTSTAT=NEEDS-ACTION", f"CN=Lee;PARTSTAT={answer}")


def apply(message: str, stored: str | None, bearer: str = DANA, **more: object) -> Outcome:
    return incoming(message, stored, bearer, LEE, **more)  # type: ignore[arg-type]


# New


def test_a_new_invitation_is_kept_as_it_came_but_for_alarms_and_book_keeping() -> None:
    text = request(
        invitation(
            "X-KEEP;X-A=b:as it is", "REQUEST-STATUS:2.0;Success", "BEGIN:VALARM", "ACTION:EMAIL", "END:VALARM"
        ).replace("ATTENDEE;CN=Lee;", "ATTENDEE;CN=Lee;SCHEDULE-STATUS=1.1;X-IMIP-GATEWAY-SEQUENCE=7;")
    )
    outcome = apply(text, None)
    assert (outcome.outcome, outcome.rule) == (Verdict.APPLIED, "request.new")
    stored = outcome.stored or ""
    assert "X-KEEP;X-A=b:as it is" in stored
    for gone in ("VALARM", "SCHEDULE-STATUS", "X-IMIP-GATEWAY", "REQUEST-STATUS"):
        assert gone not in stored
    assert partstats(stored)[LEE] == "NEEDS-ACTION"


def test_zones_come_along() -> None:
    zone = (
        "BEGIN:VTIMEZONE\r\nTZID:Home\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\n"
        "TZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
    )
    event = invitation("DTSTART;TZID=Home:20261201T100000", "DURATION:PT1H").replace(WHEN[1] + "\r\n", "")
    for parts in ((zone, event), (event, zone), (zone, zone.replace("Home", "Unused"), event)):
        stored = apply(request(*parts), None).stored or ""
        assert stored.count("BEGIN:VTIMEZONE") == 1
        assert events(stored)[""]["DTSTART"].dt.utcoffset() == timedelta(hours=1)


@pytest.mark.parametrize(
    ("bearer", "text", "rule", "verdict"),
    [
        (SAM, invitation(), "request.passed-on", Verdict.HELD),
        ("mallory@evil.example", invitation(), "request.not-organizer", Verdict.REFUSED),
        (DANA, invitation().replace(LEE, "kim@example.org"), "request.not-listed", Verdict.HELD),
        ("mallory@evil.example", invitation().replace(DANA, LEE), "request.you-organize", Verdict.REFUSED),
        (LEE, invitation().replace(DANA, LEE), "request.own", Verdict.IGNORED),
        (DANA, invitation().replace(WHO[0] + "\r\n", ""), "request.no-organizer", Verdict.REFUSED),
        (DANA, invitation().replace(WHEN[0] + "\r\n", ""), "request.no-start", Verdict.REFUSED),
        (DANA, invitation().replace(WHEN[0], "DTSTART:tomorrow"), "request.bad-time", Verdict.REFUSED),
        (
            "pa@elsewhere.example",
            invitation().replace("ORGANIZER;", 'ORGANIZER;SENT-BY="mailto:pa@elsewhere.example";'),
            "request.on-behalf",
            Verdict.HELD,
        ),
    ],
)
def test_what_is_no_invitation(bearer: str, text: str, rule: str, verdict: Verdict) -> None:
    outcome = apply(request(text), None, bearer)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (verdict, rule, None)


def test_an_assistant_of_the_same_house_may_invite() -> None:
    text = invitation().replace("ORGANIZER;", 'ORGANIZER;SENT-BY="mailto:pa@example.org";')
    assert apply(request(text), None, "pa@example.org").rule == "request.new"


def test_icloud_invites_from_an_address_of_its_own() -> None:
    """Interop Q56."""
    text = invitation().replace(DANA, "2_abc@imip.me.com")
    assert apply(request(text), None, "noreply@insideicloud.icloud.com").rule == "request.new"


def test_an_invitation_is_passed_on_to_a_delegate() -> None:
    """RFC 5546 §3.2.2.3."""
    text = invitation().replace(
        f"ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:{SAM}",
        f'ATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO="mailto:{LEE}":mailto:{SAM}',
    )
    outcome = apply(request(text), None, SAM)
    assert outcome.rule == "request.new"
    assert SAM in outcome.reason


def test_policy_may_keep_invitations_out() -> None:
    outcome = apply(request(invitation()), None, settings=ApplySettings(create_unknown=False))
    assert (outcome.outcome, outcome.rule) == (Verdict.HELD, "request.not-added")


# Update


def test_an_update_keeps_what_is_the_users_own() -> None:
    stored = calendar(
        mine("TRANSP:TRANSPARENT", "CATEGORIES:Mine", "COLOR:red", "X-MY-APP:note", "LOCATION:Old", *ALARM).replace(
            "ORGANIZER;", "ORGANIZER;SCHEDULE-AGENT=CLIENT;"
        )
    )
    update = request(
        invitation("TRANSP:OPAQUE", "CATEGORIES:Theirs", "LOCATION:New", "X-MICROSOFT-CDO-BUSYSTATUS:BUSY",
                   "BEGIN:VALARM", "ACTION:AUDIO", "TRIGGER:-PT1M", "END:VALARM", sequence=2, summary="Budget 2")
    )  # fmt: skip
    outcome = apply(update, stored)
    assert (outcome.outcome, outcome.rule) == (Verdict.APPLIED, "request.updated")
    found = events(outcome.stored)[""]
    assert str(found["SUMMARY"]) == "Budget 2"
    assert str(found["LOCATION"]) == "New"
    assert str(found["TRANSP"]) == "TRANSPARENT"
    assert found["CATEGORIES"].to_ical() == b"Mine"
    assert (str(found["COLOR"]), str(found["X-MY-APP"])) == ("red", "note")
    assert [str(alarm["ACTION"]) for alarm in found.subcomponents] == ["DISPLAY"]
    assert found["ORGANIZER"].params["SCHEDULE-AGENT"] == "CLIENT"
    assert partstats(outcome.stored)[LEE] == "ACCEPTED"
    assert {(change.name, change.old, change.new) for change in outcome.changes} == {
        ("SUMMARY", "Budget", "Budget 2"),
        ("LOCATION", "Old", "New"),
    }


def test_who_is_on_the_list_no_more_is_told_so() -> None:
    without_me = invitation(sequence=2).replace(f"ATTENDEE;CN=Lee;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{LEE}\r\n", "")
    outcome = apply(request(without_me), calendar(mine()))
    assert outcome.rule == "request.updated"
    assert outcome.reason.endswith("you are no longer on its list of guests")
    assert "no longer" not in apply(request(invitation(sequence=2)), calendar(mine())).reason


@pytest.mark.parametrize("line", ["RRULE:FREQ=DAILY;COUNT=abc", "RRULE:INTERVAL=2", "EXDATE:junk", "RDATE:20261299"])
def test_a_recurrence_that_cannot_be_read_is_kept_and_said(line: str) -> None:
    for stored in (None, calendar(mine())):
        outcome = apply(request(invitation(line, sequence=2)), stored)
        assert (outcome.outcome, outcome.repairs) == (Verdict.APPLIED, ("unreadable-recurrence",))
        assert "its recurrence cannot be read in full" in outcome.reason
        assert line in (outcome.stored or "")


def test_an_occurrence_that_no_day_can_be_found_for_is_refused() -> None:
    nowhere = invitation("RECURRENCE-ID;VALUE=DATE:20261209", sequence=2)
    outcome = apply(request(invitation("RECURRENCE-ID:whenever")), None)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (Verdict.REFUSED, "request.no-such-instance", None)
    whole = apply(request(invitation(RULE), nowhere), None)
    assert whole.rule == "request.new"
    assert whole.reason.endswith("The event does not take place at 20261209")
    assert set(events(whole.stored)) == {""}


def test_who_is_invited_under_a_tag_of_their_mailbox_is_the_same_person_ever_after() -> None:
    """Interop Q81: the answer survives an update, and a CANCEL that names the tag means the user."""
    tag = ("lee@", "lee+work@")
    stored = calendar(mine()).replace(*tag)
    updated = apply(request(invitation(sequence=2, summary="New")).replace(*tag), stored)
    assert partstats(updated.stored)["lee+work@partner.example"] == "ACCEPTED"
    line = f"ATTENDEE:mailto:{LEE}".replace(*tag)
    off = calendar(
        component("SEQUENCE:2", f"ORGANIZER:mailto:{DANA}", line, dtstamp="20261122T080000Z"), method="CANCEL"
    )
    assert apply(off, stored).rule == "cancel.uninvited"


def test_people_are_named_by_an_address_that_says_something() -> None:
    """Interop Q61: where the calendar address is no mail address, EMAIL is."""
    text = request(invitation(f"ORGANIZER;EMAIL={DANA}:urn:uuid:5f6b"))
    assert apply(text, None).reason == f"{DANA} invites you"


def test_what_the_organizer_takes_away_is_gone() -> None:
    stored = calendar(mine("LOCATION:Old", "X-ALT-DESC:<b>old</b>"))
    found = events(apply(request(invitation(sequence=2)), stored).stored)[""]
    assert "LOCATION" not in found
    assert "X-ALT-DESC" not in found
    assert "TRANSP" not in found


MOVED = ("DTSTART;TZID=Europe/Rome:20261202T100000", "DTEND;TZID=Europe/Rome:20261202T110000")
SAME_INSTANT = ("DTSTART:20261201T090000Z", "DTEND:20261201T100000Z")
RULE = "RRULE:FREQ=WEEKLY;COUNT=4"


@pytest.mark.parametrize(
    ("before", "after", "answer"),
    [
        ((), ("LOCATION:elsewhere",), "ACCEPTED"),
        ((), MOVED, "NEEDS-ACTION"),
        ((), SAME_INSTANT, "ACCEPTED"),
        ((), (WHEN[0], "DURATION:PT1H"), "ACCEPTED"),
        ((), (WHEN[0], "DURATION:PT2H"), "NEEDS-ACTION"),
        ((), ("DTSTART;TZID=America/New_York:20261201T100000",), "NEEDS-ACTION"),
        ((), (RULE,), "NEEDS-ACTION"),
        ((RULE,), ("RRULE:COUNT=4;INTERVAL=1;FREQ=WEEKLY",), "ACCEPTED"),
        ((RULE,), ("RRULE:FREQ=WEEKLY;COUNT=3",), "ACCEPTED"),
        ((RULE,), ("RRULE:FREQ=WEEKLY;COUNT=5",), "NEEDS-ACTION"),
        ((RULE,), (RULE, "EXDATE;TZID=Europe/Rome:20261208T100000"), "ACCEPTED"),
        ((RULE, "EXDATE;TZID=Europe/Rome:20261208T100000"), (RULE,), "NEEDS-ACTION"),
        ((RULE,), (RULE, "RDATE;TZID=Europe/Rome:20261210T100000"), "NEEDS-ACTION"),
    ],
)
def test_an_answer_stays_unless_the_time_moved(before: tuple[str, ...], after: tuple[str, ...], answer: str) -> None:
    update = invitation(*after, sequence=2)
    if "DURATION" in "".join(after):
        update = update.replace(WHEN[1] + "\r\n", "")
    outcome = apply(request(update), calendar(mine(*before)))
    assert partstats(outcome.stored)[LEE] == answer
    assert ("moved" in outcome.reason) == (answer == "NEEDS-ACTION")


def test_an_answer_given_elsewhere_is_learnt() -> None:
    update = invitation(sequence=2).replace("CN=Lee;PARTSTAT=NEEDS-ACTION", "CN=Lee;PARTSTAT=ACCEPTED")
    assert partstats(apply(request(update), calendar(mine(answer="NEEDS-ACTION"))).stored)[LEE] == "ACCEPTED"
    assert partstats(apply(request(update), calendar(mine(answer="DECLINED"))).stored)[LEE] == "DECLINED"


def test_two_addresses_of_ones_own_answer_for_themselves() -> None:
    lee2 = "lee@home.example"
    both = (f"ATTENDEE;PARTSTAT=DECLINED:mailto:{lee2}", *WHO[1:])
    stored = calendar(mine(*both))
    update = request(invitation(*(line.replace("DECLINED", "NEEDS-ACTION") for line in both), sequence=2))
    outcome = incoming(update, stored, DANA, (LEE, lee2))
    assert (partstats(outcome.stored)[LEE], partstats(outcome.stored)[lee2]) == ("ACCEPTED", "DECLINED")
    renamed = incoming(
        request(invitation(sequence=3).replace(LEE, "lee@new.example")), stored, DANA, (LEE, "lee@new.example")
    )
    assert partstats(renamed.stored)["lee@new.example"] == "ACCEPTED"


@pytest.mark.parametrize(
    ("sequence", "dtstamp", "rule"),
    [
        (0, "20261122T080000Z", "request.stale"),
        (1, "20261119T080000Z", "request.stale"),
        (1, "20261120T080000Z", "request.duplicate"),
        (1, "20261121T080000Z", "request.updated"),
        (2, "20261101T080000Z", "request.updated"),
    ],
)
def test_versions_are_ordered(sequence: int, dtstamp: str, rule: str) -> None:
    stored = calendar(mine())
    outcome = apply(request(invitation(sequence=sequence, dtstamp=dtstamp)), stored)
    assert outcome.rule == rule
    if rule != "request.updated":
        assert (outcome.outcome, outcome.stored, outcome.changes) == (Verdict.IGNORED, stored, ())


def test_exchange_keeps_the_sequence_elsewhere() -> None:
    """Interop Q45."""
    stored = calendar(mine("X-MICROSOFT-CDO-APPT-SEQUENCE:3", sequence=0))
    update = invitation("X-MICROSOFT-CDO-APPT-SEQUENCE:4", sequence=0, dtstamp="20261101T000000Z")
    assert apply(request(update), stored).rule == "request.updated"
    assert apply(request(invitation(sequence=2)), stored).rule == "request.stale"


def test_a_stamp_from_the_future_does_not_freeze_the_event() -> None:
    first = apply(request(invitation(dtstamp="99991231T000000Z")), None)
    assert "9999" not in (first.stored or "")
    later = invitation("LOCATION:x", dtstamp="20261123T091000Z")
    assert apply(request(later), first.stored, now=NOW + timedelta(minutes=10)).rule == "request.updated"


@pytest.mark.parametrize(
    ("bearer", "change", "rule", "verdict"),
    [
        (SAM, ("", ""), "request.not-organizer", Verdict.REFUSED),
        ("mallory@evil.example", (DANA, "mallory@evil.example"), "request.other-organizer", Verdict.REFUSED),
        (
            DANA,
            (f"CN=Dana:mailto:{DANA}", "CN=Dana:mailto:boss@example.org"),
            "request.other-organizer",
            Verdict.REFUSED,
        ),
        (
            DANA,
            (f"CN=Dana:mailto:{DANA}", "CN=D:mailto:x@group.calendar.google.com"),
            "request.moved-calendar",
            Verdict.HELD,
        ),
        (
            "pa@example.org",
            ("ORGANIZER;", 'ORGANIZER;SENT-BY="mailto:pa@example.org";'),
            "request.on-behalf",
            Verdict.HELD,
        ),
    ],
)
def test_who_may_not_change_the_event(bearer: str, change: tuple[str, str], rule: str, verdict: Verdict) -> None:
    """Invariant 9, interop T28."""
    stored = calendar(mine())
    update = invitation("LOCATION:evil", sequence=9)
    outcome = apply(request(update.replace(*change) if change[0] else update), stored, bearer)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (verdict, rule, stored)


def test_the_organizer_stays_who_they_are() -> None:
    """Interop Q57; and a sender who forgets the line."""
    stored = calendar(mine().replace(f"CN=Dana:mailto:{DANA}", f"CN=Dana;EMAIL={DANA}:mailto:2_a@imip.me.com"))
    renamed = apply(request(invitation("LOCATION:x", sequence=2)), stored)
    assert str(events(renamed.stored)[""]["ORGANIZER"]) == "mailto:2_a@imip.me.com"
    forgotten = apply(request(invitation(sequence=2).replace(WHO[0] + "\r\n", "")), calendar(mine()))
    assert str(events(forgotten.stored)[""]["ORGANIZER"]) == f"mailto:{DANA}"


def test_a_deputy_on_record_may_change_it() -> None:
    stored = calendar(mine().replace("ORGANIZER;", 'ORGANIZER;SENT-BY="mailto:pa@elsewhere.example";'))
    assert apply(request(invitation(sequence=2)), stored, "pa@elsewhere.example").rule == "request.updated"


def test_an_event_of_ones_own_is_not_taken_over() -> None:
    stored = calendar(component(*WHEN, "SUMMARY:Dentist"))
    outcome = apply(request(invitation(sequence=9)), stored)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (Verdict.HELD, "request.uid-in-use", stored)


def test_exchange_tells_of_a_forwarded_invitation() -> None:
    """Interop Q50: it never changes the organizer's event."""
    stored = calendar(invitation())
    notice = request(invitation("ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:kim@example.org", *WHO[2:]))
    outcome = incoming(notice, stored, LEE, DANA)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (Verdict.IGNORED, "request.forwarded", stored)
    assert "kim@example.org" in outcome.reason
    assert incoming(notice, stored, "mallory@evil.example", DANA).outcome is Verdict.REFUSED
    assert incoming(request(invitation(sequence=5)), stored, LEE, DANA).rule == "request.you-organize"


def test_status_cancelled_in_a_request_is_an_update() -> None:
    """Interop Q84."""
    outcome = apply(request(invitation("STATUS:CANCELLED", sequence=2)), calendar(mine()))
    assert str(events(outcome.stored)[""]["STATUS"]) == "CANCELLED"
    assert "cancelled" in outcome.reason


def test_a_cancelled_event_can_come_back() -> None:
    stored = calendar(mine("STATUS:CANCELLED", sequence=3))
    assert apply(request(invitation("STATUS:CONFIRMED", sequence=2)), stored).rule == "request.stale"
    back = apply(request(invitation("STATUS:CONFIRMED", sequence=4)), stored)
    assert str(events(back.stored)[""]["STATUS"]) == "CONFIRMED"


# Series and occurrences


SERIES = calendar(mine(RULE, *ALARM))


def moved_eighth(*lines: str, sequence: int = 2, recurrence: str = EIGHTH, dtstamp: str = "20261121T080000Z") -> str:
    times = ("DTSTART;TZID=Europe/Rome:20261209T150000", "DTEND;TZID=Europe/Rome:20261209T160000")
    return invitation(recurrence, *times, *lines, sequence=sequence, dtstamp=dtstamp)


@pytest.mark.parametrize("recurrence", [EIGHTH, "RECURRENCE-ID:20261208T090000Z", "RECURRENCE-ID;VALUE=DATE:20261208"])
def test_one_occurrence_is_merged_and_the_series_stays(recurrence: str) -> None:
    """nextcloud/server#60159: an override-only message must not destroy the series."""
    outcome = apply(request(moved_eighth(recurrence=recurrence)), SERIES)
    assert outcome.rule == "request.updated"
    found = events(outcome.stored)
    assert set(found) == {"", "20261208T100000"}
    assert found[""]["RRULE"].to_ical() == b"FREQ=WEEKLY;COUNT=4"
    override = found["20261208T100000"]
    assert override["RECURRENCE-ID"].params["TZID"] == "Europe/Rome"
    assert override["DTSTART"].dt.isoformat() == "2026-12-09T15:00:00+01:00"
    assert [str(alarm["DESCRIPTION"]) for alarm in override.subcomponents] == ["mine"]
    assert partstats(outcome.stored)[LEE] == "ACCEPTED"
    assert partstats(outcome.stored, "20261208T100000")[LEE] == "NEEDS-ACTION"
    assert apply(request(moved_eighth(recurrence=recurrence)), outcome.stored).rule == "request.duplicate"
    assert ("DTSTART", ";TZID=Europe/Rome:20261208T100000", ";TZID=Europe/Rome:20261209T150000") in {
        (change.name, change.old, change.new) for change in outcome.changes
    }


def test_an_unmoved_occurrence_keeps_the_answer_to_the_series() -> None:
    times = ("DTSTART;TZID=Europe/Rome:20261208T100000", "DTEND;TZID=Europe/Rome:20261208T110000")
    outcome = apply(request(invitation(EIGHTH, *times, "LOCATION:Room 2", sequence=2)), SERIES)
    assert partstats(outcome.stored, "20261208T100000")[LEE] == "ACCEPTED"


def test_an_occurrence_that_does_not_exist_is_refused_and_the_state_asked_for() -> None:
    """Interop T20."""
    outcome = apply(request(moved_eighth(recurrence="RECURRENCE-ID:20261209T090000Z")), SERIES)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (Verdict.REFUSED, "request.no-such-instance", SERIES)
    (message,) = outcome.messages
    assert (message.method, message.from_address, message.to) == ("REFRESH", LEE, (DANA,))
    old = moved_eighth(recurrence="RECURRENCE-ID:20261209T090000Z", sequence=0)
    assert apply(request(old), SERIES).messages == ()


def test_this_and_all_after_it_move_together() -> None:
    """RFC 5545 §3.2.13: later occurrences follow the override, not the series."""
    ranged = moved_eighth(recurrence="RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Rome:20261208T100000")
    outcome = apply(request(ranged), SERIES)
    assert outcome.rule == "request.updated"
    found = read_object(tree(outcome.stored) or Component("VCALENDAR"))
    starts = [each.start_at.strftime("%d %H") for each in found.series.occurrences(NOW, NOW + timedelta(days=60))]
    assert starts == ["01 09", "09 14", "16 14", "23 14"]
    place = invitation(
        "RECURRENCE-ID;TZID=Europe/Rome:20261215T100000",
        "DTSTART;TZID=Europe/Rome:20261216T150000",
        "DTEND;TZID=Europe/Rome:20261216T160000",
        "LOCATION:x",
        sequence=3,
    )
    later = apply(request(place), outcome.stored)
    assert [(change.name, change.recurrence_id) for change in later.changes] == [("LOCATION", "20261215T100000")]


def test_an_excluded_occurrence_is_given_back() -> None:
    stored = calendar(mine(RULE, "EXDATE;TZID=Europe/Rome:20261208T100000,20261215T100000"))
    found = events(apply(request(moved_eighth()), stored).stored)
    assert len(found) == 2
    assert found[""]["EXDATE"].to_ical() == b"20261215T100000"


def test_an_occurrence_has_an_order_of_its_own() -> None:
    first = apply(request(moved_eighth(sequence=4)), SERIES)
    assert apply(request(moved_eighth(sequence=3)), first.stored).rule == "request.stale"
    assert apply(request(moved_eighth(sequence=4)), first.stored).rule == "request.duplicate"
    assert apply(request(moved_eighth("LOCATION:x", sequence=5)), first.stored).rule == "request.updated"
    series = apply(request(invitation(RULE, sequence=2, summary="New name")), first.stored)
    assert series.rule == "request.updated"
    assert len(events(series.stored)) == 2


def test_an_override_older_than_the_series_is_stale() -> None:
    stored = calendar(mine(RULE, sequence=5))
    assert apply(request(moved_eighth(sequence=4)), stored).rule == "request.stale"


def test_overrides_without_a_place_in_the_new_series_go() -> None:
    """Interop O15."""
    stored = apply(request(moved_eighth()), SERIES).stored
    thursdays = ("DTSTART;TZID=Europe/Rome:20261203T100000", "DTEND;TZID=Europe/Rome:20261203T110000", RULE)
    assert len(events(apply(request(invitation(*thursdays, sequence=3)), stored).stored)) == 1
    single = apply(request(invitation(sequence=3)), stored)
    assert set(events(single.stored)) == {""}


def test_a_complete_message_names_every_override_there_is() -> None:
    stored = apply(request(moved_eighth()), SERIES).stored
    fifteenth = invitation("RECURRENCE-ID;TZID=Europe/Rome:20261215T100000",
                           "DTSTART;TZID=Europe/Rome:20261216T100000", "DTEND;TZID=Europe/Rome:20261216T110000",
                           sequence=3)  # fmt: skip
    whole = [invitation(RULE, sequence=3), fifteenth]
    for parts in (whole, whole[::-1]):
        outcome = apply(request(*parts), stored)
        assert set(events(outcome.stored)) == {"", "20261215T100000"}


def test_ones_own_answer_to_an_occurrence_outlives_updates_of_the_series() -> None:
    """An override that differs only in the user's own answer is no exception of the organizer's."""
    eighth = mine(EIGHTH, *(line.replace("20261201", "20261208") for line in WHEN), *ALARM, answer="DECLINED")
    stored = calendar(mine(RULE, *ALARM), eighth)
    fifteenth = invitation("RECURRENCE-ID;TZID=Europe/Rome:20261215T100000", sequence=2)
    for more in ((), (fifteenth,)):
        outcome = apply(request(invitation(RULE, sequence=2, summary="New name"), *more), stored)
        assert partstats(outcome.stored, "20261208T100000")[LEE] == "DECLINED"
        assert partstats(outcome.stored)[LEE] == "ACCEPTED"
        assert str(events(outcome.stored)["20261208T100000"]["SUMMARY"]) == "New name"
    longer = ("DTEND;TZID=Europe/Rome:20261201T120000", RULE)
    assert set(events(apply(request(invitation(*longer, sequence=2)), stored).stored)) == {""}


def test_an_older_complete_message_leaves_newer_overrides_alone() -> None:
    stored = apply(request(moved_eighth(sequence=4)), SERIES).stored
    fifteenth = invitation("RECURRENCE-ID;TZID=Europe/Rome:20261215T100000", sequence=2)
    outcome = apply(request(invitation(RULE, sequence=2), fifteenth), stored)
    assert set(events(outcome.stored)) == {"", "20261208T100000", "20261215T100000"}


def test_single_occurrences_first_the_series_later() -> None:
    """Interop P42, Q43."""
    alone = apply(request(moved_eighth()), None)
    assert alone.rule == "request.new"
    assert set(events(alone.stored)) == {"20261208T100000"}
    second = apply(request(moved_eighth("LOCATION:x", sequence=3)), alone.stored)
    assert set(events(second.stored)) == {"20261208T100000"}
    answered = (second.stored or "").replace("CN=Lee;PARTSTAT=NEEDS-ACTION", "CN=Lee;PARTSTAT=TENTATIVE")
    whole = apply(request(invitation(RULE, sequence=3)), answered)
    assert set(events(whole.stored)) == {"", "20261208T100000"}
    assert partstats(whole.stored, "20261208T100000")[LEE] == "TENTATIVE"
    assert partstats(whole.stored)[LEE] == "NEEDS-ACTION"


@pytest.mark.parametrize("written", ["RECURRENCE-ID:20261208T090000Z", "RECURRENCE-ID;VALUE=DATE:20261208"])
def test_the_series_names_the_occurrences_that_were_here_before_it(written: str) -> None:
    """Interop R02: other programs match RECURRENCE-ID by its type and zone."""
    alone = apply(request(moved_eighth().replace(EIGHTH, written)), None)
    whole = apply(request(invitation(RULE)), alone.stored)
    assert EIGHTH in (whole.stored or "")
    assert set(events(whole.stored)) == {"", "20261208T100000"}


def test_all_day_series() -> None:
    day = ("DTSTART;VALUE=DATE:20261201", "DTEND;VALUE=DATE:20261202", RULE)
    stored = calendar(mine(*day))
    change = invitation(
        "RECURRENCE-ID;VALUE=DATE:20261208", "DTSTART;VALUE=DATE:20261209", "DTEND;VALUE=DATE:20261210", sequence=2
    )
    outcome = apply(request(change), stored)
    assert set(events(outcome.stored)) == {"", "20261208"}
    wrong = change.replace("VALUE=DATE:20261208", "VALUE=DATE:20261209")
    assert apply(request(wrong), stored).rule == "request.no-such-instance"


def test_what_nobody_touched_stays_octet_for_octet() -> None:
    odd = SERIES.replace("SUMMARY:Budget", 'SUMMARY:Bud\r\n get\r\nX-Odd;x="q":  v')
    outcome = apply(request(moved_eighth()), odd)
    before = odd[odd.index("BEGIN:VEVENT") : odd.index("END:VEVENT")]
    assert before in (outcome.stored or "")


def test_tasks_and_journals() -> None:
    task = component("SEQUENCE:1", "DUE:20261210T090000Z", "SUMMARY:Report", *WHO, kind="VTODO")
    outcome = apply(calendar(task, method="REQUEST"), None)
    assert outcome.rule == "request.new"
    later = task.replace("SEQUENCE:1", "SEQUENCE:2").replace("20261210", "20261211")
    done = (outcome.stored or "").replace("CN=Lee;PARTSTAT=NEEDS-ACTION", "CN=Lee;PARTSTAT=COMPLETED")
    done = done.replace("SUMMARY", "PERCENT-COMPLETE:100\r\nSUMMARY")
    updated = apply(calendar(later, method="REQUEST"), done)
    assert partstats(updated.stored)[LEE] == "NEEDS-ACTION"
    assert int(events(updated.stored)[""]["PERCENT-COMPLETE"]) == 100
    journal = component("DTSTART:20261210T090000Z", *WHO, kind="VJOURNAL")
    assert apply(calendar(journal, method="REQUEST"), None).rule == "request.journal"


def test_the_same_uid_of_another_kind_is_another_thing() -> None:
    task = component("SEQUENCE:9", "DUE:20261210T090000Z", *WHO, kind="VTODO")
    outcome = apply(calendar(task, method="REQUEST"), SERIES)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (Verdict.REFUSED, "message.other-kind", SERIES)
