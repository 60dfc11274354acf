# SPDX-License-Identifier: Apache-2.0
"""Calendar/get, /changes, /set (JMAP Calendars §4). Each user of a shared calendar keeps their own colour, order,
subscription, availability and default alerts; its name, zone and shares belong to the calendar's owner.
"""

from collections.abc import Sequence, Set
from dataclasses import replace
from typing import Any

from gateway.flows.alarm_plans import plan_for
from gateway.flows.context import Context
from gateway.http.jmap.arguments import Arguments
from gateway.http.jmap.core import Answer, Call, MethodEntry
from gateway.http.jmap.errors import SetFailure, invalid_properties
from gateway.http.jmap.event_changes import destroy_object
from gateway.http.jmap.session import CALENDARS, SCHEDULING
from gateway.http.jmap.standard import Getting, SetResult, Setting, get_changes, get_objects, set_objects
from gateway.http.jmap.view import RIGHTS, View
from gateway.jscalendar import schema
from gateway.jscalendar.patch import apply_patch, same_json
from gateway.jscalendar.values import InvalidProperty, Json
from gateway.store.calendars import Calendar, Share
from gateway.store.changes import Kind
from gateway.store.unit import Unit

_AVAILABILITY = ("all", "attending", "none")
_RIGHTS = schema.map_of(schema.one_of(*RIGHTS), schema.boolean)


def _no_absolute(value: Any, path: str) -> Any:
    yield from schema.ALERT(value, path)
    if isinstance(value, dict) and isinstance(value.get("trigger"), dict) and "when" in value["trigger"]:
        yield InvalidProperty(f"{path}/trigger", "a default alert needs an offset")


_ALERTS = schema.map_of(schema.key, _no_absolute)
_RULES: dict[str, schema.Rule] = {
    "name": schema.named,
    "description": schema.text,
    "color": schema.text,
    "sortOrder": schema.between(0, 2**31 - 1),
    "isSubscribed": schema.boolean,
    "isVisible": schema.boolean,
    "includeInAvailability": schema.one_of(*_AVAILABILITY),
    "defaultAlertsWithTime": _ALERTS,
    "defaultAlertsWithoutTime": _ALERTS,
    "timeZone": schema.zone,
    "shareWith": schema.map_of(schema.text, _RIGHTS),
}
#: What each user of a shared calendar keeps for themself (JMAP Calendars §4).
PERSONAL = frozenset(
    {
        "name", "color", "sortOrder", "isSubscribed", "isVisible", "includeInAvailability", "defaultAlertsWithTime",
        "defaultAlertsWithoutTime", "timeZone",
    }
)  # fmt: skip
_SERVER_SET = frozenset({"id", "isDefault", "myRights"})
_PROPERTIES = frozenset({*_RULES, *_SERVER_SET})
_DEFAULTS: Json = {
    "description": None, "color": None, "sortOrder": 0, "isSubscribed": True, "isVisible": True, "timeZone": None,
    "includeInAvailability": "all", "defaultAlertsWithTime": None, "defaultAlertsWithoutTime": None, "shareWith": None,
}  # fmt: skip
_NO_CANCELLATION: Json = {
    "messages": 0,
    "rule": "change.not-asked",
    "nothing": "The calendar was deleted, which cancels nothing: nobody is told",
}
_ALL_RIGHTS = dict.fromkeys(RIGHTS, True)


def methods(context: Context) -> dict[str, MethodEntry]:
    """Return the methods of Calendar."""

    async def get(call: Call) -> Answer:
        return await get_objects(context, call, Getting(Kind.CALENDAR, _PROPERTIES, load_calendars))

    async def changes(call: Call) -> Answer:
        return await get_changes(context, call, Kind.CALENDAR, updatedProperties=None)

    async def set_(call: Call) -> Answer:
        arguments = Arguments(call)
        default = arguments.text_or_none("onSuccessSetIsDefault")
        change = _CalendarChange(context, call, default, remove_events=arguments.flag("onDestroyRemoveEvents"))
        setting = Setting(Kind.CALENDAR, change.create, change.update, change.destroy, change.finish)
        return await set_objects(context, call, arguments, setting)

    return {
        "Calendar/get": MethodEntry(get, CALENDARS),
        "Calendar/changes": MethodEntry(changes, CALENDARS),
        "Calendar/set": MethodEntry(set_, CALENDARS, writes=True),
    }


def load_calendars(unit: Unit, view: View, ids: Sequence[str] | None) -> dict[str, Json]:
    """Return calendars as the caller sees them."""
    wanted = view.calendars.values() if ids is None else [view.calendars[i] for i in ids if i in view.calendars]
    return {calendar.id: _calendar_json(unit, view, calendar) for calendar in wanted}


