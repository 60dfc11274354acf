# SPDX-License-Identifier: Apache-2.0
"""What waits for a person over JMAP: they see it, release it or reject it; nobody else can."""

import pytest

from gateway.flows.arrival import Arrival, hold
from gateway.flows.events import import_calendar
from gateway.itip.tree import parse_tree
from policies.verdict import Verdict
from tests.support.jmap import JmapClient
from tests.support.world import UID, event
from tests.unit.http.conftest import World

GUEST = "guest@partner.example"
REPLY = event(GUEST).replace("VERSION:2.0", "VERSION:2.0\r\nMETHOD:REPLY").replace("RSVP=TRUE", "PARTSTAT=DECLINED")


@pytest.fixture
async def held(world: World) -> str:
    """Ann's meeting, and an answer for the guest that nothing proves; its id."""
    ann = world.accounts["ann"]
    await import_calendar(world.context, ann, event(GUEST), send=False)
    arrival = Arrival(ann, parse_tree(REPLY), GUEST, "mail", recipient=ann.address, mail_id="m1")
    verdict = Verdict("hold", "incoming.unproven", "Nothing proves who wrote it")
    await world.context.store.write(lambda unit: hold(unit, world.context, arrival, verdict))
    [waiting] = await world.context.store.read(lambda unit: unit.held.waiting(ann.id))
    return waiting.id


async def partstat(client: JmapClient) -> str:
    [found] = (await client.call("CalendarEvent/get", ids=None))["list"]
    [guest] = [p for p in found["participants"].values() if p["calendarAddress"] == f"mailto:{GUEST}"]
    return str(guest["participationStatus"])


async def test_what_waits_is_seen_with_all_that_it_says(ann: JmapClient, held: str) -> None:
    assert (await ann.call("HeldChange/query"))["ids"] == [held]
    said = await ann.call("HeldChange/get", ids=None)
    [shown] = said["list"]
    [found] = (await ann.call("CalendarEvent/get", ids=None))["list"]
    assert shown.items() >= {
        "id": held, "status": "held", "method": "REPLY", "uid": UID, "calendarEventId": found["id"], "from": GUEST,
        "rule": "incoming.unproven", "reason": "Nothing proves who wrote it",
    }.items()  # fmt: skip
    assert "PARTSTAT=DECLINED" in shown["ical"]


@pytest.mark.parametrize(
    ("act", "after"),
    [({"update": {"": {"status": "released"}}}, "declined"),
     ({"update": {"": {"status": "rejected"}}}, "needs-action"), ({"destroy": [""]}, "needs-action")],
    ids=["released", "rejected", "destroyed"],
)  # fmt: skip
async def test_the_person_decides_once(ann: JmapClient, held: str, act: dict[str, object], after: str) -> None:
    before = (await ann.call("HeldChange/get", ids=[]))["state"]
    update, destroy = act.get("update"), act.get("destroy")
    named = {"update": {held: update[""]}} if isinstance(update, dict) else {"destroy": [held]}
    said = await ann.call("HeldChange/set", **named)
    assert not said["notUpdated"]
    assert not said["notDestroyed"]
    if after == "declined":
        assert said["updated"][held].items() >= {"outcome": "applied", "rule": "reply.applied"}.items()
    assert destroy is None or said["destroyed"] == [held]
    assert await partstat(ann) == after
    assert (await ann.call("HeldChange/get", ids=[held]))["notFound"] == [held]
    assert (await ann.call("HeldChange/changes", sinceState=before))["destroyed"] == [held]
    again = await ann.call("HeldChange/set", **named)
    assert (again["notUpdated"] or again["notDestroyed"])[held]["type"] == "notFound"


async def test_only_what_can_be_said_of_it_is_taken(ann: JmapClient, held: str) -> None:
    for patch in ({"status": "applied"}, {"from": "x@example.org"}, {"status": "released", "uid": "x"}, {}):
        said = await ann.call("HeldChange/set", update={held: patch})
        assert said["notUpdated"][held]["type"] == "invalidProperties"
    said = await ann.call("HeldChange/set", create={"n": {}})
    assert said["notCreated"]["n"]["type"] == "forbidden"
    assert await ann.error("HeldChange/query", filter={"uid": UID}) == "unsupportedFilter"
    assert await partstat(ann) == "needs-action"


async def test_nobody_else_sees_or_decides(bob: JmapClient, held: str) -> None:
    assert (await bob.call("HeldChange/query"))["ids"] == []
    said = await bob.call("HeldChange/set", update={held: {"status": "released"}})
    assert said["notUpdated"][held]["type"] == "notFound"
