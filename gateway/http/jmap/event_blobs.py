# SPDX-License-Identifier: Apache-2.0
"""Files of an event that a client uploaded: a Link with `blobId` holds the bytes themselves from then on.

Guests cannot follow a blob's id, and blobs are kept for a while only, so both the stored event and what leaves by mail
have the file as a `data:` URL (JMAP Calendars §5.1).
"""

import base64
from typing import Any

from gateway.http.jmap.errors import SetFailure
from gateway.http.jmap.view import View
from gateway.jscalendar.values import Json
from gateway.store.unit import Unit


def with_files(unit: Unit, view: View, event: Json) -> Json:
    """Return an event whose links have their files in them.

    Raises:
        SetFailure: `invalidProperties` for a blob that the caller has not uploaded.
    """
    links = event.get("links")
    filled = _filled_all(unit, view, links, "links") if isinstance(links, dict) else links
    event = {**event, "links": filled} if filled is not links else event
    overrides = event.get("recurrenceOverrides")
    if not isinstance(overrides, dict) or not any(isinstance(p, dict) and _has_links(p) for p in overrides.values()):
        return event
    patched = {key: _patched(unit, view, patch, key) for key, patch in overrides.items()}
    return {**event, "recurrenceOverrides": patched}


def _has_links(patch: Json) -> bool:
    return any(pointer.partition("/")[0] == "links" for pointer in patch)


def _patched(unit: Unit, view: View, patch: Any, key: str) -> Any:
    if not isinstance(patch, dict):
        return patch
    done: Json = {}
    for pointer, value in patch.items():
        path = f"recurrenceOverrides/{key}/{pointer}"
        if pointer == "links" and isinstance(value, dict):
            value = _filled_all(unit, view, value, path)
        elif pointer.startswith("links/") and pointer.count("/") == 1:
            value = _filled(unit, view, value, path)
        done[pointer] = value
    return done


def _filled_all(unit: Unit, view: View, links: Json, path: str) -> Json:
    if not any(_waits(link) for link in links.values()):
        return links
    return {name: _filled(unit, view, link, f"{path}/{name}") for name, link in links.items()}


def _filled(unit: Unit, view: View, link: Any, path: str) -> Any:
    if not _waits(link):
        return link
    blob = unit.blobs.get(view.caller.id, link["blobId"]) if isinstance(link["blobId"], str) else None
    if blob is None:
        raise SetFailure("invalidProperties", "There is no such blob", f"{path}/blobId")
    kind = link.get("contentType") or blob.type
    href = f"data:{kind};base64,{base64.b64encode(blob.data).decode('ascii')}"
    return {**{name: member for name, member in link.items() if name != "blobId"}, "href": href}


def _waits(link: Any) -> bool:
    return isinstance(link, dict) and link.get("blobId") is not None and link.get("href") is None
