# SPDX-License-Identifier: Apache-2.0
"""ADD, PUBLISH, REFRESH, COUNTER, DECLINECOUNTER that come by mail."""

import pytest

from gateway.itip.model import ApplySettings, FieldChange, Outcome, Verdict
from tests.support.calendars import DANA, LEE, SAM, calendar, component, events, incoming, partstats

WHEN = ("DTSTART;TZID=Europe/Rome:20261201T100000", "DTEND;TZID=Europe/Rome:20261201T110000")
ORGANIZER, ME = f"ORGANIZER:mailto:{DANA}", f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{LEE}"
OTHER = f"ATTENDEE;PARTSTAT=TENTATIVE:mailto:{SAM}"
MEETING = ("SEQUENCE:1", "SUMMARY:Budget", *WHEN, ORGANIZER, ME, OTHER)
RULE = "RRULE:FREQ=WEEKLY;COUNT=4"
SINGLE = calendar(component(*MEETING))
EIGHTH = "RECURRENCE-ID;TZID=Europe/Rome:20261208T100000"
ELSEWHERE = component(*(line for line in MEETING if line != ME), EIGHTH, "LOCATION:Board only")
SERIES = calendar(component(*MEETING, RULE, "BEGIN:VALARM", "TRIGGER:-PT5M", "END:VALARM"), ELSEWHERE)


def message(method: str, *lines: str) -> str:
    return calendar(component(*lines, dtstamp="20261122T080000Z"), method=method)


# ADD

NEW = ("DTSTART;TZID=Europe/Rome:20261210T100000", "DTEND;TZID=Europe/Rome:20261210T110000")


def add(*lines: str, sequence: int = 2, times: tuple[str, ...] = NEW) -> str:
    return message("ADD", f"SEQUENCE:{sequence}", "SUMMARY:Budget", ORGANIZER, ME, OTHER, *times, *lines)


def apply(text: str, stored: str | None, bearer: str = DANA, me: str = LEE) -> Outcome:
    return incoming(text, stored, bearer, me)


def test_an_occurrence_is_added() -> None:
    outcome = apply(add(), SERIES)
    assert (outcome.outcome, outcome.rule, outcome.messages) == (Verdict.APPLIED, "add.applied", ())
    found = events(outcome.stored)
    assert found[""]["RDATE"].to_ical() == b"20261210T100000"
    assert int(found[""]["SEQUENCE"]) == 2
    assert set(found) == {"", "20261208T100000"}
    again = apply(add(), outcome.stored)
    assert (again.rule, again.stored) == ("add.stale", outcome.stored)


def test_an_added_occurrence_that_differs_has_a_component_of_its_own() -> None:
    longer = ("DTSTART:20261210T090000Z", "DTEND:20261210T110000Z")
    found = events(apply(add("LOCATION:Room 9", times=longer), SERIES).stored)
    assert set(found) == {"", "20261208T100000", "20261210T100000"}
    assert str(found["20261210T100000"]["LOCATION"]) == "Room 9"
    assert [each.name for each in found["20261210T100000"].subcomponents] == ["VALARM"]


def test_an_addition_without_organizer_is_the_stored_organizers() -> None:
    """Interop Q40."""
    outcome = apply(add().replace(ORGANIZER + "\r\n", ""), SERIES)
    assert outcome.reason.startswith(f"{DANA} added an occurrence")


def test_a_gap_in_the_sequence_is_asked_about() -> None:
    outcome = apply(add(sequence=4), SERIES)
    assert outcome.rule == "add.applied"
    assert [sent.method for sent in outcome.messages] == ["REFRESH"]


def test_an_entry_is_added_to_a_journal() -> None:
    """RFC 5546 §3.5.2."""
    entry = ("SUMMARY:Notes", ORGANIZER)
    stored = calendar(component("SEQUENCE:1", "DTSTART;VALUE=DATE:20261201", *entry, kind="VJOURNAL"))
    new = component("SEQUENCE:2", "DTSTART;VALUE=DATE:20261203", *entry, kind="VJOURNAL")
    outcome = apply(calendar(new, method="ADD"), stored)
    assert outcome.rule == "add.applied"
    assert events(outcome.stored)[""]["RDATE"].to_ical() == b"20261203"


