# SPDX-License-Identifier: Apache-2.0
"""Quick successive edits become one mail; what never left is never cancelled."""

from gateway.flows.owed import Owed, build_payload, coalesce, parse_payload
from gateway.itip.model import FieldChange, ItipMessage, Method

GUEST = "Guest@partner.example"


def owed(
    method: Method, *changes: FieldChange, first: bool = False, instance: str = "", to: str = GUEST, sequence: int = 0
) -> Owed:
    return Owed(
        ItipMessage(method, "u", sequence, "ann@example.org", (to,), (instance,), True, "r", "CAL", changes), to, first
    )


def changed(old: str | None, new: str | None) -> FieldChange:
    return FieldChange("SUMMARY", old, new)


def test_a_payload_says_the_same_after_the_store() -> None:
    both = (owed(Method.REQUEST, changed("a", "b"), first=True), owed(Method.CANCEL, instance="20260607T100000Z"))
    assert parse_payload(build_payload(both)) == both


def test_a_newer_request_takes_the_place_of_an_unsent_one() -> None:
    old, new = owed(Method.REQUEST, changed("a", "b")), owed(Method.REQUEST, changed("b", "c"), sequence=1)
    (merged,) = coalesce([old], [new])
    assert merged.message.sequence == 1
    assert merged.message.changes == (changed("a", "c"),)


def test_what_comes_back_to_where_it_was_is_no_change() -> None:
    (merged,) = coalesce([owed(Method.REQUEST, changed("a", "b"))], [owed(Method.REQUEST, changed("b", "a"))])
    assert merged.message.changes == ()


def test_a_first_invitation_stays_first() -> None:
    (merged,) = coalesce([owed(Method.REQUEST, first=True)], [owed(Method.REQUEST, changed("a", "b"))])
    assert merged.first


def test_a_cancel_of_an_invitation_that_never_left_takes_both_away() -> None:
    gone: list[Owed] = []
    assert coalesce([owed(Method.REQUEST, first=True)], [owed(Method.CANCEL)], gone.append) == ()
    assert [each.message.method for each in gone] == [Method.CANCEL]


def test_a_cancel_of_an_update_that_never_left_still_goes() -> None:
    (left,) = coalesce([owed(Method.REQUEST)], [owed(Method.CANCEL)])
    assert left.message.method == Method.CANCEL


def test_an_uninvited_guest_who_is_invited_again_gets_only_the_invitation() -> None:
    (left,) = coalesce([owed(Method.CANCEL)], [owed(Method.REQUEST)])
    assert left.message.method == Method.REQUEST


def test_other_guests_and_other_occurrences_are_left_alone() -> None:
    old = [owed(Method.REQUEST, instance="1"), owed(Method.REQUEST, to="other@partner.example")]
    new = [owed(Method.REQUEST, instance="2")]
    assert coalesce(old, new) == (*old, *new)


def test_what_was_changed_of_an_invitation_before_it_left_is_no_news_to_its_guest() -> None:
    (merged,) = coalesce([owed(Method.REQUEST, first=True)], [owed(Method.REQUEST, changed("a", "b"))])
    assert merged.message.changes == ()


def test_a_guest_whom_another_server_invited_is_told_all_changes() -> None:
    """After a move to here the first mail of ours is an update, and stays one."""
    old, new = owed(Method.REQUEST, changed("a", "b"), first=True), owed(Method.REQUEST, changed("b", "c"))
    (merged,) = coalesce([old], [new])
    assert merged.message.changes == (changed("a", "c"),)


def test_the_end_of_a_series_takes_away_what_was_to_be_said_of_its_occurrences() -> None:
    series = [owed(Method.REQUEST, first=True), owed(Method.REQUEST, first=True, instance="20260614T120000")]
    assert coalesce(series, [owed(Method.CANCEL)]) == ()
    known = [owed(Method.CANCEL, instance="20260614T120000"), owed(Method.REQUEST, instance="20260621T120000")]
    assert coalesce(known, [owed(Method.CANCEL)]) == (owed(Method.CANCEL),)


def test_an_occurrence_is_cancelled_to_whom_the_series_is_about_to_be_sent() -> None:
    """The series as it waits has that occurrence still."""
    series = [owed(Method.REQUEST, first=True), owed(Method.REQUEST, first=True, instance="20260614T120000")]
    gone = owed(Method.CANCEL, instance="20260614T120000")
    assert coalesce(series, [gone]) == (series[0], gone)


def test_a_guest_of_one_occurrence_only_who_never_heard_of_it_hears_nothing() -> None:
    asked, gone = (owed(method, first=True, instance="20260614T120000") for method in (Method.REQUEST, Method.CANCEL))
    assert coalesce([asked], [gone]) == ()


def test_what_one_change_says_of_the_series_and_of_an_occurrence_both_goes() -> None:
    """Who is no longer on the series but still on an occurrence."""
    both = (owed(Method.CANCEL), owed(Method.REQUEST, instance="20260614T120000"))
    assert coalesce([owed(Method.REQUEST)], both) == both


def test_one_guest_in_two_spellings_is_one_guest() -> None:
    assert len(coalesce([owed(Method.REQUEST)], [owed(Method.REQUEST, to="guest@PARTNER.example")])) == 1


def test_the_last_answer_counts() -> None:
    (left,) = coalesce([owed(Method.REPLY)], [owed(Method.REPLY, sequence=3)])
    assert left.message.sequence == 3
