# SPDX-License-Identifier: Apache-2.0
"""What a client is told: every change once however it pages, what a change did beyond what was asked, what was kept."""

from typing import Any

import pytest

from tests.support.jmap import JmapClient

EVENT: dict[str, Any] = {"@type": "Event", "title": "T", "start": "2026-06-07T12:00:00", "timeZone": "Europe/Berlin"}
PEOPLE = {
    "a": {"@type": "Participant", "calendarAddress": "mailto:ann@example.org", "roles": {"owner": True},
          "participationStatus": "accepted"},
    "b": {"@type": "Participant", "calendarAddress": "mailto:lee@partner.example", "roles": {"required": True}},
}  # fmt: skip


async def make(client: JmapClient, **members: Any) -> str:
    said = await client.call("CalendarEvent/set", create={"e": {**EVENT, **members}})
    return str(said["created"]["e"]["id"])


async def all_changes(client: JmapClient, since: str, most: int) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {"created": [], "updated": [], "destroyed": []}
    while True:
        said = await client.call("CalendarEvent/changes", sinceState=since, maxChanges=most)
        assert sum(len(said[name]) for name in told) <= most
        for name in told:
            told[name] += said[name]
        since = said["newState"]
        if not said["hasMoreChanges"]:
            return told


@pytest.mark.parametrize("most", [1, 2, 3, 100])
async def test_changes_of_one_request_are_told_page_by_page(ann: JmapClient, most: int) -> None:
    old = (await ann.call("CalendarEvent/set", create={f"o{at}": EVENT for at in range(4)}))["created"]
    before = (await ann.call("CalendarEvent/get", ids=[]))["state"]
    ids = [made["id"] for made in old.values()]
    said = await ann.call(
        "CalendarEvent/set", create={f"e{at}": EVENT for at in range(5)}, update={i: {"title": "N"} for i in ids[:3]},
        destroy=ids[3:],
    )  # fmt: skip
    told = await all_changes(ann, before, most)
    assert sorted(told["created"]) == sorted(made["id"] for made in said["created"].values())
    assert (sorted(told["updated"]), told["destroyed"]) == (sorted(ids[:3]), ids[3:])


async def test_a_change_between_two_pages_is_told_too(ann: JmapClient) -> None:
    before = (await ann.call("CalendarEvent/get", ids=[]))["state"]
    said = await ann.call("CalendarEvent/set", create={f"e{at}": EVENT for at in range(4)})
    ids = sorted(made["id"] for made in said["created"].values())
    first = await ann.call("CalendarEvent/changes", sinceState=before, maxChanges=2)
    await ann.call("CalendarEvent/set", update={ids[0]: {"title": "N"}}, destroy=[ids[3]])
    told = await all_changes(ann, first["newState"], 100)
    assert (first["created"], told) == (ids[:2], {"created": [ids[2]], "updated": [ids[0]], "destroyed": []})


async def test_an_occurrence_takes_what_can_be_its_own(ann: JmapClient) -> None:
    series = await make(ann, recurrenceRule={"frequency": "daily", "count": 3})
    second = f"{series}_20260608T120000"
    said = await ann.call("CalendarEvent/set", update={second: {"title": "Other"}})
    assert said["updated"][second].items() >= {"sequence": 1}.items()
    for wrong in (
        {"recurrenceRule": {"frequency": "weekly"}},
        {"privacy": "private"},
        {"organizerCalendarAddress": "mailto:x@example.org"},
        {"calendarIds": {}},
    ):
        said = await ann.call("CalendarEvent/set", update={second: wrong})
        assert said["notUpdated"][second]["properties"] == list(wrong)
    said = await ann.call("CalendarEvent/set", update={second: {"": 1}})
    assert said["notUpdated"][second]["type"] == "invalidPatch"


async def test_an_owner_who_attends_stays_an_owner_only(ann: JmapClient) -> None:
    event = await make(ann, participants=PEOPLE)
    shown = (await ann.call("CalendarEvent/get", ids=[event]))["list"][0]
    assert shown["participants"]["a"] == PEOPLE["a"]


