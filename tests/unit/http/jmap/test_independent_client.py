# SPDX-License-Identifier: Apache-2.0
"""Somebody else's JMAP client (`caldav.jmap`), in both its forms, against the running server over a real socket.

It writes RFC 8984 with bare alarm triggers of its own, which we understand; what it reads back of alarms and rules it
expects in the same spelling, so those are looked at as JSON.
"""

import asyncio
from typing import Any

import pytest
from caldav.jmap import get_async_jmap_client, get_jmap_client

from tests.support.jmap import PASSWORD

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

MEETING = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//peer//EN
BEGIN:VEVENT
UID:meeting-1
DTSTAMP:20260601T080000Z
DTSTART;TZID=Europe/Berlin:20260607T100000
DTEND;TZID=Europe/Berlin:20260607T110000
SUMMARY:Weekly
DESCRIPTION:Bring tea
LOCATION:Room 5
RRULE:FREQ=WEEKLY;COUNT=4
EXDATE;TZID=Europe/Berlin:20260614T100000
CATEGORIES:work
ORGANIZER;CN=Ann:mailto:ann@example.org
ATTENDEE;CN=Ann;PARTSTAT=ACCEPTED;ROLE=CHAIR:mailto:ann@example.org
ATTENDEE;CN=Bob;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:bob@example.org
BEGIN:VALARM
ACTION:DISPLAY
TRIGGER:-PT15M
DESCRIPTION:Weekly
END:VALARM
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")


def plain_event() -> str:
    head, _, rest = MEETING.replace("meeting-1", "plain-1").partition("BEGIN:VALARM\r\n")
    lines = (head + rest.partition("END:VALARM\r\n")[2]).splitlines()
    return "\r\n".join(line for line in lines if not line.startswith(("RRULE", "EXDATE"))) + "\r\n"


def sync_story(url: str) -> dict[str, Any]:
    """What a person's program does in a week."""
    seen: dict[str, Any] = {}
    with get_jmap_client(url=url, username="ann@example.org", password=PASSWORD) as client:
        (calendar,) = client.get_calendars()
        seen["calendar"] = calendar.name
        event_id = client.create_event(calendar.id, MEETING)
        token = client.get_sync_token()
        seen["created"] = client.get_event(event_id).get_data()
        client.update_event(
            event_id, MEETING.replace("SUMMARY:Weekly", "SUMMARY:Moved").replace("LOCATION:Room 5\r\n", "")
        )
        seen["updated"] = client.get_event(event_id).get_data()
        added, modified, deleted, token = client.get_objects_by_sync_token(token)
        seen["synced"] = (len(added), len(modified), len(deleted))
        seen["found"] = len(client.search_events(calendar_id=calendar.id, text="tea"))
        seen["in June"] = len(client.search_events(start="2026-06-01T00:00:00", end="2026-07-01T00:00:00"))
        seen["in May"] = len(client.search_events(start="2026-05-01T00:00:00", end="2026-06-01T00:00:00"))
        plain = client.create_event(calendar.id, plain_event())
        seen["calendar text"] = client.get_event(plain).get_icalendar_instance().to_ical().decode()
        client.delete_event(plain)
        client.delete_event(event_id)
        added, modified, deleted, token = client.get_objects_by_sync_token(token)
        seen["deleted"] = deleted == [event_id]
    return seen


async def test_the_synchronous_client_lives_here(url: str) -> None:
    seen = await asyncio.to_thread(sync_story, url)
    assert seen["calendar"] == "Ann"
    created = seen["created"]
    assert created["recurrenceRule"] == {"@type": "RecurrenceRule", "frequency": "weekly", "count": 4}
    assert created["recurrenceOverrides"] == {"2026-06-14T10:00:00": {"excluded": True}}
    assert [alert["trigger"]["offset"] for alert in created["alerts"].values()] == ["-PT15M"]
    assert created["organizerCalendarAddress"] == "mailto:ann@example.org"
    for words in ("SUMMARY:Weekly", "LOCATION:Room 5", "mailto:bob@example.org", "20260607T100000"):
        assert words in seen["calendar text"].replace("\r\n ", ""), words
    assert seen["updated"]["title"] == "Moved"
    assert "locations" not in seen["updated"]
    assert seen["updated"]["recurrenceRule"]["frequency"] == "weekly"
    assert seen["synced"] == (0, 1, 0)
    assert (seen["found"], seen["in June"], seen["in May"], seen["deleted"]) == (1, 1, 0, True)


async def test_the_asynchronous_client_lives_here(url: str) -> None:
    async with get_async_jmap_client(url=url, username="ann@example.org", password=PASSWORD) as client:
        (calendar,) = await client.get_calendars()
        ids = await asyncio.gather(
            *(client.create_event(calendar.id, MEETING.replace("meeting-1", f"meeting-{n}")) for n in range(5))
        )
        assert len(set(ids)) == 5
        found = await calendar.get_object_by_uid("meeting-3")
        assert found.get_data()["uid"] == "meeting-3"
        for event_id in ids:
            await client.delete_event(event_id)
        assert await client.search_events() == []
