# SPDX-License-Identifier: Apache-2.0
"""Every method with arguments of every wrong kind: always an answer, never trouble of ours."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.http.auth import Login
from gateway.http.jmap.core import Core
from gateway.http.jmap.methods import build_methods
from gateway.http.jmap.session import capabilities_of
from tests.support.jmap import USING
from tests.unit.http.conftest import World

NAMES = st.sampled_from(
    [
        "accountId", "ids", "properties", "sinceState", "maxChanges", "create", "update", "destroy",
        "ifInState", "filter", "sort", "position", "anchor", "anchorOffset", "limit", "calculateTotal",
        "sinceQueryState", "fromAccountId", "sendSchedulingMessages", "onSuccessSetIsDefault",
        "onDestroyRemoveEvents", "expandRecurrences", "timeZone", "recurrenceOverridesBefore",
        "reduceParticipants", "blobIds", "id", "utcStart", "utcEnd", "showDetails", "eventProperties",
        "eventId", "participantEmail", "updates", "#ids", "bogus",
    ]
)  # fmt: skip
KEYS = st.sampled_from(
    [
        "e", "#e", "singleton", "title", "start", "participants", "calendarIds", "recurrenceRule",
        "recurrenceOverrides", "recurrenceOverrides/x/y", "name", "shareWith", "isDraft", "utcStart",
        "alerts", "operator", "conditions", "after", "before", "inCalendar", "text", "property",
        "isAscending", "", "a/b", "~", "calendarAddress", "participationStatus", "enable", "status", "due",
        "resultOf", "path",
    ]
)  # fmt: skip
WORDS = st.sampled_from(
    [
        "", "x", "#e", "0", "-1", "2026-06-07T12:00:00", "2026-06-07T12:00:00Z", "9999-12-31T23:59:59Z",
        "Europe/Berlin", "AND", "accepted", "mailto:a@b", "evt000001_20260607T120000", "_", "start", "\x00",
        "é\U0001f600",
    ]
)  # fmt: skip
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.just(2**60), st.just(1.5), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=10,
)
ARGUMENTS = st.dictionaries(NAMES, VALUES, max_size=5)
ALL_METHODS = sorted(build_methods.__globals__["build_methods"](None))


@pytest.mark.parametrize("name", ["ann", "root"])
async def test_no_arguments_bring_a_method_down(world: World, name: str, caplog: pytest.LogCaptureFixture) -> None:
    login = Login(world.accounts[name])
    core = Core(build_methods(world.context), max_calls=64, max_concurrent=8)
    using = [*USING, *(["urn:imip-gateway:admin"] if name == "root" else [])]
    requests: list[tuple[str, dict[str, Any]]] = []

    @settings(max_examples=250, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(ALL_METHODS), ARGUMENTS, st.booleans())
    def gather(method: str, arguments: dict[str, Any], own: bool) -> None:
        requests.append((method, {**arguments, **({"accountId": login.account.id} if own else {})}))

    gather()
    for method, arguments in requests:
        body = json.dumps({"using": using, "methodCalls": [[method, arguments, "c"]]}).encode()
        answer = await core.answer(body, login, capabilities_of(login), "s")
        for said, result, _ in answer["methodResponses"]:
            assert result.get("type") not in ("serverFail", "serverUnavailable"), (
                method,
                arguments,
                caplog.text[-2000:],
            )
            json.dumps([said, result]).encode()


EVENT_MEMBERS = st.dictionaries(
    st.sampled_from(
        [
            "title", "duration", "timeZone", "participants", "recurrenceRule", "recurrenceRules", "alerts", "locations",
            "links", "keywords", "privacy", "status", "isDraft", "calendarIds", "replyTo", "hideAttendees", "utcEnd",
            "sequence", "x:y",
        ]
    ),
    st.one_of(
        VALUES,
        st.sampled_from(
            [
                {"g": {"calendarAddress": "mailto:bob@example.org", "roles": {"attendee": True}}},
                {"g": {"sendTo": {"imip": "mailto:guest@outside.example"}, "expectReply": True}},
                {"frequency": "daily", "count": 3}, [{"frequency": "weekly"}], "PT1H", "P1D", "Europe/Berlin", "secret",
                {"a": {"trigger": {"offset": "-PT5M"}}}, {"2026-06-08T12:00:00": {"title": "x"}}, "cancelled", 5,
            ]
        ),
    ),
    max_size=5,
)  # fmt: skip


async def test_no_event_brings_the_door_down(world: World, caplog: pytest.LogCaptureFixture) -> None:
    client = world.client("ann")
    stories: list[tuple[dict[str, Any], dict[str, Any], bool]] = []

    @settings(max_examples=120, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(EVENT_MEMBERS, EVENT_MEMBERS, st.booleans())
    def gather(event: dict[str, Any], patch: dict[str, Any], send: bool) -> None:
        stories.append(({"start": "2026-06-07T12:00:00", **event}, patch, send))

    gather()
    account = {"accountId": client.account_id}
    window = {"after": "2026-06-01T00:00:00", "before": "2026-07-01T00:00:00"}
    for event, patch, send in stories:
        body = await client.request(
            ["CalendarEvent/set", {**account, "create": {"e": event}, "sendSchedulingMessages": send}, "1"],
            ["CalendarEvent/set", {**account, "update": {"#e": patch}, "sendSchedulingMessages": send}, "2"],
            ["CalendarEvent/query", {**account, "filter": window, "expandRecurrences": True}, "3"],
            [
                "CalendarEvent/get",
                {**account, "#ids": {"resultOf": "3", "name": "CalendarEvent/query", "path": "/ids"}},
                "4",
            ],
            ["CalendarEvent/set", {**account, "destroy": ["#e"], "sendSchedulingMessages": send}, "5"],
        )
        kinds = {result.get("type") for _, result, _ in body["methodResponses"]}
        assert not kinds & {"serverFail", "serverUnavailable"}, (event, patch, caplog.text[-3000:])
        created = body["methodResponses"][0][1]
        assert len(created["created"] or {}) + len(created["notCreated"] or {}) == 1
        for key, outcome in created["schedulingOutcome"].items():
            assert key == "e"
            assert (outcome["messages"] > 0) == (outcome["nothing"] is None), "messages, or the sentence why none"
