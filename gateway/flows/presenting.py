# SPDX-License-Identifier: Apache-2.0
"""How a mail presents itself: in whose name it goes, in which language and zone, under which branding.

From is the person only where their domain is ours (and we or our Postfix sign for it); otherwise it is the
service's own address with the person's name, and answers go to the person (DMARC, RFC 9989).
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.bounded import run_bounded
from gateway.flows.context import Context
from gateway.imip.presentation import Branding, Colours, Links, Logo, Person, Presentation
from gateway.itip.address import normal_address, same_address
from gateway.store.accounts import Account
from gateway.store.unit import Unit


@dataclass(frozen=True, slots=True)
class Letterhead:
    """In whose name: header fields From, Sender and Reply-To, and the domain whose key signs."""

    from_: Person
    sender: Person | None
    reply_to: Person | None
    domain: str


def letterhead(unit: Unit, context: Context, account: Account, person: Person, *, sent_by: str = "") -> Letterhead:
    """Choose From, Sender and Reply-To for a message that `person` sends through `account`.

    Sender is who acts for them (SENT-BY, RFC 5545 §3.2.18), where that is one of ours: programs show "on behalf of".
    """
    own_domain = account.address.rpartition("@")[2]
    domain = normal_address(person.address).rpartition("@")[2]
    if domain in context.domains(unit):
        acting = unit.accounts.by_address(normal_address(sent_by)) if sent_by else None
        apart = acting is not None and not same_address(sent_by, person.address)
        return Letterhead(person, Person(sent_by, acting.name) if acting and apart else None, None, domain)
    service = f"{context.config.mail.service_local_part}@{own_domain}"
    name = f"{person.name or person.address} via {_branding(context, _settings(unit, own_domain)).name}"
    return Letterhead(Person(service, name), None, person, own_domain)


def present(
    unit: Unit, context: Context, account: Account, recipient: str, *, language: str = "", links: Links | None = None
) -> Presentation:
    """Choose language, zone and branding for one recipient of an account's mail.

    The recipient's own choice, the LANGUAGE of the ATTENDEE, the sender's domain, the sender, the default.
    """
    reader = unit.accounts.by_address(normal_address(recipient))
    domain_name = account.address.rpartition("@")[2]
    settings = _settings(unit, domain_name)
    locale = (
        (reader.locale if reader else None)
        or language
        or settings.get("locale")
        or account.locale
        or context.config.mail.default_locale
    )
    return Presentation(
        locale=str(locale),
        time_zone=reader.time_zone if reader else None,
        max_guests=context.config.mail.max_guests_shown,
        branding=_branding(context, settings),
        links=links or Links(),
        templates=context.templates.choose(domain_name, str(locale)),
        run=run_bounded,
    )


def present_domain(unit: Unit, context: Context, domain_name: str, *, locale: str | None, links: Links) -> Presentation:
    """Return how a domain presents itself to a reader of whom nothing is known."""
    settings = _settings(unit, domain_name)
    chosen = str(locale or settings.get("locale") or context.config.mail.default_locale)
    return Presentation(
        locale=chosen,
        max_guests=context.config.mail.max_guests_shown,
        branding=_branding(context, settings),
        links=links,
        templates=context.templates.choose(domain_name, chosen),
        run=run_bounded,
    )


def _branding(context: Context, settings: Mapping[str, Any]) -> Branding:
    colours = Colours(**{k: str(settings[k]) for k in ("accent", "accent_dark") if settings.get(k)})
    return Branding(
        name=str(settings.get("name") or context.config.mail.product_name),
        colours=colours,
        logo=_logo(settings.get("logo")),
        footer=str(settings.get("footer") or ""),
    )


def _settings(unit: Unit, domain_name: str) -> Mapping[str, Any]:
    domain = unit.accounts.domain(domain_name)
    return domain.settings if domain else {}


def _logo(stored: object) -> Logo | None:
    """Read a logo as it is kept: `{"type": "image/png", "data": base64, "alt": text}`."""
    if not isinstance(stored, Mapping):
        return None
    try:
        data = base64.b64decode(str(stored["data"]), validate=True)
    except (KeyError, binascii.Error):
        return None
    return Logo(data, str(stored.get("type", "image/png")), str(stored.get("alt", "")))