async def test_what_is_asked_for_by_name_has_its_default(ann: JmapClient) -> None:
    event = await make(ann)
    names = ["mayInviteSelf", "mayInviteOthers", "hideAttendees", "isDraft", "useDefaultAlerts"]
    shown = (await ann.call("CalendarEvent/get", ids=[event], properties=names))["list"][0]
    assert shown == {"id": event, **dict.fromkeys(names, False)}


async def test_an_uploaded_file_goes_with_the_event(ann: JmapClient, bob: JmapClient) -> None:
    upload = f"/jmap/upload/{ann.account_id}/"
    blob = (await ann.http.post(upload, content=b"minutes", headers={"Content-Type": "text/plain"})).json()["blobId"]
    link = {"@type": "Link", "blobId": blob, "rel": "enclosure", "title": "minutes.txt"}
    said = await ann.call("CalendarEvent/set", create={"e": {**EVENT, "links": {"l": link}}})
    made = said["created"]["e"]
    filled = {
        "@type": "Link",
        "href": "data:text/plain;base64,bWludXRlcw==",
        "rel": "enclosure",
        "title": "minutes.txt",
    }
    assert made["links"] == {"l": filled}
    said = await ann.call("CalendarEvent/set", update={made["id"]: {"links/n": {**link, "contentType": "text/x-m"}}})
    assert said["updated"][made["id"]]["links"]["n"]["href"] == "data:text/x-m;base64,bWludXRlcw=="
    said = await bob.call("CalendarEvent/set", create={"e": {**EVENT, "links": {"l": link}}})
    assert said["notCreated"]["e"]["properties"] == ["links/l/blobId"]


async def test_a_calendar_that_goes_tells_nobody_and_says_so(ann: JmapClient) -> None:
    calendar = (await ann.call("Calendar/set", create={"c": {"name": "Old"}}))["created"]["c"]["id"]
    event = await make(ann, calendarIds={calendar: True}, participants=PEOPLE)
    said = await ann.call("Calendar/set", destroy=[calendar], onDestroyRemoveEvents=True)
    assert said["destroyed"] == [calendar]
    assert said["schedulingOutcome"][event]["messages"] == 0
    assert said["schedulingOutcome"][event]["nothing"]


async def test_a_guest_who_leaves_the_series_leaves_its_occurrences(ann: JmapClient) -> None:
    event = await make(
        ann, participants=PEOPLE, recurrenceRule={"frequency": "daily", "count": 3},
        recurrenceOverrides={
            "2026-06-08T12:00:00": {"participants/b/participationStatus": "declined"},
            "2026-06-09T12:00:00": {"participants/b/participationStatus": "declined", "title": "N"},
        },
    )  # fmt: skip
    said = await ann.call("CalendarEvent/set", update={event: {"participants/b": None}})
    assert said["updated"][event]["recurrenceOverrides"] == {"2026-06-09T12:00:00": {"title": "N"}}
    wrong = {"recurrenceOverrides/2026-06-08T12:00:00": {"participants/b/participationStatus": "declined"}}
    said = await ann.call("CalendarEvent/set", update={event: wrong})
    assert said["notUpdated"][event]["type"] == "invalidProperties"


async def test_why_no_message_went_out(ann: JmapClient) -> None:
    event = await make(ann, participants=PEOPLE)
    for patch, rule in (
        ({"title": "T"}, "change.nothing"),
        ({"useDefaultAlerts": True}, "change.personal"),
        ({"title": "N"}, "change.not-asked"),
    ):
        said = await ann.call("CalendarEvent/set", update={event: patch})
        assert said["schedulingOutcome"][event]["rule"] == rule
        assert said["schedulingOutcome"][event]["nothing"]


async def test_too_many_guests_are_too_many_later_as_well(ann: JmapClient) -> None:
    guests = {f"g{at}": {"calendarAddress": f"mailto:g{at}@partner.example", "roles": {"required": True}}
              for at in range(101)}  # fmt: skip
    said = await ann.call(
        "CalendarEvent/set", sendSchedulingMessages=True, create={"e": {**EVENT, "participants": guests}}
    )
    assert (said["notCreated"]["e"]["type"], said["notCreated"]["e"]["rule"]) == ("tooLarge", "limit.recipients")