def test_what_was_missed_is_asked_for_once() -> None:
    odd = [component(f"SEQUENCE:{9 + day}", ORGANIZER, ME, f"DTSTART:202701{day:02}T090000Z") for day in range(1, 6)]
    for method, stored in (("ADD", SINGLE), ("REQUEST", SERIES), ("CANCEL", SERIES)):
        mark = "" if method == "ADD" else "RECURRENCE-ID:20270101T170000Z\r\nDTSTART"
        text = calendar(*(each.replace("DTSTART", mark or "DTSTART") for each in odd), method=method)
        assert [sent.method for sent in apply(text, stored).messages] == ["REFRESH"]


def test_an_addition_to_nothing_asks_for_the_series() -> None:
    outcome = apply(add(), None)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (Verdict.IGNORED, "add.unknown-uid", None)
    (sent,) = outcome.messages
    assert (sent.method, sent.from_address, sent.to) == ("REFRESH", LEE, (DANA,))
    assert "METHOD:REFRESH" in sent.calendar


@pytest.mark.parametrize(
    ("bearer", "text", "rule"),
    [
        (SAM, add(), "request.not-organizer"),
        (DANA, add(sequence=1), "add.stale"),
        (DANA, add("RRULE:FREQ=DAILY"), "add.not-plain"),
        (DANA, add(times=("DTSTART;VALUE=DATE:20261210",)), "add.other-kind"),
    ],
)
def test_what_adds_nothing(bearer: str, text: str, rule: str) -> None:
    outcome = apply(text, SERIES, bearer)
    assert (outcome.rule, outcome.stored) == (rule, SERIES)
    assert apply(add(), None, "mallory@evil.example").rule == "add.not-organizer"


# REFRESH


def refresh(who: str = LEE, *lines: str) -> str:
    return message("REFRESH", ORGANIZER, f"ATTENDEE:mailto:{who}", *lines)


def test_a_guest_is_sent_their_own_view_of_the_present_state() -> None:
    outcome = apply(refresh(), SERIES, LEE, DANA)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (Verdict.APPLIED, "refresh.answered", SERIES)
    assert [(sent.method, sent.to, sent.sequence) for sent in outcome.messages] == [("REQUEST", (LEE,), 1)]
    text = outcome.messages[0].calendar
    assert "VALARM" not in text
    assert "Board only" not in text
    assert "EXDATE;TZID=Europe/Rome:20261208T100000" in text


@pytest.mark.parametrize("bearer", ["mallory@evil.example", "lee@evil.example"])
def test_a_stranger_learns_nothing(bearer: str) -> None:
    """Stalwart §8 1: the list in the message is not the list of guests."""
    for text in (refresh(), refresh(bearer)):
        outcome = apply(text, SERIES, bearer, DANA)
        assert (outcome.outcome, outcome.rule, outcome.messages) == (Verdict.REFUSED, "refresh.stranger", ())


def test_who_asks_about_a_cancelled_event_is_told_that_it_is_off() -> None:
    """RFC 5546 §3.2.6: the organizer answers with the latest version, whatever that is."""
    outcome = apply(refresh(), calendar(component(*MEETING, "STATUS:CANCELLED")), LEE, DANA)
    assert (outcome.outcome, outcome.rule) == (Verdict.APPLIED, "refresh.answered")
    assert [(sent.method, sent.to, sent.sequence) for sent in outcome.messages] == [("CANCEL", (LEE,), 1)]
    assert "STATUS:CANCELLED" in outcome.messages[0].calendar
    ended = SERIES.replace("LOCATION:Board only", "STATUS:CANCELLED").replace("SUMMARY:Budget\r\n", "", 1)
    assert [sent.method for sent in apply(refresh(), ended, LEE, DANA).messages] == ["REQUEST"]


def test_a_refresh_that_is_not_for_here() -> None:
    assert apply(refresh().replace(ORGANIZER, "ORGANIZER:mailto:x@y.example"), SERIES, LEE, DANA).rule == (
        "refresh.other-organizer"
    )
    assert apply(refresh(), None, LEE, DANA).rule == "refresh.unknown-uid"
    assert apply(refresh(SAM), SERIES, SAM, LEE).rule == "refresh.not-organizer"


# COUNTER


def counter(*lines: str, who: str = LEE, sequence: int = 1) -> str:
    return message("COUNTER", f"SEQUENCE:{sequence}", ORGANIZER, f"ATTENDEE;PARTSTAT=TENTATIVE:mailto:{who}", *lines)


