# SPDX-License-Identifier: Apache-2.0
"""ParticipantIdentity/get, /changes, /set: the addresses one takes part as (JMAP Calendars §3).

Only addresses that belong to the account can be claimed. Exactly one is the default: it becomes the organizer of an
event whose client named none.
"""

from collections.abc import Sequence
from dataclasses import replace

from gateway.flows.context import Context
from gateway.http.jmap.arguments import Arguments
from gateway.http.jmap.core import Answer, Call, MethodEntry
from gateway.http.jmap.errors import SetFailure, invalid_properties
from gateway.http.jmap.session import CALENDARS
from gateway.http.jmap.standard import Getting, SetResult, Setting, get_changes, get_objects, set_objects
from gateway.http.jmap.view import View
from gateway.itip.address import normal_address
from gateway.jscalendar import schema
from gateway.jscalendar.patch import apply_patch
from gateway.jscalendar.values import InvalidProperty, Json
from gateway.store.accounts import Identity
from gateway.store.changes import Kind
from gateway.store.unit import Unit

_PROPERTIES = frozenset({"id", "name", "calendarAddress", "isDefault"})
_RULES: dict[str, schema.Rule] = {"name": schema.text, "calendarAddress": schema.uri}


def methods(context: Context) -> dict[str, MethodEntry]:
    """Return the methods of ParticipantIdentity."""

    async def get(call: Call) -> Answer:
        return await get_objects(context, call, Getting(Kind.IDENTITY, _PROPERTIES, load_identities))

    async def changes(call: Call) -> Answer:
        return await get_changes(context, call, Kind.IDENTITY)

    async def set_(call: Call) -> Answer:
        arguments = Arguments(call)
        change = _IdentityChange(context, arguments.text_or_none("onSuccessSetIsDefault"))
        setting = Setting(Kind.IDENTITY, change.create, change.update, change.destroy, change.finish)
        return await set_objects(context, call, arguments, setting)

    return {
        "ParticipantIdentity/get": MethodEntry(get, CALENDARS),
        "ParticipantIdentity/changes": MethodEntry(changes, CALENDARS),
        "ParticipantIdentity/set": MethodEntry(set_, CALENDARS, writes=True),
    }


def load_identities(unit: Unit, view: View, ids: Sequence[str] | None) -> dict[str, Json]:
    """Return the caller's identities; a shared account's are nobody else's business (JMAP Calendars §9.1)."""
    own = unit.accounts.identities(view.account.id) if view.is_own else ()
    return {identity.id: _identity_json(identity) for identity in own if ids is None or identity.id in ids}


def _identity_json(identity: Identity) -> Json:
    return {
        "id": identity.id,
        "name": identity.name,
        "calendarAddress": identity.calendar_address,
        "isDefault": identity.is_default,
    }


class _IdentityChange:
    """The /set of identities."""

    def __init__(self, context: Context, default: str | None) -> None:
        self._context = context
        self._default = default

    def create(self, unit: Unit, view: View, item: Json) -> tuple[str, Json]:
        _own(view)
        _valid(item)
        if not item.get("calendarAddress"):
            raise SetFailure("invalidProperties", "An identity needs an address", "calendarAddress")
        _claim(unit, view, item["calendarAddress"], None)
        first = not unit.accounts.identities(view.account.id)
        name = item.get("name") or ""
        identity = Identity(self._context.ids.row("idn"), view.account.id, name, item["calendarAddress"], first)
        unit.accounts.put_identity(identity)
        named = {} if "name" in item else {"name": ""}
        return identity.id, {**named, "isDefault": first}

    def update(self, unit: Unit, view: View, identity_id: str, patch: Json) -> Json | None:
        identity = self._find(unit, view, identity_id)
        after = apply_patch(_identity_json(identity), patch)
        if isinstance(after, InvalidProperty):
            raise SetFailure("invalidPatch", f"{after.path}: {after.reason}", after.path)
        if after.get("id") != identity.id or after.get("isDefault") != identity.is_default:
            raise SetFailure("invalidProperties", "Only the server sets these", "id", "isDefault")
        _valid({name: value for name, value in after.items() if name not in ("id", "isDefault")})
        address = after.get("calendarAddress")
        if not address:
            raise SetFailure("invalidProperties", "An identity needs an address", "calendarAddress")
        if address != identity.calendar_address:
            _claim(unit, view, address, identity.id)
        changed = replace(identity, name=after.get("name") or "", calendar_address=address)
        if changed != identity:
            unit.accounts.put_identity(changed)
        return None

    def destroy(self, unit: Unit, view: View, identity_id: str) -> None:
        identity = self._find(unit, view, identity_id)
        unit.accounts.remove_identity(identity)
        left = unit.accounts.identities(view.account.id)
        if identity.is_default and left:
            unit.accounts.put_identity(replace(left[0], is_default=True))

    def finish(self, unit: Unit, view: View, result: SetResult) -> Json:
        """Make another identity the default, if all went well; an unknown one is ignored (JMAP Calendars §3.3)."""
        if self._default is None or any(result.failed.values()) or not view.is_own:
            return {}
        chosen = unit.accounts.identity(result.ids.get(self._default.removeprefix("#"), self._default))
        if chosen is None or chosen.account_id != view.account.id or chosen.is_default:
            return {}
        before = next((i for i in unit.accounts.identities(view.account.id) if i.is_default), None)
        unit.accounts.put_identity(replace(chosen, is_default=True))
        updated = dict(result.updated)
        for identity_id, is_default in ((before.id if before else "", False), (chosen.id, True)):
            created = next((made for made in result.created.values() if made["id"] == identity_id), None)
            if created is not None:
                created["isDefault"] = is_default
            elif identity_id:
                updated[identity_id] = {**(updated.get(identity_id) or {}), "isDefault": is_default}
        return {"created": result.created or None, "updated": updated or None}

    def _find(self, unit: Unit, view: View, identity_id: str) -> Identity:
        _own(view)
        identity = unit.accounts.identity(identity_id)
        if identity is None or identity.account_id != view.account.id:
            raise SetFailure("notFound")
        return identity


def _own(view: View) -> None:
    if not view.is_own:
        raise SetFailure("forbidden", "Identities belong to the account itself")


def _valid(item: Json) -> None:
    unknown = [InvalidProperty(name, "cannot be set") for name in item if name not in _RULES and name != "@type"]
    faults = [*unknown, *schema.faults_of(item, "ParticipantIdentity", _RULES, "")]
    if faults:
        raise invalid_properties(faults)


def _claim(unit: Unit, view: View, address: str, identity_id: str | None) -> None:
    """Refuse an address that is not the account's, or that another of its identities has."""
    if normal_address(address) not in view.addresses:
        raise SetFailure("forbidden", "This address does not belong to the account", "calendarAddress")
    for identity in unit.accounts.identities(view.account.id):
        if identity.id != identity_id and normal_address(identity.calendar_address) == normal_address(address):
            raise SetFailure("invalidProperties", "There is an identity of this address", "calendarAddress")
