# SPDX-License-Identifier: Apache-2.0
"""Occurrences that came without their series: each an event of its own until that comes (JMAP Calendars §5.1)."""

from typing import Any

from gateway.flows.arrival import Arrival, apply_arrival
from gateway.itip.tree import parse_tree
from tests.support.jmap import JmapClient
from tests.unit.http.conftest import World

LEE = "lee@partner.example"
UID = "series-of-lee"
FIRST, SECOND = "2026-06-08T10:00:00", "2026-06-15T10:00:00"


def invitation(*recurrence_ids: str, sequence: int = 0, title: str = "Standup") -> str:
    """A REQUEST for single occurrences, or for the whole series where none is named."""
    parts = []
    for recurrence_id in recurrence_ids or ("",):
        wall = (recurrence_id or FIRST).replace("-", "").replace(":", "")
        which = f"RECURRENCE-ID;TZID=Europe/Berlin:{wall}" if recurrence_id else "RRULE:FREQ=WEEKLY;COUNT=5"
        parts += [
            "BEGIN:VEVENT", f"UID:{UID}", f"DTSTAMP:2026060{sequence + 1}T000000Z", f"SEQUENCE:{sequence}",
            f"DTSTART;TZID=Europe/Berlin:{wall}", "DURATION:PT30M", which, f"SUMMARY:{title}",
            f"ORGANIZER:mailto:{LEE}", "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:ann@example.org", "END:VEVENT",
        ]  # fmt: skip
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//EN", "METHOD:REQUEST", *parts, "END:VCALENDAR", ""]
    return "\r\n".join(lines)


async def receive(world: World, text: str) -> str:
    arrival = Arrival(world.accounts["ann"], parse_tree(text), LEE, "mail", "ann@example.org", "mail-1")
    return (await world.context.store.write(lambda unit: apply_arrival(unit, world.context, arrival))).outcome


async def all_events(client: JmapClient) -> dict[str, dict[str, Any]]:
    found = (await client.call("CalendarEvent/get", ids=None))["list"]
    return {event.get("recurrenceId", ""): event for event in found}


async def test_each_is_an_event_with_an_id_of_its_own(world: World, ann: JmapClient) -> None:
    assert await receive(world, invitation(FIRST)) == "applied"
    assert await receive(world, invitation(SECOND, sequence=1, title="Retro")) == "applied"
    events = await all_events(ann)
    assert {key: event["title"] for key, event in events.items()} == {FIRST: "Standup", SECOND: "Retro"}
    assert {event["recurrenceIdTimeZone"] for event in events.values()} == {"Europe/Berlin"}
    assert {event["uid"] for event in events.values()} == {UID}
    ids = {event["id"] for event in events.values()}
    assert len(ids) == 2
    said = await ann.call("CalendarEvent/get", ids=[events[SECOND]["id"]])
    assert [event["title"] for event in said["list"]] == ["Retro"]
    said = await ann.call("CalendarEvent/query", filter={"uid": UID}, sort=[{"property": "start"}])
    assert said["ids"] == [events[FIRST]["id"], events[SECOND]["id"]]
    said = await ann.call("CalendarEvent/query", filter={"title": "retro"})
    assert said["ids"] == [events[SECOND]["id"]]
    window = {"after": "2026-06-12T00:00:00", "before": "2026-07-01T00:00:00"}
    said = await ann.call("CalendarEvent/query", filter=window, expandRecurrences=True)
    assert said["ids"] == [events[SECOND]["id"]]
    told = (await ann.call("CalendarEventNotification/get", ids=None))["list"]
    assert [(each["type"], each["calendarEventId"]) for each in told] == [
        ("created", events[FIRST]["id"]), ("created", events[SECOND]["id"]),
    ]  # fmt: skip


async def test_the_series_takes_their_place(world: World, ann: JmapClient) -> None:
    await receive(world, invitation(FIRST))
    await receive(world, invitation(SECOND))
    before = await ann.call("CalendarEvent/get", ids=None)
    await receive(world, invitation(sequence=2))
    said = await ann.call("CalendarEvent/changes", sinceState=before["state"])
    assert set(said["destroyed"]) == {event["id"] for event in before["list"]}
    assert said["updated"] == []
    (made,) = said["created"]
    series = (await ann.call("CalendarEvent/get", ids=[made]))["list"][0]
    assert series["recurrenceRule"]["frequency"] == "weekly"
    assert (await ann.call("CalendarEvent/get", ids=said["destroyed"]))["notFound"] == said["destroyed"]


async def test_an_answer_is_for_the_one_occurrence(world: World, ann: JmapClient) -> None:
    await receive(world, invitation(FIRST))
    await receive(world, invitation(SECOND))
    events = await all_events(ann)
    second = events[SECOND]
    (person,) = [key for key, p in second["participants"].items() if p["calendarAddress"] == "mailto:ann@example.org"]
    said = await ann.call(
        "CalendarEvent/set",
        sendSchedulingMessages=True,
        update={second["id"]: {f"participants/{person}/participationStatus": "accepted"}},
    )
    assert said["schedulingOutcome"][second["id"]]["messages"] == 1
    after = await all_events(ann)
    assert after[SECOND]["participants"][person]["participationStatus"] == "accepted"
    assert after[FIRST] == events[FIRST]
    said = await ann.call("CalendarEvent/set", sendSchedulingMessages=True, destroy=[second["id"]])
    assert said["destroyed"] == [second["id"]]
    assert said["schedulingOutcome"][second["id"]]["messages"] == 1
    assert await all_events(ann) == {FIRST: events[FIRST]}


async def test_a_client_makes_them_too(ann: JmapClient) -> None:
    event = {"@type": "Event", "uid": "x", "timeZone": "Europe/Berlin", "recurrenceIdTimeZone": "Europe/Berlin"}
    made = []
    for start in (FIRST, SECOND):
        said = await ann.call("CalendarEvent/set", create={"e": {**event, "start": start, "recurrenceId": start}})
        made.append(said["created"]["e"]["id"])
    assert len(set(made)) == 2
    for wrong in ({"start": FIRST, "recurrenceId": FIRST}, {"start": FIRST, "recurrenceIdTimeZone": None}):
        said = await ann.call("CalendarEvent/set", create={"e": {**event, **wrong}})
        assert said["notCreated"]["e"]["properties"] == ["uid"]
    said = await ann.call("CalendarEvent/set", update={made[0]: {"recurrenceId": None}})
    assert said["notUpdated"][made[0]]["properties"] == ["recurrenceId"]


async def test_a_task_is_no_event(world: World, ann: JmapClient) -> None:
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//EN", "METHOD:REQUEST", "BEGIN:VTODO", "UID:t",
        "DTSTAMP:20260601T000000Z", "DTSTART:20260701T100000Z", "SUMMARY:Do", f"ORGANIZER:mailto:{LEE}",
        "ATTENDEE:mailto:ann@example.org", "END:VTODO", "END:VCALENDAR", "",
    ]  # fmt: skip
    assert await receive(world, "\r\n".join(lines)) == "applied"
    assert (await ann.call("CalendarEvent/changes", sinceState="0"))["created"] == []
    assert (await ann.call("CalendarEventNotification/get", ids=None))["list"] == []