LATER = ("DTSTART;TZID=Europe/Rome:20261201T140000", "DTEND;TZID=Europe/Rome:20261201T150000")


def test_a_proposal_is_kept_with_its_values_and_changes_nothing() -> None:
    outcome = apply(counter(*LATER, "COMMENT:Lunch first?"), SINGLE, LEE, DANA)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (Verdict.HELD, "counter.proposed", SINGLE)
    proposal = outcome.proposal
    assert proposal is not None
    assert (proposal.address, proposal.recurrence_id, proposal.comment) == (LEE, "", "Lunch first?")
    assert proposal.changes == (
        FieldChange("DTSTART", ";TZID=Europe/Rome:20261201T100000", ";TZID=Europe/Rome:20261201T140000"),
        FieldChange("DTEND", ";TZID=Europe/Rome:20261201T110000", ";TZID=Europe/Rome:20261201T150000"),
    )
    assert "20261201T140000" in proposal.calendar


def test_a_proposal_for_one_occurrence() -> None:
    lines = ("RECURRENCE-ID:20261215T090000Z", "DTSTART:20261216T090000Z", "DTEND:20261216T100000Z")
    outcome = apply(counter(*lines), SERIES, LEE, DANA)
    assert outcome.proposal is not None
    assert outcome.proposal.recurrence_id == "20261215T100000"
    assert {change.name for change in outcome.proposal.changes} == {"DTSTART", "DTEND"}


@pytest.mark.parametrize(
    ("bearer", "text", "rule"),
    [
        ("mallory@evil.example", counter(*LATER), "counter.stranger"),
        (LEE, counter(*LATER, sequence=0), "counter.stale"),
        (LEE, counter("RECURRENCE-ID:20261216T090000Z", *LATER), "counter.no-such-instance"),
        (SAM, counter(*LATER), "counter.not-own"),
        (LEE, counter("DTSTART:tomorrow"), "counter.bad-time"),
        (LEE, counter(*LATER).replace(ORGANIZER, f"ORGANIZER:mailto:{SAM}"), "counter.other-organizer"),
    ],
)
def test_what_is_no_proposal(bearer: str, text: str, rule: str) -> None:
    outcome = apply(text, SERIES, bearer, DANA)
    assert (outcome.rule, outcome.proposal, outcome.stored) == (rule, None, SERIES)


def test_who_is_invited_to_one_occurrence_proposes_nothing_for_another() -> None:
    guest = "kim@fourth.example"
    stored = calendar(component(*MEETING, RULE), component(*MEETING, f"ATTENDEE:mailto:{guest}", EIGHTH))
    for day, rule in (("20261208", "counter.proposed"), ("20261215", "counter.stranger")):
        text = counter(f"RECURRENCE-ID:{day}T090000Z", f"DTSTART:{day}T120000Z", who=guest)
        assert apply(text, stored, guest, DANA).rule == rule
    assert apply(counter(*LATER, who=guest), stored, guest, DANA).rule == "counter.stranger"


def test_a_proposal_against_an_older_version_is_told_the_present() -> None:
    outcome = apply(counter(*LATER, sequence=0), SINGLE, LEE, DANA)
    assert (outcome.outcome, outcome.rule) == (Verdict.IGNORED, "counter.stale")
    assert [(sent.method, sent.to, sent.sequence) for sent in outcome.messages] == [("REQUEST", (LEE,), 1)]


def test_a_proposal_for_what_is_cancelled_asks_nobody() -> None:
    off = calendar(component(*MEETING, "STATUS:CANCELLED"))
    outcome = apply(counter(*LATER), off, LEE, DANA)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (Verdict.IGNORED, "counter.cancelled", off)


def test_where_no_proposals_are_wanted_one_is_declined_at_once() -> None:
    """Interop A09; whoever else the proposal names hears nothing."""
    closed = calendar(component(*MEETING, "X-MICROSOFT-DISALLOW-COUNTER:TRUE"))
    outcome = apply(counter(*LATER).replace("ATTENDEE", f"{OTHER}\r\nATTENDEE", 1), closed, LEE, DANA)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (Verdict.REFUSED, "counter.not-welcome", closed)
    assert [(sent.method, sent.from_address, sent.to) for sent in outcome.messages] == [
        ("DECLINECOUNTER", DANA, (LEE,))
    ]


