# SPDX-License-Identifier: Apache-2.0
"""Blobs: upload and download of bytes that methods name by id (RFC 8620 §6)."""

import hashlib
import re
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import Refused
from gateway.flows.context import Context
from gateway.http.auth import Authenticator
from gateway.http.body import read_body
from gateway.http.jmap.errors import MethodError
from gateway.http.jmap.view import open_view
from gateway.http.problem import JsonResponse, problem
from gateway.store.blobs import Blob

_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}\Z")


class Blobs:
    """The two blob routes."""

    def __init__(self, context: Context, authenticator: Authenticator) -> None:
        self._context = context
        self._authenticator = authenticator
        self._uploading: dict[str, int] = {}

    async def upload(self, request: Request) -> Response:
        """Keep a body; the same bytes in the same account are the same blob."""
        login = await self._authenticator.login(request, "jmap")
        account_id, http = request.path_params["account_id"], self._context.config.http
        if account_id != login.account.id:
            return problem(404, "There is no such account")
        if login.read_only:
            raise Refused("not-permitted", "This token may only read")
        running = self._uploading.get(account_id, 0)
        if running >= http.max_concurrent_uploads:
            kind = "urn:ietf:params:jmap:error:limit"
            return problem(400, "Too many uploads at once", kind=kind, limit="maxConcurrentUpload")
        self._uploading[account_id] = running + 1
        try:
            data = await read_body(request, http.max_upload_size)
        finally:
            self._uploading[account_id] -= 1
        given = request.headers.get("content-type", "").partition(";")[0].strip()
        kind = given if _TYPE.match(given) else "application/octet-stream"
        digest = hashlib.sha256(account_id.encode() + b"\0" + data).hexdigest()
        blob = Blob(f"blb{digest[:40]}", account_id, kind, data, self._context.clock.now())
        await self._context.store.write(lambda unit: unit.blobs.put(blob))
        body = {"accountId": account_id, "blobId": blob.id, "type": kind, "size": len(data)}
        return JsonResponse(body, 201)

    async def download(self, request: Request) -> Response:
        """Give a blob back, never as something a browser would run."""
        login = await self._authenticator.login(request, "jmap")
        account_id, blob_id = request.path_params["account_id"], request.path_params["blob_id"]
        try:
            blob = await self._context.store.read(
                lambda unit: unit.blobs.get(open_view(unit, login, account_id).account.id, blob_id)
            )
        except MethodError:
            blob = None
        if blob is None or account_id != login.account.id:
            return problem(404, "There is no such blob")
        asked = request.query_params.get("type", "")
        name = quote(request.path_params["name"][:255], safe="")
        headers = {
            "Content-Type": asked if _TYPE.match(asked) else "application/octet-stream",
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, immutable, max-age=31536000",
        }
        return Response(blob.data, headers=headers)
