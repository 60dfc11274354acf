# SPDX-License-Identifier: Apache-2.0
"""Odd values where nobody expects them: each is named, nothing is trouble of ours, and nothing moves that need not."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from gateway.config import Config
from gateway.config.options import HttpOptions
from gateway.http.server import build_app
from tests.support.jmap import JmapClient
from tests.unit.http.conftest import World
from tests.unit.http.jmap.test_types import calendars, make_event

SORTED = ("CalendarEvent/query", "CalendarEventNotification/query", "Principal/query", "x:Task/query")
SERIES = {"recurrenceRule": {"frequency": "daily", "count": 5}}


@pytest.mark.parametrize("method", SORTED)
async def test_a_sort_is_judged_alike_for_every_type(world: World, method: str) -> None:
    root = world.client("root")
    root.using = [*root.using, "urn:imip-gateway:admin"]
    for wrong in ({"property": []}, {"property": {"a": 1}}, {}, {"property": "created", "isAscending": "yes"}):
        assert await root.error(method, sort=[wrong]) == "invalidArguments", wrong
    known = {"Principal/query": "name", "x:Task/query": "createdAt"}.get(method, "created")
    assert await root.error(method, sort=[{"property": "shoe size"}]) == "unsupportedSort"
    assert await root.error(method, sort=[{"property": known, "collation": "i;klingon"}]) == "unsupportedSort"
    await root.call(method, sort=[{"property": known, "isAscending": False, "collation": "i;unicode-casemap"}])


async def test_tasks_are_sorted_by_their_creation_where_asked(world: World) -> None:
    """Rescheduling moves a task in the order of due dates, not in that of creation."""
    ann, root = world.client(), world.client("root")
    root.using = [*root.using, "urn:imip-gateway:admin"]
    guest = {"calendarAddress": "mailto:guest@outside.example", "roles": {"required": True}}
    for number in range(2):
        event = {"start": "2026-06-07T12:00:00", "uid": f"e{number}", "participants": {"g": guest}}
        await ann.call("CalendarEvent/set", create={"e": event}, sendSchedulingMessages=True)
        world.clock.advance(timedelta(seconds=1))
    first, second = (await root.call("x:Task/query", sort=[{"property": "createdAt"}]))["ids"]
    await root.call("x:Task/set", update={first: {"due": "2030-01-01T00:00:00Z"}})
    assert (await root.call("x:Task/query", sort=[{"property": "createdAt"}]))["ids"] == [first, second]
    assert (await root.call("x:Task/query", sort=[{"property": "due"}]))["ids"] == [second, first]


@pytest.mark.parametrize("count", ["", {}, [[]], "2027-01-01T00:00:00", -1, 1.5])
async def test_a_count_of_an_occurrence_that_is_none_is_named(ann: JmapClient, count: Any) -> None:
    event = await make_event(ann, **SERIES)
    said = await ann.call("CalendarEvent/set", update={f"{event}_20260608T120000": {"sequence": count, "title": "x"}})
    refused = list(said["notUpdated"].values()) if said["notUpdated"] else []
    if count == -1:  # the series' own count stands; it never goes back
        assert not refused
        return
    assert refused[0]["type"] == "invalidProperties"
    assert refused[0]["properties"] == ["recurrenceOverrides/2026-06-08T12:00:00/sequence"]


async def test_a_calendar_keeps_a_name(ann: JmapClient) -> None:
    (calendar,) = await calendars(ann)
    said = await ann.call("Calendar/set", update={calendar["id"]: {"name": None}})
    assert said["notUpdated"][calendar["id"]]["properties"] == ["name"]


async def test_an_event_is_not_moved_by_taking_its_calendars_away(ann: JmapClient) -> None:
    made = await ann.call("Calendar/set", create={"c": {"name": "Other"}})
    event = await make_event(ann, calendarIds={made["created"]["c"]["id"]: True})
    said = await ann.call("CalendarEvent/set", update={event: {"calendarIds": None}})
    assert said["notUpdated"][event]["properties"] == ["calendarIds"]


async def test_saying_what_is_so_already_moves_no_state(ann: JmapClient) -> None:
    """RFC 8620 §5.2: a client that waits for changes is not woken for nothing."""
    (calendar,) = await calendars(ann)
    identity = (await ann.call("ParticipantIdentity/get", ids=None))["list"][0]
    for kind, item in (("Calendar", calendar), ("ParticipantIdentity", identity)):
        for patch in ({}, {"name": item["name"]}):
            said = await ann.call(f"{kind}/set", update={item["id"]: patch})
            assert said["updated"] == {item["id"]: None}
            assert said["oldState"] == said["newState"], kind


async def test_people_are_set_as_any_type_is(ann: JmapClient) -> None:
    """The answer is `forbidden` for each, but state and limits are minded first (RFC 8620 §5.3)."""
    assert await ann.error("Principal/set", ifInState="other") == "stateMismatch"
    assert await ann.error("Principal/set", destroy=[f"p{n}" for n in range(1001)]) == "requestTooLarge"
    said = await ann.call("Principal/set", create={"c": {}}, update={ann.account_id: {"name": "x"}}, destroy=["nobody"])
    kinds = [said["notCreated"]["c"], said["notUpdated"][ann.account_id], said["notDestroyed"]["nobody"]]
    assert [each["type"] for each in kinds] == ["forbidden", "forbidden", "notFound"]


async def test_a_tilde_stands_for_itself_only_as_it_must_be_written(ann: JmapClient) -> None:
    """RFC 6901 §3: `~0` and `~1`, nothing else."""
    event = await make_event(ann, **{"a~b": {"c/d": 1}})
    for pointer in ("a~b/c~1d", "a~2b", "a~"):
        said = await ann.call("CalendarEvent/set", update={event: {pointer: 2}})
        assert said["notUpdated"][event]["type"] == "invalidPatch", pointer
    await ann.call("CalendarEvent/set", update={event: {"a~0b/c~1d": 2}})
    assert (await ann.call("CalendarEvent/get", ids=[event]))["list"][0]["a~b"] == {"c/d": 2}


async def test_an_index_in_a_reference_has_one_spelling(ann: JmapClient) -> None:
    """RFC 6901 §4: no leading zeros, no sign."""
    for path in ("/a/00", "/a/+0", "/a/-", "/a/1"):
        reference = {"resultOf": "1", "name": "Core/echo", "path": path}
        body = await ann.request(["Core/echo", {"a": [5]}, "1"], ["Core/echo", {"#b": reference}, "2"])
        assert body["methodResponses"][1][1]["type"] == "invalidResultReference", path


async def test_only_what_recurs_has_occurrences(ann: JmapClient) -> None:
    event = await make_event(ann)
    once = f"{event}_20260607T120000"
    assert (await ann.call("CalendarEvent/get", ids=[once]))["notFound"] == [once]
    assert (await ann.call("CalendarEvent/set", destroy=[once]))["notDestroyed"][once]["type"] == "notFound"


async def test_a_rule_of_too_many_occurrences_is_left_at_the_limit(world: World) -> None:
    """Each occurrence past the limit would cost as much as one before it, up to the tenfold budget of the rule."""
    config = dataclasses.replace(Config(), http=HttpOptions(max_expanded_instances=50))
    small = build_app(dataclasses.replace(world.context, config=config))
    client = JmapClient(small, "ann@example.org", world.accounts["ann"].id)
    await make_event(client, recurrenceRule={"frequency": "minutely"}, duration="PT1S")
    window = {"after": "2026-07-01T00:00:00", "before": "2027-01-01T00:00:00"}
    times = {"utcStart": "2026-07-01T00:00:00Z", "utcEnd": "2027-01-01T00:00:00Z"}
    for kind, method, arguments in (
        ("cannotCalculateOccurrences", "CalendarEvent/query", {"filter": window, "expandRecurrences": True}),
        ("tooLarge", "Principal/getAvailability", {"id": client.account_id, **times}),
    ):
        _, said = await client.said(method, **arguments)
        assert (said["type"], said["description"]) == (kind, "There are more than 50 occurrences")
