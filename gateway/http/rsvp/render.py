# SPDX-License-Identifier: Apache-2.0
"""From a page to HTML with the headers that keep it safe: no script but ours, no foreign asset, no cache, no frame.

Style stands in the page and is allowed by its digest alone (CSP Level 3 §8.3), so nothing else that gets into a page
can style or run anything. An operator's own template is tried first, in the sandbox; one that fails loses to ours.
"""

import base64
import hashlib
import logging
import re
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from starlette.responses import HTMLResponse, Response

from gateway.bounded import run_bounded
from gateway.http.rsvp.page import Page
from gateway.imip.presentation import Branding
from gateway.imip.render import linked
from gateway.imip.render import render_brand as render_colours

_log = logging.getLogger(__name__)
NAMES = ("page.html.j2", "style.css.j2")
OWN = "own.html.j2"
MAX_PAGE = 1_000_000
_SCRIPTS = "; script-src 'self'"
_STYLE = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL | re.IGNORECASE)

#: RFC 9110 and friends have no word against any of these on a page that nobody links to and nobody keeps.
SAFE: dict[str, str] = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
    "Vary": "Accept-Language",
}


@dataclass(frozen=True, slots=True)
class Look:
    """How a page looks: branding, and a template that replaces ours ("" for none)."""

    branding: Branding = field(default_factory=Branding)
    template: str = ""


def respond(page: Page, look: Look, status: int = 200, *, secure: bool = True, **headers: str) -> Response:
    """Return a page as a response; `headers` are further ones, underscores for hyphens."""
    html = render_page(page, look)
    digests = " ".join(f"'sha256-{_digest(style)}'" for style in _STYLE.findall(html)[:8]) or "'none'"
    policy = (
        f"default-src 'none'; style-src {digests}; img-src data:; form-action 'self'; "
        f"frame-ancestors 'none'; base-uri 'none'{_SCRIPTS if page.script else ''}"
    )
    said = {**SAFE, "Content-Security-Policy": policy, "Content-Language": page.language}
    if secure:
        said["Strict-Transport-Security"] = "max-age=31536000"
    said.update({name.replace("_", "-"): value for name, value in headers.items()})
    return HTMLResponse(html, status, said)


def script() -> Response:
    """Return our one script: what it says is for the reader's eyes, and the page does without it."""
    headers = {**SAFE, "Cache-Control": "public, max-age=3600"}
    return Response(_script(), headers=headers, media_type="text/javascript")


@lru_cache(maxsize=1)
def _script() -> str:
    return files("gateway.http").joinpath("templates", "zone.js").read_text("utf-8")


def render_page(page: Page, look: Look) -> str:
    """Return the HTML of a page, by the operator's template if that works and by ours if not."""
    if look.template:
        try:
            html, fault = run_bounded(_own, page, look, key=look.template)
        except ValueError as error:
            html, fault = "", str(error)
        if not fault:
            return str(html)
        _log.warning("the page template is not usable", extra={"facts": {"error": fault}})
    return _rendered(page, Look(look.branding))


def template_fault(source: str, page: Page) -> str | None:
    """Say why a template is not usable, tried on a sample page; None where it is."""
    try:
        html, fault = run_bounded(_own, page, Look(template=source), key=source)
    except ValueError as error:
        html, fault = "", str(error)
    if fault:
        return str(fault)
    forms = re.findall(r"<form\b", html, re.IGNORECASE)
    if page.forms and not forms:
        return "the page has no form: nobody could answer"
    return "the page has a script, which would not run" if re.search(r"<script\b", html, re.IGNORECASE) else None


def _own(page: Page, look: Look) -> tuple[str, str]:
    """Return the HTML by an own template, or why it cannot be used."""
    try:
        return _rendered(page, look), ""
    except TemplateError as error:
        return "", f"line {getattr(error, 'lineno', None) or '?'}: {error}"
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RecursionError) as error:
        return "", f"{type(error).__name__}: {error}"


def _rendered(page: Page, look: Look) -> str:
    brand = render_colours(look.branding, "")
    engine = _engine(look.template)
    style = _style(brand.link, brand.accent_dark, "#ffffff")  # `link` is read on white, so white is on it
    name = OWN if look.template else "page.html.j2"
    html = engine.get_template(name).render(page=page, brand=brand, logo=_logo(look.branding), style=style)
    if len(html) > MAX_PAGE:
        raise ValueError("the template makes too large a page")
    return str(html)


@lru_cache(maxsize=16)
def _engine(template: str) -> Environment:
    """Return the engine of our templates, or the sandbox for an operator's: it costs five times as much."""
    ours = {name: files("gateway.http").joinpath("templates", name).read_text("utf-8") for name in NAMES}
    kind = ImmutableSandboxedEnvironment if template else Environment
    engine = kind(
        loader=DictLoader({**ours, OWN: template}),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    engine.filters["linked"] = linked
    return engine


@lru_cache(maxsize=64)
def _style(accent: str, accent_dark: str, on_accent: str) -> str:
    """Return the style sheet in a brand's colours; colours are checked before they come here."""
    source = _engine("").get_template("style.css.j2")
    return str(source.render(accent=accent, accent_dark=accent_dark, on_accent=on_accent)).strip()


@lru_cache(maxsize=64)
def _logo(branding: Branding) -> str:
    logo = branding.logo
    if logo is None or logo.media_type not in ("image/png", "image/jpeg", "image/gif", "image/webp"):
        return ""
    return f"data:{logo.media_type};base64,{base64.b64encode(logo.data).decode('ascii')}"


@lru_cache(maxsize=64)
def _digest(style: str) -> str:
    return base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
