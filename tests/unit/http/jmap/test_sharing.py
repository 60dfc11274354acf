# SPDX-License-Identifier: Apache-2.0
"""What others see and may do: nothing by default, and what is shared exactly as far as it was given."""

from typing import Any

import pytest

from gateway.http.jmap.methods import build_methods
from tests.support.jmap import JmapClient
from tests.unit.http.conftest import World

READ = {"mayReadItems": True, "mayReadFreeBusy": True}
NEW = {"calendarAddress": "mailto:new@example.org"}
WINDOW = {"utcStart": "2026-06-07T00:00:00Z", "utcEnd": "2026-06-08T00:00:00Z"}


async def make_event(client: JmapClient, **members: Any) -> str:
    event = {"@type": "Event", "title": "T", "start": "2026-06-07T12:00:00", "timeZone": "Europe/Berlin", **members}
    return str((await client.call("CalendarEvent/set", create={"e": event}))["created"]["e"]["id"])


async def share(owner: JmapClient, reader: JmapClient, **rights: bool) -> str:
    calendar = str((await owner.call("Calendar/get", ids=None))["list"][0]["id"])
    said = await owner.call("Calendar/set", update={calendar: {"shareWith": {reader.account_id: {**READ, **rights}}}})
    assert said["notUpdated"] is None
    return calendar


def as_guest(world: World, name: str, owner: JmapClient) -> JmapClient:
    """A client of one account that calls into another's."""
    client = world.client(name)
    client.account_id = owner.account_id
    return client


async def test_no_method_answers_for_an_account_that_shares_nothing(
    world: World, ann: JmapClient, eve: JmapClient
) -> None:
    await make_event(ann)
    arguments: dict[str, dict[str, Any]] = {
        "CalendarEvent/copy": {"fromAccountId": eve.account_id, "create": {}},
        "CalendarEvent/parse": {"blobIds": []},
        "Principal/getAvailability": {"id": eve.account_id, **WINDOW},
        "CalendarEvent/participantReply": {
            "eventId": "x", "participantEmail": "eve@example.org", "updates": {"participationStatus": "accepted"},
        },
    }  # fmt: skip
    for method in build_methods(world.context):
        if method.startswith("x:"):
            continue
        needed = {"sinceState": "0"} if method.endswith("/changes") else {}
        needed = {"sinceQueryState": "0"} if method.endswith("/queryChanges") else needed
        said = await eve.said(method, accountId=ann.account_id, **needed, **arguments.get(method, {}))
        assert (said[0], said[1]["type"]) == ("error", "accountNotFound"), method
    said = await eve.said("CalendarEvent/copy", fromAccountId=ann.account_id, create={})
    assert said[1]["type"] == "fromAccountNotFound"


async def test_ids_of_another_account_are_unknown_in_ones_own(world: World, ann: JmapClient, eve: JmapClient) -> None:
    event = await make_event(ann)
    calendar = (await ann.call("Calendar/get", ids=None))["list"][0]["id"]
    identity = (await ann.call("ParticipantIdentity/get", ids=None))["list"][0]["id"]
    for kind, item in (("CalendarEvent", event), ("Calendar", calendar), ("ParticipantIdentity", identity)):
        assert (await eve.call(f"{kind}/get", ids=[item]))["notFound"] == [item]
        said = await eve.call(f"{kind}/set", update={item: {"name": "x"}}, destroy=[])
        assert said["notUpdated"][item]["type"] == "notFound"
        assert (await eve.call(f"{kind}/set", destroy=[item]))["notDestroyed"][item]["type"] == "notFound"
    said = await eve.call(
        "CalendarEvent/set", create={"e": {"start": "2026-06-07T12:00:00", "calendarIds": {calendar: True}}}
    )
    assert said["notCreated"]["e"]["properties"] == ["calendarIds"]


