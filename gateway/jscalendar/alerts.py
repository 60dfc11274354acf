# SPDX-License-Identifier: Apache-2.0
"""`alerts` and VALARM (RFC 8984 §4.5.2, RFC 5545 §3.6.6, RFC 9074).

An edit changes TRIGGER, ACTION, ACKNOWLEDGED and RELATED-TO of the VALARM it is about; sounds, repeats and texts stay.
A VALARM that JSCalendar has no word for (ACTION:NONE, a procedure) is not shown and never removed.
"""

from collections.abc import Iterator

from gateway.errors import Refused
from gateway.itip.tree import Component, Prop, build_tree, escape_text
from gateway.itip.values import build_duration, build_utc, parse_duration
from gateway.jscalendar.values import Json, JsonMap, derived_id, is_id, parse_json_duration, parse_utc, parse_wall

#: A sound is shown as a display alert; its VALARM keeps the sound.
_ACTIONS = {"DISPLAY": "display", "AUDIO": "display", "EMAIL": "email"}


def read_alerts(component: Component) -> Json:
    """Read the alarms a person set."""
    alerts: Json = {}
    for alarm in component.children("VALARM"):
        alert = _read_alert(alarm)
        if alert is not None:
            alerts.setdefault(alarm_key(alarm), alert)
    return {"alerts": alerts} if alerts else {}


def write_alerts(event: JsonMap, old: Component) -> Iterator[Component]:
    """Write an alarm per alert, old ones kept, and those that are not ours to remove."""
    known: dict[str, Component] = {}
    for alarm in old.children("VALARM"):
        if _read_alert(alarm) is None:
            yield alarm
        else:
            known.setdefault(alarm_key(alarm), alarm)
    title = event.get("title") or "Reminder"
    for key, alert in (event.get("alerts") or {}).items():
        yield _written_alarm(key, alert, known.get(key), title)


def alarm_key(alarm: Component) -> str:
    """Return the key of an alarm: its JSID or UID, else made from what it says."""
    for name in ("JSID", "UID", "X-WR-ALARMUID"):
        given = alarm.value(name)
        if given is not None and is_id(given):
            return given
    return derived_id(alarm.value("UID") or build_tree(alarm.without("ACKNOWLEDGED")))


def _read_alert(alarm: Component) -> Json | None:
    action = _ACTIONS.get((alarm.value("ACTION") or "").strip().upper())
    trigger = _read_trigger(alarm.first("TRIGGER"))
    if action is None or trigger is None:
        return None
    alert: Json = {"@type": "Alert", "trigger": trigger}
    if action != "display":
        alert["action"] = action
    prop = alarm.first("ACKNOWLEDGED")
    acknowledged = parse_wall(prop) if prop is not None else None
    if acknowledged is not None:
        alert["acknowledged"] = acknowledged.wall.isoformat() + "Z"
    related = {
        relation.text: {"@type": "Relation", "relation": {(relation.param("RELTYPE") or "PARENT").lower(): True}}
        for relation in alarm.all("RELATED-TO")
        if relation.text
    }
    return {**alert, "relatedTo": related} if related else alert


def _read_trigger(prop: Prop | None) -> Json | None:
    if prop is None:
        return None
    try:
        offset: Json = {"@type": "OffsetTrigger", "offset": build_duration(parse_duration(prop.value))}
    except Refused:
        moment = parse_wall(prop)
        return None if moment is None else {"@type": "AbsoluteTrigger", "when": moment.wall.isoformat() + "Z"}
    return {**offset, "relativeTo": "end"} if (prop.param("RELATED") or "").upper() == "END" else offset


def _written_alarm(key: str, alert: JsonMap, old: Component | None, title: str) -> Component:
    alarm = old or Component("VALARM", (Prop("UID", key),))
    before = _read_alert(alarm) or {}
    action = "EMAIL" if alert.get("action") == "email" else "DISPLAY"
    if before.get("action", "display") != action.lower() or old is None:
        alarm = alarm.with_prop(Prop("ACTION", action))
    trigger = _written_trigger(alert.get("trigger") or {})
    if trigger is not None and _read_trigger(trigger) != before.get("trigger"):
        alarm = alarm.with_prop(trigger)
    if old is None and alarm.first("DESCRIPTION") is None:
        alarm = alarm.with_prop(Prop("DESCRIPTION", escape_text(title)))
    if action == "EMAIL" and alarm.first("SUMMARY") is None:  # RFC 5545 §3.6.6; whom to mail is decided at fire time
        alarm = alarm.with_prop(Prop("SUMMARY", escape_text(title)))
    if alert.get("acknowledged") != before.get("acknowledged"):
        instant = parse_utc(alert.get("acknowledged"))
        alarm = alarm.without("ACKNOWLEDGED")
        alarm = alarm if instant is None else alarm.adding(Prop("ACKNOWLEDGED", build_utc(instant)))
    if (alert.get("relatedTo") or {}) != before.get("relatedTo", {}):
        alarm = alarm.without("RELATED-TO").adding(*_written_relations(alert.get("relatedTo") or {}))
    if old is not None and alarm is not old and alarm_key(alarm) != key:  # its key was made from what it said
        alarm = alarm.adding(Prop("UID", key))
    return alarm


def _written_trigger(trigger: JsonMap) -> Prop | None:
    offset = parse_json_duration(trigger.get("offset"))
    if offset is not None:
        params = (("RELATED", ("END",)),) if trigger.get("relativeTo") == "end" else ()
        return Prop("TRIGGER", build_duration(offset), params)
    when = parse_utc(trigger.get("when"))
    return None if when is None else Prop("TRIGGER", build_utc(when), (("VALUE", ("DATE-TIME",)),))


def _written_relations(related: JsonMap) -> Iterator[Prop]:
    for uid, relation in related.items():
        for kind in relation.get("relation") or {"parent": True}:
            yield Prop("RELATED-TO", escape_text(uid), (("RELTYPE", (kind.upper(),)),) if kind != "parent" else ())
