# SPDX-License-Identifier: Apache-2.0
"""What administrators see and change at run time, and that nobody else does."""

from typing import Any

import pytest

from tests.support.jmap import USING, JmapClient
from tests.unit.http.conftest import World
from tests.unit.http.jmap.test_scheduling import EVENT, create

ADMIN = [*USING, "urn:imip-gateway:admin"]


@pytest.fixture
def root(world: World) -> JmapClient:
    return world.client("root", using=ADMIN)


async def singleton(client: JmapClient, name: str) -> dict[str, Any]:
    (found,) = (await client.call(f"{name}/get", ids=None))["list"]
    return dict(found)


async def test_the_settings_in_force(root: JmapClient) -> None:
    scheduling = await singleton(root, "x:CalendarScheduling")
    assert scheduling == {
        "id": "singleton", "enable": True, "autoAddInvitations": "known", "httpRsvpEnable": True, "httpRsvpUrl": None,
        "httpRsvpLinkExpiry": 7_776_000_000, "itipMaxSize": 524_288, "maxRecipients": 100, "emailTemplate": None,
        "httpRsvpTemplate": None,
    }  # fmt: skip
    alarm = await singleton(root, "x:CalendarAlarm")
    assert (alarm["enable"], alarm["minTriggerInterval"], alarm["fromName"]) == (True, 3_600_000, "Calendar")


async def test_a_change_takes_effect_at_once_and_null_takes_it_back(root: JmapClient, ann: JmapClient) -> None:
    said = await root.call(
        "x:CalendarScheduling/set", update={"singleton": {"enable": False, "autoAddInvitations": True}}
    )
    assert said["updated"] == {"singleton": {"autoAddInvitations": "always"}}
    assert said["oldState"] != said["newState"]
    assert (await singleton(root, "x:CalendarScheduling"))["enable"] is False
    assert (await create(ann, EVENT, sendSchedulingMessages=True))["schedulingOutcome"]["e"]["messages"] == 0
    await root.call("x:CalendarScheduling/set", update={"singleton": {"enable": None, "httpRsvpLinkExpiry": "30d"}})
    scheduling = await singleton(root, "x:CalendarScheduling")
    assert (scheduling["enable"], scheduling["httpRsvpLinkExpiry"]) == (True, 2_592_000_000)


@pytest.mark.parametrize(
    ("name", "patch", "kind"),
    [
        ("x:CalendarScheduling", {"maxRecipients": 0}, "invalidProperties"),
        ("x:CalendarScheduling", {"maxRecipients": "many"}, "invalidProperties"),
        ("x:CalendarScheduling", {"autoAddInvitations": "maybe"}, "invalidProperties"),
        ("x:CalendarScheduling", {"httpRsvpUrl": "ftp://x"}, "invalidProperties"),
        ("x:CalendarScheduling", {"httpRsvpLinkExpiry": -1}, "invalidProperties"),
        ("x:CalendarScheduling", {"emailTemplate": "{{ nonsense"}, "invalidProperties"),
        ("x:CalendarScheduling", {"emailTemplate": "{{ letter.nonsense }}"}, "invalidProperties"),
        ("x:CalendarScheduling", {"httpRsvpTemplate": "{% for %}"}, "invalidProperties"),
        ("x:CalendarAlarm", {"template": "{{ 'a' * 9999999999 }}"}, "invalidProperties"),
        ("x:CalendarScheduling", {"id": "other"}, "invalidProperties"),
        ("x:CalendarScheduling", {"bogus": 1}, "invalidProperties"),
        ("x:CalendarScheduling", {"a/b": 1}, "invalidPatch"),
        ("x:CalendarAlarm", {"template": "{{ 1/0 }}"}, "invalidProperties"),
        ("x:CalendarAlarm", {"allowExternalRcpts": "yes"}, "invalidProperties"),
    ],
)
async def test_settings_that_make_no_sense_change_nothing(
    root: JmapClient, name: str, patch: dict[str, Any], kind: str
) -> None:
    before = await singleton(root, name)
    said = await root.call(
        f"{name}/set", update={"singleton": {**patch, "enable": False} if "id" not in patch else patch}
    )
    assert said["notUpdated"]["singleton"]["type"] == kind
    assert await singleton(root, name) == before


async def test_there_is_one_of_each(root: JmapClient) -> None:
    said = await root.call("x:CalendarAlarm/set", create={"c": {}}, update={"other": {}}, destroy=["singleton"])
    assert said["notCreated"]["c"]["type"] == "singleton"
    assert said["notUpdated"]["other"]["type"] == "notFound"
    assert said["notDestroyed"]["singleton"]["type"] == "singleton"


