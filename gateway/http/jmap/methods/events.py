# SPDX-License-Identifier: Apache-2.0
"""CalendarEvent/get, /changes, /parse: reading events (JMAP Calendars §5)."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from gateway.errors import Refused
from gateway.flows.context import Context
from gateway.http.jmap.arguments import Arguments
from gateway.http.jmap.core import Answer, Call, MethodEntry
from gateway.http.jmap.errors import MethodError
from gateway.http.jmap.event_view import (
    load_records,
    reduced,
    show_event,
    show_occurrence,
    split_id,
    trimmed_overrides,
    utc_span,
)
from gateway.http.jmap.session import CALENDARS, PARSE
from gateway.http.jmap.standard import get_changes, only, state_of
from gateway.http.jmap.view import View, open_view
from gateway.itip.tree import parse_tree
from gateway.jscalendar.convert import events_from_ical
from gateway.jscalendar.schema import is_zone
from gateway.jscalendar.values import Json
from gateway.store.changes import Kind
from gateway.store.objects import event_ids
from gateway.store.outlines import Narrowing
from gateway.store.unit import Unit

#: Shown only when asked for by name (JMAP Calendars §5.1).
_COMPUTED = ("utcStart", "utcEnd")
_DEFAULTS: Json = {"mayInviteSelf": False, "mayInviteOthers": False, "hideAttendees": False}
_NO_METADATA: Json = dict.fromkeys(("id", "baseEventId", "calendarIds", "isDraft", "isOrigin"))


def methods(context: Context) -> dict[str, MethodEntry]:
    """Return the reading methods of CalendarEvent."""

    async def get(call: Call) -> Answer:
        return await _get(context, call)

    async def changes(call: Call) -> Answer:
        return await get_changes(context, call, Kind.EVENT)

    async def parse(call: Call) -> Answer:
        return await _parse(context, call)

    return {
        "CalendarEvent/get": MethodEntry(get, CALENDARS),
        "CalendarEvent/changes": MethodEntry(changes, CALENDARS),
        "CalendarEvent/parse": MethodEntry(parse, PARSE),
    }


class Shape:
    """How events are to be shown: which properties, which overrides, in which zone."""

    def __init__(self, arguments: Arguments) -> None:
        self.properties = arguments.texts("properties")
        self.after: datetime | None = arguments.utc_time("recurrenceOverridesAfter")
        self.before: datetime | None = arguments.utc_time("recurrenceOverridesBefore")
        self.reduce = arguments.flag("reduceParticipants")
        self.floating = read_zone(arguments)
        asked = frozenset(self.properties or ())
        if asked & set(_COMPUTED) and "recurrenceOverrides" in asked:
            words = "utcStart and utcEnd cannot be asked for together with recurrenceOverrides"
            raise MethodError("invalidArguments", words)

    def shown(self, event: Json, view: View) -> Json:
        """Return an event in this shape."""
        if self.reduce and event.get("participants"):
            event = {**event, "participants": reduced(event["participants"], view)}
        event = trimmed_overrides(event, self.after, self.before)
        if self.properties is None:
            return event
        if set(_COMPUTED) & set(self.properties):
            event = {**event, **utc_span(event, self.floating)}
        event = {**_DEFAULTS, **event}
        return only(event, frozenset((*self.properties, "id")))


def read_zone(arguments: Arguments) -> tzinfo:
    """Read the timeZone argument: how floating times are read; UTC where it is absent.

    Raises:
        MethodError: `invalidArguments` for a zone that is not one.
    """
    name = arguments.text_or_none("timeZone")
    if name is None or name == "Etc/UTC":
        return UTC
    if not is_zone(name):
        raise MethodError("invalidArguments", "timeZone must be a time zone of the IANA database")
    return ZoneInfo(name)


def load_events(unit: Unit, view: View, ids: Sequence[str]) -> dict[str, Json]:
    """Return events and occurrences by id, as the caller sees them."""
    split = {event_id: split_id(event_id) for event_id in ids}
    records = load_records(unit, view, [object_id for object_id, _ in split.values()])
    found: dict[str, Json] = {}
    for event_id, (object_id, key) in split.items():
        record = records.get(object_id)
        if record is None:
            continue
        event = show_event(record, view) if key is None else show_occurrence(record, view, key)
        if event is not None:
            found[event_id] = event
    return found


async def _get(context: Context, call: Call) -> Json:
    arguments = Arguments(call)
    account_id, ids, shape = arguments.account_id(), arguments.ids("ids"), Shape(arguments)
    arguments.done()
    limit = context.config.http.max_objects_in_get
    if ids is not None and len(ids) > limit:
        raise MethodError("requestTooLarge", f"At most {limit} objects in one get")

    def fn(unit: Unit) -> Json:
        view = open_view(unit, call.login, account_id)
        wanted = ids if ids is not None else _all_ids(unit, view, limit)
        found = load_events(unit, view, wanted)
        return {
            "accountId": account_id,
            "state": state_of(unit, view, Kind.EVENT),
            "list": [shape.shown(found[event_id], view) for event_id in wanted if event_id in found],
            "notFound": [event_id for event_id in ids or () if event_id not in found],
        }

    return await context.store.read(fn)


def _all_ids(unit: Unit, view: View, limit: int) -> list[str]:
    found = unit.outlines.find(view.account.id, all_visible(view))
    ids = [event_id for outline in found for event_id in event_ids(outline.id, outline.alone)]
    if len(ids) > limit:
        raise MethodError("requestTooLarge", f"There are more than {limit} events; ask for them by id")
    return ids


def all_visible(view: View) -> Narrowing:
    """Return the narrowing to the calendars that a caller may read."""
    return Narrowing(tuple(i for i in view.calendars if view.may("mayReadItems", i)))


async def _parse(context: Context, call: Call) -> Json:
    arguments = Arguments(call)
    account_id, blob_ids, properties = arguments.account_id(), arguments.ids("blobIds"), arguments.texts("properties")
    arguments.done()
    if blob_ids is None:
        raise MethodError("invalidArguments", "blobIds must be given", arguments=["blobIds"])
    if len(blob_ids) > context.config.http.max_objects_in_get:
        raise MethodError("requestTooLarge")

    def fn(unit: Unit) -> dict[str, bytes]:
        view = open_view(unit, call.login, account_id)
        blobs = {i: unit.blobs.get(view.account.id, i) if view.is_own else None for i in blob_ids}
        return {blob_id: blob.data for blob_id, blob in blobs.items() if blob is not None}

    datas = await context.store.read(fn)
    parsed: dict[str, list[Json]] = {}
    broken: list[str] = []
    names = None if properties is None else frozenset(properties)
    for blob_id, data in datas.items():
        try:
            events = events_from_ical(parse_tree(data))
        except Refused:
            events = ()
        if events:
            parsed[blob_id] = [only({**_NO_METADATA, **event, **_span(event, names)}, names) for event in events]
        else:
            broken.append(blob_id)
    missing = [blob_id for blob_id in blob_ids if blob_id not in datas]
    return {
        "accountId": account_id,
        "parsed": parsed or None,
        "notParsable": broken or None,
        "notFound": missing or None,
    }


def _span(event: Json, names: frozenset[str] | None) -> Json:
    """Times in UTC, where they are asked for by name."""
    return utc_span(event, UTC) if names is not None and names & set(_COMPUTED) else {}