async def test_a_shared_calendar_is_seen_with_its_rights(world: World, ann: JmapClient, bob: JmapClient) -> None:
    private = (await ann.call("Calendar/set", create={"c": {"name": "Mine"}}))["created"]["c"]["id"]
    shown = await make_event(ann, title="Shown")
    await make_event(ann, title="Hidden", calendarIds={private: True})
    calendar = await share(ann, bob)
    session = (await bob.http.get("/jmap/session")).json()
    assert session["accounts"][ann.account_id]["isPersonal"] is False
    guest = as_guest(world, "bob", ann)
    (seen,) = (await guest.call("Calendar/get", ids=None))["list"]
    assert (seen["id"], seen["myRights"]["mayReadItems"], seen["myRights"]["mayWriteAll"]) == (calendar, True, False)
    assert seen["shareWith"] is None, "who else it is shared with is not theirs to know"
    assert (await guest.call("CalendarEvent/query"))["ids"] == [shown]
    assert [e["title"] for e in (await guest.call("CalendarEvent/get", ids=None))["list"]] == ["Shown"]
    assert (await guest.call("ParticipantIdentity/get", ids=None))["list"] == []
    assert (await guest.call("CalendarEventNotification/query"))["ids"] == []


async def test_reading_is_not_writing(world: World, ann: JmapClient, bob: JmapClient) -> None:
    event = await make_event(ann)
    calendar = await share(ann, bob)
    guest = as_guest(world, "bob", ann)
    said = await guest.call(
        "CalendarEvent/set",
        create={"e": {"start": "2026-06-07T12:00:00", "calendarIds": {calendar: True}}},
        update={event: {"title": "x"}},
    )
    assert said["notCreated"]["e"]["type"] == "forbidden"
    assert said["notUpdated"][event]["type"] == "forbidden"
    assert (await guest.call("CalendarEvent/set", destroy=[event]))["notDestroyed"][event]["type"] == "forbidden"
    assert (await guest.call("Calendar/set", update={calendar: {"description": "x"}}))["notUpdated"]
    assert (await guest.call("Calendar/set", update={calendar: {"shareWith": {bob.account_id: {}}}}))["notUpdated"]
    assert (await guest.call("Calendar/set", create={"c": {"name": "x"}}))["notCreated"]["c"]["type"] == "forbidden"
    assert (await guest.call("Calendar/set", destroy=[calendar]))["notDestroyed"][calendar]["type"] == "forbidden"


async def test_each_reader_keeps_their_own_view(world: World, ann: JmapClient, bob: JmapClient) -> None:
    alerts = {"a": {"trigger": {"offset": "-PT15M"}}}
    event = await make_event(ann, alerts=alerts, color="red")
    calendar = await share(ann, bob, mayUpdatePrivate=True)
    guest = as_guest(world, "bob", ann)
    (seen,) = (await guest.call("CalendarEvent/get", ids=[event]))["list"]
    assert not {"alerts", "color"} & seen.keys()
    state = (await ann.call("CalendarEvent/get", ids=[]))["state"]
    said = await guest.call("CalendarEvent/set", update={event: {"color": "blue", "useDefaultAlerts": True}})
    assert said["updated"] == {event: None}
    (seen,) = (await guest.call("CalendarEvent/get", ids=[event]))["list"]
    assert (seen["color"], seen["useDefaultAlerts"]) == ("blue", True)
    (own,) = (await ann.call("CalendarEvent/get", ids=[event]))["list"]
    assert (own["color"], own["useDefaultAlerts"], len(own["alerts"])) == ("red", False, 1)
    assert (await ann.call("CalendarEvent/get", ids=[]))["state"] == state, "not a change for the owner"
    await guest.call("Calendar/set", update={calendar: {"color": "green", "name": "Ann"}})
    (theirs,) = (await guest.call("Calendar/get", ids=None))["list"]
    (hers,) = (await ann.call("Calendar/get", ids=None))["list"]
    assert (theirs["color"], theirs["name"]) == ("green", "Ann")
    assert (hers["color"], hers["name"]) == (None, "Ann")


