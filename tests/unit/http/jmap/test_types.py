# SPDX-License-Identifier: Apache-2.0
"""Calendars, identities, notifications and people (JMAP Calendars §3, §4, §7; RFC 9670)."""

from typing import Any

import pytest

from gateway.flows.shared_edits import notify_edit
from gateway.store.unit import Unit
from tests.support.jmap import JmapClient
from tests.unit.http.conftest import World

ABSOLUTE = {"trigger": {"when": "2026-06-07T12:00:00Z"}}
TWICE = "defaultAlertsWithoutTime"
ALERT = {"@type": "Alert", "trigger": {"@type": "OffsetTrigger", "offset": "-PT15M"}}


async def calendars(client: JmapClient) -> list[dict[str, Any]]:
    return list((await client.call("Calendar/get", ids=None))["list"])


async def make_event(client: JmapClient, **members: Any) -> str:
    event = {"@type": "Event", "start": "2026-06-07T12:00:00", "timeZone": "Europe/Berlin", **members}
    return str((await client.call("CalendarEvent/set", create={"e": event}))["created"]["e"]["id"])


async def test_an_account_begins_with_one_default_calendar(ann: JmapClient) -> None:
    (calendar,) = await calendars(ann)
    assert calendar["isDefault"] is True
    assert all(calendar["myRights"].values())
    assert (calendar["isSubscribed"], calendar["includeInAvailability"], calendar["shareWith"]) == (True, "all", None)


async def test_a_calendar_is_made_changed_and_destroyed(ann: JmapClient) -> None:
    state = (await ann.call("Calendar/get", ids=None))["state"]
    new = {"name": "Work", "color": "#123456", "timeZone": "Europe/Rome", "description": "d",
           "defaultAlertsWithTime": {"a": ALERT}}  # fmt: skip
    made = (await ann.call("Calendar/set", create={"c": new}))["created"]["c"]
    assert not new.keys() & made.keys()
    shown = next(each for each in await calendars(ann) if each["id"] == made["id"])
    assert {**new, **made} == shown
    said = await ann.call(
        "Calendar/set", update={made["id"]: {"name": "Play", "defaultAlertsWithTime/a/action": "email"}}
    )
    assert said["updated"] == {made["id"]: None}
    shown = next(each for each in await calendars(ann) if each["id"] == made["id"])
    assert (shown["name"], shown["defaultAlertsWithTime"]["a"]["action"]) == ("Play", "email")
    assert (await ann.call("Calendar/set", destroy=[made["id"]]))["destroyed"] == [made["id"]]
    said = await ann.call("Calendar/changes", sinceState=state)
    assert (said["created"], said["updated"], said["destroyed"]) == ([], [], [])


@pytest.mark.parametrize(
    ("members", "properties"),
    [
        ({}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"name": 5}, ["name"]),
        ({"name": "x", "timeZone": "Mars"}, ["timeZone"]),
        ({"name": "x", "includeInAvailability": "some"}, ["includeInAvailability"]),
        ({"name": "x", "sortOrder": -1}, ["sortOrder"]),
        ({"name": "x", "isDefault": True, "nonsense": 1}, ["isDefault", "nonsense"]),
        ({"name": "x", "defaultAlertsWithTime": {"a": ABSOLUTE}}, ["defaultAlertsWithTime/a/trigger"]),
        ({"name": "x", "defaultAlertsWithTime": {"a": ALERT}, "defaultAlertsWithoutTime": {"a": ALERT}}, [TWICE]),
        ({"name": "x", "shareWith": {"nobody": {"mayReadItems": True}}}, ["shareWith"]),
        ({"name": "x", "shareWith": {"nobody": {"mayFly": True}}}, ["shareWith/nobody/mayFly"]),
    ],
)  # fmt: skip
async def test_calendars_that_cannot_be(ann: JmapClient, members: dict[str, Any], properties: list[str]) -> None:
    error = (await ann.call("Calendar/set", create={"c": members}))["notCreated"]["c"]
    assert (error["type"], error["properties"]) == ("invalidProperties", properties)


async def test_a_calendar_with_events_goes_only_with_them_and_nobody_is_told(world: World, ann: JmapClient) -> None:
    made = (await ann.call("Calendar/set", create={"c": {"name": "Work"}}))["created"]["c"]["id"]
    default = next(each["id"] for each in await calendars(ann) if each["isDefault"])
    people = {"b": {"calendarAddress": "mailto:bob@example.org", "roles": {"attendee": True}}}
    inside = await make_event(ann, calendarIds={made: True}, participants=people)
    both = await make_event(ann, calendarIds={made: True, default: True})
    said = await ann.call("Calendar/set", destroy=[made])
    assert said["notDestroyed"][made]["type"] == "calendarHasEvent"
    said = await ann.call("Calendar/set", destroy=[made], onDestroyRemoveEvents=True)
    assert said["destroyed"] == [made]
    assert (await ann.call("CalendarEvent/query"))["ids"] == [both]
    assert (await ann.call("CalendarEvent/get", ids=[inside]))["notFound"] == [inside]
    assert await world.context.store.read(lambda unit: unit.tasks.all()) == ()


