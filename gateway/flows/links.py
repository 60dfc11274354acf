# SPDX-License-Identifier: Apache-2.0
"""Mint the links that mails carry. A token is random and never stored; its hash is, with what it permits.

The one exception is the organizer's page: its token is derived from the event, so that every mail about the event leads
to the same page and a busy event does not leave a row for each answer.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from gateway.errors import Refused
from gateway.flows.context import Context
from gateway.itip.address import normal_address
from gateway.itip.tree import Component, build_tree, parse_tree
from gateway.store.links import Link, hash_token
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit
from policies.load import PolicySettings
from policies.rsvp import link_expires_at
from policies.scheduling import SchedulingSettings

#: HTTP path of each purpose, below the public address.
PATHS = {"rsvp": "/rsvp/", "organizer": "/organizer/", "unsubscribe": "/unsubscribe/", "confirm": "/confirm/"}
#: What a link remembers of the event as its mail showed it.
_SHOWN = ("DTSTART", "DTEND", "DURATION", "DUE", "RRULE", "RDATE", "EXDATE", "STATUS", "SUMMARY", "LOCATION")
_MAX_SHOWN = 4_000


def mint_link(
    unit: Unit,
    context: Context,
    purpose: str,
    item: StoredObject,
    address: str,
    *,
    expires_at: datetime,
    recurrence_id: str = "",
    token: str | None = None,
    sequence: int | None = None,
    facts: Mapping[str, Any] | None = None,
) -> str:
    """Store a fresh link for one person and one object, and return its whole URL ("" where no page is served)."""
    secret = token or context.ids.token()
    url = link_url(context, purpose, secret, context.policy(unit).scheduling)
    if not url:
        return ""
    unit.links.add(
        Link(
            token_hash=hash_token(secret),
            purpose=purpose,
            account_id=item.account_id,
            object_id=item.id,
            uid=item.uid,
            recurrence_id=recurrence_id,
            attendee=normal_address(address),
            sequence=item.sequence if sequence is None else sequence,
            issued_at=context.clock.now(),
            expires_at=expires_at,
            facts=facts or {},
        )
    )
    return url


def mint_account_link(
    unit: Unit, context: Context, purpose: str, account_id: str, address: str, *, expires_at: datetime, token: str
) -> str:
    """Store a fresh link about an account as a whole, whatever becomes of its events; its URL, or "" as above."""
    if context.public_url is None:
        return ""
    unit.links.add(
        Link(
            token_hash=hash_token(token),
            purpose=purpose,
            account_id=account_id,
            uid="",
            attendee=normal_address(address),
            issued_at=context.clock.now(),
            expires_at=expires_at,
        )
    )
    return link_url(context, purpose, token)


def organizer_url(unit: Unit, context: Context, item: StoredObject) -> str:
    """Return the URL of the organizer's page of an event, the same for all mails; "" where no page is served."""
    account = unit.accounts.get(item.account_id)
    if account is None:
        return ""
    digest = hmac.digest(context.key("organizer-link"), f"{item.id}\0{account.address}".encode(), hashlib.sha256)
    token = base64.urlsafe_b64encode(digest[:24]).decode("ascii")
    policy, now = context.policy(unit), context.clock.now()
    if unit.links.by_token(token) is None:
        expires_at = rsvp_expiry(item, policy, now)
        mint_link(unit, context, "organizer", item, account.address, expires_at=expires_at, token=token)
    return link_url(context, "organizer", token, policy.scheduling)


def link_url(context: Context, purpose: str, token: str, scheduling: SchedulingSettings | None = None) -> str:
    """Return the URL of a link's page, or "" where no page is served.

    Built from what is configured, never from a request: a Host header is anybody's word.
    """
    own = scheduling.http_rsvp_url if scheduling and purpose == "rsvp" else None
    base = f"{own.rstrip('/')}/" if own else f"{context.public_url}{PATHS[purpose]}" if context.public_url else ""
    return f"{base}{quote(token, safe='')}" if base else ""


def rsvp_expiry(item: StoredObject, policy: PolicySettings, now: datetime) -> datetime:
    """Return until when an answer link lives: the set period, and never shorter than to the end of the event."""
    return link_expires_at(now, item.ends_at, policy.rsvp, policy.scheduling)


def shown_facts(calendar: str, recurrence_id: str) -> Mapping[str, Any]:
    """Return what a link keeps of the event as its mail shows it, so that the page can say what changed since."""
    parts = parse_tree(calendar).children("VEVENT", "VTODO", "VJOURNAL")
    component = next((part for part in parts if (part.value("RECURRENCE-ID") or "") == recurrence_id), None)
    if component is None:
        return {}
    text = build_tree(Component(component.name, component.all(*_SHOWN)))
    return {"shown": text} if len(text) <= _MAX_SHOWN else {}


def parse_shown(facts: Mapping[str, Any]) -> Component | None:
    """Read what `shown_facts` wrote."""
    try:
        return next(parse_tree(f"BEGIN:VCALENDAR\r\n{facts['shown']}END:VCALENDAR\r\n").components, None)
    except (KeyError, Refused):
        return None