async def test_what_is_owed_is_a_task_that_can_be_held_and_let_go(
    world: World, root: JmapClient, ann: JmapClient
) -> None:
    event = (await create(ann, EVENT, sendSchedulingMessages=True))["created"]["e"]
    (task_id,) = (await root.call("x:Task/query", filter={"@type": "CalendarItipMessage", "status": "Pending"}))["ids"]
    (task,) = (await root.call("x:Task/get", ids=[task_id]))["list"]
    assert (task["accountId"], task["uid"], task["eventId"]) == (ann.account_id, event["uid"], event["id"])
    (message,) = task["messages"]
    assert (message["method"], message["to"]) == ("REQUEST", "bob@example.org")
    assert "BEGIN:VCALENDAR" in message["iCalendarData"]
    assert (await root.call("x:Task/query", filter={"text": "nobody"}))["ids"] == []

    async def status() -> dict[str, Any]:
        (found,) = (await root.call("x:Task/get", ids=[task_id]))["list"]
        return dict(found["status"])

    await root.call("x:Task/set", update={task_id: {"status/@type": "Held"}})
    assert (await status())["@type"] == "Held"
    await root.call("x:Task/set", update={task_id: {"status": {"@type": "Pending"}}})
    assert (await status())["@type"] == "Pending"
    await root.call("x:Task/set", update={task_id: {"due": "2026-06-02T00:00:00Z"}})
    assert (await status())["due"] == "2026-06-02T00:00:00Z"
    said = await root.call("x:Task/set", create={"n": {}}, update={task_id: {"uid": "x"}, "no": {}})
    assert (said["notCreated"]["n"]["type"], said["notUpdated"][task_id]["type"]) == ("forbidden", "invalidProperties")
    assert said["notUpdated"]["no"]["type"] == "notFound"
    assert (await root.call("x:Task/set", destroy=[task_id]))["destroyed"] == [task_id]
    assert (await root.call("x:Task/query"))["ids"] == []
    assert (await root.call("x:QueuedMessage/query"))["ids"] == []


async def test_a_failed_task_says_why(world: World, root: JmapClient, ann: JmapClient) -> None:
    await create(ann, EVENT, sendSchedulingMessages=True)
    (task_id,) = (await root.call("x:Task/query"))["ids"]
    now = world.clock.now()
    await world.context.store.write(lambda unit: unit.tasks.retry(task_id, due_at=now, failure="no route"))
    (task,) = (await root.call("x:Task/get", ids=[task_id]))["list"]
    assert (task["status"]["@type"], task["status"]["attemptNumber"], task["status"]["failureReason"]) == (
        "Retry",
        1,
        "no route",
    )
    await world.context.store.write(lambda unit: unit.tasks.fail(task_id, at=now, failure="no route at all"))
    (task,) = (await root.call("x:Task/get", ids=[task_id]))["list"]
    assert (task["status"]["@type"], task["status"]["failureReason"]) == ("Failed", "no route at all")
    (seen,) = [(await root.call("x:Task/query", accountId=ann.account_id))["ids"]]
    assert seen == [task_id]
    assert (await root.call("x:Task/query", accountId=world.accounts["eve"].id))["ids"] == []


async def test_nobody_else_comes_near(world: World, ann: JmapClient) -> None:
    answer = await ann.http.post("/jmap/", json={"using": ADMIN, "methodCalls": []})
    assert answer.json()["type"] == "urn:ietf:params:jmap:error:unknownCapability"
    for method in ("x:CalendarScheduling/get", "x:Task/get", "x:QueuedMessage/query", "x:CalendarAlarm/set"):
        assert await ann.error(method) == "unknownMethod"


