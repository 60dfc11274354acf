# SPDX-License-Identifier: Apache-2.0
"""x:CalendarScheduling and x:CalendarAlarm: what an administrator changes at run time, on every node at once.

Each object is one (`singleton`); its members are policies in JMAP's spelling. A change is judged by the policy reader
itself, kept in the database and wins over the file; null gives the file's word back.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from gateway.bounded import run_bounded
from gateway.flows.context import Context
from gateway.http.jmap.arguments import MAX_INT, Arguments
from gateway.http.jmap.core import Answer, Call, MethodEntry
from gateway.http.jmap.errors import MethodError, SetError, SetFailure, invalid_properties
from gateway.http.jmap.session import ADMIN, is_admin
from gateway.http.jmap.standard import attempt, only, wanted_properties
from gateway.http.rsvp.page import Form, Page
from gateway.http.rsvp.render import template_fault as page_fault
from gateway.imip.samples import template_fault as mail_fault
from gateway.jscalendar.patch import apply_patch, same_json
from gateway.jscalendar.values import InvalidProperty, Json
from gateway.store.journal import Entry
from gateway.store.unit import Unit

SINGLETON = "singleton"
_LETTERS = ("invitation", "update", "cancellation", "accepted")
_REMINDERS = ("alarm", "alarm-late", "alarm-outside", "alarm-several")
_SAMPLE_PAGE = Page("en", "ltr", title="Planning", state="You are invited", forms=(Form("Send"),))


@dataclass(frozen=True, slots=True)
class Member:
    """One member: the policy it stands for, how JSON shows it and how it is read; `fault` judges further."""

    policy: str
    shown: Callable[[Any], Any] = lambda value: value
    read: Callable[[Any], Any] = lambda value: value
    fault: Callable[[str], str | None] | None = None


def _milliseconds(value: timedelta) -> int:
    return int(value / timedelta(milliseconds=1))


def _duration(value: Any) -> Any:
    """Milliseconds as the field writes them; a text such as `90d` is read as in the file."""
    return f"{value}ms" if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else value


def _auto_add(value: Any) -> Any:
    """Older administrators' clients know only yes and no."""
    return {True: "always", False: "never"}[value] if isinstance(value, bool) else value


def _empty_as_null(value: Any) -> Any:
    return value or None


OBJECTS: dict[str, dict[str, Member]] = {
    "x:CalendarScheduling": {
        "enable": Member("scheduling.enable"),
        "autoAddInvitations": Member("scheduling.auto_add_invitations", read=_auto_add),
        "httpRsvpEnable": Member("scheduling.http_rsvp_enable"),
        "httpRsvpUrl": Member("scheduling.http_rsvp_url"),
        "httpRsvpLinkExpiry": Member("scheduling.http_rsvp_link_expiry", _milliseconds, _duration),
        "itipMaxSize": Member("scheduling.itip_max_size"),
        "maxRecipients": Member("scheduling.max_recipients"),
        "emailTemplate": Member(
            "scheduling.email_template",
            _empty_as_null,
            fault=lambda source: mail_fault(source, *_LETTERS, run=run_bounded),
        ),
        "httpRsvpTemplate": Member(
            "scheduling.http_rsvp_template", _empty_as_null, fault=lambda source: page_fault(source, _SAMPLE_PAGE)
        ),
    },
    "x:CalendarAlarm": {
        "enable": Member("alarms.enable"),
        "minTriggerInterval": Member("alarms.min_trigger_interval", _milliseconds, _duration),
        "allowExternalRcpts": Member("alarms.allow_external_rcpts"),
        "fromName": Member("alarms.from_name"),
        "fromEmail": Member("alarms.from_email"),
        "template": Member(
            "alarms.template", _empty_as_null, fault=lambda source: mail_fault(source, *_REMINDERS, run=run_bounded)
        ),
    },
}


def methods(context: Context) -> dict[str, MethodEntry]:
    """Return /get and /set of the singletons."""
    table: dict[str, MethodEntry] = {}
    for name, members in OBJECTS.items():
        table[f"{name}/get"] = MethodEntry(_getter(context, members), ADMIN)
        table[f"{name}/set"] = MethodEntry(_setter(context, name, members), ADMIN, writes=True)
    return table


def _getter(context: Context, members: dict[str, Member]) -> Callable[[Call], Any]:
    async def get(call: Call) -> Answer:
        arguments = Arguments(call)
        account_id = admin_account(arguments, call)
        ids, properties = arguments.ids("ids"), arguments.texts("properties")
        arguments.done()
        names = wanted_properties(properties, frozenset({"id", *members}))
        shown = await context.store.read(lambda unit: _shown(unit, context, members))
        asked = [SINGLETON] if ids is None else ids
        return {
            "accountId": account_id,
            "state": _state(shown),
            "list": [only(shown, names)] if SINGLETON in asked else [],
            "notFound": [item_id for item_id in asked if item_id != SINGLETON],
        }

    return get


