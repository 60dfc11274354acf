# SPDX-License-Identifier: Apache-2.0
"""Cancellations that come by mail: what is off, for whom, and that nothing is ever deleted."""

import pytest

from gateway.itip.model import Outcome, Verdict
from tests.support.calendars import DANA, LEE, SAM, calendar, component, events, incoming, partstats

WHEN = ("DTSTART;TZID=Europe/Rome:20261201T100000", "DTEND;TZID=Europe/Rome:20261201T110000")
ORGANIZER, ME = f"ORGANIZER:mailto:{DANA}", f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{LEE}"
OTHER = f"ATTENDEE;PARTSTAT=TENTATIVE:mailto:{SAM}"
MEETING = ("SEQUENCE:1", "SUMMARY:Budget", *WHEN, ORGANIZER, ME, OTHER)
RULE = "RRULE:FREQ=WEEKLY;COUNT=5"
STORED = calendar(component(*MEETING, "BEGIN:VALARM", "TRIGGER:-PT5M", "END:VALARM"))
EIGHTH = "RECURRENCE-ID;TZID=Europe/Rome:20261208T100000"
OVERRIDE = component(*MEETING, EIGHTH, "LOCATION:Room 2")
SERIES = calendar(component(*MEETING, RULE), OVERRIDE)


def cancel(*lines: str, sequence: int = 2, dtstamp: str = "20261122T080000Z", organizer: str = ORGANIZER) -> str:
    return calendar(component(f"SEQUENCE:{sequence}", organizer, *lines, dtstamp=dtstamp), method="CANCEL")


FOR_ALL = ("STATUS:CANCELLED", ME, OTHER)


def apply(message: str, stored: str | None, bearer: str = DANA) -> Outcome:
    return incoming(message, stored, bearer, LEE)


def statuses(text: str | None) -> dict[str, str]:
    return {key: str(event.get("STATUS", "")) for key, event in events(text).items()}


def test_the_whole_event_is_off_and_still_there() -> None:
    outcome = apply(cancel(*FOR_ALL), STORED)
    assert (outcome.outcome, outcome.rule) == (Verdict.APPLIED, "cancel.applied")
    found = events(outcome.stored)[""]
    assert (str(found["STATUS"]), int(found["SEQUENCE"])) == ("CANCELLED", 2)
    assert [each.name for each in found.subcomponents] == ["VALARM"]
    assert partstats(outcome.stored) == {LEE: "ACCEPTED", SAM: "TENTATIVE"}
    assert [(change.name, change.new) for change in outcome.changes] == [("STATUS", "CANCELLED")]


def test_a_cancelled_series_takes_its_overrides_along() -> None:
    assert statuses(apply(cancel(*FOR_ALL), SERIES).stored) == {"": "CANCELLED", "20261208T100000": "CANCELLED"}


@pytest.mark.parametrize("lines", [(), ("STATUS:CANCELLED",), ("STATUS:CANCELLED", OTHER)])
def test_short_cancellations(lines: tuple[str, ...]) -> None:
    assert apply(cancel(*lines), STORED).rule == "cancel.applied"


def test_who_is_no_longer_invited_is_not_told_that_the_meeting_is_off() -> None:
    """Interop T17, Q85."""
    outcome = apply(cancel(ME), STORED)
    assert outcome.rule == "cancel.uninvited"
    assert "no longer invites you" in outcome.reason
    assert "cancelled" not in outcome.reason
    assert statuses(outcome.stored) == {"": "CANCELLED"}
    assert partstats(outcome.stored) == {SAM: "TENTATIVE"}


def test_when_every_guest_is_named_nobody_is_left() -> None:
    """Senders who never write STATUS (Nextcloud before 2024) name all guests of an event that is off."""
    assert apply(cancel(ME, OTHER), STORED).rule == "cancel.applied"
    alone = calendar(component(*MEETING[:-1]))
    assert apply(cancel(ME), alone).rule == "cancel.uninvited"


def test_others_who_are_no_longer_invited() -> None:
    outcome = apply(cancel(OTHER), STORED)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (Verdict.IGNORED, "cancel.others", STORED)


@pytest.mark.parametrize(
    "recurrence",
    [
        "RECURRENCE-ID;TZID=Europe/Rome:20261215T100000",
        "RECURRENCE-ID:20261215T090000Z",
        "RECURRENCE-ID;VALUE=DATE:20261215",
    ],
)
def test_one_occurrence_is_off_and_the_series_goes_on(recurrence: str) -> None:
    """nextcloud/calendar#7057, #6655: never the series."""
    outcome = apply(cancel(recurrence, *FOR_ALL), SERIES)
    assert statuses(outcome.stored) == {"": "", "20261208T100000": "", "20261215T100000": "CANCELLED"}
    found = events(outcome.stored)
    assert found["20261215T100000"]["DTSTART"].dt.isoformat() == "2026-12-15T10:00:00+01:00"
    assert "RRULE" not in found["20261215T100000"]
    assert int(found[""]["SEQUENCE"]) == 1
    assert "on 2026-12-15 at 10:00" in outcome.reason


