# SPDX-License-Identifier: Apache-2.0
"""A JMAP client for tests that says what it saw, and a context with accounts to call as."""

import base64
from typing import Any

import httpx
from starlette.types import ASGIApp

USING = [
    "urn:ietf:params:jmap:core",
    "urn:ietf:params:jmap:calendars",
    "urn:ietf:params:jmap:calendars:parse",
    "urn:ietf:params:jmap:principals",
    "urn:ietf:params:jmap:principals:availability",
    "urn:imip-gateway:scheduling",
]
PASSWORD = "correct horse"


class JmapClient:
    """Calls the application in this process as one account."""

    def __init__(self, app: ASGIApp, address: str, account_id: str, *, using: list[str] | None = None) -> None:
        basic = base64.b64encode(f"{address}:{PASSWORD}".encode()).decode()
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 4242))
        self.http = httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", headers={"Authorization": f"Basic {basic}"}
        )
        self.account_id = account_id
        self.using = using or USING

    async def request(self, *calls: list[Any], **members: Any) -> dict[str, Any]:
        """Make a request and return its body; anything but 200 fails."""
        answer = await self.http.post("/jmap/", json={"using": self.using, "methodCalls": list(calls), **members})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Make one call and return its arguments; an error response fails."""
        name, said = await self.said(method, **arguments)
        assert name == method, said
        return said

    async def error(self, method: str, **arguments: Any) -> str:
        """Make one call that must be answered with an error, and return its type."""
        name, said = await self.said(method, **arguments)
        assert name == "error", said
        return str(said["type"])

    async def said(self, method: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
        arguments = arguments if method == "Core/echo" else {"accountId": self.account_id, **arguments}
        body = await self.request([method, arguments, "c"])
        name, said, _ = body["methodResponses"][0]
        return name, said
