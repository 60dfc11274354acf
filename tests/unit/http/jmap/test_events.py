# SPDX-License-Identifier: Apache-2.0
"""Events: created, read, changed whole or by occurrence, copied, destroyed (JMAP Calendars §5)."""

from typing import Any

import pytest

from gateway.store.unit import Unit
from tests.support.jmap import JmapClient
from tests.unit.http.conftest import World

WEEKLY: dict[str, Any] = {
    "@type": "Event", "title": "Weekly", "start": "2026-06-01T09:00:00", "timeZone": "Europe/Berlin",
    "duration": "PT1H", "recurrenceRule": {"@type": "RecurrenceRule", "frequency": "weekly", "count": 5},
}  # fmt: skip


async def make(client: JmapClient, **members: Any) -> str:
    event = {"@type": "Event", "title": "T", "start": "2026-06-07T12:00:00", "timeZone": "Europe/Berlin", **members}
    said = await client.call("CalendarEvent/set", create={"e": event})
    assert said["notCreated"] is None, said["notCreated"]
    return str(said["created"]["e"]["id"])


async def get(client: JmapClient, event_id: str, **arguments: Any) -> dict[str, Any]:
    (event,) = (await client.call("CalendarEvent/get", ids=[event_id], **arguments))["list"]
    return dict(event)


async def change(client: JmapClient, event_id: str, **patch: Any) -> dict[str, Any]:
    return await client.call("CalendarEvent/set", update={event_id: patch})


async def stored(world: World, event_id: str) -> str:
    item = await world.context.store.read(lambda unit: unit.objects.get(event_id))
    assert item is not None
    return item.ical


async def test_what_the_server_sets_is_said_and_what_you_said_is_not_repeated(ann: JmapClient) -> None:
    event = {"@type": "Event", "title": "T", "start": "2026-06-07T12:00:00", "timeZone": "Europe/Berlin"}
    said = await ann.call("CalendarEvent/set", create={"e": event})
    made = said["created"]["e"]
    assert {"id", "uid", "created", "updated", "calendarIds", "isDraft", "isOrigin", "useDefaultAlerts"} <= made.keys()
    assert not {"title", "start", "timeZone"} & made.keys()
    assert await get(ann, made["id"]) == {**event, **made}


async def test_created_cannot_lie_in_the_future(ann: JmapClient) -> None:
    event = await get(ann, await make(ann, created="2030-01-01T00:00:00Z", updated="2001-01-01T00:00:00Z"))
    assert (event["created"], event["updated"]) == ("2026-06-01T08:00:00Z", "2026-06-01T08:00:00Z")


@pytest.mark.parametrize(
    ("members", "properties"),
    [
        ({"method": "request"}, ["method"]),
        ({"id": "x"}, ["id"]),
        ({"isOrigin": False}, ["isOrigin"]),
        ({"calendarIds": {}}, ["calendarIds"]),
        ({"calendarIds": {"nowhere": True}}, ["calendarIds"]),
        ({"calendarIds": []}, ["calendarIds"]),
        ({"isDraft": "yes"}, ["isDraft"]),
        ({"useDefaultAlerts": 1}, ["useDefaultAlerts"]),
        ({"start": "soon", "title": 5}, ["start", "title"]),
        ({"utcStart": "2026-06-07T12:00:00Z"}, ["utcStart", "start"]),
        ({"timeZone": "Mars/Phobos"}, ["timeZone"]),
        ({"recurrenceOverrides": {"2026-06-07T12:00:00": {"isDraft": True, "utcStart": "x"}}}, None),
    ],
)
async def test_what_cannot_be_stored_is_named(
    ann: JmapClient, members: dict[str, Any], properties: list[str] | None
) -> None:
    event = {"@type": "Event", "start": "2026-06-07T12:00:00", **members}
    error = (await ann.call("CalendarEvent/set", create={"e": event}))["notCreated"]["e"]
    assert error["type"] == "invalidProperties"
    if properties:
        assert error["properties"] == properties


async def test_a_uid_is_unique_in_an_account(ann: JmapClient, bob: JmapClient) -> None:
    await make(ann, uid="same")
    event = {"@type": "Event", "uid": "same", "start": "2026-06-07T12:00:00"}
    error = (await ann.call("CalendarEvent/set", create={"e": event}))["notCreated"]["e"]
    assert error["properties"] == ["uid"]
    await make(bob, uid="same")


