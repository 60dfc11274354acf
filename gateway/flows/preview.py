# SPDX-License-Identifier: Apache-2.0
"""Sample mails as one of our domains would send them: its name, colours, logo, templates and language."""

from collections.abc import Sequence

from gateway.flows.context import Context
from gateway.flows.presenting import present_domain
from gateway.imip.build import BuiltMail
from gateway.imip.presentation import Presentation
from gateway.imip.samples import build_sample, sample_links
from gateway.store.unit import Unit

_NOWHERE = "example.org"


async def build_preview(
    context: Context, names: Sequence[str], *, domain: str | None, locale: str | None
) -> dict[str, BuiltMail]:
    """Build samples by name. Nothing is stored and nothing is sent; the links in them lead nowhere."""
    name = domain or _NOWHERE
    links = sample_links(context.public_url or f"https://calendar.{name}")

    def read(unit: Unit) -> Presentation:
        return present_domain(unit, context, name, locale=locale, links=links)

    presentation = await context.store.read(read)
    return {kind: build_sample(kind, domain=name, presentation=presentation) for kind in names}
