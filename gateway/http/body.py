# SPDX-License-Identifier: Apache-2.0
"""Request bodies with a limit: a body that is too large is refused before it is read to the end."""

from starlette.requests import ClientDisconnect, Request

from gateway.errors import Refused


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body.

    Raises:
        Refused: `too-large`, or `usage` where the client went away before its end.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise Refused("too-large", f"A request may have {limit} bytes")
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > limit:
                raise Refused("too-large", f"A request may have {limit} bytes")
            pieces.append(piece)
    except ClientDisconnect:
        raise Refused("usage", "The request ended early") from None
    return b"".join(pieces)