def test_an_occurrence_with_an_override_is_off() -> None:
    outcome = apply(cancel(EIGHTH, *FOR_ALL), SERIES)
    assert statuses(outcome.stored) == {"": "", "20261208T100000": "CANCELLED"}
    assert str(events(outcome.stored)["20261208T100000"]["LOCATION"]) == "Room 2"


def test_exchange_does_not_raise_sequence_for_one_occurrence() -> None:
    """Interop Q45."""
    outcome = apply(cancel("RECURRENCE-ID:20261215T090000Z", *FOR_ALL, sequence=1), SERIES)
    assert outcome.rule == "cancel.applied"


def test_several_occurrences_at_once() -> None:
    parts = [
        component("SEQUENCE:2", ORGANIZER, *FOR_ALL, f"RECURRENCE-ID:{at}T090000Z", dtstamp="20261122T080000Z")
        for at in ("20261208", "20261215", "20261216")
    ]
    for order in (parts, parts[::-1]):
        outcome = apply(calendar(*order, method="CANCEL"), SERIES)
        assert statuses(outcome.stored) == {"": "", "20261208T100000": "CANCELLED", "20261215T100000": "CANCELLED"}
        assert "does not take place on 2026-12-16" in outcome.reason


def test_uninvited_from_one_occurrence_only() -> None:
    outcome = apply(cancel(EIGHTH, ME), SERIES)
    assert outcome.rule == "cancel.uninvited"
    assert statuses(outcome.stored) == {"": "", "20261208T100000": "CANCELLED"}
    assert partstats(outcome.stored)[LEE] == "ACCEPTED"
    assert LEE not in partstats(outcome.stored, "20261208T100000")


@pytest.mark.parametrize(
    ("lines", "says"), [(FOR_ALL, f"{DANA} cancelled the event"), ((ME,), f"{DANA} no longer invites you to the event")]
)
def test_from_an_occurrence_on_that_is_out_already(lines: tuple[str, ...], says: str) -> None:
    stored = calendar(component(*MEETING, RULE, "EXDATE;TZID=Europe/Rome:20261215T100000"))
    outcome = apply(cancel("RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Rome:20261215T100000", *lines), stored)
    assert outcome.rule == "cancel.from-here-on"
    assert outcome.reason.startswith(f"{says} on 2026-12-15 at 10:00 and all after it")
    assert "UNTIL=20261215T085959Z" in (outcome.stored or "")


def test_a_single_event_cancelled_by_its_own_start_stays_a_single_event() -> None:
    outcome = apply(cancel("RECURRENCE-ID:20261201T090000Z", *FOR_ALL), STORED)
    assert outcome.rule == "cancel.applied"
    assert statuses(outcome.stored) == {"": "CANCELLED"}


def test_a_stored_occurrence_that_cannot_be_placed_breaks_nothing() -> None:
    nowhere = calendar(component(*MEETING, "RECURRENCE-ID:20261208T250000Z"))
    outcome = apply(cancel(*FOR_ALL), nowhere)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (Verdict.REFUSED, "cancel.no-such-instance", nowhere)


def test_a_task_is_called_a_task() -> None:
    task, message = (text.replace("VEVENT", "VTODO").replace("DTEND", "DUE") for text in (STORED, cancel(*FOR_ALL)))
    assert apply(message, task).reason == f"{DANA} cancelled the task"


def test_what_was_off_before_is_no_change() -> None:
    first = apply(cancel(*FOR_ALL), STORED)
    second = apply(cancel(*FOR_ALL, sequence=3), first.stored)
    assert (second.rule, second.changes) == ("cancel.applied", ())


def test_this_and_all_after_it() -> None:
    message = cancel("RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Rome:20261215T100000", *FOR_ALL)
    stored = SERIES.replace(OVERRIDE, OVERRIDE + component(*MEETING, EIGHTH.replace("1208", "1222")))
    outcome = apply(message, stored)
    assert outcome.rule == "cancel.from-here-on"
    found = events(outcome.stored)
    assert found[""]["RRULE"].to_ical() == b"FREQ=WEEKLY;UNTIL=20261215T085959Z"
    assert set(found) == {"", "20261208T100000"}
    first = apply(message.replace("20261215", "20261201"), SERIES)
    assert set(statuses(first.stored).values()) == {"CANCELLED"}


@pytest.mark.parametrize(
    ("rule", "start", "kind", "until"),
    [
        ("RRULE:FREQ=DAILY", "DTSTART;VALUE=DATE:20261201", ";VALUE=DATE:20261205", "20261204"),
        ("RRULE:FREQ=DAILY;COUNT=9", "DTSTART:20261201T100000", ":20261205T100000", "20261205T095959"),
        (
            "RRULE:FREQ=DAILY;UNTIL=20261231T100000Z",
            "DTSTART:20261201T100000Z",
            ":20261205T100000Z",
            "20261205T095959Z",
        ),
    ],
)
def test_the_end_has_the_form_of_the_start(rule: str, start: str, kind: str, until: str) -> None:
    stored = calendar(component("SEQUENCE:1", start, rule, ORGANIZER, ME))
    outcome = apply(cancel(f"RECURRENCE-ID;RANGE=THISANDFUTURE{kind}", *FOR_ALL), stored)
    assert f"UNTIL={until}\r\n" in (outcome.stored or "")