async def test_sequence_and_updated_rise_with_what_is_shared_alone(world: World, ann: JmapClient) -> None:
    event_id = await make(ann)
    said = await change(ann, event_id, title="U")
    assert said["updated"][event_id]["sequence"] == 1
    said = await change(ann, event_id, sequence=7, title="V")
    assert (await get(ann, event_id))["sequence"] == 7
    said = await change(ann, event_id, color="red", keywords={"x": True}, useDefaultAlerts=True)
    event = await get(ann, event_id)
    assert (event["sequence"], event["color"], event["useDefaultAlerts"]) == (7, "red", True)
    assert said["updated"][event_id] is None


async def test_a_patch_is_obeyed_whole_or_not_at_all(ann: JmapClient) -> None:
    event_id = await make(ann)
    said = await change(ann, event_id, **{"title": "new", "locations/x/name": "y"})
    assert said["notUpdated"][event_id]["type"] == "invalidPatch"
    assert (await get(ann, event_id))["title"] == "T"
    assert said["oldState"] == said["newState"]


async def test_ids_and_uid_stay(ann: JmapClient) -> None:
    event_id = await make(ann)
    for patch in ({"uid": "other"}, {"id": "other"}, {"isOrigin": False}, {"method": "x"}, {"@type": "Task"}):
        said = await ann.call("CalendarEvent/set", update={event_id: patch})
        assert said["notUpdated"][event_id]["type"] == "invalidProperties", patch


async def test_what_other_programs_wrote_survives_an_edit(world: World, ann: JmapClient) -> None:
    event_id = await make(ann)

    def meddle(unit: Unit) -> None:
        import dataclasses

        item = unit.objects.get(event_id)
        assert item is not None
        text = item.ical.replace("SUMMARY:T", "X-OTHER;X-P=1:kept\r\nSUMMARY:T")
        unit.objects.update(dataclasses.replace(item, ical=text, etag="2"))

    await world.context.store.write(meddle)
    await change(ann, event_id, title="U", **{"example.com:mine": {"a": [1]}})
    assert "X-OTHER;X-P=1:kept\r\nSUMMARY:U" in await stored(world, event_id)
    assert (await get(ann, event_id))["example.com:mine"] == {"a": [1]}


async def test_dialects_are_understood_in_patches_too(ann: JmapClient) -> None:
    event_id = await make(ann)
    await change(
        ann, event_id, participants={"g": {"sendTo": {"imip": "mailto:bob@example.org"}, "roles": {"attendee": True}}}
    )
    event = await get(ann, event_id)
    assert event["organizerCalendarAddress"] == "mailto:ann@example.org"
    assert event["participants"]["g"]["roles"] == {"required": True}


async def test_utc_times_are_computed_and_can_be_set(ann: JmapClient) -> None:
    event_id = await make(ann, duration="PT1H")
    event = await get(ann, event_id, properties=["utcStart", "utcEnd"])
    assert event == {"id": event_id, "utcStart": "2026-06-07T10:00:00Z", "utcEnd": "2026-06-07T11:00:00Z"}
    assert "utcStart" not in await get(ann, event_id)
    said = await change(ann, event_id, utcStart="2026-06-07T12:00:00Z", utcEnd="2026-06-07T14:30:00Z")
    assert said["updated"][event_id]["start"] == "2026-06-07T14:00:00"
    assert (await get(ann, event_id))["duration"] == "PT2H30M"
    asked = {"ids": [event_id], "properties": ["utcStart", "recurrenceOverrides"]}
    assert await ann.error("CalendarEvent/get", **asked) == "invalidArguments"


async def test_an_event_given_in_utc_gets_the_calendars_zone(ann: JmapClient) -> None:
    event = {"@type": "Event", "utcStart": "2026-06-07T10:00:00Z", "utcEnd": "2026-06-07T11:00:00Z"}
    made = (await ann.call("CalendarEvent/set", create={"e": event}))["created"]["e"]
    assert (made["start"], made["timeZone"], made["duration"]) == ("2026-06-07T12:00:00", "Europe/Berlin", "PT1H")


