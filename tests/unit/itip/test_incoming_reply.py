# SPDX-License-Identifier: Apache-2.0
"""Answers that come by mail: whose they are, which version and which occurrence they answer, what they may change."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.itip.diff import diff
from gateway.itip.model import ApplySettings, History, Outcome, Seen, UninvitedReply, Verdict
from tests.support.calendars import DANA, LEE, NOW, SAM, calendar, component, events, incoming, partstats, tree

MEETING = (
    "SEQUENCE:2",
    "DTSTART;TZID=Europe/Rome:20261201T100000",
    "DTEND;TZID=Europe/Rome:20261201T110000",
    "SUMMARY:Budget",
    f"ORGANIZER;CN=Dana:mailto:{DANA}",
    f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{DANA}",
    f"ATTENDEE;CN=Lee;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{LEE}",
    f"ATTENDEE;PARTSTAT=TENTATIVE:mailto:{SAM}",
)
STORED = calendar(component(*MEETING))
SERIES = calendar(component(*MEETING, "RRULE:FREQ=WEEKLY;COUNT=4", "BEGIN:VALARM", "TRIGGER:-PT5M", "END:VALARM"))


def reply(
    partstat: str = "ACCEPTED",
    *lines: str,
    who: str = LEE,
    sequence: int = 2,
    dtstamp: str = "20261122T080000Z",
    organizer: str | None = DANA,
    params: str = "",
) -> str:
    own = [f"ATTENDEE;PARTSTAT={partstat}{params}:mailto:{who}"] if partstat else []
    head = [f"SEQUENCE:{sequence}", *([f"ORGANIZER:mailto:{organizer}"] if organizer else [])]
    return calendar(component(*head, *own, *lines, dtstamp=dtstamp), method="REPLY")


def apply(message: str, stored: str | None = STORED, bearer: str = LEE, **more: object) -> Outcome:
    return incoming(message, stored, bearer, DANA, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("partstat", ["ACCEPTED", "DECLINED", "TENTATIVE"])
def test_an_answer_is_applied(partstat: str) -> None:
    outcome = apply(reply(partstat, "COMMENT:I will be late\\, sorry", "REQUEST-STATUS:2.0;Success"))
    assert (outcome.outcome, outcome.rule) == (Verdict.APPLIED, "reply.applied")
    assert partstats(outcome.stored) == {DANA: "ACCEPTED", LEE: partstat, SAM: "TENTATIVE"}
    (answer,) = outcome.answers
    assert (answer.address, answer.recurrence_id, answer.partstat) == (LEE, "", partstat)
    assert answer.comment == "I will be late, sorry"
    assert answer.dtstamp == datetime(2026, 11, 22, 8, tzinfo=UTC)
    assert outcome.messages == ()


def test_a_comment_alone_leaves_the_answer_as_it_was() -> None:
    """RFC 5546 §3.2.3, interop A08."""
    stored = STORED.replace("CN=Lee;PARTSTAT=NEEDS-ACTION", "CN=Lee;PARTSTAT=ACCEPTED")
    outcome = apply(reply("", f"ATTENDEE:mailto:{LEE}", "COMMENT:running late"), stored)
    assert outcome.rule == "reply.applied"
    assert partstats(outcome.stored)[LEE] == "ACCEPTED"
    assert (outcome.answers[0].partstat, outcome.answers[0].comment) == ("ACCEPTED", "running late")


def test_a_zone_that_only_the_stored_object_defines() -> None:
    zone = (
        "BEGIN:VTIMEZONE\r\nTZID:Ours\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0517\r\n"
        "TZOFFSETTO:+0517\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
    )
    stored = calendar(zone, component(*(line.replace("Europe/Rome", "Ours") for line in MEETING), "RRULE:FREQ=WEEKLY"))
    for recurrence in ("RECURRENCE-ID;TZID=Ours:20261208T100000", "RECURRENCE-ID:20261208T044300Z"):
        outcome = apply(reply("DECLINED", recurrence), stored)
        assert partstats(outcome.stored, "20261208T100000")[LEE] == "DECLINED"


def test_nothing_but_the_own_line_is_touched() -> None:
    stored = STORED.replace("SUMMARY:Budget", "SUMMARY:Budget\r\nX-ODD;X-A=1:kept  \r\nDESCRIPTION:long\r\n  folded")
    outcome = apply(reply("ACCEPTED", "SUMMARY:Hijacked", "DTSTART:20270101T000000Z", "LOCATION:Evil"), stored)
    lines = set((outcome.stored or "").split("\r\n")) ^ set(stored.split("\r\n"))
    assert len([line for line in lines if "ATTENDEE" in line]) == 2
    assert "Hijacked" not in (outcome.stored or "")


@pytest.mark.parametrize("spelling", ["LEE@Partner.EXAMPLE", "lee%40partner.example", "lee@partner.example?x=1"])
def test_one_person_in_every_spelling(spelling: str) -> None:
    outcome = apply(reply(who=spelling), bearer="Lee@partner.example.")
    assert partstats(outcome.stored)[LEE] == "ACCEPTED"


def test_without_organizer_as_exchange_sends_it() -> None:
    """Interop Q40."""
    assert apply(reply(organizer=None)).rule == "reply.applied"


def test_no_such_event() -> None:
    outcome = apply(reply(), None)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (Verdict.IGNORED, "reply.unknown-uid", None)


@pytest.mark.parametrize(
    ("bearer", "message", "rule", "verdict"),
    [
        ("mallory@evil.example", reply(), "reply.not-own", Verdict.REFUSED),
        (SAM, reply(), "reply.not-own", Verdict.REFUSED),
        (SAM, reply(params=f';SENT-BY="mailto:{SAM}"'), "reply.on-behalf", Verdict.HELD),
        (LEE, reply(organizer="boss@example.org"), "reply.other-organizer", Verdict.REFUSED),
        (DANA, reply(who=DANA), "reply.from-organizer", Verdict.IGNORED),
        (LEE, reply(""), "reply.no-attendee", Verdict.REFUSED),
        (LEE, reply("", f"ATTENDEE:mailto:{LEE}"), "reply.no-answer", Verdict.IGNORED),
        (LEE, reply("MAYBE"), "reply.bad-partstat", Verdict.REFUSED),
        (LEE, reply("COMPLETED"), "reply.bad-partstat", Verdict.REFUSED),
        (
            LEE,
            reply("ACCEPTED", "RECURRENCE-ID:20300101T000000Z"),
            "reply.no-such-instance",
            Verdict.REFUSED,
        ),
        (LEE, reply("ACCEPTED", "RECURRENCE-ID:soon"), "reply.no-such-instance", Verdict.REFUSED),
    ],
)
def test_answers_that_change_nothing(bearer: str, message: str, rule: str, verdict: Verdict) -> None:
    outcome = apply(message, bearer=bearer)
    assert (outcome.outcome, outcome.rule) == (verdict, rule)
    assert outcome.stored == STORED
    assert outcome.answers == ()


def test_of_several_attendees_only_the_own_line_counts() -> None:
    """Interop Q48: a second ATTENDEE never moves a third party."""
    both = reply("ACCEPTED", f"ATTENDEE;PARTSTAT=DECLINED:mailto:{SAM}")
    assert partstats(apply(both).stored) == {DANA: "ACCEPTED", LEE: "ACCEPTED", SAM: "TENTATIVE"}
    assert partstats(apply(both, bearer=SAM).stored) == {DANA: "ACCEPTED", LEE: "NEEDS-ACTION", SAM: "DECLINED"}


def test_a_deputy_on_record_may_answer() -> None:
    stored = STORED.replace("ATTENDEE;CN=Lee;", 'ATTENDEE;CN=Lee;SENT-BY="mailto:pa@partner.example";')
    assert partstats(apply(reply(), stored, "pa@partner.example").stored)[LEE] == "ACCEPTED"


def test_a_deputy_who_is_a_guest_too_answers_for_whom_the_answer_names() -> None:
    stored = STORED.replace("ATTENDEE;CN=Lee;", f'ATTENDEE;CN=Lee;SENT-BY="mailto:{DANA[:-3]}net";').replace(
        f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{DANA}", f"ATTENDEE;PARTSTAT=TENTATIVE:mailto:{DANA[:-3]}net"
    )
    outcome = apply(reply(), stored, f"{DANA[:-3]}net")
    assert partstats(outcome.stored) == {f"{DANA[:-3]}net": "TENTATIVE", LEE: "ACCEPTED", SAM: "TENTATIVE"}


@pytest.mark.parametrize(("invited", "answers"), [("lee+cal@partner.example", LEE), (LEE, "lee+x@partner.example")])
def test_plus_addresses_are_one_mailbox(invited: str, answers: str) -> None:
    stored = STORED.replace(f"RSVP=TRUE:mailto:{LEE}", f"RSVP=TRUE:mailto:{invited}")
    assert partstats(apply(reply(who=answers), stored, answers).stored)[invited] == "ACCEPTED"


def test_ones_own_mailbox_may_answer_under_a_tag_that_was_not_invited() -> None:
    text = reply(who="lee+cal@partner.example")
    assert partstats(apply(text).stored)[LEE] == "ACCEPTED"
    assert apply(text, bearer=SAM).rule == "reply.not-own"


def test_an_organizer_under_a_tag_of_their_mailbox_takes_answers() -> None:
    tagged = DANA.replace("@", "+cal@")
    assert apply(reply(organizer=tagged), STORED.replace(DANA, tagged)).rule == "reply.applied"


def test_two_tags_are_two_persons() -> None:
    stored = STORED.replace(f"mailto:{LEE}", "mailto:lee+a@partner.example")
    outcome = apply(reply(who="lee+b@partner.example"), stored, "lee+b@partner.example")
    assert outcome.rule == "reply.uninvited"


# Which answer is the newer (RFC 5546 §2.1.5)


def after(first: str, second: str) -> Outcome:
    return apply(second, apply(first).stored)


def test_a_change_of_mind_is_applied_and_the_late_first_answer_is_not() -> None:
    yes, no = reply("ACCEPTED"), reply("DECLINED", dtstamp="20261122T080001Z")
    assert partstats(after(yes, no).stored)[LEE] == "DECLINED"
    late = after(no, yes)
    assert (late.outcome, late.rule) == (Verdict.IGNORED, "reply.stale")
    assert partstats(late.stored)[LEE] == "DECLINED"


def test_the_same_answer_twice_is_one() -> None:
    outcome = after(reply(), reply())
    assert (outcome.outcome, outcome.rule) == (Verdict.IGNORED, "reply.duplicate")


def test_the_store_remembers_what_a_file_does_not() -> None:
    seen = Seen(LEE, "", 2, datetime(2026, 11, 22, 9, tzinfo=UTC))
    assert apply(reply(), history=History((seen,))).rule == "reply.stale"


def test_an_answer_to_an_older_version_is_stale() -> None:
    """Interop T08."""
    outcome = apply(reply(sequence=1))
    assert (outcome.outcome, outcome.rule) == (Verdict.IGNORED, "reply.stale-sequence")
    assert outcome.stored == STORED


def test_an_answer_to_an_older_version_counts_where_the_time_has_not_moved_since() -> None:
    stored = STORED.replace("SEQUENCE:2", "SEQUENCE:2\r\nX-IMIP-GATEWAY-RESCHEDULED:1")
    assert apply(reply(sequence=1), stored).rule == "reply.applied"
    assert apply(reply(sequence=0), stored).rule == "reply.stale-sequence"


def test_a_client_need_not_send_the_mark_of_the_last_reschedule_back() -> None:
    """The title changed, then the event is saved without our property: a crossing answer still counts."""
    first = diff(None, tree(STORED.replace("SEQUENCE:2", "SEQUENCE:0")), addresses=[DANA], now=NOW).stored
    renamed = STORED.replace("SEQUENCE:2", "SEQUENCE:0").replace("Budget", "Plans")
    second = diff(tree(first), tree(renamed), addresses=[DANA], now=NOW).stored
    third = diff(tree(second), tree(renamed), addresses=[DANA], now=NOW).stored
    assert apply(reply(sequence=0), third).rule == "reply.applied"


def test_a_sequence_beyond_ours_is_read_as_ours() -> None:
    """Interop T09: Tuta raised SEQUENCE in replies; a later honest answer must still count."""
    bogus, honest = reply("ACCEPTED", sequence=900), reply("DECLINED", dtstamp="20261122T090000Z")
    assert "sequence-clamped" in apply(bogus).repairs
    outcome = after(bogus, honest)
    assert partstats(outcome.stored)[LEE] == "DECLINED"
    assert int(events(outcome.stored)[""]["SEQUENCE"]) == 2


def test_a_stamp_from_the_future_freezes_nothing() -> None:
    """Interop Q83."""
    first = apply(reply("ACCEPTED", dtstamp="99990101T000000Z"))
    later = apply(reply("DECLINED", dtstamp="20261123T091000Z"), first.stored, now=NOW + timedelta(minutes=10))
    assert partstats(later.stored)[LEE] == "DECLINED"


def test_exchange_says_when_the_person_answered() -> None:
    """Interop Q47."""
    older = reply("ACCEPTED", "X-MICROSOFT-CDO-ATTENDEE-CRITICAL-CHANGE:20261122T100000Z")
    newer = reply("DECLINED", dtstamp="20261122T090000Z")
    assert after(older, newer).rule == "reply.stale"


def test_a_cancelled_event_takes_no_answers() -> None:
    stored = STORED.replace("SUMMARY:", "STATUS:CANCELLED\r\nSUMMARY:")
    assert apply(reply(), stored).rule == "reply.cancelled"


# One occurrence


@pytest.mark.parametrize(
    "recurrence",
    [
        "RECURRENCE-ID;TZID=Europe/Rome:20261208T100000",
        "RECURRENCE-ID:20261208T090000Z",
        "RECURRENCE-ID;TZID=America/New_York:20261208T040000",
        "RECURRENCE-ID;VALUE=DATE:20261208",
    ],
)
def test_an_occurrence_is_answered_in_every_spelling(recurrence: str) -> None:
    """Interop Q30, Q37: by instant, not by text."""
    outcome = apply(reply("DECLINED", recurrence), SERIES)
    assert outcome.rule == "reply.applied"
    assert partstats(outcome.stored)[LEE] == "NEEDS-ACTION"
    found = events(outcome.stored)
    assert set(found) == {"", "20261208T100000"}
    override = found["20261208T100000"]
    assert partstats(outcome.stored, "20261208T100000") == {DANA: "ACCEPTED", LEE: "DECLINED", SAM: "TENTATIVE"}
    assert override["RECURRENCE-ID"].params["TZID"] == "Europe/Rome"
    assert override["DTSTART"].dt.isoformat() == "2026-12-08T10:00:00+01:00"
    assert override["DTEND"].dt.isoformat() == "2026-12-08T11:00:00+01:00"
    assert "RRULE" not in override
    assert [each.name for each in override.subcomponents] == ["VALARM"]
    assert outcome.answers[0].recurrence_id == "20261208T100000"


@pytest.mark.parametrize(
    "recurrence",
    [
        "20261209T090000Z",
        "20261208T090001Z",
        "20261229T090000Z",
        "20251208T090000Z",
        "99991231T235959Z",
        "00010101T000000Z",
    ],
)
def test_an_occurrence_that_does_not_exist_is_refused(recurrence: str) -> None:
    """Interop T20."""
    outcome = apply(reply("DECLINED", f"RECURRENCE-ID:{recurrence}"), SERIES)
    assert (outcome.outcome, outcome.rule, outcome.stored) == (Verdict.REFUSED, "reply.no-such-instance", SERIES)


def test_an_excluded_occurrence_does_not_exist() -> None:
    stored = SERIES.replace("RRULE", "EXDATE;TZID=Europe/Rome:20261208T100000\r\nRRULE")
    assert apply(reply("DECLINED", "RECURRENCE-ID:20261208T090000Z"), stored).rule == "reply.no-such-instance"


def test_a_moved_occurrence_is_known_by_its_first_start() -> None:
    moved = component(
        *(line.replace("20261201T1", "20261210T1") for line in MEETING),
        "RECURRENCE-ID;TZID=Europe/Rome:20261208T100000",
    )
    stored = calendar(component(*MEETING, "RRULE:FREQ=WEEKLY;COUNT=4"), moved)
    outcome = apply(reply("DECLINED", "RECURRENCE-ID:20261208T090000Z"), stored)
    assert partstats(outcome.stored, "20261208T100000")[LEE] == "DECLINED"
    assert apply(reply("DECLINED", "RECURRENCE-ID:20261210T090000Z"), stored).rule == "reply.no-such-instance"


def test_a_single_event_may_be_answered_by_its_own_start() -> None:
    outcome = apply(reply("ACCEPTED", "RECURRENCE-ID:20261201T090000Z"))
    assert partstats(outcome.stored)[LEE] == "ACCEPTED"
    assert set(events(outcome.stored)) == {""}


def test_many_components_each_by_their_own_stamp() -> None:
    """Interop T30, Q86: a series and occurrences in one reply, no DTSTART anywhere."""
    head = ("SEQUENCE:2", f"ORGANIZER:mailto:{DANA}")
    parts = [
        component(*head, "RECURRENCE-ID:20261208T090000Z", f"ATTENDEE;PARTSTAT=DECLINED:mailto:{LEE}"),
        component(*head, "RECURRENCE-ID:20261209T090000Z", f"ATTENDEE;PARTSTAT=DECLINED:mailto:{LEE}"),
        component(*head, f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{LEE}"),
    ]
    for order in (parts, parts[::-1]):
        outcome = apply(calendar(*order, method="REPLY"), SERIES)
        assert outcome.outcome is Verdict.APPLIED
        assert partstats(outcome.stored)[LEE] == "ACCEPTED"
        assert partstats(outcome.stored, "20261208T100000")[LEE] == "DECLINED"
        assert set(events(outcome.stored)) == {"", "20261208T100000"}
        assert len(outcome.answers) == 2
        assert "does not take place" in outcome.reason


EIGHTH = "RECURRENCE-ID:20261208T090000Z"


def test_the_series_answer_speaks_for_occurrences_answered_before_it() -> None:
    """Interop T29."""
    one = reply("DECLINED", EIGHTH, dtstamp="20261122T080000Z")
    all_of_it = reply("ACCEPTED", dtstamp="20261122T090000Z")
    for first, second in ((one, all_of_it), (all_of_it, one)):
        stored = apply(second, apply(first, SERIES).stored).stored
        instances = events(stored)
        assert partstats(stored)[LEE] == "ACCEPTED"
        assert all(partstats(stored, key)[LEE] == "ACCEPTED" for key in instances)


@pytest.mark.parametrize(
    ("answered", "partstat"), [("20261121T080000Z", "NEEDS-ACTION"), ("20261122T100000Z", "DECLINED")]
)
def test_the_series_answer_does_not_speak_for_an_occurrence_that_moved_after_it(answered: str, partstat: str) -> None:
    """Interop T08, where only the occurrence's SEQUENCE has risen."""
    lines = ("RECURRENCE-ID;TZID=Europe/Rome:20261208T100000", "DTSTART;TZID=Europe/Rome:20261208T150000", "SEQUENCE:3")
    kept = [line for line in MEETING if not line.startswith(("DTSTART", "DTEND", "SEQUENCE"))]
    moved = component(*lines, *kept, dtstamp="20261122T080000Z")
    stored = SERIES.replace("END:VCALENDAR\r\n", f"{moved}END:VCALENDAR\r\n")
    outcome = apply(reply("DECLINED", dtstamp=answered), stored)
    assert partstats(outcome.stored)[LEE] == "DECLINED"
    assert partstats(outcome.stored, "20261208T100000")[LEE] == partstat


