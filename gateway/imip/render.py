# SPDX-License-Identifier: Apache-2.0
"""From a letter to text and HTML through Jinja2, autoescaped and sandboxed.

An operator's own templates are tried first. One that fails, or makes something absurdly large, loses to ours: a
mistake in a template must not keep an invitation from leaving; the fault is returned for the log. The sandbox is
there because an administrator may set templates over JMAP, which must not mean running code.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from gateway.errors import Misconfigured
from gateway.imip.colours import DARK, LIGHT, parse_colour, readable_on, text_on
from gateway.imip.custom import build_placeholders
from gateway.imip.facts import safe_uri
from gateway.imip.letter import Letter, Line, Question
from gateway.imip.mime import clean_line
from gateway.imip.presentation import ACCENT, Branding, Runner, Templates, run_here

NAMES: tuple[str, ...] = ("mail.html.j2", "mail.txt.j2", "style.css.j2")
_OURS = (*NAMES, "answer.html.j2", "answer.txt.j2")  # the latter stand in other people's mails: not to be replaced
MAX_HTML = 200_000
_URL = re.compile(r"https?://[^\s<>\"\\^`{}|]+[^\s<>\"\\^`{}|.,;:!?)\]'’”]")
_MAX_LINKED = 5  # per line: a mail is no link farm
LOGO_ID = "logo"


@dataclass(frozen=True, slots=True)
class Rendered:
    """Both forms of a letter. `fault` says why an operator's template was not used."""

    text: str
    html: str
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Brand:
    """What templates see of the branding: colours that are colours, and a logo only if it is sent along."""

    name: str
    accent: str
    accent_dark: str
    on_accent: str
    link: str  # the accent as text on white
    logo: str
    logo_alt: str
    logo_width: int


def render_letter(
    letter: Letter, branding: Branding, templates: Templates, *, logo_cid: str = "", run: Runner = run_here
) -> Rendered:
    """Return the text and HTML of a letter; `run` is how own templates are run."""
    brand = render_brand(branding, logo_cid)
    if not templates.sources:
        return _rendered(Templates(), letter, brand)
    try:
        text, html, fault = run(render_own, templates, letter, brand, key=templates)
    except ValueError as error:
        text, html, fault = "", "", str(error)
    if not fault:
        return Rendered(text, html)
    ours = _rendered(Templates(), letter, brand)
    return Rendered(ours.text, ours.html, fault)


def render_own(templates: Templates, letter: Letter, brand: Brand) -> tuple[str, str, str]:
    """Return text and HTML by own templates, or why they cannot be used."""
    try:
        own = _rendered(templates, letter, brand)
    except (
        TemplateError,
        TypeError,
        ValueError,
        LookupError,
        ArithmeticError,
        AttributeError,
        RecursionError,
    ) as error:
        return "", "", f"{type(error).__name__}: {error}"
    if len(own.html) > MAX_HTML or len(own.text) > MAX_HTML:
        return "", "", "the template makes too large a mail"
    return own.text, own.html, ""


def render_question(question: Question, branding: Branding, *, language: str, direction: str) -> Rendered:
    """Return the text and HTML of a question alone, to stand below words that are not ours."""
    shown = {"question": question, "brand": render_brand(branding, ""), "language": language, "direction": direction}
    text, html = (_engine(Templates()).get_template(name).render(shown) for name in ("answer.txt.j2", "answer.html.j2"))
    return Rendered(text.strip(), html.strip())


def parse_templates(sources: Mapping[str, str]) -> Templates:
    """Return template sources as a value, once they are known to be templates.

    Raises:
        Misconfigured: `bad-template`, every fault with its line.
    """
    faults = [f"{name}: no such template; known are {', '.join(NAMES)}" for name in sources if name not in NAMES]
    for name, source in sources.items():
        try:
            _engine(Templates()).parse(source, name)
        except TemplateError as error:
            faults.append(f"{name}:{getattr(error, 'lineno', 0)}: {error}")
    if faults:
        raise Misconfigured("bad-template", "A mail template cannot be used", tuple(faults))
    return Templates(tuple(sorted(sources.items())))


def _rendered(templates: Templates, letter: Letter, brand: Brand) -> Rendered:
    engine = _engine(templates)
    own = build_placeholders(letter, brand) if templates.sources else {}
    text = engine.get_template("mail.txt.j2").render(letter=letter, brand=brand, **own)
    html = engine.get_template("mail.html.j2").render(letter=letter, brand=brand, **own)
    text = re.sub(r"\n{3,}", "\n\n", re.sub(r"(?<!\n--)[ \t]+\n", "\n", text))
    return Rendered(text.strip() + "\n", html.strip() + "\n")


@lru_cache(maxsize=64)
def _engine(templates: Templates) -> Environment:
    ours = {name: files("gateway.imip").joinpath("templates", name).read_text("utf-8") for name in _OURS}
    kind = ImmutableSandboxedEnvironment if templates.sources else Environment  # ours need no guard, which costs half
    engine = kind(
        loader=DictLoader({**ours, **dict(templates.sources)}),
        autoescape=lambda name: name is None or not name.endswith(".txt.j2"),
        undefined=StrictUndefined,
        auto_reload=False,
    )
    engine.filters |= {"linked": linked, "shown": _shown, "underline": _underline, "hanging": _hanging}
    return engine


def render_brand(branding: Branding, logo_cid: str) -> Brand:
    """Return what templates see of a branding."""
    accent = parse_colour(branding.colours.accent, ACCENT)
    logo = branding.logo
    return Brand(
        name=clean_line(branding.name, 80),
        accent=accent,
        accent_dark=readable_on(DARK, parse_colour(branding.colours.accent_dark, accent), 6.5),
        on_accent=text_on(accent),
        link=readable_on(LIGHT, accent),
        logo=f"cid:{logo_cid}" if logo and logo_cid else "",
        logo_alt=clean_line((logo.alt if logo else "") or branding.name, 80),
        logo_width=min(max(logo.width if logo else 0, 16), 320),
    )


def linked(text: str) -> Markup:
    """Escape text and make its web addresses pressable; none of them learns where it was pressed."""
    if "://" not in text:
        return escape(text)
    pieces, position = [], 0
    for count, found in enumerate(_URL.finditer(text)):
        if count >= _MAX_LINKED:
            break
        uri = safe_uri(found[0])
        pieces.append(escape(text[position : found.start()]))
        pressable = Markup('<a class="lk" rel="noreferrer noopener" href="{0}">{0}</a>')
        pieces.append(pressable.format(uri) if uri else escape(found[0]))
        position = found.end()
    pieces.append(escape(text[position:]))
    return Markup("").join(pieces)


def _shown(line: Line) -> str:
    return line.text if not line.href or line.href == line.text else f"{line.text}: {line.href}"


def _underline(text: str) -> str:
    return "-" * min(sum(2 if ord(char) > 0x2E80 else 1 for char in text), 72)


def _hanging(text: str) -> str:
    return text.replace("\n", "\n    ")