async def test_floating_times_are_read_in_the_zone_you_name(ann: JmapClient) -> None:
    event_id = await make(ann, timeZone=None)
    for zone, expected in ((None, "12"), ("America/New_York", "16")):
        event = await get(ann, event_id, properties=["utcStart"], timeZone=zone)
        assert event["utcStart"] == f"2026-06-07T{expected}:00:00Z"
    assert await ann.error("CalendarEvent/get", ids=[event_id], timeZone="Nowhere") == "invalidArguments"


# occurrences


async def occurrences(client: JmapClient, **more: Any) -> list[str]:
    filter_ = {"after": "2026-06-01T00:00:00", "before": "2026-08-01T00:00:00", **more}
    return list((await client.call("CalendarEvent/query", filter=filter_, expandRecurrences=True))["ids"])


async def test_a_series_is_found_by_occurrence(ann: JmapClient) -> None:
    event_id = await make(ann, **WEEKLY)
    ids = await occurrences(ann)
    assert len(ids) == 5
    assert ids[1] == f"{event_id}_20260608T090000"
    event = await get(ann, ids[1])
    assert event["baseEventId"] == event_id
    assert (event["start"], event["recurrenceId"], event["recurrenceIdTimeZone"]) == (
        "2026-06-08T09:00:00", "2026-06-08T09:00:00", "Europe/Berlin",
    )  # fmt: skip
    assert "recurrenceRule" not in event


async def test_a_change_of_an_occurrence_is_an_override(ann: JmapClient) -> None:
    event_id = await make(ann, **WEEKLY)
    ids = await occurrences(ann)
    state = (await ann.call("CalendarEvent/get", ids=[]))["state"]
    said = await change(ann, ids[1], title="Other", start="2026-06-09T10:00:00")
    assert ids[1] in said["updated"]
    event = await get(ann, event_id)
    assert event["recurrenceOverrides"] == {"2026-06-08T09:00:00": {"title": "Other", "start": "2026-06-09T10:00:00"}}
    assert (await get(ann, ids[1]))["title"] == "Other"
    changes = await ann.call("CalendarEvent/changes", sinceState=state)
    assert changes["updated"] == [event_id], "computed ids never appear in changes"


async def test_destroying_an_occurrence_excludes_it(ann: JmapClient) -> None:
    event_id = await make(ann, **WEEKLY)
    ids = await occurrences(ann)
    said = await ann.call("CalendarEvent/set", destroy=[ids[2]])
    assert said["destroyed"] == [ids[2]]
    assert (await get(ann, event_id))["recurrenceOverrides"] == {"2026-06-15T09:00:00": {"excluded": True}}
    assert len(await occurrences(ann)) == 4
    assert (await ann.call("CalendarEvent/get", ids=[ids[2]]))["notFound"] == [ids[2]]
    assert (await ann.call("CalendarEvent/set", destroy=[ids[2]]))["notDestroyed"][ids[2]]["type"] == "notFound"


@pytest.mark.parametrize("patch", [{"calendarIds": {}}, {"isDraft": True}, {"uid": "x"}, {"hideAttendees": True}])
async def test_an_occurrence_has_no_life_of_its_own(ann: JmapClient, patch: dict[str, Any]) -> None:
    await make(ann, **WEEKLY)
    ids = await occurrences(ann)
    said = await ann.call("CalendarEvent/set", update={ids[0]: patch})
    assert said["notUpdated"][ids[0]]["type"] == "invalidProperties"


async def test_occurrences_that_are_none_are_not_found(ann: JmapClient) -> None:
    event_id = await make(ann, **WEEKLY)
    for wrong in ("_20260602T090000", "_20261301T000000", "_x", "_"):
        assert (await ann.call("CalendarEvent/get", ids=[event_id + wrong]))["notFound"] == [event_id + wrong]


async def test_all_day_series(ann: JmapClient) -> None:
    day = {"start": "2026-06-01T00:00:00", "timeZone": None, "showWithoutTime": True, "duration": "P1D"}
    event_id = await make(ann, **{**WEEKLY, **day})
    ids = await occurrences(ann)
    assert ids[1] == f"{event_id}_20260608T000000"
    await change(ann, ids[1], title="Other")
    assert (await get(ann, ids[1]))["title"] == "Other"
    assert (await get(ann, event_id))["recurrenceOverrides"] == {"2026-06-08T00:00:00": {"title": "Other"}}