@pytest.mark.parametrize(
    ("line", "name", "says"),
    [
        ("DUE:20261212T100000Z", "DUE", "proposes another time for"),
        ("LOCATION:Canteen", "LOCATION", "proposes to change"),
    ],
)
def test_a_proposal_need_not_say_when_it_starts(line: str, name: str, says: str) -> None:
    task = component("SEQUENCE:1", ORGANIZER, ME, "DUE:20261210T100000Z", "SUMMARY:Report", kind="VTODO")
    lines = ("SEQUENCE:1", ORGANIZER, f"ATTENDEE:mailto:{LEE}", line)
    outcome = apply(calendar(component(*lines, kind="VTODO"), method="COUNTER"), calendar(task), LEE, DANA)
    assert outcome.proposal is not None
    assert [change.name for change in outcome.proposal.changes] == [name]
    assert says in outcome.reason


def test_a_proposal_without_organizer_as_exchange_sends_it() -> None:
    """Interop Q40."""
    assert apply(counter(*LATER).replace(ORGANIZER + "\r\n", ""), SINGLE, LEE, DANA).rule == "counter.proposed"


def test_a_proposal_that_is_not_for_here() -> None:
    assert apply(counter(*LATER), None, LEE, DANA).rule == "counter.unknown-uid"
    assert apply(counter(*LATER, who=SAM), SINGLE, SAM, LEE).rule == "counter.not-organizer"


def test_a_declined_proposal_leaves_the_event_as_it_is() -> None:
    text = message("DECLINECOUNTER", "SEQUENCE:1", ORGANIZER, ME)
    outcome = apply(text, SINGLE)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (Verdict.APPLIED, "declinecounter.noted", SINGLE)
    assert apply(text, SINGLE, SAM).rule == "declinecounter.not-organizer"
    assert apply(text, SINGLE, LEE, DANA).rule == "declinecounter.not-yours"
    assert apply(text.replace(ME, OTHER), SINGLE).rule == "declinecounter.not-yours"
    assert apply(text, None).rule == "declinecounter.unknown-uid"


# PUBLISH

TALK = ("SEQUENCE:1", "SUMMARY:Talk", *WHEN, ORGANIZER)


def test_a_published_event_is_kept_without_alarms() -> None:
    text = message("PUBLISH", *TALK, "BEGIN:VALARM", "ACTION:EMAIL", "END:VALARM")
    outcome = apply(text, None)
    assert (outcome.outcome, outcome.rule) == (Verdict.APPLIED, "publish.new")
    assert apply(text, outcome.stored).rule == "publish.duplicate"
    assert "VALARM" not in (outcome.stored or "")
    newer = message("PUBLISH", *TALK[1:], "SEQUENCE:2", "LOCATION:Hall")
    assert str(events(apply(newer, outcome.stored).stored)[""]["LOCATION"]) == "Hall"
    assert apply(newer, outcome.stored, "mallory@evil.example").outcome is Verdict.REFUSED


def test_a_publication_never_empties_a_guest_list() -> None:
    outcome = apply(message("PUBLISH", "SEQUENCE:2", *TALK[1:]), SINGLE)
    assert partstats(outcome.stored) == {LEE: "ACCEPTED", SAM: "TENTATIVE"}
    assert str(events(outcome.stored)[""]["SUMMARY"]) == "Talk"


@pytest.mark.parametrize(
    ("bearer", "text", "rule"),
    [
        (DANA, message("PUBLISH", *TALK[:-1]), "publish.no-organizer"),
        ("bot@travel.example", message("PUBLISH", *TALK), "publish.not-organizer"),
        (LEE, message("PUBLISH", *TALK[:-1], f"ORGANIZER:mailto:{LEE}"), "publish.own"),
    ],
)
def test_what_a_person_may_import(bearer: str, text: str, rule: str) -> None:
    outcome = apply(text, None, bearer)
    assert (outcome.rule, outcome.stored) == (rule, None)


def test_policy_may_keep_publications_out() -> None:
    outcome = incoming(message("PUBLISH", *TALK), None, DANA, LEE, settings=ApplySettings(create_unknown=False))
    assert outcome.rule == "publish.not-added"


def test_a_journal_may_be_published() -> None:
    text = calendar(
        component("DTSTART;VALUE=DATE:20261201", "SUMMARY:Notes", ORGANIZER, kind="VJOURNAL"), method="PUBLISH"
    )
    assert apply(text, None).outcome is Verdict.APPLIED
