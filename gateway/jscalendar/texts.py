# SPDX-License-Identifier: Apache-2.0
"""The plain members: title and description, status, privacy, colours, words, relations, stamps (RFC 5545 §3.8.1).

Each pair of functions is one `Group` in `event.py`: what one writes the other reads.
"""

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser

from gateway.itip.tree import Component, Prop, escape_text
from gateway.itip.values import build_utc
from gateway.jscalendar.values import Json, JsonMap, parse_utc, parse_wall

_PRIVACY = {"PUBLIC": "public", "PRIVATE": "private", "CONFIDENTIAL": "secret"}
_CLASSES = {word: wire for wire, word in _PRIVACY.items()}
_BUSY_STATUS = {"TENTATIVE": "tentative", "OOF": "unavailable"}
_WIRE_BUSY = {word: wire for wire, word in _BUSY_STATUS.items()}
_BLOCKS = frozenset({"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre"})
_LIST_ITEM = re.compile(r"((?:\\.|[^,\\])*)(?:,|\Z)", re.DOTALL)
_BLANKS = re.compile(r"\n{3,}")

Read = Callable[[Component], Json]
Write = Callable[[JsonMap, Component], Iterator[Prop]]


def text_pair(member: str, name: str) -> tuple[Read, Write]:
    """Return reader and writer of one TEXT property; empty is absent."""

    def read(component: Component) -> Json:
        text = component.text(name)
        return {member: text} if text else {}

    def write(event: JsonMap, old: Component) -> Iterator[Prop]:
        text = event.get(member)
        if text:
            yield _changed(old, name, escape_text(text))

    return read, write


def word_pair(member: str, name: str, words: dict[str, str], *, default: str) -> tuple[Read, Write]:
    """Return reader and writer of a property that holds one of a few words; `default` is what absence means."""
    wire = {ours: theirs for theirs, ours in words.items()}

    def read(component: Component) -> Json:
        value = words.get((component.value(name) or "").strip().upper())
        return {member: value} if value and value != default else {}

    def write(event: JsonMap, old: Component) -> Iterator[Prop]:
        value = event.get(member) or default
        if value != default or old.first(name) is not None:
            yield _changed(old, name, wire[value])

    return read, write


def number_pair(member: str, name: str) -> tuple[Read, Write]:
    """Return reader and writer of a whole number whose default is 0."""

    def read(component: Component) -> Json:
        digits = (component.value(name) or "").strip()
        number = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 16 else 0
        return {member: number} if number else {}

    def write(event: JsonMap, old: Component) -> Iterator[Prop]:
        number = event.get(member) or 0
        if number or old.first(name) is not None:
            yield _changed(old, name, str(number))

    return read, write


def stamp_pair(member: str, name: str) -> tuple[Read, Write]:
    """Return reader and writer of an instant in UTC."""

    def read(component: Component) -> Json:
        prop = component.first(name)
        moment = parse_wall(prop) if prop is not None else None
        if moment is None:
            return {}
        return {member: moment.wall.isoformat() + "Z"}

    def write(event: JsonMap, old: Component) -> Iterator[Prop]:
        instant = parse_utc(event.get(member))
        if instant is not None:
            yield _changed(old, name, build_utc(instant))

    return read, write


def read_description(component: Component) -> Json:
    """Read the description: the styled one if it is HTML, else the plain one (RFC 9073 §6.5)."""
    for prop in component.all("STYLED-DESCRIPTION"):
        if (prop.param("FMTTYPE") or "text/html").split(";")[0].lower() == "text/html" and prop.text:
            return {"description": prop.text, "descriptionContentType": "text/html"}
    text = component.text("DESCRIPTION")
    return {"description": text} if text else {}


def write_description(event: JsonMap, old: Component) -> Iterator[Prop]:
    """Write the description; HTML goes beside a plain text made from it, and Outlook's stale copy goes away."""
    text = event.get("description")
    if not text:
        return
    if (event.get("descriptionContentType") or "text/plain").split(";")[0].strip().lower() != "text/html":
        yield _changed(old, "DESCRIPTION", escape_text(text))
        return
    yield Prop("DESCRIPTION", escape_text(plain_from_html(text)), (("DERIVED", ("TRUE",)),))
    yield Prop("STYLED-DESCRIPTION", escape_text(text), (("VALUE", ("TEXT",)), ("FMTTYPE", ("text/html",))))