@pytest.mark.parametrize(
    ("sequence", "dtstamp", "rule"),
    [
        (0, "20261122T080000Z", "cancel.stale"),
        (1, "20261101T085959Z", "cancel.stale"),
        (1, "20261101T090000Z", "cancel.applied"),
        (1, "20261122T080000Z", "cancel.applied"),
        (5, "20200101T000000Z", "cancel.applied"),
    ],
)
def test_versions_are_ordered(sequence: int, dtstamp: str, rule: str) -> None:
    outcome = apply(cancel(*FOR_ALL, sequence=sequence, dtstamp=dtstamp), STORED)
    assert outcome.rule == rule
    if rule == "cancel.stale":
        assert outcome.stored == STORED


def test_the_same_cancellation_twice_is_one() -> None:
    for message in (cancel(*FOR_ALL), cancel(EIGHTH, *FOR_ALL), cancel(ME)):
        once = apply(message, SERIES)
        twice = apply(message, once.stored)
        assert twice.rule in ("cancel.duplicate", "cancel.others")
        assert twice.stored == once.stored


def test_an_old_invitation_does_not_revive_a_cancelled_event() -> None:
    """Stalwart §8 6."""
    off = apply(cancel(*FOR_ALL), STORED).stored
    again = calendar(component(*MEETING, dtstamp="20261122T070000Z"), method="REQUEST")
    assert statuses(apply(again, off).stored) == {"": "CANCELLED"}


@pytest.mark.parametrize(
    ("bearer", "message", "rule", "verdict"),
    [
        (SAM, cancel(*FOR_ALL), "cancel.not-organizer", Verdict.REFUSED),
        ("mallory@evil.example", cancel(*FOR_ALL), "cancel.not-organizer", Verdict.REFUSED),
        (
            "mallory@evil.example",
            cancel(*FOR_ALL, organizer="ORGANIZER:mailto:mallory@evil.example"),
            "cancel.other-organizer",
            Verdict.REFUSED,
        ),
        (
            "mallory@evil.example",
            cancel(*FOR_ALL, organizer=f'ORGANIZER;SENT-BY="mailto:mallory@evil.example":mailto:{DANA}'),
            "cancel.on-behalf",
            Verdict.HELD,
        ),
        (DANA, cancel("RECURRENCE-ID:20261209T090000Z", *FOR_ALL), "cancel.no-such-instance", Verdict.REFUSED),
        (DANA, cancel("RECURRENCE-ID:whenever", *FOR_ALL), "cancel.no-such-instance", Verdict.REFUSED),
    ],
)
def test_what_cancels_nothing(bearer: str, message: str, rule: str, verdict: Verdict) -> None:
    outcome = apply(message, SERIES, bearer)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (verdict, rule, SERIES)


def test_nothing_here_to_cancel() -> None:
    outcome = apply(cancel(*FOR_ALL), None)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (Verdict.IGNORED, "cancel.unknown-uid", None)
    excluded = calendar(component(*MEETING, RULE, "EXDATE;TZID=Europe/Rome:20261208T100000"))
    assert apply(cancel(EIGHTH, *FOR_ALL), excluded).rule == "cancel.known"


def test_ones_own_event_is_not_cancelled_by_mail() -> None:
    assert incoming(cancel(*FOR_ALL), STORED, LEE, DANA).rule == "cancel.you-organize"
    assert incoming(cancel(*FOR_ALL), STORED, DANA, DANA).rule == "cancel.own"
    private = calendar(component(*WHEN, "SUMMARY:Dentist"))
    assert apply(cancel(*FOR_ALL), private).rule == "cancel.no-meeting"


def test_google_sends_cancellations_of_nothing() -> None:
    """Interop Q32."""
    outcome = apply(calendar(method="CANCEL"), STORED)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (Verdict.IGNORED, "message.empty", STORED)


def test_icloud_cancels_under_the_real_address() -> None:
    """Interop Q57."""
    stored = STORED.replace(ORGANIZER, f"ORGANIZER;EMAIL={DANA}:mailto:2_abc@imip.me.com")
    assert apply(cancel(ME), stored).rule == "cancel.uninvited"


def test_single_occurrences_without_a_series() -> None:
    alone = calendar(OVERRIDE)
    assert statuses(apply(cancel(EIGHTH, *FOR_ALL), alone).stored) == {"20261208T100000": "CANCELLED"}
    assert statuses(apply(cancel(*FOR_ALL), alone).stored) == {"20261208T100000": "CANCELLED"}
    assert apply(cancel("RECURRENCE-ID:20261215T090000Z", *FOR_ALL), alone).rule == "cancel.no-such-instance"