def _calendar_json(unit: Unit, view: View, calendar: Calendar) -> Json:
    rights = _ALL_RIGHTS if view.is_own else {right: view.may(right, calendar.id) for right in RIGHTS}
    shares = unit.calendars.shares(calendar.id) if rights["mayShare"] else ()
    shown: Json = {
        "id": calendar.id,
        "name": calendar.title,
        "description": calendar.properties.get("description"),
        "color": calendar.color,
        "sortOrder": calendar.sort_order,
        "isSubscribed": calendar.is_subscribed,
        "isVisible": calendar.is_visible,
        "isDefault": calendar.is_default and view.is_own,
        "includeInAvailability": calendar.include_in_availability,
        "defaultAlertsWithTime": calendar.properties.get("defaultAlertsWithTime"),
        "defaultAlertsWithoutTime": calendar.properties.get("defaultAlertsWithoutTime"),
        "timeZone": calendar.time_zone,
        "shareWith": {share.account_id: dict(share.rights) for share in shares} or None,
        "myRights": dict(rights),
    }
    if not view.is_own:
        shown.update(defaultAlertsWithTime=None, defaultAlertsWithoutTime=None, includeInAvailability="none")
        shown.update(view.shares[calendar.id].properties)
    return shown


class _CalendarChange:
    """The /set of calendars."""

    def __init__(self, context: Context, call: Call, default: str | None, *, remove_events: bool) -> None:
        self._context = context
        self._call = call
        self._quiet: dict[str, Json] = {}  # the events that went with their calendar, and why nobody is told
        self._default = default
        self._remove_events = remove_events

    def create(self, unit: Unit, view: View, item: Json) -> tuple[str, Json]:
        if not view.is_own:
            raise SetFailure("forbidden", "Calendars are created in one's own account")
        item = {"@type": "Calendar", **item}
        _valid(item, known=_RULES.keys())
        calendar_id = self._context.ids.row("cal")
        now = self._context.clock.now()
        blank = Calendar(calendar_id, view.account.id, calendar_id, "", is_default=False, created_at=now)
        calendar = _with_members(blank, {**_DEFAULTS, **item})
        if not unit.calendars.of(view.account.id):
            calendar = replace(calendar, is_default=True)
        unit.calendars.put(calendar)
        _share(unit, view, calendar, item.get("shareWith") or {})
        left_out = {name: value for name, value in _DEFAULTS.items() if name not in item}
        return calendar_id, {**left_out, "isDefault": calendar.is_default, "myRights": dict(_ALL_RIGHTS)}

    def update(self, unit: Unit, view: View, calendar_id: str, patch: Json) -> Json | None:
        calendar = view.calendars.get(calendar_id)
        if calendar is None:
            raise SetFailure("notFound")
        before = _calendar_json(unit, view, calendar)
        after = apply_patch(before, patch)
        if isinstance(after, InvalidProperty):
            raise SetFailure("invalidPatch", f"{after.path}: {after.reason}", after.path)
        after = {**_DEFAULTS, **after}
        changed = [name for name in after if not same_json(before.get(name), after[name])]
        wrong = [name for name in changed if name in _SERVER_SET]
        if wrong:
            raise SetFailure("invalidProperties", "Only the server sets these", *wrong)
        _valid(after)
        if not changed:
            return None
        self._store(unit, view, calendar, after, changed)
        if {"defaultAlertsWithTime", "defaultAlertsWithoutTime", "isSubscribed", "timeZone"} & set(changed):
            for _, item in unit.objects.in_calendar(calendar_id):
                plan_for(unit, self._context, item, view.caller)
        return None

    def _store(self, unit: Unit, view: View, calendar: Calendar, after: Json, changed: list[str]) -> None:
        if "shareWith" in changed:
            if not view.may("mayShare", calendar.id):
                raise SetFailure("forbidden", "You may not share this calendar", "shareWith")
            _share(unit, view, calendar, after["shareWith"] or {})
        if view.is_own:
            unit.calendars.put(_with_members(calendar, after))
            return
        foreign = [name for name in changed if name not in PERSONAL and name != "shareWith"]
        if foreign:
            raise SetFailure("forbidden", "Only the calendar's owner may change this", *foreign)
        share = view.shares[calendar.id]
        own = {**share.properties, **{name: after[name] for name in changed if name in PERSONAL}}
        unit.calendars.put_share(calendar, replace(share, properties=own))

    def destroy(self, unit: Unit, view: View, calendar_id: str) -> None:
        calendar = view.calendars.get(calendar_id)
        if calendar is None:
            raise SetFailure("notFound")
        if not view.may("mayDelete", calendar_id):
            raise SetFailure("forbidden", "You may not delete this calendar")
        others = [other for other in unit.calendars.of(calendar.account_id) if other.id != calendar_id]
        if not others:
            raise SetFailure("forbidden", "The last calendar of an account stays")
        inside = unit.objects.in_calendar(calendar_id)
        if inside and not self._remove_events:
            raise SetFailure("calendarHasEvent", "There are events in this calendar")
        for _, item in inside:  # nobody is told: a calendar that goes is no cancellation (JMAP Calendars §4.3)
            elsewhere = [(p.calendar_id, p.href) for p in unit.objects.places(item.id) if p.calendar_id != calendar_id]
            if elsewhere:
                unit.objects.set_places(item, elsewhere)
            else:
                destroy_object(unit, self._context, view, item, send=False)
                self._quiet.update(dict.fromkeys(item.event_ids, _NO_CANCELLATION))
        unit.calendars.remove(calendar)
        if calendar.is_default:
            unit.calendars.put(replace(others[0], is_default=True))

    def finish(self, unit: Unit, view: View, result: SetResult) -> Json:
        """Set the default, and tell what went out, where the client asked to be told: nothing ever does."""
        told = {"schedulingOutcome": self._quiet} if SCHEDULING in self._call.using else {}
        return {**told, **self._set_default(unit, view, result)}

    def _set_default(self, unit: Unit, view: View, result: SetResult) -> Json:
        """Make another calendar the default, if all went well; an unknown one is ignored (JMAP Calendars §4.3)."""
        if self._default is None or any(result.failed.values()) or not view.is_own:
            return {}
        chosen = unit.calendars.get(result.ids.get(self._default.removeprefix("#"), self._default))
        if chosen is None or chosen.account_id != view.account.id or chosen.is_default:
            return {}
        before = unit.calendars.default(view.account.id)
        unit.calendars.put(replace(chosen, is_default=True))
        updated = dict(result.updated)
        for calendar_id, is_default in ((before.id if before else "", False), (chosen.id, True)):
            created = next((made for made in result.created.values() if made["id"] == calendar_id), None)
            if created is not None:
                created["isDefault"] = is_default
            elif calendar_id:
                updated[calendar_id] = {**(updated.get(calendar_id) or {}), "isDefault": is_default}
        return {"created": result.created or None, "updated": updated or None}