async def test_an_edit_by_another_keeps_the_owners_alerts_and_is_told(
    world: World, ann: JmapClient, bob: JmapClient
) -> None:
    event = await make_event(ann, alerts={"a": {"trigger": {"offset": "-PT15M"}}})
    await share(ann, bob, mayWriteAll=True)
    guest = as_guest(world, "bob", ann)
    said = await guest.call("CalendarEvent/set", update={event: {"title": "Changed"}})
    assert said["notUpdated"] is None
    (own,) = (await ann.call("CalendarEvent/get", ids=[event]))["list"]
    assert (own["title"], list(own["alerts"])) == ("Changed", ["a"])
    await guest.call("CalendarEvent/set", destroy=[event])
    told = (await ann.call("CalendarEventNotification/get", ids=None))["list"]
    assert [each["type"] for each in told] == ["updated", "destroyed"]
    assert "title" in told[0]["eventPatch"]
    assert told[1]["event"]["title"] == "Changed"
    assert not any("alerts" in each["event"] for each in told), "what anybody keeps for themself is no news"
    assert (await bob.call("CalendarEventNotification/get", ids=None))["list"] == []


async def test_own_events_only(world: World, ann: JmapClient, bob: JmapClient) -> None:
    nobodys = await make_event(ann)
    anns = await make_event(
        ann,
        participants={"a": {"calendarAddress": "mailto:ann@example.org", "roles": {"owner": True, "attendee": True}}},
    )
    await share(ann, bob, mayWriteOwn=True)
    guest = as_guest(world, "bob", ann)
    said = await guest.call("CalendarEvent/set", update={nobodys: {"title": "x"}, anns: {"title": "x"}})
    assert nobodys in said["updated"]
    assert said["notUpdated"][anns]["type"] == "forbidden"


@pytest.mark.parametrize(
    ("flags", "patch", "allowed"),
    [
        ({}, {"participants/b/participationStatus": "accepted"}, True),
        ({}, {"participants/b/roles": {"owner": True}}, False),
        ({}, {"participants/a/participationStatus": "declined"}, False),
        ({}, {"title": "x"}, False),
        ({}, {"participants/n": {**NEW, "roles": {"required": True}}}, False),
        ({"mayInviteOthers": True}, {"participants/n": {**NEW, "roles": {"required": True}}}, True),
        ({"mayInviteOthers": True}, {"participants/n": {**NEW, "roles": {"owner": True}}}, False),
        ({}, {"participants/a": None}, False),
    ],
)  # fmt: skip
async def test_answering_is_all_that_may_rsvp_allows(
    world: World, ann: JmapClient, bob: JmapClient, flags: dict[str, Any], patch: dict[str, Any], allowed: bool
) -> None:
    people = {
        "a": {"calendarAddress": "mailto:ann@example.org", "roles": {"owner": True, "attendee": True}},
        "b": {
            "calendarAddress": "mailto:bob@example.org",
            "roles": {"attendee": True},
            "participationStatus": "needs-action",
        },
    }
    event = await make_event(ann, participants=people, **flags)
    await share(ann, bob, mayRSVP=True)
    said = await as_guest(world, "bob", ann).call("CalendarEvent/set", update={event: patch})
    assert (said["notUpdated"] is None) == allowed, said


async def test_inviting_oneself(world: World, ann: JmapClient, bob: JmapClient) -> None:
    people = {"a": {"calendarAddress": "mailto:ann@example.org", "roles": {"owner": True, "attendee": True}}}
    me = {"participants/me": {"calendarAddress": "mailto:bob@example.org", "roles": {"attendee": True}}}
    open_, closed = (
        await make_event(ann, participants=people, mayInviteSelf=True),
        await make_event(ann, participants=people),
    )
    await share(ann, bob, mayRSVP=True)
    said = await as_guest(world, "bob", ann).call("CalendarEvent/set", update={open_: me, closed: me})
    assert open_ in said["updated"]
    assert said["notUpdated"][closed]["type"] == "forbidden"