def _setter(context: Context, name: str, members: dict[str, Member]) -> Callable[[Call], Any]:
    async def set_(call: Call) -> Answer:
        arguments = Arguments(call)
        account_id, if_in_state = admin_account(arguments, call), arguments.text_or_none("ifInState")
        create, update = arguments.objects("create"), arguments.objects("update")
        destroy = arguments.ids("destroy") or []
        arguments.done()

        def fn(unit: Unit) -> Json:
            before = _shown(unit, context, members)
            if if_in_state is not None and if_in_state != _state(before):
                raise MethodError("stateMismatch")
            updated: dict[str, Json | None] = {}
            failed: dict[str, Json] = {}
            for item_id, patch in update.items():
                made = attempt(unit, partial(_change, unit, context, call, name, members, item_id, patch))
                if isinstance(made, SetError):
                    failed[item_id] = made.json
                else:
                    updated[item_id] = made
            singleton = SetError("singleton", "There is exactly one of these").json
            return {
                "accountId": account_id,
                "oldState": _state(before),
                "newState": _state(_shown(unit, context, members)),
                "created": None,
                "updated": updated or None,
                "destroyed": None,
                "notCreated": dict.fromkeys(create, singleton) or None,
                "notUpdated": failed or None,
                "notDestroyed": dict.fromkeys(destroy, singleton) or None,
            }

        return await context.store.write(fn)

    return set_


def admin_account(arguments: Arguments, call: Call) -> str:
    """Return the account id to answer with; the objects are the server's, so it may be left out.

    Raises:
        MethodError: `forbidden` for anybody but an administrator.
    """
    if not is_admin(call.login):
        raise MethodError("forbidden", "Only administrators may do this")
    return arguments.text_or_none("accountId") or call.login.account.id


def _shown(unit: Unit, context: Context, members: dict[str, Member]) -> Json:
    policy = context.policy(unit)
    shown: Json = {"id": SINGLETON}
    for name, member in members.items():
        table, _, key = member.policy.partition(".")
        shown[name] = member.shown(getattr(getattr(policy, table), key))
    return shown


def _change(
    unit: Unit, context: Context, call: Call, name: str, members: dict[str, Member], item_id: str, patch: Json
) -> Json | None:
    if item_id != SINGLETON:
        raise SetFailure("notFound")
    before = _shown(unit, context, members)
    after = apply_patch(before, patch)
    if isinstance(after, InvalidProperty):
        raise SetFailure("invalidPatch", after.reason, after.path)
    unknown = [member for member in after if member not in before]
    if unknown or after.get("id") != SINGLETON:
        raise SetFailure("invalidProperties", "There is no such setting", *(unknown or ["id"]))
    changed = [member for member in members if not same_json(before[member], after.get(member))]
    for member in changed:
        _keep(unit, context, call, members[member], member, after.get(member))
    if changed:
        _journal(unit, context, call, name, changed)
    shown = _shown(unit, context, members)
    return {member: shown[member] for member in changed if not same_json(shown[member], after.get(member))} or None


def _keep(unit: Unit, context: Context, call: Call, member: Member, name: str, given: Any) -> None:
    """Store one setting, judged as if it stood in the file; null removes it."""
    key = f"policy.{member.policy}"
    if given is None:
        unit.settings.remove(key)
        return
    value = member.read(given)
    if isinstance(value, int) and abs(value) > MAX_INT:
        raise invalid_properties([InvalidProperty(name, "is beyond what JSON numbers hold (RFC 8620 §1.3)")])
    stored = {key: held for key, held in unit.settings.policy_overrides().items() if key != member.policy}
    known = context.config.policy.with_overrides(stored).faults  # of what another version of us may have stored
    reading = context.config.policy.with_overrides({**stored, member.policy: value})
    faults = [fault for fault in reading.faults if fault not in known]
    if faults:
        raise invalid_properties([InvalidProperty(name, "; ".join(faults)[:500])])
    fault = member.fault(value) if member.fault is not None and isinstance(value, str) and value else None
    if fault:
        raise invalid_properties([InvalidProperty(name, fault[:500])])
    unit.settings.put(key, value, by=call.login.account.address, at=context.clock.now())


def _journal(unit: Unit, context: Context, call: Call, name: str, changed: list[str]) -> None:
    unit.journal.write(
        Entry(
            at=context.clock.now(),
            stage="settings",
            outcome="changed",
            rule="settings.changed",
            reason=f"{call.login.account.address} changed {name}: {', '.join(changed)}",
            account_id=call.login.account.id,
        )
    )


def _state(shown: Json) -> str:
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:16]
