# SPDX-License-Identifier: Apache-2.0
"""The request this project began with, in its four variants, and everything that must never be silent again."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.store.unit import Unit
from tests.support.jmap import JmapClient
from tests.unit.http.conftest import World

EVENT: dict[str, Any] = {
    "@type": "Event", "title": "Scheduling reproduction test", "description": "<p>Test event</p>",
    "start": "2026-06-07T12:00:00", "duration": "PT30M", "timeZone": "Africa/Djibouti", "showWithoutTime": False,
    "status": "confirmed", "freeBusyStatus": "busy", "privacy": "public",
    "participants": {
        "p1": {"@type": "Participant", "calendarAddress": "mailto:ann@example.org", "name": "User One",
               "roles": {"owner": True, "attendee": True}, "participationStatus": "accepted", "expectReply": False,
               "kind": "individual"},
        "p2": {"@type": "Participant", "calendarAddress": "mailto:bob@example.org", "name": "User Two",
               "roles": {"attendee": True}, "participationStatus": "needs-action", "expectReply": True,
               "kind": "individual", "sendTo": {"imip": "mailto:bob@example.org"}},
    },
}  # fmt: skip


async def tasks(world: World) -> list[Any]:
    return [
        task for task in await world.context.store.read(lambda u: u.tasks.all()) if task.kind == "CalendarItipMessage"
    ]


async def create(client: JmapClient, event: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    return await client.call("CalendarEvent/set", create={"e": event}, **arguments)


@pytest.mark.parametrize("variant", ["attendees", "sendTo", "send", "send and replyTo"])
async def test_the_reproduction(world: World, ann: JmapClient, bob: JmapClient, variant: str) -> None:
    event = copy.deepcopy(EVENT)
    if variant == "attendees":
        del event["participants"]["p2"]["sendTo"]
    if variant == "send and replyTo":
        event["replyTo"] = {"imip": "mailto:ann@example.org"}
    send = variant.startswith("send") and variant != "sendTo"
    said = await create(ann, event, sendSchedulingMessages=send)
    made = said["created"]["e"]
    assert made["organizerCalendarAddress"] == "mailto:ann@example.org"
    outcome = said["schedulingOutcome"]["e"]
    stored = (await ann.call("CalendarEvent/get", ids=[made["id"]]))["list"][0]
    assert stored["isOrigin"] is True
    assert {p["calendarAddress"] for p in stored["participants"].values()} == {
        "mailto:ann@example.org",
        "mailto:bob@example.org",
    }
    if not send:
        assert (outcome["messages"], outcome["rule"]) == (0, "change.not-asked")
        assert outcome["nothing"]
        return
    assert (outcome["messages"], outcome["nothing"]) == (1, None)
    (task,) = await tasks(world)
    assert task.uid == made["uid"]
    told = (await bob.call("CalendarEventNotification/get", ids=None))["list"]
    assert [each["type"] for each in told] == ["created"]
    assert told[0]["changedBy"]["email"] == "ann@example.org"


async def test_an_event_that_is_over_is_stored_and_the_reason_given(world: World, ann: JmapClient) -> None:
    world.clock.set(datetime(2026, 6, 8, tzinfo=UTC))
    said = await create(ann, EVENT, sendSchedulingMessages=True)
    outcome = said["schedulingOutcome"]["e"]
    assert (outcome["messages"], outcome["rule"]) == (0, "change.past")
    assert "over" in outcome["nothing"]
    assert await tasks(world) == []


async def test_without_our_capability_the_response_is_the_drafts(world: World) -> None:
    client = world.client("ann", using=["urn:ietf:params:jmap:core", "urn:ietf:params:jmap:calendars"])
    assert "schedulingOutcome" not in await create(client, EVENT, sendSchedulingMessages=True)


async def test_without_permission_the_event_is_stored_and_the_reason_given(world: World, ann: JmapClient) -> None:
    await world.context.store.write(
        lambda unit: unit.accounts.update(ann.account_id, permissions={"scheduling-send": False})
    )
    outcome = (await create(ann, EVENT, sendSchedulingMessages=True))["schedulingOutcome"]["e"]
    assert outcome["messages"] == 0
    assert outcome["nothing"]


async def test_with_scheduling_disabled_the_event_is_stored_and_the_reason_given(world: World, ann: JmapClient) -> None:
    now = world.clock.now()
    await world.context.store.write(
        lambda unit: unit.settings.put("policy.scheduling.enable", False, by="root@example.org", at=now)
    )
    said = await create(ann, EVENT, sendSchedulingMessages=True)
    assert said["schedulingOutcome"]["e"]["messages"] == 0
    assert said["schedulingOutcome"]["e"]["nothing"]


async def test_nobody_to_tell(ann: JmapClient) -> None:
    alone = {**EVENT, "participants": {"p1": EVENT["participants"]["p1"]}}
    outcome = (await create(ann, alone, sendSchedulingMessages=True))["schedulingOutcome"]["e"]
    assert outcome["messages"] == 0
    assert outcome["nothing"]


@pytest.mark.parametrize(
    "guest",
    [
        {"name": "Somebody", "roles": {"attendee": True}},
        {"name": "Somebody", "expectReply": True},
        {"name": "Somebody", "sendTo": {"web": "https://x.example/"}},
        {"calendarAddress": "urn:uuid:5b2a6f5e-0000-4000-8000-000000000000", "roles": {"attendee": True}},
        {"calendarAddress": "invalid:nomail", "roles": {"attendee": True}},
    ],
)
async def test_a_guest_who_cannot_be_reached_and_nothing_is_stored(
    world: World, ann: JmapClient, guest: dict[str, Any]
) -> None:
    event = {**EVENT, "participants": {**EVENT["participants"], "p3": guest}}
    said = await create(ann, event, sendSchedulingMessages=True)
    assert said["notCreated"]["e"]["type"] == "noSupportedScheduleMethods"
    assert (await ann.call("CalendarEvent/query"))["ids"] == []
    assert said["oldState"] == said["newState"]
    assert (await create(ann, event))["created"]["e"]["id"], "without messages it is an event like any other"


async def test_the_default_identity_organizes_what_names_nobody(ann: JmapClient) -> None:
    identities = (await ann.call("ParticipantIdentity/get", ids=None))["list"]
    alias = next(each for each in identities if "alias" in each["calendarAddress"])
    await ann.call("ParticipantIdentity/set", onSuccessSetIsDefault=alias["id"])
    event = {**EVENT, "participants": {"p2": EVENT["participants"]["p2"]}}
    made = (await create(ann, event, sendSchedulingMessages=True))["created"]["e"]
    assert made["organizerCalendarAddress"] == "mailto:ann.alias@example.org"
    owners = [p for p in made["participants"].values() if p["roles"].get("owner")]
    assert [owner["calendarAddress"] for owner in owners] == ["mailto:ann.alias@example.org"]


async def test_no_address_to_organize_from_is_an_error(ann: JmapClient) -> None:
    identities = (await ann.call("ParticipantIdentity/get", ids=None))["list"]
    await ann.call("ParticipantIdentity/set", destroy=[each["id"] for each in identities])
    event = {**EVENT, "participants": {"p2": EVENT["participants"]["p2"]}}
    error = (await create(ann, event, sendSchedulingMessages=True))["notCreated"]["e"]
    assert (error["type"], error["properties"]) == ("invalidProperties", ["organizerCalendarAddress"])


async def test_several_owners_and_none_of_them_you(ann: JmapClient) -> None:
    others = {n: {"calendarAddress": f"mailto:{n}@example.org", "roles": {"owner": True}} for n in ("bob", "eve")}
    error = (await create(ann, {**EVENT, "participants": others}))["notCreated"]["e"]
    assert (error["type"], "participants" in error["properties"]) == ("invalidProperties", True)


async def test_a_draft_tells_nobody_until_it_is_none(world: World, ann: JmapClient) -> None:
    said = await create(ann, {**EVENT, "isDraft": True}, sendSchedulingMessages=True)
    assert said["schedulingOutcome"]["e"]["rule"] == "change.draft"
    event_id = said["created"]["e"]["id"]
    said = await ann.call("CalendarEvent/set", update={event_id: {"isDraft": False}}, sendSchedulingMessages=True)
    assert said["schedulingOutcome"][event_id]["messages"] == 1
    error = (await ann.call("CalendarEvent/set", update={event_id: {"isDraft": True}}))["notUpdated"][event_id]
    assert error["properties"] == ["isDraft"]


async def test_update_and_destroy_tell_what_went_out(world: World, ann: JmapClient, bob: JmapClient) -> None:
    event_id = (await create(ann, EVENT, sendSchedulingMessages=True))["created"]["e"]["id"]
    said = await ann.call(
        "CalendarEvent/set", update={event_id: {"start": "2026-06-07T13:00:00"}}, sendSchedulingMessages=True
    )
    assert said["schedulingOutcome"][event_id]["messages"] == 1
    assert said["updated"][event_id]["sequence"] == 1
    said = await ann.call("CalendarEvent/set", destroy=[event_id], sendSchedulingMessages=True)
    assert said["destroyed"] == [event_id]
    outcome = said["schedulingOutcome"][event_id]
    assert (outcome["messages"], outcome["rule"]) == (0, "outbox.annihilated"), "the invitation had not left yet"
    assert outcome["nothing"]


async def add_for_bob(world: World, bob: JmapClient, ann: JmapClient) -> str:
    now = world.clock.now()
    await world.context.store.write(
        lambda unit: unit.settings.put("policy.scheduling.auto_add_invitations", "always", by="root", at=now)
    )
    await create(ann, EVENT, sendSchedulingMessages=True)
    (event_id,) = (await bob.call("CalendarEvent/query"))["ids"]
    return str(event_id)


async def test_the_guest_answers_and_the_organizer_sees_it(world: World, ann: JmapClient, bob: JmapClient) -> None:
    event_id = await add_for_bob(world, bob, ann)
    event = (await bob.call("CalendarEvent/get", ids=[event_id]))["list"][0]
    assert event["isOrigin"] is False
    key = next(k for k, p in event["participants"].items() if "bob" in p["calendarAddress"])
    patch = {f"participants/{key}/participationStatus": "accepted"}
    said = await bob.call("CalendarEvent/set", update={event_id: patch}, sendSchedulingMessages=True)
    assert said["schedulingOutcome"][event_id]["messages"] == 1
    after = (await bob.call("CalendarEvent/get", ids=[event_id]))["list"][0]
    assert after["updated"] == event["updated"], "the organizer's stamp is the organizer's"
    assert after.get("sequence") == event.get("sequence")
    (own,) = (await ann.call("CalendarEvent/query"))["ids"]
    seen = (await ann.call("CalendarEvent/get", ids=[own]))["list"][0]
    guest = next(p for p in seen["participants"].values() if "bob" in p["calendarAddress"])
    assert guest["participationStatus"] == "accepted"
    assert "scheduleUpdated" in guest
    told = (await ann.call("CalendarEventNotification/get", ids=None))["list"]
    assert [each["type"] for each in told] == ["updated"]
    assert any("participationStatus" in pointer for pointer in told[0]["eventPatch"]), "a true patch"
    assert not {"title", "start"} & told[0]["eventPatch"].keys()


async def test_what_is_told_may_be_sent_back_unchanged(world: World, ann: JmapClient, bob: JmapClient) -> None:
    """Clients put back the whole object that they got; what only tells how scheduling went is no change."""
    event_id = await add_for_bob(world, bob, ann)
    event = (await bob.call("CalendarEvent/get", ids=[event_id]))["list"][0]
    said = await bob.call("CalendarEvent/set", update={event_id: event}, sendSchedulingMessages=True)
    assert event_id in said["updated"]
    assert said["schedulingOutcome"][event_id]["messages"] == 0


async def test_hidden_guests_are_alone_in_their_message(world: World, ann: JmapClient) -> None:
    event = copy.deepcopy(EVENT)
    event["hideAttendees"] = True
    event["participants"]["p3"] = {"calendarAddress": "mailto:guest@outside.example", "roles": {"attendee": True}}
    said = await create(ann, event, sendSchedulingMessages=True)
    assert said["schedulingOutcome"]["e"]["messages"] == 2
    for task in await tasks(world):
        text = str(task.payload)
        assert not ("bob@example.org" in text and "guest@outside.example" in text) or text.count("BEGIN:VCALENDAR") > 1


async def test_the_journal_says_the_same(world: World, ann: JmapClient) -> None:
    await create(ann, EVENT)

    def fn(unit: Unit) -> Any:
        import sqlalchemy as sa

        from gateway.store import schema

        return unit.connection.execute(sa.select(schema.journal).where(schema.journal.c.stage == "change")).all()

    (row,) = await world.context.store.read(fn)
    assert (row.outcome, row.rule) == ("nothing", "change.not-asked")