class _PlainText(HTMLParser):
    """Collects what a person would read."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style", "head"):
            self._hidden += 1
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "head"):
            self._hidden = max(0, self._hidden - 1)
        elif tag in _BLOCKS and tag != "br":
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(re.sub(r"\s+", " ", data))


def plain_from_html(html: str) -> str:
    """Return the text of an HTML description, a line per block.

    >>> plain_from_html("<p>Hello <b>you</b></p><ul><li>one</li></ul>")
    'Hello you\\n\\none'
    """
    reader = _PlainText()
    reader.feed(html)
    reader.close()
    lines = (line.strip() for line in "".join(reader.parts).split("\n"))
    return _BLANKS.sub("\n\n", "\n".join(lines)).strip()


def read_busy(component: Component) -> Json:
    """Read TRANSP, and the finer word that Outlook keeps beside it."""
    if (component.value("TRANSP") or "").strip().upper() == "TRANSPARENT":
        return {"freeBusyStatus": "free"}
    finer = _BUSY_STATUS.get((component.value("X-MICROSOFT-CDO-BUSYSTATUS") or "").strip().upper())
    return {"freeBusyStatus": finer} if finer else {}


def write_busy(event: JsonMap, old: Component) -> Iterator[Prop]:
    """Write TRANSP, and Outlook's finer word where there is one."""
    busy = event.get("freeBusyStatus") or "busy"
    if busy != "busy" or old.first("TRANSP") is not None:
        yield _changed(old, "TRANSP", "TRANSPARENT" if busy == "free" else "OPAQUE")
    if busy in _WIRE_BUSY:
        yield _changed(old, "X-MICROSOFT-CDO-BUSYSTATUS", _WIRE_BUSY[busy])


def read_privacy(component: Component) -> Json:
    """Read CLASS; a word nobody knows means PRIVATE (RFC 5545 §3.8.1.3)."""
    written = (component.value("CLASS") or "PUBLIC").strip().upper()
    privacy = _PRIVACY.get(written, "private")
    return {} if privacy == "public" else {"privacy": privacy}


def write_privacy(event: JsonMap, old: Component) -> Iterator[Prop]:
    """Write CLASS."""
    privacy = event.get("privacy") or "public"
    if privacy != "public" or old.first("CLASS") is not None:
        yield _changed(old, "CLASS", _CLASSES[privacy])


def read_keywords(component: Component) -> Json:
    """Read CATEGORIES, however many lines and commas it takes."""
    words = {word.strip(): True for prop in component.all("CATEGORIES") for word in _comma_texts(prop.value)}
    words.pop("", None)
    return {"keywords": words} if words else {}


def write_keywords(event: JsonMap, old: Component) -> Iterator[Prop]:
    """Write the keywords as one CATEGORIES line."""
    words = [word for word, held in (event.get("keywords") or {}).items() if held]
    if words:
        yield _changed(old, "CATEGORIES", ",".join(map(escape_text, words)))


def read_categories(component: Component) -> Json:
    """Read CONCEPT (RFC 9253 §8.1)."""
    uris = {prop.value.strip(): True for prop in component.all("CONCEPT") if prop.value.strip()}
    return {"categories": uris} if uris else {}


def write_categories(event: JsonMap, old: Component) -> Iterator[Prop]:
    """Write a CONCEPT line per category, old lines kept."""
    lines = {prop.value.strip(): prop for prop in old.all("CONCEPT")}
    for uri, held in (event.get("categories") or {}).items():
        if held:
            yield lines.get(uri) or Prop("CONCEPT", uri)


def read_relations(component: Component) -> Json:
    """Read RELATED-TO by UID."""
    related: Json = {}
    for prop in component.all("RELATED-TO"):
        uid = prop.text
        if uid and len(uid) <= 255:
            relation = related.setdefault(uid, {"@type": "Relation", "relation": {}})
            relation["relation"][(prop.param("RELTYPE") or "PARENT").lower()] = True
    return {"relatedTo": related} if related else {}


def write_relations(event: JsonMap, old: Component) -> Iterator[Prop]:
    """Write a RELATED-TO line per relation; one without a named relation stands alone."""
    lines = {(prop.text, (prop.param("RELTYPE") or "PARENT").lower()): prop for prop in old.all("RELATED-TO")}
    for uid, relation in (event.get("relatedTo") or {}).items():
        kinds = [kind for kind, held in (relation.get("relation") or {}).items() if held] or ["parent"]
        for kind in kinds:
            made = Prop("RELATED-TO", escape_text(uid), () if kind == "parent" else (("RELTYPE", (kind.upper(),)),))
            yield lines.get((uid, kind)) or made


def read_request_status(component: Component) -> Json:
    """Read the first REQUEST-STATUS."""
    value = component.value("REQUEST-STATUS")
    return {"requestStatus": value} if value else {}


def write_request_status(event: JsonMap, old: Component) -> Iterator[Prop]:
    """Write REQUEST-STATUS."""
    if isinstance(event.get("requestStatus"), str):
        yield _changed(old, "REQUEST-STATUS", escape_text(event["requestStatus"]).replace("\\;", ";"))


def _changed(old: Component, name: str, value: str) -> Prop:
    """Return the old line with a new value (parameters kept), or a new line."""
    line = old.first(name)
    if line is None:
        return Prop(name, value)
    return line if line.value == value else line.with_value(value)


def _comma_texts(value: str) -> Iterator[str]:
    """Split a list of TEXT at the commas that are not escaped, escapes undone."""
    for match in _LIST_ITEM.finditer(value):
        yield Prop("", match[1]).text
