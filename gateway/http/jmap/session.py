# SPDX-License-Identifier: Apache-2.0
"""The session object: who you are, which accounts you see, what the server can, where to call (RFC 8620 §2)."""

import hashlib
import json

from gateway.flows.context import Context
from gateway.http.auth import Login
from gateway.http.jmap.core import CORE
from gateway.http.jmap.queries import COLLATIONS
from gateway.http.jmap.view import visible_accounts
from gateway.itip.address import build_mailto
from gateway.jscalendar.values import Json
from gateway.store.accounts import Account
from gateway.store.unit import Unit

CALENDARS = "urn:ietf:params:jmap:calendars"
PARSE = "urn:ietf:params:jmap:calendars:parse"
PRINCIPALS = "urn:ietf:params:jmap:principals"
OWNER = "urn:ietf:params:jmap:principals:owner"
AVAILABILITY = "urn:ietf:params:jmap:principals:availability"
SCHEDULING = "urn:imip-gateway:scheduling"
ADMIN = "urn:imip-gateway:admin"

MAX_AVAILABILITY = "P1Y"
MAX_CALENDARS_PER_EVENT = 100
MIN_TIME, MAX_TIME = "1900-01-01T00:00:00Z", "9000-01-01T00:00:00Z"
MAX_EXPANDED = "P5Y"


def capabilities_of(login: Login) -> frozenset[str]:
    """Return the capabilities that a caller may name in `using`."""
    known = {CORE, CALENDARS, PARSE, PRINCIPALS, OWNER, AVAILABILITY, SCHEDULING}
    return frozenset(known | {ADMIN}) if is_admin(login) else frozenset(known)


def is_admin(login: Login) -> bool:
    """Tell whether a caller may use the administrator objects."""
    return login.account.is_admin and login.allows("admin")


def build_session(unit: Unit, context: Context, login: Login, base_url: str) -> Json:
    """Return the session object for a caller; `base_url` is scheme and host as the caller reached us."""
    accounts = visible_accounts(unit, login.account)
    capabilities: Json = {CORE: core_limits(context), CALENDARS: {}, PARSE: {}, PRINCIPALS: {}, OWNER: {}}
    capabilities.update({AVAILABILITY: {}, SCHEDULING: {}})
    primary = dict.fromkeys((CORE, *capabilities), login.account.id)
    if is_admin(login):
        capabilities[ADMIN] = {}
        primary[ADMIN] = login.account.id
    session = {
        "capabilities": capabilities,
        "accounts": {account.id: _account(unit, context, account, login) for account in accounts},
        "primaryAccounts": primary,
        "username": login.account.address,
        "apiUrl": f"{base_url}/jmap/",
        "downloadUrl": f"{base_url}/jmap/download/{{accountId}}/{{blobId}}/{{name}}?type={{type}}",
        "uploadUrl": f"{base_url}/jmap/upload/{{accountId}}/",
        "eventSourceUrl": f"{base_url}/jmap/eventsource/?types={{types}}&closeafter={{closeafter}}&ping={{ping}}",
    }
    return {**session, "state": state_of_session(session)}


def state_of_session(session: Json) -> str:
    """Return the state of a session object: a digest of what it says."""
    return hashlib.sha256(json.dumps(session, sort_keys=True).encode()).hexdigest()[:16]


def core_limits(context: Context) -> Json:
    """Return the core capability object."""
    http = context.config.http
    return {
        "maxSizeUpload": http.max_upload_size,
        "maxConcurrentUpload": http.max_concurrent_uploads,
        "maxSizeRequest": http.max_request_size,
        "maxConcurrentRequests": http.max_concurrent_requests,
        "maxCallsInRequest": http.max_calls_in_request,
        "maxObjectsInGet": http.max_objects_in_get,
        "maxObjectsInSet": http.max_objects_in_set,
        "collationAlgorithms": list(COLLATIONS),
    }


def _account(unit: Unit, context: Context, account: Account, login: Login) -> Json:
    own = account.id == login.account.id
    limits = context.policy(unit).limits
    calendars: Json = {
        "maxCalendarsPerEvent": MAX_CALENDARS_PER_EVENT,
        "minDateTime": MIN_TIME,
        "maxDateTime": MAX_TIME,
        "maxExpandedQueryDuration": MAX_EXPANDED,
        "maxParticipantsPerEvent": limits.max_guests,
        "mayCreateCalendar": own,
    }
    capabilities: Json = {
        CALENDARS: calendars,
        PARSE: {},
        PRINCIPALS: {"currentUserPrincipalId": login.account.id},
        OWNER: {"accountIdForPrincipal": account.id, "principalId": account.id},
        AVAILABILITY: {"maxAvailabilityDuration": MAX_AVAILABILITY},
        SCHEDULING: {"calendarAddress": build_mailto(account.address)},
    }
    if own and is_admin(login):
        capabilities[ADMIN] = {}
    return {
        "name": account.address,
        "isPersonal": own,
        "isReadOnly": login.read_only,
        "accountCapabilities": {CORE: {}, **capabilities},
    }