async def test_the_last_calendar_stays_and_a_default_is_always_there(ann: JmapClient) -> None:
    (first,) = await calendars(ann)
    assert (await ann.call("Calendar/set", destroy=[first["id"]]))["notDestroyed"][first["id"]]["type"] == "forbidden"
    said = await ann.call("Calendar/set", create={"c": {"name": "Second"}}, onSuccessSetIsDefault="#c")
    assert said["created"]["c"]["isDefault"] is True
    assert said["updated"] == {first["id"]: {"isDefault": False}}
    second = said["created"]["c"]["id"]
    await ann.call("Calendar/set", destroy=[second])
    assert [each["isDefault"] for each in await calendars(ann)] == [True]


async def test_an_unknown_default_is_ignored(ann: JmapClient) -> None:
    said = await ann.call("Calendar/set", onSuccessSetIsDefault="nowhere")
    assert (said["updated"], said["created"]) == (None, None)


# identities


async def identities(client: JmapClient) -> list[dict[str, Any]]:
    return list((await client.call("ParticipantIdentity/get", ids=None))["list"])


async def test_an_account_takes_part_as_each_of_its_addresses(ann: JmapClient) -> None:
    found = {each["calendarAddress"]: each["isDefault"] for each in await identities(ann)}
    assert found == {"mailto:ann@example.org": True, "mailto:ann.alias@example.org": False}


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("mailto:bob@example.org", "forbidden"),
        ("mailto:stranger@outside.example", "forbidden"),
        ("mailto:ANN@example.org", "invalidProperties"),
        ("no uri", "invalidProperties"),
        (None, "invalidProperties"),
    ],
)
async def test_only_your_own_addresses_once(ann: JmapClient, address: str | None, kind: str) -> None:
    new = {"name": "x", **({"calendarAddress": address} if address else {})}
    assert (await ann.call("ParticipantIdentity/set", create={"i": new}))["notCreated"]["i"]["type"] == kind


async def test_identities_change_and_the_default_moves(ann: JmapClient) -> None:
    first, second = await identities(ann)
    said = await ann.call(
        "ParticipantIdentity/set", update={second["id"]: {"name": "Alias"}}, onSuccessSetIsDefault=second["id"]
    )
    assert said["updated"] == {second["id"]: {"isDefault": True}, first["id"]: {"isDefault": False}}
    assert (await identities(ann))[0]["name"] == "Alias"
    await ann.call("ParticipantIdentity/set", destroy=[second["id"]])
    assert [each["isDefault"] for each in await identities(ann)] == [True]
    said = await ann.call("ParticipantIdentity/set", update={first["id"]: {"isDefault": False}})
    assert said["notUpdated"][first["id"]]["type"] == "invalidProperties"


# notifications


async def notify(world: World, name: str, title: str) -> None:
    def fn(unit: Unit) -> None:
        owner, editor = world.accounts[name], world.accounts["bob"]
        notify_edit(unit, world.context, owner, editor, f"evt{title}", {"title": "old"}, {"title": title})

    await world.context.store.write(fn)


async def test_notifications_are_read_queried_and_dismissed(world: World, ann: JmapClient) -> None:
    for title in ("one", "two"):
        await notify(world, "ann", title)
    said = await ann.call("CalendarEventNotification/query", sort=[{"property": "created", "isAscending": False}])
    ids = said["ids"]
    assert len(ids) == 2
    found = (await ann.call("CalendarEventNotification/get", ids=ids))["list"]
    assert found[0]["eventPatch"] == {"title": found[0]["calendarEventId"][3:]}
    assert found[0]["changedBy"]["principalId"] == world.accounts["bob"].id
    filter_ = {"calendarEventIds": ["evtone"], "type": "updated", "after": "2026-01-01T00:00:00Z"}
    (one,) = (await ann.call("CalendarEventNotification/query", filter=filter_))["ids"]
    assert (await ann.call("CalendarEventNotification/query", filter={"before": "2026-01-01T00:00:00Z"}))["ids"] == []
    said2 = await ann.call(
        "CalendarEventNotification/set", create={"x": {}}, update={one: {"type": "x"}}, destroy=[one]
    )
    assert said2["notCreated"]["x"]["type"] == "forbidden"
    assert said2["notUpdated"][one]["type"] == "willDestroy"
    assert said2["destroyed"] == [one]
    changes = await ann.call("CalendarEventNotification/queryChanges", sinceQueryState=said["queryState"])
    assert (changes["removed"], changes["added"]) == ([one], [])
    assert await ann.error("CalendarEventNotification/query", sort=[{"property": "type"}]) == "unsupportedSort"