async def test_overrides_outside_a_window_can_be_left_out(ann: JmapClient) -> None:
    overrides = {f"2026-06-{day}T09:00:00": {"title": day} for day in ("08", "15", "22")}
    event_id = await make(ann, **WEEKLY, recurrenceOverrides=overrides)
    window = {"recurrenceOverridesAfter": "2026-06-10T00:00:00Z", "recurrenceOverridesBefore": "2026-06-20T00:00:00Z"}
    event = await get(ann, event_id, **window)
    assert list(event["recurrenceOverrides"]) == ["2026-06-15T09:00:00"]


async def test_participants_can_be_reduced_to_owners_and_yourself(ann: JmapClient) -> None:
    people = {
        n: {"calendarAddress": f"mailto:{n}@example.org", "roles": {"required": True}} for n in ("ann", "bob", "eve")
    }
    event_id = await make(ann, participants=people)
    event = await get(ann, event_id, reduceParticipants=True)
    assert [person["calendarAddress"] for person in event["participants"].values()] == ["mailto:ann@example.org"]


# query


async def ids_of(client: JmapClient, filter_: dict[str, Any] | None, **more: Any) -> list[str]:
    return list((await client.call("CalendarEvent/query", filter=filter_, **more))["ids"])


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        (None, "abc"),
        ({}, "abc"),
        ({"title": "alpha"}, "a"),
        ({"title": "ALPHA"}, "a"),
        ({"text": "room 5"}, "b"),
        ({"text": "über"}, "c"),
        ({"description": "über"}, "c"),
        ({"location": "Room"}, "b"),
        ({"owner": "ann@"}, "b"),
        ({"attendee": "Robert"}, "b"),
        ({"uid": "uid-c"}, "c"),
        ({"after": "2026-06-08T00:00:00"}, "bc"),
        ({"before": "2026-06-08T00:00:00"}, "a"),
        ({"after": "2026-06-08T00:00:00", "before": "2026-06-10T00:00:00"}, "b"),
        ({"operator": "OR", "conditions": [{"title": "alpha"}, {"uid": "uid-c"}]}, "ac"),
        ({"operator": "NOT", "conditions": [{"title": "alpha"}]}, "bc"),
        ({"operator": "AND", "conditions": [{"after": "2026-06-08T00:00:00"}, {"title": "gamma"}]}, "c"),
        ({"title": "nothing"}, ""),
        ({"title": "100%"}, ""),
        ({"inCalendar": "nowhere"}, ""),
    ],
)
async def test_every_filter(ann: JmapClient, filter_: dict[str, Any] | None, found: str) -> None:
    people = {"b": {"calendarAddress": "mailto:bob@example.org", "name": "Robert", "roles": {"required": True}}}
    long = "a sentence so long that it must be folded somewhere in the middle of a word "
    by_id = {
        await make(ann, uid="uid-a", title="Alpha", start="2026-06-07T12:00:00"): "a",
        await make(ann, uid="uid-b", title="Beta", start="2026-06-09T12:00:00", participants=people,
                   locations={"l": {"name": "The Room 5"}}): "b",
        await make(ann, uid="uid-c", title=long + "gamma", start="2026-06-11T12:00:00", description=long + "ÜBER"): "c",
    }  # fmt: skip
    assert "".join(by_id[each] for each in await ids_of(ann, filter_)) == found


LONG = {"after": "2020-01-01T00:00:00", "before": "2026-01-01T00:00:00"}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"filter": {"nonsense": 1}}, "unsupportedFilter"),
        ({"filter": {"title": 5}}, "invalidArguments"),
        ({"filter": {"after": "soon"}}, "invalidArguments"),
        ({"filter": {"operator": "XOR", "conditions": []}}, "invalidArguments"),
        ({"filter": {"operator": "AND"}}, "invalidArguments"),
        ({"sort": [{"property": "size"}]}, "unsupportedSort"),
        ({"expandRecurrences": True}, "invalidArguments"),
        ({"expandRecurrences": True, "filter": LONG}, "expandDurationTooLarge"),
        ({"anchor": "nowhere"}, "anchorNotFound"),
        ({"limit": -1}, "invalidArguments"),
        ({"bogus": 1}, "invalidArguments"),
    ],
)  # fmt: skip
async def test_queries_that_are_refused(ann: JmapClient, arguments: dict[str, Any], error: str) -> None:
    assert await ann.error("CalendarEvent/query", **arguments) == error


