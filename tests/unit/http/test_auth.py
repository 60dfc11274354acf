# SPDX-License-Identifier: Apache-2.0
"""Who may come in, and what guessing gets."""

import asyncio
import base64
from datetime import timedelta

import httpx
import pytest

from gateway.flows.accounts import add_token
from gateway.store.accounts import AccessToken, token_hash
from tests.support.jmap import PASSWORD, JmapClient
from tests.unit.http.conftest import World


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


async def get(
    world: World, headers: dict[str, str], *, client: str = "127.0.0.1", scheme: str = "http"
) -> httpx.Response:
    transport = httpx.ASGITransport(app=world.app, client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://calendar.example.org") as http:
        return await http.get("/jmap/session", headers=headers)


async def test_without_credentials_you_are_asked_for_them(world: World) -> None:
    answer = await get(world, {})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    "headers",
    [
        basic("ann@example.org", "wrong"),
        basic("nobody@example.org", PASSWORD),
        basic("ann@example.org", ""),
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe").decode()},
        {"Authorization": "Basic " + base64.b64encode(b"nocolon").decode()},
        {"Authorization": "Bearer nothing"},
        {"Authorization": "Digest x"},
        {"Authorization": "Basic"},
        {"Authorization": "Bearer " + "x" * 5000},
    ],
)
async def test_wrong_credentials(world: World, headers: dict[str, str]) -> None:
    assert (await get(world, headers)).status_code == 401


async def test_an_address_is_the_same_in_any_case_and_an_alias_is_the_account(world: World) -> None:
    for name in ("ANN@Example.org", "ann.alias@example.org"):
        answer = await get(world, basic(name, PASSWORD))
        assert answer.json()["username"] == "ann@example.org"


async def test_credentials_travel_only_over_tls_or_on_this_machine(world: World) -> None:
    headers = basic("ann@example.org", PASSWORD)
    assert (await get(world, headers, client="192.0.2.1")).status_code == 403
    assert (await get(world, headers, client="192.0.2.1", scheme="https")).status_code == 200


async def test_guessing_is_braked_and_then_forgiven(world: World) -> None:
    for _ in range(10):
        assert (await get(world, basic("ann@example.org", "guess"))).status_code == 401
    answer = await get(world, basic("ann@example.org", PASSWORD), client="127.0.0.2")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
    world.clock.advance(timedelta(minutes=2))
    assert (await get(world, basic("ann@example.org", PASSWORD))).status_code == 200


async def test_a_changed_password_is_wrong_at_once(world: World, ann: JmapClient) -> None:
    assert (await ann.http.get("/jmap/session")).status_code == 200
    await world.context.store.write(lambda unit: unit.accounts.update(ann.account_id, password_hash="scrypt$00$00"))
    assert (await ann.http.get("/jmap/session")).status_code == 401


async def test_tokens_with_doors_and_an_end(world: World) -> None:
    account = world.accounts["ann"].id
    _, whole = await add_token(world.context, account, "mine")
    _, caldav = await add_token(world.context, account, "phone", ("caldav",))
    assert (await get(world, {"Authorization": f"Bearer {whole}"})).status_code == 200
    assert (await get(world, {"Authorization": f"Bearer {caldav}"})).status_code == 403
    now = world.clock.now()
    old = AccessToken("tok9", account, token_hash("secret"), "old", [], now, now + timedelta(hours=1), None)
    await world.context.store.write(lambda unit: unit.accounts.add_token(old))
    assert (await get(world, {"Authorization": "Bearer secret"})).status_code == 200
    world.clock.advance(timedelta(hours=2))
    assert (await get(world, {"Authorization": "Bearer secret"})).status_code == 401


async def test_permissions_and_disabled_accounts(world: World) -> None:
    account = world.accounts["ann"].id
    await world.context.store.write(lambda unit: unit.accounts.update(account, permissions={"jmap": False}))
    assert (await get(world, basic("ann@example.org", PASSWORD))).status_code == 403
    await world.context.store.write(lambda unit: unit.accounts.update(account, disabled=True))
    assert (await get(world, basic("ann@example.org", PASSWORD))).status_code == 401


async def test_health_and_metrics(world: World) -> None:
    transport = httpx.ASGITransport(app=world.app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        assert (await http.get("/healthz")).text == "ok\n"
        assert (await http.get("/readyz")).status_code == 200
        assert "imip_http_logins_total" in (await http.get("/metrics")).text
        assert (await http.get("/nowhere")).status_code == 404
    far = httpx.ASGITransport(app=world.app, client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=far, base_url="http://x") as http:
        assert (await http.get("/metrics")).status_code == 404


async def test_a_browser_from_a_permitted_origin_only(world: World) -> None:
    transport = httpx.ASGITransport(app=world.app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        answer = await http.get("/jmap/session", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers


async def test_guesses_at_once_pass_the_brake_no_more_than_one_by_one(world: World) -> None:
    """Checked before the slow hash and counted after it, any number got through together."""
    names = [("ann@example.org", f"127.0.0.{n}") for n in range(1, 16)] + [("127.0.0.99", "127.0.0.20")] * 15
    answers = await asyncio.gather(*(get(world, basic(name, "guess"), client=host) for name, host in names))
    statuses = [answer.status_code for answer in answers]
    assert (statuses[:15].count(401), statuses[15:].count(401)) == (10, 10)
    answer = await get(world, basic("bob@example.org", PASSWORD), client="127.0.0.99")
    assert answer.status_code == 200, "a name like an address shuts out nobody there"


async def test_who_is_in_stays_in_while_others_guess(world: World) -> None:
    assert (await get(world, basic("ann@example.org", PASSWORD))).status_code == 200
    for minute in range(4):
        for _ in range(11):
            answer = await get(world, basic("ann@example.org", "guess"))
        assert answer.status_code == 429
        assert (await get(world, basic("ann@example.org", PASSWORD))).status_code == 200, minute
        world.clock.advance(timedelta(minutes=2))  # longer in all than a proof is good for when it is not used


async def test_many_requests_at_once_prove_a_password_once(world: World) -> None:
    """A client that begins with a burst is no guesser."""
    answers = await asyncio.gather(*(get(world, basic("ann@example.org", PASSWORD)) for _ in range(15)))
    assert {answer.status_code for answer in answers} == {200}