def _valid(item: Json, known: Set[str] = _PROPERTIES) -> None:
    """Judge every member; a new calendar has none that only the server sets.

    Raises:
        SetFailure: `invalidProperties`.
    """
    unknown = [InvalidProperty(name, "cannot be set") for name in item if name not in known and name != "@type"]
    faults = [*unknown, *schema.faults_of(item, "Calendar", _RULES, "", required=("name",))]
    with_time, without = item.get("defaultAlertsWithTime") or {}, item.get("defaultAlertsWithoutTime") or {}
    if not faults and set(with_time) & set(without):
        faults.append(InvalidProperty("defaultAlertsWithoutTime", "an alert's id must be its own"))
    if faults:
        raise invalid_properties(faults)


def _with_members(calendar: Calendar, item: Json) -> Calendar:
    kept = {
        name: item[name]
        for name in ("description", "defaultAlertsWithTime", "defaultAlertsWithoutTime")
        if item.get(name) is not None
    }
    others = {n: v for n, v in calendar.properties.items() if n not in _RULES}
    return replace(
        calendar,
        title=item["name"],
        color=item["color"],
        time_zone=item["timeZone"],
        is_subscribed=_given(item, "isSubscribed"),
        is_visible=_given(item, "isVisible"),
        sort_order=_given(item, "sortOrder"),
        include_in_availability=_given(item, "includeInAvailability"),
        properties={**others, **kept},
    )


def _given(item: Json, name: str) -> Any:
    return _DEFAULTS[name] if item.get(name) is None else item[name]


def _share(unit: Unit, view: View, calendar: Calendar, wanted: Json) -> None:
    """Share with exactly these accounts; one that shares on may not give more than they have."""
    known = {share.account_id: share for share in unit.calendars.shares(calendar.id)}
    for account_id, rights in wanted.items():
        held = {right: bool((rights or {}).get(right, False)) for right in RIGHTS}
        share = known.get(account_id)
        if share is not None and same_json(dict(share.rights), held):
            continue
        other = unit.accounts.get(account_id)
        if other is None or account_id == calendar.account_id:
            raise SetFailure("invalidProperties", "There is nobody else of this id", "shareWith")
        more = [right for right, given in held.items() if given and not view.may(right, calendar.id)]
        if more:
            raise SetFailure("forbidden", f"You do not have {', '.join(more)} yourself", "shareWith")
        own = dict(share.properties) if share is not None else {"isSubscribed": True}
        unit.calendars.put_share(calendar, Share(calendar.id, account_id, held, own))
    for account_id in known.keys() - wanted.keys():
        unit.calendars.remove_share(calendar, account_id)