async def test_sorts_and_pages(ann: JmapClient) -> None:
    ids = [await make(ann, uid=f"u{n}", start=f"2026-06-0{n}T12:00:00") for n in (3, 1, 2)]
    by_start = [ids[1], ids[2], ids[0]]
    assert await ids_of(ann, None) == by_start
    assert await ids_of(ann, None, sort=[{"property": "start", "isAscending": False}]) == by_start[::-1]
    assert await ids_of(ann, None, sort=[{"property": "uid"}]) == by_start
    assert await ids_of(ann, None, position=1, limit=1) == [by_start[1]]
    assert await ids_of(ann, None, position=-1) == [by_start[2]]
    assert await ids_of(ann, None, anchor=by_start[1], anchorOffset=-1, limit=1) == [by_start[0]]
    page = await ann.call("CalendarEvent/query", calculateTotal=True, limit=0)
    assert (page["total"], page["ids"], page["canCalculateChanges"]) == (3, [], True)


async def test_changes_of_a_query(ann: JmapClient) -> None:
    first = await make(ann, title="alpha")
    state = (await ann.call("CalendarEvent/query", filter={"title": "alpha"}))["queryState"]
    second = await make(ann, title="alpha", start="2026-06-01T12:00:00")
    await change(ann, first, title="beta")
    said = await ann.call("CalendarEvent/queryChanges", filter={"title": "alpha"}, sinceQueryState=state)
    assert set(said["removed"]) == {first, second}
    assert said["added"] == [{"id": second, "index": 0}]
    window = {"after": "2026-06-01T00:00:00", "before": "2026-07-01T00:00:00"}
    arguments = {"filter": window, "expandRecurrences": True, "sinceQueryState": state}
    assert await ann.error("CalendarEvent/queryChanges", **arguments) == "cannotCalculateChanges"


async def test_changes(ann: JmapClient) -> None:
    start = (await ann.call("CalendarEvent/get", ids=[]))["state"]
    kept, gone = await make(ann), await make(ann)
    middle = (await ann.call("CalendarEvent/changes", sinceState=start))["newState"]
    await change(ann, kept, title="U")
    await ann.call("CalendarEvent/set", destroy=[gone])
    said = await ann.call("CalendarEvent/changes", sinceState=middle)
    assert (said["created"], said["updated"], said["destroyed"]) == ([], [kept], [gone])
    said = await ann.call("CalendarEvent/changes", sinceState=start)
    assert (said["created"], said["updated"], said["destroyed"]) == ([kept], [], [])
    paged = await ann.call("CalendarEvent/changes", sinceState=middle, maxChanges=1)
    assert paged["hasMoreChanges"] is True
    rest = await ann.call("CalendarEvent/changes", sinceState=paged["newState"], maxChanges=1)
    assert {*paged["updated"], *paged["destroyed"], *rest["updated"], *rest["destroyed"]} == {kept, gone}
    for wrong in ("x", "-1", "999999", ""):
        assert await ann.error("CalendarEvent/changes", sinceState=wrong) == "cannotCalculateChanges"


async def test_a_costly_rule_is_refused_not_followed(ann: JmapClient) -> None:
    await make(ann, recurrenceRule={"frequency": "secondly"}, start="2020-01-01T00:00:00")
    filter_ = {"after": "2026-06-01T00:00:00", "before": "2026-08-01T00:00:00"}
    assert (
        await ann.error("CalendarEvent/query", filter=filter_, expandRecurrences=True) == "cannotCalculateOccurrences"
    )
    assert len(await ids_of(ann, filter_)) == 1


# state, limits, references between creations


async def test_two_clients_edit_at_once(world: World) -> None:
    one, two = world.client("ann"), world.client("ann")
    event_id = await make(one)
    state = (await one.call("CalendarEvent/get", ids=[]))["state"]
    await one.call("CalendarEvent/set", update={event_id: {"title": "one"}}, ifInState=state)
    assert await two.error("CalendarEvent/set", update={event_id: {"title": "two"}}, ifInState=state) == "stateMismatch"
    await two.call("CalendarEvent/set", update={event_id: {"description": "two"}})
    event = await get(one, event_id)
    assert (event["title"], event["description"]) == ("one", "two"), "patches of different members do not collide"


