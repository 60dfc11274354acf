# SPDX-License-Identifier: Apache-2.0
"""Mint the links that mails carry. A token is random and never stored; its hash is, with what it permits.

The one exception is the organizer's page: its token is derived from the event, so that every mail about the event leads
to the same page and a busy event does not leave a row for each answer.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from gateway.errors import Refused
from gateway.flows.context import Context
from gateway.itip.address import normal_address
from gateway.itip.tree import Component, build_tree, parse_tree
from gateway.store.accounts import Account
from gateway.store.links import Link, hash_token
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit
from policies.load import PolicySettings
from policies.rsvp import link_expires_at
from policies.scheduling import SchedulingSettings

#: HTTP path of each purpose, below the public address.
PATHS = {"rsvp": "/rsvp/", "organizer": "/organizer/", "unsubscribe": "/unsubscribe/", "confirm": "/confirm/"}
#: What a link remembers of the event as its mail showed it.
SHOWN = (
    "DTSTART", "DTEND", "DURATION", "DUE", "RRULE", "RDATE", "EXDATE", "STATUS", "SUMMARY", "LOCATION", "CONFERENCE",
    "URL",
)  # fmt: skip
_MAX_SHOWN = 4_000
#: An organizer's link is prolonged only when that is worth a write.
_RENEW = timedelta(days=1)
_SEAL = 16
#: Characters of what stands for a link in a subscription; a link's own token has fewer.
FEED_LENGTH = (hashlib.sha256().digest_size + _SEAL) * 4 // 3


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
    token = _organizer_token(context, item, account)
    policy, now = context.policy(unit), context.clock.now()
    known, expires_at = unit.links.by_token(token), rsvp_expiry(item, policy, now)
    if known is None:
        mint_link(unit, context, "organizer", item, account.address, expires_at=expires_at, token=token)
    elif expires_at - known.expires_at > _RENEW:  # the event moved, or is still spoken of after a long time
        unit.links.prolong(known.token_hash, expires_at)
    return link_url(context, "organizer", token, policy.scheduling)


def foretell_organizer_url(context: Context, item: StoredObject, account: Account) -> str:
    """Return what `organizer_url` will return, writing nothing: for a mail that is built before it is queued."""
    return link_url(context, "organizer", _organizer_token(context, item, account))


def _organizer_token(context: Context, item: StoredObject, account: Account) -> str:
    digest = hmac.digest(context.key("organizer-link"), f"{item.id}\0{account.address}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest[:24]).decode("ascii")


def link_url(context: Context, purpose: str, token: str, scheduling: SchedulingSettings | None = None) -> str:
    """Return the URL of a link's page, or "" where no page is served.

    Built from what is configured, never from a request: a Host header is anybody's word.
    """
    own = scheduling.http_rsvp_url if scheduling and purpose == "rsvp" else None
    base = f"{own.rstrip('/')}/" if own else f"{context.public_url}{PATHS[purpose]}" if context.public_url else ""
    return f"{base}{quote(token, safe='')}" if base else ""


def feed_token(context: Context, link: Link) -> str:
    """Return what stands for a link where calendar programs subscribe: it shows the event and can answer nothing.

    A subscription is kept by the servers of whoever makes the program, so it must not be the link itself.
    """
    digest = bytes.fromhex(link.token_hash)
    return base64.urlsafe_b64encode(digest + _seal(context, digest)).decode("ascii")


def read_feed_token(context: Context, token: str) -> str | None:
    """Return the hash of the link that a subscription stands for; None where we did not make it."""
    try:
        data = base64.urlsafe_b64decode(token)
    except ValueError:
        return None
    digest, seal = data[:-_SEAL], data[-_SEAL:]
    return digest.hex() if hmac.compare_digest(seal, _seal(context, digest)) else None


def feed_url(context: Context, link: Link, scheduling: SchedulingSettings) -> str:
    """Return the address at which a calendar program follows the event, "" where no page is served."""
    url = link_url(context, "rsvp", feed_token(context, link), scheduling)
    return f"webcal:{url.partition(':')[2]}/event.ics" if url else ""


def _seal(context: Context, digest: bytes) -> bytes:
    return hmac.digest(context.key("rsvp-feed"), digest, hashlib.sha256)[:_SEAL]


def rsvp_expiry(item: StoredObject, policy: PolicySettings, now: datetime) -> datetime:
    """Return until when an answer link lives: the set period, and never shorter than to the end of the event."""
    return link_expires_at(now, item.ends_at, policy.rsvp, policy.scheduling)


def shown_facts(calendar: str, recurrence_id: str) -> Mapping[str, Any]:
    """Return what a link keeps of the event as its mail shows it, so that the page can say what changed since."""
    parts = parse_tree(calendar).children("VEVENT", "VTODO", "VJOURNAL")
    component = next((part for part in parts if (part.value("RECURRENCE-ID") or "") == recurrence_id), None)
    if component is None:
        return {}
    text = build_tree(Component(component.name, component.all(*SHOWN)))
    return {"shown": text} if len(text) <= _MAX_SHOWN else {}


def parse_shown(facts: Mapping[str, Any]) -> Component | None:
    """Read what `shown_facts` wrote."""
    try:
        return next(parse_tree(f"BEGIN:VCALENDAR\r\n{facts['shown']}END:VCALENDAR\r\n").components, None)
    except (KeyError, Refused):
        return None