async def test_answers_written_down_by_the_organizer_and_sent_by_the_guest(
    world: World, ann: JmapClient, bob: JmapClient, root: JmapClient
) -> None:
    await root.call("x:CalendarScheduling/set", update={"singleton": {"autoAddInvitations": "always"}})
    event_id = (await create(ann, EVENT, sendSchedulingMessages=True))["created"]["e"]["id"]
    (copy,) = (await bob.call("CalendarEvent/query"))["ids"]
    arguments = {"participantEmail": "Bob@example.org", "updates": {"participationStatus": "accepted"}}
    said = await bob.call("CalendarEvent/participantReply", eventId=copy, **arguments)
    assert said["scheduleStatus"] == "1.1"
    (event,) = (await ann.call("CalendarEvent/get", ids=[event_id]))["list"]
    assert event["participants"]["p2"]["participationStatus"] == "accepted"
    arguments["updates"] = {"participationStatus": "declined"}
    said = await ann.call("CalendarEvent/participantReply", eventId=event_id, **arguments)
    assert (said["scheduleStatus"], said["schedulingOutcome"]["messages"]) == ("2.0", 0)
    assert said["schedulingOutcome"]["nothing"]
    (event,) = (await ann.call("CalendarEvent/get", ids=[event_id]))["list"]
    assert event["participants"]["p2"]["participationStatus"] == "declined"
    for wrong, error in (
        ({"participantEmail": "nobody@example.org"}, "notFound"),
        ({"updates": {"participationStatus": "maybe"}}, "invalidArguments"),
        ({"eventId": "nothing"}, "notFound"),
    ):
        assert await ann.error("CalendarEvent/participantReply", **{"eventId": event_id, **arguments, **wrong}) == error


async def test_a_planned_alarm_shows_as_the_task_it_will_become(root: JmapClient, ann: JmapClient) -> None:
    alert = {"@type": "Alert", "action": "email", "trigger": {"@type": "OffsetTrigger", "offset": "-PT15M"}}
    event = (await create(ann, {**EVENT, "alerts": {"a": alert}}))["created"]["e"]
    (task_id,) = (await root.call("x:Task/query", filter={"@type": "CalendarAlarmEmail"}))["ids"]
    (task,) = (await root.call("x:Task/get", ids=[task_id]))["list"]
    assert (task["eventId"], task["accountId"], task["status"]["@type"]) == (event["id"], ann.account_id, "Pending")
    assert task["due"] == task["status"]["due"]
    assert (task["rule"], task["reason"]) == (None, None)
    await root.call("x:CalendarAlarm/set", update={"singleton": {"enable": False}})
    (task,) = (await root.call("x:Task/get", ids=[task_id]))["list"]
    assert (task["rule"], task["reason"]) == ("alarm.disabled", "Alarm mails are switched off")
    said = await root.call("x:Task/set", destroy=[task_id])
    assert said["notDestroyed"][task_id]["type"] == "forbidden"
    await ann.call("CalendarEvent/set", destroy=[event["id"]])
    assert (await root.call("x:Task/query", filter={"@type": "CalendarAlarmEmail"}))["ids"] == []


async def test_an_alarm_far_beyond_the_horizon_shows_when_it_fires(root: JmapClient, ann: JmapClient) -> None:
    alert = {"@type": "Alert", "action": "email", "trigger": {"@type": "OffsetTrigger", "offset": "-PT15M"}}
    await create(ann, {**EVENT, "start": "2031-03-10T10:00:00", "timeZone": "Europe/Berlin", "alerts": {"a": alert}})
    (task_id,) = (await root.call("x:Task/query", filter={"@type": "CalendarAlarmEmail"}))["ids"]
    (task,) = (await root.call("x:Task/get", ids=[task_id]))["list"]
    assert task["due"] == "2031-03-10T08:45:00Z"


async def test_a_setting_that_is_of_no_use_any_more_blocks_no_other(world: World, root: JmapClient) -> None:
    """Another version may have stored it; what is wrong with it is no fault of the next change."""
    name, now = "x:CalendarScheduling", world.clock.now()
    await world.context.store.write(lambda u: u.settings.put("policy.scheduling.itip_max_size", 1.5, by="x", at=now))
    said = await root.call(f"{name}/set", update={"singleton": {"maxRecipients": 7}})
    assert (said["notUpdated"], (await singleton(root, name))["maxRecipients"]) == (None, 7)
    said = await root.call(f"{name}/set", update={"singleton": {"itipMaxSize": 2**63}})
    assert said["notUpdated"]["singleton"]["properties"] == ["itipMaxSize"]


@pytest.mark.parametrize("name", ["x:Task", "x:QueuedMessage"])
async def test_what_there_is_not_is_named(root: JmapClient, ann: JmapClient, name: str) -> None:
    await create(ann, EVENT, sendSchedulingMessages=True)
    for verb in ("get", "query", "set"):
        assert await root.error(f"{name}/{verb}", accountId="nobody") == "accountNotFound"
    assert await root.error(f"{name}/get", ids=None, properties=["shoe"]) == "invalidArguments"
    assert await root.error(f"{name}/set", destroy=[f"m{n}" for n in range(1001)]) == "requestTooLarge"
    for each in (await root.call(f"{name}/get", ids=None))["list"]:
        shown = (await root.call(f"{name}/get", ids=[each["id"]], properties=list(each)))["list"]
        assert shown == [each]
