# SPDX-License-Identifier: Apache-2.0
"""Text filters find what an event says, wherever it says it, and nothing that the caller may not read."""

from typing import Any

import pytest

from tests.support.jmap import JmapClient
from tests.unit.http.conftest import World
from tests.unit.http.jmap.test_sharing import as_guest, share

LONG = "word " * 40 + "Straßenfest"
PEOPLE = {
    "a": {"calendarAddress": "mailto:ann@example.org", "name": "Ann Other", "roles": {"owner": True}},
    "b": {"calendarAddress": "mailto:lee@partner.example", "name": "Lee Müller", "roles": {"required": True}},
}
EVENT: dict[str, Any] = {
    "@type": "Event", "title": "Lunch, with cake", "description": LONG, "start": "2026-06-07T12:00:00",
    "timeZone": "Europe/Berlin", "keywords": {"fun": True}, "participants": PEOPLE,
    "locations": {"l": {"@type": "Location", "name": "Blue Room"}},
    "virtualLocations": {"v": {"@type": "VirtualLocation", "uri": "https://meet.example/abc", "name": "Video"}},
    "recurrenceRule": {"frequency": "daily", "count": 3},
    "recurrenceOverrides": {"2026-06-08T12:00:00": {"title": "Dinner", "locations/l/name": "Garden"}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("filter_", "keys"),
    [
        ({"title": "lunch"}, ["07", "09"]),
        ({"title": "dinner"}, ["08"]),
        ({"location": "garden"}, ["08"]),
        ({"title": "lunch", "location": "garden"}, []),
        ({"text": "strassenfest"}, ["07", "08", "09"]),
    ],
)
@pytest.mark.parametrize("own", [True, False])
async def test_an_instance_meets_every_condition_by_itself(
    world: World, ann: JmapClient, bob: JmapClient, filter_: dict[str, str], keys: list[str], *, own: bool
) -> None:
    """JMAP Calendars §5.11.1: with expandRecurrences all conditions match against the same instance."""
    event = (await ann.call("CalendarEvent/set", create={"e": EVENT}))["created"]["e"]["id"]
    await share(ann, bob)
    window = {"after": "2026-06-01T00:00:00", "before": "2026-07-01T00:00:00"}
    client = ann if own else as_guest(world, "bob", ann)
    said = await client.call("CalendarEvent/query", filter={**window, **filter_}, expandRecurrences=True)
    assert said["ids"] == [f"{event}_202606{day}T120000" for day in keys]
    whole = (await client.call("CalendarEvent/query", filter={**window, **filter_}))["ids"]
    assert whole == [event], "without it each condition may be met by another instance"


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        ({"title": "LUNCH, with"}, True),
        ({"title": "dinner"}, True),
        ({"title": "room"}, False),
        ({"description": "strassenfest"}, True),
        ({"location": "blue room"}, True),
        ({"location": "garden"}, True),
        ({"location": "meet.example/ABC"}, True),
        ({"owner": "ann"}, True),
        ({"owner": "lee"}, False),
        ({"attendee": "MÜLLER"}, True),
        ({"attendee": "lee@partner"}, True),
        ({"text": "cake"}, True),
        ({"text": "fun"}, True),
        ({"text": "100%"}, False),
        ({"text": "l_nch"}, False),
        ({"operator": "NOT", "conditions": [{"text": "cake"}]}, False),
        ({"operator": "OR", "conditions": [{"text": "nowhere"}, {"title": "dinner"}]}, True),
    ],
)
async def test_what_is_found(ann: JmapClient, filter_: dict[str, Any], found: bool) -> None:
    made = (await ann.call("CalendarEvent/set", create={"e": EVENT}))["created"]["e"]["id"]
    assert (await ann.call("CalendarEvent/query", filter=filter_))["ids"] == ([made] if found else [])


async def test_others_find_what_they_may_read(world: World, ann: JmapClient, bob: JmapClient) -> None:
    public = (await ann.call("CalendarEvent/set", create={"e": EVENT}))["created"]["e"]["id"]
    for privacy in ("private", "secret"):
        await ann.call("CalendarEvent/set", create={"e": {**EVENT, "privacy": privacy}})
    await share(ann, bob, mayUpdatePrivate=True)
    guest = as_guest(world, "bob", ann)

    async def found(**filter_: str) -> list[str]:
        return list((await guest.call("CalendarEvent/query", filter=filter_))["ids"])

    assert await found(text="cake") == await found(title="lunch") == await found(attendee="lee") == [public]
    assert await found(text="fun") == []
    await guest.call("CalendarEvent/set", update={public: {"keywords": {"mine": True}}})
    assert await found(text="mine") == [public]
    assert (await ann.call("CalendarEvent/query", filter={"text": "mine"}))["ids"] == []
