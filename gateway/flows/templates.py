# SPDX-License-Identifier: Apache-2.0
"""An operator's own mail templates, read from their folder once at start.

Of each template the most special wins: `DOMAIN/LANGUAGE/`, `DOMAIN/`, `LANGUAGE/`, the folder itself; a language may be
as exact as `pt-BR`. What is not there is ours. Every fault in the folder is told at once, and nothing starts with one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.bounded import run_bounded
from gateway.errors import Misconfigured
from gateway.imip.presentation import Presentation, Templates
from gateway.imip.render import MAX_HTML, NAMES, parse_templates
from gateway.imip.samples import build_sample

_TRIED = ("invitation", "alarm-late")  # between them they show every part of a letter


@dataclass(frozen=True, slots=True)
class OwnTemplates:
    """Template sources by the folder they lay in (`example.org/de`, "" for the top) and name."""

    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def choose(self, domain: str, locale: str) -> Templates:
        """Return the templates for a domain's mail in a language; the most special of each name."""
        if not self.sources:
            return Templates()
        tag = locale.replace("_", "-").lower()
        languages = (tag.partition("-")[0], tag)
        places = ("", *languages, domain.lower(), *(f"{domain.lower()}/{language}" for language in languages))
        found: dict[str, str] = {}
        for place in places:
            found.update(self.sources.get(place, {}))
        return Templates(tuple(sorted(found.items())))


def load_templates(directory: Path | None) -> OwnTemplates:
    """Read an operator's folder; None where there is none.

    Raises:
        Misconfigured: `bad-template`, with every fault in the folder.
    """
    if directory is None:
        return OwnTemplates()
    if not directory.is_dir():
        raise Misconfigured("bad-template", "The folder of mail templates cannot be read", (f"{directory}: no folder",))
    sources: dict[str, dict[str, str]] = {}
    faults: list[str] = []
    for path in sorted(directory.rglob("*.j2")):
        place = path.parent.relative_to(directory).as_posix().lower()
        try:
            sources.setdefault("" if place == "." else place, {})[path.name] = _read(path)
        except Misconfigured as error:
            faults += error.faults
    faults += (f"{directory / place}: {fault}" for place, own in sources.items() for fault in _faults(own))
    if faults:
        raise Misconfigured("bad-template", "A mail template cannot be used", tuple(faults))
    return OwnTemplates(sources)


def _read(path: Path) -> str:
    try:
        source = path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise Misconfigured("bad-template", "A mail template cannot be read", (f"{path}: {error}",)) from error
    if path.name not in NAMES:
        fault = f"{path}: no such template; known are {', '.join(NAMES)}"
    elif len(source) > MAX_HTML:
        fault = f"{path}: longer than {MAX_HTML} characters"
    else:
        return source
    raise Misconfigured("bad-template", "A mail template cannot be used", (fault,))


def _faults(own: Mapping[str, str]) -> Iterator[str]:
    """Yield why templates cannot be used: their syntax, else what goes wrong when they are tried on samples."""
    try:
        templates = parse_templates(own)
    except Misconfigured as error:
        yield from error.faults
        return
    presentation = Presentation(templates=templates, run=run_bounded)
    for name in _TRIED:
        fault = build_sample(name, domain="example.org", presentation=presentation).fault
        if fault:
            yield f"{name}: {fault}"
            return
