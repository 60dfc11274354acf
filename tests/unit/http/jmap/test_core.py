# SPDX-License-Identifier: Apache-2.0
"""The request as a whole: shape, limits, order, references, problems (RFC 8620 §3)."""

import dataclasses
import json
from typing import Any

import pytest

from gateway.config import Config
from gateway.config.options import HttpOptions
from gateway.http.auth import Login
from gateway.http.jmap.core import Call, Core, MethodEntry
from gateway.http.jmap.errors import MethodError, RequestProblem
from gateway.http.server import build_app
from tests.support.jmap import USING, JmapClient
from tests.unit.http.conftest import World

CAPABILITIES = frozenset(USING)


async def numbers(call: Call) -> dict[str, Any]:
    return {"list": [{"id": str(n), "tags": ["a", "b"]} for n in range(3)], "got": call.arguments}


async def broken(call: Call) -> dict[str, Any]:
    raise RuntimeError("secret detail")


async def refusing(call: Call) -> dict[str, Any]:
    raise MethodError("invalidArguments", "no", arguments=["x"])


CORE = Core(
    {
        "Thing/get": MethodEntry(numbers),
        "Thing/break": MethodEntry(broken),
        "Thing/refuse": MethodEntry(refusing),
        "Thing/extra": MethodEntry(numbers, "urn:ietf:params:jmap:calendars"),
        "Thing/write": MethodEntry(numbers, writes=True),
    },
    max_calls=5,
    max_concurrent=4,
)


async def answer(
    world: World, *calls: list[Any], scopes: frozenset[str] = frozenset(), **members: Any
) -> dict[str, Any]:
    body = {"using": ["urn:ietf:params:jmap:core"], "methodCalls": list(calls), **members}
    login = Login(world.accounts["ann"], scopes)
    return await CORE.answer(json.dumps(body).encode(), login, CAPABILITIES, "s1")


async def test_echo_and_the_session_state(world: World) -> None:
    body = await answer(world, ["Core/echo", {"hello": [1, None]}, "a"])
    assert body == {"methodResponses": [["Core/echo", {"hello": [1, None]}, "a"]], "sessionState": "s1"}


async def test_calls_are_answered_in_order_and_a_failed_one_stops_nothing(world: World) -> None:
    calls: list[list[Any]] = [
        ["Thing/refuse", {}, "1"],
        ["Thing/break", {}, "2"],
        ["No/such", {}, "3"],
        ["Core/echo", {}, "4"],
    ]
    body = await answer(world, *calls)
    said = [(name, arguments.get("type"), call_id) for name, arguments, call_id in body["methodResponses"]]
    assert said == [
        ("error", "invalidArguments", "1"),
        ("error", "serverFail", "2"),
        ("error", "unknownMethod", "3"),
        ("Core/echo", None, "4"),
    ]
    assert "secret" not in json.dumps(body)


async def test_a_method_needs_its_capability_in_using(world: World) -> None:
    body = await answer(world, ["Thing/extra", {}, "1"])
    assert body["methodResponses"][0][1]["type"] == "unknownMethod"
    assert "urn:ietf:params:jmap:calendars" in body["methodResponses"][0][1]["description"]


async def test_a_token_for_reading_writes_nothing(world: World) -> None:
    body = await answer(world, ["Thing/write", {}, "1"], ["Thing/get", {}, "2"], scopes=frozenset({"read-only"}))
    assert [name for name, _, _ in body["methodResponses"]] == ["error", "Thing/get"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/list/*/id", ["0", "1", "2"]),
        ("/list/*/tags", ["a", "b"] * 3),
        ("/list/1/id", "1"),
        ("/list/0", {"id": "0", "tags": ["a", "b"]}),
    ],
)
async def test_result_references(world: World, path: str, expected: Any) -> None:
    reference = {"resultOf": "1", "name": "Thing/get", "path": path}
    body = await answer(world, ["Thing/get", {}, "1"], ["Core/echo", {"#ids": reference}, "2"])
    assert body["methodResponses"][1] == ["Core/echo", {"ids": expected}, "2"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"#x": {"resultOf": "9", "name": "Thing/get", "path": "/list"}}, "invalidResultReference"),
        ({"#x": {"resultOf": "1", "name": "Thing/query", "path": "/list"}}, "invalidResultReference"),
        ({"#x": {"resultOf": "1", "name": "Thing/get", "path": "/list/7"}}, "invalidResultReference"),
        ({"#x": {"resultOf": "1", "name": "Thing/get", "path": "/nope"}}, "invalidResultReference"),
        ({"#x": {"resultOf": "1", "name": "Thing/get", "path": "list"}}, "invalidResultReference"),
        ({"#x": {"resultOf": "1", "name": "Thing/get", "path": "/list/*/tags/*/x"}}, "invalidResultReference"),
        ({"#x": "1"}, "invalidResultReference"),
        ({"x": 1, "#x": {"resultOf": "1", "name": "Thing/get", "path": "/list"}}, "invalidArguments"),
    ],
)
async def test_references_that_lead_nowhere(world: World, arguments: dict[str, Any], error: str) -> None:
    body = await answer(world, ["Thing/get", {}, "1"], ["Core/echo", arguments, "2"])
    assert body["methodResponses"][1][1]["type"] == error