def test_a_later_occurrence_answer_outlives_the_series_answer() -> None:
    """Interop T29, in both orders of arrival."""
    one = reply("DECLINED", EIGHTH, dtstamp="20261122T090000Z")
    all_of_it = reply("ACCEPTED", dtstamp="20261122T080000Z")
    for first, second in ((one, all_of_it), (all_of_it, one)):
        stored = apply(second, apply(first, SERIES).stored).stored
        assert partstats(stored)[LEE] == "ACCEPTED"
        assert partstats(stored, "20261208T100000")[LEE] == "DECLINED"


def test_all_following_occurrences_are_answered_as_a_range() -> None:
    outcome = apply(reply("DECLINED", "RECURRENCE-ID;RANGE=THISANDFUTURE:20261208T090000Z"), SERIES)
    assert partstats(outcome.stored)[LEE] == "NEEDS-ACTION"
    assert partstats(outcome.stored, "20261208T100000")[LEE] == "DECLINED"
    assert events(outcome.stored)["20261208T100000"]["RECURRENCE-ID"].params["RANGE"] == "THISANDFUTURE"
    whole = apply(reply("DECLINED", "RECURRENCE-ID;RANGE=THISANDFUTURE:20261201T090000Z"), SERIES)
    assert partstats(whole.stored)[LEE] == "DECLINED"


