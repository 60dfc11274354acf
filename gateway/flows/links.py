# SPDX-License-Identifier: Apache-2.0
"""Mint the links that mails carry. A token is random and never stored; its hash is, with what it permits."""

from datetime import datetime
from urllib.parse import quote

from gateway.flows.context import Context
from gateway.itip.address import normal_address
from gateway.store.links import Link, hash_token
from gateway.store.objects import StoredObject
from gateway.store.unit import Unit
from policies.load import PolicySettings

#: HTTP path of each purpose, below the public address.
PATHS = {"rsvp": "/rsvp/", "organizer": "/organizer/", "unsubscribe": "/unsubscribe/", "confirm": "/confirm/"}


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
) -> str:
    """Store a fresh link for one person and one object, and return its whole URL ("" where no page is served)."""
    if context.public_url is None:
        return ""
    secret = token or context.ids.token()
    unit.links.add(
        Link(
            token_hash=hash_token(secret),
            purpose=purpose,
            account_id=item.account_id,
            object_id=item.id,
            uid=item.uid,
            recurrence_id=recurrence_id,
            attendee=normal_address(address),
            sequence=item.sequence,
            issued_at=context.clock.now(),
            expires_at=expires_at,
        )
    )
    return link_url(context, purpose, secret)


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


def link_url(context: Context, purpose: str, token: str) -> str:
    """Return the URL of a link's page, or "" where no page is served."""
    return f"{context.public_url}{PATHS[purpose]}{quote(token, safe='')}" if context.public_url else ""


def rsvp_expiry(item: StoredObject, policy: PolicySettings, now: datetime) -> datetime:
    """Return until when an answer link lives: the set period, and never shorter than to the end of the event."""
    expiry = now + policy.scheduling.http_rsvp_link_expiry
    end = item.ends_at + policy.rsvp.answer_until if item.ends_at else None
    return max(expiry, end) if end else expiry