async def test_created_ids_are_given_back_when_asked_for(world: World) -> None:
    assert (await answer(world, createdIds={"a": "b"}))["createdIds"] == {"a": "b"}
    assert "createdIds" not in await answer(world)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "notJSON"),
        (b"{", "notJSON"),
        (b"\xff\xfe", "notJSON"),
        (b'{"a":1,"a":2}', "notJSON"),
        (b'{"a":NaN}', "notJSON"),
        (b'{"a":1e999}', "notJSON"),
        (b'{"a":"\\ud800"}', "notJSON"),
        (b"[" * 100_000, "notJSON"),
        (b"[" * 70 + b"]" * 70, "notJSON"),
        (b"1" * 5000, "notJSON"),
        (b"[]", "notRequest"),
        (b"null", "notRequest"),
        (b"{}", "notRequest"),
        (b'{"using":"x","methodCalls":[]}', "notRequest"),
        (b'{"using":[1],"methodCalls":[]}', "notRequest"),
        (b'{"using":[],"methodCalls":[["Core/echo",{}]]}', "notRequest"),
        (b'{"using":[],"methodCalls":[["Core/echo",[],"c"]]}', "notRequest"),
        (b'{"using":[],"methodCalls":[["Core/echo",{},1]]}', "notRequest"),
        (b'{"using":[],"methodCalls":[],"createdIds":{"a":1}}', "notRequest"),
        (b'{"using":["urn:nobody:knows"],"methodCalls":[]}', "unknownCapability"),
        (b'{"using":[],"methodCalls":[' + b",".join([b'["Core/echo",{},"c"]'] * 6) + b"]}", "limit"),
    ],
)
async def test_requests_that_cannot_be_answered_at_all(world: World, body: bytes, kind: str) -> None:
    with pytest.raises(RequestProblem) as problem:
        await CORE.answer(body, Login(world.accounts["ann"]), CAPABILITIES, "s")
    assert problem.value.kind == kind


# the same over HTTP


async def test_problems_are_problem_documents(ann: JmapClient) -> None:
    answer = await ann.http.post("/jmap/", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:ietf:params:jmap:error:notJSON"
    answer = await ann.http.post("/jmap/", content=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.json()["type"] == "urn:ietf:params:jmap:error:notJSON"


async def test_a_request_that_is_too_large_names_the_limit(world: World) -> None:
    config = dataclasses.replace(Config(), http=HttpOptions(max_request_size=4096))
    small = build_app(dataclasses.replace(world.context, config=config))
    client = JmapClient(small, "ann@example.org", world.accounts["ann"].id)
    answer = await client.http.post("/jmap/", json={"x": "y" * 5000})
    assert (answer.status_code, answer.json()["limit"]) == (400, "maxSizeRequest")

    async def endless() -> Any:
        for _ in range(10):
            yield b" " * 1000

    answer = await client.http.post("/jmap/", content=endless(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["limit"]) == (400, "maxSizeRequest")


async def test_the_session_says_who_where_and_what(ann: JmapClient) -> None:
    for path in ("/.well-known/jmap", "/jmap/", "/jmap/session"):
        session = (await ann.http.get(path)).json()
        assert session["username"] == "ann@example.org"
        assert list(session["accounts"]) == [ann.account_id]
        assert session["apiUrl"] == "http://127.0.0.1/jmap/"
        assert session["primaryAccounts"]["urn:ietf:params:jmap:calendars"] == ann.account_id
        assert set(USING) <= set(session["capabilities"])
        assert "urn:imip-gateway:admin" not in session["capabilities"]
    body = await ann.request(["Core/echo", {}, "c"])
    assert body["sessionState"] == session["state"]


async def test_administrators_have_a_capability_more(world: World) -> None:
    session = (await world.client("root").http.get("/jmap/session")).json()
    assert "urn:imip-gateway:admin" in session["capabilities"]


async def test_nobody_else_may_name_it(ann: JmapClient) -> None:
    answer = await ann.http.post("/jmap/", json={"using": ["urn:imip-gateway:admin"], "methodCalls": []})
    assert answer.json()["type"] == "urn:ietf:params:jmap:error:unknownCapability"


@pytest.mark.parametrize("origin", ["https://app.example", "https://evil.example"])
async def test_web_clients_of_named_origins_may_call(world: World, origin: str) -> None:
    """The browser asks before it sends credentials, and shows errors to the page only where the header says so."""
    config = dataclasses.replace(Config(), http=HttpOptions(cors_origins=("https://app.example",)))
    app = build_app(dataclasses.replace(world.context, config=config))
    client = JmapClient(app, "ann@example.org", world.accounts["ann"].id)
    welcome = origin if origin == "https://app.example" else None
    asked = {
        "Origin": origin, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }  # fmt: skip
    answer = await client.http.options("/jmap/", headers={**asked, "Authorization": ""})
    assert answer.headers.get("access-control-allow-origin") == welcome
    assert (answer.status_code == 200) == bool(welcome)
    for path, status in (("/jmap/session", 200), ("/jmap/download/x/y/z", 404)):
        answer = await client.http.get(path, headers={"Origin": origin})
        assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (status, welcome)
    answer = await client.http.get("/jmap/session", headers={"Origin": origin, "Authorization": "Bearer no"})
    assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (401, welcome)
    plain = await world.client().http.get("/jmap/session", headers={"Origin": "https://app.example"})
    assert "access-control-allow-origin" not in plain.headers, "nobody by default"