def test_guests_of_single_occurrences_answer_them() -> None:
    only = component(*MEETING, "RECURRENCE-ID;TZID=Europe/Rome:20261201T100000")
    outcome = apply(reply("ACCEPTED", "RECURRENCE-ID:20261201T090000Z"), calendar(only))
    assert partstats(outcome.stored, "20261201T100000")[LEE] == "ACCEPTED"
    assert apply(reply("ACCEPTED"), calendar(only)).rule == "reply.applied"


def test_who_was_removed_from_an_occurrence_is_not_invited_to_it() -> None:
    override = component(*MEETING[:-2], "RECURRENCE-ID;TZID=Europe/Rome:20261208T100000")
    stored = calendar(component(*MEETING, "RRULE:FREQ=WEEKLY;COUNT=4"), override)
    assert apply(reply("ACCEPTED", EIGHTH), stored).rule == "reply.uninvited"


# Who was not asked


CRASH = reply(who="kim@crash.example", params=";CN=Kim")


@pytest.mark.parametrize(
    ("mode", "verdict", "rule"),
    [
        (UninvitedReply.HOLD, Verdict.HELD, "reply.uninvited"),
        (UninvitedReply.REJECT, Verdict.REFUSED, "reply.uninvited-rejected"),
        (UninvitedReply.ADD, Verdict.APPLIED, "reply.uninvited-added"),
    ],
)
def test_uninvited_answers_by_policy(mode: UninvitedReply, verdict: Verdict, rule: str) -> None:
    outcome = apply(CRASH, bearer="kim@crash.example", settings=ApplySettings(uninvited=mode))
    assert (outcome.outcome, outcome.rule) == (verdict, rule)
    found = partstats(outcome.stored)
    assert found.get("kim@crash.example") == ("ACCEPTED" if mode is UninvitedReply.ADD else None)