async def test_a_calendar_and_its_first_event_in_one_request(ann: JmapClient) -> None:
    event = {"@type": "Event", "start": "2026-06-07T12:00:00", "calendarIds": {"#c": True}}
    body = await ann.request(
        ["Calendar/set", {"accountId": ann.account_id, "create": {"c": {"name": "New"}}}, "1"],
        ["CalendarEvent/set", {"accountId": ann.account_id, "create": {"e": event}}, "2"],
        ["CalendarEvent/get", {"accountId": ann.account_id, "ids": ["#e"]}, "3"],
        createdIds={},
    )
    calendar = body["methodResponses"][0][1]["created"]["c"]["id"]
    assert body["methodResponses"][2][1]["list"][0]["calendarIds"] == {calendar: True}
    assert body["createdIds"]["c"] == calendar


async def test_update_and_destroy_of_one_event(ann: JmapClient) -> None:
    event_id = await make(ann)
    said = await ann.call("CalendarEvent/set", update={event_id: {"title": "x"}}, destroy=[event_id])
    assert said["notUpdated"][event_id]["type"] == "willDestroy"
    assert said["destroyed"] == [event_id]


# copy, parse


async def test_copy_to_another_account_and_destroy_the_original(world: World, ann: JmapClient, bob: JmapClient) -> None:
    calendar = (await bob.call("Calendar/get", ids=None))["list"][0]["id"]
    rights = {"mayReadItems": True, "mayWriteAll": True}
    await bob.call("Calendar/set", update={calendar: {"shareWith": {ann.account_id: rights}}})
    event_id = await make(ann, title="Mine")
    said = await ann.said(
        "CalendarEvent/copy", accountId=bob.account_id, fromAccountId=ann.account_id, onSuccessDestroyOriginal=True,
        create={"c": {"id": event_id, "calendarIds": {calendar: True}, "title": "Yours"}},
    )  # fmt: skip
    assert said[1]["created"]["c"]["id"]
    assert (await ann.call("CalendarEvent/get", ids=[event_id]))["notFound"] == [event_id]
    (copied,) = (await bob.call("CalendarEvent/query"))["ids"]
    assert (await get(bob, copied))["title"] == "Yours"
    assert await ann.error("CalendarEvent/copy", fromAccountId=ann.account_id, create={}) == "invalidArguments"
    assert await ann.error("CalendarEvent/copy", fromAccountId="nobody", create={}) == "fromAccountNotFound"


async def test_parse_a_calendar_that_was_uploaded(ann: JmapClient) -> None:
    lines = ("BEGIN:VCALENDAR", "METHOD:REQUEST", "BEGIN:VEVENT", "UID:x", "DTSTART:20260607T120000Z", "SUMMARY:P")
    text = "\r\n".join((*lines, "END:VEVENT", "END:VCALENDAR", ""))
    blobs = []
    for data in (text, "no calendar"):
        answer = await ann.http.post(
            f"/jmap/upload/{ann.account_id}/", content=data, headers={"Content-Type": "text/calendar"}
        )
        blobs.append(answer.json()["blobId"])
    said = await ann.call("CalendarEvent/parse", blobIds=[*blobs, "nothing"])
    (event,) = said["parsed"][blobs[0]]
    assert (event["title"], event["method"], event["id"], event["isDraft"]) == ("P", "request", None, None)
    assert (said["notParsable"], said["notFound"]) == ([blobs[1]], ["nothing"])
    said = await ann.call("CalendarEvent/parse", blobIds=[blobs[0]], properties=["title"])
    assert said["parsed"][blobs[0]] == [{"title": "P"}]


@pytest.mark.parametrize("count", [1001])
async def test_limits_of_get_and_set(ann: JmapClient, count: int) -> None:
    many = [f"e{n}" for n in range(count)]
    assert await ann.error("CalendarEvent/get", ids=many) == "requestTooLarge"
    assert await ann.error("CalendarEvent/set", destroy=many) == "requestTooLarge"