# people


async def test_people_of_the_own_domain_are_found(world: World, ann: JmapClient) -> None:
    (ids,) = [(await ann.call("Principal/query", filter={"calendarAddress": "mailto:BOB@example.org"}))["ids"]]
    assert ids == [world.accounts["bob"].id]
    (bob,) = (await ann.call("Principal/get", ids=ids))["list"]
    assert (bob["email"], bob["accounts"]) == ("bob@example.org", None)
    assert bob["capabilities"]["urn:ietf:params:jmap:calendars"]["mayGetAvailability"] is False
    said = await ann.call("Principal/set", update={ids[0]: {"name": "x"}})
    assert said["notUpdated"][ids[0]]["type"] == "forbidden"


async def availability(client: JmapClient, person: str, **more: Any) -> tuple[str, dict[str, Any]]:
    window = {"utcStart": "2026-06-07T00:00:00Z", "utcEnd": "2026-06-08T00:00:00Z"}
    return await client.said("Principal/getAvailability", id=person, **{**window, **more})


async def test_busy_times_are_merged_and_split_by_precedence(ann: JmapClient) -> None:
    zone = {"timeZone": "Etc/UTC"}
    await make_event(ann, start="2026-06-07T08:00:00", duration="PT4H", status="tentative", **zone)
    await make_event(ann, start="2026-06-07T09:00:00", duration="PT1H", **zone)
    await make_event(ann, start="2026-06-07T09:30:00", duration="PT1H", **zone)
    await make_event(ann, start="2026-06-07T11:00:00", duration="PT2H", freeBusyStatus="unavailable", **zone)
    await make_event(ann, start="2026-06-07T20:00:00", duration="PT1H", freeBusyStatus="free", **zone)
    await make_event(ann, start="2026-06-07T21:00:00", duration="PT1H", status="cancelled", **zone)
    await make_event(ann, start="2026-06-07T22:00:00", duration="PT1H", isDraft=True, **zone)
    _, said = await availability(ann, ann.account_id)
    assert [(p["utcStart"][11:16], p["utcEnd"][11:16], p["busyStatus"]) for p in said["list"]] == [
        ("08:00", "09:00", "tentative"),
        ("09:00", "10:30", "confirmed"),
        ("10:30", "11:00", "tentative"),
        ("11:00", "13:00", "unavailable"),
    ]


async def test_details_are_shown_to_whom_they_may_be(ann: JmapClient, bob: JmapClient) -> None:
    await make_event(ann, title="Open", start="2026-06-07T08:00:00", duration="PT1H")
    await make_event(ann, title="Closed", start="2026-06-07T10:00:00", duration="PT1H", privacy="private")
    await make_event(ann, title="Secret", start="2026-06-07T12:00:00", duration="PT1H", privacy="secret")
    assert (await availability(bob, ann.account_id))[1]["type"] == "forbidden"
    (calendar,) = await calendars(ann)
    rights = {"mayReadFreeBusy": True, "mayReadItems": True}
    await ann.call("Calendar/set", update={calendar["id"]: {"shareWith": {bob.account_id: rights}}})
    _, said = await availability(bob, ann.account_id, showDetails=True, eventProperties=["title"])
    assert [(p["event"] or {}).get("title") for p in said["list"]] == ["Open", None]
    _, said = await availability(ann, ann.account_id, showDetails=True, eventProperties=["title"])
    assert [p["event"]["title"] for p in said["list"]] == ["Open", "Closed", "Secret"]


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"utcEnd": "2030-01-01T00:00:00Z"}, "tooLarge"),
        ({"utcEnd": "2026-06-07T00:00:00Z"}, "invalidArguments"),
        ({"utcStart": "soon"}, "invalidArguments"),
        ({"id": "nobody"}, "notFound"),
    ],
)
async def test_availability_that_is_refused(ann: JmapClient, more: dict[str, Any], error: str) -> None:
    arguments = {"id": ann.account_id, "utcStart": "2026-06-07T00:00:00Z", "utcEnd": "2026-06-08T00:00:00Z", **more}
    assert await ann.error("Principal/getAvailability", **arguments) == error