def test_the_uninvited_never_make_an_occurrence() -> None:
    """They name an occurrence of their own making (Stalwart's stub override)."""
    for mode in UninvitedReply:
        message = reply("ACCEPTED", "RECURRENCE-ID:20300101T000000Z", who="kim@crash.example")
        outcome = apply(message, SERIES, "kim@crash.example", settings=ApplySettings(uninvited=mode))
        assert (outcome.rule, outcome.stored) == ("reply.no-such-instance", SERIES)


def test_a_delegate_is_added_by_the_delegator() -> None:
    """RFC 5546 §3.2.2.3."""
    message = reply(
        "DELEGATED",
        f'ATTENDEE;PARTSTAT=ACCEPTED;CN=Kim;DELEGATED-FROM="mailto:{LEE}":mailto:kim@partner.example',
        params=';DELEGATED-TO="mailto:kim@partner.example"',
    )
    outcome = apply(message)
    assert outcome.rule == "reply.delegated"
    assert partstats(outcome.stored)[LEE] == "DELEGATED"
    assert partstats(outcome.stored)["kim@partner.example"] == "NEEDS-ACTION"
    assert outcome.answers[0].delegated_to == "kim@partner.example"
    answer = apply(reply(who="kim@partner.example"), outcome.stored, "kim@partner.example")
    assert partstats(answer.stored)["kim@partner.example"] == "ACCEPTED"


