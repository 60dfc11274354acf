# SPDX-License-Identifier: Apache-2.0
"""The people whom one sees: who came, went or changed is told as of any other type (RFC 9670, RFC 8620 §5.2)."""

from typing import Any

from gateway.flows.accounts import NewAccount, add_account
from tests.support.jmap import JmapClient
from tests.unit.http.conftest import World
from tests.unit.http.jmap.test_sharing import share

ANYBODY = {"filter": {"type": "individual"}, "sort": [{"property": "email", "isAscending": False}]}


async def changes(client: JmapClient, since: str, **arguments: Any) -> dict[str, Any]:
    return await client.call("Principal/changes", sinceState=since, **arguments)


async def test_who_comes_changes_and_goes(world: World, ann: JmapClient) -> None:
    before = (await ann.call("Principal/get", ids=None))["state"]
    query = await ann.call("Principal/query", **ANYBODY)
    assert query["canCalculateChanges"] is True
    mia = await add_account(world.context, NewAccount("mia@example.org", "Mia"))
    await add_account(world.context, NewAccount("joe@elsewhere.example", "Joe"))
    bob = world.accounts["bob"].id
    await world.context.store.write(lambda unit: unit.accounts.update(bob, name="Robert"))
    said = await changes(ann, before)
    assert (said["created"], said["updated"], said["destroyed"]) == ([mia.id], [bob], [])
    listed = await ann.call(
        "Principal/queryChanges", sinceQueryState=query["queryState"], calculateTotal=True, **ANYBODY
    )
    assert set(listed["removed"]) == {mia.id, bob}
    ids = (await ann.call("Principal/query", **ANYBODY))["ids"]
    assert listed["added"] == [{"id": each, "index": ids.index(each)} for each in ids if each in (mia.id, bob)]
    first = await changes(ann, before, maxChanges=1)
    assert (first["created"], first["hasMoreChanges"]) == ([mia.id], True)
    assert (await changes(ann, first["newState"]))["updated"] == [bob]
    await world.context.store.write(lambda unit: unit.accounts.update(bob, disabled=True))
    await world.context.store.write(lambda unit: unit.accounts.remove(mia.id))
    gone = await changes(ann, said["newState"])
    assert (gone["created"], gone["updated"], sorted(gone["destroyed"])) == ([], [], sorted([bob, mia.id]))
    password = {"password_hash": None}
    await world.context.store.write(lambda unit: unit.accounts.update(world.accounts["eve"].id, **password))
    assert (await changes(ann, gone["newState"]))["newState"] == gone["newState"]


async def test_who_shares_is_shown_otherwise_to_whom_they_share_with(
    world: World, ann: JmapClient, bob: JmapClient, eve: JmapClient
) -> None:
    states = [(await each.call("Principal/get", ids=[]))["state"] for each in (bob, eve)]
    await share(ann, bob)
    assert (await changes(bob, states[0]))["updated"] == [ann.account_id]
    assert (await changes(eve, states[1]))["updated"] == []


async def test_who_shares_from_another_domain_comes_and_goes(world: World, ann: JmapClient, bob: JmapClient) -> None:
    await world.context.store.write(lambda u: u.accounts.update(bob.account_id, address="bob@elsewhere.example"))
    guest = JmapClient(world.app, "bob@elsewhere.example", bob.account_id)
    before = (await guest.call("Principal/get", ids=None))["state"]
    calendar = await share(ann, guest)
    said = await changes(guest, before)
    assert said["created"] == [ann.account_id]
    await ann.call("Calendar/set", update={calendar: {"shareWith": None}})
    assert (await changes(guest, said["newState"]))["destroyed"] == [ann.account_id]
    await guest.http.aclose()