async def test_what_one_keeps_for_oneself_of_an_occurrence(world: World, ann: JmapClient, bob: JmapClient) -> None:
    """JMAP Calendars §5.3: per-user properties are that in overrides too, and the series is not touched by them."""
    await share(ann, bob, mayUpdatePrivate=True)
    rule = {"frequency": "daily", "count": 3}
    event = await make_event(ann, recurrenceRule=rule, color="red", privacy="public")
    second, reader = f"{event}_20260608T120000", as_guest(world, "bob", ann)
    state = (await ann.call("CalendarEvent/get", ids=[]))["state"]
    mine = {"color": "blue", "keywords": {"x": True}, "alerts": {"q": {"trigger": {"offset": "-PT5M"}}}}
    for name, value in mine.items():
        said = await reader.call("CalendarEvent/set", update={second: {name: value}})
        assert said["notUpdated"] is None, name
    said = await reader.call("CalendarEvent/set", update={second: {"color": "green", "title": "Mine"}})
    assert said["notUpdated"][second]["properties"] == ["recurrenceOverrides"]
    (shown,) = (await reader.call("CalendarEvent/get", ids=[second]))["list"]
    assert (shown["color"], shown["keywords"], list(shown["alerts"])) == ("blue", {"x": True}, ["q"])
    (own,) = (await ann.call("CalendarEvent/get", ids=[event]))["list"]
    assert (own["color"], "recurrenceOverrides" in own) == ("red", False)
    assert (await ann.call("CalendarEvent/get", ids=[]))["state"] == state


async def test_inviting_to_one_instance(world: World, ann: JmapClient, bob: JmapClient) -> None:
    """What may be done to the series may be done to an instance of it, and makes no instance that there was not."""
    await share(ann, bob, mayRSVP=True)
    rule = {"frequency": "daily", "count": 3}
    guest = {"calendarAddress": "mailto:guest@outside.example", "roles": {"required": True}}
    event = await make_event(ann, recurrenceRule=rule, participants={"g": guest}, mayInviteSelf=True)
    reader = as_guest(world, "bob", ann)
    me = {"calendarAddress": "mailto:bob@example.org", "roles": {"required": True}}
    second, no_instance = f"{event}_20260608T120000", "2026-08-01T12:00:00"
    said = await reader.call("CalendarEvent/set", update={second: {"participants/n": NEW}})
    assert said["notUpdated"][second]["type"] == "forbidden"
    said = await reader.call("CalendarEvent/set", update={second: {"participants/b": me}})
    assert said["notUpdated"] is None
    said = await reader.call("CalendarEvent/set", update={second: {"participants/b/participationStatus": "accepted"}})
    assert said["notUpdated"] is None
    overrides = (await ann.call("CalendarEvent/get", ids=[event]))["list"][0]["recurrenceOverrides"]
    assert overrides["2026-06-08T12:00:00"]["participants/b"]["participationStatus"] == "accepted"
    for key, patch in ((no_instance, {"participants/b": me}), ("2026-06-09T12:00:00", {"excluded": True})):
        said = await reader.call("CalendarEvent/set", update={event: {f"recurrenceOverrides/{key}": patch}})
        assert said["notUpdated"][event]["type"] == "forbidden", key


async def test_what_becomes_secret_is_gone_for_others(world: World, ann: JmapClient, bob: JmapClient) -> None:
    """RFC 8620 §5.2: an id that cannot be had any more is told as destroyed, one never seen not at all."""
    await share(ann, bob)
    reader = as_guest(world, "bob", ann)
    state = (await reader.call("CalendarEvent/get", ids=[]))["state"]
    event = await make_event(ann)
    await make_event(ann, privacy="secret")
    told = []
    for privacy in ("public", "secret", "secret", "public"):
        await ann.call("CalendarEvent/set", update={event: {"privacy": privacy, "title": f"{privacy} {len(told)}"}})
        said = await reader.call("CalendarEvent/changes", sinceState=state)
        told.append((said["created"], said["updated"], said["destroyed"]))
        state = said["newState"]
    assert told == [([event], [], []), ([], [], [event]), ([], [], []), ([event], [], [])]


