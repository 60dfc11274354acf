# SPDX-License-Identifier: Apache-2.0
"""Message-IDs: the same message has the same id, any other message another one."""

from dataclasses import replace

import pytest

from gateway.imip.message_id import build_keyed_id, build_message_id, build_thread_id
from gateway.itip.model import ItipMessage, Method

CALENDAR = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:u1\r\nDTSTAMP:20261026T081244Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
MESSAGE = ItipMessage(Method.REQUEST, "u1", 0, "a@example.org", ("b@example.org",), ("",), True, "new", CALENDAR)
KEY = {"secret": b"k" * 32, "domain": "example.org"}


def test_the_same_message_has_the_same_id() -> None:
    first, again = (build_message_id(MESSAGE, who, **KEY) for who in ("b@example.org", "B@Example.org"))
    assert first == again
    assert first.startswith("<itip.")
    assert first.endswith("@example.org>")


@pytest.mark.parametrize(
    "other",
    [
        replace(MESSAGE, uid="u2"),
        replace(MESSAGE, sequence=1),
        replace(MESSAGE, method=Method.CANCEL),
        replace(MESSAGE, recurrence_ids=("20261103T100000Z",)),
        replace(MESSAGE, calendar=CALENDAR.replace("081244Z", "081245Z")),
    ],
)
def test_another_message_has_another_id(other: ItipMessage) -> None:
    assert build_message_id(other, "b@example.org", **KEY) != build_message_id(MESSAGE, "b@example.org", **KEY)


def test_another_recipient_or_secret_makes_another_id() -> None:
    ids = {
        build_message_id(MESSAGE, "b@example.org", **KEY),
        build_message_id(MESSAGE, "c@example.org", **KEY),
        build_message_id(MESSAGE, "b@example.org", secret=b"other", domain="example.org"),
        build_thread_id("u1", "b@example.org", **KEY),
    }
    assert len(ids) == 4


def test_parts_do_not_run_into_each_other() -> None:
    assert build_keyed_id("x", ("ab", "c"), "r", **KEY) != build_keyed_id("x", ("a", "bc"), "r", **KEY)