def test_of_thousands_of_delegates_a_few_are_added() -> None:
    many = ",".join(f'"mailto:d{number}@other.example"' for number in range(5_000))
    outcome = apply(reply("DELEGATED", params=f";DELEGATED-TO={many}"))
    assert outcome.rule == "reply.delegated"
    assert len(partstats(outcome.stored)) == len(partstats(STORED)) + 5


def test_a_delegator_never_edits_another_guest() -> None:
    """Stalwart §8 1b."""
    message = reply(
        "DELEGATED",
        f"ATTENDEE;PARTSTAT=DECLINED;ROLE=NON-PARTICIPANT:mailto:{SAM}",
        params=f';DELEGATED-TO="mailto:{SAM}","mailto:{DANA}","mailto:{LEE}"',
    )
    outcome = apply(message)
    assert partstats(outcome.stored) == {DANA: "ACCEPTED", LEE: "DELEGATED", SAM: "TENTATIVE"}


def test_a_delegate_nobody_named_waits() -> None:
    """Interop T19."""
    message = reply(who="kim@partner.example", params=f';DELEGATED-FROM="mailto:{LEE}"')
    assert apply(message, bearer="kim@partner.example").outcome is Verdict.HELD


def test_a_delegator_hears_of_the_delegate() -> None:
    """RFC 5546 §3.2.2.3: the delegate answers both."""
    kim = "kim@partner.example"
    mine = STORED.replace(
        "ATTENDEE;CN=Lee;PARTSTAT=NEEDS-ACTION", f'ATTENDEE;CN=Lee;DELEGATED-TO="mailto:{kim}";PARTSTAT=DELEGATED'
    )
    outcome = incoming(reply(who=kim), mine, kim, LEE)
    assert partstats(outcome.stored)[kim] == "ACCEPTED"
    assert incoming(reply(who=SAM), mine, SAM, LEE).rule == "reply.not-organizer"


# Tasks


def test_a_task_is_completed_by_its_assignee_only() -> None:
    """The organizer's own STATUS and progress are not overwritten."""
    task = ("DUE:20261210T090000Z", "STATUS:IN-PROCESS", "PERCENT-COMPLETE:10", *MEETING[4:])
    stored = calendar(component(*task, kind="VTODO"))
    lines = (f"ORGANIZER:mailto:{DANA}", f"ATTENDEE;PARTSTAT=COMPLETED:mailto:{LEE}", "STATUS:COMPLETED")
    outcome = apply(calendar(component(*lines, "PERCENT-COMPLETE:100", kind="VTODO"), method="REPLY"), stored)
    assert partstats(outcome.stored)[LEE] == "COMPLETED"
    found = events(outcome.stored)[""]
    assert (str(found["STATUS"]), int(found["PERCENT-COMPLETE"])) == ("IN-PROCESS", 10)