async def test_private_shows_when_and_secret_nothing(world: World, ann: JmapClient, bob: JmapClient) -> None:
    private = await make_event(ann, title="P", description="d", privacy="private", locations={"l": {"name": "x"}})
    secret = await make_event(ann, title="S", privacy="secret")
    calendar = await share(ann, bob, mayWriteAll=True)
    guest = as_guest(world, "bob", ann)
    said = await guest.call("CalendarEvent/get", ids=[private, secret])
    assert said["notFound"] == [secret]
    assert not {"title", "description", "locations"} & said["list"][0].keys()
    assert said["list"][0]["start"] == "2026-06-07T12:00:00"
    assert (await guest.call("CalendarEvent/query", filter={"title": "P"}))["ids"] == [], "not found by what is hidden"
    assert (await guest.call("CalendarEvent/query"))["ids"] == [private]
    said = await guest.call("CalendarEvent/set", update={private: {"title": "x"}, secret: {"title": "x"}})
    assert said["notUpdated"][private]["type"] == "forbidden"
    assert said["notUpdated"][secret]["type"] == "notFound"
    public = await make_event(ann)
    assert (await guest.call("CalendarEvent/set", update={public: {"privacy": "private"}}))["notUpdated"][public][
        "type"
    ] == "forbidden"
    new = {"start": "2026-06-07T12:00:00", "privacy": "private", "calendarIds": {calendar: True}}
    assert (await guest.call("CalendarEvent/set", create={"e": new}))["notCreated"]["e"]["properties"] == ["privacy"]


async def test_hidden_guests_stay_hidden_and_stay(world: World, ann: JmapClient, bob: JmapClient) -> None:
    people = {
        n: {"calendarAddress": f"mailto:{n}@example.org", "roles": {"attendee": True}} for n in ("ann", "bob", "eve")
    }
    people["ann"]["roles"] = {"owner": True, "attendee": True}
    event = await make_event(ann, participants=people, hideAttendees=True)
    await share(ann, bob, mayWriteAll=True)
    guest = as_guest(world, "bob", ann)
    (seen,) = (await guest.call("CalendarEvent/get", ids=[event]))["list"]
    assert set(seen["participants"]) == {"ann", "bob"}
    said = await guest.call("CalendarEvent/set", update={event: {"participants": seen["participants"], "title": "x"}})
    assert said["notUpdated"] is None
    (own,) = (await ann.call("CalendarEvent/get", ids=[event]))["list"]
    assert (set(own["participants"]), own["title"]) == ({"ann", "bob", "eve"}, "x")


async def test_sharing_ends(world: World, ann: JmapClient, bob: JmapClient) -> None:
    event = await make_event(ann)
    calendar = await share(ann, bob, mayShare=True)
    guest = as_guest(world, "bob", ann)
    state = (await guest.call("CalendarEvent/get", ids=[]))["state"]
    said = await guest.call(
        "Calendar/set", update={calendar: {f"shareWith/{world.accounts['eve'].id}": {"mayWriteAll": True}}}
    )
    assert said["notUpdated"][calendar]["type"] == "forbidden", "nobody gives what they do not have"
    other = (await ann.call("Calendar/set", create={"c": {"name": "Other"}}))["created"]["c"]["id"]
    await ann.call("Calendar/set", update={other: {"shareWith": {bob.account_id: READ}}})
    await ann.call("Calendar/set", update={calendar: {"shareWith": None}})
    said = await guest.call("CalendarEvent/changes", sinceState=state)
    assert said["destroyed"] == [event]
    assert [each["id"] for each in (await guest.call("Calendar/get", ids=None))["list"]] == [other]


async def test_a_refusal_names_what_was_not_allowed(world: World, ann: JmapClient, bob: JmapClient) -> None:
    event = await make_event(ann, color="red", keywords={"k": True})
    await share(ann, bob, mayUpdatePrivate=True)
    guest = as_guest(world, "bob", ann)
    said = await guest.call("CalendarEvent/set", update={event: {"title": "Mine", "color": "blue"}})
    assert said["notUpdated"][event] == {
        "type": "forbidden", "description": "You may not change this event", "properties": ["color", "title"],
    }  # fmt: skip


async def test_a_copy_of_what_is_there_already_says_where(world: World, ann: JmapClient, bob: JmapClient) -> None:
    event = await make_event(ann, uid="one")
    await share(ann, bob)
    calendar = (await bob.call("Calendar/get", ids=None))["list"][0]["id"]
    create = {"c": {"id": event, "calendarIds": {calendar: True}}}
    made = (await bob.call("CalendarEvent/copy", fromAccountId=ann.account_id, create=create))["created"]["c"]["id"]
    said = await bob.call("CalendarEvent/copy", fromAccountId=ann.account_id, create=create)
    error = said["notCreated"]["c"]
    assert (error["type"], error["existingId"]) == ("alreadyExists", made)
